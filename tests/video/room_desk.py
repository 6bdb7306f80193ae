"""A meeting under test: commands in words, time by hand, effects and refusals kept."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from video.rooms.machine import apply
from video.rooms.model import Effect, Exit, Happened, Kind, Knock, Meeting, Refused, Role, Room, RoomCame, RoomState, Tick

START = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
OPENS = START - timedelta(minutes=30)
CLOSES = START + timedelta(minutes=60)


def room(state: RoomState = "active", kind: Kind = "single", **more: Any) -> Room:
    given = {"active_at": OPENS - timedelta(days=1), "opens_at": OPENS, "closes_at": CLOSES, "booking_ids": ("b-1",)} | more
    return Room("room-1", kind, state, "SE2321000016-A1", "Läkare 7", **given)


@dataclass
class Desk:
    """Starts ten minutes before the meeting, in its window."""

    meeting: Meeting = field(default_factory=lambda: Meeting(room()))
    now: datetime = START - timedelta(minutes=10)
    effects: list[Effect] = field(default_factory=list)

    def do(self, command: Any) -> list[Effect]:
        done = apply(self.meeting, command, self.now)
        self.meeting = done.meeting
        self.effects += done.effects
        return list(done.effects)

    def refusal(self, command: Any) -> str | None:
        before = self.meeting
        try:
            self.do(command)
        except Refused as refused:
            assert self.meeting is before, "a refusal changes nothing"
            return refused.reason
        return None

    def comes(self, pid: str, role: Role = "staff") -> str:
        """Where the person is after knocking."""
        self.do(Knock(pid, role, pid.title(), opens_at=self.meeting.room.opens_at if role == "guest" else None))
        return self.place(pid)

    def place(self, pid: str) -> str:
        person = self.meeting.people.get(pid)
        return person.place if person is not None else "unknown"

    def later(self, **by: float) -> None:
        self.now += timedelta(**by)
        self.do(Tick())

    def hears(self, **more: Any) -> list[Effect]:
        return self.do(RoomCame(room(**more)))

    def said(self) -> list[str]:
        return [f"{e.state} {e.pid}" if e.pid else e.state for e in self.effects if isinstance(e, Happened)]

    def thrown_out(self) -> dict[str, str]:
        return {e.pid: e.why for e in self.effects if isinstance(e, Exit)}
