"""What of an EHR's answer is news: own change detection on BookingId, as the interface tells no version and no time of change. Pure.

What the hub has of a booking is compared with what the EHR says now; equal means the same, and is told to nobody. A booking that the
hub has not is told as version 0, so that anything a push says of it later is newer (B6). Where nothing is pushed (`polled`) the hub
counts versions itself, and a coming booking that the EHR no longer has is cancelled. Where the EHR pushes, its own versions decide:
an answer then only fills in what is missing (B5). The contract has no word for a hidden time type, for video or for a journal block;
those settings come from `time_type.changed.v1`, and the EHR leaves out what may not be shown.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from connectors.takecare_exchange.wire import Booked
from schemas.fields import parse_instant

UNKNOWN: Final = "unknown"


class Known(NamedTuple):
    """A booking as the hub has it; `dropped`: of a protected person, nothing of it is kept (B1). `status` as in the event."""

    booking_id: str
    version: int
    patient: str
    unit: str
    unit_name: str
    status: str
    start: datetime
    minutes: int
    time_type_id: str
    time_type_name: str
    resource_id: str
    resource_name: str
    description: str
    dropped: bool = False


class News(NamedTuple):
    """The data of `booking.changed.v1` events, and how many bookings the hub has otherwise than the EHR but may not overrule."""

    events: tuple[dict[str, Any], ...]
    differing: int = 0


def changes(found: Sequence[Booked], known: Mapping[str, Known], now: datetime, *, polled: bool) -> News:
    """News of an answer. `known` holds the bookings of `found` that the hub has, and for a polled unit all its coming ones."""
    events: list[dict[str, Any]] = []
    differing = 0
    for booked in found:
        have = known.get(booked.booking_id)
        if have is None:
            events.append(_told(booked, 0, "booked"))
        elif have.dropped or _digest(booked) == _digest_known(have):
            continue
        elif polled:
            moved = parse_instant(booked.start) != have.start
            status = "rebooked" if moved or have.status == "rebooked" else "arrived" if have.status == "arrived" else "booked"
            events.append(_told(booked, have.version + 1, status))
        else:
            differing += 1
    if polled:
        there = {booked.booking_id for booked in found}
        gone = [have for name, have in sorted(known.items()) if name not in there and have.start > now]
        events += [_cancelled(have) for have in gone if have.status != "cancelled" and not have.dropped]
    return News(tuple(events), differing)


def _digest(booked: Booked) -> tuple[Any, ...]:
    return (
        booked.patient, booked.unit, parse_instant(booked.start), booked.minutes, booked.time_type_id, booked.resource_id,
        booked.reason, False,
    )  # fmt: skip


def _digest_known(have: Known) -> tuple[Any, ...]:
    return (
        have.patient, have.unit, have.start, have.minutes, have.time_type_id, have.resource_id, have.description,
        have.status == "cancelled",
    )  # fmt: skip


def _told(booked: Booked, version: int, status: str) -> dict[str, Any]:
    return {
        "booking_id": booked.booking_id,
        "version": version,
        "status": status,
        "unit": booked.unit,
        "unit_name": booked.unit_name,
        "patient": booked.patient,
        "start": booked.start,
        "minutes": booked.minutes,
        "time_type": {"id": booked.time_type_id, "name": booked.time_type_name, "hidden": False, "video": "none"},
        "resource": {"id": booked.resource_id, "name": booked.resource_name},
        "description": booked.reason,
        "journal_blocked": False,
    }


def _cancelled(have: Known) -> dict[str, Any]:
    """A booking that its source has forgotten, with what the hub has of it."""
    return {
        "booking_id": have.booking_id,
        "version": have.version + 1,
        "status": "cancelled",
        "unit": have.unit,
        "unit_name": have.unit_name,
        "patient": have.patient,
        "start": have.start.isoformat().replace("+00:00", "Z"),
        "minutes": have.minutes,
        "time_type": {"id": have.time_type_id or UNKNOWN, "name": have.time_type_name, "hidden": False, "video": "none"},
        "resource": {"id": have.resource_id or UNKNOWN, "name": have.resource_name},
        "description": have.description,
        "journal_blocked": False,
    }
