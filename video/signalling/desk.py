"""Where rooms, lines and the forwarding plane meet: does what the room machine says, and tells people what they may see.

All of it runs on one event loop and never awaits but for the plane's answers: a command is judged, its effects are done and told
before the next one is looked at. What goes to Kafka is handed to `publish` in order.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, Final, NamedTuple, Protocol

import structlog

from schemas.telemetry import Meter
from video.plane import port
from video.rooms import view
from video.rooms.machine import apply
from video.rooms.model import (
    CHAT_LINES_MAX,
    Asked,
    Command,
    Effect,
    Enter,
    Exit,
    Happened,
    Knock,
    Line,
    LineBroke,
    Meeting,
    Person,
    Refused,
    Room,
    RoomCame,
    Silence,
    Tick,
    Wrote,
)  # fmt: skip
from video.rooms.replay import replayed
from video.signalling.tokens import Pass

AUDIO_SLOTS: Final = 3
_log = structlog.get_logger()


class Wire(Protocol):
    """One person's WebSocket, as the desk sees it."""

    video_slots: int

    def tell(self, kind: str, content: Mapping[str, Any]) -> None: ...

    def close(self, why: str) -> None: ...


class Session(NamedTuple):
    """A `session.changed.v1` with what it is published by."""

    room: Room
    happened: Happened


