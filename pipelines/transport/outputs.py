"""What leaves the hub for Kafka, many at a time, and known to have arrived.

`OutputProducer.send_many` takes outputs for any topics and answers when the broker has acknowledged every one
(idempotent, acks=all) or raises. aiokafka's `send` costs a future and 12 µs a record, `send_batch` a fifth; but it
lets only one batch a partition wait, and does not keep callers in order while they wait for that place. So there is
one queue a partition here, and one task that moves them: a partition has at most one batch under way, what comes
meanwhile goes together into the next. Outputs of one partition leave in the order of the calls, and within a call in
the order given.

aiokafka has one request under way to a broker, and a broker that flushes what it acknowledges takes a request's
partitions one after another: with several `connections`, topics are shared out among as many producers, so that these
waits are beside each other. The order within a topic's partition is the same.

After a failed delivery the producer is finished: its sequence numbers no longer fit what the broker has. Make a new
one, or a new process. Works without Faust (timers, registers, relay) and under it (`driver.Producer`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from functools import lru_cache
from types import TracebackType
from typing import Any, NamedTuple, Self

from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import murmur2
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from pipelines.transport.access import KafkaAccess

MESSAGE_BYTES_MAX = 1_048_576
"""Kafka's own default (`message.max.bytes` is this and twelve more)."""
BATCH_BYTES_MAX = 262_144
CONNECTIONS = 4
"""Of those who publish all day. What a document leads to is in four topics."""
_BATCH_OVERHEAD_BYTES = 61
_PARTITION_CACHE = 16_384


class Output(NamedTuple):
    """One record to publish. Its partition follows `partition_key`, else `key`, as in Java's default partitioner."""

    topic: str
    key: bytes
    value: bytes | None
    """None is a tombstone."""
    headers: list[tuple[str, bytes]]
    partition_key: bytes | None = None

    def __repr__(self) -> str:
        """Without key and value: both are personal data."""
        return f"Output(topic={self.topic!r})"


class DeliveryFailed(Exception):
    """The broker does not have what it was sent, or we cannot know. Names the topic and the class of the cause only."""


