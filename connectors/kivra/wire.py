"""Kivra's JSON: `encode` a letter, a question who has a mailbox, a token request; `decode` their answers. Pure.

A letter's bytes are made once and kept: Kivra recognises a repeat by the whole payload but for `generated_at` (its section
"Duplicate control"), so a PDF rendered anew would arrive twice. For the same reason two letters may not be the same by
chance: the delivery's id stands in the payload (as the name of the HTML part, which nobody sees), else the second of two
letters with equal words would be answered "taken" and never arrive.
"""

import re
from base64 import b64encode
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

import orjson

from connectors.channels import Letter
from connectors.kivra.errors import failure_of
from connectors.peer import Answer, Call, unreadable
from connectors.phrases import SUBJECTS
from schemas.cloudevents import time_text
from schemas.errors import Rejected

CONTENT_BYTES_MAX: Final = 1_000_000
"""The whole JSON object of one content for one recipient has to be smaller (their section "Size limits")."""
MATCH_PEOPLE_MAX: Final = 10_000
"""In one question: about 150 kB, of the 10 MB they take."""
TYPE: Final = "letter"
"""Care letters cannot be retained for somebody who is no user yet (42221), and need not: paper is their other way."""
PDF: Final = "application/pdf"
HTML: Final = "text/html"
JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"

_KEY: Final = re.compile(r"[0-9a-f]{32,64}")
_TENANT: Final = re.compile(r"[0-9A-Za-z_]{1,80}")


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends: the tenant's key at Kivra, and the client that may act for it."""

    tenant: str
    client_id: str
    client_secret: str = field(repr=False)

    def __post_init__(self) -> None:
        if not _TENANT.fullmatch(self.tenant):
            raise ValueError("Kivra's tenant key has letters, digits and underscores")
        if not self.client_id or ":" in self.client_id or not self.client_secret:
            raise ValueError("Kivra's client needs an id without a colon (RFC 7617 section 2) and a secret")


class Token(NamedTuple):
    """A bearer token and how long it is good. Not printed."""

    text: str
    seconds: float

    def __repr__(self) -> str:
        return f"Token(seconds={self.seconds})"


def content(letter: Letter) -> bytes:
    """The letter as Kivra's JSON, the same bytes each time. Raises `Rejected("too_large")`."""
    main = _part(f"{letter.kind}.pdf", PDF, letter.pdf)
    main["responsive_part"] = _part(f"{letter.delivery_id}.html", HTML, letter.html.encode())
    body = orjson.dumps(
        {
            "ssn": letter.recipient,
            "subject": SUBJECTS[letter.kind],
            "generated_at": time_text(letter.sent),
            "type": TYPE,
            "parts": [main, *(_part(each.name, PDF, each.data) for each in letter.enclosures)],
        }
    )
    if len(body) >= CONTENT_BYTES_MAX:
        raise Rejected("too_large")
    return body


def content_call(request: bytes, sender: Sender, token: str) -> Call:
    """The kept bytes on their way."""
    return Call(f"/v2/tenant/{sender.tenant}/content", request, _bearer(token))


def decode_content(answer: Answer) -> str:
    """The key of the content at Kivra's. Raises the three failures; a success that cannot be read is `Uncertain`."""
    if answer.status != 201:
        raise failure_of(answer, changes=True)
    made = _object(answer.body)
    key = answer.headers.get("kivra-objkey", "")
    # `type` is ours told back: a 201 without it, or without a key, is not the answer of a content that was made.
    if made is None or made.get("type") != TYPE or not isinstance(made.get("subject"), str) or not key:
        raise unreadable(changes=True)
    return key if _KEY.fullmatch(key) else ""


def match_call(people: Sequence[str], sender: Sender, token: str) -> Call:
    """Who of these people has a mailbox that takes mail from this sender?"""
    return Call(f"/v2/tenant/{sender.tenant}/usermatch/ssn", orjson.dumps({"list": list(people)}), _bearer(token), changes=False)


def decode_match(asked: Collection[str], answer: Answer) -> frozenset[str]:
    """Those of `asked` who can be sent to. Anything unclear is `Rejected`: who is not named would go to paper for nothing."""
    if answer.status != 200:
        raise failure_of(answer, changes=False)
    told = _object(answer.body)
    people = told.get("list") if told is not None and set(told) == {"list"} else None
    if not isinstance(people, list) or not all(isinstance(each, str) for each in people):
        raise unreadable(changes=False)
    found = frozenset(people)
    if not found <= frozenset(asked):
        raise Rejected("another_person")
    return found


def token_call(sender: Sender) -> Call:
    """OAuth 2.0 client credentials (RFC 6749 section 4.4) with Basic authentication."""
    basic = b64encode(f"{sender.client_id}:{sender.client_secret}".encode()).decode()
    body = urlencode({"grant_type": "client_credentials"}).encode()
    return Call("/v1/auth", body, {"Content-Type": FORM, "Authorization": f"Basic {basic}", "Accept": JSON}, changes=False)


def decode_token(answer: Answer) -> Token:
    """The token. Raises `Unavailable` and `Rejected`."""
    if answer.status != 200:
        raise failure_of(answer, changes=False)
    told = _object(answer.body) or {}
    text, seconds, kind = told.get("access_token"), told.get("expires_in"), told.get("token_type")
    good = isinstance(text, str) and re.fullmatch(r"[\x21-\x7e]{1,4096}", text) is not None  # RFC 6750 section 2.1, and more
    if not good or not isinstance(seconds, int) or isinstance(seconds, bool) or seconds < 0 or str(kind).lower() != "bearer":
        raise unreadable(changes=False)
    return Token(str(text), float(seconds))


def _bearer(token: str) -> Mapping[str, str]:
    return {"Content-Type": JSON, "Authorization": f"Bearer {token}", "Accept": JSON}


def _part(name: str, content_type: str, data: bytes) -> dict[str, Any]:
    return {"name": name, "data": b64encode(data).decode(), "content_type": content_type}


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None
