"""Faust's consumer, by batches: from fetch to agent, and from acknowledgement to commit.

Theory: `pipelines/transport/__init__.py`. Overridden are the way from fetch to agent (`_drain_messages`),
acknowledging and committing (`ack`, `commit`, `wait_empty`), what a rebalance does to both, and the watchdog; the
rest is stock.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Coroutine, Mapping
from operator import attrgetter
from typing import Any, TypeVar, cast

import aiokafka
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import ConsumerStoppedError, KafkaError
from aiokafka.structs import ConsumerRecord
from aiokafka.structs import TopicPartition as KafkaPartition
from faust.transport.drivers import aiokafka as stock
from faust.types import TP, ConsumerMessage, Message
from mode import Service
from mode.utils.futures import notify

from pipelines.transport.batches import PartitionLag
from pipelines.transport.progress import Chunk, Partition, Progress
from pipelines.transport.stalls import Mark, Stalls

log = logging.getLogger("hub.transport")
T = TypeVar("T")

_value_size = attrgetter("serialized_value_size")

_FETCH_TIMEOUT_S = 1.0
"""How long a fetch that brings nothing is waited for before the loop looks whether it should stop."""


class BatchMessage(ConsumerMessage):
    """Faust's carrier of one chunk: its value are the chunk's records, its offset the last of them."""

    __slots__ = ("chunk",)

    chunk: Chunk


class ConsumerThread(stock.AIOKafkaConsumerThread):
    """aiokafka's consumer in a thread and loop of its own, so that heartbeats go on while a batch computes."""

    consumer: Consumer

    def call(self, coroutine: Coroutine[Any, Any, T]) -> Awaitable[T]:
        """Run in the thread's loop. Stock `call_thread` goes through a queue with three tasks a call."""
        return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, self.thread_loop))

    async def fetch(self, partitions: set[TP], records_max: int) -> list[tuple[Chunk, list[ConsumerRecord]]]:
        """What has arrived, cut into chunks, each registered as open.

        From the moment aiokafka returns records its position is behind them: nothing may await before they are open,
        or are given back because a rebalance has stopped the flow.
        """
        consumer = self._ensure_consumer()
        fetcher = consumer._fetcher
        if consumer._closed or fetcher._closed:
            raise ConsumerStoppedError
        with fetcher._subscriptions.fetch_context():
            fetched: Mapping[KafkaPartition, list[ConsumerRecord]] = await fetcher.fetched_records(
                partitions, timeout=_FETCH_TIMEOUT_S, max_records=4 * records_max
            )
        if not self.consumer.flow_active:
            assigned = consumer.assignment()
            for partition, records in fetched.items():
                if partition in assigned:
                    consumer.seek(partition, records[0].offset)
            return []
        chunks = []
        for partition, records in fetched.items():
            for at in range(0, len(records), records_max):
                part = records[at : at + records_max] if len(records) > records_max else records
                chunk = _chunk(partition, part)
                self.consumer.progress.opened(chunk)
                chunks.append((chunk, part))
        return chunks

    async def ends(self, partitions: set[TP]) -> Mapping[Partition, int]:
        """The end of each partition, from the broker."""
        ends = await self._ensure_consumer().end_offsets([KafkaPartition(*partition) for partition in partitions])
        return cast("Mapping[Partition, int]", ends)

    def standing(self, partition: TP) -> tuple[int | None, int | None]:
        """Position and end as the last fetch left them; None when not known (yet, or not ours)."""
        subscription = self._ensure_consumer()._subscription.subscription
        assignment = None if subscription is None else subscription.assignment
        if assignment is None or KafkaPartition(*partition) not in assignment.tps:
            return None, None
        state = assignment.state_value(KafkaPartition(*partition))
        return (state.position if state.has_valid_position else None), state.highwater

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        settings = self.app.conf.hub
        self._assignor = RangePartitionAssignor
        return aiokafka.AIOKafkaConsumer(
            **settings.access.client_arguments(),
            client_id=settings.client_id,
            group_id=settings.group,
            group_instance_id=settings.client_id,
            partition_assignment_strategy=[RangePartitionAssignor],
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_uncommitted",
            max_poll_records=None,
            max_poll_interval_ms=int(settings.stall_s * 4_000),
            fetch_max_wait_ms=settings.fetch_wait_ms,
            fetch_max_bytes=settings.fetch_bytes_max,
            max_partition_fetch_bytes=settings.partition_fetch_bytes_max,
            session_timeout_ms=int(settings.session_s * 1000),
            heartbeat_interval_ms=int(settings.session_s * 1000 / 5),
            rebalance_timeout_ms=int(settings.rebalance_s * 1000),
            request_timeout_ms=40_000,
            metadata_max_age_ms=60_000,
        )


