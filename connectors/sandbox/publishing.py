"""What the stand-ins publish as the systems they stand for: register, app and mailbox operators."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Protocol
from uuid import uuid4

from aiokafka.partitioner import murmur2
from pydantic import BaseModel

from schemas.cloudevents import Envelope, headers_for, time_text
from schemas.keys import PersonKeys
from schemas.topics import TOPIC_OF_TYPE, TOPICS, record_key

SOURCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "person.changed.v1": "urn:sandbox:register",
        "account.changed.v1": "urn:sandbox:app",
        "agent.changed.v1": "urn:sandbox:app",
        "mailbox.changed.v1": "urn:sandbox:mailboxes",
        "document.read.v1": "urn:sandbox:app",
    }
)


class Published(NamedTuple):
    """An event as it went out."""

    topic: str
    envelope: Envelope
    data: Mapping[str, Any]

    def shown(self) -> dict[str, str]:
        return {"topic": self.topic, "type": self.envelope.type, "id": self.envelope.id}


class Producer(Protocol):
    """aiokafka's producer, as far as it is used."""

    async def send_and_wait(
        self, topic: str, value: bytes, key: bytes, partition: int, *, headers: list[tuple[str, bytes]]
    ) -> object: ...


class Publishing:
    """Sends events, keyed by the person's opaque key, and returns when Kafka has them."""

    def __init__(self, producer: Producer, keys: PersonKeys) -> None:
        self._producer = producer
        self.keys = keys

    async def send(self, models: Sequence[tuple[str, BaseModel]], now: datetime) -> list[Published]:
        """Publish checked models, each about a person."""
        made = [self._made(patient, model, now) for patient, model in models]
        await asyncio.gather(*(self._send(patient, each) for (patient, _), each in zip(models, made, strict=True)))
        return [published for published, _ in made]

    def _made(self, patient: str, model: BaseModel, now: datetime) -> tuple[Published, bytes]:
        ce_type: str = model.TYPE  # type: ignore[attr-defined]
        envelope = Envelope(str(uuid4()), SOURCES[ce_type], ce_type, now)
        data = model.model_dump(mode="json", exclude_none=True)
        return Published(TOPIC_OF_TYPE[ce_type], envelope, data), model.model_dump_json(exclude_none=True).encode()

    async def _send(self, patient: str, made: tuple[Published, bytes]) -> None:
        (topic, envelope, data), value = made
        assert envelope.time is not None
        by = self.keys.key(patient)
        headers = headers_for(envelope.type, envelope.id, envelope.source, time_text(envelope.time), partitionkey=by)
        key = record_key(envelope.type, data, by, self.keys)
        partition = (int(murmur2(by.encode())) & 0x7FFFFFFF) % TOPICS[topic].partitions
        await self._producer.send_and_wait(topic, value, key.encode(), partition, headers=headers)
