"""What stands in the ledger, as gauges: deadlines ahead and overdue, outbox, look-ups, dead letters, print queue, lag (issue: telemetry).

Counters move where things happen; these are read now and then, by one process (the timers), so that two workers do not say it twice.
Each query is a count over a partial index or a small table; none looks at a person.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, Final, get_args

from asyncpg import Pool

from pipelines.rules.model import Reason
from pipelines.transport.batches import PartitionLag
from schemas.telemetry import Meter

EVERY_S: Final = 5.0
TABLES: Final = {"document": "documents", "booking": "bookings", "room": "rooms"}
CHANNELS: Final = {1: "kivra", 2: "mina_meddelanden"}


async def measure(pool: Pool[Any], meter: Meter, now: datetime) -> None:
    """Set every gauge that the ledger knows."""
    for kind, table in TABLES.items():
        ((ahead, overdue),) = await pool.fetch(
            f"SELECT count(*) FILTER (WHERE due_at > $1), count(*) FILTER (WHERE due_at <= $1) FROM {table}"
            " WHERE due_at IS NOT NULL",
            now,
        )
        meter.gauge("deadlines_open", ahead, kind=kind)
        meter.gauge("deadlines_overdue", overdue, kind=kind)
    ((rows, age),) = await pool.fetch("SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(at)), 0) FROM outbox")
    meter.gauge("outbox_rows", rows)
    meter.gauge("outbox_age_seconds", float(age))
    meter.gauge("lookups_waiting", await pool.fetchval("SELECT count(*) FROM lookups"), register="spar")
    meter.gauge("dead_letters_open", await pool.fetchval("SELECT count(*) FROM dead_letters WHERE state = 0"))
    found = await pool.fetch("SELECT reason, count(*) FROM print_entries WHERE state = 1 GROUP BY reason")
    waiting: dict[str, int] = {row[0]: row[1] for row in found}
    for reason in get_args(Reason):
        meter.gauge("print_open", waiting.get(reason, 0), reason=reason)
    found = await pool.fetch("SELECT channel, count(*) FROM deliveries WHERE state = 4 GROUP BY channel")
    unknown: dict[int, int] = {row[0]: row[1] for row in found}
    for number, name in CHANNELS.items():
        meter.gauge("unknown_outcomes", unknown.get(number, 0), channel=name)


def lag(meter: Meter, group: str, partitions: Iterable[PartitionLag]) -> None:
    """Records and age of what a worker has not acknowledged, by topic."""
    records: dict[str, int] = {}
    oldest: dict[str, int] = {}
    for one in partitions:
        records[one.topic] = records.get(one.topic, 0) + one.records
        if one.oldest_ms is not None:
            oldest[one.topic] = min(one.oldest_ms, oldest.get(one.topic, one.oldest_ms))
    now_ms = time.time() * 1000
    for topic, number in records.items():
        meter.gauge("lag_records", number, group=group, topic=topic)
        meter.gauge("lag_age_seconds", max(0.0, (now_ms - oldest.get(topic, now_ms)) / 1000), group=group, topic=topic)


def spaced(span: timedelta, now: Callable[[], datetime], job: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    """The job for `every`, done only where `span` of the hub's time has passed since: a clock that is moved moves it along."""
    last: datetime | None = None

    async def look() -> None:
        nonlocal last
        if last is None or now() - last >= span:
            last = now()
            await job()

    return look


async def every(seconds: float, job: Callable[[], Any], fail: Callable[[BaseException], None]) -> None:
    """Repeat a job; what it raises is a failure of ours like any other."""
    try:
        while True:
            done = job()
            if asyncio.iscoroutine(done):
                await done
            await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        raise
    except Exception as error:
        fail(error)