class Desk:
    """All meetings of this bridge."""

    def __init__(
        self,
        plane: port.Plane,
        now: Callable[[], datetime],
        publish: Callable[[Session], None],
        meter: Meter,
        keep: Callable[[Room, Line, Callable[[], None]], None] = lambda _room, _line, show: show(),
        clock: Callable[[], float] = time.monotonic,
        came: Callable[[Room, Person], None] = lambda _room, _person: None,
    ) -> None:
        self._came = came
        self._plane = plane
        self._now = now
        self._publish = publish
        self._meter = meter
        self._keep = keep
        self._clock = clock
        self.meetings: dict[str, Meeting] = {}
        self._lines: dict[str, Wire] = {}
        self._shown: dict[str, dict[str, Any]] = {}
        self._room_of: dict[str, str] = {}
        self._in_plane: set[str] = set()
        self._phones: dict[str, dict[str, str]] = {}
        self._joining: dict[str, float] = {}
        self._past: dict[str, list[tuple[Happened, datetime]]] = {}

    # --- rooms -------------------------------------------------------------------------------------------------------------------

    def hear_room(self, room: Room) -> None:
        """A record of `video.rooms.v1`."""
        meeting = self.meetings.get(room.room_id)
        if meeting is None:
            meeting = Meeting(room)
            for happened, since in self._past.pop(room.room_id, ()):
                meeting = _again(meeting, happened, since)
            self.meetings[room.room_id] = meeting
            for pid in meeting.people:
                self._room_of[pid] = room.room_id
            if room.state not in ("void", "closed"):
                return
        self._do(room.room_id, RoomCame(room))

    def hear_session(self, room_id: str, happened: Happened) -> None:
        """A record of `video.sessions.v1` from an earlier run; before the room itself was heard of it is kept for it."""
        meeting = self.meetings.get(room_id)
        if meeting is None:
            self._past.setdefault(room_id, []).append((happened, self._now()))
            return
        self.meetings[room_id] = meeting = _again(meeting, happened, self._now())
        for pid in meeting.people:
            self._room_of[pid] = room_id

    def forget_room(self, room_id: str) -> None:
        """A tombstone: the room's retention is over."""
        meeting = self.meetings.get(room_id)
        if meeting is not None and not meeting.inside():
            del self.meetings[room_id]
            for pid in meeting.people:
                self._forget(pid)

    def remember(self, room_id: str, lines: Sequence[Line]) -> None:
        """Chat lines of an earlier run, told to whoever is inside already."""
        meeting = self.meetings.get(room_id)
        known = {line.number for line in meeting.chat} if meeting is not None else set()
        more = [line for line in lines if line.number not in known]
        if meeting is None or not more:
            return
        chat = tuple(sorted((*meeting.chat, *more), key=lambda line: line.number))[-CHAT_LINES_MAX:]
        self.meetings[room_id] = replace(meeting, chat=chat, lines=max(meeting.lines, chat[-1].number))
        self._tell_room(room_id, "history", {"lines": [view.line(line) for line in more]})

    def number_from(self, room_id: str, number: int) -> None:
        """The next chat lines have numbers beyond this one: what was said before is not known yet."""
        if (meeting := self.meetings.get(room_id)) is not None:
            self.meetings[room_id] = replace(meeting, lines=max(meeting.lines, number))

    def of_unit(self, unit: str) -> Iterator[Meeting]:
        return (meeting for meeting in self.meetings.values() if meeting.room.unit == unit)

    def tick(self) -> None:
        """Once a second or so."""
        for room_id, meeting in list(self.meetings.items()):
            idle = meeting.opened_at is not None and not meeting.inside()  # of an earlier run: nobody came back
            if idle or any(p.place in ("waiting", "lobby") or p.away_since is not None for p in meeting.people.values()):
                self._do(room_id, Tick())
        self._meter.gauge("video_rooms_open", sum(m.opened_at is not None for m in self.meetings.values()))
        self._meter.gauge("video_people", len(self._in_plane))

    # --- people ------------------------------------------------------------------------------------------------------------------

    def enter(self, who: Pass, line: Wire, *, title: str, resume: bool, last_chat: int) -> None:
        """A page's `hello`. Raises `Refused`. The state is told on the line, and inside the chat from `last_chat` on."""
        self._meeting(who.room_id)
        before, self._lines[who.pid] = self._lines.get(who.pid), line
        try:
            effects = self._judge(who.room_id, Knock(who.pid, who.role, who.name, title, who.opens_at))
        except Refused:
            if before is None:
                del self._lines[who.pid]
            else:
                self._lines[who.pid] = before
            raise
        if before is not None and before is not line:
            before.close("elsewhere")
        if phone := who.kept.get("phone"):
            self._phones.setdefault(who.room_id, {})[who.pid] = phone
        self._room_of[who.pid] = who.room_id
        self._shown.pop(who.pid, None)
        self._perform(who.room_id, effects, resumed=who.pid if resume else None, last_chat=last_chat)

    def command(self, command: Any) -> None:
        """A person's command. Raises `Refused`."""
        room_id = self._room_of.get(command.pid)
        if room_id is None:
            raise Refused("not_here")
        self._do(room_id, command)

    def line_lost(self, pid: str, line: Wire) -> None:
        """A line ended. If it was the person's last, the seat is kept a while."""
        if self._lines.get(pid) is not line:
            return
        del self._lines[pid]
        room_id = self._room_of.get(pid)
        if room_id is not None and room_id in self.meetings:
            try:
                self._do(room_id, LineBroke(pid))
            except Refused:
                pass  # left, removed, denied: there is no seat to keep

    def watching(self, room_id: str) -> frozenset[str]:
        """Who is in the meeting and has a line, so sees what is written."""
        meeting = self.meetings.get(room_id)
        return frozenset() if meeting is None else frozenset(p.pid for p in meeting.inside() if p.pid in self._lines)

    def is_inside(self, pid: str) -> bool:
        """Who is not inside has no media: asked before every word to the plane."""
        return pid in self._in_plane

    def want(self, pid: str, wanted: Sequence[port.Want]) -> None:
        """Only people of the same room can be wanted."""
        meeting = self.meetings[self._room_of[pid]]
        inside = {p.pid for p in meeting.inside()}
        self._plane.want(pid, [want for want in wanted if want.peer in inside and want.peer != pid])

    # --- the plane ---------------------------------------------------------------------------------------------------------------

    def told(self, told: port.Told) -> None:
        """What the plane says, passed on to whom it concerns."""
        match told:
            case port.SlotsChanged(peer, slots):
                rows = [{"mid": s.mid, "kind": s.kind, "pid": s.peer, "source": s.source} for s in slots]
                self._tell(peer, "slots", {"slots": rows})
            case port.Speaking(room, peers):
                self._tell_room(room, "speaking", {"pids": list(peers)})
            case port.VideoPaused(room, sender, viewer, paused):
                if viewer is None:
                    self._tell_room(room, "paused", {"pid": sender, "paused": paused, "own": True})
                else:
                    self._tell(viewer, "paused", {"pid": sender, "paused": paused, "own": False})
            case port.Quality(peer):
                self._tell(
                    peer, "quality",
                    {"loss_up": told.loss_up, "loss_down": told.loss_down, "bitrate_up": told.bitrate_up,
                     "bitrate_down": told.bitrate_down, "rtt_s": told.rtt_s},
                )  # fmt: skip
            case port.MediaState(peer, "over"):
                self._begin_anew(peer)
            case port.MediaState(peer, state):
                if state == "up" and (since := self._joining.pop(peer, None)) is not None:
                    self._meter.observe("video_join_seconds", self._clock() - since)
                self._tell(peer, "media", {"state": state})

    # --- doing -------------------------------------------------------------------------------------------------------------------

    def _meeting(self, room_id: str) -> Meeting:
        try:
            return self.meetings[room_id]
        except KeyError:
            raise Refused("closed") from None

    def _do(self, room_id: str, command: Command) -> None:
        self._perform(room_id, self._judge(room_id, command))

    def _judge(self, room_id: str, command: Command) -> tuple[Effect, ...]:
        meeting = self._meeting(room_id)
        try:
            done = apply(meeting, command, self._now())
        except Refused as refused:
            self._meter.count("video_refusals", reason=refused.reason)
            raise
        self.meetings[room_id] = done.meeting
        return done.effects

    def _perform(self, room_id: str, effects: Sequence[Effect], resumed: str | None = None, last_chat: int = 0) -> None:
        meeting = self.meetings[room_id]
        for effect in effects:
            match effect:
                case Happened():
                    self._publish(Session(meeting.room, effect))
                case Enter(pid):
                    self._media_up(room_id, meeting.people[pid], keep=pid == resumed)
                    if pid in self._lines:
                        self._came(meeting.room, meeting.people[pid])
                    if lines := view.history(meeting, last_chat):  # V14: all of it, whenever they come in
                        self._tell(pid, "history", {"lines": lines})
                case Exit(pid, why):
                    if why != "elsewhere":
                        self._media_down(pid)
                        self._tell(pid, "exit", {"why": why})
                        if (line := self._lines.pop(pid, None)) is not None:
                            line.close(why)
                        self._shown.pop(pid, None)
                case Silence(pid, sources):
                    if pid in self._in_plane:
                        self._plane.muted(pid, sources)
                case Asked(pid):
                    self._tell(pid, "asked", {})
                case Wrote(line):
                    self._keep(meeting.room, line, partial(self._tell_room, room_id, "chat", view.line(line)))
        self._show(room_id)

    def _media_up(self, room_id: str, person: Person, *, keep: bool) -> None:
        line = self._lines.get(person.pid)
        if line is None:  # the line is broken; media comes with the next one
            return
        if person.pid in self._in_plane:
            if keep:
                return
            self._plane.leave(person.pid)
        try:
            self._plane.join(room_id, person.pid, video_slots=line.video_slots, audio_slots=AUDIO_SLOTS)
        except ValueError:  # the process carries no more people: in the meeting, without media, and told so
            _log.error("video_plane_full")
            self._tell(person.pid, "error", {"reason": "busy"})
            return
        self._in_plane.add(person.pid)
        self._joining[person.pid] = self._clock()
        self._tell(person.pid, "fresh", {})  # whatever connections the page still holds lead nowhere

    def _begin_anew(self, pid: str) -> None:
        """The plane has let go of somebody it had not heard of for long: a page that is still there makes new connections."""
        self._in_plane.discard(pid)
        meeting = self.meetings.get(self._room_of.get(pid, ""))
        if meeting is not None and (person := meeting.people.get(pid)) is not None and person.place == "inside":
            self._media_up(meeting.room.room_id, person, keep=False)
            self._shown.pop(pid, None)  # the state is told again: by it a page knows that it is inside and without media
            self._show(meeting.room.room_id)

    def _media_down(self, pid: str) -> None:
        if pid in self._in_plane:
            self._in_plane.discard(pid)
            self._joining.pop(pid, None)
            self._plane.leave(pid)

    def _show(self, room_id: str) -> None:
        """Everyone whose view has changed is told it, whole."""
        meeting, now = self.meetings[room_id], self._now()
        for pid, person in meeting.people.items():
            if pid not in self._lines or person.place not in ("waiting", "lobby", "inside"):
                continue
            seen = view.view(meeting, pid, now, self._phones.get(room_id))
            told_at = seen.pop("now")
            if self._shown.get(pid) != seen:
                self._shown[pid] = seen
                self._tell(pid, "state", {**seen, "now": told_at})

    def _tell(self, pid: str, kind: str, content: Mapping[str, Any]) -> None:
        if (line := self._lines.get(pid)) is not None:
            line.tell(kind, content)

    def _tell_room(self, room_id: str, kind: str, content: Mapping[str, Any]) -> None:
        if (meeting := self.meetings.get(room_id)) is not None:
            for person in meeting.inside():
                self._tell(person.pid, kind, content)

    def _forget(self, pid: str) -> None:
        self._room_of.pop(pid, None)
        self._shown.pop(pid, None)


def _again(meeting: Meeting, happened: Happened, since: datetime) -> Meeting:
    return replayed(meeting, happened.state, happened.pid, happened.role, happened.at, happened.number, since)
