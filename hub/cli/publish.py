"""`hub publish FILE…`: check every event of every file, then publish those of files without a fault.

Two passes over a file, so that its size is no matter and nothing of a faulty file is published. Kafka has everything (acks=all) when
the command ends; ids make a second run harmless.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final

from connectors.gateway.decoding import Submitted
from connectors.gateway.options import Limits
from connectors.gateway.records import record_of
from hub.cli import reading
from hub.cli.connect import hub_clock, person_keys
from hub.cli.exits import CODE_FAILED, NotReachable, Stop, WrongUse
from hub.cli.running import Running, find, settings_of
from hub.cli.screen import Advance, Screen
from hub.cli.up import wait_idle
from pipelines.transport.outputs import OutputProducer, producer_arguments
from schemas.cloudevents import time_text
from schemas.errors import Malformed
from schemas.keys import PersonKeys
from schemas.topics import PRODUCER_BYTES_MAX

BATCH_EVENTS: Final = 200
FAULTS_SHOWN_MAX: Final = 50
IDS_SHOWN_MAX: Final = 50
AFTER_ALL_ELSE: Final = "receipts.v1"
"""Topics have no common order: a receipt waits until what it is about has been taken in."""
_UNDER_WAY_MAX: Final = 8


@dataclass(frozen=True, slots=True)
class File:
    """A file that was checked: where it is read from, how many events it has, what is wrong with it."""

    name: str
    source: IO[bytes]
    mark: str
    events: int
    faults: list[reading.Fault]


@dataclass(frozen=True, slots=True)
class Way:
    """What turns a checked event into a record of the hub that is meant."""

    keys: PersonKeys
    limits: Limits
    now: datetime

    def record(self, event: Submitted) -> Any:
        """Raises `Malformed` for an event too large for its topic."""
        return record_of(event, self.keys, time_text(self.now), self.limits.record_bytes_max)


def run(screen: Screen, directory: Path, names: list[str]) -> int:
    """0 when every event of every file is in Kafka; 1 when a file was refused."""
    settings = settings_of(directory)
    intake = settings.intake
    limits = Limits(attachments_max=intake.attachments_max, attachment_bytes_max=intake.attachment_bytes_max)
    way = Way(person_keys(settings), limits, hub_clock(settings).now())
    with ExitStack() as stack:
        with screen.progress("checking") as advance:
            files = [_checked(name, way, stack, advance) for name in names]
        faults = [fault for file in files for fault in file.faults]
        good = [file for file in files if not file.faults]
        ids: list[str] = []
        if good:
            with screen.progress("publishing", sum(file.events for file in good)) as advance:
                ids = asyncio.run(_publish(settings, good, way, advance, _running(directory)))
    _tell(screen, ids, faults)
    return CODE_FAILED if faults else 0


def _running(directory: Path) -> Running | None:
    try:
        return find(directory)
    except NotReachable:
        return None


def _checked(name: str, way: Way, stack: ExitStack, advance: Advance) -> File:
    """First pass: what is wrong, if anything."""
    source = _opened(name, stack)
    mark = reading.fingerprint(source)
    count, faults = 0, []
    shown = "standard input" if name == "-" else name
    for place, item in enumerate(reading.events(source, shown, mark, way.limits), 1):
        advance(1)
        if isinstance(item, reading.Faulty):
            faults += item.faults
            continue
        count += 1
        try:
            way.record(item)
        except Malformed as wrong:
            faults += [reading.Fault(shown, 0, f"event {place}{error.pointer}", error.reason) for error in wrong.errors]
    if not count and not faults:
        faults.append(reading.Fault(shown, 0, "", "has no event"))
    return File(shown, source, mark, count, faults)


def _opened(name: str, stack: ExitStack) -> IO[bytes]:
    if name == "-":
        return reading.spooled(sys.stdin.buffer, stack.enter_context(tempfile.TemporaryFile()))
    try:
        return stack.enter_context(Path(name).open("rb"))
    except OSError as failure:
        raise WrongUse(f"{name}: {failure.strerror}") from None


def _events(files: list[File], limits: Limits) -> Iterator[Submitted]:
    for file in files:
        for item in reading.events(file.source, file.name, file.mark, limits):
            if isinstance(item, reading.Faulty):
                raise Stop(f"{file.name} changed while it was read")
            yield item


async def _publish(settings: Any, files: list[File], way: Way, advance: Advance, here: Running | None) -> list[str]:
    """Second pass. The ids, once Kafka has all of them."""
    from aiokafka import AIOKafkaProducer
    from aiokafka.errors import KafkaError

    from hub.topics import client_arguments

    arguments = client_arguments(settings) | producer_arguments("hub-publish", PRODUCER_BYTES_MAX)
    made = OutputProducer(AIOKafkaProducer(**arguments), message_bytes_max=PRODUCER_BYTES_MAX)
    try:
        await made.start()
    except (KafkaError, OSError) as failure:
        await made.stop()
        raise NotReachable(f"Kafka cannot be reached at {settings.kafka_bootstrap}: {type(failure).__name__}") from None
    ids: list[str] = []
    batch: list[Any] = []
    under_way: list[tuple[asyncio.Future[None], int]] = []

    async def ship(leave: int) -> None:
        if batch:
            under_way.append((made.send_many(list(batch)), len(batch)))
            batch.clear()
        while len(under_way) > leave:
            sent, size = under_way.pop(0)
            await sent
            advance(size)

    before = None
    try:
        for event in _events(files, way.limits):
            output = way.record(event)
            if output.topic == AFTER_ALL_ELSE and before not in (None, AFTER_ALL_ELSE) and here is not None:
                await ship(0)
                await wait_idle(here)
            before = output.topic
            batch.append(output)
            ids.append(event.envelope.id)
            if len(batch) >= BATCH_EVENTS:
                await ship(_UNDER_WAY_MAX)
        await ship(0)
    finally:
        await made.stop()
    return ids


def _tell(screen: Screen, ids: list[str], faults: list[reading.Fault]) -> None:
    if screen.as_json:
        screen.data({"published": len(ids), "ids": ids, "faults": [fault._asdict() for fault in faults]})
    else:
        for ident in ids[:IDS_SHOWN_MAX]:
            screen.line(ident)
        if len(ids) > IDS_SHOWN_MAX:
            screen.line(f"… and {len(ids) - IDS_SHOWN_MAX} more (--json has them all)")
        screen.line(f"{len(ids)} {'event' if len(ids) == 1 else 'events'} published")
    for fault in faults[:FAULTS_SHOWN_MAX]:
        screen.note(str(fault))
    if faults:
        refused = len({fault.file for fault in faults})
        more = f", {len(faults) - FAULTS_SHOWN_MAX} not shown" if len(faults) > FAULTS_SHOWN_MAX else ""
        screen.note(f"{len(faults)} faults{more}; nothing of {refused} {'file' if refused == 1 else 'files'} was published")
