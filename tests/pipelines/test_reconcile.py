"""What adds up and what does not: one small account a row, each with the one thing that its name says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from pipelines.reconcile import COUNTS, Account, Came, Carried, Entry, Inbox, Kept, Row, Span, Told, confirmed, reconcile
from pipelines.rules.model import AppCopy, MailboxCopy, PrintCopy, Settled
from pipelines.rules.sending import State

HOUR = datetime(2026, 3, 2, 9, tzinfo=UTC)
AT = HOUR + timedelta(minutes=5)
SPAN = Span(HOUR - timedelta(hours=9), HOUR + timedelta(hours=15), HOUR + timedelta(hours=3))
YOUNG = SPAN.settled_by + timedelta(seconds=5)
LATER = SPAN.settled_by + timedelta(hours=40)
EVENT, SEND, TEXT, ENTRY = (UUID(int=number) for number in range(1, 5))
PLACE = ("ehr.letters.v1", 0, 7)

ROW = Row("d1", AT, True, AppCopy.OPEN, AT, PrintCopy.OPEN, Settled.NO, True, LATER)
LETTER = Carried(SEND, "d1", "kivra", "kivra", MailboxCopy.ACCEPTED, State.ACCEPTED, AT, AT, AT, True, False, "key")
PHONE = Carried(TEXT, "d1", "sms", "sms", None, State.READ, AT, AT, AT, True, False, "s1")
PRINTED = Entry(ENTRY, "d1", AT)


@dataclass
class Sources:
    """A letter that was delivered to the app with a text about it, went to Kivra, and was printed, as all four sources tell it."""

    told: Told = field(
        default_factory=lambda: Told(
            SPAN.first, [Came(PLACE, AT, EVENT, "d1")], {"d1"}, set(), {SEND: ("d1", "kivra"), TEXT: ("d1", "sms")},
            {(SEND, "accepted")}, {ENTRY},
        )
    )  # fmt: skip
    seen: set[UUID] = field(default_factory=lambda: {EVENT})
    dead: set[tuple[str, int, int]] = field(default_factory=set)
    row: Row | None = ROW
    letter: Carried | None = LETTER
    text: Carried | None = PHONE
    entry: Entry | None = PRINTED
    got: dict[str, Inbox] = field(
        default_factory=lambda: {
            "app": Inbox(SPAN.first, {"d1": 1}),
            "kivra": Inbox(SPAN.first, {str(SEND): 1}, {str(SEND): AT}),
            "sms": Inbox(SPAN.first, {"s1": 1}, {"s1": AT}),
        }
    )
    known: set[str] = field(default_factory=lambda: {str(SEND), "s1"})

    def account(self) -> Account:
        rows = {} if self.row is None else {self.row.document_id: self.row}
        carried = tuple(one for one in (self.letter, self.text) if one is not None)
        entries = () if self.entry is None else (self.entry,)
        return reconcile(self.told, Kept(self.seen, self.dead, rows, carried, entries, self.known), self.got, SPAN)

    def of_row(self, **more: Any) -> None:
        assert self.row is not None
        self.row = self.row._replace(**more)

    def of_letter(self, **more: Any) -> None:
        assert self.letter is not None
        self.letter = self.letter._replace(**more)

    def at_kivra(self, times: int) -> None:
        self.got["kivra"] = Inbox(SPAN.first, {str(SEND): times} if times else {}, {str(SEND): AT} if times else {})


def line(account: Account, channel: str) -> dict[str, int]:
    """What is counted of a channel in the document's hour, without `in`, which must be the sum."""
    found = account.lines.get((HOUR, channel), {})
    counts = {name: found[name] for name in COUNTS if found.get(name)}
    assert counts.pop("in", 0) == sum(counts.values()), "a line adds up by itself"
    return dict(counts)


def test_what_all_sources_agree_on_adds_up_in_each_channel() -> None:
    account = Sources().account()
    assert (account.differences, account.unknown, account.unasked) == ([], [], 0)
    for channel in ("intake", "app", "kivra", "sms", "print"):
        assert line(account, channel) == {"done": 1}, channel


def _state(state: State, copy: MailboxCopy, answer: str, times: int = 0) -> Callable[[Sources], None]:
    def change(s: Sources) -> None:
        s.of_letter(state=state, copy=copy)
        s.told.answered = {(SEND, answer)}
        s.at_kivra(times)

    return change


def _came_again(s: Sources) -> None:
    s.told.came.append(Came((PLACE[0], 3, 1), AT, EVENT, "d1"))


