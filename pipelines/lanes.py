"""Lanes: a worker's batches, side by side by partition, each lane with a handle (and a ledger connection) of its own.

A lane takes everything that waits for it, over topics and partitions, up to `records_max`, and hands it to its handle
once: small batches become one transaction, so the load sets the size of the transaction and not a timer. The handle
returns when the ledger has committed, with the delivery of the outputs as an awaitable; the lane begins the next
transaction while up to `deliveries_max` deliveries are under way. Batches are acknowledged after their delivery, in
whatever order those end: the transport commits only prefixes.

A lane never skips and never repeats. Whatever raises goes to `on_failure`, once, which ends the process
(`HubApp.fail`); the lanes stand still after it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Self, TypeAlias

from pipelines.transport.batches import RecordBatch

Handle: TypeAlias = Callable[[list[RecordBatch]], Awaitable[Awaitable[None]]]
"""Decide and commit these batches (in this order), and return the delivery of their outputs, already begun."""

RECORDS_MAX = 500
QUEUE_RECORDS_MAX = 4_000
DELIVERIES_MAX = 8


class Lanes:
    """As many lanes as handles; a batch goes to lane `partition mod lanes`."""

    def __init__(
        self,
        handles: Sequence[Handle],
        *,
        on_failure: Callable[[BaseException], None],
        records_max: int = RECORDS_MAX,
        queue_records_max: int = QUEUE_RECORDS_MAX,
        deliveries_max: int = DELIVERIES_MAX,
    ) -> None:
        self._on_failure = on_failure
        self._failed = False
        slots = asyncio.Semaphore(deliveries_max)
        self._lanes = [_Lane(handle, slots, self._fail, records_max, queue_records_max) for handle in handles]

    def start(self) -> None:
        for number, lane in enumerate(self._lanes):
            lane.start(f"lane-{number}")

    async def put(self, batch: RecordBatch) -> None:
        """Waits while the lane is full."""
        await self._lanes[batch.partition % len(self._lanes)].put(batch)

    async def drain(self) -> None:
        """Until all that was put is acknowledged."""
        for lane in self._lanes:
            await lane.idle.wait()

    async def stop(self) -> None:
        """Stop where they are; what is not acknowledged comes again."""
        for lane in self._lanes:
            await lane.stop()

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.stop()

    def _fail(self, error: BaseException) -> None:
        if not self._failed:
            self._failed = True
            self._on_failure(error)


class _Lane:
    def __init__(
        self,
        handle: Handle,
        slots: asyncio.Semaphore,
        fail: Callable[[BaseException], None],
        records_max: int,
        queue_records_max: int,
    ) -> None:
        self._handle = handle
        self._slots = slots
        self._fail = fail
        self._records_max = records_max
        self._queue_records_max = queue_records_max
        self._waiting: deque[RecordBatch] = deque()
        self._records = 0
        self._open = 0
        self._filled = asyncio.Event()
        self._room = asyncio.Event()
        self.idle = asyncio.Event()
        self.idle.set()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        self._deliveries: set[asyncio.Task[None]] = set()

    def start(self, name: str) -> None:
        self._task = asyncio.create_task(self._run(), name=name)

    async def stop(self) -> None:
        self._stopping = True
        tasks = {task for task in (self._task, *self._deliveries) if task is not None and not task.done()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def put(self, batch: RecordBatch) -> None:
        while self._waiting and self._records + len(batch) > self._queue_records_max:
            self._room.clear()
            await self._room.wait()
        self._waiting.append(batch)
        self._records += len(batch)
        self._open += 1
        self.idle.clear()
        self._filled.set()

    async def _run(self) -> None:
        try:
            while True:
                await self._filled.wait()
                # Before taking: what comes while all deliveries are under way joins this transaction.
                await self._slots.acquire()
                batches = self._take()
                delivery = asyncio.ensure_future(await self._handle(batches))
                settling = asyncio.create_task(self._settle(delivery, batches))
                self._deliveries.add(settling)
                settling.add_done_callback(self._deliveries.discard)
        except BaseException as error:
            if not self._stopping:  # a cancellation from inside the handle is a failure like any other
                self._fail(error)

    def _take(self) -> list[RecordBatch]:
        batches = [self._waiting.popleft()]
        records = len(batches[0])
        while self._waiting and records + len(self._waiting[0]) <= self._records_max:
            batches.append(self._waiting.popleft())
            records += len(batches[-1])
        self._records -= records
        self._room.set()
        if not self._waiting:
            self._filled.clear()
        return batches

    async def _settle(self, delivery: Awaitable[None], batches: list[RecordBatch]) -> None:
        try:
            await delivery
        except BaseException as error:
            if not self._stopping:
                self._fail(error)
            return
        for batch in batches:
            batch.acknowledge()
        self._slots.release()
        self._open -= len(batches)
        if self._open == 0:
            self.idle.set()
