"""What one person may see of a meeting: pure, so that "nothing is shown before" is a function one can test (V9, V15).

Who waits, in the lobby or for the opening, sees the room's window and nothing else: no name, no number of people, no unit.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from schemas.cloudevents import time_text
from video.rooms.model import Line, Meeting, Person

STAFF_SEE_GONE: tuple[str, ...] = ("left", "removed", "denied")


def view(meeting: Meeting, pid: str, now: datetime, phones: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The `state` message for a person. `phones` by pid: of patients, for staff alone (V12)."""
    me = meeting.people[pid]
    seen: dict[str, Any] = {
        "you": {"pid": pid, "role": me.role, "place": me.place},
        "window": {"opens_at": time_text(meeting.room.opens_at), "closes_at": time_text(meeting.room.closes_at)},
        "now": time_text(now),
    }
    if me.place != "inside":
        return seen
    is_staff = me.role == "staff"
    seen["you"] |= {"muted": me.muted, "asked": me.asked, "hand": me.hand}
    seen["room"] = {"kind": meeting.room.kind, "opened_at": time_text(meeting.opened_at) if meeting.opened_at else None}
    seen["people"] = [_person(p, phones if is_staff else None) for p in _in_order(meeting.inside())]
    if is_staff:
        seen["lobby"] = [_waiting(p) for p in meeting.in_place("lobby")]
        seen["waiting"] = [_waiting(p) for p in meeting.in_place("waiting")]
        seen["gone"] = [
            {"pid": p.pid, "role": p.role, "name": p.name, "place": p.place, "at": time_text(p.left_at)}
            for p in meeting.people.values()
            if p.place in STAFF_SEE_GONE and p.left_at is not None and p.joined_at is not None
        ]
    return seen


def line(said: Line) -> dict[str, Any]:
    """A chat message as it is sent to those inside."""
    return {
        "number": said.number, "pid": said.pid, "role": said.role, "name": said.name, "text": said.text, "at": time_text(said.at)
    }  # fmt: skip


def history(meeting: Meeting, after: int = 0) -> list[dict[str, Any]]:
    """The chat from a number on: a line that comes back gets what it missed."""
    return [line(each) for each in meeting.chat if each.number > after]


def attendance(meeting: Meeting) -> list[dict[str, Any]]:
    """V15, without names: who came, in which role, when, and when they left."""
    return [
        {
            "participant": p.pid, "role": p.role, "state": p.place,
            "joined_at": time_text(p.joined_at) if p.joined_at else None, "left_at": time_text(p.left_at) if p.left_at else None,
        }
        for p in meeting.people.values()
    ]  # fmt: skip


def _in_order(people: list[Person]) -> list[Person]:
    """Raised hands first, in the order they were raised; then as they came."""
    return sorted(people, key=lambda p: (p.hand_at is None, p.hand_at or p.since, p.pid))


def _person(person: Person, phones: Mapping[str, str] | None) -> dict[str, Any]:
    seen = {
        "pid": person.pid, "role": person.role, "name": person.name, "title": person.title, "hand": person.hand, "muted": person.muted,
        "audio": person.audio and not person.muted, "camera": person.camera, "screen": person.screen, "away": person.away_since is not None,
    }  # fmt: skip
    if phones is not None and person.pid in phones:
        seen["phone"] = phones[person.pid]
    return seen


def _waiting(person: Person) -> dict[str, Any]:
    return {"pid": person.pid, "role": person.role, "name": person.name, "since": time_text(person.since)}
