"""The pages' handlers: dagens möten, the meeting, Mötesportalen, login. What they show is `views`' word."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import quote
from uuid import uuid4

from aiohttp import web
from pydantic import Field

from schemas.policy import Policy
from video.api import staff_pid
from video.doors import Body, Site, as_json, as_page, body, fail
from video.login import Login, LoginFailed
from video.pages import views
from video.records import Record, access_record
from video.rooms.model import NAME_CHARS_MAX, Meeting
from video.signalling.bearers import NotProved, staff_of
from video.signalling.desk import Desk
from video.signalling.onetime import OneTimeCodes
from video.signalling.tokens import BadToken, JoinTokens, Pass, meeting_code, opaque
from video.texts import Keeping
from video.today import Gather, of_all

STATIC: Final = Path(__file__).parent / "static"
CODE_CHARS_MAX: Final = 20
_LOGIN_SAYS: Final = {
    "away": "Inloggningstjänsten svarar inte just nu. Försök igen om en stund.",
    "refused": "Inloggningen gick inte att slutföra. Försök igen.",
}


class Ticket(Body):
    ticket: Annotated[str, Field(min_length=1, max_length=4_096)]


class GuestLogin(Body):
    name: Annotated[str, Field(min_length=1, max_length=NAME_CHARS_MAX)]
    code: Annotated[str, Field(pattern=r"^[0-9]{6}$")]


class PagesDoor:
    def __init__(
        self,
        desk: Desk,
        site: Site,
        tokens: JoinTokens,
        codes: OneTimeCodes,
        login: Login,
        policy: Policy,
        secret: bytes,
        now: Callable[[], datetime],
        publish: Callable[[Record], None],
        gather: Gather,
        keeping: Keeping,
        blur: Path | None = None,
        *,
        has_texts: bool = False,
    ) -> None:
        self._has_texts = has_texts
        self._desk, self._site, self._tokens, self._codes, self._login = desk, site, tokens, codes, login
        self._policy, self._secret, self._now, self._publish, self._blur = policy, secret, now, publish, blur
        self._gather, self._keeping = gather, keeping

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/", self.days)
        app.router.add_get("/meet/{room}", self.meet)
        app.router.add_post("/meet/{room}/ticket", self.ticket)
        app.router.add_post("/meet/{room}/token", self.token)
        app.router.add_get("/m", self.code_door)
        app.router.add_get("/m/{code}", self.guest_door)
        app.router.add_post("/m/{code}/login", self.guest_login)
        app.router.add_get("/login", self.login)
        app.router.add_get("/oidc/callback", self.callback)
        app.router.add_get("/logout", self.logout)
        app.router.add_static("/static/", STATIC)
        if self._blur is not None:
            app.router.add_static("/blur/", self._blur)

    # --- staff -------------------------------------------------------------------------------------------------------------------

    async def days(self, request: web.Request) -> web.Response:
        staff = self._site.staff(request)
        if staff is None:
            raise web.HTTPSeeOther("/login?next=/")
        if not staff.units:
            return as_page(views.refused("Dagens möten", "Du hör inte till någon vårdenhet här.", staff=staff.name), 403)
        unit = request.query.get("unit", staff.units[0])
        if unit not in staff.units:
            fail("not-allowed")
        units = [(each, self._policy.unit(each).name or each) for each in staff.units]
        now = self._now()
        meetings = await of_all(self._desk, self._gather, unit, now)
        return as_page(views.days(staff.name, units, unit, meetings, now, has_texts=self._has_texts))

    async def login(self, request: web.Request) -> web.Response:
        try:
            address, cookie = await self._login.begin(request.query.get("next", "/"), as_guest=request.query.get("as") == "guest")
        except LoginFailed as failed:
            return as_page(views.refused("Logga in", _LOGIN_SAYS[failed.reason]), 503)
        response = web.Response(status=303, headers={"Location": address})
        response.set_cookie("login", cookie, path="/oidc", max_age=600, httponly=True, samesite="Lax", secure=self._site.is_secure)
        return response

    async def callback(self, request: web.Request) -> web.Response:
        try:
            came = await self._login.end(request.query, request.cookies.get("login", ""))
        except LoginFailed as failed:
            return as_page(views.refused("Logga in", _LOGIN_SAYS[failed.reason]), 503 if failed.reason == "away" else 403)
        response = web.Response(status=303, headers={"Location": came.next})
        response.del_cookie("login", path="/oidc")
        if came.as_guest:
            return self._guest(came.next.removeprefix("/m/"), str(came.claims.get("name", "")), str(came.claims["sub"]), response)
        try:
            staff = staff_of(came.claims)
        except NotProved:
            return as_page(views.refused("Logga in", "Du saknar behörighet som vårdpersonal."), 403)
        self._site.give(response, Pass(staff.hsa_id, "staff", "", name=staff.name, kept={"units": list(staff.units)}), "staff")
        return response

    async def logout(self, request: web.Request) -> web.Response:
        response = web.Response(status=303, headers={"Location": "/login?next=/"})
        response.del_cookie("staff", path="/")
        return response

    # --- the meeting -------------------------------------------------------------------------------------------------------------

    async def meet(self, request: web.Request) -> web.Response:
        room_id = request.match_info["room"]
        who = self._who(request, room_id)
        if who is None:
            return as_page(views.gate(room_id))
        if isinstance(who, str):
            return as_page(views.refused("Videomöte", who), 403)
        staff = who.name if who.role == "staff" else ""
        return as_page(views.meeting(room_id, who.role, name=who.name, blur=self._blur is not None, staff=staff, has_texts=self._has_texts))

    async def ticket(self, request: web.Request) -> web.Response:
        """A patient's link, followed: its ticket, used once, becomes a cookie for this room, so that a reload works."""
        self._site.same_origin(request)
        room_id = request.match_info["room"]
        asked: Ticket = await body(request, Ticket)
        try:
            who = self._tokens.take(asked.ticket, "ticket", room_id)
        except BadToken as bad:
            return as_json({"reason": bad.reason}, 403)
        response = as_json({})
        self._site.give(response, who, "seat", f"/meet/{room_id}")
        return response

    async def token(self, request: web.Request) -> web.Response:
        """A token for one WebSocket, for whoever has a seat here or is staff of the room's unit."""
        self._site.same_origin(request)
        room_id = request.match_info["room"]
        who = self._who(request, room_id)
        if who is None or isinstance(who, str):
            fail("not-allowed")
        if who.role == "staff" and (meeting := self._desk.meetings.get(room_id)) is not None:
            by = meeting.room.partition_by or room_id
            staff = self._site.staff(request)
            assert staff is not None
            who = replace(who, kept={**who.kept, "staff": staff.hsa_id})
            self._publish(access_record("video.joining", meeting.room.unit, staff.hsa_id, room_id, self._now(), by, str(uuid4())))
        await self._keeping.recalled(room_id)
        return as_json({"token": self._tokens.give(who, "socket")})

    def _who(self, request: web.Request, room_id: str) -> Pass | str | None:
        """Staff of the room's unit first, then whoever has a seat. A text says why not."""
        meeting = self._desk.meetings.get(room_id)
        staff = self._site.staff(request)
        if staff is not None and meeting is not None and meeting.room.unit in staff.units:
            return Pass(staff_pid(self._secret, meeting.room, staff), "staff", room_id, None, staff.name)
        if (seat := self._site.read(request, "seat", room_id)) is not None:
            return seat
        if staff is not None:
            return "Mötet finns inte på din vårdenhet."
        return None

    # --- guests ------------------------------------------------------------------------------------------------------------------

    async def code_door(self, _request: web.Request) -> web.Response:
        return as_page(views.code_door())

    async def guest_door(self, request: web.Request) -> web.Response:
        return as_page(views.guest_door(_code(request), e_id=True))

    async def guest_login(self, request: web.Request) -> web.Response:
        """Name and one-time code. A wrong meeting code and a wrong one-time code answer the same."""
        self._site.same_origin(request)
        asked: GuestLogin = await body(request, GuestLogin)
        meeting = self.invited_to(_code(request))
        if meeting is None or not self._codes.take(meeting.room.room_id, asked.code, self._now()):
            return as_json({"reason": "wrong"}, 403)
        response = as_json({"next": f"/meet/{meeting.room.room_id}"})
        return self._seat(meeting, f"g{uuid4().hex}", asked.name, response)

    def _guest(self, code: str, name: str, subject: str, response: web.Response) -> web.Response:
        """A guest with an e-ID has one opaque name in the room: once denied, always denied."""
        meeting = self.invited_to(code[:CODE_CHARS_MAX].upper())
        if meeting is None:
            return as_page(views.refused("Mötesportalen", "Inbjudan gäller inte. Be den som bjöd in dig om en ny."), 403)
        response.headers["Location"] = f"/meet/{meeting.room.room_id}"
        return self._seat(meeting, opaque(self._secret, meeting.room.room_id, "guest", subject), name, response)

    def _seat(self, meeting: Meeting, pid: str, name: str, response: web.Response) -> web.Response:
        room = meeting.room
        self._site.give(response, Pass(pid, "guest", room.room_id, room.opens_at, name), "seat", f"/meet/{room.room_id}")
        return response

    def room_of_code(self, code: str) -> str | None:
        """For whoever passes requests on: the room of a code as it stands in an address."""
        meeting = self.invited_to(_plain(code))
        return meeting.room.room_id if meeting is not None else None

    def invited_to(self, code: str) -> Meeting | None:
        """The room of a meeting code that still holds (V6, P10: of the room's window now; a void or closed room has no guests)."""
        if len(code) > CODE_CHARS_MAX:
            return None
        now = self._now()
        for meeting in self._desk.meetings.values():
            room = meeting.room
            stands = room.state not in ("void", "closed") and now < room.closes_at
            if stands and meeting_code(self._secret, room.room_id, room.opens_at) == code:
                return meeting
        return None


def _code(request: web.Request) -> str:
    return _plain(request.match_info["code"])


def _plain(code: str) -> str:
    return quote(code[:CODE_CHARS_MAX].upper().replace(" ", ""), safe="")
