"""A peer that behaves as it is told and remembers what it got, and a delivery part around a test's ledger without Kafka."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from config.settings import load
from connectors.channels import Letter, Operator, Sent, Text
from connectors.delivering.carriers import MailboxCarrier, TextCarrier
from connectors.delivering.lane import Lane, _nowhere
from connectors.delivering.pace import PeerLimits
from connectors.delivering.ports import Carrier, Content
from connectors.delivering.requests import requests
from connectors.delivering.telling import Record, Telling
from connectors.delivering.words import filled
from pipelines.commands import Decoder
from pipelines.deadletters import DeadLetters
from pipelines.ledger import pool
from pipelines.ledger.invitations import Boxes
from pipelines.ledger.sends import NewSend, Sends
from pipelines.rules.clearance import Quiet
from pipelines.rules.sending import State
from pipelines.work import Work
from schemas.callback import callback_token
from schemas.errors import PeerFailure, Rejected
from schemas.keys import PersonKeys
from schemas.telemetry import NullMeter
from tests.pipelines.desk import SENDER, Desk, Event, Said

SECRET = b"s" * 32
GUESTS = Boxes(b"g" * 32)
QUICK = PeerLimits(per_second=1_000, pause_s_min=1.0, pause_s_max=60.0)
WITHIN_S = 60.0


class Page(NamedTuple):
    """A renderer's answer."""

    html: str
    pdf: bytes


def render(content: Content) -> Page:
    """The words as a page and, for all that matters here, as bytes."""
    page = f"<!DOCTYPE html><title>{content.title}</title>{content.body}<footer>{content.footer}</footer>"
    return Page(page, b"%PDF-" + page.encode())


class FakePeer:
    """Accepts, unless `plan` says otherwise: each exchange takes the next failure of it (None: accept)."""

    def __init__(self, *, dedupes: bool = False, delay_s: float = 0.0, bytes_max: int = 1_000_000) -> None:
        self.plan: deque[PeerFailure | None] = deque()
        self.got: list[tuple[str, bytes]] = []
        """Every request that arrived, in order: who for, and its bytes."""
        self.made: list[UUID] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.dedupes = dedupes
        self._delay_s = delay_s
        self._bytes_max = bytes_max

    @property
    def kept(self) -> dict[bytes, int]:
        """What the recipients have, and how often: a peer that dedupes keeps identical bytes once."""
        times: dict[bytes, int] = {}
        for _, request in self.got:
            times[request] = 1 if self.dedupes else times.get(request, 0) + 1
        return times

    async def take(self, whom: str, request: bytes, *, arrives: bool = True) -> Sent:
        await self.gate.wait()
        if self._delay_s:
            await asyncio.sleep(self._delay_s)
        failure = self.plan.popleft() if self.plan else None
        if failure is not None and failure.detail != "arrived":
            raise failure
        self.got.append((whom, request))
        if failure is not None:
            raise failure
        return Sent(f"ref-{len(self.got)}")

    def encode(self, ident: UUID, body: Mapping[str, Any]) -> bytes:
        self.made.append(ident)
        request = orjson.dumps(body)
        if len(request) > self._bytes_max:
            raise Rejected("too_large")
        return request


class FakeMailbox(FakePeer):
    """A `MailboxChannel`."""

    def __init__(self, name: str = "kivra", **more: Any) -> None:
        super().__init__(**more)
        self.name = name

    def encode(self, letter: Letter) -> bytes:  # type: ignore[override]
        files = [sha256(one.data).hexdigest() for one in letter.enclosures]
        body = {"id": str(letter.delivery_id), "to": letter.recipient, "html": letter.html, "pdf": letter.pdf.hex(), "files": files}
        return super().encode(letter.delivery_id, body)

    async def send(self, request: bytes, *, recipient: str, operator: Operator, delivery_id: UUID) -> Sent:
        return await self.take(recipient, request)

    async def reach(self, people: Sequence[str]) -> Mapping[str, Mapping[Operator, bool]]:
        return {}


class FakePhones(FakePeer):
    """A `TextChannel`."""

    name = "sms"

    def encode(self, text: Text) -> bytes:  # type: ignore[override]
        return super().encode(text.notification_id, {"to": text.to, "words": text.words, "report": text.callback_url})

    async def send(self, request: bytes, *, notification_id: UUID) -> Sent:
        return await self.take(orjson.loads(request)["to"], request)


