"""A bridge on a real port with the stand-in issuer: rooms told by hand, Kafka's records kept in a list, a ledger of a few patients."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import aiohttp
import orjson
from aiohttp import web

from config.settings import load
from config.telemetry import PrometheusMeter
from hub.embedded.leases import free_ports
from schemas.cloudevents import decode_record
from tests.connectors.sandbox_support import ADULT, KEYS, PARENT, Running, running
from tests.video.plane_double import PlaneDouble
from video.bridge import Bridge, Ports
from video.people import Guest, Patient
from video.plane import port
from video.records import ROOMS, Record, room_of
from video.rooms.model import Room
from video.signalling.tokens import Pass, meeting_code
from video.team import Team
from video.texts import Item, Kept
from video.unread import Missed, Read, Reader

UNIT = "SE2321000016-A1"
SECRET = b"a secret of the video tests, 32 bytes"
PAT, PER = ADULT, PARENT


@dataclass
class Ledger:
    """`People` of a few: by number, and by room."""

    rooms: dict[str, list[str]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=lambda: {PAT: "Pat Patientsson", PER: "Per Patientsson"})
    told: list[tuple[str, str]] = field(default_factory=list)
    away: bool = False
    void: set[str] = field(default_factory=set)
    """Keys of patients who have become protected."""

    async def booked(self, room_id: str) -> list[Patient]:
        self._there()
        return [self._patient(number) for number in self.rooms.get(room_id, [])]

    async def person(self, patient: str) -> Patient | None:
        self._there()
        if not patient.isdigit():
            raise ValueError(patient)
        return self._patient(patient) if patient in self.names else None

    async def withdrawn(self, chats: Collection[str]) -> set[str]:
        self._there()
        return self.void.intersection(chats)

    async def invited(self, patient: Patient, room_id: str, *, until: str) -> None:
        self.told.append((patient.key, room_id))

    def _patient(self, number: str) -> Patient:
        return Patient(f"k{number[-4:]}", KEYS.key(number), self.names[number], "+46701740605", f"b{number[-4:]}")

    def _there(self) -> None:
        if self.away:
            raise OSError


@dataclass
class KeptTexts:
    """`Texts` in memory: boxes by room and number, and who has not read since which line and when."""

    boxes: dict[tuple[str, int], bytes] = field(default_factory=dict)
    unread: dict[tuple[str, str], tuple[int, datetime] | None] = field(default_factory=dict)
    away: bool = False

    async def put(self, items: Sequence[Item]) -> None:
        self._there()
        for item in items:
            match item:
                case Kept(room_id, number, _, box):
                    self.boxes.setdefault((room_id, number), box)
                case Reader(room_id, pid, _, at):
                    self.unread.setdefault((room_id, pid), None)
                case Missed(room_id, number, at, seen_by, readers):
                    for pid, _ in readers:
                        self.unread.setdefault((room_id, pid), None)
                    for (room, pid), since in self.unread.items():
                        if room == room_id and since is None and pid not in seen_by:
                            self.unread[room, pid] = (number, at)
                case Read(room_id, pid, number):
                    if (since := self.unread.get((room_id, pid))) is not None and since[0] <= number:
                        self.unread[room_id, pid] = None

    async def of_room(self, room_id: str) -> list[tuple[int, bytes]]:
        self._there()
        return sorted((number, box) for (room, number), box in self.boxes.items() if room == room_id)

    def _there(self) -> None:
        if self.away:
            raise OSError


@dataclass
class TextedGuests:
    """`Guests` in memory: by act. `taken`: how many texts a room may have."""

    texts: dict[str, Guest] = field(default_factory=dict)
    taken: int = 40
    away: bool = False

    async def invited(self, room: Room, guest: Guest, now: datetime) -> Literal["new", "known", "full"]:
        if self.away:
            raise OSError
        if guest.act in self.texts:
            return "known"
        if len(self.texts) >= self.taken:
            return "full"
        self.texts[guest.act] = guest
        return "new"


@dataclass
class World:
    """What a test holds of a running bridge."""

    bridge: Bridge
    url: str
    plane: Any
    ledger: Ledger
    sandbox: Running
    records: list[Record]
    now: datetime
    http: aiohttp.ClientSession
    meter: PrometheusMeter
    texts: "KeptTexts" = field(default_factory=lambda: KeptTexts())
    guests: "TextedGuests | None" = None
    ready: bool = True
    team: list["World"] = field(default_factory=list)
    runner: web.AppRunner | None = None

    def room(
        self, room_id: str = "room-1", *patients: str, kind: Any = "single", state: Any = "active", starts: int = 10, **more: Any
    ) -> Room:
        """A room that begins so many minutes from now, heard of."""
        start = self.now + timedelta(minutes=starts)
        opens_at, closes_at = start - timedelta(minutes=30), start + timedelta(minutes=60)
        given = {"active_at": self.now - timedelta(days=1), "opens_at": opens_at, "closes_at": closes_at}
        room = Room(room_id, kind, state, more.pop("unit", UNIT), "Läkare 7", **(given | more))
        if patients:
            self.ledger.rooms[room_id] = list(patients)
        for each in self.team:
            each.bridge.desk.hear_room(room)
        return room

    async def bearer(self, who: str) -> dict[str, str]:
        """The header of a user (lisa, olle, petra) or a client (app, portal)."""
        if who in ("lisa", "olle", "petra"):
            form = {"grant_type": "password", "username": who, "password": "sandbox", "client_id": "portal"}
        else:
            form = {"grant_type": "client_credentials", "client_id": who, "client_secret": f"sandbox-{who}"}
        async with self.http.post(f"{self.sandbox.url}/oidc/token", data=form) as answer:
            return {"Authorization": f"Bearer {(await answer.json())['access_token']}"}

    async def api(self, method: str, path: str, who: str = "", body: Any = None, **headers: str) -> tuple[int, Any]:
        given = {**(await self.bearer(who) if who else {}), **headers}
        async with self.http.request(method, self.url + path, json=body, headers=given) as answer:
            text = await answer.read()
            return answer.status, orjson.loads(text) if text.startswith((b"{", b"[")) else text.decode()

    def token(self, pid: str, role: Any, room: Room, **more: Any) -> str:
        """A socket token, as /meet/…/token gives it."""
        return self.bridge.tokens.give(Pass(pid, role, room.room_id, more.pop("opens_at", room.opens_at), pid.title(), more), "socket")

    async def line(self, pid: str, role: Any, room: Room, **more: Any) -> "Client":
        client = Client(await self.http.ws_connect(f"{self.url}/ws", params={"token": self.token(pid, role, room, **more)}))
        client.start()
        return client

    def code(self, room: Room) -> str:
        return meeting_code(SECRET, room.room_id, room.opens_at)

    def said(self, state: str) -> list[dict[str, Any]]:
        events = [orjson.loads(r.value) for r in self.records if r.topic == "video.sessions.v1"]
        return [event for event in events if event["state"] == state]


class Client:
    """A page's line, in words."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self.id = 0
        self.heard: list[dict[str, Any]] = []
        self.news = asyncio.Condition()
        self.close: tuple[int | None, str] | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        reason = ""
        while True:
            message = await self.ws.receive()
            if message.type is aiohttp.WSMsgType.TEXT:
                async with self.news:
                    self.heard.append(orjson.loads(message.data))
                    self.news.notify_all()
                continue
            if message.type is aiohttp.WSMsgType.CLOSE:
                reason = message.extra or ""
            break
        async with self.news:
            self.close = (self.ws.close_code, reason)
            self.news.notify_all()

    async def until(self, found: Callable[[], Any], timeout: float = 10.0) -> Any:
        """Wait until something holds."""
        async with asyncio.timeout(timeout), self.news:
            while not (value := found()):
                await self.news.wait()
            return value

    async def gone(self) -> tuple[int | None, str]:
        closed: tuple[int | None, str] = await self.until(lambda: self.close)
        return closed

    async def say(self, kind: str, **content: Any) -> dict[str, Any]:
        """Say it; the answer, or that the line was closed upon it."""
        self.id += 1
        number = self.id
        await self.ws.send_json({"v": 1, "id": number, "type": kind, **content})

        def find() -> dict[str, Any] | None:
            answer = next((m for m in self.heard if m.get("re") == number), None)
            return answer or ({"type": "closed"} if self.close else None)

        answer: dict[str, Any] = await self.until(find)
        return answer

    async def hears(self, kind: str, **content: Any) -> dict[str, Any]:
        """The next message of a kind with this content; it and what came before are taken."""

        def find() -> dict[str, Any] | None:
            for place, message in enumerate(self.heard):
                if message["type"] == kind and all(message.get(key) == value for key, value in content.items()):
                    del self.heard[: place + 1]
                    return message
            return None

        message: dict[str, Any] = await self.until(find)
        return message

    async def state(self, right: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        def find() -> dict[str, Any] | None:
            return next((m for m in reversed(self.heard) if m["type"] == "state" and right(m)), None)

        message: dict[str, Any] = await self.until(find)
        return message

    async def media(self) -> None:
        assert (await self.say("pub", sdp="v=0 offer"))["type"] == "answer"
        assert (await self.say("sub"))["type"] == "offer"
        assert (await self.say("sub_answer", sdp="v=0 answer"))["type"] == "ok"

    async def leave_line(self) -> None:
        await self.ws.close()
        if self._task is not None:
            await self._task


class Turn(NamedTuple):
    """A TURN server as the bridge's settings name it."""

    url: str = "turn:127.0.0.1:3478"
    secret: str = "s"


NOWHERE: Final = Turn()


@asynccontextmanager
async def world(
    make_plane: Callable[[port.Tell], Any] = PlaneDouble,
    blur: Path | None = None,
    texts: "KeptTexts | None" = None,
    turn: Turn = NOWHERE,
    guests: "TextedGuests | None" = None,
) -> AsyncIterator[World]:
    """A bridge that listens, until the block ends. Without `guests` there is no SMS provider."""
    async with worlds(1, make_plane, blur, texts, turn, guests) as (made,):
        yield made


@asynccontextmanager
async def worlds(
    count: int,
    make_plane: Callable[[port.Tell], Any] = PlaneDouble,
    blur: Path | None = None,
    texts: "KeptTexts | None" = None,
    turn: Turn = NOWHERE,
    guests: "TextedGuests | None" = None,
) -> AsyncIterator[list[World]]:
    """Bridges that share the rooms. The first is everybody's door; what one says of a room the others hear, as by Kafka."""
    async with AsyncExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory())
        urls = tuple(f"http://127.0.0.1:{each}" for each in free_ports(count))
        sandbox = await stack.enter_async_context(running(Path(directory), video_url=urls[0]))
        http = await stack.enter_async_context(aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)))
        made: list[World] = []
        ledger, texts, issuer = Ledger(), texts or KeptTexts(), sandbox.signer.issuer

        async def jwks() -> Any:
            async with http.get(f"{issuer}/jwks") as answer:
                return await answer.json()

        for slot, url in enumerate(urls):
            records: list[Record] = []

            def publish(record: Record, slot: int = slot, records: list[Record] = records) -> None:
                records.append(record)
                if record.topic == ROOMS:
                    for other in made:
                        if other is not made[slot]:
                            other.bridge.desk.hear_room(room_of(*decode_record(record.headers, record.value)))

            meter = PrometheusMeter("video")
            bridge = Bridge(
                Ports(
                    make_plane, ledger, texts, load({}).policy, meter, lambda: made[0].now, publish, SECRET, urls[0], issuer, "hub",
                    jwks, "portal", turn_urls=(turn.url,), turn_secret=turn.secret, blur=blur,
                    ready=lambda slot=slot: made[slot].ready, team=Team(slot, urls), guests=guests,  # type: ignore[misc]
                )
            )  # fmt: skip
            made.append(World(bridge, url, bridge.plane, ledger, sandbox, records, datetime.now(UTC), http, meter))
        for each in made:
            each.team, each.texts, each.guests = made, texts, guests
            await stack.enter_async_context(_serving(each))
        yield made


@asynccontextmanager
async def _serving(w: World) -> AsyncIterator[None]:
    w.runner = runner = web.AppRunner(w.bridge.app, access_log=None, handle_signals=False, shutdown_timeout=0.05)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(w.url.rsplit(":", 1)[1])).start()
    if hasattr(w.plane, "start"):
        await w.plane.start()
    try:
        async with w.bridge.running():
            yield
    finally:
        await runner.cleanup()
        if hasattr(w.plane, "close"):
            await w.plane.close()
