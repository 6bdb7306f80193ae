"""The look-up loop: takes who is due from the ledger, asks, publishes the answer, tells the ledger how it went.

The loop wakes by a notification of the ledger (a new person waits milliseconds) and looks by itself for what falls due later.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from time import perf_counter
from typing import Final, Protocol
from uuid import UUID

import structlog

from connectors.errands import Errands, Round
from connectors.register.records import Record, record
from schemas.errors import PeerFailure
from schemas.events import PersonChanged
from schemas.keys import PersonKeys
from schemas.telemetry import Meter

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
        self._errands = Errands()

    def wake(self, *_: object) -> None:
        """Somebody new is to be looked up."""
        self._errands.wake()

    async def run(self, stop: asyncio.Event) -> None:
        """Look up until `stop`. A failure of ledger or Kafka ends the loop with that failure."""
        await self._errands.run(stop, self._look)

    async def _look(self) -> Round:
        free = self._at_once_max - len(self._errands)
        due = await self._ledger.take(self._now(), free) if free else ()
        for each in due:
            self._errands.begin(self._look_up(each))
        return Round(more=0 < free == len(due), full=len(self._errands) >= self._at_once_max)

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
