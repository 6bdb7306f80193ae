"""`python -m connectors.register`: what the hub asks by itself: the register (P8), TakeCare's bookings (B5)."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

import asyncpg
import structlog

from config.health import serve_health
from config.settings import Settings, load
from config.telemetry import PrometheusMeter, set_up_logging
from connectors.register.looking_up import Ask, LookingUp
from connectors.register.records import Record
from connectors.spar.client import LIMITS, SparClient
from connectors.spar.wire import Customer
from connectors.takecare_exchange.changes import Known
from connectors.takecare_exchange.client import ExchangeClient
from connectors.takecare_exchange.refresh import Record as BookingRecord
from connectors.takecare_exchange.refresh import Refresher
from connectors.takecare_exchange.wire import Account
from pipelines.ledger import booked, lookups
from pipelines.ledger.pool import connect
from pipelines.transport.access import KafkaAccess
from pipelines.transport.outputs import Output, OutputProducer
from schemas.clock import Clock
from schemas.errors import Unavailable
from schemas.events import PersonChanged
from schemas.keys import PersonKeys

PART = "register"
log = structlog.get_logger()


class PooledLookups:
    """`pipelines.ledger.lookups` with its pool: the port of the loop."""

    def __init__(self, pool: "asyncpg.Pool[Any]") -> None:
        self.take = partial(lookups.take, pool)
        self.answered = partial(lookups.answered, pool)
        self.not_found = partial(lookups.not_found, pool)
        self.failed = partial(lookups.failed, pool)


class PooledBookings:
    """`pipelines.ledger.booked` with its pool: what a refresh compares the EHR's answer with."""

    def __init__(self, pool: "asyncpg.Pool[Any]", keys: PersonKeys) -> None:
        self._pool = pool
        self._keys = keys

    async def known(self, booking_ids: Collection[str]) -> Mapping[str, Known]:
        return {name: Known(*have) for name, have in (await booked.known(self._pool, booking_ids)).items()}

    async def coming(self, patient: str | None, unit: str, now: datetime) -> Mapping[str, Known]:
        person = self._keys.uuid(patient) if patient is not None else None
        return {name: Known(*have) for name, have in (await booked.coming(self._pool, person, unit, now)).items()}


@asynccontextmanager
async def asking(settings: Settings, now: Callable[[], datetime]) -> AsyncIterator[Ask]:
    """SPAR over the settings' TLS; a register that is not set is silent (P8): it confirms nobody and denies nobody."""
    peer, ours = settings.peer("spar"), settings.register_
    if not peer.url:
        yield _silent
        return
    customer = Customer(ours.customer, ours.end_customer, ours.assignment, ours.user)
    seconds = ours.timeout_seconds
    limits = replace(
        LIMITS,
        connect_s=min(LIMITS.connect_s, seconds),
        silence_s=min(LIMITS.silence_s, seconds),
        total_s=seconds,
        connections_max=ours.concurrent_max,
    )
    async with SparClient(peer.url, customer, now, tls=settings.peer_tls("spar"), limits=limits) as spar:
        yield spar.follow


async def _silent(patient: str) -> tuple[PersonChanged, ...]:
    raise Unavailable("not_set")


async def run(settings: Settings) -> None:
    """Until SIGTERM or SIGINT. Whatever fails of ours ends the process; the supervisor starts it again."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    meter = PrometheusMeter(PART)
    clock = Clock(settings.clock_file)
    keys = PersonKeys(settings.person_key_secrets(), settings.hub.key_version)
    access = KafkaAccess(settings.kafka_bootstrap, settings.kafka.username or None, settings.kafka_password(), tls=settings.kafka_tls())
    ready = False
    health = await serve_health(settings.ports.register, meter, PART, lambda: ready)
    pool = await connect(settings.postgres_dsn(), size=settings.postgres.pool_max, part=PART)
    try:
        async with (
            AsyncExitStack() as clients,
            asking(settings, clock.now) as ask,
            OutputProducer.connected_to(access, client_id=PART) as producer,
        ):

            async def publish(made: Record) -> None:
                await producer.send_many([Output(*made)])

            looking_up = LookingUp(PooledLookups(pool), ask, publish, keys, clock.now, meter, settings.register_.concurrent_max)
            ear = await asyncpg.connect(settings.postgres_dsn())
            try:
                deaf = asyncio.Event()
                ear.add_termination_listener(lambda _: deaf.set())
                await ear.add_listener(lookups.CHANNEL, looking_up.wake)
                ready = True
                log.info("register_ready")
                loops = [looking_up.run(stop)]
                exchange, takecare = settings.exchange, settings.peer("takecare")
                if exchange.polled_units and takecare.url:
                    account = Account(exchange.user, settings.exchange_password(), exchange.external_user)
                    tls = settings.peer_tls("takecare")
                    asks = await clients.enter_async_context(ExchangeClient(takecare.url, account, clock.now, tls=tls))

                    async def publish_bookings(made: Sequence[BookingRecord]) -> None:
                        await producer.send_many([Output(*each) for each in made])

                    known = PooledBookings(pool, keys)
                    polling = Refresher(asks, known, publish_bookings, keys, clock.now, exchange.polled_units)
                    loops.append(polling.run(stop, exchange.poll_seconds))
                await _run_unless(deaf, *loops)
            finally:
                await ear.close()
    finally:
        ready = False
        await pool.close()
        await health.cleanup()


async def _run_unless(deaf: asyncio.Event, *loops: Coroutine[Any, Any, None]) -> None:
    """The loops' end, or an error: one of them failed, or the ledger's notifications stopped coming and nobody would be asked at once."""
    running = {asyncio.create_task(loop) for loop in loops}
    silence = asyncio.create_task(deaf.wait())
    waits: set[asyncio.Task[Any]] = {silence, *running}
    try:
        while running:
            done, waits = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for loop in done & running:
                await loop
            if silence in done:
                raise ConnectionError("the ledger's notifications have stopped")
            running -= done
    finally:
        for task in waits:
            task.cancel()


def main() -> None:
    """The part's entry."""
    settings = load()
    set_up_logging(PART, settings.hub.log_level)
    asyncio.run(run(settings))


if __name__ == "__main__":
    main()
