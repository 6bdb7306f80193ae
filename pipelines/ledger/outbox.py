"""The outbox: the very bytes a transaction wants to publish, committed with it, deleted when Kafka has them.

One row a transaction, compressed. A process that dies between commit and delivery leaves its row; the next process of its slot, or
after a while any other, publishes the same bytes again (same ids, so consumers dedupe). Nothing is derived anew, so nothing can differ.

Order: outputs about one person leave in the order of the commits. Within a process calls to the producer are in commit order; across
processes a transaction that held somebody exclusively waits until the rows it could see are gone (`earlier`), before it sends.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any, Final

import orjson
import zstandard
from asyncpg import Pool

from pipelines.ledger import Connection
from pipelines.transport.outputs import Output

LEVEL: Final = 1
ORPHANED: Final = timedelta(seconds=15)
"""A row this old belongs to nobody any more: its process is gone and has not come back."""

_threads = threading.local()
"""A compressor serves one thread at a time; lanes pack in threads of their own."""


def pack(outputs: Sequence[Output]) -> bytes:
    """Outputs as one blob. Values are JSON text, but for dead letters, which are marked and in base64."""
    compressor: zstandard.ZstdCompressor | None = getattr(_threads, "compressor", None)
    if compressor is None:
        compressor = _threads.compressor = zstandard.ZstdCompressor(level=LEVEL)
    return compressor.compress(
        orjson.dumps(
            [
                (
                    o.topic,
                    o.key.decode(),
                    _text(o.value),
                    [(name, value.decode()) for name, value in o.headers],
                    None if o.partition_key is None else o.partition_key.decode(),
                )
                for o in outputs
            ]
        )
    )


def _text(value: bytes | None) -> str | list[str] | None:
    if value is None:
        return None
    if value[:1] in (b"{", b"["):
        return value.decode()
    return [base64.b64encode(value).decode()]


def unpack(blob: bytes) -> list[Output]:
    """What `pack` was given."""
    return [
        Output(
            topic,
            key.encode(),
            base64.b64decode(value[0]) if isinstance(value, list) else None if value is None else value.encode(),
            [(name, text.encode()) for name, text in headers],
            None if partition_key is None else partition_key.encode(),
        )
        for topic, key, value, headers, partition_key in orjson.loads(zstandard.ZstdDecompressor().decompress(blob))
    ]


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


async def orphans(connection: Connection, slot: str | None, limit: int = 20) -> list[tuple[int, list[Output]]]:
    """Rows to publish again, locked until the transaction ends: those of `slot`, or with None those nobody came back for."""
    condition = "slot = $1" if slot is not None else "at < clock_timestamp() - $1::interval"
    argument: Any = slot if slot is not None else ORPHANED
    found = await connection.fetch(
        f"SELECT batch, data FROM outbox WHERE {condition} ORDER BY batch LIMIT {limit} FOR UPDATE SKIP LOCKED", argument
    )
    return [(batch, unpack(data)) for batch, data in found]
