"""`python -m connectors.register`: what the hub asks by itself: the register (P8), the mailboxes (R9), TakeCare's bookings (B5)."""

import asyncio
import signal
from collections.abc import Collection, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
import structlog

from config.health import serve_health
from config.settings import Settings, load
from config.telemetry import PrometheusMeter, set_up_logging
from connectors.channels import MailboxChannel, Operator
from connectors.reaching.asking import Reaching
from connectors.reaching.records import Record as MailboxRecord
from connectors.register.client import RegisterClient
from connectors.register.looking_up import LookingUp
from connectors.register.records import Record
from connectors.takecare_exchange.changes import Known
from connectors.takecare_exchange.client import ExchangeClient
from connectors.takecare_exchange.refresh import Record as BookingRecord
from connectors.takecare_exchange.refresh import Refresher
from connectors.takecare_exchange.wire import Account
from pipelines.ledger import booked, lookups, reachings
from pipelines.ledger.pool import connect
from pipelines.outputs import OPERATOR_OF
from pipelines.transport.access import KafkaAccess
from pipelines.transport.outputs import Output, OutputProducer
from schemas.clock import Clock
from schemas.keys import PersonKeys
from schemas.policy import Limits

PART = "register"
log = structlog.get_logger()


class PooledLookups:
    """`pipelines.ledger.lookups` with its pool: the port of the loop."""

    def __init__(self, pool: "asyncpg.Pool[Any]") -> None:
        self.take = partial(lookups.take, pool)
        self.answered = partial(lookups.answered, pool)
        self.not_found = partial(lookups.not_found, pool)
        self.failed = partial(lookups.failed, pool)


class PooledReachings:
    """`pipelines.ledger.reachings` with its pool and the rules' limits: the port of the reaching loop."""

    def __init__(self, pool: "asyncpg.Pool[Any]", sender: str, limits: Limits) -> None:
        self._pool = pool
        self.take = partial(reachings.take, pool, sender, limits)
        self.failed = partial(reachings.failed, pool)

    async def heard(self, person: UUID, asked_at: datetime, operators: Collection[Operator], complete: bool) -> None:
        numbers = [int(OPERATOR_OF[operator]) for operator in operators]
        await reachings.heard(self._pool, person, asked_at, numbers, complete=complete)


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


async def run(settings: Settings, channels: Sequence[MailboxChannel] = ()) -> None:
    """Until SIGTERM or SIGINT. Whatever fails of ours ends the process; the supervisor starts it again.

    `channels`: the paths to mailboxes that are asked who can be reached; with none silence is told at once.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    meter = PrometheusMeter(PART)
    clock = Clock(settings.clock_file)
    keys = PersonKeys(settings.person_key_secrets(), settings.hub.key_version)
    access = KafkaAccess(
        settings.kafka_bootstrap, settings.kafka.username or None, settings.kafka_password(), tls=settings.kafka_tls()
    )
    ready = False
    health = await serve_health(settings.ports.register, meter, PART, lambda: ready)
    pool = await connect(settings.postgres_dsn(), size=settings.postgres.pool_max, part=PART)
    register = RegisterClient(
        settings.register_url,
        timeout_s=settings.register_.timeout_seconds,
        connections_max=settings.register_.concurrent_max,
    )
    try:
        async with AsyncExitStack() as clients, register, OutputProducer.connected_to(access, client_id=PART) as producer:

            async def publish(made: Record) -> None:
                await producer.send_many([Output(*made)])

            looking_up = LookingUp(
                PooledLookups(pool), register.ask, publish, keys, clock.now, meter, settings.register_.concurrent_max
            )
            async def publish_all(made: Sequence[MailboxRecord]) -> None:
                await producer.send_many([Output(*each) for each in made])

            asked = PooledReachings(pool, settings.hub.sender, settings.policy.limits)
            reaching = Reaching(asked, channels, publish_all, keys, settings.hub.sender, clock.now, meter)
            ear = await asyncpg.connect(settings.postgres_dsn())
            try:
                deaf = asyncio.Event()
                ear.add_termination_listener(lambda _: deaf.set())
                await ear.add_listener(lookups.CHANNEL, looking_up.wake)
                await ear.add_listener(reachings.CHANNEL, reaching.wake)
                ready = True
                log.info("register_ready")
                loops = [looking_up.run(stop), reaching.run(stop)]
                if settings.exchange.polled_units and settings.exchange_url:
                    exchange = settings.exchange
                    account = Account(exchange.user, settings.exchange_password(), exchange.external_user)
                    asks = await clients.enter_async_context(ExchangeClient(settings.exchange_url, account, clock.now))

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
