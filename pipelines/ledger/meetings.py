"""Who is booked in a video room: what the bridge asks the ledger when a patient comes, and for staff's lists (V8, V12, V15)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from asyncpg import Pool

from pipelines.rules.model import AccountState, BookingStatus


class Booked(NamedTuple):
    """A patient of a room. The phone number is the booking's, else the account's: for staff, to call when video fails."""

    booking_id: str
    person: UUID
    name: str
    phone: str | None
    start: datetime
    minutes: int


# Fail closed: whoever is protected, by their own or a linked number, or has died, is nobody's patient here (B1, P10).
_BOOKED: Final = """
    SELECT b.booking_id, b.person, coalesce(p.name, ''),
           coalesce(convert_from(b.content, 'UTF8')::json ->> 'phone', a.phone), b.start, b.minutes
      FROM bookings b JOIN persons p ON p.person = b.person LEFT JOIN accounts a ON a.person = b.person
     WHERE b.room = $1 AND b.wanted AND NOT b.dropped AND b.status <> $2
       AND p.protection = 0 AND p.inherited = 0 AND p.deceased IS NULL
     ORDER BY b.start, b.booking_id
"""
_PERSON: Final = """
    SELECT p.person, p.pid, coalesce(p.name, ''), a.phone
      FROM persons p LEFT JOIN accounts a ON a.person = p.person
     WHERE p.person = coalesce((SELECT current FROM aliases WHERE old = $1), $1)
       AND p.protection = 0 AND p.inherited = 0 AND p.deceased IS NULL AND p.confirmed_at IS NOT NULL
       AND (a.state IS NULL OR a.state <> $2)
"""


# The ledger has no row of a chat room, but one of its patient, as the one who is to read there (`unread.py`).
_WITHDRAWN: Final = """
    SELECT DISTINCT u.room FROM unread_chats u
      JOIN persons p ON p.person = coalesce((SELECT current FROM aliases WHERE old = u.person), u.person)
     WHERE u.room = ANY($1::uuid[]) AND (p.protection <> 0 OR p.inherited <> 0 OR p.deceased IS NOT NULL)
"""


class Named(NamedTuple):
    """A person under the current number (P4)."""

    person: UUID
    pid: str
    name: str
    phone: str | None


async def patients_of(pool: Pool[Any], room: UUID) -> list[Booked]:
    """The patients whose bookings are in the room now."""
    return [Booked(*row) for row in await pool.fetch(_BOOKED, room, int(BookingStatus.CANCELLED))]


async def person_of(pool: Pool[Any], person: UUID) -> Named | None:
    """Who may come to a meeting and be invited to one; None for the unknown, unverified (P8), protected, dead or blocked (N3)."""
    found = await pool.fetchrow(_PERSON, person, int(AccountState.BLOCKED))
    return Named(*found) if found is not None else None


async def withdrawn(pool: Pool[Any], chats: Collection[UUID]) -> set[UUID]:
    """Of these chat rooms those whose patient has become protected or has died (P10)."""
    return {row[0] for row in await pool.fetch(_WITHDRAWN, list(chats))}
