"""A desk that holds everything the hub says to the letter of the contract, and lets time pass as it really does.

Every output of every test is checked: its model, topic, key, headers and id. Time moves from one due row to the next, as the timers
would have seen it, and a register answers (or stays silent, or has no such person) when it is asked.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import orjson
from asyncpg import Pool

from config.settings import load
from pipelines.commands import Decoder
from pipelines.deadletters import DeadLetters
from pipelines.ledger import lookups, migrate, pool
from pipelines.work import Committed, Work
from schemas.events import OUTBOUND
from schemas.keys import PersonKeys
from schemas.persons import fictitious, reserve_number
from schemas.policy import Policy
from schemas.telemetry import NullMeter
from schemas.topics import TOPICS as TABLE
from tests.pipelines.desk import SENDER, START, UNIT, Desk, Event, Said, booking, letter, person

RECIPIENT_FIELDS = {
    "document.delivered.v1": "document_id", "document.withdrawn.v1": "document_id", "document.settled.v1": "document_id",
    "booking.shown.v1": "booking_id", "booking.hidden.v1": "booking_id", "delivery.requested.v1": "document_id",
    "print.entered.v1": "document_id", "print.settled.v1": "document_id", "notification.requested.v1": "about",
    "room.changed.v1": "room_id", "decision.made.v1": "subject_id",
}  # fmt: skip
"""Which member names the subject of an event."""
OWN_KEY = {"app.bookings.v1": "booking_id", "portal.bookings.v1": "booking_id", "video.rooms.v1": "room_id"}
PERSON_KEY = re.compile(r"1-[0-9a-f]{32}")
DUE = "SELECT min(due_at) FROM (SELECT due_at FROM documents UNION ALL SELECT due_at FROM bookings UNION ALL SELECT due_at FROM rooms)"
POLICY = replace(load({}).policy, asks_mailboxes=False)
"""What is published of mailboxes is all that is known; test_reaching.py has a hub that asks."""
KEYS = PersonKeys({1: b"k" * 32}, 1)
Register = Literal["answers", "silent", "unknown", "off"]


@dataclass
class LawDesk(Desk):
    """`register` says how the population register behaves; `people` is what it knows: the last news given of each."""

    register: Register = "answers"
    people: dict[str, dict[str, Any]] = field(default_factory=dict)
    ids: set[str] = field(default_factory=set)
    settled: set[str] = field(default_factory=set)
    sequences: dict[str, int] = field(default_factory=dict)
    placed: dict[str, str] = field(default_factory=dict)
    lookups: list[str] = field(default_factory=list)

    async def take(self, *events: Event) -> list[Said]:
        for event in events:
            if event.type == "person.changed.v1" and "patient" in event.data:
                known = self.people.get(event.data["patient"])
                tie = known is not None and known["as_of"] == event.data["as_of"]
                if tie and known["protection"] != "none":  # two answers of one moment: the stronger holds (P8, fail closed)
                    continue
                if known is None or known["as_of"] <= event.data["as_of"]:
                    self.people[event.data["patient"]] = event.data
        return await super().take(*events)

    async def wait(self, until: datetime | None = None, **delta: float) -> list[Said]:
        """Let time pass, doing on the way what comes due, when it comes due, and the register's answers."""
        target = until or self.time + timedelta(**delta)
        found = await self.settle()
        for _ in range(2_000):
            due = await self._next_due()
            if due is None or due > target:
                self.time = target
                return found + await self.settle()
            self.time = max(self.time, due)
            found += await self.settle()
        raise AssertionError("time does not pass")

    async def settle(self) -> list[Said]:
        """What is due now, and what the register is asked now."""
        found = await self.tick()
        for _ in range(20):
            if self.register == "off":
                return found
            asked = [one for one in await lookups.take(self.pool, self.time, 100) if one.attempts < 3]
            if not asked:
                return found
            self.lookups += [one.pid for one in asked]
            for one in asked:
                if self.register == "silent":
                    await lookups.failed(self.pool, one.person, self.time)
                elif self.register == "unknown" or one.pid not in self.people:
                    await lookups.not_found(self.pool, one.person, self.time)
                else:
                    await lookups.answered(self.pool, one.person, self.time)
                    found += await Desk.take(self, Event("person.changed.v1", {**self.people[one.pid], "as_of": self.time}))
            found += await self.tick()
        raise AssertionError("the register is asked without end")

    async def _next_due(self) -> datetime | None:
        asking = " UNION ALL SELECT due_at FROM lookups WHERE attempts < 3" if self.register != "off" else ""
        due: datetime | None = await self.pool.fetchval(f"{DUE[:-1]}{asking}) AS due")
        return due

    async def _said(self, committed: Committed) -> list[Said]:
        for output in committed.outputs:
            self._check(output)
        return await super()._said(committed)

    def _check(self, output: Any) -> None:
        """One output against the contract: model, topic, key, headers, id."""
        headers = {name: value.decode() for name, value in output.headers}
        if output.topic == "dead-letters.v1":
            wanted = {"dlq-topic", "dlq-partition", "dlq-offset", "dlq-class", "dlq-cause", "dlq-time"}
            assert wanted <= headers.keys()
            assert not re.search(r"[0-9]{12}|Test Testsson", headers["dlq-cause"])
            assert b"Test Testsson" not in output.value and b"patient" not in output.value
            return
        ce_type = headers["ce_type"]
        assert ce_type in TABLE[output.topic].types
        model = OUTBOUND[ce_type].model_validate_json(output.value)
        data = orjson.loads(output.value)
        assert None not in data.values()
        assert orjson.loads(model.to_json()) == data
        subject = data[RECIPIENT_FIELDS[ce_type]]
        assert headers["ce_specversion"] == "1.0" and headers["content-type"] == "application/json"
        assert headers["ce_source"] and headers["ce_dataschema"].endswith(ce_type) and headers["ce_subject"] == subject
        assert datetime.fromisoformat(headers["ce_time"]) == self.time
        assert UUID(headers["ce_id"]).version == 5
        assert headers["ce_id"] not in self.ids, f"{ce_type} was said twice"
        self.ids.add(headers["ce_id"])
        key = output.key.decode()
        if output.topic in OWN_KEY:
            assert key == data[OWN_KEY[output.topic]]
            assert PERSON_KEY.fullmatch(headers["ce_partitionkey"]) and output.partition_key == headers["ce_partitionkey"].encode()
        else:
            assert PERSON_KEY.fullmatch(key)
        named = f"{output.topic} {subject}"
        if "patient" in data:  # a compacted topic keeps a renumbered person's bookings where they were
            placed = headers.get("ce_partitionkey", key)
            assert placed in (KEYS.key(data["patient"]), self.placed.get(named))
            self.placed[named] = placed
        assert headers["ce_sequence"] >= f"{self.sequences.get(named, 0):020d}"
        self.sequences[named] = int(headers["ce_sequence"])
        if ce_type == "document.settled.v1":
            assert data["document_id"] not in self.settled, "settled twice"
            self.settled.add(data["document_id"])
        if ce_type == "decision.made.v1":
            assert data["trace"] and any(step["applied"] for step in data["trace"]) and data["config_version"]
            assert "Test Testsson" not in output.value.decode()
            assert not re.search(rb"(19|20)[0-9]{10}", re.sub(rb'"subject_id":"[^"]*"', b"", output.value))
        if output.topic in ("notifications.v1", "video.rooms.v1"):
            assert b"Provsvar" not in output.value and b"Kallelse" not in output.value

    # --- what is asked most ---------------------------------------------------------------------------------------------------

    async def prints(self, *events: Event, **delta: float) -> list[str]:
        """The reasons with which documents went to print because of events, or of time."""
        said = await self.take(*events) if events else await self.wait(**delta)
        return [one["reason"] for one in of(said, "print.entered.v1")]

    async def known(self, *pids: str, **more: Any) -> None:
        await self.take(*(person(pid, as_of=self.time, **more) for pid in pids))


