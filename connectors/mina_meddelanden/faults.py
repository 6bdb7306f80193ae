"""What Mina meddelanden answers when it does not do as asked: SOAP envelopes, and the table of its fault codes. Pure.

There is no documented check for duplicates on a delivery. So a code after which the letter may lie in the mailbox all
the same (an error nobody explains, a notification that failed) is `uncertain` for a delivery and merely `unavailable`
for a question. A code that is not in the table is such an error.
"""

from typing import Final, NamedTuple

from connectors.mina_meddelanden.names import ANSWER_BYTES_MAX, COMMON_V3, SOAP, UUID_FORM
from connectors.peer import Answer, Failure, Row, failed, failed_status, unreadable
from schemas import xml
from schemas.errors import Malformed, PeerFailure


class Fault(NamedTuple):
    """A row: the code, what it means for a question and for a delivery, and why."""

    code: str
    question: Failure
    delivery: Failure
    because: str


FAULTS: Final = (
    Fault("1", "rejected", "rejected", "invalid input"),
    Fault("2", "unavailable", "unavailable", "their configuration: nothing was taken"),
    Fault("3", "unavailable", "unavailable", "our certificate: an operator mends it"),
    Fault("4", "unavailable", "unavailable", "a nonce was refused before the message was read"),
    Fault("5", "unavailable", "unavailable", "not authorised: an operator mends it"),
    Fault("6", "unavailable", "uncertain", "not unique: it may be here already"),
    Fault("7", "unavailable", "unavailable", "Bolagsverket did not answer"),
    Fault("4999", "unavailable", "uncertain", "a system fault without a name"),
    Fault("5000", "unavailable", "uncertain", "an unknown fault: it may have been taken"),
    Fault("5001", "rejected", "rejected", "invalid input"),
    Fault("5002", "rejected", "rejected", "this sender may not"),
    Fault("5003", "rejected", "rejected", "no such object"),
    Fault("5004", "unavailable", "unavailable", "an earlier job is not complete"),
    Fault("5005", "rejected", "rejected", "more than they take"),
    Fault("5006", "rejected", "rejected", "the account is referenced"),
    Fault("5007", "unavailable", "uncertain", "it exists already"),
    Fault("5008", "rejected", "rejected", "the last contact stays"),
    Fault("5009", "rejected", "rejected", "an account could not be registered"),
    Fault("5010", "rejected", "rejected", "a signature within a signature"),
    Fault("5011", "rejected", "rejected", "the account's state does not allow it"),
    Fault("5012", "rejected", "rejected", "our signature does not hold"),
    Fault("5013", "unavailable", "uncertain", "mail or SMS to the recipient failed; the letter may lie there"),
    Fault("5014", "rejected", "rejected", "they do not know this sender"),
    Fault("5015", "rejected", "rejected", "their filter"),
    Fault("5016", "unavailable", "uncertain", "a fault inside theirs"),
    Fault("5017", "unavailable", "unavailable", "SPAR did not answer them"),
    Fault("5018", "unavailable", "unavailable", "Bolagsverket did not answer them"),
    Fault("5019", "rejected", "rejected", "a content type they do not take"),
    Fault("6004", "rejected", "rejected", "a form of company they do not take"),
    Fault("6005", "rejected", "rejected", "the mediator is not approved for this sender"),
    Fault("6006", "rejected", "rejected", "a protected identity (P1)"),
    Fault("6007", "rejected", "rejected", "no such identity"),
    Fault("6008", "unavailable", "uncertain", "an SMS to the recipient failed; the letter may lie there"),
    Fault("fault_client", "rejected", "rejected", "a SOAP fault without their detail: the message breaks their schema"),
    Fault("fault_server", "unavailable", "uncertain", "a SOAP fault without their detail: nobody can tell how far it came"),
)
_BY_CODE: Final = {fault.code: fault for fault in FAULTS}
_UNKNOWN: Final = Fault("fault_unknown", "unavailable", "uncertain", "a code that is not in the table")
_LIMITS: Final = xml.Limits(body_bytes_max=ANSWER_BYTES_MAX, markup_max=60_000, attributes_max=60_000, depth_max=24)

QUESTION_ERRORS: Final = tuple(Row(code, question, because) for code, question, _, because in FAULTS)
DELIVERY_ERRORS: Final = tuple(Row(code, delivery, because) for code, _, delivery, because in FAULTS)


def content(answer: Answer, tag: str, *, changes: bool) -> xml.Element:
    """The one element of a successful answer's body. Raises what a fault, or anything else, means."""
    try:
        root = xml.parse(answer.body, _LIMITS)
    except Malformed:
        raise failed_status(answer, changes=changes) from None
    bodies = root.findall(f"{SOAP}Body") if root.tag == f"{SOAP}Envelope" else []
    if len(bodies) != 1 or len(bodies[0]) != 1:
        raise failed_status(answer, changes=changes)
    found = bodies[0][0]
    if found.tag == f"{SOAP}Fault" and answer.status != 200:
        raise _failure(found, changes)
    if answer.status != 200:
        raise failed_status(answer, changes=changes)
    if found.tag != tag:
        raise unreadable(changes=changes, detail="the answer is to another operation")
    return found


def _failure(fault: xml.Element, changes: bool) -> PeerFailure:
    detail = fault.find(f"detail/{COMMON_V3}applicationFault")
    if detail is None:
        kind = (fault.findtext("faultcode") or "").strip().rpartition(":")[2].partition(".")[0].lower()
        row, call = _BY_CODE["fault_client" if kind == "client" else "fault_server"], ""
    else:
        code = (detail.findtext(f"{COMMON_V3}ErrorCode") or "").strip()
        row = _BY_CODE.get(code, _UNKNOWN) if code.isdigit() else _UNKNOWN
        call = (detail.findtext(f"{COMMON_V3}CallId") or "").strip()
    # Of their texts only the call's id is kept, and only in the form of one: a description may name the person.
    return failed(row.delivery if changes else row.question, row.code, f"call {call}" if UUID_FORM.fullmatch(call) else "")


def boolean(text: str | None) -> bool | None:
    """xs:boolean, or None if it is none."""
    return {"true": True, "1": True, "false": False, "0": False}.get((text or "").strip())
