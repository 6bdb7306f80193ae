"""Reads the rooms, and first what happened in them, from the beginning: a bridge keeps nothing on disk.

No consumer group: each bridge reads all of its partitions at each start (rooms are compacted, sessions kept 30 days). `ready` is set when
what was there at the start has been read. After the start, sessions are the bridge's own and not read again. Of several bridges each
knows every room, so that it can say whose it is, and what happened only in its own.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.cloudevents import decode_record
from schemas.errors import Malformed
from video.records import ROOMS, SESSIONS, room_of, session_of
from video.signalling.desk import Desk

RETRY_S: Final = 0.5
RECORDS_MAX: Final = 500
WAIT_MS: Final = 200
_log = structlog.get_logger()


class Hearing:
    """The reading task."""

    def __init__(
        self, desk: Desk, access: Mapping[str, Any], ready: asyncio.Event, owns: Callable[[str], bool] = lambda _room_id: True
    ) -> None:
        self._desk, self._access, self.ready, self._owns = desk, access, ready, owns
        self.unreadable = 0

    async def run(self) -> None:
        """Until cancelled. A broker that is away is waited for; meetings go on meanwhile."""
        while True:
            consumer = AIOKafkaConsumer(
                **self._access, client_id="video", enable_auto_commit=False, auto_offset_reset="earliest", fetch_max_wait_ms=WAIT_MS
            )
            try:
                await consumer.start()
                await self._read(consumer)
            except KafkaError as error:
                _log.warning("video_waits_for_kafka", error=type(error).__name__)
            finally:
                await consumer.stop()
            await asyncio.sleep(RETRY_S)

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        if not self.ready.is_set():
            await self._to_the_end(consumer, SESSIONS)
        await self._to_the_end(consumer, ROOMS)
        self.ready.set()
        while True:
            await self._some(consumer)

    async def _to_the_end(self, consumer: AIOKafkaConsumer, topic: str) -> None:
        consumer._client.add_topic(topic)
        await consumer._client.force_metadata_update()
        while not (numbers := consumer.partitions_for_topic(topic)):
            await asyncio.sleep(RETRY_S)
            await consumer._client.force_metadata_update()
        partitions = [TopicPartition(topic, number) for number in sorted(numbers)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        while any([await consumer.position(p) < end for p, end in ends.items()]):
            await self._some(consumer)

    async def _some(self, consumer: AIOKafkaConsumer) -> None:
        for partition, records in (await consumer.getmany(timeout_ms=WAIT_MS, max_records=RECORDS_MAX)).items():
            for record in records:
                self._hear(partition.topic, record)

    def _hear(self, topic: str, record: Any) -> None:
        if record.value is None:
            if topic == ROOMS and record.key is not None:
                self._desk.forget_room(record.key.decode(errors="replace"))
            return
        try:
            envelope, data = decode_record(record.headers, record.value)
            if topic == ROOMS:
                self._desk.hear_room(room_of(envelope, data))
            elif (session := session_of(envelope, data)) is not None and self._owns(session[0]):
                self._desk.hear_session(*session)
        except (Malformed, ValueError):
            self.unreadable += 1
            _log.warning("video_unreadable_record", topic=topic, offset=record.offset)
