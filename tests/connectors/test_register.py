"""The register connector: what an answer means, when it stops asking, and that nobody waits longer than they must."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from config.settings import Settings
from connectors.register.__main__ import asking
from connectors.register.breaker import FAILURES_MAX, PAUSE_S_MAX, Breaker
from connectors.register.looking_up import LookingUp
from connectors.register.records import Record, record
from connectors.sandbox.faults import Fault
from schemas.cloudevents import decode_record
from schemas.errors import PeerFailure, Rejected, Unavailable, Uncertain
from schemas.events import PersonChanged
from schemas.events import decode as decode_event
from schemas.telemetry import NullMeter
from tests.connectors.sandbox_support import ADULT, KEYS, NOW, PARENT, Running, person, running, tell
from tests.connectors.spar_support import over_tls, settings_for

# --- breaker ------------------------------------------------------------------------------------------------------------


def _broken(at: float) -> Breaker:
    breaker = Breaker()
    for _ in range(FAILURES_MAX):
        breaker.failed(at)
    return breaker


def test_the_breaker_opens_after_failures_in_a_row_and_lets_one_try_at_a_time() -> None:
    breaker = _broken(100.0)
    assert breaker.refuses_for_s(100.1) == pytest.approx(0.4)
    assert [breaker.refuses_for_s(100.6) == 0 for _ in range(3)] == [True, False, False]


def test_a_success_between_failures_keeps_it_closed() -> None:
    breaker = Breaker()
    for _ in range(3 * FAILURES_MAX):
        breaker.failed(0.0)
        breaker.succeeded()
    assert breaker.refuses_for_s(0.0) == 0


def test_pauses_double_up_to_a_bound_and_a_success_forgets_them() -> None:
    breaker, now, pauses = _broken(0.0), 0.0, []
    for _ in range(8):
        now = breaker.opens_at
        assert breaker.refuses_for_s(now) == 0
        breaker.failed(now)
        pauses.append(breaker.opens_at - now)
    assert pauses == [1.0, 2.0, 4.0, 8.0, *[PAUSE_S_MAX] * 4]
    breaker.succeeded()
    assert breaker.refuses_for_s(now) == 0


def test_failures_of_questions_that_were_under_way_do_not_make_the_pause_longer() -> None:
    breaker = _broken(0.0)
    opens_at = breaker.opens_at
    for _ in range(30):
        breaker.failed(0.1)
    assert breaker.opens_at == opens_at


# --- asking the stand-in --------------------------------------------------------------------------------------------------


@dataclass
class Setting:
    """A sandbox with its SPAR behind TLS, and the settings that lead there."""

    it: Running
    settings: Settings

    def asking(self, timeout_s: float = 10.0) -> Any:
        table = self.settings.register_.model_copy(update={"timeout_seconds": timeout_s})
        return asking(self.settings.model_copy(update={"register_": table}), lambda: NOW)


@pytest.fixture
async def spar(tmp_path: Path) -> AsyncIterator[Setting]:
    settings = settings_for(tmp_path)
    async with running(tmp_path) as it, over_tls(it, settings):
        tell(it.world, "person.changed.v1", person(ADULT, "Alva Almdalsson"))
        yield Setting(it, settings)


async def test_it_asks_and_is_answered(spar: Setting) -> None:
    async with spar.asking() as ask:
        (found,) = await ask(ADULT)
        assert (found.name, found.as_of) == ("Alva Almdalsson", NOW)
        assert await ask(PARENT) == ()
    assert spar.it.world.register.asked == {ADULT: 1, PARENT: 1}


async def test_an_old_number_brings_the_news_of_the_new_one_too(spar: Setting) -> None:
    tell(spar.it.world, "person.changed.v1", person(PARENT, "Alva Almdalsson", replaced_by=ADULT))
    async with spar.asking() as ask:
        assert [(each.patient, each.replaced_by) for each in await ask(PARENT)] == [(PARENT, ADULT), (ADULT, None)]


@pytest.mark.parametrize(
    ("mode", "failure", "code", "asked"),
    [
        ("down", Uncertain, "lost_answer", 0),
        ("slow", Uncertain, "timeout", 0),
        ("refuse", Rejected, "undantag", 1),
        ("lose_answer", Uncertain, "lost_answer", 1),
        ("garbage", Rejected, "unreadable", 1),
    ],
)
async def test_each_fault_of_the_register_is_one_of_three_failures_and_passes(
    spar: Setting, mode: Any, failure: type[PeerFailure], code: str, asked: int
) -> None:
    spar.it.sandbox.faults.set(Fault(system="spar", mode=mode, for_requests=1, delay_seconds=60.0), asyncio.get_running_loop().time())
    async with spar.asking(timeout_s=1.0) as ask:
        with pytest.raises(failure) as caught:
            await ask(ADULT)
        assert caught.value.code == code
        assert spar.it.world.register.asked[ADULT] == asked
    async with spar.asking() as ask:
        assert len(await ask(ADULT)) == 1


async def test_a_register_that_is_slower_but_in_time_is_waited_for(spar: Setting) -> None:
    spar.it.sandbox.faults.set(Fault(system="spar", mode="slow", delay_seconds=0.2), 0.0)
    async with spar.asking() as ask:
        assert len(await ask(ADULT)) == 1


async def test_where_nobody_listens_it_is_unavailable_and_after_some_tries_the_breaker_answers(tmp_path: Path) -> None:
    async with asking(settings_for(tmp_path), lambda: NOW) as ask:
        codes = []
        for _ in range(FAILURES_MAX + 2):
            with pytest.raises(Unavailable) as caught:
                await ask(ADULT)
            codes.append(caught.value.code)
    assert codes == ["no_connection"] * FAILURES_MAX + ["breaker_open"] * 2


async def test_an_endless_answer_is_cut_off(spar: Setting) -> None:
    spar.it.world.register.learn(PARENT, NOW, {**person(PARENT, "x" * 700_000), "as_of": NOW.isoformat()})
    async with spar.asking() as ask:
        with pytest.raises(Rejected, match="unreadable"):
            await ask(PARENT)


async def test_a_register_that_is_not_set_is_silent(tmp_path: Path) -> None:
    """P8: it confirms nobody and denies nobody."""
    async with asking(settings_for(tmp_path, HUB__SANDBOX__ENABLED="false"), lambda: NOW) as ask:
        with pytest.raises(Unavailable, match="not_set"):
            await ask(ADULT)


# --- loop -----------------------------------------------------------------------------------------------------------------


@dataclass
class Due:
    person: UUID
    pid: str


@dataclass
class Ledger:
    """Rows that are due, and what was told of each."""

    due: list[Due] = field(default_factory=list)
    told: list[tuple[str, UUID]] = field(default_factory=list)
    limits: list[int] = field(default_factory=list)

    async def take(self, now: datetime, limit: int) -> list[Due]:
        self.limits.append(limit)
        taken, self.due = self.due[:limit], self.due[limit:]
        return taken

    async def answered(self, person: UUID, now: datetime) -> None:
        self.told.append(("answered", person))

    async def not_found(self, person: UUID, now: datetime) -> None:
        self.told.append(("not_found", person))

    async def failed(self, person: UUID, now: datetime) -> None:
        self.told.append(("failed", person))


@dataclass
class Loop:
    ledger: Ledger
    published: list[Record]
    looking_up: LookingUp
    stop: asyncio.Event
    task: "asyncio.Task[None]"

    async def until(self, count: int) -> list[tuple[str, UUID]]:
        async with asyncio.timeout(5):
            while len(self.ledger.told) < count:
                await asyncio.sleep(0.002)
        return self.ledger.told


@dataclass
class Asking:
    """A register with a gate; knows how many ask at once."""

    answer: PersonChanged | Exception | None
    """None: there is no such person."""
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    now: int = 0
    most: int = 0

    async def __call__(self, pid: str) -> tuple[PersonChanged, ...]:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await self.gate.wait()
        finally:
            self.now -= 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return () if self.answer is None else (self.answer,)


async def _started(ledger: Ledger, ask: Any, at_once_max: int = 32) -> Loop:
    published: list[Record] = []

    async def publish(made: Record) -> None:
        assert not any(outcome == "answered" for outcome, _ in ledger.told[len(published) :])
        published.append(made)

    loop = LookingUp(ledger, ask, publish, KEYS, lambda: NOW, NullMeter(), at_once_max)
    stop = asyncio.Event()
    return Loop(ledger, published, loop, stop, asyncio.create_task(loop.run(stop)))


async def _ended(loop: Loop) -> None:
    loop.stop.set()
    await asyncio.wait_for(loop.task, 5)


def _answer() -> PersonChanged:
    return PersonChanged.model_validate(person(ADULT, "Alva Almdalsson", protection="sekretessmarkering"))


async def test_an_answer_is_published_before_the_ledger_is_told() -> None:
    asking = Asking(_answer())
    asking.gate.set()
    due = Due(uuid4(), ADULT)
    loop = await _started(Ledger([due]), asking)
    assert await loop.until(1) == [("answered", due.person)]
    await _ended(loop)
    (made,) = loop.published
    envelope, data = decode_record(made.headers, made.value)
    assert (made.topic, made.key.decode(), envelope.partitionkey) == ("persons.v1", KEYS.key(ADULT), KEYS.key(ADULT))
    assert envelope.subject == KEYS.key(ADULT)
    assert decode_event(envelope.type, data) == _answer()
    assert ADULT not in repr(made)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [(None, "not_found"), (Unavailable("x"), "failed"), (Uncertain("x"), "failed"), (Rejected("x"), "failed")],
)
async def test_without_an_answer_the_ledger_is_told_and_nothing_is_published(answer: Any, outcome: str) -> None:
    asking = Asking(answer)
    asking.gate.set()
    due = Due(uuid4(), ADULT)
    loop = await _started(Ledger([due]), asking)
    assert await loop.until(1) == [(outcome, due.person)]
    await _ended(loop)
    assert loop.published == []


async def test_so_many_are_asked_at_once_and_no_more() -> None:
    asking = Asking(None)
    ledger = Ledger([Due(uuid4(), ADULT) for _ in range(100)])
    loop = await _started(ledger, asking, at_once_max=32)
    async with asyncio.timeout(5):
        while asking.now < 32:
            await asyncio.sleep(0.001)
    await asyncio.sleep(0.05)
    assert asking.most == 32
    asking.gate.set()
    assert len(await loop.until(100)) == 100
    await _ended(loop)
    assert asking.most == 32
    assert max(ledger.limits) == 32


async def test_somebody_new_is_asked_for_within_50_ms_of_the_call() -> None:
    asking = Asking(None)
    asking.gate.set()
    ledger = Ledger()
    loop = await _started(ledger, asking)
    waits: list[float] = []
    while not waits or (sorted(waits[-5:])[2] >= 0.05 and len(waits) < 15):  # a machine that is busy for a while gets three series
        for _ in range(5):
            await asyncio.sleep(0.03)
            began = time.perf_counter()
            ledger.due.append(Due(uuid4(), ADULT))
            loop.looking_up.wake()
            await loop.until(len(waits) + 1)
            waits.append(time.perf_counter() - began)
    await _ended(loop)
    assert sorted(waits[-5:])[2] < 0.05, waits


async def test_what_falls_due_later_is_found_without_a_call() -> None:
    asking = Asking(None)
    asking.gate.set()
    ledger = Ledger()
    loop = await _started(ledger, asking)
    await asyncio.sleep(0.05)
    ledger.due.append(Due(uuid4(), ADULT))
    assert len(await loop.until(1)) == 1
    await _ended(loop)


async def test_a_stop_lets_the_questions_under_way_finish() -> None:
    asking = Asking(None)
    loop = await _started(Ledger([Due(uuid4(), ADULT)]), asking)
    async with asyncio.timeout(5):
        while not asking.now:
            await asyncio.sleep(0.001)
    loop.stop.set()
    await asyncio.sleep(0.02)
    assert not loop.task.done()
    asking.gate.set()
    await asyncio.wait_for(loop.task, 5)
    assert [outcome for outcome, _ in loop.ledger.told] == ["not_found"]


async def test_a_bug_or_a_failure_of_ours_ends_the_loop_rather_than_being_skipped() -> None:
    asking = Asking(ValueError("a bug"))
    asking.gate.set()
    loop = await _started(Ledger([Due(uuid4(), ADULT)]), asking)
    with pytest.raises(ValueError, match="a bug"):
        await asyncio.wait_for(loop.task, 5)
    assert loop.ledger.told == []


def test_the_same_news_confirmed_later_is_a_new_event_and_one_answer_is_one() -> None:
    def name(asked: datetime) -> str:
        return decode_record(record(_answer(), KEYS, asked).headers, b"{}")[0].id

    assert name(NOW) == name(NOW)
    assert name(NOW) != name(NOW.replace(microsecond=1))
