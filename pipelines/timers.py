"""The timer: takes what is due from the ledger and has it decided with fresh facts (R10, R11, R14, V1, V2, P8).

Several may run; each row goes to one of them. It sleeps until the next deadline, but never long: deadlines are set by others, and the
sandbox's clock may be moved. Rows that somebody else holds are left for the next round.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from asyncpg import Pool

from pipelines.delivery import Delivery
from pipelines.ledger import deadlines
from pipelines.points import reach
from pipelines.work import Work

SLEEP_S_MAX: Final = 0.1
SLEEP_S_MIN: Final = 0.002
DELIVERIES_MAX: Final = 8


class Timers:
    """Lanes of timers in one process."""

    def __init__(self, pool: Pool[Any], work: Work, delivery: Delivery, now: Callable[[], datetime], rows_max: int) -> None:
        self._pool = pool
        self._work = work
        self._delivery = delivery
        self._now = now
        self._rows_max = rows_max
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        """One lane, until `stop`; then everything it decided is delivered."""
        open_: set[asyncio.Future[None]] = set()
        while not self._stopping.is_set():
            committed = await self._work.due(self._rows_max)
            reach("inside_timer")
            if committed.batch is not None:
                reach("before_timer_send")
                open_.add(self._delivery.post(committed))
            if len(open_) >= DELIVERIES_MAX:
                _, open_ = await asyncio.wait(open_, return_when=asyncio.FIRST_COMPLETED)
            for sent in [sent for sent in open_ if sent.done()]:
                open_.discard(sent)
                sent.result()
            if committed.done == 0:
                await self._until_due()
        for sent in open_:
            await sent

    async def _until_due(self) -> None:
        """Until something is due, at one look a turn: an idle hub asks its ledger nothing else."""
        while not self._stopping.is_set():
            due = await deadlines.next_due(self._pool)
            left_s = SLEEP_S_MAX if due is None else (due - self._now()).total_seconds()
            try:
                async with asyncio.timeout(min(SLEEP_S_MAX, max(SLEEP_S_MIN, left_s))):
                    await self._stopping.wait()
            except TimeoutError:
                pass
            if due is not None and left_s <= SLEEP_S_MAX:
                return
