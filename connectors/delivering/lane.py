"""One peer's lane: takes what is due, makes it, looks once more, sends it, writes down what came of it. Then others are told.

Lanes share nothing but the ledger, so a slow peer holds up only itself. Nothing is held here that a crash could lose: what was taken
and not finished is found by its owner's lock being gone. `reach` names the points at which fault tests stop the process.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from time import perf_counter
from typing import Final

import structlog

from connectors.delivering.pace import OURS, Pace, PeerLimits, Result, failed, took
from connectors.delivering.ports import Carrier, Due, Launched, Ledger, Made
from connectors.errands import POLL_S, Errands, Round
from connectors.register.breaker import FAILURES_MAX, TRY_S_MAX, Breaker
from schemas.errors import PeerFailure, Rejected
from schemas.telemetry import Meter

FAULT_PAUSE: Final = timedelta(minutes=15)
log = structlog.get_logger()


def _nowhere(_: str) -> None:
    """No fault test."""


class Lane:
    """The loop of one peer. `wake` may be called at any time; `run` ends when `stop` is set and what is under way is finished."""

    def __init__(
        self, ledger: Ledger, carrier: Carrier, limits: PeerLimits, now: Callable[[], datetime], meter: Meter,
        tell: Callable[[], None], *, monotonic: Callable[[], float], chance: Callable[[], float], reach: Callable[[str], None] = _nowhere,
    ) -> None:  # fmt: skip
        self.name = carrier.name
        self.breaker = Breaker()
        self._ledger = ledger
        self._carrier = carrier
        self._limits = limits
        self._now = now
        self._meter = meter
        self._tell = tell
        self._monotonic = monotonic
        self._chance = chance
        self._reach = reach
        self._pace = Pace(limits.per_second)
        self._errands = Errands()

    def wake(self) -> None:
        """Something new may be due."""
        self._errands.wake()

    async def run(self, stop: asyncio.Event) -> None:
        """Carry until `stop`. A failure of ours ends the lane with it."""
        await self._errands.run(stop, self._look)

    async def _look(self) -> Round:
        room = self._room()
        due = await self._ledger.take(self.name, self._now(), room) if room else ()
        self._pace.take(len(due))
        for each in due:
            self._errands.begin(self._carry(each))
        next_s = self._pace.next_s()
        wait_s = min(POLL_S, max(0.005, next_s)) if next_s > 0 else POLL_S
        return Round(more=0 < room == len(due), full=not room and len(self._errands) > 0, wait_s=wait_s)

    @property
    def is_open(self) -> bool:
        """Whether the breaker lets nothing through but a try now and then."""
        return self.breaker.failures >= FAILURES_MAX

    def _room(self) -> int:
        now = self._monotonic()
        room = min(self._limits.at_once_max - len(self._errands), self._pace.room(now))
        if self.is_open:
            tried = self.breaker.tried_at
            resting = now < self.breaker.opens_at or (tried is not None and now < tried + TRY_S_MAX)
            room = 0 if resting or self._errands else min(room, 1)
        return max(room, 0)

    # --- one row -----------------------------------------------------------------------------------------------------------------

    async def _carry(self, due: Due) -> None:
        to: str | None = None
        if not due.ready:
            made = await self._make(due)
            if made is None:
                return
            to = made.to
        self._reach("after_claim")
        pause = self.breaker.refuses_for_s(self._monotonic())
        if pause:
            await self._ledger.postpone(due.send, "breaker", timedelta(seconds=pause), self._now())
            return
        launched = await self._ledger.launch(due.send, self._now(), to)
        if launched is None:  # withdrawn, refused or waiting: the ledger says why
            self.breaker.tried_at = None
            self._tell()
            return
        self._reach("inside_inflight")
        result = await self._send(due, launched)
        self._reach("after_peer")
        await self._record(due, launched, result)
        self._reach("after_recording")
        self._tell()

    async def _make(self, due: Due) -> Made | None:
        """The bytes to send, kept; None where the row came to something else."""
        prepared = await self._ledger.prepare(due.send, self._now())
        if prepared is None:
            self._tell()
            return None
        began = perf_counter()
        try:
            made = await asyncio.to_thread(self._carrier.make, due, prepared)
        except Rejected as failure:
            await self._ledger.refuse(due.send, failure.code, self._now())
            self._meter.count("sends", channel=self.name, outcome="rejected")
            self._tell()
            return None
        except Exception as fault:  # a document that we cannot render must not hold up everybody's; R11 prints it in time
            log.error("make_failed", channel=self.name, send=str(due.send), cause=type(fault).__name__)
            await self._ledger.postpone(due.send, "fault", FAULT_PAUSE, self._now())
            self._meter.count("sends", channel=self.name, outcome="fault")
            return None
        self._meter.observe("send_seconds", perf_counter() - began, channel=self.name, step="make")
        self._reach("before_claim")
        return made if await self._ledger.rendered(due.send, made.request, made.person, self._now()) else None

    async def _send(self, due: Due, launched: Launched) -> Result:
        """Every failure is one of three; anything else raised is a bug of ours, and the row is in doubt."""
        began = perf_counter()
        try:
            result = took(await self._carrier.send(due, launched))
        except PeerFailure as failure:
            age = self._now() - due.requested_at
            result = failed(failure, due, dedupes=self._carrier.dedupes, limits=self._limits, age=age, chance=self._chance())
            if isinstance(failure, Rejected):
                self.breaker.succeeded()
            elif failure.code not in OURS:
                self.breaker.failed(self._monotonic())
            log.warning("send_failed", channel=self.name, send=str(due.send), outcome=result.outcome, code=result.code)
        else:
            self.breaker.succeeded()
        self._meter.observe("send_seconds", perf_counter() - began, channel=self.name, step="send")
        return result

    async def _record(self, due: Due, launched: Launched, result: Result) -> None:
        await self._ledger.record(
            due.send, launched.number, result.event, result.outcome, self._now(), code=result.code, reference=result.reference,
            written=result.written, why=result.why, pause=timedelta(seconds=result.pause_s), in_doubt=result.in_doubt, repeat=result.repeat,
        )  # fmt: skip
        self._meter.count("sends", channel=self.name, outcome=result.outcome)
