"""What the population register has confirmed of a person, and whether that is fresh enough to act on (P2, P8)."""

from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, Literal

from pipelines.rules.catalogue import said
from pipelines.rules.model import Person, Protection, Step
from schemas.policy import Limits

RegisterState = Literal["not_needed", "fresh", "stale", "unverified"]

LOOK_UP_PATIENCE: Final = timedelta(seconds=20)
"""How long a decision waits for the register's answer before known facts serve (the ledger then says `silent`)."""

PRINTED: Final = said("P8.print", True, register="unverified")
QUEUED: Final = said("P8.queued", False, register="unverified")
RELEASED: Final = said("P8.release", True, register="fresh")
STALE: Final = said("P8.stale", True, register="stale")
UNVERIFIED: Final = said("P8.unverified", True, register="unverified")
SHOWN: Final = said("P8.shown", False, register="stale")
HELD: Final = said("P8.hold", True, register="stale")

_NOT_NEEDED: Final = said("P8.not_needed", False, register="not_needed")


def register_state(person: Person, now: datetime, limits: Limits) -> RegisterState:
    """How much the register's word is worth now.

    A protection or a death already known needs no look-up: staleness never weakens it (fail closed). Where a provider has
    opened the app for sekretessmarkering the facts must be fresh all the same, as the protection may have become stronger.
    """
    if person.reserve_only or person.deceased:
        return "not_needed"
    if person.protection and not opened_for(person, limits):
        return "not_needed"
    confirmed_at = person.confirmed_at
    if confirmed_at is None:
        return "unverified"
    since = now - confirmed_at
    if since <= _hours(limits.register_fresh_hours):
        return "fresh"
    if not person.silent:
        return "stale"
    return "fresh" if since <= _hours(24 * limits.register_silent_days) else "unverified"


def veiled(person: Person, now: datetime, limits: Limits) -> bool:
    """P1, P8: protected, or not to be told from a protected person as far as any register says."""
    return person.protection is not Protection.NONE or register_state(person, now, limits) == "unverified"


def opened_for(person: Person, limits: Limits) -> bool:
    """R3's switch: the provider opens the app for sekretessmarkering alone."""
    return limits.open_app_for_sekretess and person.protection == Protection.SEKRETESSMARKERING


def passed(person: Person, now: datetime, state: RegisterState) -> Step:
    """The step of a person whose facts serve, with their age in whole hours."""
    if state == "not_needed" or person.confirmed_at is None:
        return _NOT_NEEDED
    since = now - person.confirmed_at
    return _fresh(since.days * 24 + since.seconds // 3600, person.silent)


@lru_cache(maxsize=1024)
def _fresh(hours: int, silent: bool) -> Step:
    return said("P8.silent" if silent else "P8.fresh", False, register="silent" if silent else "fresh", hours=hours)


@lru_cache(maxsize=64)
def _hours(hours: int) -> timedelta:
    return timedelta(hours=hours)
