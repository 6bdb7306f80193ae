"""The transport on a real Kafka, with workers as processes of their own: whatever ends them, no record is lost.

Each test has its own topics and group; `transport_process.py` copies records and says which record an output came from.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from pipelines.lanes import Lanes
from pipelines.transport.access import KafkaAccess
from pipelines.transport.batches import RecordBatch
from pipelines.transport.outputs import DeliveryFailed, Output, OutputProducer
from pipelines.transport.worker import WorkerSettings, make_app, serve

pytestmark = pytest.mark.slow

PARTITIONS = 4
PROCESS = Path(__file__).with_name("transport_process.py")
FAILED = 70


@dataclass
class Bench:
    """Topics, a group, and workers of one test."""

    access: KafkaAccess
    folder: Path
    name: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    processes: list[asyncio.subprocess.Process] = field(default_factory=list)

    @property
    def input(self) -> str:
        return f"in-{self.name}"

    @property
    def output(self) -> str:
        return f"out-{self.name}"

    @asynccontextmanager
    async def admin(self) -> AsyncIterator[Any]:
        client = AIOKafkaAdminClient(**self.access.client_arguments())
        await client.start()
        try:
            yield client
        finally:
            await client.close()

    async def create(self, **output_settings: str) -> None:
        async with self.admin() as admin:
            await admin.create_topics([
                NewTopic(self.input, PARTITIONS, 1),
                NewTopic(self.output, PARTITIONS, 1, topic_configs=output_settings),
            ])  # fmt: skip

    async def publish(self, count: int, first: int = 0, size_bytes: int = 20) -> None:
        outputs = [
            Output(self.input, f"person-{n % 97}".encode(), f"{n}".encode().ljust(size_bytes), []) for n in range(first, first + count)
        ]
        async with OutputProducer.connected_to(self.access, client_id="test") as producer:
            await producer.send_many(outputs)

    async def worker(self, **arguments: Any) -> asyncio.subprocess.Process:
        """Start a worker; returns when it is ready, or has ended."""
        told = {
            "bootstrap": self.access.bootstrap, "user": self.access.user, "password": self.access.password, "group": self.name,
            "inputs": [self.input], "output": self.output, "datadir": str(self.folder / f"faust-{len(self.processes)}"),
        }  # fmt: skip
        with (self.folder / f"worker-{len(self.processes)}.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, str(PROCESS), json.dumps(told | arguments), stdout=asyncio.subprocess.PIPE, stderr=log,
                cwd=PROCESS.parents[2], env={"PYTHONPATH": str(PROCESS.parents[2])},
            )  # fmt: skip
        self.processes.append(process)
        assert process.stdout is not None
        await asyncio.wait_for(process.stdout.readline(), 30)
        return process

    async def committed(self) -> dict[int, int]:
        async with self.admin() as admin:
            offsets = await admin.list_consumer_group_offsets(self.name)
        return {tp.partition: at.offset for tp, at in offsets.items() if tp.topic == self.input}

    async def records(self, topic: str) -> list[Any]:
        """All that is in a topic now, in order by partition."""
        consumer = AIOKafkaConsumer(**self.access.client_arguments(), auto_offset_reset="earliest")
        await consumer.start()
        try:
            partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
            found: list[Any] = []
            while [tp for tp, end in ends.items() if await consumer.position(tp) < end]:
                for part in (await consumer.getmany(timeout_ms=500)).values():
                    found += part
            return sorted(found, key=lambda record: (record.partition, record.offset))
        finally:
            await consumer.stop()

    async def copies(self) -> list[tuple[int, int, int]]:
        """Of each output, in order: partition and offset it came from, and the worker's run."""
        found = []
        for record in await self.records(self.output):
            headers = dict(record.headers)
            _, partition, offset = headers["source"].decode().split("/")
            found.append((int(partition), int(offset), int(headers["run"])))
        return found

    async def settled(self, count: int, within_s: float = 30) -> None:
        """Until everything that was published is committed."""
        deadline = time.monotonic() + within_s
        while sum((await self.committed()).values()) < count:
            assert time.monotonic() < deadline, "not committed in time"
            await asyncio.sleep(0.1)


