"""`python -m connectors.register`: what the ledger wants to know of people, asked of the register (P8) and of the mailboxes (R9)."""

import asyncio
import signal
from collections.abc import Collection, Coroutine, Sequence
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
from pipelines.ledger import lookups, reachings
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
        async with register, OutputProducer.connected_to(access, client_id=PART) as producer:

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
                await _run_unless(deaf, looking_up.run(stop), reaching.run(stop))
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
