"""Due rows: 200,000 documents whose 48 hours end within a minute, and as many at one instant, through the timers to Kafka (R11)."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from bench.meters import percentile
from bench.report import Report, told
from bench.servers import Ground
from bench.sides import HUB, ROOT
from bench.world import UNIT, has_account
from hub.process import spawn
from pipelines import ids
from pipelines.ledger.rows import DOCUMENTS, DocumentRow
from schemas.topics import PARTITIONS

TOPIC: Final = "print.entries.v1"
WAIT: Final = timedelta(hours=48)
LEAD_S: Final = 3.0
DONE_S_MAX: Final = 240.0


async def run(ground: Ground, report: Report, due: int, spread_s: float) -> None:
    part = report.part("deadlines")
    late, _, _ = await _round(ground, "spread", due, spread_s)
    part.figure(f"{due:,} over {spread_s:.0f} s: lateness p50", percentile(late, 0.5), "s")
    part.figure(f"{due:,} over {spread_s:.0f} s: lateness p99", percentile(late, 0.99), "s", target="<= 0.2")
    late, rate, memory = await _round(ground, "instant", due, 0.0)
    part.figure(f"{due:,} at one instant: all out within", max(late), "s", target="<= 15")
    part.figure("due rows decided and published", rate, "/s")
    part.figure("the timers' memory at the end", memory, "MiB", target="<= 150")


async def _round(ground: Ground, name: str, due: int, spread_s: float) -> tuple[list[float], float, float]:
    """Lateness of each: from its deadline until Kafka had its print entry."""
    from bench.meters import rss_mib

    ledger = await ground.ledger(HUB)
    told(f"deadlines {name}: writing {due:,} rows")
    # The rows must be there before the first is due: a lead for the writing, by what it takes here.
    start = datetime.now(UTC) + timedelta(seconds=LEAD_S + due / 8_000)
    moments: dict[str, float] = {}
    await _write(ledger, ground, name, due, start, spread_s, moments)
    before = await ground.watcher.end_offsets([TopicPartition(TOPIC, number) for number in range(PARTITIONS)])
    log = ground.dir / f"timers-{name}.log"
    with log.open("wb") as output:
        timers = spawn([sys.executable, "-m", "pipelines", "timers", "--slot", "0"], output=output, env=ground.environment(HUB), cwd=ROOT)
    try:
        if datetime.now(UTC) > start - timedelta(seconds=1.5):
            raise RuntimeError("the rows were not written in time")
        until = time.monotonic() + DONE_S_MAX
        while await ground.records_in(TOPIC) - sum(before.values()) < due:
            if timers.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the timers did not finish: {log.read_text(errors='replace')[-2000:]}")
            await asyncio.sleep(0.05)
        memory = rss_mib(timers.pid)
    finally:
        timers.terminate()
        timers.wait()
    came = await _came(ground, before, due)
    late = [came[ident] - moment for ident, moment in moments.items()]
    return late, due / (max(came.values()) - min(moments.values())), memory


async def _write(ledger: object, ground: Ground, name: str, due: int, start: datetime, spread_s: float, moments: dict[str, float]) -> None:
    chance = random.Random(name)
    holders = [pid for number, pid in enumerate(ground.world.people) if has_account(number)]
    keys = ground.world.keys

    def rows() -> Iterator[DocumentRow]:
        for number in range(due):
            ident = f"due-{name}-{number:08d}"
            at = start + timedelta(seconds=chance.random() * spread_s)
            moments[ident] = at.timestamp()
            sent = at - WAIT
            yield DocumentRow(
                ids.document(ident), ident, keys.uuid(holders[chance.randrange(len(holders))]), UNIT, ids.digest(ident.encode()), CONTENT,
                None, sent, sent, at, at, sent, None, 1, 800, 2, 1, True, 0, 0, 0, 1, 0, None, 0, 0, False, False, True, None, "R9",
            )  # fmt: skip

    await ledger.execute(  # type: ignore[attr-defined]
        "INSERT INTO contents (sha, data, at) VALUES ($1, $2, now()) ON CONFLICT DO NOTHING", CONTENT, BODY
    )
    await DOCUMENTS.insert(ledger, rows())  # type: ignore[arg-type]
    await ledger.execute("ANALYZE documents")  # type: ignore[attr-defined]


CONTENT: Final = b"bench" * 6 + b"xx"
BODY: Final = (
    b'{"title":"Kallelse","unit_name":"Ortopedmottagningen","body":"Hej!","body_format":"text","footer":"[4US:LPAT]","booking_id":null,'
    b'"template":"t-17","attachments":[]}'
)


async def _came(ground: Ground, before: dict[TopicPartition, int], due: int) -> dict[str, float]:
    """When Kafka appended each entry, by document."""
    consumer = AIOKafkaConsumer(bootstrap_servers=ground.kafka.bootstrap, enable_auto_commit=False)
    await consumer.start()
    consumer.assign(list(before))
    for partition, offset in before.items():
        consumer.seek(partition, offset)
    came: dict[str, float] = {}
    while len(came) < due:
        for records in (await consumer.getmany(timeout_ms=500, max_records=10_000)).values():
            for record in records:
                subject = next(value for header, value in record.headers if header == "ce_subject")
                came.setdefault(subject.decode(), record.timestamp / 1000)
    await consumer.stop()
    return came