@pytest.fixture
async def bench(kafka: str, tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(KafkaAccess(kafka), tmp_path)
    yield bench
    for process in bench.processes:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def ended(process: asyncio.subprocess.Process, within_s: float = 20) -> int:
    return await asyncio.wait_for(process.wait(), within_s)


async def until(condition: Callable[[], Any], within_s: float = 20, every_s: float = 0.05) -> None:
    deadline = time.monotonic() + within_s
    while not await condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(every_s)


async def enough(bench: Bench, count: int) -> bool:
    return sum((await bench.committed()).values()) >= count


async def reported(app: Any, count: int) -> bool:
    return sum(lag.committed or 0 for lag in app.lag()) >= count


def distinct(copies: list[tuple[int, int, int]]) -> int:
    return len({(partition, offset) for partition, offset, _ in copies})


async def replays_from_the_first_unacknowledged(bench: Bench, count: int, **second: Any) -> None:
    """Whatever was committed was delivered; the next worker begins exactly there, and in the end nothing is missing."""
    committed = dict.fromkeys(range(PARTITIONS), 0) | await bench.committed()
    assert sum(committed.values()) < count, "the fault came too late to show anything"
    delivered = {(partition, offset) for partition, offset, _ in await bench.copies()}
    for partition, end in committed.items():
        assert {(partition, offset) for offset in range(end)} <= delivered, "committed and not delivered: lost"
    worker = await bench.worker(run=2, **second)
    await bench.settled(count)
    worker.terminate()
    assert await ended(worker) == 0
    copies = await bench.copies()
    assert distinct(copies) == count
    ends = Counter(record.partition for record in await bench.records(bench.input))
    for partition in range(PARTITIONS):
        again = [offset for number, offset, run in copies if number == partition and run == 2]
        assert again == list(range(committed[partition], ends[partition]))


async def test_an_agent_that_raises_ends_the_worker_and_loses_nothing(bench: Bench) -> None:
    await bench.create()
    await bench.publish(500)
    assert await ended(await bench.worker(agent_raises=True)) == FAILED
    assert await bench.committed() == {}
    await replays_from_the_first_unacknowledged(bench, 500)


async def test_a_lane_that_raises_ends_the_worker_and_loses_nothing(bench: Bench) -> None:
    await bench.create()
    await bench.publish(2_000)
    assert await ended(await bench.worker(raise_at=900, records_max=50)) == FAILED
    await replays_from_the_first_unacknowledged(bench, 2_000)


async def test_an_output_that_the_broker_refuses_ends_the_worker_and_loses_nothing(bench: Bench) -> None:
    await bench.create(**{"max.message.bytes": "2000"})
    await bench.publish(40)
    first = await bench.worker(records_max=5)
    await bench.settled(40)
    await bench.publish(4, first=40, size_bytes=4_000)
    assert await ended(first) == FAILED
    assert sum((await bench.committed()).values()) == 40
    async with bench.admin() as admin:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, bench.output, {"max.message.bytes": "200000"})])
    await replays_from_the_first_unacknowledged(bench, 44)


async def test_a_killed_worker_loses_nothing_and_its_successor_has_its_partitions_at_once(bench: Bench) -> None:
    await bench.create()
    await bench.publish(6_000)
    first = await bench.worker(records_max=100, slow_s=0.02, topic_records_max=1_000)
    await until(lambda: enough(bench, 500))
    first.kill()
    await ended(first)
    began = time.monotonic()
    await replays_from_the_first_unacknowledged(bench, 6_000)
    assert time.monotonic() - began < 9, "waited for the session of a static member to end"


async def test_a_worker_told_to_stop_finishes_what_it_began_and_repeats_nothing(bench: Bench) -> None:
    await bench.create()
    await bench.publish(6_000)
    first = await bench.worker(records_max=100, slow_s=0.05, topic_records_max=500)
    await until(lambda: enough(bench, 300))
    first.terminate()
    assert await ended(first) == 0
    await replays_from_the_first_unacknowledged(bench, 6_000)
    copies = await bench.copies()
    assert len(copies) == distinct(copies)


async def test_workers_that_come_and_go_lose_nothing(bench: Bench) -> None:
    await bench.create()
    published = 0
    first = await bench.worker(slot=0, run=1, slow_s=0.01, session_s=6)
    second: asyncio.subprocess.Process | None = None
    for step in range(12):
        await bench.publish(500, first=published)
        published += 500
        if step == 2:
            second = await bench.worker(slot=1, run=2, slow_s=0.01, session_s=6)
        if step == 6:
            first.kill()
            await ended(first)
            first = await bench.worker(slot=0, run=3, slow_s=0.01, session_s=6)
        if step == 9 and second is not None:
            second.terminate()
            assert await ended(second) == 0
    await bench.settled(published)
    first.terminate()
    assert await ended(first) == 0
    copies = await bench.copies()
    assert distinct(copies) == published
    assert {run for *_, run in copies} >= {1, 2}


