"""Retention: rows that have been kept for as long as the settings say are removed, in bounded batches, beside the running hub.

A batch is one short transaction: candidates are locked without waiting (rows `FOR UPDATE SKIP LOCKED`, people and rooms by the advisory
locks of `locks.py`), judged again by a statement that sees everything committed until then, and deleted. So a body that a new document
is about to share (`FOR KEY SHARE` in `work._contents`) is either seen as used, or inserted anew by that document.

What stood on a compacted topic gets its tombstone after the retention of its final state (CONTRACTS section 2), through the outbox, in
the transaction that forgets the row. Documents whose fate is open, open print entries and coming visits are never removed, however
old; a copy in the app that nobody read does not keep a document that was accepted or printed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from asyncpg import Pool

from pipelines import ids
from pipelines.ledger import Connection, locks, outbox
from pipelines.rules.model import PrintCopy, RoomState
from pipelines.rules.sending import KEEPERS, State
from pipelines.transport.outputs import Output
from pipelines.work import Committed
from schemas.cloudevents import PersonKeys
from schemas.telemetry import Meter

BATCH_ROWS: Final = 2_000
CONTENT_ROWS: Final = 20_000
"""Of a batch of bodies: whether a document has one of them is one pass over the documents, for all of them."""
BATCHES_MAX: Final = 500
"""Of one table in one run; what is left waits for the next run, so that no run is endless."""
SLOT: Final = "retention"

Post = Callable[[Committed], Awaitable[None]]


async def run(
    pool: Pool[Any], now: datetime, days: Mapping[str, int], meter: Meter, *,
    keys: PersonKeys, slot: str = SLOT, post: Post | None = None,
) -> dict[str, int]:  # fmt: skip
    """One pass over all tables; how many rows of each went.

    `days` by table, with or without `_days` as in the settings; a table not named is kept. `post` publishes the tombstones
    (`Delivery.post`, with its own `slot`); without it they stay in the outbox until its relay takes them.
    """
    kept = {name.removesuffix("_days"): timedelta(days=number) for name, number in days.items()}
    gone: dict[str, int] = {}
    wall = datetime.now(UTC)
    said = _Tombstones(keys, slot, post)
    for table, remove in _STEPS.items():
        if table in kept:
            before = (wall if table == "dead_letters" else now) - kept[table]
            gone[table] = await _batches(pool, remove, before, said)
            if gone[table]:
                meter.count("retention_rows", gone[table], table=table)
    return gone


class _Tombstones:
    """What a batch takes back from compacted topics."""

    def __init__(self, keys: PersonKeys, slot: str, post: Post | None) -> None:
        self.keys = keys
        self._slot = slot
        self._post = post
        self._items: list[Output] = []

    def add(self, topic: str, key: str, partition: str) -> None:
        placed = partition.encode()
        self._items.append(Output(topic, key.encode(), None, [("ce_partitionkey", placed)], placed))

    async def put(self, connection: Connection) -> Committed | None:
        items, self._items = self._items, []
        if not items:
            return None
        after = await outbox.earlier(connection, self._slot)
        return Committed(await outbox.put(connection, self._slot, outbox.pack(items)), items, after, 0)

    async def post(self, committed: Committed | None) -> None:
        if committed is not None and self._post is not None:
            await self._post(committed)


Remove = Callable[[Connection, datetime, Any, _Tombstones], Awaitable[tuple[int, Any]]]
"""One batch: how many rows went, and where the next batch begins (None: this was the last)."""


async def _batches(pool: Pool[Any], remove: Remove, before: datetime, said: _Tombstones) -> int:
    total, place = 0, None
    for _ in range(BATCHES_MAX):
        async with pool.acquire() as connection, connection.transaction():
            number, place = await remove(connection, before, place, said)
            committed = await said.put(connection)
        await said.post(committed)
        total += number
        if place is None:
            break
    return total


def _by_time(table: str, key: str) -> Remove:
    """Tables that nothing refers to, by their time."""

    async def remove(connection: Connection, before: datetime, place: Any, said: _Tombstones) -> tuple[int, Any]:
        del place, said
        found = await connection.fetch(
            f"DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)"
            f" RETURNING 1",
            before, BATCH_ROWS,
        )  # fmt: skip
        return len(found), True if len(found) == BATCH_ROWS else None

    return remove


# --- documents ------------------------------------------------------------------------------------------------------------

_DOCUMENTS: Final = """
SELECT doc, person FROM documents d
 WHERE doc > $2 AND sent < $1 AND (NOT open OR settled <> 0 OR print = 2) AND due_at IS NULL
   AND NOT EXISTS (SELECT FROM print_entries e WHERE e.doc = d.doc AND e.state = $4)
 ORDER BY doc LIMIT $3 FOR UPDATE SKIP LOCKED
