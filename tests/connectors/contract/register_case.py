"""The register's own small protocol, held to the same contract."""

from datetime import UTC, datetime
from typing import Any

import orjson

from connectors.peer import Answer, Call, Row
from connectors.register.wire import JSON, PATH, decode, encode
from tests.connectors.contract.case import Exchange

PATIENT = "198005179802"
ROWS = (
    *(
        (Row(f"http_{status}", "unavailable", "it may answer later"), Answer(status, b"", {}))
        for status in (408, 425, 429, 500, 502, 503, 504)
    ),
    (Row("http_404", "rejected", "somebody else's 404 says nothing about a person"), Answer(404, b"<h1>", {})),
    (Row("refused", "rejected", "the register's own code"), Answer(422, orjson.dumps({"code": "refused"}), {})),
)


def _decode(answer: Answer) -> Any:
    return decode(PATIENT, answer.status, answer.headers, answer.body)


def _meaning(person: Any) -> object:
    return (person.patient, person.protection, person.as_of > datetime(2000, 1, 1, tzinfo=UTC)) if person is not None else "not found"


EXCHANGES = [
    Exchange("register", "lookup", lambda: Call(PATH, encode(PATIENT), {"Content-Type": JSON}, changes=False), _decode, _meaning, ROWS)
]