async def test_a_worker_that_stands_still_ends(bench: Bench) -> None:
    await bench.create()
    await bench.publish(100)
    worker = await bench.worker(hang_at=50, stall_s=2, records_max=10)
    assert await ended(worker, 15) == FAILED
    assert "transport_stalled" in (bench.folder / "worker-0.log").read_text()
    await replays_from_the_first_unacknowledged(bench, 100)


@asynccontextmanager
async def running(bench: Bench, handle: Callable[[Any, list[RecordBatch]], Any], topics: list[str], **settings: Any) -> AsyncIterator[Any]:
    """A worker in this process."""
    failures: list[BaseException] = []
    app = make_app(WorkerSettings(bench.access, bench.name, 0, bench.folder / "faust", **settings), on_failure=failures.append)

    async def handle_here(batches: list[RecordBatch]) -> Any:
        return await handle(app, batches)

    stop, ready = asyncio.Event(), asyncio.Event()
    async with Lanes([handle_here], on_failure=app.fail) as lanes:

        @app.agent(app.batches(*topics))
        async def intake(stream: Any) -> None:
            async for batch in stream:
                await lanes.put(batch)

        serving = asyncio.create_task(serve(app, ready=ready.set, stop=stop))
        try:
            await asyncio.wait_for(ready.wait(), 20)
            yield app
        finally:
            stop.set()
            await serving
    assert failures == []


async def copy(app: Any, batches: list[RecordBatch], topic: str) -> Any:
    return app.outputs.send_many([Output(topic, r.key, r.value, []) for batch in batches for r in batch.records])


async def test_merged_batches_keep_the_order_of_each_partition(bench: Bench) -> None:
    await bench.create()
    merged: list[int] = []

    async def handle(app: Any, batches: list[RecordBatch]) -> Any:
        merged.append(len(batches))
        await asyncio.sleep(0.005)
        return await copy(app, batches, bench.output)

    async with running(bench, handle, [bench.input], records_max=20):
        for first in range(0, 2_000, 100):
            await bench.publish(100, first=first)
        await bench.settled(2_000)
    assert max(merged) > 1
    assert [(r.partition, r.key, r.value) for r in await bench.records(bench.input)] == [
        (r.partition, r.key, r.value) for r in await bench.records(bench.output)
    ]


async def test_an_acknowledgement_is_committed_within_100_ms(bench: Bench) -> None:
    await bench.create()
    delivered: list[float] = []
    committed: list[float] = []

    async def handle(app: Any, batches: list[RecordBatch]) -> Any:
        delivery = await copy(app, batches, bench.output)
        delivery.add_done_callback(lambda _: delivered.append(time.monotonic()))
        return delivery

    async with running(bench, handle, [bench.input]) as app:
        for count in range(1, 11):
            await bench.publish(1, first=count)
            await until(lambda number=count: reported(app, number), every_s=0.002)
            committed.append(time.monotonic())
            assert await enough(bench, count)
            assert sum(lag.records for lag in app.lag()) == 0
    waits = sorted(end - begin for begin, end in zip(delivered, committed, strict=True))
    assert waits[5] < 0.1


async def test_what_is_held_in_memory_is_bounded_and_told_as_lag(bench: Bench) -> None:
    await bench.create()
    go_on = asyncio.Event()

    async def handle(app: Any, batches: list[RecordBatch]) -> Any:
        await go_on.wait()
        return await copy(app, batches, bench.output)

    async with running(bench, handle, [bench.input], records_max=50, topic_records_max=200) as app:
        await bench.publish(3_000)
        await asyncio.sleep(1)
        held, _ = app.consumer.progress.held(bench.input)
        lags = app.lag()
        go_on.set()
        await bench.settled(3_000)
    assert 200 <= held <= 200 + 4 * 50
    assert sum(lag.records for lag in lags) == 3_000
    assert any(lag.oldest_ms is not None for lag in lags)


async def test_outputs_of_a_refused_topic_fail_loudly(bench: Bench) -> None:
    await bench.create(**{"max.message.bytes": "1000"})
    async with OutputProducer.connected_to(bench.access, client_id="test") as producer:
        with pytest.raises(DeliveryFailed, match=f"{bench.output}: MessageSizeTooLargeError"):
            await producer.send_many([Output(bench.output, b"k", b"v" * 5_000, [])])
