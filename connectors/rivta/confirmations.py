"""ProcessRequestConfirmation (clinicalprocess:activity:request 2.2) to a referral confirmation's document. Pure.

Only `BEK`, "received", is what the domain calls a remissbekräftelse. The others (forwarded, more wanted,
interrupted, rejected) are answers between care units, to be judged by the one who referred before the patient
reads them; nobody chose to send them as e-brev (C4). They are answered INFO and go nowhere.
"""

from typing import Any, Final

from connectors.rivta.times import local_iso
from schemas import xml
from schemas.errors import FieldError, Malformed

RESPONDER: Final = "urn:riv:clinicalprocess:activity:request:ProcessRequestConfirmationResponder:2"
CORE: Final = "urn:riv:clinicalprocess:activity:request:2"
OPERATION: Final = f"{{{RESPONDER}}}ProcessRequestConfirmation"
RECEIVED: Final = "BEK"
CODES: Final = frozenset({RECEIVED, "VID", "KOM", "AVB", "AVV"})
PERSON_ROOTS: Final = frozenset({"1.2.752.129.2.1.3.1", "1.2.752.129.2.1.3.3", "1.2.752.97.3.1.3", "1.2.752.74.9.1"})
"""OIDs of personnummer, samordningsnummer, Region Stockholm's reserve number, national reserve number."""
TITLE: Final = "Remissbekräftelse"
SOURCE_SYSTEM: Final = "rivta"
_CONFIRMATION: Final = "/ProcessRequestConfirmation/requestConfirmation"


def decode_confirmation(payload: xml.Element) -> tuple[str, dict[str, Any]]:
    """The code and the data of `document.submitted.v1`. Raises `Malformed` with every fault."""
    if payload.tag != OPERATION:
        raise Malformed([("/Envelope/Body", "should hold a ProcessRequestConfirmation")])
    node = payload.find(f"{{{CORE}}}requestConfirmation")
    if node is None:
        raise Malformed([(_CONFIRMATION, "is required")])
    faults: list[FieldError] = []
    code = _attribute(node, "typeOfRequestConfirmation", "code", faults)
    if code and code not in CODES:
        faults.append(FieldError(f"{_CONFIRMATION}/typeOfRequestConfirmation/@code", "is not one of the codes"))
    root = _attribute(node, "patient/personId", "root", faults)
    if root and root not in PERSON_ROOTS:
        faults.append(FieldError(f"{_CONFIRMATION}/patient/personId/@root", "is no kind of person id that is known"))
    created = _attribute(node, "requestConfirmationTime", "value", faults)
    try:
        created = local_iso(created) if created else ""
    except ValueError as fault:
        faults.append(FieldError(f"{_CONFIRMATION}/requestConfirmationTime/@value", str(fault)))
    body = node.findtext(_path("outcome/outcomeText"))
    if body is None:
        faults.append(FieldError(f"{_CONFIRMATION}/outcome/outcomeText", "is required"))
    data: dict[str, Any] = {
        "document_id": _attribute(node, "requestConfirmationId", "extension", faults),
        "kind": "remissbekraftelse",
        "unit": _attribute(node, "confirmingOrganisation/careUnitId", "extension", faults),
        "unit_name": node.findtext(_path("confirmingOrganisation/careUnitName")) or "",
        "patient": _attribute(node, "patient/personId", "extension", faults),
        "title": TITLE,
        "created": created,
        "dispatch": "e-brev",
        "template": {"id": f"rivta-{code}", "name": TITLE},
        "body": body or "",
        "body_format": "text",
        "source_system": SOURCE_SYSTEM,
    }
    if faults:
        raise Malformed(faults)
    return code, data


FIELDS: Final = {
    "/document_id": "requestConfirmationId/@extension",
    "/unit": "confirmingOrganisation/careUnitId/@extension",
    "/unit_name": "confirmingOrganisation/careUnitName",
    "/patient": "patient/personId/@extension",
    "/created": "requestConfirmationTime/@value",
    "/body": "outcome/outcomeText",
}


def field_path(pointer: str) -> str:
    """The element behind a pointer into the document's data, as the sender of XML knows it."""
    name = FIELDS.get(pointer)
    return f"{_CONFIRMATION}/{name}" if name else _CONFIRMATION


def encode_result(code: str, error: str = "", message: str = "") -> xml.Element:
    """ProcessRequestConfirmationResponse; `error` is VALIDATION_ERROR or APPLICATION_ERROR."""
    node = xml.element(f"{{{RESPONDER}}}ProcessRequestConfirmationResponse", nsmap={None: RESPONDER, "c": CORE})
    result = xml.child(node, f"{{{RESPONDER}}}result")
    xml.child(result, f"{{{CORE}}}resultCode", code)
    if error:
        xml.child(result, f"{{{CORE}}}errorCode", error)
    if message:
        xml.child(result, f"{{{CORE}}}message", message)
    return node


def _path(steps: str) -> str:
    return "/".join(f"{{{CORE}}}{step}" for step in steps.split("/"))


def _attribute(node: xml.Element, steps: str, name: str, faults: list[FieldError]) -> str:
    found = node.find(_path(steps))
    value = (found.get(name) or "").strip() if found is not None else ""
    if not value:
        faults.append(FieldError(f"{_CONFIRMATION}/{steps}/@{name}", "is required"))
    return value
