"""46elks' `POST /a1/sms`: a form in, JSON out, plain text where it refuses (46elks.com/docs). Pure.

`dontlog=message` keeps the words out of their log: always, though the words say nothing of care (N2). Their refusals have
no codes, only statuses, so the table is one of statuses; a text of theirs is never kept, it repeats the number.
"""

import re
from typing import Final
from urllib.parse import urlencode

from connectors.channels import Text
from connectors.peer import Answer, Call, Row, failed, failed_status, retry_after_s, unreadable
from connectors.sms.wire import Sender, checked, object_of

PATH: Final = "/a1/sms"
FORM: Final = "application/x-www-form-urlencoded"
TAKEN: Final = frozenset({"created", "sent", "delivered"})
_ID: Final = re.compile(r"s[0-9a-f]{32}")

ERRORS: Final = (
    Row("http_400", "rejected", "they find fault with number, sender or words, and will again"),
    Row("http_401", "unavailable", "our credentials: nothing was sent, an operator mends it"),
    Row("http_402", "unavailable", "the account is empty: nothing was sent, an operator fills it"),
    Row("http_403", "unavailable", "the account may not, or is empty: nothing was sent, an operator mends it"),
    Row("http_404", "unavailable", "a wrong address: nothing was sent"),
    Row("http_429", "unavailable", "too fast: not taken, later"),
    Row("http_500", "uncertain", "a fault of theirs after the text had arrived, and they know no repeats"),
    Row("http_503", "unavailable", "they say that they did not serve it"),
    Row("failed", "rejected", "taken, and given up at once: no operator takes the number"),
)
_ROWS: Final = {row.code: row for row in ERRORS}


def content(text: Text, sender: Sender) -> bytes:
    """The form, the same bytes each time. Raises `Rejected`."""
    text = checked(text)
    fields = {"from": sender.name, "to": text.to, "message": text.words, "dontlog": "message"}
    if text.callback_url:
        fields["whendelivered"] = text.callback_url
    return urlencode(fields).encode()


def call(request: bytes, sender: Sender) -> Call:
    """The kept bytes on their way."""
    return Call(PATH, request, {"Content-Type": FORM, "Authorization": sender.basic})


def decode(answer: Answer) -> str:
    """Their id of the message. Raises the three failures; a success that cannot be read is `Uncertain`."""
    row = _ROWS.get(f"http_{answer.status}")
    if row is not None:
        raise failed(row.failure, row.code, retry_after_s=retry_after_s(answer.headers))
    if answer.status != 200:
        raise failed_status(answer, changes=True)
    told = object_of(answer.body) or {}
    status, name = told.get("status"), told.get("id")
    if status == "failed" and isinstance(name, str):
        raise failed(_ROWS["failed"].failure, "failed")
    if status not in TAKEN or not isinstance(name, str):
        raise unreadable(changes=True)
    return name if _ID.fullmatch(name) else ""
