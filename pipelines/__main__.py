"""The pipelines' composition root: `python -m pipelines migrate | worker --slot N | timers --slot N`.

The supervisor starts these. Settings come from `config`, everything else is put together here and nowhere else.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import functools
import gc
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
import uvloop
from aiohttp import web
from asyncpg import Pool

from config.health import serve_health
from config.settings import Settings, SettingsError, load
from config.telemetry import PrometheusMeter, set_up_logging
from pipelines import gauges
from pipelines.agents import Intake, add_agents
from pipelines.commands import Decoder
from pipelines.deadletters import DeadLetters
from pipelines.delivery import Delivery
from pipelines.lanes import Lanes
from pipelines.ledger import pool, retention
from pipelines.ledger.slots import Slot
from pipelines.points import arm
from pipelines.timers import Timers
from pipelines.transport.access import KafkaAccess
from pipelines.transport.outputs import CONNECTIONS, OutputProducer
from pipelines.transport.worker import WorkerSettings, end_process, make_app, serve
from pipelines.work import Work
from schemas.clock import Clock
from schemas.keys import PersonKeys
from schemas.topics import PRODUCER_BYTES_MAX

log = structlog.get_logger()
GROUP = "hub-pipelines"
TIMER_LANES = 2
RETENTION_EVERY = timedelta(hours=1)
RETENTION_LOOK_S = 5.0
SHOWN = ("bookings_days", "rooms_days")
"""What stands on compacted topics gets its tombstones by the hub's clock. The rest goes hourly by the wall, as Kafka's own retention does:
`hub reconcile` compares with topics that a moved clock does not shorten."""
COLLECT_EVERY_OBJECTS = 50_000
M_ARENA_MAX, ARENAS_MAX = -8, 2


@dataclass(frozen=True)
class Parts:
    """What a worker and a timer have in common."""

    settings: Settings
    clock: Clock
    meter: PrometheusMeter
    pool: Pool[Any]
    decoder: Decoder
    work: Work
    access: KafkaAccess


async def _parts(settings: Settings, name: str) -> Parts:
    clock = Clock(settings.clock_file)
    meter = PrometheusMeter(name)
    ledger = await pool.connect(
        settings.postgres_dsn(),
        size=settings.postgres.pool_max,
        part=name,
        statement_timeout_s=settings.postgres.statement_timeout_seconds,
    )
    keys = PersonKeys(settings.person_key_secrets(), settings.hub.key_version)
    decoder = Decoder(keys, settings.policy, clock.mapping)
    letters = DeadLetters(settings.dead_letter_key(), settings.dead_letters.per_minute_max, meter)
    work = Work(ledger, decoder, letters, meter, clock.now, slot=name, sender=settings.hub.sender)
    access = KafkaAccess(
        settings.kafka_bootstrap, settings.kafka.username or None, settings.kafka_password(), tls=settings.kafka_tls()
    )
    return Parts(settings, clock, meter, ledger, decoder, work, access)


async def _worker(settings: Settings, slot: int) -> None:
    name = f"worker-{slot}"
    parts = await _parts(settings, name)
    ready = False
    health = await serve_health(settings.ports.worker(slot), parts.meter, name, lambda: ready)
    app = make_app(
        WorkerSettings(
            parts.access,
            GROUP,
            slot,
            settings.dir / "faust" / name,
            records_max=settings.workers.batch_records,
            session_s=settings.workers.session_seconds,
            message_bytes_max=PRODUCER_BYTES_MAX,
        )
    )
    slot_ = Slot(name, app.fail)
    await slot_.hold(settings.postgres_dsn())
    delivery = Delivery(parts.pool, lambda: app.outputs, name, parts.meter, app.fail)
    parts.work.on_put, parts.work.on_rollback = delivery.expect, delivery.unexpect
    intake = Intake(parts.work, parts.decoder, delivery, parts.meter)
    lanes = Lanes(
        [intake.handle] * settings.workers.lanes, on_failure=app.fail, records_max=settings.workers.batch_records
    )
    add_agents(app, lanes)
    async with OutputProducer.connected_to(
        parts.access, client_id=f"{name}-relay", message_bytes_max=PRODUCER_BYTES_MAX
    ) as relay:
        await Delivery(parts.pool, lambda: relay, name, parts.meter, app.fail).relay_own()
    async with lanes:
        await delivery.start()

        def begin() -> None:
            nonlocal ready
            ready = True

        def measure() -> None:
            if ready:
                gauges.lag(parts.meter, GROUP, app.lag())

        counting = asyncio.create_task(gauges.every(gauges.EVERY_S, measure, app.fail))
        await serve(app, ready=begin)
        counting.cancel()
        await delivery.stop()
    await _leave(parts, slot_, health)


async def _timers(settings: Settings, slot: int) -> None:
    name = f"timers-{slot}"
    parts = await _parts(settings, name)
    ready = False
    health = await serve_health(settings.ports.timers, parts.meter, name, lambda: ready)
    slot_ = Slot(name, end_process)
    await slot_.hold(settings.postgres_dsn())
    async with OutputProducer.connected_to(
        parts.access, client_id=name, message_bytes_max=PRODUCER_BYTES_MAX, connections=CONNECTIONS
    ) as producer:
        delivery = Delivery(parts.pool, lambda: producer, name, parts.meter, end_process)
        parts.work.on_put, parts.work.on_rollback = delivery.expect, delivery.unexpect
        await delivery.relay_own()
        await delivery.start()
        timers = Timers(parts.pool, parts.work, delivery, parts.clock.now, settings.workers.timer_rows)
        _on_signals(timers.stop)
        measure = functools.partial(_measure, parts)
        counting = asyncio.create_task(gauges.every(gauges.EVERY_S, measure, end_process))
        days = settings.retention.model_dump()
        keep = functools.partial(_keep, parts, name, delivery)
        shown = gauges.spaced(RETENTION_EVERY, parts.clock.now, functools.partial(keep, {table: days.pop(table) for table in SHOWN}))
        keeping = [
            asyncio.create_task(gauges.every(RETENTION_LOOK_S, shown, end_process)),
            asyncio.create_task(gauges.every(RETENTION_EVERY.total_seconds(), functools.partial(keep, days), end_process)),
        ]
        ready = True
        await asyncio.gather(*(timers.run() for _ in range(TIMER_LANES)))
        for task in keeping:
            task.cancel()
        counting.cancel()
        await delivery.stop()
    await _leave(parts, slot_, health)


async def _leave(parts: Parts, slot: Slot, health: web.AppRunner) -> None:
    """The orderly end: the slot goes last, when nothing of ours is under way any more."""
    await health.cleanup()
    await parts.pool.close()
    await slot.release()


async def _measure(parts: Parts) -> None:
    await gauges.measure(parts.pool, parts.meter, parts.clock.now())


async def _keep(parts: Parts, slot: str, delivery: Delivery, days: dict[str, int]) -> None:
    """What the settings no longer keep goes, beside the work of the timers."""
    gone = await retention.run(parts.pool, parts.clock.now(), days, parts.meter, keys=parts.decoder.keys, slot=slot, post=delivery.post)
    log.info("retention_applied", rows=sum(gone.values()))


def _on_signals(stop: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)


def collect_seldom() -> None:
    """A batch makes ten thousand objects and no cycles: looking for some every 700 objects cost a fifth of all CPU (docs/bench.md)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_EVERY_OBJECTS, 10, 10)


