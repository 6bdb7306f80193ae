"""Reads the topics from their beginning into a `World`, and goes on as they grow.

No consumer group: the sandbox keeps nothing, so it always starts over. What it cannot read it counts and leaves: it is a
stand-in, and the hub's own dead letters are the place where bad events show.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import orjson
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from connectors.sandbox.world import World
from schemas.cloudevents import decode_record
from schemas.errors import Malformed
from schemas.topics import LARGE_BYTES_MAX

TOPICS: Final = (
    "persons.v1", "accounts.v1", "agents.v1", "mailboxes.v1", "receipts.v1", "app.documents.v1", "app.bookings.v1",
    "mailbox.deliveries.v1", "notifications.v1", "video.rooms.v1", "print.entries.v1", "decisions.v1",
)  # fmt: skip
RECORDS_MAX: Final = 500
WAIT_MS: Final = 200
RETRY_S: Final = 0.5
FETCH_BYTES_MAX: Final = 16 * 1024 * 1024
BARRIER_TOPICS: Final = ("mailboxes.v1",)
BARRIER_S_MAX: Final = 2.0
"""How long an answer waits for what was published before the question."""

log = structlog.get_logger()


class Learning:
    """The reading task. `ready` is set when everything that was there at the start has been read."""

    def __init__(self, world: World, access: Mapping[str, Any], at: Callable[[datetime], datetime]) -> None:
        self._world = world
        self._access = access
        self._at = at
        self._unreadable = 0
        self._taken: dict[TopicPartition, int] = {}
        self._consumer: AIOKafkaConsumer | None = None
        self._moved = asyncio.Event()
        self.ready = asyncio.Event()

    async def run(self) -> None:
        """Read until cancelled. A broker that is away is waited for; topics not there yet likewise."""
        while True:
            consumer = AIOKafkaConsumer(
                **self._access,
                client_id="sandbox",
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                max_partition_fetch_bytes=LARGE_BYTES_MAX,
                fetch_max_bytes=FETCH_BYTES_MAX,
                fetch_max_wait_ms=WAIT_MS,
            )
            try:
                await consumer.start()
                await self._read(consumer)
            except KafkaError as error:
                log.warning("sandbox_waits_for_kafka", error=type(error).__name__)
                await asyncio.sleep(RETRY_S)
            finally:
                self._consumer = None
                await consumer.stop()

    async def caught_up(self, topics: Collection[str] = BARRIER_TOPICS) -> bool:
        """Wait until the world has everything that stood on these topics at the time of the call: a peer that is asked who can be
        reached then answers truthfully for what was published before the question. False where that took too long.
        """
        try:
            async with asyncio.timeout(BARRIER_S_MAX):
                await self.ready.wait()
                consumer = self._consumer
                if consumer is None:
                    return False
                ends = await consumer.end_offsets([each for each in self._taken if each.topic in topics])
                while any(self._taken[partition] < end for partition, end in ends.items()):
                    await self._moved.wait()
                return True
        except (TimeoutError, KafkaError):
            return False

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        partitions = await self._partitions(consumer)
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        there = await consumer.end_offsets(partitions)
        behind = {partition for partition, end in there.items() if end > 0}
        self._taken = {partition: await consumer.position(partition) for partition in partitions}
        self._consumer = consumer
        while True:
            found = await consumer.getmany(timeout_ms=WAIT_MS, max_records=RECORDS_MAX)
            for part, records in found.items():
                for record in records:
                    self._take(record)
                self._taken[part] = records[-1].offset + 1
            self._moved.set()
            self._moved = asyncio.Event()
            for partition in list(behind):
                if await consumer.position(partition) >= there[partition]:
                    behind.discard(partition)
            if not behind and not self.ready.is_set():
                log.info("sandbox_has_read_the_topics", people=len(self._world.register))
                self.ready.set()
            await asyncio.sleep(0)

    async def _partitions(self, consumer: AIOKafkaConsumer) -> list[TopicPartition]:
        while True:
            await consumer._client.force_metadata_update()  # topics() caches for minutes; a new hub makes its topics now
            known = {topic: consumer.partitions_for_topic(topic) for topic in await consumer.topics() if topic in TOPICS}
            if len(known) == len(TOPICS) and all(known.values()):
                return [TopicPartition(topic, number) for topic, numbers in known.items() for number in sorted(numbers)]
            await asyncio.sleep(RETRY_S)

    def _take(self, record: Any) -> None:
        if record.value is None:
            return
        try:
            envelope, raw = decode_record(record.headers, record.value)
            data = orjson.loads(raw)
            self._world.apply(envelope, data, self._at(datetime.fromtimestamp(record.timestamp / 1_000, UTC)))
        except (Malformed, ValueError, KeyError, TypeError, AttributeError) as fault:
            self._unreadable += 1
            log.warning("sandbox_cannot_read_an_event", topic=record.topic, fault=type(fault).__name__)
