"""A bridge that starts again learns from its own topic which rooms are open and who was in them.

Names are in no topic: whoever comes back (same link, same opaque `pid`) brings the name along. Until then the seat is kept as
after a broken line; when nobody comes back, `Tick` ends the meeting as it would have.
"""

from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Final

from video.rooms.model import Meeting, Person, Place, Role, SessionState

_PLACES: Final[dict[SessionState, Place]] = {
    "waiting": "waiting", "joined": "inside", "left": "left", "denied": "denied", "removed": "removed",
}  # fmt: skip


def replayed(
    meeting: Meeting, state: SessionState, pid: str | None, role: Role | None, at: datetime, number: int, now: datetime
) -> Meeting:
    """The meeting after a session event of an earlier run. `now` is when the seats began to be kept."""
    meeting = replace(meeting, happened=max(meeting.happened, number))
    if state == "opened":
        return replace(meeting, opened_at=at)
    if state == "ended":
        return replace(meeting, opened_at=None)
    if pid is None or role is None or state not in _PLACES:
        return meeting
    place = _PLACES[state] if not (role == "guest" and state == "waiting") else "lobby"
    before = meeting.people.get(pid)
    person = before or Person(pid, role, "", place, at)
    here = place in ("waiting", "lobby", "inside")
    person = replace(
        person,
        place=place,
        joined_at=person.joined_at or (at if place == "inside" else None),
        left_at=None if here else at,
        away_since=now if here else None,
    )
    return replace(meeting, people=MappingProxyType({**meeting.people, pid: person}))
