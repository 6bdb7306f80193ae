"""What a notice and the pulled details of its booking say together: `booking.changed.v1`. Pure.

crm:scheduling 1.0 has no word for a hidden time type, for video or for a journal block. The EHR leaves bookings
that may not be shown out of the national services, so a booking that is told is taken as visible; a time type's
hidden and video settings come from `time_type.changed.v1`.
"""

from datetime import datetime
from typing import Any, Final, NamedTuple

from connectors.rivta.notices import Notice
from connectors.rivta.times import local_iso
from schemas.errors import FieldError, Malformed
from schemas.fields import DoubledHour, parse_instant
from schemas.persons import normalise

UNKNOWN: Final = "unknown"


class Details(NamedTuple):
    """A time slot of GetBookingDetails, its texts as they came."""

    starts: str
    ends: str
    unit: str
    unit_name: str
    patient: str
    description: str
    resource_id: str
    resource_name: str
    time_type_id: str
    time_type_name: str


def changed(notice: Notice, details: Details, now: datetime) -> dict[str, Any]:
    """The booking as it now stands. Raises `Malformed` where the two contradict each other or say too little."""
    faults: list[FieldError] = []
    if details.patient and not _same_person(details.patient, notice.patient):
        faults.append(FieldError("/timeslotDetail/subject_of_care", "is another person than the notice names"))
    start, minutes = _times(details, faults)
    if faults:
        raise Malformed(faults)
    rebooked = notice.updated is not None and notice.created is not None and notice.updated > notice.created
    return {
        "booking_id": notice.booking_id,
        "updated_at": _order(notice, now),
        "status": "cancelled" if notice.deleted else "rebooked" if rebooked else "booked",
        "unit": details.unit,
        "unit_name": details.unit_name,
        "patient": notice.patient,
        "start": start,
        "minutes": minutes,
        "time_type": {
            "id": details.time_type_id or UNKNOWN,
            "name": details.time_type_name,
            "hidden": False,
            "video": "none",
        },
        "resource": {"id": details.resource_id or UNKNOWN, "name": details.resource_name},
        "description": details.description,
        "journal_blocked": False,
    }


def removed(notice: Notice, now: datetime) -> dict[str, Any]:
    """A booking that its source has forgotten: cancelled, and of a hidden time type, so that it is shown nowhere."""
    order = _order(notice, now)
    return {
        "booking_id": notice.booking_id,
        "updated_at": order,
        "status": "cancelled",
        "unit": notice.logical_address,
        "unit_name": "",
        "patient": notice.patient,
        "start": notice.starts or order,
        "minutes": 0,
        "time_type": {"id": UNKNOWN, "name": "", "hidden": True, "video": "none"},
        "resource": {"id": UNKNOWN, "name": ""},
        "journal_blocked": False,
    }


def _order(notice: Notice, now: datetime) -> str:
    """When the booking changed, by the index; by us where the index does not say (we have just read it)."""
    return notice.updated or notice.created or now.isoformat().replace("+00:00", "Z")


def _times(details: Details, faults: list[FieldError]) -> tuple[str, int]:
    found: dict[str, str] = {}
    for name, text in (("startTimeInclusive", details.starts), ("endTimeExclusive", details.ends)):
        try:
            found[name] = local_iso(text)
        except ValueError as fault:
            faults.append(FieldError(f"/timeslotDetail/{name}", str(fault)))
    if faults:
        return "", 0
    start, end = found["startTimeInclusive"], found["endTimeExclusive"]
    begins = parse_instant(start)
    length = parse_instant(end) - begins
    if isinstance(begins, DoubledHour):  # the clock on the wall tells the length of a visit in the doubled hour
        length = datetime.fromisoformat(end) - datetime.fromisoformat(start)
    if length.total_seconds() < 0:
        faults.append(FieldError("/timeslotDetail/endTimeExclusive", "is before startTimeInclusive"))
    return start, int(length.total_seconds() // 60)


def _same_person(one: str, other: str) -> bool:
    try:
        return normalise(one) == normalise(other)
    except ValueError:
        return False
