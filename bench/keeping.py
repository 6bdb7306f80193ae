"""Retention beside the work: documents come at an even rate while a year's worth of old rows goes, and do they notice?"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Final

import asyncpg

from bench.deadlines import BODY, CONTENT
from bench.latency import Listener, stream
from bench.meters import percentile
from bench.report import Report, told
from bench.servers import Ground
from bench.sides import HUB, started
from bench.world import UNIT
from pipelines import ids
from pipelines.ledger import retention
from pipelines.ledger.rows import DOCUMENTS, DocumentRow
from schemas.telemetry import NullMeter

DAYS: Final = {"documents": 400, "decisions": 400, "inbox": 30, "contents": 400}
OLD: Final = timedelta(days=500)
REMOVED_MIN: Final = 0.99


async def run(ground: Ground, report: Report, old: int, per_second: int, seconds: float) -> None:
    part = report.part("retention")
    ledger = await ground.ledger(HUB)
    told(f"retention: writing {old:,} old documents, each with its decision and inbox row")
    await _write(ledger, ground, old)
    async with started(ground, HUB, 1) as side, Listener(ground.kafka.bootstrap, "decisions.v1") as listener:
        alone = await stream(ground, side, listener, "kept-alone", per_second, seconds)
        pool = await asyncpg.create_pool(ground.postgres.dsn_of(HUB), min_size=1, max_size=1)
        began = time.perf_counter()
        removing = asyncio.create_task(retention.run(pool, datetime.now(UTC), DAYS, NullMeter(), keys=ground.world.keys))
        beside = await stream(ground, side, listener, "kept-beside", per_second, seconds)
        gone = await removing
        took = time.perf_counter() - began
        await pool.close()
    if gone["documents"] < old * REMOVED_MIN:  # whose person was being decided for waits for the next run
        raise RuntimeError(f"retention removed {gone['documents']:,} of {old:,} documents")
    part.figure("rows removed", sum(gone.values()) / took, "/s")
    part.figure(f"document to decision at {per_second}/s alone, p99", percentile(alone, 0.99) * 1000, "ms")
    part.figure(f"document to decision at {per_second}/s beside retention, p99", percentile(beside, 0.99) * 1000, "ms")


async def _write(ledger: asyncpg.Connection[object], ground: Ground, old: int) -> None:
    sent = datetime.now(UTC) - OLD
    people = ground.world.people
    names = [f"old-{number:08d}" for number in range(old)]
    await ledger.execute("INSERT INTO contents (sha, data, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", CONTENT, BODY, sent)
    await DOCUMENTS.insert(
        ledger,
        (
            DocumentRow(
                ids.document(name), name, ground.world.keys.uuid(people[number % len(people)]), UNIT, ids.digest(name.encode()), CONTENT,
                None, sent, sent, None, None, sent, None, 1, 800, 2, 1, True, 0, 0, 0, 1, 0, None, 0, 1, False, False, False, None, "R9",
            )
            for number, name in enumerate(names)
        ),
    )  # fmt: skip
    made = [(ids.uid("decision", "document", name, "1"), ids.document(name), sent, 1, b"facts", b"event" * 60) for name in names]
    await ledger.copy_records_to_table("decisions", records=made, columns=["decision", "subject", "at", "kind", "facts", "event"])
    await ledger.copy_records_to_table("inbox", records=[(row[0], sent) for row in made], columns=["event", "at"])
    await ledger.execute("ANALYZE")
