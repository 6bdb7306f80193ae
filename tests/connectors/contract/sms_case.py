"""The two SMS providers: the same text to both, each with its own bytes."""

from uuid import UUID

import orjson

from connectors.channels import Text
from connectors.peer import Answer
from connectors.sms import elks, linkmobility
from connectors.sms.wire import Sender
from schemas.callback import callback_token
from tests.connectors.contract.case import Exchange

SENDER = Sender("Varden", "hub", "not a real secret")
NOTIFICATION = UUID("21a26d60-17f1-5843-9e34-f8baaa36fc0e")
SECRET = b"a secret for callback URLs"
TEXT = Text(
    NOTIFICATION,
    "+46701740605",
    "Du har ett nytt meddelande i Alltid öppet.",
    f"https://hub.example/callbacks/sms/{callback_token(NOTIFICATION, SECRET)}",
)


def _elks(code: str) -> Answer:
    if code == "failed":
        return Answer(200, orjson.dumps({"id": "s" + "0" * 32, "status": "failed", "direction": "outgoing"}), {})
    return Answer(int(code.removeprefix("http_")), b"Invalid to number", {})


def _linkmobility(code: str) -> Answer:
    if code == "not_queued":
        return Answer(200, orjson.dumps({"resultCode": 106000, "messageId": "", "description": "Unknown"}), {})
    if code.startswith("code_"):
        return Answer(200, orjson.dumps({"resultCode": int(code.removeprefix("code_")), "messageId": ""}), {})
    return Answer(int(code.removeprefix("http_")), b"", {})


EXCHANGES = [
    Exchange(
        "sms",
        "elks",
        lambda: elks.call(elks.content(TEXT, SENDER), SENDER),
        elks.decode,
        lambda reference: "taken",
        [(row, _elks(row.code)) for row in elks.ERRORS],
    ),
    Exchange(
        "sms",
        "linkmobility",
        lambda: linkmobility.call(linkmobility.content(TEXT, SENDER, "COMMON_NO", "1234", "BVldZyQt"), SENDER),
        linkmobility.decode,
        lambda reference: "taken",
        [(row, _linkmobility(row.code)) for row in linkmobility.ERRORS],
    ),
]
