"""MDM T02 to `document.submitted.v1`: a document as PDF (OBX-5, type ED, base64). Pure.

Whoever sends a document on this interface has chosen e-brev (C4). It has no template of TakeCare's and no control code: the source's
setting says that none is needed (C9). Its PDF goes along as an attachment meant for e-brev; text observations are its body.
"""

import binascii
from base64 import b64decode
from collections.abc import Mapping
from typing import Any, Final

from connectors.hl7 import fields
from connectors.hl7.message import Message
from schemas.errors import FieldError, Malformed

TYPE: Final = "document.submitted.v1"
SOURCE_SYSTEM: Final = "HL7"
TRIGGERS: Final = frozenset({"T02"})
KINDS: Final[Mapping[str, str]] = {
    "KALLELSE": "kallelse",
    "BREV": "brev",
    "REMISSBEKRAFTELSE": "remissbekraftelse",
    "REMISSBEKRÄFTELSE": "remissbekraftelse",
}
"""TXA-2 (document type), id or text."""
PDF: Final = b"%PDF-"


def decode(message: Message) -> dict[str, Any]:
    """The document. Raises `Malformed` with every fault."""
    faults: list[FieldError] = []
    header = message.first("TXA")
    kind = next((KINDS[text.upper()] for text in (message.text(header, 2, 1), message.text(header, 2, 2)) if text.upper() in KINDS), "")
    if not kind:
        faults.append(FieldError("TXA-2", f"should be one of {', '.join(KINDS)}"))
    ident = message.text(header, 12)
    if not ident:
        faults.append(FieldError("TXA-12", "is required"))
    files, words = _observations(message, faults)
    if not files and not words:
        faults.append(FieldError("OBX-5", "has no document"))
    template = message.text(header, 2, 1)
    data = {
        "document_id": ident,
        "kind": kind,
        "unit": fields.unit(message, faults),
        "unit_name": message.text(message.first("PV1"), 3, 9),
        "patient": fields.patient(message, faults),
        "title": message.text(header, 16) or message.text(header, 2, 2) or template,
        "created": _created(message, header, faults),
        "dispatch": "e-brev",
        "template": {"id": template or "hl7", "name": message.text(header, 2, 2) or template},
        "body": "\n".join(words),
        "body_format": "text",
        "footer": "",
        "attachments": files,
        "source_system": SOURCE_SYSTEM,
    }
    if faults:
        raise Malformed(faults)
    return data


def _created(message: Message, header: Any, faults: list[FieldError]) -> str:
    """TXA-6 (origination), else TXA-4 (activity), else when the message was made."""
    for number in (6, 4):
        text = message.text(header, number)
        if text:
            try:
                return fields.time(text)
            except ValueError as fault:
                faults.append(FieldError(f"TXA-{number}", str(fault)))
                return ""
    return fields.sent(message, faults)


def _observations(message: Message, faults: list[FieldError]) -> tuple[list[dict[str, Any]], list[str]]:
    files: list[dict[str, Any]] = []
    words: list[str] = []
    for place, segment in enumerate(message.segments("OBX"), 1):
        kind = message.text(segment, 2).upper()
        if kind in ("TX", "FT", "ST"):
            words += [each.text(1) for each in message.repetitions(segment, 5)]
            continue
        if kind != "ED":
            faults.append(FieldError(f"OBX[{place}]-2", "should be ED, or TX, FT or ST for words"))
            continue
        if message.text(segment, 5, 4).upper() != "BASE64":
            faults.append(FieldError(f"OBX[{place}]-5.4", "should be Base64"))
            continue
        data = "".join(message.text(segment, 5, 5).split())
        try:
            is_pdf = b64decode(data, validate=True).startswith(PDF)
        except (binascii.Error, ValueError):
            faults.append(FieldError(f"OBX[{place}]-5.5", "is not base64"))
            continue
        content_type = "application/pdf" if is_pdf else "application/octet-stream"
        name = message.text(segment, 3, 2) or f"dokument-{place}.pdf"
        files.append({"name": name, "content_type": content_type, "data": data, "shared": True, "e_brev": True})
    return files, words
