"""Documents at an even rate, and a consumer of the decisions that notes when each came."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Final, Self

from aiokafka import AIOKafkaConsumer, TopicPartition

from bench.servers import Ground
from bench.sides import Side
from schemas.topics import PARTITIONS

WAIT_S_MAX: Final = 30.0


class Listener:
    """Reads a topic from its end on. Use as an async context manager."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, fetch_max_wait_ms=100, enable_auto_commit=False)
        self._partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        self._came: dict[str, float] = {}
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        self._consumer.assign(self._partitions)
        await self._consumer.seek_to_end()
        self._task = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._task is not None:
            self._task.cancel()
        await self._consumer.stop()

    async def _listen(self) -> None:
        while True:
            fetched = await self._consumer.getmany(timeout_ms=100)
            now = time.perf_counter()
            for records in fetched.values():
                for record in records:
                    subject = next(value for name, value in record.headers if name == "ce_subject")
                    self._came.setdefault(subject.decode(), now)

    async def waits(self, sent: dict[str, float]) -> list[float]:
        """Seconds from sending to coming, in the order of sending. Raises `TimeoutError` when one never comes."""
        async with asyncio.timeout(WAIT_S_MAX):
            while any(name not in self._came for name in sent):  # noqa: ASYNC110 - looking seldom costs the measured side nothing
                await asyncio.sleep(0.05)
        return [self._came[name] - at for name, at in sent.items()]


async def stream(ground: Ground, side: Side, listener: Listener, name: str, per_second: int, seconds: float) -> list[float]:
    """Seconds from publishing each document of the series `name` to its decision."""
    documents = ground.world.documents(side.topic, name, 0, int(per_second * seconds))
    sent: dict[str, float] = {}
    tasks: list[asyncio.Future[None]] = []
    began = time.perf_counter() + 0.2
    for number, document in enumerate(documents):
        await asyncio.sleep(max(0.0, began + number / per_second - time.perf_counter()))
        sent[f"{name}-{number:08d}"] = time.perf_counter()
        tasks.append(ground.producer.send_many([document]))
    await asyncio.gather(*tasks)
    return await listener.waits(sent)
