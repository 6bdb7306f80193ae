"""A letter as Mina meddelanden's structure: `Delivery` within `SignedDelivery` within `SealedDelivery`, not yet signed. Pure.

Written without prefixes: each element whose namespace changes declares its own default. What is signed is a document of
its own, and only in this form does the receiver, who finds it under other declarations, arrive at the same bytes.
"""

import base64
import hashlib
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from connectors.mina_meddelanden.names import MESSAGE, MESSAGE_V2, MESSAGE_V3, RECIPIENT_ID, SENDER, SENDER_ID
from schemas import xml

SUBJECT_CHARS_MAX: Final = 255
SUPPORT_CHARS_MAX: Final = 1024
CONTACT_CHARS_MAX: Final = 255
SENDER_NAME_CHARS: Final = (2, 256)
BODY_TYPES: Final = ("text/html", "text/plain")
ATTACHMENT_TYPES: Final = ("application/pdf",)
LANGUAGE: Final = "svSE"
"""The form that every sample has (it is no RFC 5646 tag)."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file beside the letter."""

    filename: str = field(repr=False)
    data: bytes = field(repr=False)
    content_type: str = "application/pdf"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One letter to one person. Ids are the delivery's own and stay the same at every try. Not printed: it is personal data."""

    sender: str
    sender_name: str
    recipient: str = field(repr=False)
    message_id: str
    reference: str
    """Our own name of the delivery, which the operator sees: `Reference` and `CorrelationId`."""
    subject: str = field(repr=False)
    support: str = field(repr=False)
    body: bytes = field(repr=False)
    body_type: str = "text/html"
    phone: str = ""
    attachments: tuple[Attachment, ...] = ()

    def __post_init__(self) -> None:
        """`ValueError` for what the contract does not take: a fault of ours, found before anything is signed."""
        least, most = SENDER_NAME_CHARS
        checks = (
            (bool(SENDER_ID.fullmatch(self.sender)), "sender"),
            (least <= len(self.sender_name) <= most, "sender_name"),
            (bool(RECIPIENT_ID.fullmatch(self.recipient)), "recipient"),
            (bool(self.message_id) and bool(self.reference), "message_id, reference"),
            (0 < len(self.subject) <= SUBJECT_CHARS_MAX, "subject"),
            (0 < len(self.support) <= SUPPORT_CHARS_MAX and len(self.phone) <= CONTACT_CHARS_MAX, "support"),
            (bool(self.body) and self.body_type in BODY_TYPES, "body"),
            (all(each.content_type in ATTACHMENT_TYPES and each.filename and each.data for each in self.attachments), "attachments"),
        )
        wrong = [name for right, name in checks if not right]
        if wrong:
            raise ValueError(f"not a letter that Mina meddelanden takes: {', '.join(wrong)}")


def signed_delivery(of: Delivery) -> xml.Element:
    """The document that the sender signs."""
    root = xml.element(f"{MESSAGE_V3}SignedDelivery", nsmap={None: MESSAGE_V3[1:-1]})
    delivery = _child(root, MESSAGE_V3, "Delivery")
    header = _child(delivery, MESSAGE_V3, "Header")
    sender = _child(header, MESSAGE_V2, "Sender")
    _child(sender, SENDER, "Id", of.sender)
    _child(sender, SENDER, "Name", of.sender_name)
    _child(header, MESSAGE_V2, "Recipient", of.recipient)
    _child(header, MESSAGE_V2, "Reference", of.reference)
    _child(header, MESSAGE_V2, "CorrelationId", of.reference)
    message = _child(delivery, MESSAGE_V3, "Message")
    about = _child(message, MESSAGE_V3, "Header")
    _child(about, MESSAGE_V3, "Id", of.message_id)
    _child(about, MESSAGE_V3, "Subject", of.subject)
    support = _child(about, MESSAGE_V3, "Supportinfo")
    _child(support, MESSAGE_V3, "Text", of.support)
    if of.phone:
        _child(support, MESSAGE_V3, "PhoneNumber", of.phone)
    _child(about, MESSAGE_V3, "Language", LANGUAGE)
    body = _child(message, MESSAGE_V3, "Body")
    _child(body, MESSAGE, "ContentType", of.body_type)
    _child(body, MESSAGE, "Body", base64.b64encode(of.body).decode())
    for each in of.attachments:
        attachment = _child(message, MESSAGE_V3, "Attachment")
        _child(attachment, MESSAGE, "ContentType", each.content_type)
        _child(attachment, MESSAGE, "Body", base64.b64encode(each.data).decode())
        # What senders write here: no secret hangs on it (the signature guards the bytes).
        _child(attachment, MESSAGE, "Checksum", hashlib.md5(each.data, usedforsecurity=False).hexdigest().upper())
        _child(attachment, MESSAGE, "Filename", each.filename)
    return root


def sealed_delivery(signed: xml.Element, received: date) -> xml.Element:
    """The document that the mediator signs: the sender's, with the seal that its signature was checked on a day."""
    root = xml.element(f"{MESSAGE_V3}SealedDelivery", nsmap={None: MESSAGE_V3[1:-1]})
    root.append(signed)
    seal = _child(root, MESSAGE_V3, "Seal")
    _child(seal, MESSAGE, "ReceivedTime", received.isoformat())
    _child(seal, MESSAGE, "SignaturesOK", "true")
    return root


def _child(parent: xml.Element, namespace: str, name: str, text: str | None = None) -> xml.Element:
    """A last child that declares its default namespace where it is not its parent's."""
    made = xml.element(f"{namespace}{name}", text, nsmap={None: namespace[1:-1]})
    parent.append(made)
    return made
