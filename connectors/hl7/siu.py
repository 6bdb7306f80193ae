"""SIU to `booking.changed.v1`. Pure.

SIU has no word for a hidden time type, for video or for a journal block: a time type's settings come from `time_type.changed.v1`
(B2), and the EHR leaves out what may not be shown. A patient who did not come (S26) leaves nothing to come to: cancelled.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from connectors.hl7 import fields
from connectors.hl7.message import Message
from schemas.errors import FieldError, Malformed
from schemas.fields import DoubledHour, parse_instant

TYPE: Final = "booking.changed.v1"
STATUS: Final[Mapping[str, str]] = {
    "S12": "booked",
    "S13": "rebooked",
    "S14": "booked",
    "S15": "cancelled",
    "S17": "cancelled",
    "S26": "cancelled",
}
"""By trigger event (MSH-9.2)."""
FILLER: Final[Mapping[str, str]] = {"ARRIVED": "arrived", "CANCELLED": "cancelled", "DELETED": "cancelled", "NOSHOW": "cancelled"}
"""SCH-25 (table 0278) says more than S14 does."""
MINUTES: Final = frozenset({"", "M", "MIN", "MINS", "MINUTE", "MINUTES"})
MINUTES_MAX: Final = 7 * 24 * 60


def decode(message: Message) -> dict[str, Any]:
    """The booking as it now stands. Raises `Malformed` with every fault."""
    faults: list[FieldError] = []
    schedule = message.first("SCH")
    ident = message.text(schedule, 2) or message.text(schedule, 1)
    if not ident:
        faults.append(FieldError("SCH-2", "is required"))
    status = STATUS[message.header.trigger]
    if status == "booked":
        status = FILLER.get(message.text(schedule, 25).upper(), status)
    start, minutes = _times(message, schedule, faults)
    resource = _resource(message)
    data = {
        "booking_id": ident,
        "updated_at": fields.sent(message, faults),
        "status": status,
        "unit": fields.unit(message, faults),
        "unit_name": message.text(message.first("PV1"), 3, 9),
        "patient": fields.patient(message, faults),
        "start": start,
        "minutes": minutes,
        "time_type": {**_time_type(message, schedule), "hidden": False, "video": "none"},
        "resource": resource,
        "description": message.text(schedule, 7, 2) or message.text(schedule, 7, 1),
        "comment": "\n".join(filter(None, (message.text(note, 3) for note in message.segments("NTE")))),
        "journal_blocked": False,
    }
    if faults:
        raise Malformed(faults)
    return data


def _times(message: Message, schedule: Any, faults: list[FieldError]) -> tuple[str, int]:
    """SCH-11.4 and .5 (timing quantity), else TQ1-7 and -8, else the start and duration of a resource."""
    timing = message.first("TQ1")
    starts = message.text(schedule, 11, 4) or message.text(timing, 7)
    ends = message.text(schedule, 11, 5) or message.text(timing, 8)
    length, unit = message.text(schedule, 9), message.text(schedule, 10)
    if not starts:
        service = message.first("AIS")
        starts = message.text(service, 4)
        length, unit = (length, unit) if length else (message.text(service, 7), message.text(service, 8))
    try:
        start = fields.time(starts)
    except ValueError as fault:
        faults.append(FieldError("SCH-11", str(fault)))
        return "", 0
    if ends:
        try:
            return start, _minutes(start, fields.time(ends))
        except ValueError as fault:
            faults.append(FieldError("SCH-11", str(fault)))
            return start, 0
    if length.isascii() and length.isdigit() and len(length) < 6 and int(length) <= MINUTES_MAX and unit.upper() in MINUTES:
        return start, int(length)
    faults.append(FieldError("SCH-9", "should be whole minutes, or SCH-11 have an end"))
    return start, 0


def _minutes(start: str, end: str) -> int:
    """In the doubled hour the clock on the wall tells the length of a visit."""
    begins, ends = parse_instant(start), parse_instant(end)
    length = ends - begins
    if isinstance(begins, DoubledHour) and "+" not in end:
        length = datetime.fromisoformat(end).replace(tzinfo=None) - datetime.fromisoformat(start).replace(tzinfo=None)
    if length.total_seconds() < 0:
        raise ValueError("ends before it starts")
    return int(length.total_seconds() // 60)


def _time_type(message: Message, schedule: Any) -> Mapping[str, str]:
    """SCH-8 (appointment type), else AIS-3 (service)."""
    return fields.coded(message, schedule, 8) or fields.coded(message, message.first("AIS"), 3) or {"id": "unknown", "name": ""}


def _resource(message: Message) -> dict[str, str]:
    """The person (AIP), else the thing (AIG), else the place (AIL)."""
    person = message.first("AIP")
    if ident := message.text(person, 3):
        name = " ".join(filter(None, (message.text(person, 3, 3), message.text(person, 3, 2))))
        return {"id": ident, "name": name or ident}
    for segment in ("AIG", "AIL"):
        found = fields.coded(message, message.first(segment), 3)
        if found is not None:
            return dict(found)
    return {"id": "unknown", "name": ""}
