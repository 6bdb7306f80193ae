"""`python -m video`: the video bridge. `python -m video blur` fetches the parts of the background blur (once, needs npm)."""

import argparse
import asyncio
import shutil
import signal
import sys
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import aiohttp
import asyncpg
import structlog
import uvloop
from aiohttp import web

from config.health import LOOPBACK, add_health
from config.secrets import secret
from config.settings import Settings, load
from config.telemetry import PrometheusMeter, set_up_logging
from pipelines.ledger import invitations, meetings, texts, unread
from pipelines.ledger.pool import connect
from pipelines.transport.access import KafkaAccess
from pipelines.transport.outputs import Output, OutputProducer
from schemas import persons
from schemas.clock import Clock
from schemas.cloudevents import headers_for, time_text, uid_text
from schemas.keys import PersonKeys, uid
from schemas.outbound import NotificationRequested
from video.bridge import Bridge, Ports
from video.hearing import Hearing
from video.pages import blur
from video.people import Guest, Patient
from video.plane import compiled
from video.plane.plane import ForwardingPlane
from video.plane.plane import Settings as PlaneSettings
from video.records import SOURCE, Record
from video.rooms.model import CHAT_LINES_MAX, Room
from video.team import Team
from video.texts import Item, Kept
from video.unread import Missed, Read, Reader, Reminding, Stretch

PART: Final = "video"
EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - outside the sandbox the bridge is there to be reached
JWKS_TIMEOUT_S: Final = 5.0
LEDGER_TIMEOUT_S: Final = 3.0
PUBLISH_S_MAX: Final = 5.0
FIGURES_EVERY_S: Final = 5.0
_log = structlog.get_logger()


class Ledger:
    """The ledger, connected when first asked."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pool: asyncpg.Pool[Any] | None = None
        self._lock = asyncio.Lock()

    async def connected(self) -> "asyncpg.Pool[Any]":
        async with self._lock:
            if self._pool is None:
                self._pool = await connect(self._settings.postgres_dsn(), size=4, part=PART)
            return self._pool

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close()


class LedgerTexts:
    """`video.texts.Texts` by the ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def put(self, items: Sequence[Item]) -> None:
        known = [(room, each) for each in items if (room := _uuid(each.room_id)) is not None]
        rows = [texts.Text(room, *each[1:]) for room, each in known if isinstance(each, Kept)]
        notes = [_note(room, each) for room, each in known if not isinstance(each, Kept)]
        async with _ledger_errors(), asyncio.timeout(LEDGER_TIMEOUT_S):
            await texts.put(await self._ledger.connected(), rows, notes)

    async def of_room(self, room_id: str) -> Sequence[tuple[int, bytes]]:
        async with _ledger_errors(), asyncio.timeout(LEDGER_TIMEOUT_S):
            room = _uuid(room_id)
            return await texts.of_room(await self._ledger.connected(), room, CHAT_LINES_MAX) if room is not None else []


def _note(room: UUID, item: Reader | Missed | Read) -> unread.Note:
    match item:
        case Reader(_, pid, person, at):
            return unread.Reader(room, pid, UUID(person), at)
        case Missed(_, number, at, seen_by, readers):
            return unread.Missed(room, number, at, [(pid, UUID(person)) for pid, person in readers], sorted(seen_by))
        case Read(_, pid, number):
            return unread.Read(room, pid, number)


class LedgerUnread:
    """`video.unread.Unread` by the ledger."""

    def __init__(self, ledger: Ledger, keys: PersonKeys) -> None:
        self._ledger, self._keys = ledger, keys

    async def due(self, since_max: datetime, rows_max: int) -> Sequence[Stretch]:
        async with _ledger_errors(), asyncio.timeout(LEDGER_TIMEOUT_S):
            found = await unread.due(await self._ledger.connected(), since_max, rows_max)
        return [
            Stretch(str(room), reader, number, since, pid, self._keys.key(pid) if pid is not None else "", has_phone)
            for room, reader, number, since, pid, has_phone in found
        ]

    async def told(self, stretches: Sequence[Stretch]) -> None:
        async with _ledger_errors(), asyncio.timeout(LEDGER_TIMEOUT_S):
            await unread.told(await self._ledger.connected(), [(UUID(each.room_id), each.pid, each.number) for each in stretches])


