"""The transport on a real Kafka, with workers as processes of their own: whatever ends them, no record is lost.

Each test has its own topics and group; `transport_process.py` copies records and says which record an output came from.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from hub.embedded.running import running_kafka
from pipelines.lanes import Lanes
from pipelines.transport.access import KafkaAccess
from pipelines.transport.batches import RecordBatch
from pipelines.transport.outputs import DeliveryFailed, Output, OutputProducer
from pipelines.transport.worker import WorkerSettings, make_app, serve
from tests.pipelines.transport_bench import FAILED, Bench, distinct, ended, enough, replays_from_the_first_unacknowledged, reported, until

pytestmark = pytest.mark.slow

SESSION_S = 50.0  # far longer than it takes on a busy machine


@pytest.fixture
async def bench(kafka: str, tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(KafkaAccess(kafka), tmp_path)
    yield bench
    await bench.close()


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
    first = await bench.worker(records_max=100, slow_s=0.02, hang_at=3_000, topic_records_max=1_000, session_s=SESSION_S)
    await until(lambda: enough(bench, 500))
    first.kill()
    await ended(first)
    began = time.monotonic()
    await replays_from_the_first_unacknowledged(bench, 6_000, session_s=SESSION_S)
    assert time.monotonic() - began < SESSION_S - 2, "waited for the session of a static member to end"


async def test_a_worker_told_to_stop_finishes_what_it_began_and_repeats_nothing(bench: Bench) -> None:
    await bench.create()
    await bench.publish(6_000)
    first = await bench.worker(records_max=100, slow_s=0.5, topic_records_max=500)
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


async def test_a_worker_that_was_frozen_beyond_its_session_loses_nothing(bench: Bench) -> None:
    """Its partitions go to the other; what it still does when it wakes is neither committed nor missing."""
    await bench.create()
    await bench.publish(4_000)
    told: dict[str, Any] = {"slow_s": 0.02, "records_max": 50, "session_s": 6, "topic_records_max": 500}
    frozen = await bench.worker(slot=0, run=1, **told)
    other = await bench.worker(slot=1, run=2, **told)
    await until(lambda: enough(bench, 500))
    frozen.send_signal(signal.SIGSTOP)
    await until(lambda: enough(bench, 4_000), within_s=30)
    frozen.send_signal(signal.SIGCONT)
    await bench.publish(1_000, first=4_000)
    await bench.settled(5_000)
    for worker in (frozen, other):
        worker.terminate()
        assert await ended(worker) == 0
    copies = await bench.copies()
    assert distinct(copies) == 5_000
    assert {run for *_, run in copies} == {1, 2}


async def test_a_killed_broker_loses_nothing(cache_dir: Path, server_dir: Path, tmp_path: Path) -> None:
    with running_kafka(server_dir / "kafka-to-kill", cache_dir) as server:
        bench = Bench(KafkaAccess(server.bootstrap), tmp_path)
        try:
            await bench.create()
            await bench.publish(6_000)
            worker = await bench.worker(slow_s=0.02, records_max=50, topic_records_max=500)
            await until(lambda: enough(bench, 500))
            await asyncio.to_thread(server.stop, signal.SIGKILL)
            await asyncio.to_thread(server.start)
            if worker.returncode is not None:
                worker = await bench.worker(run=2)
            await bench.settled(6_000, within_s=60)
            worker.terminate()
            assert await ended(worker) == 0
            assert distinct(await bench.copies()) == 6_000
        finally:
            await bench.close()


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

    def median() -> float:
        return sorted(end - begin for begin, end in zip(delivered[-10:], committed[-10:], strict=True))[5]

    async with running(bench, handle, [bench.input]) as app:
        while not committed or (median() >= 0.1 and len(committed) < 30):  # a machine that is busy for a while gets three series
            for count in range(len(committed) + 1, len(committed) + 11):
                await bench.publish(1, first=count)
                await until(lambda number=count: reported(app, number), every_s=0.002)
                committed.append(time.monotonic())
                assert await enough(bench, count)
                assert sum(lag.records for lag in app.lag()) == 0
    assert median() < 0.1


async def test_what_is_held_in_memory_is_bounded_and_told_as_lag(bench: Bench) -> None:
    await bench.create()
    go_on = asyncio.Event()

    async def handle(app: Any, batches: list[RecordBatch]) -> Any:
        await go_on.wait()
        return await copy(app, batches, bench.output)

    async with running(bench, handle, [bench.input], records_max=50, topic_records_max=200) as app:
        await bench.publish(3_000)

        async def all_is_seen() -> bool:
            return app.consumer.progress.held(bench.input)[0] >= 200 and sum(lag.records for lag in app.lag()) == 3_000

        await until(all_is_seen)
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
