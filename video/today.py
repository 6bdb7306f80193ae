"""The rooms of a day, for lists: every bridge knows the rooms, and only a room's own bridge how it goes in it; so the others are asked.

A bridge that is away is no reason for half a list: its rooms stand there as not begun, which is how they are until it is back.
"""

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Any, Final, NamedTuple

from schemas.fields import STOCKHOLM
from video.rooms.model import Meeting, Room
from video.signalling.desk import Desk

PATH: Final = "/bridge/rooms"
"""What the bridges ask each other."""

Gather = Callable[[str, dict[str, str]], Awaitable[list[object]]]


class Listed(NamedTuple):
    """What a list shows of a meeting."""

    room: Room
    is_open: bool = False
    inside: int = 0
    waiting: int = 0


def listed(meeting: Meeting) -> Listed:
    return Listed(meeting.room, meeting.opened_at is not None, len(meeting.inside()), len(meeting.in_place("waiting")))


def today(desk: Desk, unit: str, now: datetime) -> list[Listed]:
    """The unit's rooms whose window touches this day in Sweden, and those that go on, as this bridge knows them."""
    day = now.astimezone(STOCKHOLM).date()
    found = [
        listed(each)
        for each in desk.of_unit(unit)
        if each.opened_at is not None
        or each.room.opens_at.astimezone(STOCKHOLM).date() <= day <= each.room.closes_at.astimezone(STOCKHOLM).date()
    ]
    return _in_order(found)


def told(rows: Iterable[Listed], owns: Callable[[str], bool]) -> list[dict[str, Any]]:
    """What a bridge answers another: how it goes in its own rooms."""
    return [
        {"room_id": row.room.room_id, "is_open": row.is_open, "inside": row.inside, "waiting": row.waiting}
        for row in rows
        if owns(row.room.room_id)
    ]


async def of_all(desk: Desk, gather: Gather, unit: str, now: datetime) -> list[Listed]:
    """`today`, with what the other bridges say of theirs."""
    rows = {row.room.room_id: row for row in today(desk, unit, now)}
    for answer in await gather(PATH, {"unit": unit}):
        for said in answer if isinstance(answer, list) else ():
            meeting = desk.meetings.get(said["room_id"])
            if meeting is not None:
                rows[said["room_id"]] = Listed(meeting.room, said["is_open"], said["inside"], said["waiting"])
    return _in_order(rows.values())


def _in_order(rows: Iterable[Listed]) -> list[Listed]:
    return sorted(rows, key=lambda each: (each.room.opens_at, each.room.room_id))
