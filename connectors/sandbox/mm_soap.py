"""SOAP of the stand-in Mina meddelanden services: questions and deliveries read, answers and faults written. Pure.

Requests are held to the schemas before anything else looks at them, as the real services do.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple
from uuid import uuid4

import schemas
from connectors.mina_meddelanden.names import COMMON_V3, RECIPIENT, RECIPIENT_V3, RECIPIENTS_MAX, SERVICE, SERVICE_V3, SOAP
from schemas import xml
from schemas.errors import Malformed

CONTRACTS: Final = Path(schemas.__file__).parent / "contracts" / "mina_meddelanden"
LIMITS: Final = xml.Limits(body_bytes_max=2_097_152, markup_max=60_000, attributes_max=60_000, depth_max=32)

INVALID_INPUT, NOT_FOUND, MAX_EXCEEDED, SIGNATURE, UNKNOWN_SENDER, MIME_TYPE, MEDIATOR = 5001, 5003, 5005, 5012, 5014, 5019, 6005


class Refused(Exception):
    """A fault to answer with. Without a code it is SOAP's own, of a message that breaks the schema."""

    def __init__(self, code: int | None, why: str) -> None:
        self.code = code
        self.why = why
        super().__init__(why)


class Question(NamedTuple):
    """`isReachable`."""

    sender: str
    people: Sequence[str]


@dataclass(frozen=True, slots=True)
class Box:
    """What is known of somebody's mailbox; without an operator there is none."""

    person: str
    operator: str | None = None
    address: str = ""
    accepts: bool = False


SUPPLIERS: Final = {
    "kivra": ("165568402266", "Kivra"),
    "billo": ("165591386718", "Billo"),
    "minmyndighetspost": ("162021009982", "Min Myndighetspost"),
    "fortnox": ("165550009974", "Fortnox"),
}
"""Operator → number and name; the numbers of the last two are the sandbox's own."""


def question(body: bytes) -> Question:
    """Who is asked about, and for whom. Raises `Refused`."""
    asked = content(body, f"{RECIPIENT_V3}isReachable")
    people = [(node.text or "").strip() for node in asked.findall(f"{RECIPIENT_V3}recipientId")]
    if len(people) > RECIPIENTS_MAX:
        raise Refused(MAX_EXCEEDED, f"More than {RECIPIENTS_MAX} recipients in one question")
    _check("recipient-v3.xsd", asked)
    return Question((asked.findtext(f"{RECIPIENT_V3}senderOrgNr") or "").strip(), people)


def delivery(body: bytes) -> xml.Element:
    """The `deliverSecure` of a request, right by its schema. Raises `Refused`."""
    found = content(body, f"{SERVICE_V3}deliverSecure")
    _check("service-v3.xsd", found)
    return found


def content(body: bytes, tag: str) -> xml.Element:
    """The one element of a SOAP body. Raises `Refused`."""
    try:
        root = xml.parse(body, LIMITS)
    except Malformed as fault:
        raise Refused(None, fault.cause) from None
    bodies = root.findall(f"{SOAP}Body") if root.tag == f"{SOAP}Envelope" else []
    if len(bodies) != 1 or len(bodies[0]) != 1 or bodies[0][0].tag != tag:
        raise Refused(None, "Not a message of this service")
    return bodies[0][0]


def reachability(boxes: Iterable[Box]) -> bytes:
    """The answer to `isReachable`."""
    answer = xml.element(f"{RECIPIENT_V3}isReachableResponse", nsmap={None: RECIPIENT_V3[1:-1], "r": RECIPIENT[1:-1]})
    for box in boxes:
        row = xml.child(answer, f"{RECIPIENT_V3}return")
        status = xml.child(row, f"{RECIPIENT}AccountStatus")
        xml.child(status, f"{RECIPIENT}RecipientId", box.person)
        xml.child(status, f"{RECIPIENT}Type", "Not" if box.operator is None else "Secure")
        xml.child(status, f"{RECIPIENT}Pending", "false")
        if box.operator is not None:
            number, name = SUPPLIERS[box.operator]
            supplier = xml.child(status, f"{RECIPIENT}ServiceSupplier")
            xml.child(supplier, f"{RECIPIENT}Id", number)
            xml.child(supplier, f"{RECIPIENT}Name", name)
            xml.child(supplier, f"{RECIPIENT}ServiceAdress", box.address)
            xml.child(supplier, f"{RECIPIENT}InternalServiceAdress", "")
        xml.child(row, f"{RECIPIENT}SenderAccepted", str(box.accepts).lower())
    return _envelope(answer)


def receipt(recipient: str, *, delivered: bool) -> bytes:
    """The answer to `deliverSecure`."""
    answer = xml.element(f"{SERVICE_V3}deliverSecureResponse", nsmap={None: SERVICE_V3[1:-1], "s": SERVICE[1:-1]})
    result = xml.child(answer, f"{SERVICE_V3}return")
    xml.child(result, f"{SERVICE}TransId", str(uuid4()))
    status = xml.child(result, f"{SERVICE}Status")
    xml.child(status, f"{SERVICE}RecipientId", recipient)
    xml.child(status, f"{SERVICE}Delivered", str(delivered).lower())
    return _envelope(answer)


def fault(refused: Refused) -> bytes:
    """The answer, with HTTP status 500 (SOAP 1.1 section 6.2)."""
    answer = xml.element(f"{SOAP}Fault", nsmap={"soap": SOAP[1:-1]})
    answer.append(xml.element("faultcode", "soap:Client"))
    answer.append(xml.element("faultstring", refused.why if refused.code is None else "Application fault"))
    if refused.code is not None:
        detail = xml.element("detail")
        answer.append(detail)
        told = xml.element(f"{COMMON_V3}applicationFault", nsmap={None: COMMON_V3[1:-1]})
        detail.append(told)
        xml.child(told, f"{COMMON_V3}ErrorCode", str(refused.code))
        xml.child(told, f"{COMMON_V3}Description", refused.why)
        xml.child(told, f"{COMMON_V3}CallId", str(uuid4()))
    return _envelope(answer)


def _envelope(answer: xml.Element) -> bytes:
    root = xml.element(f"{SOAP}Envelope", nsmap={"soap": SOAP[1:-1]})
    xml.child(root, f"{SOAP}Body").append(answer)
    return xml.serialise(root)


def _check(name: str, node: xml.Element) -> None:
    try:
        schema(name).check(node)
    except Malformed as fault:
        raise Refused(None, fault.cause) from None


@cache
def schema(name: str) -> xml.Schema:
    """A schema of the contract, by its file."""
    return xml.Schema(CONTRACTS / name)
