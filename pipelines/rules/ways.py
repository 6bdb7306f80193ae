"""The digital ways of a document (R7-R9) and what follows when none is open, one refuses, or the time is up (R10-R12, R14).

Each way answers in the same terms (`Way`); `settle_on` turns that into the decision. The answer says what should be, not what
is new: a decision that finds everything delivered already says the same again, and `act` (progress.py) makes no effects of it.
"""

from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple
from uuid import UUID

from pipelines.rules import channels, deadline, mailboxes, ombud
from pipelines.rules.calendar import age_at, day_of
from pipelines.rules.catalogue import said
from pipelines.rules.model import (
    AccountState,
    AppCopy,
    Decision,
    Document,
    Kind,
    MailboxCopy,
    Operator,
    Person,
    PrintClass,
    Protection,
    Reason,
    Recipient,
    Step,
)
from schemas.policy import Limits

_TEEN: Final = said("R8.app", True).rule
_ADULT: Final = said("R9.open", True).rule
_CHILD: Final = said("R7.guardians", True).rule
_CLOSED_PRINT: Final = said("R10.print", True)
_CLOSED_WAIT: Final = said("R10.wait", True)
_CLOSED_OVER: Final = said("R10.over", True)
_ASK: Final = said("R9.ask", True)
_SILENT: Final = said("R9.silent", False)
_REFUSED_APP: Final = said("R12.app", False)
_REFUSED_PRINT: Final = said("R12.print", True)
_REFUSED_WAIT: Final = said("R12.wait", True)
_REFUSED_OVER: Final = said("R12.over", True)
RULES: Final = frozenset({_CHILD, _TEEN, _ADULT, _CLOSED_WAIT.rule, _REFUSED_WAIT.rule, "R11", deadline.RULE})
"""The rules after which `Decision.recipients` says who still counts as a recipient."""

_PENDING: Final = frozenset({MailboxCopy.REQUESTED, MailboxCopy.UNKNOWN})
_ACCOUNTS: Final = tuple(state.name.lower() for state in AccountState)
_MAILBOXES: Final = tuple(copy.name.lower() for copy in MailboxCopy)
_OPERATORS: Final = ("none", *(operator.name.lower() for operator in Operator))
# Members of an Enum are looked up by Python code in 3.11; these names are not.
_NEVER: Final = MailboxCopy.NEVER
_REFUSED: Final = MailboxCopy.REFUSED
_OPEN: Final = AppCopy.OPEN
_KALLELSE: Final = Kind.KALLELSE
_SKYDDAD: Final = Protection.SKYDDAD_FOLKBOKFORING
_APP: Final = ("app",)
_BOTH: Final = ("app", "mailbox")
_MAILBOX: Final = ("mailbox",)
_MAILBOX_BYTES_MAX: Final = max(path.bytes_max for path in channels.PATHS.values())
_NO_LOOK_UP: Final[tuple[UUID, ...]] = ()


class Way(NamedTuple):
    """What a person's age gives: `rule` with its recipients in the app (none: closed) and the mailbox to ask for, if any.

    `refused`: a mailbox did not take the document, or cannot (C10). `until`: when the answer changes by itself.
    `ask`: the mailbox operators are to be asked first; the rest of the answer is what is known without them.
    """

    rule: str
    recipients: tuple[Recipient, ...]
    operator: Operator | None = None
    refused: bool = False
    look_up: tuple[UUID, ...] = _NO_LOOK_UP
    until: datetime | None = None
    ask: bool = False


def find(person: Person, document: Document, limits: Limits, now: datetime, steps: list[Step]) -> Way:
    """R7, R8 or R9 by the age on the day of sending. An unknown age gets what a minor gets: no mailbox."""
    born = person.born
    age = -1 if born is None else age_at(born, document.sent)
    if age >= limits.adult_age:
        steps += _older(age)
        return _adult(person, document, limits, now, age, steps)
    if born is not None and age < limits.child_age:
        return _child(person, now, limits, age, steps)
    steps.append(_r7_older(age))
    return _teen(person, now, age, steps)


def settle_on(way: Way, person: Person, document: Document, limits: Limits, now: datetime, steps: list[Step]) -> Decision:
    """The decision for an open way, a closed one, or one whose time is up."""
    at, early = deadline.due(document, limits)
    if way.ask:
        steps.append(_ASK)
        patience = min(now + mailboxes.PATIENCE, at)  # the wait never moves what counts from *sent*
        return Decision(_ADULT, "wait", deadline=at, review_at=patience, steps=tuple(steps), reach=(person.uid,))
    if limits.early_print and document.kind is _KALLELSE and document.visit is not None:
        steps.append(deadline.step(at, early))
    app = bool(way.recipients)
    mailbox = way.operator is not None or document.mailbox in _PENDING
    if not app and not mailbox:
        return _closed(way, person, document, limits, now, steps, at)
    if now >= at:
        return _over(way, person, document, limits, now, steps, at, early)
    if app and way.refused:
        steps.append(_REFUSED_APP)
    review_at = way.until if way.until is not None and way.until < at else None
    return Decision(
        way.rule, "deliver", (_BOTH if mailbox else _APP) if app else _MAILBOX, None, way.recipients, way.operator,
        at, review_at, False, "ordinary", False, False, False, way.look_up, tuple(steps),
    )  # fmt: skip


