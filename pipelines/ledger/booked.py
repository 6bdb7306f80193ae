"""What the hub has of bookings, for connectors that compare it with the EHR's own answer (B5). Plain SQL, named results."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from asyncpg import Pool

from pipelines import ids
from pipelines.rules.model import BookingStatus

_SELECT = """
SELECT b.booking_id, b.version, p.pid, b.unit, b.status, b.start, b.minutes, b.time_type, b.resource, b.dropped, b.content
  FROM bookings b JOIN persons p USING (person)
"""
_STATUSES = {int(status): status.name.lower() for status in BookingStatus}


class BookingNow(NamedTuple):
    """A booking as it now stands in the ledger. Not for logs: it names a person."""

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
    dropped: bool


async def known(pool: Pool[Any], booking_ids: Collection[str]) -> dict[str, BookingNow]:
    """Those of these bookings that the hub has, whoever's they are."""
    found = await pool.fetch(f"{_SELECT} WHERE b.booking = ANY($1)", [ids.booking(each) for each in booking_ids])
    return {row["booking_id"]: _now(row) for row in found}


async def coming(pool: Pool[Any], person: UUID | None, unit: str, now: datetime) -> dict[str, BookingNow]:
    """The bookings ahead at a unit, of one person (under their current number) or of everybody."""
    found = await pool.fetch(
        f"{_SELECT} WHERE b.unit = $1 AND b.start > $2 AND ($3::uuid IS NULL OR b.person ="
        " coalesce((SELECT current FROM aliases WHERE old = $3), $3))",
        unit, now, person,
    )  # fmt: skip
    return {row["booking_id"]: _now(row) for row in found}


def _now(row: Any) -> BookingNow:
    content = orjson.loads(row["content"]) if row["content"] is not None else {}
    return BookingNow(
        row["booking_id"], row["version"], row["pid"], row["unit"], content.get("unit_name", ""), _STATUSES[row["status"]],
        row["start"], row["minutes"], row["time_type"], content.get("time_type", {}).get("name", ""), row["resource"],
        content.get("resource", {}).get("name", ""), content.get("description", ""), row["dropped"],
    )  # fmt: skip
