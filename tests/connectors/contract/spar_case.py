"""SPAR's person search: an ordinary person, and two of whom spoilt bytes must never hide what matters."""

from datetime import UTC, datetime
from typing import Any

from connectors.peer import Answer
from connectors.spar.wire import ERRORS, Customer, decode, encode
from tests.connectors.contract.case import GOLDEN, Exchange, read_answer

AT = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
CUSTOMER = Customer(500243, 500243, 637, "care-hub register look-up")
ASKED = {"ordinary": "198005179802", "protected": "198811309809", "deceased": "193102039801"}


def golden(name: str) -> Answer:
    return read_answer(GOLDEN / "spar" / f"{name}.answer.http")


_FAULT = golden("fault")
_SHOWN = {
    "fault_client": _FAULT,
    "fault_server": golden("fault-server"),
    "fault_other": Answer(500, _FAULT.body.replace(b"S:Client", b"S:VersionMismatch"), _FAULT.headers),
    "undantag": golden("exception"),
    "too_many_answers": golden("too-many"),
}


def _meaning(found: Any) -> object:
    person = getattr(found, "person", None)
    if person is None:
        return "not found"
    if person.protection != "none":
        return person.patient, person.protection
    return person.patient, person.protection, person.deceased is not None, person.emigrated, person.replaced_by


def _exchange(name: str, patient: str) -> Exchange:
    return Exchange(
        "spar",
        name,
        lambda: encode(patient, CUSTOMER),
        lambda answer: decode(patient, answer, AT),
        _meaning,
        [(row, _SHOWN[row.code]) for row in ERRORS],
    )


EXCHANGES = [_exchange(name, patient) for name, patient in ASKED.items()]
