"""May it be sent, now, on the facts of this moment? Asked once more right before a request leaves (P1, P8, P10, C10, R9, R12, N3).

Pure. The caller holds the person's lock and keeps it until the row is in flight, so a protection that is known is never overtaken.
`withdraw` is for what the pipelines know themselves: they have decided again, or will. `refuse` is for what only this look found: it is
answered like a peer's refusal, so that the document is decided again (R12). Codes never tell of a protection or a death (P10).
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Final, Literal, NamedTuple

from pipelines.rules import identity
from pipelines.rules.calendar import STOCKHOLM, age_at
from pipelines.rules.model import AccountState, AppCopy, BookingStatus, MailboxCopy, Operator, Person, PrintCopy, Protection
from schemas.policy import Limits

STALE_AGAIN: Final = timedelta(seconds=21)
"""The register's patience (P8) and a moment: then its silence is known."""
UNVERIFIED_AGAIN: Final = timedelta(minutes=1)
NOT_WANTED: Final = "not_wanted"

Ruling = Literal["go", "wait", "withdraw", "refuse"]


class Clearance(NamedTuple):
    """`code`: why it waits, or was withdrawn or refused. `until`: when to look again. `look_up`: ask the register (P8)."""

    ruling: Ruling
    code: str = ""
    until: datetime | None = None
    look_up: bool = False


GO: Final = Clearance("go")


class Wanted(NamedTuple):
    """A delivery as its document has it. None of it where the document is gone."""

    mailbox: MailboxCopy
    delivery: MailboxCopy
    print: PrintCopy
    sent: datetime


class Quiet(NamedTuple):
    """Hours in Europe/Stockholm in which no text is sent, but for `exempt` kinds. Equal ends: no quiet hours."""

    begins: time
    ends: time
    exempt: frozenset[str]


class About(NamedTuple):
    """What a notification is about, as it stands now; `person` is whose document or booking it is."""

    person: Person
    app: AppCopy | None = None
    booking: BookingStatus | None = None
    shown: bool = True


def letter(person: Person, wanted: Wanted | None, operator: Operator, limits: Limits, now: datetime, *, in_doubt: bool) -> Clearance:
    """A mailbox delivery. The account for the app is not concerned: a mailbox needs none (R9). `in_doubt`: it may have been sent."""
    asked = {MailboxCopy.REQUESTED, MailboxCopy.UNKNOWN} if in_doubt else {MailboxCopy.REQUESTED}
    if wanted is None or wanted.mailbox not in asked or wanted.delivery not in asked:
        return Clearance("withdraw", NOT_WANTED)
    if person.deceased or person.protection is not Protection.NONE or person.reserve_only:
        return Clearance("withdraw", NOT_WANTED)
    if wanted.print is PrintCopy.HANDLED:
        return Clearance("withdraw", "handled_on_paper")
    if person.born is None or age_at(person.born, wanted.sent) < limits.adult_age:
        return Clearance("refuse", "under_age")
    known = _known(person, now, limits)
    if known is not None:
        return known
    if not any(box.accepts for box in person.mailboxes if box.operator is operator):
        return Clearance("refuse", "mailbox_closed")
    return GO


def text(
    recipient: Person, about: About | None, kind: str, not_after: datetime, phone: bool, quiet: Quiet, limits: Limits, now: datetime
) -> Clearance:  # fmt: skip
    """A notification (N1 to N3)."""
    if now >= not_after:
        return Clearance("withdraw", "too_late")
    for person in (recipient, about.person) if about is not None else (recipient,):
        if person.deceased or person.protection is not Protection.NONE or person.account is AccountState.BLOCKED:
            return Clearance("withdraw", NOT_WANTED)
    if about is not None and (about.app is AppCopy.WITHDRAWN or about.booking is BookingStatus.CANCELLED or not about.shown):
        return Clearance("withdraw", NOT_WANTED)
    for person in (recipient, about.person) if about is not None else (recipient,):
        known = _known(person, now, limits)
        if known is not None:
            return known._replace(until=min(known.until or not_after, not_after))
    if recipient.account is not AccountState.ACTIVE or not phone:
        return Clearance("refuse", "no_phone")
    loud = quiet_until(quiet, kind, now)
    if loud is not None:
        return Clearance("wait", "quiet_hours", min(loud, not_after))
    return GO


def invitation(holds: bool, not_after: datetime, now: datetime) -> Clearance:
    """A text to a guest (V9, N3): staff's explicit act, about nobody, so at any hour and without a look at anybody's facts. `holds`: the
    room is not over and its code is still the one in the text (V6, P10)."""
    if now >= not_after:
        return Clearance("withdraw", "too_late")
    return GO if holds else Clearance("withdraw", NOT_WANTED)


def quiet_until(quiet: Quiet, kind: str, now: datetime) -> datetime | None:
    """When the quiet hours that `now` lies in end; None outside them."""
    if kind in quiet.exempt or quiet.begins == quiet.ends:
        return None
    local = now.astimezone(STOCKHOLM)
    clock = local.time()
    over_night = quiet.begins > quiet.ends
    inside = clock >= quiet.begins or clock < quiet.ends if over_night else quiet.begins <= clock < quiet.ends
    if not inside:
        return None
    day = local.date() + timedelta(days=1) if over_night and clock >= quiet.begins else local.date()
    return datetime.combine(day, quiet.ends, STOCKHOLM).astimezone(now.tzinfo)


def _known(person: Person, now: datetime, limits: Limits) -> Clearance | None:
    """P8: what nobody has confirmed lately waits for the register; None where the facts serve."""
    match identity.register_state(person, now, limits):
        case "stale":
            return Clearance("wait", "register", now + STALE_AGAIN, look_up=True)
        case "unverified":
            return Clearance("wait", "register", now + UNVERIFIED_AGAIN, look_up=True)
        case _:
            return None
