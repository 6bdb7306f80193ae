"""What people wrote in video meetings (V14) and what conferences are about (V11): sealed boxes that the video part alone can open."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from asyncpg import Pool

from pipelines.ledger import unread


class Text(NamedTuple):
    room: UUID
    number: int
    at: datetime
    box: bytes


# The same text may come twice, after an answer that was lost: the first stands.
_PUT: Final = """
    INSERT INTO meeting_texts (room, number, at, box)
    SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::timestamptz[], $4::bytea[])
    ON CONFLICT DO NOTHING
"""
_OF_ROOM: Final = """
    (SELECT number, box FROM meeting_texts WHERE room = $1 AND number > 0 ORDER BY number DESC LIMIT $2)
    UNION ALL SELECT number, box FROM meeting_texts WHERE room = $1 AND number = 0
"""


async def put(pool: Pool[Any], texts: Sequence[Text], notes: Sequence[unread.Note] = ()) -> None:
    """Keep them, and what is noted of who has read them (N1), in one transaction."""
    async with pool.acquire() as connection, connection.transaction():
        if texts:
            await connection.execute(_PUT, *(list(column) for column in zip(*texts, strict=True)))
        await unread.note(connection, notes)


async def of_room(pool: Pool[Any], room: UUID, lines_max: int) -> list[tuple[int, bytes]]:
    """The subject and the last lines of a room, in order of their numbers."""
    return sorted((row[0], row[1]) for row in await pool.fetch(_OF_ROOM, room, lines_max))
