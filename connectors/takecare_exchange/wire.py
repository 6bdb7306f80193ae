"""GetBookings as bytes: `encode` the question, `decode` the answer. Pure.

The interface is an ASMX service of 2012: each operation takes and gives one string, and the string is XML again. Its quirks, from the
region's published adapter: the payload of a question may have neither XML declaration nor namespace; an answer comes without its
namespace and sometimes with a declaration; times have twelve digits, but an error's `Time` is epoch milliseconds and a `Method` may
name another operation, so neither is looked at. An error is a SOAP success with `MsgType="Error"`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import schemas
from connectors.peer import Answer, Call, Row, failed, failed_status, loggable
from connectors.rivta.times import local_iso
from connectors.soap import Contract
from schemas import persons, xml
from schemas.errors import Malformed, PeerFailure, Rejected
from schemas.fields import STOCKHOLM, DoubledHour, parse_instant

WSDL: Final = Path(schemas.__file__).parent / "contracts" / "takecare-exchange" / "booking.wsdl"
ACTION: Final = "http://tempuri.org/GetBookings"
HEADERS: Final[Mapping[str, str]] = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": f'"{ACTION}"'}
MESSAGE: Final = "ProfdocHISMessage"
ID_TYPE: Final = "hsaid"
SYSTEM: Final = "CareHub"
PERSON_RESOURCE: Final = "1"
ANSWER_BYTES_MAX: Final = 2 * 1024 * 1024
BOOKINGS_MAX: Final = 1_000
_SOAP: Final = "{http://schemas.xmlsoap.org/soap/envelope/}"
_CONTRACT: Final = Contract(WSDL, "GetBookings")
_LIMITS: Final = xml.Limits(body_bytes_max=ANSWER_BYTES_MAX, depth_max=16)
_DECLARATION: Final = re.compile(r"\s*<\?xml[^>]{0,200}\?>")
_REQUIRED: Final = ("BookingId", "StartTime", "EndTime", "TimeTypeId", "TimeTypeName", "PatientId")
_FIELDS: Final = frozenset((*_REQUIRED, "BookingType", "Resources", "PatientReason", "CancelAllowed", "RescheduleAllowed"))

ERRORS: Final = (
    Row("fault_client", "rejected", "the question is not what the service takes"),
    Row("fault_server", "unavailable", "the service failed by itself; a question may be asked again"),
    Row("error_message", "rejected", "TakeCare's own no, as a SOAP success: an argument or a right is wrong"),
)
_ROWS: Final = {row.code: row for row in ERRORS}


@dataclass(frozen=True, slots=True)
class Account:
    """Who asks: the account TakeCare gave, and the name that stands in its log."""

    user: str
    password: str = field(repr=False)
    external_user: str


class Booked(NamedTuple):
    """A booking as the EHR has it now. Times are local, without a zone."""

    booking_id: str
    patient: str
    unit: str
    unit_name: str
    start: str
    minutes: int
    time_type_id: str
    time_type_name: str
    resource_id: str
    resource_name: str
    reason: str


def encode(patient: str | None, unit: str, account: Account, now: datetime) -> Call:
    """The question about a patient, or about everybody at the unit.

    Raises `Rejected` for a reserve number with letters: the interface's ids are numbers.
    """
    if patient is not None and not patient.isdigit():
        raise Rejected("letters_in_number")
    message = xml.element(MESSAGE)
    message.attrib.update({"MsgType": "Request", "Time": f"{now.astimezone(STOCKHOLM):%Y%m%d%H%M%S}", "InvokingSystem": SYSTEM})
    for name, text in (("PatientId", patient), ("CareUnitIdType", ID_TYPE), ("CareUnitId", unit)):
        if text is not None:
            xml.child(message, name, text)
    body = _CONTRACT.encode(
        {
            "tcusername": account.user,
            "tcpassword": account.password,
            "externaluser": account.external_user,
            "careunitidtype": ID_TYPE,
            "careunitid": unit,
            "xml": xml.serialise(message, declaration=False).decode(),
        }
    )
    return Call("", body, HEADERS, changes=False)


def decode(patient: str | None, unit: str, answer: Answer) -> tuple[Booked, ...]:
    """The patient's (None: everybody's) bookings at the unit. Raises `Rejected` or `Unavailable`; a question is never `Uncertain`."""
    try:
        root = xml.parse(answer.body, _LIMITS)
    except Malformed:
        if answer.status != 200:
            raise failed_status(answer, changes=False) from None
        raise Rejected("unreadable") from None
    body = root.find(f"{_SOAP}Body") if root.tag == f"{_SOAP}Envelope" else None
    if body is None or len(body) != 1:
        raise failed_status(answer, changes=False)
    if body[0].tag == f"{_SOAP}Fault":
        raise _fault(body[0])
    if answer.status != 200:
        raise failed_status(answer, changes=False)
    text = _CONTRACT.read(answer.status, root)
    try:
        return _message(xml.parse(_DECLARATION.sub("", str(text or ""), count=1).encode(), _LIMITS), patient, unit)
    except (Malformed, ValueError):
        raise Rejected("not_the_contract") from None


def _message(root: xml.Element, patient: str | None, unit: str) -> tuple[Booked, ...]:
    """Raises `ValueError` for what does not follow the contract, `Rejected` for an error and for another's bookings."""
    if _name(root) != MESSAGE:
        raise ValueError(MESSAGE)
    kind = root.get("MsgType")
    if kind == "Error":
        error = next((node for node in root if _name(node) == "Error"), None)
        code = next((node.text for node in error if _name(node) == "Code"), "") if error is not None else ""
        raise _of_row("error_message", loggable((code or "").strip()))  # its text may quote what was asked
    if kind != "Response" or not len(root):
        raise ValueError("MsgType")
    found: list[Booked] = []
    for holder in root:
        if _name(holder) != "Bookings":
            raise ValueError("Bookings")
        if holder.get("CareUnitId", "").strip() != unit:
            raise Rejected("another_unit")
        found.extend(_booking(node, unit, holder.get("CareUnitName", "")) for node in holder)
    if len(found) > BOOKINGS_MAX:
        raise ValueError("too many")
    if patient is not None and any(booked.patient != patient for booked in found):
        raise Rejected("another_person")
    return tuple(found)


