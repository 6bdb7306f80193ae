"""The reaching loop: takes who is due from the ledger, asks every path to mailboxes, publishes the answers, tells the ledger.

What one path answers is published also where another is silent. A hub without any path reports silence at once, so that nothing waits.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime
from time import perf_counter
from typing import Final, Protocol
from uuid import UUID

import structlog

from connectors.channels import MailboxChannel, Operator
from connectors.errands import Errands, Round
from connectors.reaching.records import Record, records
from schemas.errors import PeerFailure, Rejected
from schemas.keys import PersonKeys
from schemas.telemetry import Meter

CHUNK_PEOPLE_MAX: Final = 100
CHUNKS_MAX: Final = 4
"""Chunks asked about at the same time."""

Answers = Mapping[str, Mapping[Operator, bool]]
log = structlog.get_logger()


class Due(Protocol):
    """Somebody to ask about."""

    @property
    def person(self) -> UUID: ...
    @property
    def pid(self) -> str: ...
    @property
    def asked_at(self) -> datetime: ...


class Ledger(Protocol):
    """What the ledger is asked for (`pipelines.ledger.reachings`, bound to its pool and the rules)."""

    async def take(self, now: datetime, limit: int) -> Sequence[Due]: ...
    async def heard(self, person: UUID, asked_at: datetime, operators: Collection[Operator], complete: bool) -> None: ...
    async def failed(self, people: Collection[UUID], now: datetime) -> None: ...


Publish = Callable[[Sequence[Record]], Awaitable[None]]


class Reaching:
    """The loop. `wake` may be called at any time; `run` ends when `stop` is set and what was asked is finished."""

    def __init__(
        self, ledger: Ledger, channels: Sequence[MailboxChannel], publish: Publish, keys: PersonKeys, sender: str,
        now: Callable[[], datetime], meter: Meter,
    ) -> None:  # fmt: skip
        self._ledger = ledger
        self._channels = tuple(channels)
        self._publish = publish
        self._keys = keys
        self._sender = sender
        self._now = now
        self._meter = meter
        self._errands = Errands()

    def wake(self, *_: object) -> None:
        """Somebody new is to be asked about."""
        self._errands.wake()

    async def run(self, stop: asyncio.Event) -> None:
        """Ask until `stop`. A failure of ledger or Kafka ends the loop with that failure."""
        await self._errands.run(stop, self._look)

    async def _look(self) -> Round:
        if len(self._errands) >= CHUNKS_MAX:
            return Round(more=False, full=True)
        due = await self._ledger.take(self._now(), CHUNK_PEOPLE_MAX)
        if due:
            self._errands.begin(self._ask(due))
        return Round(more=len(due) == CHUNK_PEOPLE_MAX)

    async def _ask(self, due: Sequence[Due]) -> None:
        people = [each.pid for each in due]
        heard = await asyncio.gather(*(self._reach(channel, people) for channel in self._channels))
        told: list[Record] = []
        silent: list[UUID] = []
        for each in due:
            answers: dict[Operator, bool] = {}
            paths = 0
            for answer in heard:
                if each.pid in answer:
                    paths += 1
                    answers |= answer[each.pid]
            if not answers:
                silent.append(each.person)
                continue
            await self._ledger.heard(each.person, each.asked_at, answers.keys(), paths == len(heard))
            told += records(each.pid, answers, self._sender, self._keys, each.asked_at)
        if told:
            await self._publish(told)
        if silent:
            await self._ledger.failed(silent, self._now())

    async def _reach(self, channel: MailboxChannel, people: Sequence[str]) -> Answers:
        """What a path answers, of whomever it answers. A chunk that it rejects is halved: one person must not silence the others."""
        began = perf_counter()
        answers: Answers = {}
        try:
            answers = await channel.reach(people)
            outcome = "answered"
        except Rejected as failure:
            outcome = "rejected"
            log.warning("mailbox_reach_failed", channel=channel.name, failure=outcome, code=failure.code, people=len(people))
        except PeerFailure as failure:
            outcome = type(failure).__name__.lower()
            log.warning("mailbox_reach_failed", channel=channel.name, failure=outcome, code=failure.code, people=len(people))
        self._meter.count("lookups", len(people), register=channel.name, outcome=outcome)
        self._meter.observe("lookup_seconds", perf_counter() - began, register=channel.name)
        if outcome == "rejected" and len(people) > 1:
            middle = len(people) // 2
            return {**await self._reach(channel, people[:middle]), **await self._reach(channel, people[middle:])}
        return answers
