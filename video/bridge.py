"""The bridge put together: one application of all its doors, and the tasks that keep it going. What it needs comes in as `Ports`."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import uuid4

from aiohttp import web

from schemas.policy import Policy
from schemas.telemetry import Meter
from video.api import RoomsDoor, closed_by_time, withdrawn
from video.doors import BODY_BYTES_MAX, Site, hardened
from video.login import Login
from video.pages.doors import PagesDoor
from video.passing import Passing
from video.people import Guests, People
from video.plane import port
from video.records import Record, access_record, room_record, room_tombstone, session_record
from video.rooms.model import Room
from video.signalling.bearers import Bearers, Fetch
from video.signalling.desk import Desk, Session
from video.signalling.onetime import OneTimeCodes
from video.signalling.socket import SocketDoor
from video.signalling.tokens import JoinTokens, derived
from video.team import Team
from video.texts import Keeping, Texts

TICK_S: Final = 1.0
WATCH_S: Final = 10.0
"""P10: within a minute of a protection becoming known."""
KEEP_S_MAX: Final = 3.0
OWN_KINDS: Final = ("chat", "conference")


@dataclass(frozen=True, slots=True)
class Ports:
    """What a bridge is given. `make_plane` is told whom to tell; `publish` takes a record and keeps the order."""

    make_plane: Callable[[port.Tell], port.Plane]
    people: People
    guests: Guests | None = field(default=None, kw_only=True)
    """None: no SMS provider is set."""
    texts: Texts
    policy: Policy
    meter: Meter
    now: Callable[[], datetime]
    publish: Callable[[Record], None]
    secret: bytes
    public_url: str
    issuer: str
    audience: str
    jwks: Fetch
    client_id: str
    client_secret: str = ""
    origins: tuple[str, ...] = ()
    turn_urls: tuple[str, ...] = ()
    turn_secret: str = ""
    blur: Path | None = None
    ready: Callable[[], bool] = lambda: True
    """Whether all rooms there are have been heard of."""
    team: Team = field(default_factory=Team)
    kept_for: timedelta = timedelta(days=60)
    """How long a room of the bridge's own stands on its topic after its end."""


class Bridge:
    """`app` serves it; `running()` is its clockwork."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self.plane = ports.make_plane(lambda told: self.desk.told(told))
        self.desk = Desk(
            self.plane, ports.now, self._session, ports.meter, lambda room, line, show: self.keeping.line(room, line, show),
            came=lambda room, person: self.keeping.came(room, person),
        )  # fmt: skip
        self.keeping = Keeping(self.desk, ports.texts, ports.secret, ports.meter, self._readers)
        self.tokens = JoinTokens(ports.secret)
        bearers = Bearers(ports.jwks, ports.issuer, ports.audience)
        site = Site(ports.public_url, self.tokens, bearers, ports.origins)
        codes = OneTimeCodes(derived(ports.secret, "one-time"))
        login = Login(ports.issuer, ports.client_id, ports.client_secret, f"{site.url}/oidc/callback", self.tokens, bearers)
        self.passing = Passing(
            ports.team, ports.secret, self.tokens, lambda code: self.pages.room_of_code(code), self.desk.meetings.__contains__, ports.meter
        )  # fmt: skip
        self.rooms = RoomsDoor(
            self.desk, site, self.tokens, codes, ports.people, ports.policy, ports.secret, ports.now, ports.publish, ports.team,
            self.passing, self.keeping, ports.guests,
        )  # fmt: skip
        self.pages = PagesDoor(
            self.desk, site, self.tokens, codes, login, ports.policy, ports.secret, ports.now, ports.publish,
            self.passing.gather, self.keeping, ports.blur, has_texts=ports.guests is not None,
        )  # fmt: skip
        self.socket = SocketDoor(
            self.desk, self.plane, self.tokens, site.origins, self._access, self.keeping.kept, ports.turn_urls, ports.turn_secret
        )  # fmt: skip
        doors = [hardened(site, ports.issuer, ports.ready), self.passing.middleware]
        self.app = web.Application(middlewares=doors, client_max_size=BODY_BYTES_MAX)
        self.rooms.add_to(self.app)
        self.pages.add_to(self.app)
        self.app.router.add_get("/ws", self.socket.get)
        self.app.cleanup_ctx.append(self.passing.open)
        self.app.on_shutdown.extend((self._shut, self.passing.close))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Sequence[asyncio.Task[None]]]:
        """While the block runs. The tasks are for whoever has to see that one failed."""
        tasks = [asyncio.create_task(each) for each in (self._tick(), self._watch(), self.keeping.run())]
        try:
            yield tasks
        finally:
            await self.keeping.drained(KEEP_S_MAX)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, self.keeping.close(), return_exceptions=True)

    async def drained(self, seconds: float) -> None:
        """Come back when nobody is in a meeting here, or after so long. All goes on meanwhile; who comes to a meeting may come in.

        Somebody whose line broke holds up nothing: they come back to the next process as well.
        """

        def goes_on() -> bool:
            return any(person.away_since is None for meeting in self.desk.meetings.values() for person in meeting.inside())

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while goes_on():  # noqa: ASYNC110 - looked at, not signalled
                    await asyncio.sleep(TICK_S)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self.desk.tick()
            self.keeping.forget()
            now = self._ports.now()
            for meeting in list(self.desk.meetings.values()):
                room = meeting.room
                if room.kind not in OWN_KINDS or not self._ports.team.owns(room.room_id):
                    continue
                if room.state == "active" and now >= room.closes_at:
                    self._become(closed_by_time(room))
                elif room.state != "active" and now >= room.closes_at + self._ports.kept_for:
                    self.desk.forget_room(room.room_id)
                    self._ports.publish(room_tombstone(room))

    async def _watch(self) -> None:
        """P10: a chat room whose patient becomes protected is void. Of booked rooms the hub says so itself."""
        while True:
            await asyncio.sleep(WATCH_S)
            chats = {m.room.room_id: m.room for m in self.desk.meetings.values() if m.room.kind == "chat" and m.room.state == "active"}
            mine = [room_id for room_id in chats if self._ports.team.owns(room_id)]
            with contextlib.suppress(OSError, TimeoutError):  # the ledger is away: it is asked again
                for room_id in await self._ports.people.withdrawn(mine) if mine else ():
                    self._become(withdrawn(chats[room_id]))

    def _become(self, room: Room) -> None:
        self.desk.hear_room(room)
        self._ports.publish(room_record(room, self._ports.now()))

    async def _readers(self, room_id: str) -> tuple[tuple[str, str], ...]:
        booked = await self._ports.people.booked(room_id)
        return tuple((self.rooms.pid_of(self.desk.meetings[room_id].room, each), each.key) for each in booked)

    def _session(self, session: Session) -> None:
        self._ports.publish(session_record(session.room, session.happened))
        self._ports.meter.count("video_sessions", state=session.happened.state)

    def _access(self, action: str, room_id: str, staff: str) -> None:
        room = self.desk.meetings[room_id].room
        by = room.partition_by or room_id
        self._ports.publish(access_record(action, room.unit, staff, room_id, self._ports.now(), by, str(uuid4())))

    async def _shut(self, _app: web.Application) -> None:
        await self.socket.close()