def _booking(node: xml.Element, unit: str, unit_name: str) -> Booked:
    fields = {_name(child): child for child in node}
    if _name(node) != "Booking" or not fields.keys() <= _FIELDS or len(fields) != len(node):
        raise ValueError("Booking")
    text = {name: (child.text or "").strip() for name, child in fields.items() if name != "Resources"}
    if any(not text.get(name) for name in _REQUIRED):
        raise ValueError("Booking")
    start, minutes = _times(text["StartTime"], text["EndTime"])
    resource = _resource(fields.get("Resources"))
    return Booked(
        text["BookingId"], persons.normalise(text["PatientId"]), unit, unit_name, start, minutes, text["TimeTypeId"],
        text["TimeTypeName"], resource.get("ResourceId", ""), resource.get("ResourceName", ""), text.get("PatientReason", ""),
    )  # fmt: skip


def _times(start: str, end: str) -> tuple[str, int]:
    """The start and whole minutes. In the doubled hour the clock on the wall tells the length."""
    starts, ends = local_iso(start), local_iso(end)
    begins = parse_instant(starts)
    length = parse_instant(ends) - begins
    if isinstance(begins, DoubledHour):
        length = datetime.fromisoformat(ends) - datetime.fromisoformat(starts)
    if length.total_seconds() < 0:
        raise ValueError("EndTime")
    return starts, int(length.total_seconds() // 60)


def _resource(holder: xml.Element | None) -> dict[str, str]:
    """The person of a booking, or its first resource where there is no person."""
    found = [{_name(child): (child.text or "").strip() for child in node} for node in holder] if holder is not None else []
    if not found or any(not each.get("ResourceId") for each in found):
        raise ValueError("Resources")
    return next((each for each in found if each.get("ResourceType") == PERSON_RESOURCE), found[0])


def _fault(fault: xml.Element) -> PeerFailure:
    """SOAP 1.1 section 4.4.1. The fault's text may hold what was asked, so only its kind is kept."""
    kind = (fault.findtext("faultcode") or "").strip().rpartition(":")[2].partition(".")[0].lower()
    return _of_row("fault_client" if kind == "client" else "fault_server")


def _of_row(code: str, detail: str = "") -> PeerFailure:
    row = _ROWS[code]
    return failed(row.failure, row.code, detail)


def _name(node: Any) -> str:
    return xml.local_name(node)
