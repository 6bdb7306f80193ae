"""When the fallback to paper comes (R11, R14), when paper is already late, and whom the unit should ring."""

from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from pipelines.rules.calendar import working_days_before
from pipelines.rules.catalogue import said
from pipelines.rules.model import BookingStatus, Document, Kind, Person, PrintCopy, Settled, Step
from schemas.policy import Limits

URGENT: Final = said("R14.urgent", True)
RULE: Final = URGENT.rule


def due(document: Document, limits: Limits) -> tuple[datetime, bool]:
    """The deadline, and whether it is the early one of the unit's switch `early_print`.

    Elapsed time, not office hours. The early one follows the visit's current start and holds while the visit is not
    cancelled and its paper could still have left after the document was sent (or released, P8).
    """
    unread = document.count_from + _hours(limits.unread_hours)
    if not limits.early_print:
        return unread, False
    leaves = _leaves(document, limits)
    if leaves is None or not document.count_from < leaves < unread:
        return unread, False
    return leaves, True


def is_urgent(document: Document, limits: Limits, now: datetime) -> bool:
    """A print entry made now would come late: the visit is nearer than paper needs, and not past or cancelled."""
    leaves = _leaves(document, limits)
    return leaves is not None and document.visit is not None and leaves <= now < document.visit.start


def rings(person: Person | None, document: Document, limits: Limits, now: datetime) -> bool:
    """Whether a kallelse stands on the unit's list *ring patienten*.

    Not when it is read or accepted, nor when staff handled it on paper while paper was still in time; nobody is rung who is
    dead. Protected people are on the list; the console masks them.
    """
    if not document.e_brev or document.settled is not Settled.NO or (person is not None and person.deceased):
        return False
    if not is_urgent(document, limits, now):
        return False
    if document.print is not PrintCopy.HANDLED:
        return True
    leaves = _leaves(document, limits)
    return document.handled_at is not None and leaves is not None and document.handled_at > leaves


def step(deadline: datetime, early: bool) -> Step:
    """The step of a unit with `early_print`: which of the two moments is the deadline."""
    return said("R14.early" if early else "R14.late", False, deadline=deadline.isoformat())


def unread(deadline: datetime) -> Step:
    """The step of a kallelse that goes to print at the early deadline."""
    return said("R14.unread", True, deadline=deadline.isoformat())


def _leaves(document: Document, limits: Limits) -> datetime | None:
    """`visit − paper lead`, None where no visit waits for the paper."""
    visit = document.visit
    if visit is None or document.kind is not Kind.KALLELSE or visit.status is BookingStatus.CANCELLED:
        return None
    return working_days_before(visit.start, limits.paper_lead_days)


@lru_cache(maxsize=64)
def _hours(hours: int) -> timedelta:
    return timedelta(hours=hours)
