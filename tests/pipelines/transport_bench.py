"""Topics, workers as processes, and what they left: shared by the transport's tests on a real Kafka."""

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

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from pipelines.transport.access import KafkaAccess
from pipelines.transport.outputs import Output, OutputProducer

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

    async def close(self) -> None:
        for process in self.processes:
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