class Consumer(stock.Consumer):
    """Hands out chunks, and commits the acknowledged prefix soon after acknowledgements."""

    _thread: ConsumerThread
    progress: Progress

    def __post_init__(self) -> None:
        super().__post_init__()
        self.progress = Progress()
        self._settings = self.app.conf.hub
        self._room = asyncio.Event()
        self._to_commit = asyncio.Event()
        self._committing = asyncio.Lock()
        self._stalls = Stalls(self._settings.stall_s)
        self._ends: Mapping[Partition, int] = {}

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    # -- fetch to agent

    async def _drain_messages(self, fetcher: Any) -> None:
        try:
            while not (self.should_stop or fetcher.should_stop):
                if not self.flow_active:
                    await self.wait(cast(Any, self.can_resume_flow))
                    continue
                partitions = self._fetchable()
                if not partitions:
                    await self._wait_for_room()
                    continue
                fetching = self._thread.fetch(partitions, self._settings.records_max)
                for chunk, records in await self._thread.call(fetching):
                    if not chunk.stale:
                        await self.callback(self._message(chunk, records))
        except (ConsumerStoppedError, asyncio.CancelledError):
            if not self.app.should_stop:
                raise

    def _fetchable(self) -> set[TP]:
        """Partitions that are ours, not paused by a rebalance, and of a topic that holds less than it may."""
        full = {topic for topic in {tp.topic for tp in self._active_partitions} if self._is_full(topic)}
        return {tp for tp in self._active_partitions if tp.topic not in full}

    def _is_full(self, topic: str) -> bool:
        records, size_bytes = self.progress.held(topic)
        return bool(records >= self._settings.topic_records_max or size_bytes >= self._settings.topic_bytes_max)

    async def _wait_for_room(self) -> None:
        """Until an acknowledgement, an assignment or a stop; the second is only there so that a stop is seen."""
        self._room.clear()
        try:
            async with asyncio.timeout(_FETCH_TIMEOUT_S):
                await self._room.wait()
        except TimeoutError:
            pass

    def _message(self, chunk: Chunk, records: list[ConsumerRecord]) -> BatchMessage:
        topic, partition = chunk.partition
        last = records[-1]
        message = BatchMessage(
            topic, partition, last.offset, last.timestamp / 1000.0, last.timestamp_type, None,
            None, cast(Any, records), None, 0, 0, TP(topic, partition), generation_id=self.app.consumer_generation_id,
        )  # fmt: skip
        message.chunk = chunk
        return message

    def resume_partitions(self, tps: Any) -> None:
        super().resume_partitions(tps)
        self._room.set()

    def on_buffer_full(self, tp: TP) -> None:
        """The bound is on what is not acknowledged (`_fetchable`), not on Faust's queues."""

    def on_buffer_drop(self, tp: TP) -> None:
        """See `on_buffer_full`."""

    # -- acknowledge and commit

    def ack(self, message: Message) -> bool:
        """Whether it counted (`Progress.acknowledge`)."""
        message.acked = True
        self._unacked_messages.discard(message)
        counted = self.progress.acknowledge(cast(BatchMessage, message).chunk)
        if counted:
            self._room.set()
            if self.progress.has_ready():
                self._to_commit.set()
        notify(self._waiting_for_ack)
        return counted

    @Service.task
    async def _commit_handler(self) -> None:
        while not self.should_stop:
            await self.wait(cast(Any, self._to_commit))
            self._to_commit.clear()
            await self.commit()
            await self.sleep(self._settings.commit_interval_s)

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        """Commit every acknowledged prefix. False: there is none, or a rebalance took it (it comes again)."""
        async with self._committing:
            offsets = {TP(*partition): offset for partition, offset in self.progress.take().items()}
            if not offsets or not await self._thread.call(self._thread._commit(offsets)):
                return False
            self._committed_offset.update(offsets)
            return True

    async def wait_empty(self) -> None:
        """Until all that an agent has begun is acknowledged, then commit. A failure ends the process."""
        while self._unacked_messages and not self.crashed:
            await self._wait_for_ack(timeout=1)
        await self.commit()

    async def on_task_error(self, exc: BaseException) -> None:
        """Stock commits here. After a failure nothing is committed any more."""

    # -- rebalance

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        await super().on_partitions_revoked(revoked)  # waits for what was begun, and commits it
        self.progress.forget(revoked)

    async def perform_seek(self) -> None:
        """Faust's last step before it lets records flow after a rebalance: positions go to the committed offsets."""
        self.progress.forget()
        await super().perform_seek()

    # -- watch

    @Service.task
    async def _commit_livelock_detector(self) -> None:
        """In place of Faust's, which compares the wrong things and only logs: a worker that stands still ends."""
        while True:
            await self.sleep(min(5.0, self._settings.stall_s / 4))
            if self.should_stop:
                return
            try:
                async with asyncio.timeout(self._settings.stall_s):
                    self._ends = await self._thread.call(self._thread.ends(self.assignment()))
            except (TimeoutError, KafkaError) as error:
                log.warning("broker_not_reached", extra={"cause": type(error).__name__})
                continue
            stalled = self._stalls.observe(self._marks(), self.loop.time())
            if stalled:
                names = [f"{topic}/{number}" for topic, number in sorted(stalled)]
                log.error("transport_stalled", extra={"partitions": names})
                await self.crash(TransportStalled(f"{len(names)} partitions stood still for {self._settings.stall_s} s"))

    def _marks(self) -> Mapping[Partition, Mark]:
        marks = {}
        for tp in self.assignment():
            position, _ = self._thread.standing(tp)
            oldest = self.progress.oldest(tp)
            end = self._ends.get(tp)
            if end is not None:
                at = -1 if position is None else position  # without a position for long: a fetch that never began
                acknowledged = at if oldest is None else oldest.start
                marks[(tp.topic, tp.partition)] = Mark(end, at, acknowledged, self._committed_offset[tp])
        return marks

    def lag(self) -> list[PartitionLag]:
        """How far each partition of ours is behind. Cheap: asks nobody."""
        lags = []
        for tp in sorted(self.assignment()):
            position, end = self._thread.standing(tp)
            if position is None:
                continue
            oldest = self.progress.oldest(tp)
            start = position if oldest is None else oldest.start
            known_end = max(position, end or 0, self._ends.get(tp, 0))
            oldest_ms = None if oldest is None else oldest.oldest_ms
            lags.append(PartitionLag(tp.topic, tp.partition, known_end - start, oldest_ms, self._committed_offset[tp]))
        return lags


class TransportStalled(Exception):
    """Work is left and nothing moves (`pipelines/transport/stalls.py`)."""


def _chunk(partition: KafkaPartition, records: list[ConsumerRecord]) -> Chunk:
    first, last = records[0], records[-1]
    size_bytes = sum(map(_value_size, records))
    target = (partition.topic, partition.partition)
    return Chunk(target, first.offset, last.offset + 1, len(records), size_bytes, first.timestamp)
