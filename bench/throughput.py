"""Documents a second from a backlog, Kafka to ledger to Kafka: the hub beside the bare loop and Kafka Streams, in turns."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from statistics import median
from typing import Final

from bench.latency import Listener, stream
from bench.meters import percentile, rss_mib, spread
from bench.report import Report, told
from bench.servers import Ground
from bench.sides import BARE, HUB, STREAMS, Side, started

OUTPUTS: Final = ("app.documents.v1", "mailbox.deliveries.v1", "notifications.v1", "decisions.v1")
ROUND_S_MAX: Final = 240.0


@dataclass(frozen=True, slots=True)
class Round:
    """One side's backlog: rates and what it cost."""

    per_second: float
    own_ms: float
    kafka_ms: float
    postgres_ms: float
    wal: float
    rss: float
    outputs: float
    others: float
    """CPU that this machine gave to others meanwhile, as a share of one core."""

    @property
    def cpu_ms(self) -> float:
        return self.own_ms + self.kafka_ms + self.postgres_ms


async def run(ground: Ground, report: Report, documents: int, rounds: int, sides: tuple[str, ...], worker_counts: tuple[int, ...]) -> None:
    """One worker, then two; rounds in turns, the first thrown away."""
    for workers in worker_counts:
        async with AsyncExitStack() as stack:
            running = [await stack.enter_async_context(started(ground, name, workers)) for name in sides]
            kept: dict[str, list[Round]] = {side.name: [] for side in running}
            for number in range(rounds + 1):
                for side in running if number % 2 == 0 else reversed(running):
                    done = await one_round(ground, side, f"w{workers}r{number}", documents)
                    told(f"throughput {side.name} round {number}: {done.per_second:,.0f}/s, {done.cpu_ms:.3f} ms CPU a document")
                    if number:
                        kept[side.name].append(done)
            _tell(report, workers, {name.split("-")[0]: found for name, found in kept.items()})


async def one_round(ground: Ground, side: Side, name: str, documents: int) -> Round:
    """Write a backlog while the side stands still, let it go, wait until every decision is published."""
    side.hold()
    await ground.publish(side.topic, f"{side.name}-{name}", documents)
    made = await ground.records_in("decisions.v1")
    before_all = await ground.records_in(*OUTPUTS)
    before = await ground.used(side.pids, side.ledger)
    started_at = time.perf_counter()
    side.go()
    while await ground.records_in("decisions.v1") - made < documents:
        side.check()
        if time.perf_counter() - started_at > ROUND_S_MAX:
            raise RuntimeError(f"{side.name} did not finish {documents} documents in {ROUND_S_MAX:.0f} s")
        await asyncio.sleep(0.02)
    seconds = time.perf_counter() - started_at
    cost = (await ground.used(side.pids, side.ledger)).minus(before)
    await asyncio.sleep(0.5)
    outputs = await ground.records_in(*OUTPUTS) - before_all
    each = 1000 / documents
    return Round(
        documents / seconds, cost.own * each, cost.kafka * each, cost.postgres * each, cost.wal / documents,
        max(rss_mib(pid) for pid in side.pids), outputs / documents, cost.others / seconds,
    )  # fmt: skip


def _tell(report: Report, workers: int, kept: dict[str, list[Round]]) -> None:
    def middle(side: str, what: str) -> float:
        return median(getattr(each, what) for each in kept[side])

    part = report.part(f"throughput, {workers} worker{'s' if workers > 1 else ''}")
    hub = middle(HUB, "per_second")
    if BARE in kept:
        part.figure("ratio to the bare loop", hub / middle(BARE, "per_second"), "", target=">= 0.95" if workers == 1 else None)
        part.figure("CPU beside the bare loop", middle(HUB, "cpu_ms") / middle(BARE, "cpu_ms"), "")
    if STREAMS in kept:
        part.figure("ratio to Kafka Streams, 2 threads", hub / middle(STREAMS, "per_second"), "", target="> 1" if workers == 2 else None)
        part.figure("CPU beside Kafka Streams", middle(HUB, "cpu_ms") / middle(STREAMS, "cpu_ms"), "")
    part.figure("documents a second", hub, "/s", target=">= 11000" if workers == 1 else ">= 18000")
    part.figure("WAL a document", middle(HUB, "wal"), "B", target="<= 2800")
    part.figure("worker's memory at the end", kept[HUB][-1].rss, "MiB", target="<= 150")
    part.figure("memory's growth over the rounds", kept[HUB][-1].rss - kept[HUB][0].rss, "MiB")
    part.figure("records published a document", middle(HUB, "outputs"), "")
    for side, found in kept.items():
        rates = [each.per_second for each in found]
        part.row(
            side=side, per_second=median(rates), spread=spread(rates), own_cpu_ms=middle(side, "own_ms"),
            kafka_cpu_ms=middle(side, "kafka_ms"), postgres_cpu_ms=middle(side, "postgres_ms"), cpu_ms=middle(side, "cpu_ms"),
            wal=middle(side, "wal"), rss_mib=middle(side, "rss"), outputs=middle(side, "outputs"), others_cores=middle(side, "others"),
        )  # fmt: skip


async def replay(ground: Ground, report: Report, documents: int) -> None:
    """Events all seen before: nothing is decided or published, and the offsets move on."""
    part = report.part("replay")
    async with started(ground, HUB, 1) as side:
        first = await one_round(ground, side, "replayed", documents)
        side.hold()
        await ground.publish(side.topic, f"{side.name}-replayed", documents)
        outputs = await ground.records_in(*OUTPUTS)
        ends = await ground.records_in(side.topic)
        began = time.perf_counter()
        side.go()
        while await ground.committed("hub-pipelines", side.topic) < ends:
            side.check()
            await asyncio.sleep(0.02)
        rate = documents / (time.perf_counter() - began)
        part.figure("events all seen before", rate, "/s")
        part.figure("beside the first time", rate / first.per_second, "", target=">= 1")
        part.figure("records published by a replay", await ground.records_in(*OUTPUTS) - outputs, "", target="0")


async def latency(ground: Ground, report: Report, per_second: int, seconds: float) -> None:
    """From publishing a document to having its decision, at an even rate."""
    part = report.part("latency")
    for name in (HUB, BARE):
        async with started(ground, name, 1) as side, Listener(ground.kafka.bootstrap, "decisions.v1") as listener:
            waits = await stream(ground, side, listener, f"{side.name}-latency", per_second, seconds)
            late = sorted(waits)[len(waits) // 10 :] if len(waits) < 100 else waits[len(waits) // 10 :]
            part.figure(f"{name} p50 at {per_second}/s", percentile(late, 0.5) * 1000, "ms", target="<= 15" if name == HUB else None)
            part.figure(f"{name} p99 at {per_second}/s", percentile(late, 0.99) * 1000, "ms", target="<= 40" if name == HUB else None)
