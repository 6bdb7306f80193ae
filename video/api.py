"""`/api/rooms`: rooms without a booking (V10, V11), who is in a room (V15), guest invitations (V9), and the app's way in for a patient.

A person's number stands in a body only, never in an address. Who may join as a patient is the ledger's word (`people`).
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal
from uuid import UUID, uuid4

from aiohttp import web
from pydantic import Field, RootModel

from schemas.cloudevents import time_text
from schemas.fields import DoubledHour, LocalInstant, unflagged
from schemas.policy import Policy
from video.doors import Body, Site, as_json, body, fail, refuse
from video.pages import views
from video.passing import Passing
from video.people import Guest, Guests, Patient, People
from video.phones import TYPED_CHARS_MAX, e164
from video.records import Record, access_record, room_record
from video.rooms import view
from video.rooms.model import Chat, Meeting, Refused, Room
from video.signalling.bearers import Machine, Staff
from video.signalling.desk import Desk
from video.signalling.onetime import OneTimeCodes
from video.signalling.tokens import JoinTokens, Pass, meeting_code, opaque
from video.team import Team
from video.texts import BOOKED_KINDS, Keeping
from video.today import PATH as PEERS_PATH
from video.today import listed, of_all, today, told

APP: Final = "app"
CHAT_MINUTES: Final = 30
"""V10: from sending."""
AHEAD_MAX: Final = timedelta(days=400)
LENGTH_MINUTES_MAX: Final = 12 * 60
READER_S_MAX: Final = 5.0
"""So long a chat room waits for the ledger to know whose it is."""
_Unit = Annotated[str, Field(min_length=1, max_length=64)]


class NewChat(Body):
    kind: Literal["chat"]
    unit: _Unit
    patient: Annotated[str, Field(min_length=10, max_length=13)]
    notify: bool = True
    """False: "Behövs inte"."""


class NewConference(Body):
    kind: Literal["conference"]
    unit: _Unit
    subject: Annotated[str, Field(min_length=1, max_length=100)]
    start: LocalInstant
    minutes: Annotated[int, Field(ge=5, le=LENGTH_MINUTES_MAX)]


class NewRoom(RootModel[Annotated[NewChat | NewConference, Field(discriminator="kind")]]):
    """Either."""


class Joining(Body):
    patient: Annotated[str, Field(min_length=10, max_length=13)]


class Invite(Body):
    """`phone`: as staff type it, to be sent the link and the code by SMS. `act` names the click, so that it counts once however often it
    is posted; without one each request is an act of its own."""

    one_time_code: bool = False
    phone: Annotated[str | None, Field(min_length=1, max_length=TYPED_CHARS_MAX, repr=False)] = None
    act: UUID | None = None


class ChatText(Body):
    text: Annotated[str, Field(min_length=1, max_length=2_000)]


class RoomsDoor:
    """The handlers. `publish` takes a record for Kafka; `now` is the hub's clock."""

    def __init__(
        self,
        desk: Desk,
        site: Site,
        tokens: JoinTokens,
        codes: OneTimeCodes,
        people: People,
        policy: Policy,
        secret: bytes,
        now: Callable[[], datetime],
        publish: Callable[[Record], None],
        team: Team,
        passing: Passing,
        keeping: Keeping,
        guests: Guests | None = None,
    ) -> None:
        self._guests = guests
        self._desk, self._site, self._tokens, self._codes, self._people = desk, site, tokens, codes, people
        self._team, self._passing, self._keeping = team, passing, keeping
        self._policy, self._secret, self._now, self._publish = policy, secret, now, publish

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/api/rooms", self.listed)
        app.router.add_post("/api/rooms", self.made)
        app.router.add_get(PEERS_PATH, self.for_peers)
        app.router.add_get("/api/rooms/{room}", self.shown)
        app.router.add_post("/api/rooms/{room}/invite", self.invite)
        app.router.add_post("/api/rooms/{room}/join", self.join)
        app.router.add_post("/api/rooms/{room}/history", self.patients_chat)
        app.router.add_get("/api/rooms/{room}/chat", self.chat)
        app.router.add_post("/api/rooms/{room}/chat", self.write)

    def meeting(self, request: web.Request) -> Meeting:
        try:
            return self._desk.meetings[request.match_info["room"]]
        except KeyError:
            fail("not-found")

    async def listed(self, request: web.Request) -> web.Response:
        unit = request.query.get("unit", "")
        await self._site.staff_caller(request, unit)
        rows = await of_all(self._desk, self._passing.gather, unit, self._now())
        return as_json({"items": [views.as_data(each) for each in rows]})

    async def for_peers(self, request: web.Request) -> web.Response:
        """Another bridge makes a list."""
        if not self._passing.is_peer(request):
            fail("not-found")
        return as_json(told(today(self._desk, request.query.get("unit", ""), self._now()), self._team.owns))

    async def made(self, request: web.Request) -> web.Response:
        """V10, V11. The booker is the resource (V11)."""
        asked: NewChat | NewConference = (await body(request, NewRoom)).root
        staff = await self._site.staff_caller(request, asked.unit)
        now, ident = self._now(), self._own_name()
        if isinstance(asked, NewConference):
            start = unflagged(asked.start) if isinstance(asked.start, DoubledHour) else asked.start
            if not now - timedelta(hours=1) <= start <= now + AHEAD_MAX:
                refuse("/start", "is past, or too far ahead")
            margin = timedelta(minutes=self._policy.unit(asked.unit).limits.room_margin_minutes)
            end = start + timedelta(minutes=asked.minutes)
            room = Room(ident, "conference", "active", asked.unit, staff.name[:200], now, start - margin, end + margin)
            self._keeping.subject(room, asked.subject)  # no topic has a place for it
        else:
            patient = await self._person(asked.patient)
            room = Room(
                ident, "chat", "active", asked.unit, staff.name[:200], now, now, now + timedelta(minutes=CHAT_MINUTES),
                partition_by=patient.partition,
            )  # fmt: skip
            self._keeping.reader(room, self.pid_of(room, patient), patient.key)
            if not await self._keeping.kept(READER_S_MAX):  # P10: no such room without the ledger's knowing whose it is
                fail("unavailable", "The ledger cannot be reached")
            if asked.notify:
                await self._people.invited(patient, ident, until=time_text(room.closes_at))
        self._desk.hear_room(room)
        self._publish(room_record(room, now))
        self._log("video.room_made", room, staff, now)
        await self._keeping.kept()
        return as_json({**views.as_data(listed(self._desk.meetings[ident])), "url": f"{self._site.url}/meet/{ident}"}, 201)

    async def shown(self, request: web.Request) -> web.Response:
        """V15: who is booked, who took part, who left and when. Staff of the unit."""
        meeting = self.meeting(request)
        staff = await self._site.staff_caller(request, meeting.room.unit)
        booked = []
        await self._keeping.recalled(meeting.room.room_id)
        try:
            patients = await self._people.booked(meeting.room.room_id)
        except (OSError, TimeoutError):
            fail("unavailable", "The ledger cannot be reached")
        for patient in patients:
            person = meeting.people.get(self.pid_of(meeting.room, patient))
            booked.append({
                "booking_id": patient.booking_id, "name": patient.name, "participant": person.pid if person else None,
                "took_part": person is not None and person.joined_at is not None,
            })  # fmt: skip
        is_void = meeting.room.state == "void"  # P10: perhaps because somebody in it must not be named any more
        names = {pid: "" if is_void and person.role != "staff" else person.name for pid, person in meeting.people.items()}
        people = [{**row, "name": names[row["participant"]]} for row in view.attendance(meeting)]
        self._log("video.participants_read", meeting.room, staff, self._now())
        subject = {"subject": s} if (s := self._keeping.subjects.get(meeting.room.room_id)) else {}
        return as_json({**views.as_data(listed(meeting)), **subject, "booked": booked, "people": people})

    async def invite(self, request: web.Request) -> web.Response:
        """V9: link, meeting code and the text to copy, with `phone` sent; with `one_time_code` a code for one guest, to be told to them."""
        meeting = self.meeting(request)
        staff = await self._site.staff_caller(request, meeting.room.unit)
        asked: Invite = await body(request, Invite)
        room, now = meeting.room, self._now()
        if room.state in ("void", "closed") or now >= room.closes_at:
            fail("wrong-state", "The room takes nobody any more")
        code = meeting_code(self._secret, room.room_id, room.opens_at)
        url = f"{self._site.url}/m/{code}"
        start = room.opens_at + views.margin_of(room.kind)
        told: dict[str, Any] = {"code": code, "url": url, "text": views.invitation(url, code, start, self._policy.unit(room.unit).name)}
        if asked.phone is not None:
            await self._text(room, asked.phone, asked.act or uuid4(), url, code)
            told["sent"] = True
        if asked.one_time_code:
            one_time = self._codes.give(room.room_id, now)
            if one_time is None:
                fail("too-many-requests", "Too many codes are out for this meeting")
            told["one_time_code"] = one_time
        self._log("video.guest_invited", room, staff, now)
        return as_json(told)

    async def _text(self, room: Room, typed: str, act: UUID, url: str, code: str) -> None:
        """N3: to a number that the patient gave, whoever has it. What is known of people is not asked: staff answer for the act."""
        try:
            phone = e164(typed)
        except ValueError:
            refuse("/phone", "is no number of a mobile telephone")
        if self._guests is None:
            fail("wrong-state", "No SMS provider is set: phone cannot be used")
        name = opaque(self._secret, room.room_id, "guest", str(act), phone)  # an act is for one number
        try:
            done = await self._guests.invited(room, Guest(name, phone, url, code), self._now())
        except (OSError, TimeoutError):
            fail("unavailable", "The ledger cannot be reached")
        if done == "full":
            fail("too-many-requests", "Too many texts were sent for this meeting")

    async def join(self, request: web.Request) -> web.Response:
        """The citizen app asks for its resident: a link that is good once, within two minutes."""
        room, mine = await self._patient_of(request, frozenset({"void", "closed"}))
        kept = {"phone": mine.phone} if mine.phone else {}
        who = Pass(self.pid_of(room, mine), "patient", room.room_id, room.opens_at, mine.name, kept)
        ticket = self._tokens.give(who, "ticket")
        url = f"{self._site.url}/meet/{room.room_id}#t={ticket}"
        return as_json({"token": ticket, "url": url, "opens_at": room.opens_at, "closes_at": room.closes_at})

    async def patients_chat(self, request: web.Request) -> web.Response:
        """V14: a patient of the room reads all of it, before and after; the app shows it in the inbox, a group's in the booking."""
        room, mine = await self._patient_of(request, frozenset({"void"}))
        pid = self.pid_of(room, mine)
        person = self._desk.meetings[room.room_id].people.get(pid)
        if person is not None and person.place == "removed":
            fail("not-found")
        await self._keeping.recalled(room.room_id)
        lines = await self._lines(room)
        self._keeping.read(room, pid)  # N1
        return as_json({"lines": [{**line, "mine": line["pid"] == pid} for line in lines]})

    async def _patient_of(self, request: web.Request, never: frozenset[str]) -> tuple[Room, Patient]:
        """Whom the app asks for, if they are a patient of the room, by the ledger's word. Not in these states of a room."""
        caller = await self._site.caller(request)
        if not isinstance(caller, Machine) or caller.client != APP:
            fail("not-allowed")
        asked: Joining = await body(request, Joining)
        meeting = self._desk.meetings.get(request.match_info["room"])
        if meeting is None or meeting.room.state in never:
            fail("not-found")
        room, patient = meeting.room, await self._person(asked.patient)
        if caller.reader is not None and caller.reader != patient.partition:
            fail("not-allowed")
        try:
            booked = {each.key: each for each in await self._people.booked(room.room_id)} if room.kind in BOOKED_KINDS else {}
        except (OSError, TimeoutError):
            fail("unavailable", "The ledger cannot be reached")
        mine = booked.get(patient.key)
        if mine is None and not (room.kind == "chat" and room.partition_by == patient.partition):
            fail("not-found")  # the same for a room that is not there and one that is another's
        return room, mine or patient

    async def chat(self, request: web.Request) -> web.Response:
        """V14: staff read all of it, before, during and after; not of a room that was withdrawn, perhaps because of who is in it (P10)."""
        meeting = self.meeting(request)
        staff, room_id = await self._site.staff_caller(request, meeting.room.unit), meeting.room.room_id
        if meeting.room.state == "void":
            fail("wrong-state", "The room is not valid any more")
        await self._keeping.recalled(room_id)
        lines = await self._lines(meeting.room)
        self._log("video.chat_read", meeting.room, staff, self._now())
        return as_json({"lines": lines})

    async def _lines(self, room: Room) -> list[dict[str, Any]]:
        """The chat; of patients of a booked room only those are named who may be now (P1, P10), by the ledger's word."""
        if room.kind not in BOOKED_KINDS:
            return view.history(self._desk.meetings[room.room_id])
        try:
            named = {self.pid_of(room, each) for each in await self._people.booked(room.room_id)}
        except (OSError, TimeoutError):
            fail("unavailable", "The ledger cannot be reached")
        lines = view.history(self._desk.meetings[room.room_id])  # as it is now that they are shown: so far it counts as read (N1)
        return [{**line, "name": line["name"] if line["role"] != "patient" or line["pid"] in named else ""} for line in lines]

    async def write(self, request: web.Request) -> web.Response:
        """V14: staff also afterwards, if they took part."""
        meeting = self.meeting(request)
        staff = await self._site.staff_caller(request, meeting.room.unit)
        asked: ChatText = await body(request, ChatText)
        await self._keeping.recalled(meeting.room.room_id)
        try:
            self._desk.command(Chat(staff_pid(self._secret, meeting.room, staff), asked.text, staff.name))
        except Refused as refused:
            fail("wrong-state", refused.reason)
        self._log("video.chat_written", meeting.room, staff, self._now())
        await self._keeping.kept()
        return as_json({}, 201)

    def _own_name(self) -> str:
        """A bridge makes rooms of its own."""
        while not self._team.owns(ident := str(uuid4())):
            pass
        return ident

    def pid_of(self, room: Room, patient: Patient) -> str:
        return opaque(self._secret, room.room_id, "patient", patient.key)

    async def _person(self, number: str) -> Patient:
        try:
            patient = await self._people.person(number)
        except (OSError, TimeoutError):
            fail("unavailable", "The ledger cannot be reached")
        except ValueError:
            refuse("/patient", "is not a person id")
        if patient is None:
            fail("not-found")
        return patient

    def _log(self, action: str, room: Room, staff: Staff, now: datetime) -> None:
        by = room.partition_by or room.room_id
        self._publish(access_record(action, room.unit, staff.hsa_id, room.room_id, now, by, str(uuid4())))


def staff_pid(secret: bytes, room: Room, staff: Staff) -> str:
    return opaque(secret, room.room_id, "staff", staff.hsa_id)


def closed_by_time(room: Room) -> Room:
    """A room of the bridge's own whose window is over (the hub says so of its rooms itself)."""
    return replace(room, state="closed", reason="ended", sequence=room.sequence + 1)


def withdrawn(room: Room) -> Room:
    """A chat room whose patient must not be met there any more, in the hub's words for it (P10)."""
    return replace(room, state="void", reason="withdrawn", sequence=room.sequence + 1)
