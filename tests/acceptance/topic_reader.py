"""Plain Kafka clients: one that writes events as an EHR would, one that remembers everything on the hub's topics."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from tests.acceptance.hub_process import HubProcess, until

OUTPUTS = (
    "app.documents.v1",
    "app.bookings.v1",
    "portal.bookings.v1",
    "mailbox.deliveries.v1",
    "print.entries.v1",
    "notifications.v1",
    "video.rooms.v1",
    "decisions.v1",
    "dead-letters.v1",
    "audit.v1",
)
Result = TypeVar("Result")


@dataclass(frozen=True)
class Sent:
    """An event of ours: its id and where Kafka put it."""

    id: str
    topic: str
    partition: int
    offset: int


@dataclass(frozen=True)
class Message:
    """One record as a consumer sees it."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    headers: dict[str, str]
    value: bytes | None

    @property
    def type(self) -> str:
        return self.headers.get("ce_type", "")

    @property
    def data(self) -> Any:
        return None if self.value is None else json.loads(self.value)


class Topics:
    """A producer and a consumer on a loop of their own, so that tests stay plain functions."""

    def __init__(self, hub: HubProcess, bootstrap: str | None = None) -> None:
        self.hub = hub
        self._bootstrap = bootstrap or hub.kafka
        self.messages: list[Message] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._producer: AIOKafkaProducer | None = None
        self._consumer: AIOKafkaConsumer | None = None
        self._reader: asyncio.Task[None] | None = None
        self._run(self._open())

    def _run(self, work: Coroutine[Any, Any, Result], timeout_s: float = 120) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout_s)

    async def _open(self) -> None:
        self._producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap, acks="all", enable_idempotence=True, max_request_size=8_000_000
        )
        await self._producer.start()
        self._consumer = AIOKafkaConsumer(bootstrap_servers=self._bootstrap, auto_offset_reset="earliest", enable_auto_commit=False)
        await self._consumer.start()
        partitions = []
        for topic in OUTPUTS:
            found = await self._producer.partitions_for(topic)
            partitions += [TopicPartition(topic, p) for p in found]
        self._consumer.assign(partitions)
        await self._consumer.seek_to_beginning(*partitions)
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._consumer is not None
        async for r in self._consumer:
            headers = {k: v.decode(errors="replace") for k, v in r.headers}
            self.messages.append(Message(r.topic, r.partition, r.offset, r.key, headers, r.value))

    def close(self) -> None:
        async def end() -> None:
            if self._reader is not None:
                self._reader.cancel()
                await asyncio.gather(self._reader, return_exceptions=True)
            for client in (self._consumer, self._producer):
                if client is not None:
                    with contextlib.suppress(KafkaError, TimeoutError):
                        await asyncio.wait_for(client.stop(), 10)  # a broker that was killed answers no more

        self._run(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    # writing

    def send(
        self,
        topic: str,
        type_: str,
        data: dict[str, Any],
        *,
        key: str | None = None,
        id_: str | None = None,
        source: str = "/takecare",
        time: str | None = None,
        structured: bool = False,
    ) -> Sent:
        return self.send_many(
            topic, [(type_, data)], key=key, ids=[id_ or str(uuid.uuid4())], source=source, time=time, structured=structured
        )[0]

    def send_many(
        self,
        topic: str,
        events: list[tuple[str, dict[str, Any]]],
        *,
        key: str | None = None,
        ids: list[str] | None = None,
        source: str = "/takecare",
        time: str | None = None,
        structured: bool = False,
    ) -> list[Sent]:
        ids = ids or [str(uuid.uuid4()) for _ in events]

        async def work() -> list[Sent]:
            assert self._producer is not None
            acks = []
            for (type_, data), id_ in zip(events, ids, strict=True):
                value, headers = encode(type_, data, id_, source, time, structured)
                k = key if key is not None else str(data.get("patient", id_))
                acks.append(await self._producer.send(topic, value=value, key=k.encode(), headers=headers))
            placed = await asyncio.gather(*acks)
            return [Sent(id_, topic, at.partition, at.offset) for id_, at in zip(ids, placed, strict=True)]

        return self._run(work())

    def send_raw(
        self, topic: str, value: bytes | None, *, key: bytes | None = None, headers: list[tuple[str, bytes]] | None = None
    ) -> Sent:
        async def work() -> Sent:
            assert self._producer is not None
            at = await self._producer.send_and_wait(topic, value=value, key=key, headers=headers or [])
            return Sent("", topic, at.partition, at.offset)

        return self._run(work())

    # reading

    def of(self, topic: str, match: Callable[[Message], bool] = lambda _: True) -> list[Message]:
        return [m for m in list(self.messages) if m.topic == topic and match(m)]

    def about(self, topic: str, **fields: Any) -> list[Any]:
        """The data of the messages whose data have these fields, oldest first within a partition."""
        found = (m.data for m in self.of(topic) if m.value is not None and topic != "dead-letters.v1")
        return [d for d in found if all(d.get(k) == v for k, v in fields.items())]

    def wait(self, topic: str, timeout_s: float = 120, **fields: Any) -> Any:
        return until(lambda: self.about(topic, **fields), timeout_s, f"{topic} {fields}")[-1]

    def settle(self, timeout_s: float = 120) -> None:
        """The hub is idle, and everything on its topics has been read here."""
        self.hub.idle(timeout_s)
        self.catch_up(timeout_s)

    def catch_up(self, timeout_s: float = 120) -> None:
        async def work() -> None:
            assert self._consumer is not None
            partitions = list(self._consumer.assignment())
            ends = await self._consumer.end_offsets(partitions)
            while True:
                at = {p: await self._consumer.position(p) for p in partitions}
                if all(at[p] >= ends[p] for p in partitions):
                    return
                await asyncio.sleep(0.02)

        self._run(work(), timeout_s)


def encode(
    type_: str, data: dict[str, Any], id_: str, source: str, time: str | None, structured: bool
) -> tuple[bytes, list[tuple[str, bytes]]]:
    attributes = {"specversion": "1.0", "id": id_, "source": source, "type": type_} | ({"time": time} if time else {})
    if structured:
        envelope = attributes | {"datacontenttype": "application/json", "data": data}
        return json.dumps(envelope).encode(), [("content-type", b"application/cloudevents+json; charset=UTF-8")]
    headers = [(f"ce_{k}", v.encode()) for k, v in attributes.items()] + [("content-type", b"application/json")]
    return json.dumps(data).encode(), headers


def cloud_event(type_: str, data: dict[str, Any], id_: str | None = None, source: str = "/takecare", **more: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": id_ or str(uuid.uuid4()),
        "source": source,
        "type": type_,
        "datacontenttype": "application/json",
        "data": data,
    } | more