def _refused(s: Sources) -> None:
    s.told.came.append(Came((PLACE[0], 3, 1), AT, None, None))
    s.dead.add((PLACE[0], 3, 1))


def _just_came(s: Sources) -> None:
    s.told.came.append(Came((PLACE[0], 3, 1), YOUNG, UUID(int=99), "d2"))


def _waits(s: Sources) -> None:
    s.of_letter(state=State.WAITING, copy=MailboxCopy.REQUESTED, kept=True)
    s.at_kivra(0)


def _young_request(s: Sources) -> None:
    s.of_letter(state=None, copy=MailboxCopy.REQUESTED, asked_at=YOUNG, changed_at=YOUNG)
    s.told.requested.pop(SEND)
    s.at_kivra(0)


def _in_flight(s: Sources) -> None:
    s.of_letter(state=State.INFLIGHT, copy=MailboxCopy.REQUESTED, kept=True, changed_at=YOUNG)


def _held(s: Sources) -> None:
    """R9: the mailboxes are asked first."""
    s.of_row(decided=False, app=AppCopy.NEVER, printed=PrintCopy.NEVER)
    s.letter = s.text = s.entry = None
    s.told.delivered, s.told.requested = set(), {}
    s.known, s.got = set(), {}


def _untold(s: Sources) -> None:
    s.of_letter(all_told=False)
    s.told.answered = set()


def _withdrawn_app(s: Sources) -> None:
    s.of_row(app=AppCopy.WITHDRAWN)


def _left_the_queue(s: Sources) -> None:
    s.of_row(printed=PrintCopy.SETTLED)


def _peer_began_later(s: Sources) -> None:
    s.got["kivra"] = Inbox(AT + timedelta(minutes=1), {})


def _real_peers(s: Sources) -> None:
    s.got.clear()


def _old_topics(s: Sources) -> None:
    s.told = Told(SPAN.last)


@pytest.mark.parametrize(
    ("change", "channel", "counted"),
    [
        (_came_again, "intake", {"done": 1, "repeated": 1}),
        (_refused, "intake", {"done": 1, "refused": 1}),
        (_held, "intake", {"under_way": 1}),
        (_withdrawn_app, "app", {"withdrawn": 1}),
        (_left_the_queue, "print", {"withdrawn": 1}),
        (_state(State.REFUSED, MailboxCopy.REFUSED, "refused"), "kivra", {"refused": 1}),
        (_state(State.WITHDRAWN, MailboxCopy.WITHDRAWN, ""), "kivra", {"withdrawn": 1}),
        (_state(State.UNKNOWN, MailboxCopy.UNKNOWN, "unknown", 1), "kivra", {"unknown": 1}),
        (_waits, "kivra", {"under_way": 1}),
        (_young_request, "kivra", {"under_way": 1}),
        (_in_flight, "kivra", {"under_way": 1}),
        (_untold, "kivra", {"done": 1}),
        (_peer_began_later, "kivra", {"done": 1}),
        (_real_peers, "kivra", {"done": 1}),
        (_old_topics, "app", {"done": 1}),
    ],
)
def test_what_is_refused_withdrawn_unknown_or_under_way_is_counted_and_no_difference(
    change: Callable[[Sources], None], channel: str, counted: dict[str, int]
) -> None:
    sources = Sources()
    change(sources)
    account = sources.account()
    assert account.differences == []
    assert line(account, channel) == counted


def test_what_came_a_moment_ago_is_under_way() -> None:
    sources = Sources()
    _just_came(sources)
    account = sources.account()
    young = YOUNG.replace(minute=0, second=0)
    assert account.differences == [] and account.lines[young, "intake"] == {"in": 1, "under_way": 1}


def test_an_unknown_outcome_is_listed_with_what_the_peer_has() -> None:
    for times in (0, 1):
        sources = Sources()
        _state(State.UNKNOWN, MailboxCopy.UNKNOWN, "unknown", times)(sources)
        (listed,) = sources.account().unknown
        assert (listed.document_id, listed.delivery, listed.peer_has) == ("d1", SEND, times)


def test_who_cannot_be_asked_is_counted_as_such() -> None:
    sources = Sources()
    _real_peers(sources)
    assert sources.account().unasked == 2


# --- differences ------------------------------------------------------------------------------------------------------------


def _lost(s: Sources) -> None:
    s.seen.clear()


def _no_row(s: Sources) -> None:
    s.row = s.letter = s.text = s.entry = None


def _no_event(s: Sources) -> None:
    s.told.came.clear()


def _undecided(s: Sources) -> None:
    s.of_row(decided=False, due_at=None)


