"""`hub up`: the supervisor on this terminal, then the sample day, then where to look."""

from __future__ import annotations

import asyncio
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from config.settings import Settings, SettingsError, load, part_environment
from hub import state
from hub.cli import running
from hub.cli.exits import CheckFailed, Stop, WrongUse
from hub.cli.screen import Screen
from hub.embedded.jars import JarError
from hub.embedded.kafka import KafkaFailure
from hub.embedded.listening import PortTaken
from hub.embedded.postgres import PostgresFailure
from hub.state import AlreadyRunning
from hub.supervisor import Supervisor
from hub.up import up
from schemas.clock import Clock
from schemas.fields import STOCKHOLM

FAILURES = (AlreadyRunning, PortTaken, JarError, KafkaFailure, PostgresFailure)
TAKEN_IN_S = 120.0
LOOK_EVERY_S = 0.1
DONE = "sample.done"
"""The sample day is published once for a directory: a second start has its documents already."""


def run(screen: Screen, directory: Path, *, sample: bool, sandbox: bool, port_base: int | None) -> int:
    """0 when the hub was stopped as it was asked to."""
    settings = settings_for(directory, sandbox=sandbox, port_base=port_base)
    try:
        with state.take(directory):  # nobody else's settings are written over
            running.remember(directory, part_environment(settings))
    except AlreadyRunning as failure:
        raise CheckFailed(str(failure)) from None
    if settings.sandbox.enabled and settings.sandbox.clock_speed != 1:
        Clock(settings.clock_file).set_speed(settings.sandbox.clock_speed)
    began = time.monotonic()

    async def when_ready(_supervisor: Supervisor) -> None:
        screen.note(f"ready after {time.monotonic() - began:.1f} s")
        if sample and settings.sandbox.enabled:
            await publish_sample(screen, settings)
        show_addresses(screen, settings)

    try:
        asyncio.run(up(settings, screen.note, when_ready))
    except FAILURES as failure:
        raise CheckFailed(str(failure)) from None
    return 0


def settings_for(directory: Path, *, sandbox: bool, port_base: int | None) -> Settings:
    """The settings of files and environment, with what the command line says. Raises `WrongUse`."""
    options = {"HUB_DIR": str(directory)}
    if port_base is not None:
        options["HUB_PORT_BASE"] = str(port_base)
    if not sandbox:
        options["HUB__SANDBOX__ENABLED"] = "false"
    try:
        return load(None, **options)
    except SettingsError as wrong:
        raise WrongUse(f"the settings do not stand:\n{wrong}") from None


async def publish_sample(screen: Screen, settings: Settings) -> None:
    """The sample day of the hub's today; each phase when the one before has been taken in."""
    from hub.cli.connect import person_keys
    from hub.sample import publish, sample
    from hub.topics import client_arguments
    from pipelines.transport.outputs import OutputProducer, producer_arguments
    from schemas.topics import PRODUCER_BYTES_MAX

    mark = settings.dir / DONE
    if mark.exists() or settings.sample.documents == 0:
        return
    from aiokafka import AIOKafkaProducer

    day = Clock(settings.clock_file).now().astimezone(STOCKHOLM).date()
    producer = OutputProducer(
        AIOKafkaProducer(**client_arguments(settings) | producer_arguments("hub-sample", PRODUCER_BYTES_MAX)),
        message_bytes_max=PRODUCER_BYTES_MAX,
    )
    events = sample(settings.sample.seed, settings.sample.documents, day, settings.policy)
    here = running.find(settings.dir)

    async def taken_in(_phase: str) -> None:
        if not await wait_idle(here):
            screen.note("the hub is still busy with what came before; the sample day goes on")

    async with producer:
        with screen.progress("sample day") as advance:
            count = await publish(events, producer, person_keys(settings), progress=advance, between=taken_in)
    mark.write_text(f"{datetime.now(UTC).isoformat()} {count} events\n")
    screen.note(f"the sample day: {settings.sample.documents} documents, {count} events, decided")


async def wait_idle(here: running.Running, within: timedelta = timedelta(seconds=TAKEN_IN_S)) -> bool:
    """Until all that was taken in is decided and its outputs published; False if that takes too long."""
    until = time.monotonic() + within.total_seconds()
    while time.monotonic() < until:
        try:
            if (await asyncio.to_thread(running.status, here)).get("idle"):
                return True
        except Stop:
            pass
        await asyncio.sleep(LOOK_EVERY_S)
    return False


def addresses(settings: Settings) -> dict[str, str]:
    """What is to be opened, by what it is."""
    p = settings.ports
    found = {"gateway": f"http://127.0.0.1:{p.gateway}/v1/events", "TakeCare (SOAP)": f"http://127.0.0.1:{p.gateway}/takecare?wsdl"}
    if settings.sandbox.enabled:
        found |= {"sandbox": f"http://127.0.0.1:{p.sandbox}/", "citizen app": f"http://127.0.0.1:{p.sandbox}/app"}
    found |= {"video meetings": f"{settings.video_url}/"}
    found |= {"Kafka": settings.kafka_bootstrap, "status": f"http://127.0.0.1:{p.control}/status"}
    return found


def show_addresses(screen: Screen, settings: Settings) -> None:
    found: dict[str, Any] = addresses(settings)
    if screen.as_json:
        screen.data({"ready": True, "addresses": found, "dir": settings.dir.as_posix()})
    else:
        where = "" if settings.dir == Path("var").absolute() else f" --dir {settings.dir}"
        for name, address in found.items():
            screen.line(f"  {name:<16} {address}")
        screen.line(f"  look at it       hub status{where}   hub deadlines{where}   hub trace DOCUMENT_ID{where}")
        screen.line("  stop it          Ctrl-C")
    sys.stdout.flush()