def to_print(
    rule: str, reason: Reason, person: Person, document: Document, limits: Limits, now: datetime, steps: list[Step],
    *, manual: bool = False, recipients: tuple[Recipient, ...] = (), withdraw: bool = False,
) -> Decision:  # fmt: skip
    """The decision for the print queue. Protected people's entries are always handled by hand, in their class (R3)."""
    urgent = deadline.is_urgent(document, limits, now)
    if urgent:
        steps.append(deadline.URGENT)
    return Decision(
        rule, "print", ("print",), reason, recipients,
        manual=manual or bool(person.protection), print_class=print_class(person), urgent=urgent, withdraw=withdraw,
        steps=tuple(steps),
    )  # fmt: skip


def print_class(person: Person) -> PrintClass:
    """R3: what Skatteverket forwards goes in a sealed inner envelope, never in a shared batch."""
    return "relay" if person.protection is _SKYDDAD else "ordinary"


def _child(person: Person, now: datetime, limits: Limits, age: int, steps: list[Step]) -> Way:
    found = ombud.guardians(person, day_of(now), limits)
    key = "R7.guardians" if found.recipients else "R7.nobody"
    steps.append(
        said(key, bool(found.recipients), age=age, guardians=len(found.recipients), unconfirmed=len(found.look_up),
             account=_ACCOUNTS[person.account])
    )  # fmt: skip
    return Way(_CHILD, found.recipients, look_up=found.look_up, until=found.until)


def _teen(person: Person, now: datetime, age: int, steps: list[Step]) -> Way:
    app = channels.app_is_open(person)
    steps.append(_r8(age, app, _ACCOUNTS[person.account]))
    way = Way(_TEEN, (Recipient(person.uid, person.pid, "resident"),) if app else ())
    return _with_holders(way, person, now) if person.agents else way


def _adult(person: Person, document: Document, limits: Limits, now: datetime, age: int, steps: list[Step]) -> Way:
    """App and mailbox at the first delivery; later a mailbox only where the app is not open (R15)."""
    app = channels.app_is_open(person)
    state = document.mailbox
    operator = None
    refused = state is _REFUSED
    mailbox = _MAILBOXES[state]
    if state is _NEVER and not (app and document.app is _OPEN) and not person.protection:
        if person.asked and document.size <= _MAILBOX_BYTES_MAX:
            asked = mailboxes.mailbox_state(person, now, limits)
            if asked == "unasked" and now < deadline.due(document, limits)[0]:
                return Way(_ADULT, (), ask=True)
            if asked == "silent":
                steps.append(_SILENT)
        operator = channels.choose(person.mailboxes) if person.mailboxes else None
        mailbox = _OPERATORS[operator or 0]
        if operator is not None and document.size > channels.PATHS[operator].bytes_max:
            operator, refused, mailbox = None, True, "too_small"
    is_open = app or operator is not None or state in _PENDING
    steps.append(_r9(is_open, age, _ACCOUNTS[person.account], mailbox))
    way = Way(_ADULT, (Recipient(person.uid, person.pid, "resident"),) if app else (), operator, refused)
    return _with_holders(way, person, now) if person.agents else way


def _with_holders(way: Way, person: Person, now: datetime) -> Way:
    """P7: those with a fullmakt are recipients too, where the resident's app is open."""
    if not way.recipients:
        return way
    found = ombud.holders(person, day_of(now))
    return way._replace(recipients=way.recipients + found.recipients, look_up=found.look_up, until=found.until)


def _closed(way: Way, person: Person, document: Document, limits: Limits, now: datetime, steps: list[Step], at: datetime) -> Decision:
    """R10 and R12: a kallelse goes to print at once, the others wait for a channel until the deadline."""
    reason: Reason
    if document.kind is _KALLELSE:
        reason, step = ("mailbox_refused", _REFUSED_PRINT) if way.refused else ("no_channel", _CLOSED_PRINT)
    elif now >= at:
        reason, step = ("mailbox_refused", _REFUSED_OVER) if way.refused else ("no_account_48h", _CLOSED_OVER)
    else:
        step = _REFUSED_WAIT if way.refused else _CLOSED_WAIT
        steps.append(step)
        return Decision(step.rule, "wait", deadline=at, look_up=way.look_up, steps=tuple(steps))
    steps.append(step)
    decision = to_print(step.rule, reason, person, document, limits, now, steps)
    return decision._replace(look_up=way.look_up) if way.look_up else decision


def _over(
    way: Way, person: Person, document: Document, limits: Limits, now: datetime, steps: list[Step], at: datetime, early: bool
) -> Decision:  # fmt: skip
    """R11 (or R14): the time is up and nobody has read or accepted it."""
    reason: Reason
    if document.mailbox is MailboxCopy.UNKNOWN:
        reason, step = "unknown_outcome", said("R11.unknown", True, deadline=at.isoformat())
    elif early:
        reason, step = "unread_early", deadline.unread(at)
    else:
        reason, step = "unread_48h", said("R11.unread", True, deadline=at.isoformat(), app=document.app.name.lower())
    steps.append(step)
    return to_print(step.rule, reason, person, document, limits, now, steps, recipients=way.recipients)


@lru_cache(maxsize=256)
def _r7_older(age: int) -> Step:
    return said("R7.older", False, age=age if age >= 0 else None)


@lru_cache(maxsize=256)
def _older(age: int) -> tuple[Step, Step]:
    return _r7_older(age), said("R8.older", False, age=age)


@lru_cache(maxsize=256)
def _r8(age: int, app: bool, account: str) -> Step:
    return said("R8.app" if app else "R8.closed", app, age=age if age >= 0 else None, account=account)


@lru_cache(maxsize=4096)
def _r9(is_open: bool, age: int, account: str, mailbox: str) -> Step:
    return said("R9.open" if is_open else "R9.closed", is_open, age=age, account=account, mailbox=mailbox)
