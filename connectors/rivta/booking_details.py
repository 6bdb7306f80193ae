"""GetBookingDetails (crm:scheduling 1.0, RIVTABP2.0) as bytes: asked and read through zeep (`connectors.soap`).

zeep knows the contract; it neither opens connections here nor sees a document that the hardened XML door has
not let through.
"""

from pathlib import Path
from typing import Final

import schemas
from connectors.rivta.bookings import Details
from connectors.soap import Contract
from schemas import xml
from schemas.errors import Malformed, Rejected, Unavailable

WSDL: Final = Path(schemas.__file__).parent / "contracts" / "riv" / "getbookingdetails.wsdl"
ACTION: Final = '"urn:riv:crm:scheduling:GetBookingDetailsResponder:1:GetBookingDetails"'
ANSWER_BYTES_MAX: Final = 1024 * 1024
_CONTRACT: Final = Contract(WSDL, "GetBookingDetails")
_LIMITS: Final = xml.Limits(body_bytes_max=ANSWER_BYTES_MAX, markup_max=2_000, attributes_max=2_000, depth_max=32)


def encode_question(unit: str, booking_id: str) -> bytes:
    """The request's envelope; the unit is the address too (the contract's own words for `wsa:To`)."""
    return _CONTRACT.encode({"healthcare_facility": unit, "bookingId": booking_id}, {"LogicalAddress": unit})


def decode_answer(status: int, body: bytes) -> Details:
    """The details. Raises `Rejected` (the source answers a fault), `Unavailable` (no answer of its own)."""
    try:
        document = xml.parse(body, _LIMITS)
    except Malformed:
        raise Unavailable(f"http_{status}", "the answer is no XML that is taken") from None
    slot = _CONTRACT.read(status, document)
    if not hasattr(slot, "startTimeInclusive"):
        slot = getattr(slot, "timeslotDetail", None)
    if slot is None:
        raise Rejected("not_the_contract", "the answer has no time slot")
    return Details(
        slot.startTimeInclusive or "",
        slot.endTimeExclusive or "",
        (slot.healthcare_facility or "").strip(),
        slot.healthcare_facility_name or "",
        (slot.subject_of_care or "").strip(),
        slot.reason or slot.purpose or "",
        (slot.resourceID or slot.performer or "").strip(),
        slot.resourceName or slot.performerName or "",
        (slot.timeTypeID or slot.careTypeID or "").strip(),
        slot.timeTypeName or slot.careTypeName or "",
    )
