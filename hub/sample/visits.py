"""Bookings of the sample: time types of all sorts, and what happens to a booking after it was made, as tables."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from random import Random
from typing import Any, Final, NamedTuple

from hub.sample import words
from hub.sample.event import wheel
from schemas.policy import Unit


class TimeType(NamedTuple):
    """A time type with the rule it is here for."""

    id: str
    name: str
    weight: float
    minutes: int
    hidden: bool = False
    video: str = "none"

    def data(self) -> dict[str, Any]:
        return {"id": self.id, "name": self.name, "hidden": self.hidden, "video": self.video}


TIME_TYPES: Final[tuple[TimeType, ...]] = (
    TimeType("10", "Nybesök", 34, 45),
    TimeType("11", "Återbesök", 30, 30),
    TimeType("12", "Provtagning", 12, 15),
    TimeType("20", "Videobesök", 12, 30, video="single"),  # V1
    TimeType("21", "Gruppvideo", 4, 60, video="group"),  # V8
    TimeType("30", "Reserverad", 5, 30, hidden=True),  # B2, C8
    TimeType("31", "Telefontid", 3, 15),
)
_TIME_TYPES: Final = wheel([(row, row.weight) for row in TIME_TYPES])

COURSES: Final[tuple[tuple[str, float], ...]] = (
    ("booked", 78),
    ("rebooked", 7),  # C7, V6
    ("cancelled", 5),
    ("arrived", 3),
    ("till", 1),  # V4: registered at the till
    ("doubled", 3),  # B6: the same event twice
    ("backwards", 2),  # B6: the newer version first
    ("journal_blocked", 1),  # B3
)
"""What happens to a booking within the day."""
_COURSES: Final = wheel(COURSES)

_AHEAD: Final = wheel([(1, 5), (2, 5), (3, 5), (5, 10), (9, 20), (16, 25), (30, 20), (45, 10)], 100)
"""Days from now to the visit; the near ones are closer than paper takes (R14)."""
_WEEKDAYS: Final = ("måndag", "tisdag", "onsdag", "torsdag", "fredag", "lördag", "söndag")


class Visit(NamedTuple):
    """A booking with the events of its day: seconds after the first, and the data."""

    booking_id: str
    spoken: str
    events: list[tuple[float, str, dict[str, Any]]]


def visit(rng: Random, day: date, unit: Unit, patient: str, phone: str, name: str, serial: int) -> Visit:
    """A booking at a unit. `name` becomes its id; `serial` spreads the visits over resources."""
    chance = rng.random
    kind = _TIME_TYPES[int(chance() * len(_TIME_TYPES))]
    course = _COURSES[int(chance() * len(_COURSES))]
    start = _working(day, _AHEAD[int(chance() * len(_AHEAD))], 8 + int(chance() * 8), 15 * int(chance() * 4))
    if kind.video == "group":  # one meeting a week and unit, so that several patients share a room
        start = start - timedelta(days=start.weekday() - 2)
        start = start.replace(hour=13, minute=0) + timedelta(days=7 if start.date() <= day else 0)
    room = 0 if kind.video == "group" else serial % len(words.ROOMS)
    data: dict[str, Any] = {
        "booking_id": name,
        "version": 1,
        "status": "booked",
        "care_provider": unit.provider,
        "unit": unit.id,
        "unit_name": unit.name,
        "patient": patient,
        "start": start.isoformat(),
        "minutes": kind.minutes,
        "time_type": kind.data(),
        "resource": {"id": f"{unit.id[-2:]}-{room + 1}", "name": words.ROOMS[room]},
        "description": words.REASONS[int(chance() * len(words.REASONS))],
        "comment": "",
        "journal_blocked": course == "journal_blocked",
        "phone": phone,
    }
    spoken = f"{_WEEKDAYS[start.weekday()]} {start.day}/{start.month} klockan {start:%H.%M}"
    return Visit(name, spoken, list(_course(rng, course, data, start)))


def _course(rng: Random, course: str, data: dict[str, Any], start: datetime) -> Iterator[tuple[float, str, dict[str, Any]]]:
    """The events of a booking: when (seconds on), under which id, with what."""
    later = 60 + rng.random() * 7_200
    first = f"{data['booking_id']}.1"
    second = f"{data['booking_id']}.2"
    if course != "backwards":
        yield 0.0, first, data
    if course in ("rebooked", "backwards"):
        moved = (start + timedelta(days=7)).isoformat()
        yield later, second, {**data, "version": 2, "status": "rebooked", "start": moved}
    elif course in ("cancelled", "arrived"):
        yield later, second, {**data, "version": 2, "status": course}
    elif course == "till":
        at = (start - timedelta(minutes=5)).isoformat()
        yield later, second, {**data, "version": 2, "status": "arrived", "till_registered_at": at}
    elif course == "doubled":
        yield later, first, data
    if course == "backwards":
        yield later + 90, first, data


def _working(day: date, ahead: int, hour: int, minute: int) -> datetime:
    """Office hours some days ahead, in local time without zone as the EHR writes it; weekends roll to Monday."""
    on = day + timedelta(days=ahead)
    on += timedelta(days=(7 - on.weekday()) % 7 if on.weekday() >= 5 else 0)
    return datetime(on.year, on.month, on.day, hour, minute)  # noqa: DTZ001 - EHR times have no zone
