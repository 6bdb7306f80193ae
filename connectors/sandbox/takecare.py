"""The stand-in for TakeCare eXchange Booking: `POST /takecare/exchange/booking.asmx` (GetBookings), `POST /takecare/bookings` plants one.

In the ASMX look of the real one, quirks included: one string in, one string out; a payload with an XML declaration or a namespace is
an error; answers are CDATA without a namespace; times have twelve digits, but an error's `Time` is epoch milliseconds.
"""

from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import uuid4

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from connectors.sandbox.answers import as_json, json_of
from connectors.sandbox.state import SANDBOX
from connectors.sandbox.unwell import behave
from schemas import xml
from schemas.errors import Malformed
from schemas.events import malformed
from schemas.fields import STOCKHOLM, HsaId, Id, LocalInstant, Minutes, Name, PersonId

BOOKINGS_MAX: Final = 10_000
ILLEGAL_ARGUMENT: Final = 3001
_T: Final = "{http://tempuri.org/}"
_SOAP: Final = "{http://schemas.xmlsoap.org/soap/envelope/}"
_ENVELOPE: Final = (
    '<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>{}'
    "</soap:Body></soap:Envelope>"
)
_LIMITS: Final = xml.Limits(body_bytes_max=64 * 1024, depth_max=16)


class _Named(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    id: Id
    name: Name


class Planted(BaseModel):
    """`POST /takecare/bookings`: a booking as the EHR has it, also in the shape of `booking.changed.v1`, whose other fields GetBookings
    does not know; `cancelled`, or that event's status, takes it away."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    booking_id: Id = Field(default_factory=lambda: str(uuid4()).upper())
    patient: PersonId
    unit: HsaId
    unit_name: Name = "Mottagningen"
    start: LocalInstant
    minutes: Minutes = 30
    time_type: _Named = _Named(id="1", name="Besök")
    resource: _Named = _Named(id="1", name="Resurs")
    reason: str = Field(default="", max_length=300)
    cancelled: bool = False
    status: Literal["booked", "rebooked", "cancelled", "arrived"] = "booked"

    @property
    def is_gone(self) -> bool:
        return self.cancelled or self.status == "cancelled"


class Ehr:
    """The planted bookings."""

    def __init__(self) -> None:
        self._bookings: OrderedDict[str, Planted] = OrderedDict()

    def plant(self, booking: Planted) -> None:
        self._bookings.pop(booking.booking_id, None)
        if not booking.is_gone:
            self._bookings[booking.booking_id] = booking
            if len(self._bookings) > BOOKINGS_MAX:
                self._bookings.popitem(last=False)

    def of(self, patient: str | None, unit: str) -> list[Planted]:
        return [each for each in self._bookings.values() if each.unit == unit and patient in (None, each.patient)]


EHR: Final = web.AppKey("ehr", Ehr)


async def plant(request: web.Request) -> web.Response:
    try:
        booking = Planted.model_validate(await json_of(request))
    except ValidationError as fault:
        raise malformed(fault) from None
    request.app[EHR].plant(booking)
    return as_json({"booking_id": booking.booking_id}, 201)


async def exchange(request: web.Request) -> web.StreamResponse:
    """The service; `refuse` is TakeCare's own no, an error message."""
    return await behave(request, "takecare", lambda: _answer(request), lambda: _refuse(request), "text/xml")


async def _answer(request: web.Request) -> web.Response:
    now = request.app[SANDBOX].clock.now()
    try:
        unit, payload = _question(await request.read())
    except (Malformed, ValueError):
        return _fault("Server was unable to read request.")
    if "<?" in payload or "xmlns" in payload:
        return _result(_error(unit, now))
    try:
        message = xml.parse(payload.encode(), _LIMITS)
    except Malformed:
        return _result(_error(unit, now))
    asked = {str(node.tag): (node.text or "").strip() for node in message}
    if message.get("MsgType") != "Request" or not unit or asked.get("CareUnitId") != unit or asked.get("CareUnitIdType") != "hsaid":
        return _result(_error(unit, now))
    return _result(_bookings(request.app[EHR].of(asked.get("PatientId"), unit), unit, now))


async def _refuse(request: web.Request) -> web.Response:
    await request.read()
    return _result(_error("", request.app[SANDBOX].clock.now()))


def _question(body: bytes) -> tuple[str, str]:
    root = xml.parse(body, _LIMITS)
    asked = root.find(f"{_SOAP}Body/{_T}GetBookings")
    if asked is None:
        raise ValueError("not GetBookings")
    return asked.findtext(f"{_T}careunitid") or "", asked.findtext(f"{_T}xml") or ""


def _bookings(found: list[Planted], unit: str, now: datetime) -> xml.Element:
    root = _message("Response", unit, f"{now.astimezone(STOCKHOLM):%Y%m%d%H%M%S}")
    holder = xml.child(root, "Bookings")
    name = found[0].unit_name if found else ""
    holder.attrib.update({"CareUnitIdType": "hsaid", "CareUnitId": unit, "CareUnitName": name})
    for each in found:
        _write(xml.child(holder, "Booking"), each)
    return root


def _write(node: xml.Element, booking: Planted) -> None:
    ends = booking.start + timedelta(minutes=booking.minutes)
    for name, text in (
        ("BookingId", booking.booking_id), ("BookingType", "1"), ("StartTime", _stamp(booking.start)), ("EndTime", _stamp(ends)),
        ("TimeTypeId", booking.time_type.id), ("TimeTypeName", booking.time_type.name),
    ):  # fmt: skip
        xml.child(node, name, text)
    resource = xml.child(xml.child(node, "Resources"), "Resource")
    for name, text in (("ResourceType", "1"), ("ResourceId", booking.resource.id), ("ResourceName", booking.resource.name)):
        xml.child(resource, name, text)
    for name, text in (("PatientId", booking.patient), ("PatientReason", booking.reason), ("CancelAllowed", "1")):
        xml.child(node, name, text)


def _error(unit: str, now: datetime) -> xml.Element:
    root = _message("Error", unit, str(int(now.timestamp() * 1000)))
    error = xml.child(root, "Error")
    error.set("Type", "System")
    xml.child(error, "Code", str(ILLEGAL_ARGUMENT))
    xml.child(error, "Msg", "Illegal argument!")
    return root


def _message(kind: str, unit: str, time: str) -> xml.Element:
    root = xml.element("ProfdocHISMessage")
    attributes: Mapping[str | bytes, str | bytes] = {
        "MsgType": kind, "System": "ProfdocHIS", "SystemInstance": "1", "Time": time, "User": "hub", "CareUnitType": "hsaid",
        "CareUnit": unit, "Method": "Booking.GetBookings",
    }  # fmt: skip
    root.attrib.update(attributes)
    return root


def _result(message: xml.Element) -> web.Response:
    text = xml.serialise(message, declaration=False).decode()
    cdata = "<![CDATA[" + text.replace("]]>", "]]]]><![CDATA[>") + "]]>"
    result = f'<GetBookingsResponse xmlns="http://tempuri.org/"><GetBookingsResult>{cdata}</GetBookingsResult></GetBookingsResponse>'
    return web.Response(text=_ENVELOPE.format(result), content_type="text/xml")


def _fault(reason: str) -> web.Response:
    fault = f"<soap:Fault><faultcode>soap:Client</faultcode><faultstring>{reason}</faultstring></soap:Fault>"
    return web.Response(text=_ENVELOPE.format(fault), status=500, content_type="text/xml")


def _stamp(at: datetime) -> str:
    return f"{at.astimezone(STOCKHOLM):%Y%m%d%H%M}"


def routes() -> list[web.RouteDef]:
    """The table of these endpoints."""
    return [web.post("/takecare/exchange/booking.asmx", exchange), web.post("/takecare/bookings", plant)]
