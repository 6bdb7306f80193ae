"""LINK Mobility's `POST /sms/send` (SMS REST API 1.6): JSON in, a result code out. Pure.

1005 says that the text is queued. A code that they document for a refusal before that means that nothing was sent; any
other in a successful answer tells that they had the text and not what they did with it, so it is `Uncertain`, and nobody is
sent a second SMS. `ignoreResponse` is told, since by their document the default is no answer.

Delivery reports go to a gate, whose address their support sets for the account, not the request: it is the gateway's
`/callbacks/sms/linkmobility`, and `refId`, which they tell again in each report, is the token that names the text. Without
a gate none are asked for, and a text is known to be taken, not to be delivered.
"""

import re
from typing import Final

import orjson

from connectors.channels import Text
from connectors.peer import Answer, Call, Row, failed, failed_status, loggable, retry_after_s, unreadable
from connectors.sms.wire import Sender, checked, object_of

PATH: Final = "/sms/send"
JSON: Final = "application/json"
QUEUED: Final = 1005
_ID: Final = re.compile(r"(?=.*[A-Za-z])[0-9A-Za-z_-]{10,64}")

ERRORS: Final = (
    Row("http_400", "rejected", "they find fault with number, sender or words, and will again"),
    Row("http_401", "unavailable", "our credentials: nothing was sent, an operator mends it"),
    Row("http_402", "unavailable", "the account is empty: nothing was sent, an operator fills it"),
    Row("http_403", "unavailable", "the account may not: nothing was sent, an operator mends it"),
    Row("http_404", "unavailable", "a wrong address: nothing was sent"),
    Row("http_429", "unavailable", "too fast: not taken, later"),
    Row("http_500", "uncertain", "a fault of theirs after the text had arrived, and they know no repeats"),
    Row("http_503", "unavailable", "they say that they did not serve it"),
    Row("code_106100", "unavailable", "invalid authentication: nothing was sent, an operator mends it"),
    Row("code_106101", "unavailable", "access denied: nothing was sent, an operator mends it"),
    Row("code_106200", "unavailable", "platformId: nothing was sent, an operator mends it"),
    Row("code_106201", "unavailable", "platformPartnerId: nothing was sent, an operator mends it"),
    Row("code_106300", "unavailable", "no gates: nothing was sent, an operator mends it"),
    Row("code_106301", "unavailable", "not this gate: nothing was sent, an operator mends it"),
    Row("not_queued", "uncertain", "a result code other than queued: they had it, and what became of it is not said"),
)
_ROWS: Final = {row.code: row for row in ERRORS}


def content(text: Text, sender: Sender, platform: str, partner: str, gate: str = "") -> bytes:
    """The request, the same bytes each time. Raises `Rejected`."""
    text = checked(text)
    reports = {"deliveryReportGates": [gate], "refId": text.report_token} if gate and text.report_token else {}
    return orjson.dumps(
        {
            "platformId": platform,
            "platformPartnerId": partner,
            "useDeliveryReport": bool(reports),
            **reports,
            "sourceTON": "MSISDN" if sender.name.startswith("+") else "ALPHANUMERIC",
            "source": sender.name,
            "destinationTON": "MSISDN",
            "destination": text.to,
            "userData": text.words,
            "priority": "NORMAL",
            "ignoreResponse": False,
        }
    )


def call(request: bytes, sender: Sender) -> Call:
    """The kept bytes on their way."""
    return Call(PATH, request, {"Content-Type": JSON, "Authorization": sender.basic, "Accept": JSON})


def decode(answer: Answer) -> str:
    """Their id of the message. Raises the three failures; a success that cannot be read is `Uncertain`."""
    row = _ROWS.get(f"http_{answer.status}")
    if row is not None:
        raise failed(row.failure, row.code, retry_after_s=retry_after_s(answer.headers))
    if answer.status != 200:
        raise failed_status(answer, changes=True)
    told = object_of(answer.body) or {}
    code, name = told.get("resultCode"), told.get("messageId")
    if isinstance(code, int) and not isinstance(code, bool) and code != QUEUED:
        row = _ROWS.get(f"code_{code}", _ROWS["not_queued"])
        raise failed(row.failure, row.code, loggable(code))
    if isinstance(code, bool) or code != QUEUED or not isinstance(name, str):
        raise unreadable(changes=True)
    return name if _ID.fullmatch(name) else ""
