"""GetBookings of TakeCare eXchange: what spoilt bytes must never change is whose bookings at which unit they are."""

from datetime import UTC, datetime
from typing import Any

from connectors.peer import Answer
from connectors.takecare_exchange.wire import ERRORS, Account, decode, encode
from tests.connectors.contract.case import GOLDEN, Exchange, read_answer

AT = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
PATIENT = "198005179802"
UNIT = "SE2321000016-A1"
ACCOUNT = Account("hub", "not-a-real-one", "care-hub")


def golden(name: str) -> Answer:
    return read_answer(GOLDEN / "takecare_exchange" / f"{name}.answer.http")


_FAULT = golden("fault")
_SHOWN = {
    "fault_client": _FAULT,
    "fault_server": Answer(500, _FAULT.body.replace(b"soap:Client", b"soap:Server"), _FAULT.headers),
    "error_message": golden("error"),
}


def _meaning(found: Any) -> object:
    return len(found), {(booked.patient, booked.unit) for booked in found}


EXCHANGES = [
    Exchange(
        "takecare_exchange",
        "getbookings",
        lambda: encode(PATIENT, UNIT, ACCOUNT, AT),
        lambda answer: decode(PATIENT, UNIT, answer),
        _meaning,
        [(row, _SHOWN[row.code]) for row in ERRORS],
    )
]
