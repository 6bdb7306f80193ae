"""All that stands on the topics of a Kafka, from the first record to the last, in order by partition."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.topics import TOPICS


@dataclass(frozen=True, slots=True)
class Said:
    """One record. `headers` are text."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: dict[str, str]

    @property
    def id(self) -> tuple[str, str]:
        """What one event is known by, however often it comes; a dead letter has an id of its own."""
        return self.headers.get("ce_source", "dead-letters"), self.headers.get("ce_id") or self.headers["dlq-id"]

    @property
    def type(self) -> str:
        return self.headers.get("ce_type", "")

    @property
    def subject(self) -> str:
        return self.headers.get("ce_subject", "")

    @property
    def sequence(self) -> int:
        return int(self.headers.get("ce_sequence", 0))

    @property
    def data(self) -> Any:
        return orjson.loads(self.value or b"null")

    @property
    def content(self) -> tuple[bytes | None, bytes | None, tuple[tuple[str, str], ...]]:
        """What has to be the same byte for byte when it comes again."""
        return self.key, self.value, tuple(sorted(self.headers.items()))


async def read_all(bootstrap: str, names: Iterable[str] = tuple(TOPICS)) -> dict[str, list[Said]]:
    """Every record of these topics."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partitions = [TopicPartition(name, number) for name in names for number in range(TOPICS[name].partitions)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        found: dict[str, list[Said]] = {name: [] for name in names}
        while [tp for tp, end in ends.items() if await consumer.position(tp) < end]:
            for part in (await consumer.getmany(timeout_ms=300)).values():
                for r in part:
                    headers = {name: value.decode() for name, value in r.headers}
                    found[r.topic].append(Said(r.topic, r.partition, r.offset, r.key, r.value, headers))
        for records in found.values():
            records.sort(key=lambda said: (said.partition, said.offset))
        return found
    finally:
        await consumer.stop()
