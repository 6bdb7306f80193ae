"""A stream of sample events that goes on whatever happens to Kafka: what was not acknowledged is published again, with the same ids.

What Kafka has acknowledged is written down: the account is made against that, so that a loss at the broker would show too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from aiokafka.errors import KafkaError

from hub.sample import Event
from hub.sample.output import record
from pipelines.transport.access import KafkaAccess
from pipelines.transport.outputs import DeliveryFailed, OutputProducer
from schemas.topics import PRODUCER_BYTES_MAX
from tests.faults.world import World

CHUNK = 40


@dataclass
class Published:
    """What Kafka said that it has."""

    events: set[tuple[str, str]] = field(default_factory=set)
    documents: set[str] = field(default_factory=set)
    records: int = 0
    repeated_chunks: int = 0

    def note(self, chunk: Iterable[Event]) -> None:
        for event in chunk:
            self.records += 1
            self.events.add((event.source, event.id))
            if event.type == "document.submitted.v1":
                self.documents.add(event.data["document_id"])


class Stream:
    """Publishes in chunks, each until Kafka has acknowledged all of it."""

    def __init__(self, world: World, published: Published) -> None:
        self._world = world
        self._published = published
        self._access = KafkaAccess(world.kafka.bootstrap)
        self._producer: OutputProducer | None = None
        self._chunk: list[Event] = []

    async def publish(self, events: Iterable[Event]) -> None:
        """All of them, as fast as Kafka takes them."""
        for event in events:
            await self.add(event)
        await self.flush()

    async def add(self, event: Event, rate: float | None = None) -> None:
        """One more; `rate` is how many a second there shall be."""
        self._chunk.append(event)
        if len(self._chunk) >= CHUNK:
            await self.flush()
            if rate is not None:
                await asyncio.sleep(CHUNK / rate)

    async def flush(self) -> None:
        """Until Kafka has all that was added."""
        chunk, self._chunk = self._chunk, []
        if chunk:
            await self._ship(chunk)

    async def _ship(self, chunk: list[Event]) -> None:
        outputs = [record(event, self._world.keys) for event in chunk]
        while True:
            try:
                if self._producer is None:
                    producer = OutputProducer.connected_to(self._access, client_id="ehr", message_bytes_max=PRODUCER_BYTES_MAX)
                    self._producer = producer
                    await producer.start()
                async with asyncio.timeout(15):
                    await self._producer.send_many(outputs)
                self._published.note(chunk)
                return
            except (DeliveryFailed, KafkaError, TimeoutError, OSError):
                self._published.repeated_chunks += 1
                await self.close()
                await asyncio.sleep(0.2)

    async def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(Exception):
                async with asyncio.timeout(2):
                    await producer.stop()
