"""After the commit: publish what the transaction said, in the order of the commits, then forget its outbox row.

`post` is called in commit order and returns at once; what it returns is done when Kafka has everything. A transaction that held people
exclusively first waits until the rows of other processes that it could see are gone (`outbox.earlier`): so a withdrawal never overtakes
the delivery it takes back. A row whose process does not come back is published here after a while.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter
from typing import Any, Final

import structlog
from asyncpg import Pool

from pipelines.ledger import outbox
from pipelines.transport.outputs import OutputProducer
from pipelines.work import Committed
from schemas.telemetry import Meter

log = structlog.get_logger()
FORGET_EVERY_S: Final = 0.01
LOOK_EVERY_S: Final = 0.005
RELAY_EVERY_S: Final = 5.0


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
        self._turn: asyncio.Future[Any] | None = None
        self._forget: list[int] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def relay_own(self) -> None:
        """Publish what an earlier process of this slot left, before anything new."""
        left = await self._relay(self._slot)
        if left:
            log.info("outbox_relayed", rows=left)

    async def start(self) -> None:
        """Keep house: forget delivered rows, adopt those nobody came back for."""
        for job in (self._forgetting(), self._relaying()):
            task = asyncio.create_task(self._guarded(job))
            self._tasks.add(task)

    async def stop(self) -> None:
        """All that was posted is delivered; forget the last rows."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._flush()

    def post(self, committed: Committed) -> asyncio.Future[None]:
        """Publish a committed transaction's outputs after those posted before; the future is done when Kafka has them."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if committed.batch is None:
            done.set_result(None)
            return done
        before = self._turn
        if not committed.after and (before is None or before.done()):
            self._send(committed, done)
        else:
            self._turn = asyncio.ensure_future(self._wait_and_send(committed, before, done))
        return done

    def _send(self, committed: Committed, done: asyncio.Future[None]) -> None:
        started = perf_counter()

        def delivered(sent: asyncio.Future[None]) -> None:
            if done.done():
                return
            if sent.cancelled() or (error := sent.exception()) is not None:
                done.set_exception(asyncio.CancelledError() if sent.cancelled() else error)  # type: ignore[arg-type]
                return
            self._meter.observe("publish_seconds", perf_counter() - started)
            assert committed.batch is not None
            self._forget.append(committed.batch)
            done.set_result(None)

        self._producer().send_many(committed.outputs).add_done_callback(delivered)

    async def _wait_and_send(
        self, committed: Committed, before: asyncio.Future[Any] | None, done: asyncio.Future[None]
    ) -> None:
        try:
            if before is not None:
                await before
            waited = 0.0
            after = committed.after
            while after := await outbox.remaining(self._pool, after) if after else []:
                await asyncio.sleep(LOOK_EVERY_S)
                waited += LOOK_EVERY_S
                if waited > RELAY_EVERY_S:
                    await self._relay(None)
            self._send(committed, done)
        except Exception as error:
            if not done.done():
                done.set_exception(error)

    async def _forgetting(self) -> None:
        while True:
            await asyncio.sleep(FORGET_EVERY_S)
            await self._flush()

    async def _flush(self) -> None:
        """The deletion may be lost in a crash (no fsync is awaited): then the row is published once more, with the same ids."""
        if self._forget:
            batches, self._forget = self._forget, []
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute("SET LOCAL synchronous_commit = off")
                await outbox.delivered(connection, batches)

    async def _relaying(self) -> None:
        while True:
            await asyncio.sleep(RELAY_EVERY_S)
            if adopted := await self._relay(None):
                log.warning("outbox_adopted", rows=adopted)

    async def _relay(self, slot: str | None) -> int:
        """Publish rows that were left; they stay locked until Kafka has them."""
        done = 0
        while True:
            async with self._pool.acquire() as connection, connection.transaction():
                left = await outbox.orphans(connection, slot)
                for _, outputs in left:
                    await self._producer().send_many(outputs)
                await outbox.delivered(connection, [batch for batch, _ in left])
            if not left:
                return done
            done += len(left)

    async def _guarded(self, job: Any) -> None:
        try:
            await job
        except asyncio.CancelledError:
            raise
        except Exception as error:
            self._fail(error)
