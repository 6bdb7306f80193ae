"""ProcessNotification (itintegration:engagementindex 1.0): what changed where, never what it is now. Pure."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from connectors.rivta.times import local_iso
from schemas import xml
from schemas.errors import FieldError, Malformed

RESPONDER: Final = "urn:riv:itintegration:engagementindex:ProcessNotificationResponder:1"
CORE: Final = "urn:riv:itintegration:engagementindex:1"
OPERATION: Final = f"{{{RESPONDER}}}ProcessNotification"
SCHEDULING_DOMAINS: Final = frozenset({"riv:crm:scheduling", "crm:scheduling"})
"""The service description writes the first, its sample file the second: both are taken."""
BOOKING: Final = "Booking"
NOTICES_MAX: Final = 100
_ID_CHARS_MAX: Final = 200


class Notice(NamedTuple):
    """One transaction about a booking. Times are ISO 8601 without a zone (Swedish local time), or None."""

    at: str
    deleted: bool
    patient: str
    logical_address: str
    booking_id: str
    starts: str | None
    created: str | None
    updated: str | None


def decode_notification(payload: xml.Element) -> tuple[list[Notice], int]:
    """The notices about bookings, and how many there were about other things. Raises `Malformed`."""
    if payload.tag != OPERATION:
        raise Malformed([("/Envelope/Body", "should hold a ProcessNotification")])
    transactions = payload.findall(f"{{{RESPONDER}}}engagementTransaction")
    faults: list[FieldError] = []
    if not transactions:
        faults.append(FieldError("/ProcessNotification/engagementTransaction", "is required"))
    if len(transactions) > NOTICES_MAX:
        faults.append(FieldError("/ProcessNotification", f"has more than {NOTICES_MAX} transactions"))
    found: list[Notice] = []
    others = 0
    for place, node in enumerate(transactions[:NOTICES_MAX], 1):
        notice = _notice(node, f"/ProcessNotification/engagementTransaction[{place}]", faults)
        if notice is None:
            others += 1
        else:
            found.append(notice)
    if faults:
        raise Malformed(faults)
    return found, others


def encode_answer(code: str, comment: str = "") -> xml.Element:
    """ProcessNotificationResponse; `code` is OK, INFO or ERROR."""
    node = xml.element(f"{{{RESPONDER}}}ProcessNotificationResponse", nsmap={None: RESPONDER})
    xml.child(node, f"{{{RESPONDER}}}ResultCode", code)
    if comment:
        xml.child(node, f"{{{RESPONDER}}}comment", comment)
    return node


def _notice(node: xml.Element, at: str, faults: list[FieldError]) -> Notice | None:
    """None where it is about something else than a booking, whatever else stands in it."""
    engagement = node.find(f"{{{CORE}}}engagement")
    if engagement is None:
        faults.append(FieldError(f"{at}/engagement", "is required"))
        return None
    inside = f"{at}/engagement"
    domain = _text(engagement, "serviceDomain", inside, faults)
    category = _text(engagement, "categorization", inside, faults)
    if domain not in SCHEDULING_DOMAINS or category != BOOKING:
        return None
    flag = _text(node, "deleteFlag", at, faults)
    if flag not in ("true", "false", "1", "0"):
        faults.append(FieldError(f"{at}/deleteFlag", "should be true or false"))
    return Notice(
        at,
        flag in ("true", "1"),
        _text(engagement, "registeredResidentIdentification", inside, faults),
        _text(engagement, "logicalAddress", inside, faults),
        _text(engagement, "businessObjectInstanceIdentifier", inside, faults),
        *(_time(engagement, name, inside, faults) for name in ("mostRecentContent", "creationTime", "updateTime")),
    )


def _text(node: xml.Element, name: str, at: str, faults: list[FieldError]) -> str:
    value = (node.findtext(f"{{{CORE}}}{name}") or "").strip()
    if not value:
        faults.append(FieldError(f"{at}/{name}", "is required"))
    elif len(value) > _ID_CHARS_MAX:
        faults.append(FieldError(f"{at}/{name}", "is too long"))
    return value


def _time(node: xml.Element, name: str, at: str, faults: list[FieldError]) -> str | None:
    value = node.findtext(f"{{{CORE}}}{name}")
    if value is None:
        return None
    try:
        return local_iso(value)
    except ValueError as fault:
        faults.append(FieldError(f"{at}/{name}", str(fault)))
        return None


def in_order(notices: Iterable[Notice]) -> list[Notice]:
    """Notices as they changed, oldest first; those without a time keep their place among themselves."""
    return sorted(notices, key=lambda notice: notice.updated or notice.created or "")