async def prepare(dsn: str) -> None:
    connected = await pool.connect(dsn, size=1, part="test")
    await connected.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    await connected.close()
    await migrate.upgrade_now(dsn)


_prepared: set[str] = set()


@asynccontextmanager
async def law_desk(dsn: str, policy: Policy | None = None, time: datetime = START) -> AsyncIterator[LawDesk]:
    """A desk on an empty ledger; the tables are made once for each database and emptied for each desk."""
    if dsn not in _prepared:
        await prepare(dsn)
        _prepared.add(dsn)
    connected: Pool[Any] = await pool.connect(dsn, size=3, part="test")
    try:
        await empty(connected)
        yield made(connected, policy, time)
    finally:
        await connected.close()


async def empty(connected: Pool[Any]) -> None:
    tables = await connected.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'")
    await connected.execute("; ".join(f"DELETE FROM {row[0]}" for row in tables))


def made(connected: Pool[Any], policy: Policy | None = None, time: datetime = START) -> LawDesk:
    decoder = Decoder(KEYS, policy or POLICY, lambda: lambda at: datetime.fromtimestamp(at, UTC))
    desk = LawDesk(connected, None, decoder, time)  # type: ignore[arg-type]
    letters = DeadLetters(b"d" * 32, 100_000, NullMeter())
    desk.work = Work(connected, decoder, letters, NullMeter(), lambda: desk.time, slot="t", sender=SENDER)
    return desk


