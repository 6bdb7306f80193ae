"""What a mailbox operator does with a delivery before it takes it: both signatures, whose they are, and what is inside. Pure.

The root that was signed is not on the wire; it is written anew first (`rebuild`), the same for the letter within.
"""

import base64
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from connectors.mina_meddelanden import rebuild
from connectors.mina_meddelanden.names import MESSAGE, MESSAGE_V2, MESSAGE_V3, SENDER
from connectors.mina_meddelanden.signing import BadSignature, check, organisation
from connectors.sandbox.mm_soap import INVALID_INPUT, MEDIATOR, MIME_TYPE, SIGNATURE, UNKNOWN_SENDER, Refused, delivery
from connectors.sandbox.signers import Trust
from schemas import xml
from schemas.errors import Malformed

BODY_TYPES: Final = frozenset({"text/plain", "text/html"})
ATTACHMENT_TYPES: Final = frozenset({"application/pdf"})


@dataclass(frozen=True, slots=True)
class Content:
    """A body or an attachment, as it was received."""

    content_type: str
    data: bytes
    name: str = ""

    def shown(self) -> dict[str, Any]:
        """For the inbox."""
        return {"name": self.name, "content_type": self.content_type, "sha256": sha256(self.data).hexdigest(), "size": len(self.data)}


@dataclass(frozen=True, slots=True)
class Received:
    """A letter whose signatures hold."""

    recipient: str
    reference: str
    subject: str
    body: Content
    attachments: tuple[Content, ...]


def received(request: bytes, sender: str, trust: Trust, at: datetime) -> Received:
    """The letter of a request. Raises `Refused` where a real operator would not take it."""
    delivery(request)
    try:
        sealed = rebuild.sealed(request)
        signed = rebuild.signed(sealed)
        mediator, author = check(sealed, at), check(signed, at)
    except (Malformed, BadSignature) as fault:
        raise Refused(SIGNATURE, f"A signature does not hold: {fault}") from None
    _issued(mediator, trust)
    _issued(author, trust)
    if organisation(mediator) != trust.mediator:
        raise Refused(MEDIATOR, "The delivery is sealed by nobody registered as a mediator")
    head = _one(signed, f"{MESSAGE_V3}Delivery/{MESSAGE_V3}Header")
    said = _text(head, f"{MESSAGE_V2}Sender/{SENDER}Id")
    if said != sender:
        raise Refused(UNKNOWN_SENDER, "The sender is not known here")
    if organisation(author) != said:
        raise Refused(SIGNATURE, "The letter is signed by another organisation than its sender")
    if _text(sealed, f"{MESSAGE_V3}Seal/{MESSAGE}SignaturesOK") not in ("true", "1"):
        raise Refused(SIGNATURE, "The mediator's seal says that the sender's signature does not hold")
    message = _one(signed, f"{MESSAGE_V3}Delivery/{MESSAGE_V3}Message")
    return Received(
        _text(head, f"{MESSAGE_V2}Recipient"),
        head.findtext(f"{MESSAGE_V2}Reference") or _text(message, f"{MESSAGE_V3}Header/{MESSAGE_V3}Id"),
        message.findtext(f"{MESSAGE_V3}Header/{MESSAGE_V3}Subject") or "",
        _content(_one(message, f"{MESSAGE_V3}Body"), BODY_TYPES),
        tuple(_content(each, ATTACHMENT_TYPES) for each in message.findall(f"{MESSAGE_V3}Attachment")),
    )


def _issued(certificate: x509.Certificate, trust: Trust) -> None:
    try:
        certificate.verify_directly_issued_by(trust.authority)
    except (ValueError, TypeError, InvalidSignature):
        raise Refused(SIGNATURE, "A certificate is of no authority that is trusted here") from None


def _content(node: xml.Element, types: frozenset[str]) -> Content:
    kind = _text(node, f"{MESSAGE}ContentType")
    if kind not in types:
        raise Refused(MIME_TYPE, "A content type that is not taken")
    data = base64.b64decode(_text(node, f"{MESSAGE}Body"))  # its form is the schema's to keep
    if not data:
        raise Refused(INVALID_INPUT, "An empty body")
    return Content(kind, data, node.findtext(f"{MESSAGE}Filename") or "")


def _one(node: xml.Element, path: str) -> xml.Element:
    found = node.findall(path)
    if len(found) != 1:
        raise Refused(INVALID_INPUT, f"Not one {path.rpartition('}')[2]}")
    return found[0]


def _text(node: xml.Element, path: str) -> str:
    return (node.findtext(path) or "").strip()
