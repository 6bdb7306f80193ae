"""The outbox: the very bytes a transaction wants to publish, committed with it, deleted when Kafka has them.

One row a transaction, compressed. A process that dies between commit and delivery leaves its row; the next process of its slot, or
any other that lives, publishes the same bytes again (same ids, so consumers dedupe). Nothing is derived anew, so nothing can differ.

Order: rows are numbered under the locks of whom they are about, so of two about one subject the lower is the older. `pipelines.delivery`
says how that order is kept.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from typing import Any, Final

import orjson
import zstandard
from asyncpg import Pool

from pipelines.ledger import Connection
from pipelines.ledger import slots as slots_
from pipelines.transport.outputs import Output

LEVEL: Final = 1
BATCH_MAX: Final = 2**63 - 1

_LENGTH_BYTES: Final = 4
_threads = threading.local()
"""A compressor serves one thread at a time; lanes pack in threads of their own."""


def pack(outputs: Sequence[Output]) -> bytes:
    """Outputs as one blob: an index (JSON, its length before it), then all values and header values as they are."""
    compressor: zstandard.ZstdCompressor | None = getattr(_threads, "compressor", None)
    if compressor is None:
        compressor = _threads.compressor = zstandard.ZstdCompressor(level=LEVEL)
    shapes: dict[tuple[str, ...], int] = {}
    index, values = [], [b""]
    for topic, key, value, headers, partition_key in outputs:
        names, texts = zip(*headers, strict=True) if headers else ((), ())
        shape = shapes.setdefault(names, len(shapes))
        placed = None if partition_key is None else partition_key.decode()
        index.append((topic, key.decode(), placed, None if value is None else len(value), shape, [*map(len, texts)]))
        values.extend(texts)
        values.append(value or b"")
    table = orjson.dumps((list(shapes), index))
    values[0] = len(table).to_bytes(_LENGTH_BYTES, "big") + table
    return compressor.compress(b"".join(values))


def unpack(blob: bytes) -> list[Output]:
    """What `pack` was given."""
    data = memoryview(zstandard.ZstdDecompressor().decompress(blob))
    place = _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "big")
    shapes, index = orjson.loads(data[_LENGTH_BYTES:place])

    def take(size: int) -> bytes:
        nonlocal place
        place += size
        return bytes(data[place - size : place])

    found = []
    for topic, key, partition_key, size, shape, sizes in index:
        headers = [(name, take(length)) for name, length in zip(shapes[shape], sizes, strict=True)]
        value = None if size is None else take(size)
        found.append(Output(topic, key.encode(), value, headers, None if partition_key is None else partition_key.encode()))
    return found


async def put(connection: Connection, slot: str, blob: bytes) -> int:
    """Store a transaction's outputs; returns the row's number, which grows with time."""
    return await connection.fetchval(  # type: ignore[no-any-return]
        "INSERT INTO outbox (slot, data) VALUES ($1, $2) RETURNING batch", slot, blob
    )


async def delivered(connection: Connection | Pool[Any], batches: Collection[int]) -> None:
    """Kafka has them: forget the rows."""
    if batches:
        await connection.execute("DELETE FROM outbox WHERE batch = ANY($1)", list(batches))


async def earlier(connection: Connection, slot: str) -> list[int]:
    """Rows of other processes that are there now; read after the locks are held, before the own row is put."""
    return [row[0] for row in await connection.fetch("SELECT batch FROM outbox WHERE slot <> $1", slot)]


async def remaining(pool: Pool[Any], batches: Collection[int]) -> list[int]:
    """Which of these rows are still there."""
    return [row[0] for row in await pool.fetch("SELECT batch FROM outbox WHERE batch = ANY($1)", list(batches))]


async def any_of(pool: Pool[Any], slot: str) -> bool:
    """Whether there are rows of this slot."""
    return await pool.fetchval("SELECT EXISTS (SELECT FROM outbox WHERE slot = $1)", slot)  # type: ignore[no-any-return]


async def left_behind(connection: Connection, slot: str, *, with_own: bool, limit: int = 20) -> list[tuple[int, list[Output]]]:
    """The first rows of the outbox as far as their processes are gone (or they are of `slot`, `with_own`), in order.

    A row of a living process ends the list: what stands behind it may be newer news about the same subject. The slots of those that
    are gone stay locked while the transaction lasts, so that a new process of theirs waits.
    """
    slots = [row[0] for row in await connection.fetch("SELECT DISTINCT slot FROM outbox WHERE slot <> $1", slot)]
    free = await slots_.gone(connection, slots) if slots else set()
    if with_own:
        free.add(slot)
    if not free:
        return []
    found = await connection.fetch(
        "SELECT batch, data FROM outbox WHERE batch < coalesce((SELECT min(batch) FROM outbox WHERE slot <> ALL($1)), $2)"
        " ORDER BY batch LIMIT $3",
        sorted(free), BATCH_MAX, limit,
    )  # fmt: skip
    return [(batch, unpack(data)) for batch, data in found]
