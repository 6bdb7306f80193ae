"""Kivra's sender API: a letter, the question who has a mailbox, and the token for both."""

from datetime import UTC, datetime
from uuid import UUID

import orjson

from connectors.channels import Enclosure, Letter
from connectors.kivra.errors import ERRORS
from connectors.kivra.wire import Sender, content, content_call, decode_content, decode_match, decode_token, match_call, token_call
from connectors.peer import Answer, Row
from tests.connectors.contract.case import Exchange

SENDER = Sender("tenant_1632100016", "hub", "not a real secret")
TOKEN = "MayBeReadByAnybody"
PEOPLE = ("198005179802", "193102039801", "198811309809")
LETTER = Letter(
    delivery_id=UUID("0d0a9a53-6f0f-5d0a-8f0b-8c116f1d7c1e"),
    recipient="198005179802",
    operator="kivra",
    kind="kallelse",
    title="Kallelse till koloskopi",
    html='<!DOCTYPE html><html lang="sv"><title>Brev</title><p>Välkommen till oss.</p></html>',
    pdf=b"%PDF-1.7\n% a short one, for a test\n%%EOF\n",
    enclosures=(Enclosure("Förberedelser.pdf", "application/pdf", b"%PDF-1.4\n% enclosed\n%%EOF\n"),),
    unit="SE2321000016-A1",
    unit_name="Ortopedmottagningen",
    sent=datetime(2026, 3, 2, 9, 15, tzinfo=UTC),
)


def error(code: str) -> Answer:
    """An error as the API answers it."""
    body = {"code": code, "short_message": "Short", "long_message": "Longer"}
    return Answer(int(code[:3]), orjson.dumps(body), {"x-error-code": code, "x-correlation-id": "f00d"})


def of_question(row: Row) -> Row:
    """A question that may have been answered did nothing all the same."""
    return row._replace(failure="unavailable") if row.failure == "uncertain" else row


SHOWN = [(row, error(row.code)) for row in ERRORS]
ASKED = [(of_question(row), answer) for row, answer in SHOWN]

EXCHANGES = [
    Exchange("kivra", "content", lambda: content_call(content(LETTER), SENDER, TOKEN), decode_content, lambda key: ("taken", key), SHOWN),
    Exchange("kivra", "match", lambda: match_call(PEOPLE, SENDER, TOKEN), lambda answer: decode_match(PEOPLE, answer), sorted, ASKED),
    # A spoilt token or time is no harm: it costs a 401 and a new token.
    Exchange("kivra", "token", lambda: token_call(SENDER), decode_token, lambda token: "a bearer token", ASKED),
]
