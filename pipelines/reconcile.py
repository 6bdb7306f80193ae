"""Does everything that came in add up? What topics, ledger and peers say, side by side. Pure: shapes in, differences out.

    came in ─► dead letter │ document ─► decided ─► app copy      = document.delivered on the topic
                                                 ├► delivery      = one request, one send, one answer; the peer has it exactly once
                                                 ├► text          = one request, one send; the phone has it exactly once
                                                 └► print entry   = print.entered on the topic

`hub verify` compares the ledger's last states with the topics; this counts documents from their arrival on, and asks the peers as well. A
document's numbers stand in the hour in which it came in. Each line adds up by itself: what came in (or was asked for) is done, refused,
withdrawn, a repeat, unknown, or under way; what is none of these is a difference. What nobody can know (UNKNOWN: the desk's) is listed as
that, and what is young is under way: neither is a difference.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, NamedTuple
from uuid import UUID

from pipelines.rules.model import AppCopy, MailboxCopy, PrintCopy, Settled
from pipelines.rules.sending import KEEPERS, State

INTAKE: Final = "intake"
APP: Final = "app"
PRINT: Final = "print"
SMS: Final = "sms"

Count = Literal["in", "done", "refused", "withdrawn", "repeated", "unknown", "under_way", "wrong"]
COUNTS: Final[tuple[Count, ...]] = ("in", "done", "refused", "withdrawn", "repeated", "unknown", "under_way", "wrong")

_ENDED: Final[Mapping[State, Count]] = {
    State.ACCEPTED: "done",
    State.READ: "done",
    State.REFUSED: "refused",
    State.WITHDRAWN: "withdrawn",
    State.UNKNOWN: "unknown",
}
_COPIES: Final[Mapping[MailboxCopy, State]] = {
    MailboxCopy.ACCEPTED: State.ACCEPTED,
    MailboxCopy.REFUSED: State.REFUSED,
    MailboxCopy.WITHDRAWN: State.WITHDRAWN,
    MailboxCopy.UNKNOWN: State.UNKNOWN,
}
"""How far a delivery is where no send of ours carries it: somebody else answered."""
_ANSWERS: Final = {State.ACCEPTED: "accepted", State.READ: "accepted", State.REFUSED: "refused", State.UNKNOWN: "unknown"}


# --- what the four sources say ----------------------------------------------------------------------------------------------------


class Came(NamedTuple):
    """A record on a topic of documents. `place`: topic, partition, offset. Without `event` nobody can read it."""

    place: tuple[str, int, int]
    at: datetime
    event: UUID | None
    document_id: str | None


@dataclass(slots=True)
class Told:
    """The topics. `full_since`: from when on they still have everything."""

    full_since: datetime
    came: list[Came] = field(default_factory=list)
    delivered: set[str] = field(default_factory=set)
    settled: set[str] = field(default_factory=set)
    requested: dict[UUID, tuple[str, str]] = field(default_factory=dict)
    """Delivery or text → its document and channel."""
    answered: set[tuple[UUID, str]] = field(default_factory=set)
    entered: set[UUID] = field(default_factory=set)


class Row(NamedTuple):
    """A document of the ledger."""

    document_id: str
    sent: datetime
    decided: bool
    app: AppCopy
    app_since: datetime | None
    printed: PrintCopy
    settled: Settled
    open: bool
    due_at: datetime | None


class Carried(NamedTuple):
    """A delivery or text. `copy`: what the document's side knows of it (not of a text); `state`: how far its send is (None: no send)."""

    id: UUID
    document_id: str
    channel: str
    inbox: str
    copy: MailboxCopy | None
    state: State | None
    asked_at: datetime
    changed_at: datetime
    tried_at: datetime | None
    all_told: bool
    kept: bool
    """By a timer or a living process's slot."""
    reference: str | None


class Entry(NamedTuple):
    id: UUID
    document_id: str
    entered: datetime