class LedgerPeople:
    """`video.people.People` by the ledger."""

    def __init__(self, ledger: Ledger, keys: PersonKeys, publish: "Publishing", clock: Clock) -> None:
        self._ledger, self._keys, self._publish, self._clock = ledger, keys, publish, clock

    async def booked(self, room_id: str) -> Sequence[Patient]:
        if (room := _uuid(room_id)) is None:
            return []
        async with _ledger_errors(), asyncio.timeout(LEDGER_TIMEOUT_S):
            found = await meetings.patients_of(await self._ledger.connected(), room)
        return [Patient(str(each.person), "", each.name, each.phone, each.booking_id) for each in found]

    async def person(self, patient: str) -> Patient | None:
        number = persons.normalise(patient)
        async with _ledger_errors(), asyncio.timeout(LEDGER_TIMEOUT_S):
            found = await meetings.person_of(await self._ledger.connected(), self._keys.uuid(number))
        return Patient(str(found.person), self._keys.key(found.pid), found.name, found.phone) if found is not None else None

    async def withdrawn(self, chats: Collection[str]) -> set[str]:
        rooms = [room for each in chats if (room := _uuid(each)) is not None]
        async with _ledger_errors(), asyncio.timeout(LEDGER_TIMEOUT_S):
            return {str(room) for room in await meetings.withdrawn(await self._ledger.connected(), rooms)}

    async def invited(self, patient: Patient, room_id: str, *, until: str) -> None:
        """V10: at once, without content (N2). The recipient's number is the ledger's, never the caller's."""
        async with _ledger_errors(), asyncio.timeout(LEDGER_TIMEOUT_S):
            found = await meetings.person_of(await self._ledger.connected(), UUID(patient.key))
        if found is None:
            return
        ident = uid_text("invitation", room_id, patient.key)
        event = NotificationRequested(
            notification_id=ident, recipient=found.pid, channel="sms" if found.phone else "push", kind="invitation",
            template="chat_invitation", about=room_id, not_after=datetime.fromisoformat(until),
        )  # fmt: skip
        by = patient.partition
        headers = headers_for(event.TYPE, ident, SOURCE, time_text(self._clock.now()), subject=room_id, partitionkey=by)
        self._publish.put(Record("notifications.v1", by.encode(), event.to_json(), headers, by.encode()))


class LedgerGuests:
    """`video.people.Guests` by the ledger. The number leaves this process in a sealed box only."""

    def __init__(self, ledger: Ledger, boxes: invitations.Boxes) -> None:
        self._ledger, self._boxes = ledger, boxes

    async def invited(self, room: Room, guest: Guest, now: datetime) -> invitations.Put:
        if (ident := _uuid(room.room_id)) is None:
            raise OSError("the ledger knows no such room")
        send = uid("guest_invitation", guest.act)
        box = self._boxes.close(send, invitations.Invitation(guest.phone, guest.url, guest.code, room.opens_at))
        async with _ledger_errors(), asyncio.timeout(LEDGER_TIMEOUT_S):
            return await invitations.put(await self._ledger.connected(), send, ident, box, room.closes_at, now)


def _uuid(room_id: str) -> UUID | None:
    """None for a room that the hub cannot have made: the ledger knows nothing of it."""
    try:
        return UUID(room_id)
    except ValueError:
        return None


class _ledger_errors:
    """A ledger that is away is an `OSError`, whatever the driver calls it."""

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError):
            raise OSError(type(error).__name__) from None