"""
_STILL: Final = "SELECT doc FROM documents WHERE doc = ANY($1) AND (NOT open OR settled <> 0 OR print = 2) AND due_at IS NULL"
_NOTHING: Final = UUID(int=0)


async def _documents(connection: Connection, before: datetime, place: Any, said: _Tombstones) -> tuple[int, Any]:
    """A document goes with all that is only about it; its decisions and bodies have times of their own."""
    del said
    found = await connection.fetch(_DOCUMENTS, before, place or _NOTHING, BATCH_ROWS, int(PrintCopy.OPEN))
    held = await locks.attempt(connection, {row["person"] for row in found})
    mine = [row["doc"] for row in found if row["person"] in held]
    gone = [row[0] for row in await connection.fetch(_STILL, mine)]
    for table in ("attachments", "recipients", "deliveries", "print_entries", "documents"):
        await connection.execute(f"DELETE FROM {table} WHERE doc = ANY($1)", gone)
    return len(gone), _next(found, "doc")


_PRINTS: Final = """
SELECT e.entry, d.person FROM print_entries e LEFT JOIN documents d USING (doc)
 WHERE e.entry > $2 AND e.entered < $1 AND coalesce(e.closed_at, e.entered) < $1 AND e.state <> $4 AND d.open IS NOT TRUE
 ORDER BY e.entry LIMIT $3 FOR UPDATE OF e SKIP LOCKED
"""


async def _print_entries(connection: Connection, before: datetime, place: Any, said: _Tombstones) -> tuple[int, Any]:
    """Closed entries of documents that nothing can open again."""
    del said
    found = await connection.fetch(_PRINTS, before, place or _NOTHING, BATCH_ROWS, int(PrintCopy.OPEN))
    held = await locks.attempt(connection, {row["person"] for row in found if row["person"] is not None})
    mine = [row["entry"] for row in found if row["person"] is None or row["person"] in held]
    gone = await connection.fetch("DELETE FROM print_entries WHERE entry = ANY($1) AND state <> $2 RETURNING 1", mine, int(PrintCopy.OPEN))
    return len(gone), _next(found, "entry")


async def _contents(connection: Connection, before: datetime, place: Any, said: _Tombstones) -> tuple[int, Any]:
    """Bodies and attachments that no document has. Two statements: the second sees what was committed before the locks were had."""
    del said
    found = await connection.fetch(
        "SELECT sha FROM contents WHERE sha > $2 AND at < $1 ORDER BY sha LIMIT $3 FOR UPDATE SKIP LOCKED",
        before, place or b"", CONTENT_ROWS,
    )  # fmt: skip
    gone = await connection.fetch(
        "DELETE FROM contents c WHERE sha = ANY($1)"
        " AND NOT EXISTS (SELECT FROM documents d WHERE d.content = c.sha)"
        " AND NOT EXISTS (SELECT FROM attachments a WHERE a.sha = c.sha)"
        " AND NOT EXISTS (SELECT FROM sends s WHERE s.request = c.sha AND s.kept) RETURNING 1",
        [row["sha"] for row in found],
    )  # fmt: skip
    return len(gone), _next(found, "sha", CONTENT_ROWS)


# --- sends ----------------------------------------------------------------------------------------------------------------

_FINAL: Final = [int(state) for state, keeper in KEEPERS.items() if keeper == "nobody"]


async def _requests(connection: Connection, before: datetime, place: Any, said: _Tombstones) -> tuple[int, Any]:
    """The bytes of what was sent long ago; their SHA-256 stays as a proof of what they were. A guest's number (V9) does not wait for
    somebody to rule on an unknown outcome: its invitation has lost its point."""
    del said
    found = await connection.fetch(
        "SELECT send, request FROM sends WHERE send > $2 AND changed_at < $1"
        " AND (kept AND state = ANY($4::int2[]) OR box IS NOT NULL AND state = $5 AND not_after < $1)"
        " ORDER BY send LIMIT $3 FOR UPDATE SKIP LOCKED",
        before, place or _NOTHING, BATCH_ROWS, _FINAL, int(State.UNKNOWN),
    )  # fmt: skip
    await connection.execute("UPDATE sends SET kept = false, box = NULL WHERE send = ANY($1)", [row["send"] for row in found])
    await connection.execute(
        "DELETE FROM contents c WHERE sha = ANY($1)"
        " AND NOT EXISTS (SELECT FROM documents d WHERE d.content = c.sha)"
        " AND NOT EXISTS (SELECT FROM attachments a WHERE a.sha = c.sha)"
        " AND NOT EXISTS (SELECT FROM sends s WHERE s.request = c.sha AND s.kept)",
        [row["request"] for row in found],
    )
    return len(found), _next(found, "send")


async def _sends(connection: Connection, before: datetime, place: Any, said: _Tombstones) -> tuple[int, Any]:
    """What is final and was told; an unknown outcome stays until somebody rules on it."""
    del said
    found = await connection.fetch(
        "SELECT send FROM sends WHERE send > $2 AND changed_at < $1 AND state = ANY($4::int2[]) AND NOT kept AND told >= answers"
        " ORDER BY send LIMIT $3 FOR UPDATE SKIP LOCKED",
        before, place or _NOTHING, BATCH_ROWS, _FINAL,
    )  # fmt: skip
    gone = [row["send"] for row in found]
    await connection.execute("DELETE FROM attempts WHERE send = ANY($1)", gone)
    await connection.execute("DELETE FROM sends WHERE send = ANY($1)", gone)
    return len(gone), _next(found, "send")


# --- bookings and rooms -----------------------------------------------------------------------------------------------------

_BOOKINGS: Final = """
SELECT b.booking, b.booking_id, b.person, p.pid, b.dropped, b.changed, b.partition_by, b.shown_app OR b.shown_portal AS shown
  FROM bookings b JOIN persons p USING (person)
 WHERE b.booking > $2 AND b.start + b.minutes * interval '1 minute' < $1 AND (b.due_at IS NULL OR b.due_at < $1)
 ORDER BY b.booking LIMIT $3 FOR UPDATE OF b SKIP LOCKED
