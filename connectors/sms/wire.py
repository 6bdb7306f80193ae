"""What every SMS provider asks of a text: a sender that phones can show, a number in E.164, few parts. Pure."""

import re
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from connectors.channels import Text
from connectors.sms.parts import parts_of
from schemas.errors import Rejected

PARTS_MAX: Final = 3
"""Our words are fixed and short; more parts mean that something other than them got in."""

_SENDER: Final = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9]{3,11}|\+[1-9][0-9]{4,14}")
"""Alphanumeric: letters and digits (no å ä ö), 3 to 11, not digits alone; or a number in E.164."""
_NUMBER: Final = re.compile(r"\+[1-9][0-9]{4,14}")


@dataclass(frozen=True, slots=True)
class Sender:
    """Who the phone shows, and the provider's account."""

    name: str
    username: str
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        if not _SENDER.fullmatch(self.name):
            raise ValueError("an SMS sender has 3 to 11 letters A to Z and digits, or is a number in E.164")
        if not self.username or ":" in self.username or not self.password:
            raise ValueError("an SMS account needs a username without a colon (RFC 7617 section 2) and a password")

    @property
    def basic(self) -> str:
        """The Authorization header (RFC 7617)."""
        return "Basic " + b64encode(f"{self.username}:{self.password}".encode()).decode()


def checked(text: Text) -> Text:
    """The text, if it can go at all. Raises `Rejected`: no later try would make it better."""
    if not _NUMBER.fullmatch(text.to):
        raise Rejected("not_a_number")
    if not text.words.strip():
        raise Rejected("no_words")
    if parts_of(text.words).number > PARTS_MAX:
        raise Rejected("too_large")
    return text


def object_of(body: bytes) -> dict[str, Any] | None:
    """The JSON object that a body is, else None."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None
