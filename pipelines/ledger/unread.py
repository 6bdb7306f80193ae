"""Chat that patients have not read (N1): written in one transaction with the lines themselves, so that a bridge's death loses neither.

From the first line of staff's that a patient missed until they have read, one stretch is one notification. Whom it may still be sent to is
asked when it is due: nobody protected, dead or blocked, and of a booked room nobody whose booking is no longer in it, as they could
not read it either. Nothing here says what was written.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from asyncpg import Pool

from pipelines.ledger import Connection
from pipelines.rules.model import AccountState, BookingStatus, RoomState


class Reader(NamedTuple):
    """A patient of a room, by the bridge's name and the ledger's."""

    room: UUID
    reader: str
    person: UUID
    at: datetime


class Missed(NamedTuple):
    """A line of staff's. `readers`: patients of the room; `seen_by`: those of all its readers who were there."""

    room: UUID
    number: int
    at: datetime
    readers: Sequence[tuple[str, UUID]]
    seen_by: Sequence[str]


class Read(NamedTuple):
    """A patient has read everything up to a line."""

    room: UUID
    reader: str
    number: int


class Due(NamedTuple):
    """A stretch that has lasted. `pid`: whom to tell, under the current number; None: nobody."""

    room: UUID
    reader: str
    number: int
    since: datetime
    pid: str | None
    has_phone: bool

    def __repr__(self) -> str:
        """Without the person."""
        return f"Due(room={self.room}, number={self.number})"


Note = Reader | Missed | Read

_READERS: Final = """
    INSERT INTO unread_chats (room, reader, person, at) SELECT $1, r.reader, r.person, $4
      FROM unnest($2::text[], $3::uuid[]) AS r(reader, person) ON CONFLICT DO NOTHING
"""
# What comes again, after an answer that was lost, comes in the same order with all that followed, and leads to the same.
_MISSED: Final = """
    UPDATE unread_chats SET number = $2, at = $3, told = false WHERE room = $1 AND number IS NULL AND reader <> ALL($4::text[])
"""
_READ: Final = "UPDATE unread_chats SET number = NULL, told = false WHERE room = $1 AND reader = $2 AND number <= $3"
# Fail closed, as `meetings.py`: P1, P4, P10, N3. The ledger has no row of a chat room, only of booked ones.
_DUE: Final = """
    SELECT u.room, u.reader, u.number, u.at, p.pid, a.phone IS NOT NULL
      FROM unread_chats u
      LEFT JOIN (persons p LEFT JOIN accounts a ON a.person = p.person)
        ON p.person = coalesce((SELECT current FROM aliases WHERE old = u.person), u.person)
       AND p.protection = 0 AND p.inherited = 0 AND p.deceased IS NULL AND (a.state IS NULL OR a.state <> $3)
       AND (NOT EXISTS (SELECT FROM rooms r WHERE r.room = u.room)
            OR EXISTS (SELECT FROM rooms r JOIN bookings b ON b.room = r.room
                        WHERE r.room = u.room AND r.state <> $4 AND b.person IN (u.person, p.person)
                          AND b.wanted AND NOT b.dropped AND b.status <> $5))
     WHERE u.number IS NOT NULL AND NOT u.told AND u.at <= $1
     ORDER BY u.at LIMIT $2
"""
_TOLD: Final = """
    UPDATE unread_chats u SET told = true FROM unnest($1::uuid[], $2::text[], $3::bigint[]) AS d(room, reader, number)
     WHERE u.room = d.room AND u.reader = d.reader AND u.number = d.number
"""


async def note(connection: Connection, notes: Sequence[Note]) -> None:
    """Apply them in their order, in the caller's transaction."""
    for each in notes:
        match each:
            case Reader(room, reader, person, at):
                await connection.execute(_READERS, room, [reader], [person], at)
            case Missed(room, number, at, readers, seen_by):
                await connection.execute(_READERS, room, [one for one, _ in readers], [person for _, person in readers], at)
                await connection.execute(_MISSED, room, number, at, list(seen_by))
            case Read():
                await connection.execute(_READ, *each)


async def due(pool: Pool[Any], since_max: datetime, rows_max: int) -> list[Due]:
    """What has been unread since then or longer, the longest first."""
    unable = (int(AccountState.BLOCKED), int(RoomState.VOID), int(BookingStatus.CANCELLED))
    return [Due(*row) for row in await pool.fetch(_DUE, since_max, rows_max, *unable)]


async def told(pool: Pool[Any], stretches: Sequence[tuple[UUID, str, int]]) -> None:
    """Rooms, readers and lines that need nobody's attention until there is a new stretch."""
    await pool.execute(_TOLD, *(list(column) for column in zip(*stretches, strict=True)))
