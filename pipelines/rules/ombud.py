"""Which ombud of a person count now (P7): guardians of a child, holders of a fullmakt.

A link counts while it is active and not ended, and the ombud's own account is active, and the ombud is alive, unprotected and
confirmed by the register. An unconfirmed ombud is looked up, but nobody waits for the answer: R15 decides again when it comes.
"""

from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from pipelines.rules.calendar import DAY, age_at, day_of, midnight, turns
from pipelines.rules.model import AccountState, AgentLink, LinkState, Person, Recipient, Relation, Role
from schemas.persons import age
from schemas.policy import Limits

ENDLESS = date(2200, 1, 1)
"""Systems write the end of what has none as a day of some far year (9999-12-31)."""


class Ombud(NamedTuple):
    """Those who count, in a fixed order; whom to look up; and when the answer changes by itself."""

    recipients: tuple[Recipient, ...] = ()
    look_up: tuple[UUID, ...] = ()
    until: datetime | None = None


NOBODY = Ombud()


def guardians(person: Person, today: date, limits: Limits) -> Ombud:
    """The guardians of a child. Nobody from the 13th birthday on, nor while the child's own account is blocked (R7)."""
    if person.account is AccountState.BLOCKED or person.born is None or age(person.born, today) >= limits.child_age:
        return NOBODY
    found = _counting(person, Relation.GUARDIAN, "guardian", today)
    birthday = turns(person.born, limits.child_age)
    return found._replace(until=birthday if found.until is None else min(found.until, birthday))


def holders(person: Person, today: date) -> Ombud:
    """The holders of a fullmakt: recipients of what its giver gets in an open app, never notified."""
    if not person.agents or person.account is not AccountState.ACTIVE:
        return NOBODY
    return _counting(person, Relation.FULLMAKT, "fullmakt", today)


def of_document(person: Person, sent: datetime, limits: Limits, now: datetime) -> Ombud:
    """Those who count now for a document sent then: a child's is its guardians', anybody else's the holders' of a fullmakt."""
    if person.born is None:
        return NOBODY
    today = day_of(now)
    return guardians(person, today, limits) if age_at(person.born, sent) < limits.child_age else holders(person, today)


def _counting(person: Person, relation: Relation, role: Role, today: date) -> Ombud:
    links = sorted((link for link in person.agents if link.relation is relation and _is_open(link, today)), key=_uid)
    verified = [link for link in links if link.verified]
    ends = [midnight(link.until + DAY) for link in verified if link.until is not None and link.until < ENDLESS]
    return Ombud(
        tuple(Recipient(link.uid, link.pid, role) for link in verified),
        tuple(link.uid for link in links if not link.verified),
        min(ends, default=None),
    )


def _is_open(link: AgentLink, today: date) -> bool:
    return (
        link.state is LinkState.ACTIVE
        and (link.until is None or today <= link.until)
        and link.account is AccountState.ACTIVE
        and not link.protection
        and not link.deceased
    )


def _uid(link: AgentLink) -> UUID:
    return link.uid
