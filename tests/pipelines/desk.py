"""A desk for tests of the ledger: give it events, look at what the hub says and keeps. Real PostgreSQL, real rules, no Kafka.

Records are made as Kafka would give them; outputs are taken where they would be published.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson
from aiokafka.structs import ConsumerRecord
from asyncpg import Pool

from config.settings import load
from pipelines.agents import ORDER
from pipelines.commands import Decoder
from pipelines.deadletters import DeadLetters
from pipelines.ledger import migrate, outbox, pool
from pipelines.work import Committed, Work
from schemas.cloudevents import Envelope, structured
from schemas.keys import PersonKeys
from schemas.persons import fictitious
from schemas.policy import Policy
from schemas.telemetry import NullMeter

SENDER = "162321000016"
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
TOPICS = {
    "booking.changed.v1": "ehr.bookings.v1",
    "time_type.changed.v1": "ehr.bookings.v1",
    "person.changed.v1": "persons.v1",
    "account.changed.v1": "accounts.v1",
    "agent.changed.v1": "agents.v1",
    "mailbox.changed.v1": "mailboxes.v1",
    "document.read.v1": "receipts.v1",
    "delivery.answered.v1": "receipts.v1",
    "session.changed.v1": "video.sessions.v1",
}
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Event:
    """One event to hand in. `id` makes it the same event again."""

    type: str
    data: dict[str, Any]
    id: str = ""
    source: str = "urn:test"
    time: datetime | None = None

    @property
    def topic(self) -> str:
        if self.type == "document.submitted.v1":
            return "ehr.referrals.v1" if self.data["kind"] == "remissbekraftelse" else "ehr.letters.v1"
        return TOPICS[self.type]


@dataclass
class Said:
    """One output, decoded."""

    topic: str
    type: str
    id: str
    key: str
    data: dict[str, Any]
    sequence: int


@dataclass
class Desk:
    """The hub between Kafka and Kafka, with a clock of the test's own."""

    pool: Pool[Any]
    work: Work
    decoder: Decoder
    time: datetime = START
    said: list[Said] = field(default_factory=list)

    async def take(self, *events: Event) -> list[Said]:
        """One batch; returns what the hub said because of it."""
        commands: list[Any] = []
        for topic in sorted({event.topic for event in events}, key=ORDER.__getitem__):
            commands += self.decoder.decode(topic, [self._record(event) for event in events if event.topic == topic])
        return await self._said(await self.work.commands(commands))

    async def advance(self, **delta: float) -> list[Said]:
        """Move the clock, and let the timer do all that is due then."""
        self.time += timedelta(**delta)
        return await self.tick()

    async def tick(self) -> list[Said]:
        found: list[Said] = []
        for _ in range(50):
            committed = await self.work.due(500)
            found += await self._said(committed)
            if committed.done == 0:
                return found
        raise AssertionError("the timer does not come to rest")

    async def _said(self, committed: Committed) -> list[Said]:
        if committed.batch is not None:
            row = await self.pool.fetchval("SELECT data FROM outbox WHERE batch = $1", committed.batch)
            assert outbox.unpack(row) == committed.outputs
            await outbox.delivered(self.pool, [committed.batch])
        found = []
        for output in committed.outputs:
            headers = {name: value.decode() for name, value in output.headers}
            data = orjson.loads(output.value) if output.topic != "dead-letters.v1" and output.value else headers
            kind, ident, number = headers.get("ce_type", ""), headers.get("ce_id", ""), int(headers.get("ce_sequence", 0))
            found.append(Said(output.topic, kind, ident, output.key.decode(), data, number))
        self.said += found
        return found

    def _record(self, event: Event) -> ConsumerRecord[Any, Any]:
        number = next(_numbers)
        envelope = Envelope(event.id or f"event-{number}", event.source, event.type, event.time or self.time)
        value = structured(envelope, orjson.dumps(event.data, option=orjson.OPT_UTC_Z))
        headers = (("content-type", b"application/cloudevents+json"),)
        return ConsumerRecord(
            event.topic, 0, number, int(self.time.timestamp() * 1000), 1, b"key", value, None, 3, len(value), headers
        )


