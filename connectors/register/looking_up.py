"""The look-up loop: takes who is due from the ledger, asks, publishes the answer, tells the ledger how it went.

Nothing is held here that a crash could lose: a look-up that was taken and not told about comes due again. The loop
wakes by a notification of the ledger (a new person waits milliseconds) and looks by itself for what falls due later.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from time import perf_counter
from typing import Final, Protocol
from uuid import UUID

import structlog

from connectors.register.records import Record, record
from schemas.errors import PeerFailure
from schemas.events import PersonChanged
from schemas.keys import PersonKeys
from schemas.telemetry import Meter

POLL_S: Final = 0.25
REGISTER: Final = "spar"

log = structlog.get_logger()


class Due(Protocol):
    """Somebody to look up."""

    @property
    def person(self) -> UUID: ...
    @property
    def pid(self) -> str: ...


class Ledger(Protocol):
    """What the ledger is asked for (`pipelines.ledger.lookups`, bound to its pool)."""

    async def take(self, now: datetime, limit: int) -> Sequence[Due]: ...
    async def answered(self, person: UUID, now: datetime) -> None: ...
    async def not_found(self, person: UUID, now: datetime) -> None: ...
    async def failed(self, person: UUID, now: datetime) -> None: ...


Ask = Callable[[str], Awaitable[Sequence[PersonChanged]]]
"""The news of a number and of those it leads to (P4); none where the register has no such person."""
Publish = Callable[[Record], Awaitable[None]]


class LookingUp:
    """The loop. `wake` may be called at any time; `run` ends when `stop` is set and what was asked is finished."""

    def __init__(
        self, ledger: Ledger, ask: Ask, publish: Publish, keys: PersonKeys, now: Callable[[], datetime], meter: Meter,
        at_once_max: int,
    ) -> None:  # fmt: skip
        self._ledger = ledger
        self._ask = ask
        self._publish = publish
        self._keys = keys
        self._now = now
        self._meter = meter
        self._at_once_max = at_once_max
        self._wanted = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()

    def wake(self, *_: object) -> None:
        """Somebody new is to be looked up."""
        self._wanted.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Look up until `stop`. A failure of ledger or Kafka ends the loop with that failure."""
        ends = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                self._wanted.clear()
                free = self._at_once_max - len(self._under_way)
                due = await self._ledger.take(self._now(), free) if free else ()
                for each in due:
                    self._under_way.add(asyncio.create_task(self._look_up(each)))
                if len(due) < free or not free:
                    await self._pause(ends)
                self._reap()
        finally:
            ends.cancel()
            if self._under_way:
                await asyncio.wait(self._under_way)
        self._reap()

    async def _pause(self, ends: asyncio.Task[bool]) -> None:
        """Until somebody is wanted, a look-up is finished while others wait for its place, time passes, or the end."""
        wanted = asyncio.create_task(self._wanted.wait())
        waits: set[asyncio.Task[None] | asyncio.Task[bool]] = {wanted, ends}
        if len(self._under_way) >= self._at_once_max:
            waits = {ends, *self._under_way}
        try:
            await asyncio.wait(waits, timeout=POLL_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            wanted.cancel()

    def _reap(self) -> None:
        for task in [task for task in self._under_way if task.done()]:
            self._under_way.discard(task)
            task.result()

    async def _look_up(self, due: Due) -> None:
        asked, began = self._now(), perf_counter()
        try:
            answers = await self._ask(due.pid)
        except PeerFailure as failure:
            outcome = type(failure).__name__.lower()
            log.warning("register_look_up_failed", failure=outcome, code=failure.code)
            await self._ledger.failed(due.person, self._now())
        else:
            if not answers:
                outcome = "not_found"
                await self._ledger.not_found(due.person, self._now())
            else:
                outcome = "answered"
                for answer in answers:
                    await self._publish(record(answer, self._keys, asked))
                await self._ledger.answered(due.person, self._now())
        self._meter.count("lookups", register=REGISTER, outcome=outcome)
        self._meter.observe("lookup_seconds", perf_counter() - began, register=REGISTER)