@dataclass
class Part:
    """The delivery part: its rows, its lanes, what it published."""

    hub: Desk
    ledger: Sends
    lanes: dict[str, Lane]
    telling: Telling
    published: list[Record]
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    running: list[asyncio.Task[None]] = field(default_factory=list)

    async def put(self, said: Sequence[Said]) -> int:
        """The requests among what the hub said, as they come from Kafka."""
        wanted = requests(_Record(one) for one in said if one.type in ("delivery.requested.v1", "notification.requested.v1"))
        new = [
            NewSend(r.send, self.hub.decoder.person(r.recipient), r.about, r.channel, r.operator, r.kind, r.template, r.not_after)
            for r in wanted
        ]
        return await self.ledger.put(new, self.lanes.keys(), self.hub.time)

    def start(self) -> None:
        self.running = [asyncio.create_task(lane.run(self.stop)) for lane in self.lanes.values()]

    async def end(self) -> None:
        self.stop.set()
        await asyncio.gather(*self.running)

    async def rest(self) -> None:
        """Let the lanes do all that is due now, and tell."""
        self.stop = asyncio.Event()
        self.start()
        try:
            async with asyncio.timeout(WITHIN_S):
                while await self.hub.pool.fetchval(
                    "SELECT count(*) FROM sends WHERE slot IS NOT NULL OR (due_at <= $1 AND why IS DISTINCT FROM 'no_channel_configured')"
                    " OR (state = 1 AND due_at > $1)",
                    self.hub.time,
                ):
                    for task in self.running:
                        if task.done():
                            task.result()
                    await asyncio.sleep(0.01)
        finally:
            await self.end()
        await self.telling.tell()

    async def answer(self) -> list[Said]:
        """What was published since the last time, handed to the pipelines as Kafka would."""
        events = [
            Event(
                "delivery.answered.v1", orjson.loads(one.value), id=dict(one.headers)["ce_id"].decode(),
                source=dict(one.headers)["ce_source"].decode(),
            )
            for one in self.published
        ]  # fmt: skip
        self.published.clear()
        return await self.hub.take(*events) if events else []

    async def row(self, send: str | None = None) -> Any:
        """The one send there is, or the one named."""
        found = await self.hub.pool.fetch("SELECT * FROM sends WHERE $1::uuid IS NULL OR send = $1", send)
        assert len(found) == 1
        return found[0]

    async def state(self, send: str | None = None) -> str:
        return State((await self.row(send))["state"]).name.lower()


class _Record:
    """An output of the desk as a Kafka record."""

    _offsets = itertools.count()

    def __init__(self, said: Said) -> None:
        self.topic, self.partition, self.offset = said.topic, 0, next(self._offsets)
        names = {"ce_specversion": "1.0", "ce_id": said.id, "ce_source": "urn:t", "ce_type": said.type}
        self.headers = [(name, text.encode()) for name, text in names.items()]
        self.value = orjson.dumps(said.data)


def part(hub: Desk, *peers: FakePeer, slot: str = "delivery-0", limits: PeerLimits = QUICK, reach: Any = _nowhere) -> Part:
    """A delivery part with these peers."""
    published: list[Record] = []

    async def publish(records: list[Record]) -> None:
        published.extend(records)

    quiet = Quiet(time(21), time(7), frozenset({"reminder"}))
    ledger = Sends(hub.pool, hub.decoder.policy, slot=slot, sender=SENDER, quiet=quiet, guests=GUESTS)
    telling = Telling(ledger, publish, hub.decoder.keys)
    carriers: list[Carrier] = [
        TextCarrier(peer, filled, lambda ident: f"https://hub.test/callbacks/sms/{callback_token(ident, SECRET)}")
        if isinstance(peer, FakePhones)
        else MailboxCarrier(peer, render)  # type: ignore[arg-type]
        for peer in peers
    ]
    loop = asyncio.get_running_loop()
    lanes = {
        carrier.name: Lane(
            ledger, carrier, limits, lambda: hub.time, NullMeter(), telling.wake, monotonic=loop.time, chance=lambda: 0.5, reach=reach
        )
        for carrier in carriers
    }
    return Part(hub, ledger, lanes, telling, published)


@asynccontextmanager
async def emptied(dsn: str) -> AsyncIterator[Desk]:
    """A desk on a migrated ledger without rows: quicker than a new one for each test."""
    async with desk_on(dsn) as made:
        tables = await made.pool.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'")
        await made.pool.execute("TRUNCATE " + ", ".join(row[0] for row in tables))
        yield made


@asynccontextmanager
async def desk_on(dsn: str) -> AsyncIterator[Desk]:
    """A desk on a ledger as it is."""
    connected = await pool.connect(dsn, size=8, part="test")
    decoder = Decoder(
        PersonKeys({1: b"k" * 32}, 1), replace(load({}).policy, asks_mailboxes=False), lambda: lambda at: datetime.fromtimestamp(at, UTC)
    )
    letters = DeadLetters(b"d" * 32, 1_000, NullMeter())
    made = Desk(connected, None, decoder)  # type: ignore[arg-type]
    made.work = Work(connected, decoder, letters, NullMeter(), lambda: made.time, slot="test", sender=SENDER)
    try:
        yield made
    finally:
        await connected.close()