"""
_COMPACTED: Final = ("app.bookings.v1", "portal.bookings.v1")


async def _bookings(connection: Connection, before: datetime, place: Any, said: _Tombstones) -> tuple[int, Any]:
    """Visits of long ago. A dropped one (B1) has lost its time: the time of its last decision stands for it."""
    found = await connection.fetch(_BOOKINGS, before, place or _NOTHING, BATCH_ROWS)
    held = await locks.attempt(connection, {row["person"] for row in found})
    last = {ids.uid("decision", "booking", r["booking_id"], str(r["changed"])): r["booking"] for r in found if r["dropped"]}
    late = {
        last[row[0]]
        for row in await connection.fetch("SELECT decision FROM decisions WHERE decision = ANY($1) AND at >= $2", list(last), before)
    }
    gone = [row for row in found if row["person"] in held and row["booking"] not in late]
    await connection.execute("DELETE FROM bookings WHERE booking = ANY($1)", [row["booking"] for row in gone])
    for row in gone:
        if row["shown"] or row["changed"] > 1:  # else no topic ever had it
            for topic in _COMPACTED:
                said.add(topic, row["booking_id"], row["partition_by"] or said.keys.key(row["pid"]))
    return len(gone), _next(found, "booking")


_ROOMS: Final = """
SELECT room, partition_by FROM rooms
 WHERE room > $2 AND closes_at < $1 AND state = ANY($4::int2[]) AND due_at IS NULL
 ORDER BY room LIMIT $3 FOR UPDATE SKIP LOCKED
"""


async def _rooms(connection: Connection, before: datetime, place: Any, said: _Tombstones) -> tuple[int, Any]:
    """Rooms that are closed or void for good."""
    found = await connection.fetch(_ROOMS, before, place or _NOTHING, BATCH_ROWS, [int(RoomState.CLOSED), int(RoomState.VOID)])
    held = await locks.attempt(connection, {row["room"] for row in found})
    gone = [row for row in found if row["room"] in held]
    await connection.execute("DELETE FROM rooms WHERE room = ANY($1)", [row["room"] for row in gone])
    for row in gone:
        said.add("video.rooms.v1", str(row["room"]), row["partition_by"])
    return len(gone), _next(found, "room")


async def _meeting_texts(connection: Connection, before: datetime, place: Any, said: _Tombstones) -> tuple[int, Any]:
    """What was written in meetings (V14), each by its own time; a room's last lines may outlive its first."""
    del said, place
    found = await connection.fetch(
        "DELETE FROM meeting_texts WHERE (room, number) IN"
        " (SELECT room, number FROM meeting_texts WHERE at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING 1",
        before, BATCH_ROWS,
    )  # fmt: skip
    return len(found), True if len(found) == BATCH_ROWS else None


async def _unread_chats(connection: Connection, before: datetime, place: Any, said: _Tombstones) -> tuple[int, Any]:
    """Who has not read what (N1), or has: of no use when the lines themselves are gone."""
    del said, place
    found = await connection.fetch(
        "DELETE FROM unread_chats WHERE (room, reader) IN"
        " (SELECT room, reader FROM unread_chats WHERE at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING 1",
        before, BATCH_ROWS,
    )  # fmt: skip
    return len(found), True if len(found) == BATCH_ROWS else None


def _next(found: Sequence[Any], key: str, rows: int = BATCH_ROWS) -> Any:
    return found[-1][key] if len(found) == rows else None


_STEPS: Final[Mapping[str, Remove]] = {
    "inbox": _by_time("inbox", "event"),
    "decisions": _by_time("decisions", "decision"),
    "dead_letters": _by_time("dead_letters", "letter"),
    "print_entries": _print_entries,
    "documents": _documents,
    "requests": _requests,
    "sends": _sends,
    "contents": _contents,
    "bookings": _bookings,
    "rooms": _rooms,
    "meeting_texts": _meeting_texts,
    "unread_chats": _unread_chats,
}
"""In this order: what refers goes before what is referred to."""
