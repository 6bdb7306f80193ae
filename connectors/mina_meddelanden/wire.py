"""Service v3 `deliverSecure` as bytes: a signed and sealed letter there, the mailbox operator's word back. Pure.

The bytes are made once, with both signatures, and kept: every try sends the same (RSA with PKCS #1 v1.5 is
deterministic, but the day of the seal is not). `TransId` is the only receipt there is.
"""

from dataclasses import dataclass, field
from datetime import date
from typing import Final, NamedTuple

from connectors.mina_meddelanden.delivery import Delivery, sealed_delivery, signed_delivery
from connectors.mina_meddelanden.faults import DELIVERY_ERRORS, boolean, content
from connectors.mina_meddelanden.names import HEADERS, SERVICE, SERVICE_V3, SOAP, SOAP_BYTES_MAX
from connectors.mina_meddelanden.signing import Signatory, sign
from connectors.peer import Answer, Call, Row
from schemas import xml
from schemas.errors import Rejected, Uncertain

NOT_DELIVERED: Final = Row("not_delivered", "rejected", "a legal answer: the mailbox did not take it, the next channel is tried (R12)")
ERRORS: Final = (*DELIVERY_ERRORS, NOT_DELIVERED)
TRANSACTION_CHARS_MAX: Final = 200
_HEAD: Final = (
    f'<soapenv:Envelope xmlns:soapenv="{SOAP[1:-1]}"><soapenv:Body><deliverSecure xmlns="{SERVICE_V3[1:-1]}"><deliverSecure>'.encode()
)
_TAIL: Final = b"</deliverSecure></deliverSecure></soapenv:Body></soapenv:Envelope>"


@dataclass(frozen=True, slots=True)
class Receipt:
    """The mailbox has the letter; `transaction` is the operator's reference."""

    transaction: str = field(repr=False)


class Signatories(NamedTuple):
    """Who signs the letter and who seals it; the same, where the sender is its own mediator."""

    sender: Signatory
    mediator: Signatory


def seal(letter: Delivery, by: Signatories, day: date) -> xml.Element:
    """The `SealedDelivery`, signed twice. `ValueError` if the sender's certificate is another organisation's."""
    if by.sender.organisation != letter.sender:
        raise ValueError("the sender's certificate is another organisation's")
    return sign(sealed_delivery(sign(signed_delivery(letter), by.sender), day), by.mediator)


def encode(letter: Delivery, by: Signatories, day: date) -> Call:
    """The request, to be kept and sent as it is. Raises `Rejected` where it is larger than the 2 MB that are taken (C10).

    The sealed delivery's children stand under `{Service/v3}deliverSecure`; serialised each by itself they bring their
    own declarations along.
    """
    inner = b"".join(xml.serialise(child, declaration=False) for child in seal(letter, by, day))
    body = _HEAD + inner + _TAIL
    if len(body) > SOAP_BYTES_MAX:
        raise Rejected("too_large", f"{len(body)} bytes")
    return Call("", body, HEADERS, changes=True)


def decode(recipient: str, answer: Answer) -> Receipt:
    """The receipt. Raises `Rejected` (refused, or `Delivered=false`), `Unavailable`, or `Uncertain` for all else."""
    results = content(answer, f"{SERVICE_V3}deliverSecureResponse", changes=True).findall(f"{SERVICE_V3}return")
    if len(results) != 1:
        raise Uncertain("unreadable", "not one result")
    transaction = (results[0].findtext(f"{SERVICE}TransId") or "").strip()
    statuses = results[0].findall(f"{SERVICE}Status")
    if len(statuses) != 1 or (statuses[0].findtext(f"{SERVICE}RecipientId") or "").strip() != recipient:
        raise Uncertain("another_answer", "the status is not of this recipient alone")
    delivered = boolean(statuses[0].findtext(f"{SERVICE}Delivered"))
    if delivered is None or not 0 < len(transaction) <= TRANSACTION_CHARS_MAX:
        raise Uncertain("unreadable", "no receipt, or no word on whether it was delivered")
    if not delivered:
        raise Rejected(NOT_DELIVERED.code)
    return Receipt(transaction)
