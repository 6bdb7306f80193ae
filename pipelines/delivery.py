"""After the commit: publish what the transaction said, in the order of the rows, then forget its outbox row.

Rows are numbered when they are put, under the locks of whom they are about; so of two rows about one subject the lower number is the older
news. Everything here keeps that order, and then nothing that dies, waits or comes back can make the last word about a subject an old one:

- Within a process rows are sent in the order of their numbers, also when a lower one comes back from its commit later (`expect`).
- A transaction that held people exclusively waits until the rows of other processes that it could see are gone (`outbox.earlier`): a
  withdrawal never overtakes the delivery it takes back.
- Rows are forgotten in the same order: what stays behind in a crash, of this process or of the ledger (nobody waits for the deletion's
  fsync), is everything from some row on.
- What was left is published, by the next process of the slot or by another, only when no lower row of anybody else is there.
- Only rows of a process that is *gone* (`ledger/slots.py`) are taken over, never those of one that is slow.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from heapq import heappop, heappush
from time import perf_counter
from typing import Any, Final

import structlog
from asyncpg import Pool

from pipelines.ledger import outbox
from pipelines.points import reach
from pipelines.transport.outputs import OutputProducer
from pipelines.work import Committed
from schemas.telemetry import Meter

log = structlog.get_logger()
FORGET_EVERY_S: Final = 0.01
LOOK_EVERY_S: Final = 0.005
ADOPT_EVERY_S: Final = 1.0


@dataclass(slots=True)
class _Posted:
    """A committed row on its way: sent, then delivered, then forgotten."""

    committed: Committed
    done: asyncio.Future[None]
    delivered: bool = False


class Delivery:
    """One per process. `fail` ends the process: a delivery that failed leaves its row for the next one."""

    def __init__(
        self, pool: Pool[Any], producer: Callable[[], OutputProducer], slot: str, meter: Meter, fail: Callable[[BaseException], None]
    ) -> None:
        self._pool = pool
        self._producer = producer
        self._slot = slot
        self._meter = meter
        self._fail = fail
        self._failure: BaseException | None = None
        self._numbers: list[int] = []  # a heap: put, and neither sent nor rolled back
        self._rolled_back: set[int] = set()
        self._posted: dict[int, _Posted] = {}
        self._waiting: asyncio.Task[None] | None = None
        self._sent: deque[_Posted] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    async def relay_own(self) -> None:
        """Publish what an earlier process of this slot left, before anything new."""
        left = 0
        while await outbox.any_of(self._pool, self._slot):
            adopted = await self.adopt(with_own=True)
            left += adopted
            if not adopted:  # an older row of a living process: it is about to go
                await asyncio.sleep(LOOK_EVERY_S)
        if left:
            log.info("outbox_relayed", rows=left)

    async def start(self) -> None:
        """Keep house: forget delivered rows, adopt those of processes that are gone."""
        for job in (self._forgetting(), self._adopting()):
            self._begin(job)

    async def stop(self) -> None:
        """All that was posted is delivered; forget the last rows."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._flush()

    # --- own rows ----------------------------------------------------------------------------------------------------------------

    def expect(self, number: int) -> None:
        """A row was put; its transaction is about to commit. Rows with higher numbers wait for it."""
        heappush(self._numbers, number)

    def unexpect(self, number: int) -> None:
        """Its transaction was rolled back."""
        self._rolled_back.add(number)
        self._go_on()

    def post(self, committed: Committed) -> asyncio.Future[None]:
        """Publish a committed transaction's outputs in their turn; the future is done when Kafka has them."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if committed.batch is None:
            done.set_result(None)
        elif self._failure is not None:
            done.set_exception(self._failure)
        else:
            if committed.batch not in self._numbers:
                self.expect(committed.batch)
            self._posted[committed.batch] = _Posted(committed, done)
            self._go_on()
        return done

    def _go_on(self) -> None:
        """Send what is in turn: the lowest number first, and nothing while it is still committing or has to wait."""
        while self._numbers and self._waiting is None and self._failure is None:
            number = self._numbers[0]
            if number in self._rolled_back:
                self._rolled_back.discard(heappop(self._numbers))
                continue
            posted = self._posted.get(number)
            if posted is None:
                return
            if posted.committed.after:
                self._waiting = self._begin(self._wait(posted))
                return
            heappop(self._numbers)
            self._send(self._posted.pop(number))

    async def _wait(self, posted: _Posted) -> None:
        """Until the rows of others that were there before are gone."""
        after, looks = posted.committed.after, 0
        while after := await outbox.remaining(self._pool, after):
            await asyncio.sleep(LOOK_EVERY_S)
            looks += 1
            if looks * LOOK_EVERY_S >= ADOPT_EVERY_S:
                await self.adopt()
                looks = 0
        posted.committed.after = []
        self._waiting = None
        self._go_on()

    def _send(self, posted: _Posted) -> None:
        started = perf_counter()
        self._sent.append(posted)

        def delivered(sent: asyncio.Future[None]) -> None:
            error = asyncio.CancelledError() if sent.cancelled() else sent.exception()
            if error is not None:
                self._stop_with(error, posted)
                return
            self._meter.observe("publish_seconds", perf_counter() - started)
            posted.delivered = True
            if not posted.done.done():
                posted.done.set_result(None)

        self._producer().send_many(posted.committed.outputs).add_done_callback(delivered)

    def _stop_with(self, error: BaseException, *more: _Posted) -> None:
        """Nothing may follow a hole."""
        if self._failure is None:
            self._failure = error
            self._fail(error)
        for posted in (*more, *self._posted.values()):
            if not posted.done.done():
                posted.done.set_exception(error)

    # --- forgetting and taking over ----------------------------------------------------------------------------------------------

    async def _forgetting(self) -> None:
        while True:
            await asyncio.sleep(FORGET_EVERY_S)
            await self._flush()

    async def _flush(self) -> None:
        """The deletion may be lost in a crash (no fsync is awaited): then the rows are published once more, with the same ids."""
        batches: list[int] = []
        while self._sent and self._sent[0].delivered:
            batch = self._sent.popleft().committed.batch
            assert batch is not None
            batches.append(batch)
        if batches:
            reach("before_forget")
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute("SET LOCAL synchronous_commit = off")
                await outbox.delivered(connection, batches)

    async def _adopting(self) -> None:
        while True:
            await asyncio.sleep(ADOPT_EVERY_S)
            if adopted := await self.adopt():
                log.warning("outbox_adopted", rows=adopted)

    async def adopt(self, *, with_own: bool = False) -> int:
        """Publish rows whose process is gone (and, at the start, those of this slot); how many. They go when Kafka has them."""
        done = 0
        while True:
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute("SET LOCAL idle_in_transaction_session_timeout = '90s'")  # it waits for Kafka
                left = await outbox.left_behind(connection, self._slot, with_own=with_own)
                for _, outputs in left:
                    reach("inside_relay")
                    await self._producer().send_many(outputs)
                await outbox.delivered(connection, [batch for batch, _ in left])
            if not left:
                return done
            done += len(left)

    def _begin(self, job: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(self._guarded(job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _guarded(self, job: Coroutine[Any, Any, None]) -> None:
        try:
            await job
        except asyncio.CancelledError:
            raise
        except Exception as error:
            self._stop_with(error)