def _nobodys(s: Sources) -> None:
    s.of_row(due_at=None, printed=PrintCopy.NEVER)
    s.entry = None


def _overdue(s: Sources) -> None:
    s.of_row(due_at=AT)


def _app_untold(s: Sources) -> None:
    s.told.delivered.clear()


def _app_unkept(s: Sources) -> None:
    s.of_row(app=AppCopy.NEVER)


def _app_not_there(s: Sources) -> None:
    s.got["app"] = Inbox(SPAN.first, {})


def _unsettled(s: Sources) -> None:
    s.told.settled.add("d1")


def _no_entry(s: Sources) -> None:
    s.entry = None


def _entry_untold(s: Sources) -> None:
    s.told.entered.clear()


def _not_requested(s: Sources) -> None:
    del s.told.requested[SEND]


def _nobody_carries(s: Sources) -> None:
    s.of_letter(state=None, copy=MailboxCopy.REQUESTED)
    s.at_kivra(0)


def _text_without_row(s: Sources) -> None:
    s.text = None


def _stuck(s: Sources) -> None:
    s.of_letter(state=State.RENDERED, copy=MailboxCopy.REQUESTED, kept=False)


def _answer_untold(s: Sources) -> None:
    s.told.answered.clear()


def _answer_unapplied(s: Sources) -> None:
    s.of_letter(copy=MailboxCopy.REQUESTED)


def _twice(s: Sources) -> None:
    s.at_kivra(2)


def _unknown_twice(s: Sources) -> None:
    _state(State.UNKNOWN, MailboxCopy.UNKNOWN, "unknown", 2)(s)


def _not_there(s: Sources) -> None:
    s.at_kivra(0)


def _there_though_refused(s: Sources) -> None:
    _state(State.REFUSED, MailboxCopy.REFUSED, "refused", 1)(s)


def _text_not_there(s: Sources) -> None:
    s.got["sms"] = Inbox(SPAN.first, {})


def _stranger(s: Sources) -> None:
    s.known.discard("s1")


@pytest.mark.parametrize(
    ("change", "check", "ident"),
    [
        (_lost, "taken_in", "d1"),
        (_no_row, "document", "d1"),
        (_no_event, "submitted", "d1"),
        (_undecided, "decided", "d1"),
        (_nobodys, "kept", "d1"),
        (_overdue, "on_time", "d1"),
        (_app_untold, "app", "d1"),
        (_app_unkept, "app", "d1"),
        (_app_not_there, "arrived", "d1"),
        (_unsettled, "settled", "d1"),
        (_no_entry, "print", "d1"),
        (_entry_untold, "print", "d1"),
        (_not_requested, "requested", "d1"),
        (_nobody_carries, "taken_up", "d1"),
        (_text_without_row, "taken_up", "d1"),
        (_stuck, "kept", "d1"),
        (_answer_untold, "answered", "d1"),
        (_answer_unapplied, "answer_applied", "d1"),
        (_twice, "sent_twice", "d1"),
        (_unknown_twice, "sent_twice", "d1"),
        (_not_there, "arrived", "d1"),
        (_there_though_refused, "not_arrived", "d1"),
        (_text_not_there, "arrived", "d1"),
        (_stranger, "sent_by_us", "s1"),
    ],
)
def test_each_thing_that_does_not_add_up_is_named_once(change: Callable[[Sources], None], check: str, ident: str) -> None:
    sources = Sources()
    change(sources)
    account = sources.account()
    assert [(one.check, one.id) for one in account.differences] == [(check, ident)]
    for _, channel in account.lines:
        line(account, channel)


def test_a_record_that_nobody_can_read_and_nobody_refused_is_named_by_its_place() -> None:
    sources = Sources()
    sources.told.came.append(Came(("ehr.letters.v1", 3, 1), AT, None, None))
    assert [(one.check, one.id) for one in sources.account().differences] == [("taken_in", "ehr.letters.v1/3/1")]


def test_a_document_of_another_day_is_only_a_repeat_here() -> None:
    sources = Sources()
    sources.of_row(sent=SPAN.first - timedelta(days=1), due_at=AT)
    sources.letter = sources.text = sources.entry = None
    sources.got.clear()
    account = sources.account()
    assert account.differences == [] and set(account.lines) == {(HOUR, "intake")} and line(account, "intake") == {"repeated": 1}


def test_what_one_pass_alone_finds_was_on_its_way() -> None:
    sources = Sources()
    _twice(sources)
    found, fine = sources.account(), Sources().account()
    assert confirmed(fine, found) == confirmed(found, fine) == []
    assert confirmed(found, replace(found)) == found.differences