class Publishing:
    """Records to Kafka, in order, many at a time. A failed delivery ends the process; people come back to the next by themselves."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Record] = asyncio.Queue()

    def put(self, record: Record) -> None:
        self._queue.put_nowait(record)

    async def run(self, producer: OutputProducer) -> None:
        while True:
            batch = [await self._queue.get()]
            while not self._queue.empty():
                batch.append(self._queue.get_nowait())
            await producer.send_many([Output(*record) for record in batch])
            for _ in batch:
                self._queue.task_done()

    async def drained(self) -> None:
        async with asyncio.timeout(PUBLISH_S_MAX):
            await self._queue.join()


async def run(settings: Settings, stop: asyncio.Event, slot: int = 0) -> None:
    """Serve until `stop`, as one of the bridges."""
    part = f"{PART}-{slot}" if slot else PART
    team = Team(slot, tuple(f"http://{LOOPBACK}:{settings.ports.bridge(each)}" for each in range(settings.video.bridges)))
    meter, clock = PrometheusMeter(part), Clock(settings.clock_file)
    keys = PersonKeys(settings.person_key_secrets(), settings.hub.key_version)
    access = KafkaAccess(settings.kafka_bootstrap, settings.kafka.username or None, settings.kafka_password(), tls=settings.kafka_tls())
    publishing, ready = Publishing(), asyncio.Event()
    ledger = Ledger(settings)
    people = LedgerPeople(ledger, keys, publishing, clock)
    guests = LedgerGuests(ledger, invitations.Boxes(settings.guests_key())) if settings.peer("sms").url else None
    host = LOOPBACK if settings.sandbox.enabled else EVERYWHERE
    plane: ForwardingPlane | None = None

    def make_plane(tell: Any) -> ForwardingPlane:
        nonlocal plane
        address = settings.video.advertise_ip or "127.0.0.1"
        plane = ForwardingPlane(tell, PlaneSettings(host=host, port=settings.ports.media_of(slot), advertise_ip=address))
        return plane

    async def jwks() -> Mapping[str, Any]:
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=JWKS_TIMEOUT_S)) as session,
                session.get(settings.oidc_jwks_url) as answer,
            ):
                answer.raise_for_status()
                document: Mapping[str, Any] = await answer.json(content_type=None)
                return document
        except (aiohttp.ClientError, ValueError) as error:
            raise OSError(type(error).__name__) from None

    local = f"http://localhost:{settings.ports.video}" if settings.sandbox.enabled else None
    bridge = Bridge(
        Ports(
            make_plane, people, LedgerTexts(ledger), settings.policy, meter, clock.now, publishing.put,
            secret(settings.secrets_dir, PART), settings.video_url, settings.oidc_issuer, settings.auth.audience, jwks,
            settings.video.client_id, _read(settings.video.client_secret_file), (local,) if local else (), settings.video.turn_urls,
            _read(settings.video.turn_secret_file), blur.found(settings.cache_dir), ready.is_set, team,
            timedelta(days=settings.retention.rooms_days), guests=guests,
        )
    )  # fmt: skip
    assert plane is not None
    hearing = Hearing(bridge.desk, access.client_arguments(), ready, team.owns)
    add_health(bridge.app, meter, part, lambda: ready.is_set() and not stop.is_set())
    runner = web.AppRunner(bridge.app, access_log=None, handle_signals=False, shutdown_timeout=2.0)
    await runner.setup()
    await plane.start()
    try:
        await _listen(runner, host, settings.ports.bridge(slot))
        async with OutputProducer.connected_to(access, client_id=f"hub-{part}") as producer, bridge.running() as clockwork:

            async def publish(records: list[Record]) -> None:
                await producer.send_many([Output(*record) for record in records])

            unread_after = timedelta(minutes=settings.video.unread_minutes)
            reminding = Reminding(LedgerUnread(ledger, keys), publish, team.owns, clock.now, unread_after)
            tasks = [
                asyncio.create_task(reminding.run(), name="reminding"),
                asyncio.create_task(hearing.run(), name="hearing"),
                asyncio.create_task(publishing.run(producer), name="publishing"),
                asyncio.create_task(_figures(plane, meter), name="figures"),
                asyncio.create_task(_drained(stop, bridge, settings.video.drain_seconds), name="stop"),
            ]
            has_blur = blur.found(settings.cache_dir) is not None
            ports = settings.ports.bridge(slot), plane.port
            _log.info("video_started", slot=slot, port=ports[0], media_port=ports[1], blur=has_blur, compiled=compiled.library is not None)
            try:
                done, _ = await asyncio.wait((*tasks, *clockwork), return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()  # whatever failed of ours ends the process
                await runner.cleanup()
                await publishing.drained()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        await runner.cleanup()
        await plane.close()
        await ledger.close()


async def _drained(stop: asyncio.Event, bridge: Bridge, seconds: float) -> None:
    """Until this process may end. It is not ready from `stop` on, so that whoever spreads requests sends no more of them here."""
    await stop.wait()
    _log.info("video_drains", seconds=seconds)
    await bridge.drained(seconds)


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    """The port of a bridge that ended a moment ago may still be taken."""
    for left in range(20, -1, -1):
        try:
            await web.TCPSite(runner, host, port, reuse_address=True).start()
        except OSError:
            if left == 0:
                raise
            await asyncio.sleep(0.1)
        else:
            return


async def _figures(plane: ForwardingPlane, meter: PrometheusMeter) -> None:
    while True:
        for figure, value in plane.figures().items():
            meter.gauge("video_plane", value, figure=figure)
        await asyncio.sleep(FIGURES_EVERY_S)


def _read(path: str) -> str:
    return Path(path).read_text().strip() if path else ""


def _npm() -> list[str]:
    """The npm client: beside this Python (a wheel brings it), else the machine's."""
    beside = Path(sys.executable).with_name("npm")
    return [str(beside)] if beside.exists() else [shutil.which("npm") or "npm"]


async def _main(slot: int) -> None:
    settings = load()
    set_up_logging(f"{PART}-{slot}" if slot else PART, settings.hub.log_level)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await run(settings, stop, slot)


def main(arguments: list[str]) -> int:
    """The part's entry."""
    if arguments == ["blur"]:
        try:
            blur.fetch(load().cache_dir, _npm())
        except blur.BlurError as wrong:
            sys.stderr.write(f"hub: {wrong}\n")
            return 1
        return 0
    asked = argparse.ArgumentParser(prog="python -m video")
    asked.add_argument("--slot", type=int, default=0, help="which of the bridges of [video] bridges this is, from 0")
    uvloop.run(_main(asked.parse_args(arguments).slot))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
