"""The register's look-up as bytes: `encode` a question, `decode` an answer. Pure.

A question is `POST URL/lookup {"patient": id}`. The answer is the data of a `person.changed.v1` (200) whose `as_of` is
the register's record's own, or the register's word that it has no such person (404 with `{"code": "no_such_person"}`).
A 404 of anybody else (a proxy, a wrong address) says nothing about a person and must not look as if it did.
"""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from schemas.errors import Malformed, Rejected, Unavailable
from schemas.events import PersonChanged, decode_as

PATH: Final = "/lookup"
JSON: Final = "application/json"
NO_SUCH_PERSON: Final = "no_such_person"
ANSWER_BYTES_MAX: Final = 256 * 1024
RETRY_AFTER_S_MAX: Final = 300.0
CODE_CHARS_MAX: Final = 80

_UNAVAILABLE: Final = frozenset({408, 425, 429, 500, 502, 503, 504})


def encode(patient: str) -> bytes:
    """The body of a question about a normalised person id."""
    return orjson.dumps({"patient": patient})


def decode(asked: str, status: int, headers: Mapping[str, str], body: bytes) -> PersonChanged | None:
    """What the register says of `asked`; None if it has no such person.

    Raises `Unavailable` where asking again later may help, and `Rejected` for everything else: a refusal, or an answer
    that is no answer to this question. A question changes nothing there, so an answer is never `Uncertain`.
    """
    if status in _UNAVAILABLE:
        raise Unavailable(f"http_{status}", retry_after_s=_retry_after(headers))
    if status == 404 and _code(body) == NO_SUCH_PERSON:
        return None
    if status != 200:
        raise Rejected(_code(body) or f"http_{status}")
    try:
        person = decode_as(PersonChanged, body)
    except Malformed as fault:
        raise Rejected("unreadable", fault.cause) from None
    if person.patient != asked:
        raise Rejected("another_person")
    return person


def _code(body: bytes) -> str:
    """The register's own code, if the body has one of a form that may be logged."""
    try:
        answer: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    code = answer.get("code") if isinstance(answer, dict) else None
    if not isinstance(code, str) or len(code) > CODE_CHARS_MAX or not code.replace("_", "").isalpha():
        return ""
    return code


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """`Retry-After` in seconds (RFC 9110 section 10.2.3), bounded; a date is left to our own pauses."""
    text = headers.get("Retry-After", "")
    return min(float(text), RETRY_AFTER_S_MAX) if text.isascii() and text.isdigit() else None