@asynccontextmanager
async def desk(dsn: str, *, policy: Policy | None = None, per_minute_max: int = 1_000) -> Any:
    """A desk on an empty ledger."""
    connected = await pool.connect(dsn, size=4, part="test")
    await connected.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    await connected.close()
    await migrate.upgrade_now(dsn)
    connected = await pool.connect(dsn, size=4, part="test")
    policy = policy or replace(load({}).policy, asks_mailboxes=False)
    decoder = Decoder(PersonKeys({1: b"k" * 32}, 1), policy, lambda: lambda at: datetime.fromtimestamp(at, UTC))
    letters = DeadLetters(b"d" * 32, per_minute_max, NullMeter())
    made = Desk(connected, None, decoder)  # type: ignore[arg-type]
    made.work = Work(connected, decoder, letters, NullMeter(), lambda: made.time, slot="test", sender=SENDER)
    try:
        yield made
    finally:
        await connected.close()


# --- events ---------------------------------------------------------------------------------------------------------------

UNIT = "SE2321000016-A1"
ANNA = fictitious(date(1990, 1, 1))
BERTIL = fictitious(date(1985, 5, 5))
MOTHER = fictitious(date(1980, 3, 3))
CHILD = fictitious(date(2018, 1, 1))


def person(pid: str, **more: Any) -> Event:
    data = {"patient": pid, "name": "Test Testsson", "protection": "none", "emigrated": False, "linked": [], "as_of": START}
    return Event("person.changed.v1", {**data, **more})


def account(pid: str, state: str = "active", **more: Any) -> Event:
    return Event("account.changed.v1", {"patient": pid, "account": state, "as_of": START, **more})


def mailbox(pid: str, operator: str = "kivra", *, accepts: bool = True, **more: Any) -> Event:
    data = {"patient": pid, "sender": SENDER, "operator": operator, "accepts": accepts, "as_of": START}
    return Event("mailbox.changed.v1", {**data, **more})


def agent(child: str, guardian: str, **more: Any) -> Event:
    data = {"patient": child, "agent": guardian, "relation": "guardian", "state": "active", "as_of": START}
    return Event("agent.changed.v1", {**data, **more})


def letter(pid: str, number: str = "d1", **more: Any) -> Event:
    data = {
        "document_id": number, "kind": "brev", "unit": UNIT, "unit_name": "Ortopedmottagningen", "patient": pid,
        "title": "Provsvar", "created": START, "dispatch": "e-brev", "template": {"id": "t1", "name": "Brev"},
        "body": "Hej! Se https://1177.se.", "body_format": "text", "footer": "Sidfot [4US:LPAT]", "attachments": [],
        "source_system": "TakeCare",
    }  # fmt: skip
    return Event("document.submitted.v1", {**data, **more})


def kallelse(pid: str, number: str = "k1", **more: Any) -> Event:
    return letter(pid, number, **{"kind": "kallelse", "title": "Kallelse", "footer": "", **more})


def booking(pid: str, number: str = "b1", **more: Any) -> Event:
    data = {
        "booking_id": number, "version": 1, "status": "booked", "unit": UNIT, "unit_name": "Ortopedmottagningen",
        "patient": pid, "start": START + timedelta(days=7), "minutes": 30,
        "time_type": {"id": "tt1", "name": "Nybesök", "hidden": False, "video": "none"},
        "resource": {"id": "r1", "name": "Dr Test"}, "description": "", "comment": "", "journal_blocked": False,
    }  # fmt: skip
    return Event("booking.changed.v1", {**data, **more})


def read(pid: str, number: str = "d1", by: str | None = None, at: datetime = START) -> Event:
    return Event("document.read.v1", {"document_id": number, "patient": pid, "read_by": by or pid, "read_at": at})


def answer(delivery: str, outcome: str, **more: Any) -> Event:
    return Event("delivery.answered.v1", {"delivery_id": delivery, "channel": "kivra", "outcome": outcome, "at": START, **more})


def of_type(said: Iterable[Said], ce_type: str) -> list[dict[str, Any]]:
    return [one.data for one in said if one.type == ce_type]
