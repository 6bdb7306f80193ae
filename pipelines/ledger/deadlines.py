"""Timers as rows: what is due, taken by whoever comes first (ARCHITECTURE decision 4).

`FOR UPDATE SKIP LOCKED` gives each row to one timer; the advisory locks of the people it is about are only tried, so a timer never
waits for a worker, nor a worker for a timer longer than one batch.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from asyncpg import Pool

from pipelines.ledger import Connection, rows
from pipelines.ledger.rows import BookingRow, DocumentRow, RoomRow

_DUE: Final = "WHERE due_at <= $1 ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED"
_NEXT: Final = """
SELECT least((SELECT min(due_at) FROM documents WHERE due_at IS NOT NULL),
             (SELECT min(due_at) FROM bookings WHERE due_at IS NOT NULL),
             (SELECT min(due_at) FROM rooms WHERE due_at IS NOT NULL))
"""


async def documents(connection: Connection, now: datetime, limit: int) -> list[DocumentRow]:
    return rows.DOCUMENTS.rows(await connection.fetch(f"{rows.DOCUMENTS.select} {_DUE}", now, limit))


async def bookings(connection: Connection, now: datetime, limit: int) -> list[BookingRow]:
    return rows.BOOKINGS.rows(await connection.fetch(f"{rows.BOOKINGS.select} {_DUE}", now, limit))


async def rooms(connection: Connection, now: datetime, limit: int) -> list[RoomRow]:
    return rows.ROOMS.rows(await connection.fetch(f"{rows.ROOMS.select} {_DUE}", now, limit))


async def next_due(pool: Pool[Any]) -> datetime | None:
    """When the earliest deadline falls, whoever takes it."""
    return await pool.fetchval(_NEXT)  # type: ignore[no-any-return]


async def overdue(pool: Pool[Any], now: datetime) -> int:
    """How many rows should have been decided by now."""
    return await pool.fetchval(  # type: ignore[no-any-return]
        "SELECT (SELECT count(*) FROM documents WHERE due_at <= $1) + (SELECT count(*) FROM bookings WHERE due_at <= $1)"
        " + (SELECT count(*) FROM rooms WHERE due_at <= $1)",
        now,
    )


def people_of(found: list[Any]) -> set[UUID]:
    return {row.person for row in found}