@dataclass(frozen=True, slots=True)
class Kept:
    """The ledger and its inbox table. `seen`: events that were taken in; `dead`: places of dead letters; `known`: sends there are."""

    seen: Collection[UUID]
    dead: Collection[tuple[str, int, int]]
    rows: Mapping[str, Row]
    carried: tuple[Carried, ...] = ()
    entries: tuple[Entry, ...] = ()
    known: Collection[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Inbox:
    """What one peer says it has, by our id or its own, how often; of nothing before `since`."""

    since: datetime
    times: Mapping[str, int]
    firsts: Mapping[str, datetime] = field(default_factory=dict)


# --- what comes of it -------------------------------------------------------------------------------------------------------------


class Difference(NamedTuple):
    """Something that does not add up. `id`: of the document, or where nobody can tell it, of what was found."""

    check: str
    id: str
    expected: str
    found: str


class Unknown(NamedTuple):
    """A delivery whose outcome is the desk's, with how often the peer has it where it can be asked."""

    document_id: str
    delivery: UUID
    channel: str
    peer_has: int | None


@dataclass(slots=True)
class Account:
    lines: dict[tuple[datetime, str], Counter[Count]] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    unknown: list[Unknown] = field(default_factory=list)
    unasked: int = 0
    """Deliveries that no peer could be asked about: it began later, or there is no stand-in of it."""

    def count(self, at: datetime, channel: str, what: Count) -> None:
        hour = at.replace(minute=0, second=0, microsecond=0)
        line = self.lines.setdefault((hour, channel), Counter())
        line["in"] += 1
        line[what] += 1


@dataclass(frozen=True, slots=True)
class Span:
    """From `first`, before `last`. What happened after `settled_by` is young."""

    first: datetime
    last: datetime
    settled_by: datetime

    def has(self, at: datetime) -> bool:
        return self.first <= at < self.last


def confirmed(first: Account, second: Account) -> list[Difference]:
    """What both passes found: the rest was on its way."""
    before = {(one.check, one.id) for one in first.differences}
    return [one for one in second.differences if (one.check, one.id) in before]


def reconcile(told: Told, kept: Kept, got: Mapping[str, Inbox], span: Span) -> Account:
    """The account of the documents that came in during `span`. Of peers without an inbox in `got` nothing is said."""
    account = Account()
    _intake(account, told, kept, span)
    carried: dict[str, list[Carried]] = {}
    for one in kept.carried:
        carried.setdefault(one.document_id, []).append(one)
    entries = {entry.document_id: entry for entry in kept.entries}
    for row in kept.rows.values():
        if not span.has(row.sent):
            continue
        of_row = carried.get(row.document_id, ())
        _is_kept(account, row, of_row, span)
        _settled(account, told, row)
        _app(account, told, row, got.get(APP), span)
        _print(account, told, row, entries.get(row.document_id), span)
        for one in of_row:
            _carried(account, told, one, row, got, span)
    _requests(account, told, kept, span)
    _strangers(account, kept, got, span)
    return account


def _intake(account: Account, told: Told, kept: Kept, span: Span) -> None:
    """came in → dead letter, or a document that is decided. Each record is counted; a document once."""
    met: set[str] = set()
    named = {came.document_id for came in told.came}
    for came in told.came:
        name = came.document_id or "/".join(map(str, came.place))
        if came.place in kept.dead:
            account.count(came.at, INTAKE, "refused")
        elif came.event is None or came.event not in kept.seen:
            if _young(came.at, span):
                account.count(came.at, INTAKE, "under_way")
            else:
                account.count(came.at, INTAKE, "wrong")
                account.differences.append(Difference("taken_in", name, "in the inbox table or a dead letter", "neither"))
        elif name in met:
            account.count(came.at, INTAKE, "repeated")
        else:
            met.add(name)
            row = kept.rows.get(name)
            if row is None:
                account.count(came.at, INTAKE, "wrong")
                account.differences.append(Difference("document", name, "a document of the ledger", "nothing"))
            elif not span.has(row.sent):
                account.count(came.at, INTAKE, "repeated")  # it came first before the span
            else:
                account.count(came.at, INTAKE, _decided(account, row, span))
    for row in kept.rows.values():
        if row.document_id not in named and span.has(row.sent) and row.sent >= told.full_since:
            account.count(row.sent, INTAKE, "wrong")
            account.differences.append(Difference("submitted", row.document_id, "on its topic", "nothing"))


def _decided(account: Account, row: Row, span: Span) -> Count:
    """A document is decided at once, or a timer keeps it while facts are asked for (R9)."""
    if row.decided:
        return "done"
    if row.due_at is not None or _young(row.sent, span):
        return "under_way"
    account.differences.append(Difference("decided", row.document_id, "a decision or a timer", "neither"))
    return "wrong"


def _is_kept(account: Account, row: Row, of_row: Iterable[Carried], span: Span) -> None:
    """Every document is terminal, timed, at the desk, or on the to-do list; and its timer is not overdue."""
    waits = row.open and row.settled is Settled.NO and row.printed not in (PrintCopy.OPEN, PrintCopy.HANDLED)
    held = row.due_at is not None or any(one.kept or one.state is State.UNKNOWN for one in of_row)
    if waits and not held and not _young(row.sent, span):
        account.differences.append(Difference("kept", row.document_id, "final, timed, at the desk, or in the print queue", "nobody's"))
    if row.due_at is not None and row.due_at < span.settled_by:
        account.differences.append(Difference("on_time", row.document_id, "decided when it falls due", "overdue"))


def _settled(account: Account, told: Told, row: Row) -> None:
    """The first outcome is told once; that something was only recorded is not told of everybody (P1, P8)."""
    has, said = row.settled is not Settled.NO, row.document_id in told.settled
    if has != said and row.settled is not Settled.RECORDED and row.sent >= told.full_since:
        is_so, is_told = ("settled" if each else "not settled" for each in (has, said))
        account.differences.append(Difference("settled", row.document_id, is_so, f"{is_told} on the topic"))


def _app(account: Account, told: Told, row: Row, inbox: Inbox | None, span: Span) -> None:
    """An app copy of the ledger is one that the topic has delivered, and the other way round; and the app has it."""
    has, said, at = row.app is not AppCopy.NEVER, row.document_id in told.delivered, row.app_since or row.sent
    if not has and not said:
        return
    if has == said and inbox is not None and not _young(at, span) and not inbox.times.get(row.document_id):
        account.count(row.sent, APP, "wrong")
        account.differences.append(Difference("arrived", row.document_id, "in the app", "not there"))
    elif has == said or (has and at < told.full_since):
        account.count(row.sent, APP, "withdrawn" if row.app is AppCopy.WITHDRAWN else "done")
    elif _young(at, span):
        account.count(row.sent, APP, "under_way")
    else:
        account.count(row.sent, APP, "wrong")
        account.differences.append(Difference("app", row.document_id, _delivered(has), _delivered(said)))


def _print(account: Account, told: Told, row: Row, entry: Entry | None, span: Span) -> None:
    """A printed document has an entry, and the topic has told it."""
    if entry is None:
        if row.printed is not PrintCopy.NEVER:
            account.count(row.sent, PRINT, "wrong")
            account.differences.append(Difference("print", row.document_id, "a print entry", "nothing"))
    elif entry.id in told.entered or entry.entered < told.full_since:
        gone = row.printed in (PrintCopy.SETTLED, PrintCopy.RELEASED)
        account.count(row.sent, PRINT, "withdrawn" if gone else "done")
    elif _young(entry.entered, span):
        account.count(row.sent, PRINT, "under_way")
    else:
        account.count(row.sent, PRINT, "wrong")
        account.differences.append(Difference("print", row.document_id, "print.entered on the topic", "nothing"))


def _carried(account: Account, told: Told, one: Carried, row: Row, got: Mapping[str, Inbox], span: Span) -> None:
    """A delivery or text: asked for on its topic, as far on both sides of the ledger, answered on the topic, and with the peer once."""
    state = one.state if one.state is not None else _COPIES.get(one.copy) if one.copy is not None else None
    counted = _ENDED.get(state, "under_way") if state is not None else "under_way"
    wrong = [*_asked(told, one, state, span), *_answered(told, one, span)]
    if not _young(one.changed_at, span) or state is State.UNKNOWN:
        has = _peer_has(one, got)
        if has is None and counted != "under_way":
            account.unasked += 1
        if state is State.UNKNOWN:
            account.unknown.append(Unknown(one.document_id, one.id, one.channel, has))
        if has is not None:
            wrong += _arrived(one, state, has)
    account.count(row.sent, one.channel, "wrong" if wrong else counted)
    account.differences += wrong


def _asked(told: Told, one: Carried, state: State | None, span: Span) -> Iterator[Difference]:
    if _young(one.asked_at, span):
        return
    if one.id not in told.requested and one.asked_at >= told.full_since:
        yield Difference("requested", one.document_id, f"a request to {one.inbox} on the topic", "nothing")
    if state is None:
        yield Difference("taken_up", one.document_id, f"somebody carries it to {one.inbox}", "nobody does")
    elif KEEPERS[state] in ("timer", "owner") and not one.kept:
        yield Difference("kept", one.document_id, f"a timer or an owner of what goes to {one.inbox}", "neither")


def _answered(told: Told, one: Carried, span: Span) -> Iterator[Difference]:
    """A mailbox's answer is told on the topic, and the document's side has applied it."""
    answer = _ANSWERS.get(one.state) if one.state is not None else None
    if answer is None or one.copy is None or not one.all_told or _young(one.changed_at, span):
        return
    if (one.id, answer) not in told.answered and one.changed_at >= told.full_since:
        yield Difference("answered", one.document_id, f"{answer} on the topic", "nothing")
    if one.copy is MailboxCopy.REQUESTED:
        yield Difference("answer_applied", one.document_id, answer, "requested")


def _peer_has(one: Carried, got: Mapping[str, Inbox]) -> int | None:
    """How often the peer has it; None where it cannot tell: no such inbox, or it began after the last try."""
    inbox = got.get(one.inbox)
    if inbox is None or (one.tried_at or one.changed_at) < inbox.since:
        return None
    if one.channel != SMS:
        return inbox.times.get(str(one.id), 0)
    return inbox.times.get(one.reference, 0) if one.reference else None


def _arrived(one: Carried, state: State | None, has: int) -> Iterator[Difference]:
    if has > 1:
        yield Difference("sent_twice", one.document_id, f"once at {one.inbox}", f"{has} times")
    elif state in (State.ACCEPTED, State.READ) and has == 0:
        yield Difference("arrived", one.document_id, f"once at {one.inbox}", "not there")
    elif state in (State.REFUSED, State.WITHDRAWN) and has and one.channel != SMS:  # a phone may refuse what its provider took
        yield Difference("not_arrived", one.document_id, f"not at {one.inbox}: {state.name.lower()}", "there")


def _requests(account: Account, told: Told, kept: Kept, span: Span) -> None:
    """What a topic asks to be carried is a delivery or text of the ledger."""
    known = {one.id for one in kept.carried}
    for ident, (document_id, channel) in told.requested.items():
        row = kept.rows.get(document_id)
        if row is None or not span.has(row.sent) or ident in known or _young(row.sent, span):
            continue
        account.count(row.sent, channel, "wrong")
        account.differences.append(Difference("taken_up", document_id, f"somebody carries it by {channel}", "nobody does"))


def _strangers(account: Account, kept: Kept, got: Mapping[str, Inbox], span: Span) -> None:
    """What a peer has is something that the hub sent."""
    for name, inbox in got.items():
        if name == APP:
            continue  # it reads the topic itself
        for about, first in inbox.firsts.items():
            if span.has(first) and not _young(first, span) and about not in kept.known:
                account.differences.append(Difference("sent_by_us", about, "a send of the ledger", f"at {name} only"))


def _young(at: datetime, span: Span) -> bool:
    return at > span.settled_by


def _delivered(is_there: bool) -> str:
    return "delivered to the app" if is_there else "not delivered to the app"
