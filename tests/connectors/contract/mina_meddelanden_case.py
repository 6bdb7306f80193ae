"""Mina meddelanden: who is reachable, and the delivery of a letter."""

from datetime import date
from typing import Any

from connectors.mina_meddelanden import recipients, wire
from connectors.mina_meddelanden.delivery import Attachment, Delivery
from connectors.mina_meddelanden.faults import QUESTION_ERRORS
from connectors.mina_meddelanden.wire import ERRORS, Receipt, Signatories
from connectors.peer import Answer, Row
from tests.connectors.contract.case import GOLDEN, Exchange, read_answer
from tests.connectors.contract.fixed_key import signatory

SENDER = "162321000016"
ADULT, PARENT, OTHER, NONE = "198005179802", "197508099806", "199007619803", "193102039801"
PEOPLE = [ADULT, PARENT, OTHER, NONE]
HOSTS = {"kivra.invalid", "mmp.invalid"}
DAY = date(2026, 3, 2)
BY = Signatories(signatory(SENDER), signatory(SENDER))
LETTER = Delivery(
    sender=SENDER,
    sender_name="Region Prov",
    recipient=ADULT,
    message_id="0198a7c2-0000-7000-8000-000000000001",
    reference="0198a7c2-0000-7000-8000-000000000001",
    subject="Du har fått en kallelse",
    support="Kontakta mottagningen som skickade brevet",
    phone="+46850000000",
    body='<!DOCTYPE html><html lang="sv"><head><title>Kallelse</title></head><body><p>Välkommen & på återseende</p></body></html>'.encode(),
    attachments=(Attachment("kallelse.pdf", b"%PDF-1.7\n%prov\n"),),
)


def golden(name: str) -> Answer:
    return read_answer(GOLDEN / "mina_meddelanden" / f"{name}.answer.http")


def shown(row: Row) -> Answer:
    """An answer with a row's code, by the golden fault."""
    fault = golden("fault")
    if row.code == "not_delivered":
        return golden("not-delivered")
    if row.code.startswith("fault_"):
        start, end = fault.body.index(b"<detail>"), fault.body.index(b"</detail>") + len(b"</detail>")
        kind = {"fault_client": b"S:Client", "fault_server": b"S:Server"}[row.code]
        return Answer(500, (fault.body[:start] + fault.body[end:]).replace(b"S:Server", kind), fault.headers)
    return Answer(500, fault.body.replace(b">5014<", f">{row.code}<".encode()), fault.headers)


def _reached(found: Any) -> object:
    return {person: (row.reachable, row.operator) for person, row in found.items()}


def _no_better(seen: Any, whole: Any) -> bool:
    """A spoilt name of an operator may cost a mailbox; it never opens one."""
    return all(seen[person] in (whole[person], (False, None)) for person in whole)


EXCHANGES = [
    Exchange(
        "mina_meddelanden",
        "is-reachable",
        lambda: recipients.encode(SENDER, PEOPLE),
        lambda answer: recipients.decode(PEOPLE, HOSTS, answer),
        _reached,
        [(row, shown(row)) for row in QUESTION_ERRORS],
        _no_better,
    ),
    Exchange(
        "mina_meddelanden",
        "deliver-secure",
        lambda: wire.encode(LETTER, BY, DAY),
        lambda answer: wire.decode(ADULT, answer),
        lambda receipt: isinstance(receipt, Receipt),
        [(row, shown(row)) for row in ERRORS],
    ),
]
