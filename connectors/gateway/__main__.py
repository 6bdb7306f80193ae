"""The gateway's composition root: `python -m connectors.gateway`.

Starts without Kafka, ledger or token issuer, says on /readyz when it can take work, and ends on SIGTERM after what
is under way has been answered.
"""

import asyncio
import signal
import ssl
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import aiohttp
import asyncpg
import structlog
import uvloop

from config.health import LOOPBACK, add_health
from config.settings import Settings, load
from config.telemetry import PrometheusMeter, set_up_logging
from connectors.gateway.assembly import Assembled, Ports, assemble_all
from connectors.gateway.attachments import Attachment
from connectors.gateway.hl7 import Hl7Door
from connectors.gateway.options import Limits
from connectors.gateway.tokens import Tokens
from connectors.gateway.web import Server
from connectors.hl7.server import Limits as MllpLimits
from connectors.hl7.server import MllpServer
from connectors.rivta.client import BookingSource
from pipelines.ledger import gateway as ledger
from pipelines.ledger.pool import connect
from pipelines.transport.access import KafkaAccess
from pipelines.transport.outputs import OutputProducer
from schemas.clock import Clock
from schemas.cloudevents import PersonKeys
from schemas.topics import PRODUCER_BYTES_MAX

PART = "gateway"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - outside the sandbox the gateway is there to be reached
JWKS_TIMEOUT_S = 5.0
LEDGER_TIMEOUT_S = 3.0

_log = structlog.get_logger()


class Ledger:
    """The ledger, connected when first asked: the gateway starts without it."""

    def __init__(self, settings: Settings, keys: PersonKeys, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._now = now
        self._keys = keys
        self._pool: asyncpg.Pool[Any] | None = None
        self._lock = asyncio.Lock()

    async def is_blocked(self, patient: str) -> bool:
        async with asyncio.timeout(LEDGER_TIMEOUT_S):
            return await ledger.is_blocked(await self._connected(), self._person(patient))

    async def attachment_for(self, reader: str, sha256: str) -> Attachment | None:
        async with asyncio.timeout(LEDGER_TIMEOUT_S):
            found = await ledger.attachment_for(
                await self._connected(), self._person(reader), bytes.fromhex(sha256), self._settings.policy, self._now()
            )
        return Attachment(*found) if found is not None else None

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close()

    def _person(self, pid: str) -> UUID:
        return self._keys.uuid(pid)

    async def _connected(self) -> "asyncpg.Pool[Any]":
        async with self._lock:
            if self._pool is None:
                self._pool = await connect(self._settings.postgres_dsn(), size=4, part=PART)
            return self._pool


def limits_of(settings: Settings) -> Limits:
    """The settings' `[intake]` as the gateway's limits."""
    intake = settings.intake
    return Limits(
        body_bytes_max=intake.body_bytes_max,
        events_max=intake.batch_events_max,
        attachments_max=intake.attachments_max,
        attachment_bytes_max=intake.attachment_bytes_max,
        in_flight_bytes_max=intake.bytes_in_flight_max,
        client_bytes_max=max(intake.body_bytes_max, intake.bytes_in_flight_max * 3 // 4),
        requests_max=intake.requests_in_flight_max,
        publish_timeout_s=intake.kafka_timeout_seconds,
        body_timeout_s=intake.read_timeout_seconds,
    )


def tls_of(settings: Settings) -> ssl.SSLContext | None:
    """The gateway's own TLS; client certificates are asked for where a CA for them is set, and verified."""
    tls = settings.tls
    if not tls.certificate_file:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(tls.certificate_file, tls.key_file or None)
    if tls.client_ca_file:
        context.load_verify_locations(tls.client_ca_file)
        context.verify_mode = ssl.CERT_OPTIONAL  # a bearer token is the other way in
    return context


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Serve until `stop`."""
    meter = PrometheusMeter(PART)
    limits = limits_of(settings)
    clock = Clock(settings.clock_file)
    keys = PersonKeys(settings.person_key_secrets(), settings.hub.key_version)
    access = KafkaAccess(settings.kafka_bootstrap, settings.kafka.username or None, settings.kafka_password(), tls=settings.kafka_tls())
    book = Ledger(settings, keys, clock.now)
    source = BookingSource({a: row.url for a, row in settings.rivta.sources.items()}, limits.pull_timeout_s)

    def producer() -> OutputProducer:
        return OutputProducer.connected_to(access, client_id=f"hub-{PART}", message_bytes_max=PRODUCER_BYTES_MAX)

    async def jwks() -> Mapping[str, Any]:
        timeout = aiohttp.ClientTimeout(total=JWKS_TIMEOUT_S)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(settings.oidc_jwks_url) as answer,
            ):
                answer.raise_for_status()
                document: Mapping[str, Any] = await answer.json(content_type=None)
                return document
        except (aiohttp.ClientError, ValueError) as error:
            raise OSError(type(error).__name__) from None

    made = assemble_all(
        Ports(
            policy=settings.policy,
            keys=keys,
            limits=limits,
            meter=meter,
            now=clock.now,
            tokens=Tokens(jwks, settings.oidc_issuer, settings.auth.audience, limits.retry_after_s),
            client_of_certificate=settings.auth.certificates,
            producer=producer,
            is_blocked=book.is_blocked,
            find_attachment=book.attachment_for,
            booking_source=source,
            callback_secret=settings.callback_secret(),
        )
    )
    app, publisher = made.app, made.publisher
    add_health(app, meter, PART, lambda: publisher.ready)
    server = Server(app, limits)
    mllp: MllpServer | None = None
    publisher.start()
    try:
        await server.start(LOOPBACK if settings.sandbox.enabled else EVERYWHERE, settings.ports.gateway, tls_of(settings))
        mllp = await _mllp(settings, made, limits, meter, clock)
        _log.info("gateway_started", port=server.port, hl7=mllp.port if mllp is not None else None)
        await stop.wait()
    finally:
        if mllp is not None:
            await mllp.stop()
        await server.stop()
        await publisher.stop()
        await source.close()
        await book.close()


async def _mllp(settings: Settings, made: Assembled, limits: Limits, meter: PrometheusMeter, clock: Clock) -> MllpServer | None:
    """The HL7 listener where the settings want one. Beyond loopback only senders with a certificate are heard."""
    if not settings.hl7_port:
        return None
    tls = tls_of(settings) if settings.hl7.tls else None
    proved = tls is not None and bool(settings.tls.client_ca_file)
    if tls is not None and proved:
        tls.verify_mode = ssl.CERT_REQUIRED
    door = Hl7Door(made.intake, made.admission, limits, meter, clock.now, settings.auth.certificates, needs_certificate=proved)
    bounds = MllpLimits(
        frame_bytes_max=limits.body_bytes_max, connections_max=settings.hl7.connections_max, idle_s=settings.hl7.idle_seconds
    )
    server = MllpServer(door.handle, made.admission, bounds)
    try:
        await server.start(EVERYWHERE if proved else LOOPBACK, settings.hl7_port, tls)
    except OSError as error:
        if settings.hl7.port:
            raise
        _log.warning("hl7_port_taken", port=settings.hl7_port, cause=type(error).__name__)  # the sandbox's own choice, not the operator's
        return None
    return server


async def _main() -> None:
    settings = load()
    set_up_logging(PART, settings.hub.log_level)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await run(settings, stop)


if __name__ == "__main__":
    uvloop.run(_main())
