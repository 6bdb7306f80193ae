"""The reaching connector: every path is asked in chunks, every operator's answer is told, and a silent path silences nobody else."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import orjson
import pytest

from connectors.channels import Letter, Operator, Sent
from connectors.reaching.asking import Reaching
from connectors.reaching.records import Record, records
from schemas.cloudevents import decode_record
from schemas.errors import PeerFailure, Rejected, Unavailable, Uncertain
from schemas.events import decode as decode_event
from schemas.persons import fictitious
from schemas.telemetry import NullMeter
from tests.connectors.sandbox_support import ADULT, KEYS, PARENT

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SENDER = "162321000016"


class Due(NamedTuple):
    person: UUID
    pid: str
    asked_at: datetime = AT


@dataclass
class Ledger:
    """Hands out each person once."""

    waiting: list[Due]
    heard_: dict[UUID, tuple[set[Operator], bool]] = field(default_factory=dict)
    silent: list[UUID] = field(default_factory=list)

    async def take(self, now: datetime, limit: int) -> Sequence[Due]:
        taken, self.waiting = self.waiting[:limit], self.waiting[limit:]
        return taken

    async def heard(self, person: UUID, asked_at: datetime, operators: Collection[Operator], complete: bool) -> None:
        assert asked_at == AT
        self.heard_[person] = (set(operators), complete)

    async def failed(self, people: Collection[UUID], now: datetime) -> None:
        self.silent += people


@dataclass
class Path:
    """One path to mailboxes: who has which, whom it chokes on, and how it fails."""

    name: str
    operators: tuple[Operator, ...]
    boxes: Mapping[str, Operator] = field(default_factory=dict)
    poison: str = ""
    failure: PeerFailure | None = None
    dedupes: bool = False
    asked: list[int] = field(default_factory=list)

    async def reach(self, people: Sequence[str]) -> Mapping[str, Mapping[Operator, bool]]:
        self.asked.append(len(people))
        if self.failure is not None:
            raise self.failure
        if self.poison in people:
            raise Rejected("bad_id")
        return {one: {operator: self.boxes.get(one) == operator for operator in self.operators} for one in people}

    def encode(self, letter: Letter) -> bytes:
        raise NotImplementedError

    async def send(self, request: bytes, *, recipient: str, operator: Operator, delivery_id: UUID) -> Sent:
        raise NotImplementedError


async def ask(ledger: Ledger, *paths: Path) -> list[dict[str, Any]]:
    """Run the loop until everybody was asked about; what was published, checked as the hub would."""
    sent: list[Record] = []

    async def publish(made: Sequence[Record]) -> None:
        assert ledger.heard_, "what is on its way stands in the ledger before it is sent"
        sent.extend(made)

    stop = asyncio.Event()
    loop = Reaching(ledger, paths, publish, KEYS, SENDER, lambda: AT, NullMeter())
    everybody = len(ledger.waiting)
    running = asyncio.create_task(loop.run(stop))
    async with asyncio.timeout(30):
        while len(ledger.heard_.keys() | set(ledger.silent)) < everybody:
            loop.wake()
            await asyncio.sleep(0.01)
    stop.set()
    await running
    told = []
    for record in sent:
        envelope, value = decode_record(record.headers, record.value)
        decode_event(envelope.type, value)
        told.append(orjson.loads(value))
    return told


def pid_of(number: int) -> str:
    return fictitious(date(1970, 1, 1) + timedelta(days=number), 981)


KIVRA: tuple[Operator, ...] = ("kivra",)
OTHERS: tuple[Operator, ...] = ("billo", "minmyndighetspost", "fortnox")


async def test_every_operator_of_every_path_is_told_also_none() -> None:
    ledger = Ledger([Due(uuid4(), ADULT)])
    told = await ask(ledger, Path("kivra", KIVRA), Path("mina_meddelanden", OTHERS, {ADULT: "billo"}))
    assert {one["operator"] for one in told} == {*KIVRA, *OTHERS}
    assert [one["operator"] for one in told if one["accepts"]] == ["billo"]
    assert {(one["patient"], one["sender"], one["as_of"]) for one in told} == {(ADULT, SENDER, "2026-03-02T09:00:00Z")}
    assert list(ledger.heard_.values()) == [({*KIVRA, *OTHERS}, True)]
    assert ledger.silent == []


@pytest.mark.parametrize("failure", [Unavailable("http_503"), Uncertain("timeout"), Rejected("closed")])
async def test_a_path_that_fails_leaves_the_others_answer_incomplete(failure: PeerFailure) -> None:
    ledger = Ledger([Due(uuid4(), ADULT)])
    told = await ask(ledger, Path("kivra", KIVRA, {ADULT: "kivra"}), Path("mina_meddelanden", OTHERS, failure=failure))
    assert [(one["operator"], one["accepts"]) for one in told] == [("kivra", True)]
    assert list(ledger.heard_.values()) == [({"kivra"}, False)]


async def test_where_every_path_fails_silence_is_told() -> None:
    ledger = Ledger([Due(UUID(int=1), ADULT), Due(UUID(int=2), PARENT)])
    assert await ask(ledger, Path("kivra", KIVRA, failure=Unavailable("down"))) == []
    assert sorted(ledger.silent) == [UUID(int=1), UUID(int=2)]


async def test_without_any_path_silence_is_told_at_once() -> None:
    ledger = Ledger([Due(UUID(int=1), ADULT)])
    assert await ask(ledger) == []
    assert ledger.silent == [UUID(int=1)]


async def test_one_person_whom_a_path_chokes_on_silences_nobody_else() -> None:
    people = [Due(UUID(int=number), pid_of(number)) for number in range(50)]
    ledger = Ledger(list(people))
    path = Path("kivra", KIVRA, poison=people[33].pid)
    await ask(ledger, path)
    assert ledger.silent == [people[33].person]
    assert len(ledger.heard_) == 49
    assert path.asked[0] == 50


async def test_people_are_asked_about_in_chunks() -> None:
    ledger = Ledger([Due(UUID(int=number), pid_of(number)) for number in range(250)])
    path = Path("kivra", KIVRA)
    await ask(ledger, path)
    assert sorted(path.asked) == [50, 100, 100]


def test_an_answer_has_the_key_and_partition_of_its_mailbox_and_the_same_id_each_time() -> None:
    (one,) = records(ADULT, {"kivra": True}, SENDER, KEYS, AT)
    assert one.key.decode() == f"{KEYS.key(ADULT)}/{SENDER}/kivra"
    assert one.partition_key.decode() == KEYS.key(ADULT)
    assert records(ADULT, {"kivra": True}, SENDER, KEYS, AT) == [one]
    assert ADULT not in repr(one) and ADULT.encode() not in one.key
