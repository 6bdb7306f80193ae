"""A frame to the one event it tells, with the id that makes a repeat the same event. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from connectors.hl7 import fields, mdm, siu
from connectors.hl7.message import Message, Unsupported, read
from schemas.errors import FieldError
from schemas.fields import parse_instant
from schemas.keys import uid_text

SOURCE: Final = "/ehr/hl7"
"""The row `[sources.hl7]` of the settings: its kinds, units and (no) control codes."""

PLACES: Final[Mapping[str, str]] = {
    "/booking_id": "SCH-2", "/updated_at": "MSH-7", "/unit": "PV1-3", "/unit_name": "PV1-3", "/patient": "PID-3", "/start": "SCH-11",
    "/minutes": "SCH-9", "/time_type/id": "SCH-8", "/time_type/name": "SCH-8", "/resource/id": "AIP-3", "/resource/name": "AIP-3",
    "/description": "SCH-7", "/comment": "NTE-3", "/document_id": "TXA-12", "/kind": "TXA-2", "/title": "TXA-16", "/created": "TXA-6",
    "/template/id": "TXA-2", "/template/name": "TXA-2", "/body": "OBX-5", "/attachments": "OBX-5", "/type": "MSH-9", "/source": "MSH-3",
}  # fmt: skip
"""Where HL7 has what the event's models name by JSON pointer."""


class Told(NamedTuple):
    """One event. Not printed: it is personal data."""

    ce_type: str
    ce_id: str
    time: datetime | None
    data: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"Told(ce_type={self.ce_type!r})"


def decode(frame: bytes) -> Told:
    """Raises `Unsupported` for what this door does not take, `Malformed` for what is wrong in it."""
    message = read(frame)
    header = message.header
    ce_type, data = _meaning(message)
    # MSH-10 is unique within its sending application (HL7 v2 chapter 2), so the sender stands in the id.
    name = uid_text("hl7", header.application, header.facility, header.control_id)
    time = parse_instant(fields.time(header.time)) if header.time and _is_time(header.time) else None
    return Told(ce_type, name, time, data)


def _meaning(message: Message) -> tuple[str, dict[str, Any]]:
    header = message.header
    if header.code == "SIU" and header.trigger in siu.STATUS:
        return siu.TYPE, siu.decode(message)
    if header.code == "MDM" and header.trigger in mdm.TRIGGERS:
        return mdm.TYPE, mdm.decode(message)
    raise Unsupported([("MSH-9", "is no message that is taken here (SIU S12 to S15, S17, S26; MDM T02)")])


def placed(error: FieldError) -> FieldError:
    """A fault of the event's model, by HL7's own place."""
    pointer = error.pointer
    if pointer.startswith("/attachments"):
        pointer = "/attachments"
    return FieldError(PLACES.get(pointer, pointer), error.reason)


def _is_time(text: str) -> bool:
    try:
        fields.time(text)
    except ValueError:
        return False
    return True