def of(said: Iterable[Said], ce_type: str, topic: str = "") -> list[dict[str, Any]]:
    return [one.data for one in said if one.type == ce_type and topic in one.topic]


def classes(said: Iterable[Said]) -> list[str]:
    return [one.data["dlq-class"] for one in said if one.topic == "dead-letters.v1"]


def rule(said: Iterable[Said]) -> tuple[str, str]:
    """Rule and outcome of the only decision of a document."""
    (found,) = [one for one in of(said, "decision.made.v1") if one["subject"] == "document"]
    return found["rule"], found["outcome"]


# --- people and things --------------------------------------------------------------------------------------------------------

ADULT = fictitious(date(1970, 4, 4))
OTHER = fictitious(date(1971, 6, 6))
FATHER = fictitious(date(1982, 8, 8))
TEEN = fictitious(date(2010, 2, 2))
RESERVE = reserve_number(2020, 12345)
NATIONAL = "22700101TK12"
EARLY_UNIT = "SE2321000016-E5"
VIDEO = {"id": "v", "name": "Video", "hidden": False, "video": "single"}
GROUP = {"id": "g", "name": "Gruppvideo", "hidden": False, "video": "group"}
HIDDEN = {"id": "h", "name": "Dold", "hidden": True, "video": "none"}
VISIBLE = {"id": "tt1", "name": "Nybesök", "hidden": False, "video": "none"}
PDF = "JVBERi0xLjcKdGVzdA=="


def attachment(**more: Any) -> dict[str, Any]:
    return {"name": "bilaga.pdf", "content_type": "application/pdf", "data": PDF, "shared": True, "e_brev": True, **more}


def confirmation(pid: str, number: str = "r1", **more: Any) -> Event:
    data = {"kind": "remissbekraftelse", "title": "Remissbekräftelse", "footer": "Sidfot [4US:RPAT]", **more}
    return letter(pid, number, **data)


def time_type(kind: dict[str, Any], as_of: datetime, unit: str = UNIT) -> Event:
    return Event("time_type.changed.v1", {"unit": unit, "time_type": kind, "as_of": as_of})


def opened(room_id: str, at: datetime) -> Event:
    return Event("session.changed.v1", {"room_id": room_id, "state": "opened", "participant": "s1", "role": "staff", "at": at})


def video(pid: str, number: str = "b1", **more: Any) -> Event:
    return booking(pid, number, **{"time_type": VIDEO, **more})


STAFF = {"by": {"id": "SE2321000016-1001", "role": "staff"}, "present": UNIT}
