"""Fields that SIU and MDM share: people, units, times, codes, as tables. Every fault names HL7's own place and none of its content."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from connectors.hl7.message import Message
from schemas import persons
from schemas.errors import FieldError
from schemas.fields import parse_instant

ID_TYPES: Final = ("PNR", "NNSWE", "NI", "SN", "SNR", "SS", "PI", "")
"""PID-3.5 (table 0203) in the order in which a repetition is preferred."""
AUTHORITIES: Final = frozenset({"1.2.752.129.2.1.3.1", "1.2.752.129.2.1.3.3", "1.2.752.97.3.1.3"})
"""PID-3.4: personnummer, samordningsnummer, Region Stockholm's reserve number."""
HSA_ID: Final = re.compile(r"SE[0-9]{10}-[A-Z0-9]{1,20}")
_TIME: Final = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})?(\.[0-9]{1,6})?([+-][0-9]{4})?")
UNITS: Final = (("PV1", 3, 4), ("PV1", 3, 1), ("AIL", 3, 4), ("AIL", 3, 1), ("AIG", 3, 1), ("MSH", 4, 1))
"""Where the care unit's HSA-id may stand; the first that has the form of one."""


def time(text: str) -> str:
    """An HL7 time (DTM, to the minute at least) as ISO 8601; without a zone where it has none: then it is Swedish local time."""
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise ValueError("should be a time as yyyyMMddHHmm[ss[.ffff]][+zzzz]")
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    iso = f"{year}-{month}-{day}T{hour}:{minute}:{second or '00'}{fraction or ''}{f'{zone[:3]}:{zone[3:]}' if zone else ''}"
    try:
        datetime.fromisoformat(iso)
        parse_instant(iso)  # the spring hour that does not exist is a ValueError of its own
    except ValueError:
        raise ValueError("is not a possible date and time") from None
    return iso


def patient(message: Message, faults: list[FieldError]) -> str:
    """The person id of PID-3: the best of its repetitions that is one."""
    found: list[tuple[int, str]] = []
    for each in message.repetitions(message.first("PID"), 3):
        kind = each.text(5).upper()
        try:
            number = persons.normalise(each.text(1))
        except ValueError:
            continue
        trusted = each.text(4, 2) in AUTHORITIES or each.text(4, 1) in AUTHORITIES
        found.append((-1 if trusted else ID_TYPES.index(kind) if kind in ID_TYPES else len(ID_TYPES), number))
    if not found:
        faults.append(FieldError("PID-3", "has no person id"))
        return ""
    return min(found)[1]


def unit(message: Message, faults: list[FieldError]) -> str:
    for name, field, component in UNITS:
        for segment in message.segments(name):
            text = message.text(segment, field, component)
            if HSA_ID.fullmatch(text):
                return text
    faults.append(FieldError("PV1-3", "has no HSA-id of a care unit"))
    return ""


def sent(message: Message, faults: list[FieldError]) -> str:
    """MSH-7, which orders the states of a booking (B6): the standard has no version."""
    try:
        return time(message.header.time)
    except ValueError as fault:
        faults.append(FieldError("MSH-7", str(fault)))
        return ""


def coded(message: Message, segment: Any, field: int) -> Mapping[str, str] | None:
    """A coded element as id and name; None where it has no id."""
    ident = message.text(segment, field, 1)
    return {"id": ident, "name": message.text(segment, field, 2) or ident} if ident else None
