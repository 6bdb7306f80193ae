"""A gateway in this process: real HTTP on a free port, tokens by name, and a log that behaves as Kafka does."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
import orjson

from config.settings import load
from connectors.gateway.assembly import Ports, assemble
from connectors.gateway.attachments import Attachment
from connectors.gateway.options import Limits
from connectors.gateway.publishing import Output, Producer, Publisher
from connectors.gateway.refusals import not_authenticated
from connectors.gateway.rights import Client
from connectors.gateway.web import Server
from connectors.rivta.bookings import Details
from schemas.cloudevents import PersonKeys
from schemas.errors import Rejected
from schemas.samples import SAMPLES, envelope_of
from schemas.telemetry import Meter, NullMeter

KEYS = PersonKeys({1: b"a secret of sixteen bytes"}, 1)
NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
UNIT = "SE2321000016-A1"
POLICY = load({}).policy
CALLBACK_SECRET = b"a secret for callback URLs"
EVENTS = "/v1/events"
STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
NDJSON = "application/x-ndjson"


class TokensByName:
    """The token is the client's name; `NAME:READER` names a reader; `bad` is no token."""

    async def client(self, token: str) -> Client:
        if token == "bad":
            raise not_authenticated("The token does not verify")
        name, _, reader = token.partition(":")
        return Client(name, reader or None)


@dataclass
class Log:
    """Behaves as the producer: holds what it is given; `silent` keeps all waiting, `failing` refuses once."""

    records: list[Output] = field(default_factory=list)
    silent: bool = False
    failing: bool = False
    waiting: list[tuple[asyncio.Future[None], Sequence[Output]]] = field(default_factory=list)
    started: int = 0

    async def start(self) -> None:
        self.started += 1

    async def stop(self) -> None:
        return None

    def send_many(self, outputs: Sequence[Output]) -> asyncio.Future[None]:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.failing:
            self.failing = False
            done.set_exception(OSError("gone"))
        elif self.silent:
            self.waiting.append((done, outputs))
        else:
            self.records.extend(outputs)
            done.set_result(None)
        return done

    def wake(self) -> None:
        """The broker answers again: what waited is there now."""
        self.silent = False
        for done, outputs in self.waiting:
            self.records.extend(outputs)
            done.set_result(None)
        self.waiting.clear()


class NoSource:
    """No booking source is configured."""

    async def get(self, unit: str, booking_id: str) -> Details:
        raise Rejected("no_source")


async def nobody_is_blocked(_: str) -> bool:
    return False


async def nothing_found(_reader: str, _sha256: str) -> Attachment | None:
    return None


@dataclass
class Gateway:
    """A running gateway with a client's session."""

    url: str
    session: aiohttp.ClientSession
    log: Log
    publisher: Publisher

    async def post(self, path: str, body: Any, content_type: str = STRUCTURED, client: str = "ehr-takecare", **headers: str) -> "Answer":
        """`body` is bytes, or a value that becomes JSON."""
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        sent = {"Content-Type": content_type} | {name.replace("_", "-"): text for name, text in headers.items()}
        if client:
            sent["Authorization"] = f"Bearer {client}"
        sent["Content-Length"] = str(len(data))
        async with self.session.post(self.url + path, data=io.BytesIO(data), headers=sent) as response:
            return Answer(response.status, dict(response.headers), await response.read())

    async def get(self, path: str, client: str = "app", **headers: str) -> "Answer":
        sent = {name.replace("_", "-"): text for name, text in headers.items()}
        if client:
            sent["Authorization"] = f"Bearer {client}"
        async with self.session.get(self.url + path, headers=sent) as response:
            return Answer(response.status, dict(response.headers), await response.read())


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def problem(self) -> str:
        """The last part of the problem's type; the answer must be a problem document."""
        assert self.headers["Content-Type"] == "application/problem+json", self.headers
        assert self.json["status"] == self.status
        return str(self.json["type"]).rpartition(":")[2]

    @property
    def faults(self) -> dict[str, str]:
        return {each["pointer"]: each["detail"] for each in self.json["errors"]}


def ports_with(log: Log, limits: Limits, **changes: Any) -> Ports:
    """Ports for tests; `changes` replace some by name."""
    return Ports(
        **{
            "policy": POLICY,
            "keys": KEYS,
            "limits": limits,
            "meter": NullMeter(),
            "now": lambda: NOW,
            "tokens": TokensByName(),
            "client_of_certificate": {},
            "producer": lambda: log,
            "is_blocked": nobody_is_blocked,
            "find_attachment": nothing_found,
            "booking_source": NoSource(),
            "callback_secret": CALLBACK_SECRET,
        }
        | changes
    )


@asynccontextmanager
async def running(
    limits: Limits | None = None, producer: Callable[[], Producer] | None = None, meter: Meter | None = None, **changes: Any
) -> AsyncIterator[Gateway]:
    """A gateway for the block; `changes` replace ports by name."""
    limits = limits or Limits(publish_timeout_s=1.0, body_timeout_s=1.0, idle_timeout_s=1.0)
    log = Log()
    ports = ports_with(log, limits, **({"producer": producer} if producer else {}), **({"meter": meter} if meter else {}), **changes)
    app, publisher = assemble(ports)
    server = Server(app, limits)
    publisher.start()
    await server.start("127.0.0.1", 0)
    async with aiohttp.ClientSession() as session:
        await until(lambda: publisher.ready)
        try:
            yield Gateway(f"http://127.0.0.1:{server.port}", session, log, publisher)
        finally:
            await session.close()
            await server.stop()
            log.wake()
            await publisher.stop()


def event(ce_type: str = "document.submitted.v1", event_id: str | None = None, **data: Any) -> dict[str, Any]:
    """One structured event that is right, with some of its data changed."""
    envelope = envelope_of(ce_type)
    return {
        "specversion": "1.0",
        "id": event_id or envelope.id,
        "source": "/ehr/takecare",
        "type": ce_type,
        "time": "2026-03-02T09:15:00Z",
        "data": {**SAMPLES[ce_type], "unit": UNIT, **data} if "unit" in SAMPLES[ce_type] else {**SAMPLES[ce_type], **data},
    }


async def until(condition: Callable[[], bool], timeout_s: float = 10) -> None:
    """Wait for what happens elsewhere."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)