def share_arenas() -> None:
    """glibc gives each thread an arena of its own, and what one of them once held stays there: 20 MiB a worker (docs/bench.md)."""
    with contextlib.suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, ARENAS_MAX)


async def _migrate(settings: Settings) -> None:
    from pipelines.ledger import migrate  # brings SQLAlchemy, 20 MiB that workers and timers need not carry

    dsn = settings.postgres_dsn()
    await migrate.check_server(dsn)
    if await migrate.version(dsn) != migrate.HEAD:
        await migrate.upgrade_now(dsn)


def main() -> int:
    """Exit status: 0 stopped or done, 2 wrong use or settings, 70 a failure of ours."""
    parser = argparse.ArgumentParser(prog="python -m pipelines")
    parser.add_argument("part", choices=("migrate", "worker", "timers"))
    parser.add_argument("--slot", type=int, default=0)
    parser.add_argument("--die-at", metavar="POINT[:N]", help="fault tests, sandbox only: SIGKILL at a named point")
    options = parser.parse_args()
    try:
        settings = load()
    except SettingsError as wrong:
        sys.stderr.write(f"{wrong}\n")
        return 2
    set_up_logging(options.part if options.part == "migrate" else f"{options.part}-{options.slot}", settings.hub.log_level)
    if options.die_at:
        if not settings.sandbox.enabled:
            parser.error("--die-at is for the sandbox")
        point, _, times = options.die_at.partition(":")
        arm(point, int(times or 1))
    if options.part == "migrate":
        asyncio.run(_migrate(settings))
        return 0
    collect_seldom()
    share_arenas()
    run = _worker if options.part == "worker" else _timers
    try:
        uvloop.run(run(settings, options.slot))
    except Exception as error:
        log.critical("part_failed", cause=type(error).__name__, exc_info=True)
        sys.stderr.flush()
        os._exit(70)
    return 0


if __name__ == "__main__":
    sys.exit(main())