class OutputTooLarge(ValueError):
    """An output larger than a message may be. Nothing of its call was sent, and the producer goes on."""

    def __init__(self, topic: str, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(f"an output for {topic} has {size_bytes} bytes; a message may have {limit_bytes}")
        self.topic, self.size_bytes, self.limit_bytes = topic, size_bytes, limit_bytes


@lru_cache(maxsize=_PARTITION_CACHE)
def _hash(key: bytes) -> int:
    """Murmur2 in Python costs 10 µs; a person's key is used for all outputs of a document."""
    return int(murmur2(key)) & 0x7FFFFFFF


def partition_of(key: bytes, partitions: int) -> int:
    """The partition Java's default partitioner chooses for a key."""
    return _hash(key) % partitions


class _Call:
    """One `send_many`: done when its last part is."""

    __slots__ = ("done", "parts")

    def __init__(self, done: asyncio.Future[None]) -> None:
        self.done = done
        self.parts = 0

    def part_delivered(self) -> None:
        self.parts -= 1
        if self.parts == 0 and not self.done.done():
            self.done.set_result(None)

    def failed(self, error: BaseException) -> None:
        if not self.done.done():
            self.done.set_exception(error)


class _Part(NamedTuple):
    """The outputs of one call for one partition; `next` is what is not in a batch yet."""

    call: _Call
    outputs: list[Output]
    next: int


class _Queue:
    """One partition: what waits, and whether a batch of it is under way or about to be."""

    __slots__ = ("busy", "partition", "topic", "waiting")

    def __init__(self, topic: str, partition: int) -> None:
        self.topic = topic
        self.partition = partition
        self.waiting: deque[_Part] = deque()
        self.busy = False


class OutputProducer:
    """Publishes outputs. Use as an async context manager, or `start` and `stop`."""

    def __init__(
        self, producer: AIOKafkaProducer, *more: AIOKafkaProducer, message_bytes_max: int = MESSAGE_BYTES_MAX
    ) -> None:
        self._producer = producer
        self._more = more
        self._producers: dict[str, AIOKafkaProducer] = {}
        """By topic, in turns as topics are first met."""
        self._message_bytes_max = message_bytes_max
        self._calls: deque[tuple[_Call, Sequence[Output]]] = deque()
        self._queues: dict[tuple[str, int], _Queue] = {}
        self._partitions: dict[str, int] = {}
        self._ready: deque[_Queue] = deque()
        self._wake = asyncio.Event()
        self._open: set[_Call] = set()
        self._failure: DeliveryFailed | None = None
        self._pump: asyncio.Task[None] | None = None

    @classmethod
    def connected_to(
        cls, access: KafkaAccess, *, client_id: str, message_bytes_max: int = MESSAGE_BYTES_MAX, connections: int = 1
    ) -> Self:
        """A producer of its own; `start` connects it. Call inside a running loop."""
        arguments = access.client_arguments() | producer_arguments(client_id, message_bytes_max)
        return cls(*(AIOKafkaProducer(**arguments) for _ in range(connections)), message_bytes_max=message_bytes_max)

    async def start(self) -> None:
        await self._producer.start()
        await self.begin()

    async def begin(self) -> None:
        """Start on a first producer that somebody else starts and stops."""
        try:
            await asyncio.gather(*(producer.start() for producer in self._more))
        except BaseException:
            await self._close_more()
            raise
        self._pump = asyncio.create_task(self._run(), name="outputs")

    async def stop(self) -> None:
        """Deliver what waits, then close."""
        await self.end()
        await self._producer.stop()

    async def end(self) -> None:
        """Deliver what waits, then stop without closing the first producer."""
        while self._open and self._failure is None:
            await asyncio.wait({call.done for call in self._open}, return_when=asyncio.FIRST_COMPLETED)
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.wait({self._pump})
        if self._open:
            self._fail(DeliveryFailed("the producer was stopped"))
        await self._close_more()

    async def _close_more(self) -> None:
        """Beside each other: with the broker gone each waits for its own batches to expire."""
        await asyncio.gather(*(producer.stop() for producer in self._more), return_exceptions=True)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.stop()

    def send_many(self, outputs: Sequence[Output]) -> asyncio.Future[None]:
        """Begin to publish; the order of calls is the order in each partition.

        The future is done when the broker has all of them. Raises through it `OutputTooLarge` (nothing was sent) or
        `DeliveryFailed` (some of them may have been delivered; send all again, by another producer, with the same ids).
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._failure is not None:
            done.set_exception(self._failure)
        elif not outputs:
            done.set_result(None)
        else:
            call = _Call(done)
            self._open.add(call)
            done.add_done_callback(lambda _: self._open.discard(call))
            self._calls.append((call, outputs))
            self._wake.set()
        return done

    async def _run(self) -> None:
        """Move calls into queues and queues into batches. Alone in doing so: hence the order."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._calls:
                    await self._sort(*self._calls.popleft())
                while self._ready:
                    await self._ship(self._ready.popleft())
        except asyncio.CancelledError:
            raise
        except Exception as error:
            self._fail(_delivery_failed("*", error))

    async def _sort(self, call: _Call, outputs: Sequence[Output]) -> None:
        """Queue a call by partition, or fail it whole."""
        parts: dict[tuple[str, int], list[Output]] = {}
        partitions = self._partitions
        for output in outputs:
            topic, key, _, _, partition_key = output
            if topic not in partitions:
                every = (self._producer, *self._more)
                self._producers[topic] = every[len(self._producers) % len(every)]
                partitions[topic] = len(await self._producers[topic].partitions_for(topic))
            size_bytes = _size_bytes(output)
            if size_bytes > self._message_bytes_max:
                call.failed(OutputTooLarge(topic, size_bytes, self._message_bytes_max))
                return
            target = (topic, _hash(partition_key or key) % partitions[topic])
            part = parts.get(target)
            if part is None:
                parts[target] = [output]
            else:
                part.append(output)
        call.parts = len(parts)
        for target, mine in parts.items():
            queue = self._queues.get(target)
            if queue is None:
                queue = self._queues[target] = _Queue(*target)
            queue.waiting.append(_Part(call, mine, 0))
            if not queue.busy:
                queue.busy = True
                self._ready.append(queue)

    async def _ship(self, queue: _Queue) -> None:
        """One batch of what waits. A record larger than a batch goes alone: a builder always takes its first."""
        producer = self._producers[queue.topic]
        batch = producer.create_batch()
        append = batch.append
        complete: list[_Call] = []
        while queue.waiting:
            call, outputs, at = queue.waiting[0]
            for at in range(at, len(outputs)):  # noqa: B020 (goes on from where the last batch was full)
                output = outputs[at]
                if append(timestamp=None, key=output.key, value=output.value, headers=output.headers) is None:
                    queue.waiting[0] = _Part(call, outputs, at)
                    break
            else:
                queue.waiting.popleft()
                complete.append(call)
                continue
            break
        batch.close()
        delivery = await producer.send_batch(batch, queue.topic, partition=queue.partition)
        delivery.add_done_callback(lambda future: self._shipped(queue, complete, future))

    def _shipped(self, queue: _Queue, complete: list[_Call], delivery: asyncio.Future[Any]) -> None:
        if delivery.cancelled() or delivery.exception() is not None:
            self._fail(_delivery_failed(queue.topic, None if delivery.cancelled() else delivery.exception()))
            return
        if self._failure is not None:
            return  # of another partition: what waits here was told to have failed
        for call in complete:
            call.part_delivered()
        if queue.waiting:
            self._ready.append(queue)
            self._wake.set()
        else:
            queue.busy = False

    def _fail(self, failure: DeliveryFailed) -> None:
        """Nothing may follow a hole: every call that is open fails, and every later one."""
        if self._failure is None:
            self._failure = failure
        self._ready.clear()
        self._calls.clear()
        self._queues.clear()
        for call in list(self._open):
            call.failed(self._failure)


def producer_arguments(client_id: str, message_bytes_max: int) -> dict[str, Any]:
    """How we publish, wherever: nothing is lost or doubled between producer and broker, nothing lingers."""
    return {
        "client_id": client_id,
        "acks": "all",
        "enable_idempotence": True,
        "linger_ms": 0,
        "max_batch_size": BATCH_BYTES_MAX,
        "max_request_size": message_bytes_max + BATCH_BYTES_MAX,
        "request_timeout_ms": 40_000,
    }


def _size_bytes(output: Output) -> int:
    """An upper bound of what a record takes in a batch of its own."""
    size: int = DefaultRecordBatchBuilder.estimate_size_in_bytes(output.key, output.value, output.headers)
    return size + _BATCH_OVERHEAD_BYTES


def _delivery_failed(topic: str, cause: BaseException | None) -> DeliveryFailed:
    failure = DeliveryFailed(f"{topic}: {'cancelled' if cause is None else type(cause).__name__}")
    failure.__cause__ = cause
    return failure
