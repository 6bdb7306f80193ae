"""SOAP 1.1 envelopes: opened and written, by pure functions (W3C NOTE-SOAP-20000508)."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from schemas import xml
from schemas.errors import FieldError, Malformed, Problem

SOAP: Final = "http://schemas.xmlsoap.org/soap/envelope/"
FAULT_NAMESPACE: Final = "urn:care-hub:takecare-events:1"
LOGICAL_ADDRESS: Final = "{urn:riv:itintegration:registry:1}LogicalAddress"
UNDERSTOOD: Final = frozenset({LOGICAL_ADDRESS})
CONTENT_TYPE: Final = "text/xml; charset=utf-8"

STATUS_OF_FAULT: Final[Mapping[int, int]] = {400: 500, 409: 500, 422: 500}
"""SOAP 1.1 section 6.2: a fault about the message is a 500. What HTTP itself tells (401, 403, 413, 415, 503)
keeps its status, so that proxies and retry rules understand it."""


class SoapFault(Exception):
    """A fault with a code of its own (section 4.4.1)."""

    def __init__(self, code: str, reason: str) -> None:
        self.code = code
        self.reason = reason
        super().__init__(reason)


class Opened(NamedTuple):
    """A message: the one element of its body and, for RIV-TA, who it is for."""

    payload: xml.Element
    logical_address: str | None


def open_envelope(data: bytes, limits: xml.Limits) -> Opened:
    """The content of a SOAP message. Raises `SoapFault` or `Malformed`."""
    root = xml.parse(data, limits)
    if xml.local_name(root) == "Envelope" and root.tag != f"{{{SOAP}}}Envelope":
        raise SoapFault("VersionMismatch", "The envelope is not SOAP 1.1")
    if root.tag != f"{{{SOAP}}}Envelope":
        raise Malformed([(f"/{xml.local_name(root)}", "should be a SOAP 1.1 Envelope")])
    address = None
    for block in root.findall(f"{{{SOAP}}}Header/*"):
        if block.tag == LOGICAL_ADDRESS:
            address = (block.text or "").strip()
        elif block.get(f"{{{SOAP}}}mustUnderstand") in ("1", "true") and block.tag not in UNDERSTOOD:
            raise SoapFault("MustUnderstand", "A header block that must be understood is not")
    content = root.findall(f"{{{SOAP}}}Body/*")
    if len(content) != 1:
        raise Malformed([("/Envelope/Body", "should hold one element")])
    return Opened(content[0], address)


def envelope(payload: xml.Element) -> bytes:
    """A message with this body."""
    root = xml.element(f"{{{SOAP}}}Envelope", nsmap={"soap": SOAP})
    xml.child(root, f"{{{SOAP}}}Body").append(payload)
    return xml.serialise(root)


def fault(code: str, reason: str, problem: str = "", errors: Iterable[FieldError] = ()) -> bytes:
    """A fault whose detail names the problem type, and each field with its reason."""
    node = xml.element(f"{{{SOAP}}}Fault", nsmap={"soap": SOAP})
    xml.child(node, "faultcode", f"soap:{code}")
    xml.child(node, "faultstring", reason)
    if problem:
        told = xml.child(xml.child(node, "detail"), f"{{{FAULT_NAMESPACE}}}Fault")
        xml.child(told, f"{{{FAULT_NAMESPACE}}}Problem", problem)
        for error in errors:
            one = xml.child(told, f"{{{FAULT_NAMESPACE}}}Error")
            xml.child(one, f"{{{FAULT_NAMESPACE}}}Field", error.pointer)
            xml.child(one, f"{{{FAULT_NAMESPACE}}}Reason", error.reason)
    return envelope(node)


def fault_of(problem: Problem) -> tuple[int, bytes]:
    """The HTTP status and the fault that tell a problem."""
    code = "Server" if problem.status >= 500 else "Client"
    status = STATUS_OF_FAULT.get(problem.status, problem.status)
    return status, fault(code, problem.type.title, problem.type.uri, problem.errors)
