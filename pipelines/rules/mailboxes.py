"""What the mailbox operators have told of somebody, whether that is fresh enough to act on, and of whom they may be asked (R9, P1, P2, P8).

A hub with channels to mailboxes asks them itself, before the first delivery: a mailbox may have been opened yesterday. Facts of the
last 24 hours serve, whoever told them. A question is waited for, but not long; with the operators silent what is known serves.
"""

from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, Literal

from pipelines.rules import identity
from pipelines.rules.calendar import age_at
from pipelines.rules.model import Asked, Person, Protection
from schemas.policy import Limits

MailboxState = Literal["known", "unasked", "silent"]

PATIENCE: Final = timedelta(seconds=20)
"""How long a decision waits for the operators' answers; a failure that the connector reports ends the wait at once."""

_NOBODY: Final = Asked.NOBODY
_ANSWERED: Final = Asked.ANSWERED
_SILENT: Final = Asked.SILENT


def mailbox_state(person: Person, now: datetime, limits: Limits) -> MailboxState:
    """How much what is known of somebody's mailboxes is worth now."""
    asked = person.asked
    if asked is _NOBODY:
        return "known"
    if asked is _SILENT:
        return "silent"
    if asked is not _ANSWERED:
        return "unasked"
    oldest = now - _hours(limits.register_fresh_hours)
    if person.told_at is not None and person.told_at >= oldest:
        return "known"
    return "known" if person.mailboxes and all(box.as_of >= oldest for box in person.mailboxes) else "unasked"


def may_ask(person: Person, now: datetime, limits: Limits) -> bool:
    """Whether the operators may be told that this person has post: nobody protected, dead, unconfirmed, minor, or of a reserve number only.

    Fail closed: an unknown age is a minor's, and whoever the register has not confirmed lately may be protected.
    """
    return (
        person.protection is Protection.NONE
        and not person.deceased
        and not person.reserve_only
        and person.born is not None
        and age_at(person.born, now) >= limits.adult_age
        and identity.register_state(person, now, limits) == "fresh"
    )


@lru_cache(maxsize=64)
def _hours(hours: int) -> timedelta:
    return timedelta(hours=hours)
