"""Which element of TakeCare's XML is which field of an event, and how its text is read, as tables.

Field names and forms follow the public TakeCare Booking contract (`BookingId`, `StartTime` as `yyyyMMddHHmm`
local time, `0|1` flags); what that contract has no word for (`TimeTypeHidden`, `JournalBlocked`) is named in
its manner. A row is all there is to know about a field.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from schemas.fields import parse_instant

NAMESPACE: Final = "urn:care-hub:takecare-events:1"

_TIME: Final = re.compile(r"[0-9]{12}([0-9]{2})?")


def text(value: str) -> str:
    """Text as it stands."""
    return value


def identifier(value: str) -> str:
    """An id or a code: space around it means nothing (XSD's token)."""
    return value.strip()


def flag(value: str) -> bool:
    """`0|1`, TakeCare's form; `true|false` is tolerated."""
    found = {"0": False, "1": True, "false": False, "true": True}.get(value.strip())
    if found is None:
        raise ValueError("should be 0 or 1")
    return found


def number(value: str) -> int:
    """A whole number that is not negative."""
    digits = value.strip()
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 18:
        raise ValueError("should be a whole number")
    return int(digits)


def local_time(value: str) -> str:
    """`yyyyMMddHHmm` (or with seconds) as ISO 8601 *without* a zone: the event model reads it as Europe/Stockholm.

    The zone is left out on purpose: only so can the model flag the doubled autumn hour (DOMAIN section 3).
    """
    digits = value.strip()
    if not _TIME.fullmatch(digits):
        raise ValueError("should be a local time as yyyyMMddHHmm")
    try:
        iso = datetime.strptime(digits.ljust(14, "0"), "%Y%m%d%H%M%S").isoformat()  # noqa: DTZ007 - local on purpose
    except ValueError:
        raise ValueError("is not a possible date and time") from None
    parse_instant(iso)  # the spring hour that does not exist is a ValueError of its own
    return iso


def one_of(codes: Mapping[str, str]) -> Callable[[str], str]:
    """A reader of a closed list of codes, case ignored; an unknown one is refused, never guessed."""

    def read(value: str) -> str:
        found = codes.get(value.strip().upper())
        if found is None:
            raise ValueError(f"should be one of {', '.join(codes)}")
        return found

    return read


STATUS: Final = {"BOOKED": "booked", "REBOOKED": "rebooked", "CANCELLED": "cancelled", "ARRIVED": "arrived"}
VIDEO: Final = {"NONE": "none", "SINGLE": "single", "GROUP": "group"}
LETTER_TYPE: Final = {"KALLELSE": "kallelse", "BREV": "brev"}
DISPATCH: Final = {"E-BREV": "e-brev", "PAPPER": "paper", "DIREKT": "direct", "TELEFON": "phone"}
"""How the user chose to reach the patient (C4): only `e-Brev` is the hub's."""
BODY_FORMAT: Final = {"TEXT": "text", "HTML": "html"}


class Row(NamedTuple):
    """`element` of the XML, `pointer` of the event's data (RFC 6901), how its text is read and written."""

    element: str
    pointer: str
    read: Callable[[str], Any]
    required: bool = True
    codes: Mapping[str, str] | None = None


def _coded(element: str, pointer: str, codes: Mapping[str, str]) -> Row:
    return Row(element, pointer, one_of(codes), codes=codes)


TIME_TYPE: Final = (
    Row("TimeTypeId", "/time_type/id", identifier),
    Row("TimeTypeName", "/time_type/name", text),
    Row("TimeTypeHidden", "/time_type/hidden", flag),
    _coded("TimeTypeVideo", "/time_type/video", VIDEO),
)
BOOKING: Final = (
    Row("BookingId", "/booking_id", identifier),
    Row("Version", "/version", number, required=False),
    Row("UpdatedTime", "/updated_at", local_time, required=False),
    _coded("BookingStatus", "/status", STATUS),
    Row("StartTime", "/start", local_time),
    *TIME_TYPE,
    Row("PatientId", "/patient", identifier),
    Row("PatientReason", "/description", text, required=False),
    Row("Comment", "/comment", text, required=False),
    Row("JournalBlocked", "/journal_blocked", flag),
    Row("TillRegisteredTime", "/till_registered_at", local_time, required=False),
    Row("PatientPhone", "/phone", identifier, required=False),
)
RESOURCE: Final = (
    Row("ResourceId", "/resource/id", identifier),
    Row("ResourceName", "/resource/name", text),
)
TIME_TYPE_CHANGE: Final = (*TIME_TYPE, Row("UpdatedTime", "/as_of", local_time))
_CONTENT: Final = (
    Row("DocumentTitle", "/title", text),
    Row("CreatedTime", "/created", local_time),
    _coded("Dispatch", "/dispatch", DISPATCH),
    Row("TemplateId", "/template/id", identifier),
    Row("TemplateName", "/template/name", text),
    Row("BookingId", "/booking_id", identifier, required=False),
    Row("PatientId", "/patient", identifier),
    _coded("BodyFormat", "/body_format", BODY_FORMAT),
    Row("Body", "/body", text),
    Row("Footer", "/footer", text, required=False),
)
LETTER: Final = (
    Row("LetterId", "/document_id", identifier),
    _coded("LetterType", "/kind", LETTER_TYPE),
    *_CONTENT,
)
REFERRAL: Final = (Row("ConfirmationId", "/document_id", identifier), *_CONTENT)
ATTACHMENT: Final = (
    Row("Name", "/name", text),
    Row("ContentType", "/content_type", identifier),
    Row("Data", "/data", lambda value: "".join(value.split()), required=False),
    Row("Ref", "/ref", identifier, required=False),
    Row("Shared", "/shared", flag),
    Row("EBrev", "/e_brev", flag),
)


class Group(NamedTuple):
    """One kind of content of a message: the list's element, its item, the operation that carries it."""

    operation: str
    element: str
    item: str
    ce_type: str
    rows: tuple[Row, ...]
    fixed: Mapping[str, str]


_NONE: Final[Mapping[str, str]] = MappingProxyType({})
GROUPS: Final = (
    Group("PublishBookings", "Bookings", "Booking", "booking.changed.v1", BOOKING, _NONE),
    Group("PublishTimeTypes", "TimeTypes", "TimeType", "time_type.changed.v1", TIME_TYPE_CHANGE, _NONE),
    Group("PublishLetters", "Letters", "Letter", "document.submitted.v1", LETTER, _NONE),
    Group(
        "PublishReferralConfirmations",
        "ReferralConfirmations",
        "ReferralConfirmation",
        "document.submitted.v1",
        REFERRAL,
        MappingProxyType({"kind": "remissbekraftelse"}),
    ),
)
GROUP_OF_ELEMENT: Final = MappingProxyType({group.element: group for group in GROUPS})
GROUP_OF_OPERATION: Final = MappingProxyType({group.operation: group for group in GROUPS})
