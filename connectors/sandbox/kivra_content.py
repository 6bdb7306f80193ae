"""What the stand-in Kivra finds wrong with a content: its own codes, as kivra-api-errors has them. Pure."""

import binascii
import re
from collections.abc import Mapping
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import orjson

CONTENT_BYTES_MAX: Final = 1_000_000
PAYLOAD_BYTES_MAX: Final = 10 * 1024 * 1024
TYPES: Final = frozenset(
    {"letter", "letter.creditnotice", "letter.salary", "letter.form", "letter.signed", "salaryslip", "booking", "registered.letter",
     "invite.sign"}
)  # fmt: skip
RETAINED: Final = frozenset({"letter.creditnotice", "letter.salary", "letter.signed", "salaryslip", "invite.sign"})
PDF: Final = "application/pdf"
HTML: Final = "text/html"
SSN: Final = re.compile(r"(18|19|20)[0-9]{10}")
MESSAGES: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "40001": ("Invalid Request", "The request was invalid"),
        "40008": ("Malformed JSON Payload", "The JSON payload was malformed"),
        "40009": ("Invalid SSN", "The SSN has not the required format"),
        "40012": ("Type Error", "The type failed extended validation"),
        "40019": ("Invalid Files", "The files are invalid"),
        "40024": ("Missing Receiver", "No receiver was specified"),
        "40026": ("Malformed JSON Payload", "Only JSON objects are supported"),
        "40028": ("Unsupported File Type", "A file of a type that is not supported"),
        "40032": ("User Not Found", "No user exists with provided SSN"),
        "40059": ("Schema Violation", "The data does not match the required format"),
        "40100": ("Unauthorized", "Unauthorized"),
        "40104": ("Invalid Client", "Client authentication failed"),
        "40105": ("Invalid Sendrequest", "No accepted sendrequest between sender and receiver"),
        "40400": ("Not Found", "Nothing at this URI"),
        "41300": ("Request Entity Too Large", "The payload is too large"),
        "42221": ("Unprocessable Entity", "Unsupported content type for retained"),
        "42900": ("Too Many Requests", "Too many requests within this timespan"),
        "50301": ("Service Temporarily Unavailable", "Try again later"),
    }
)


class Refusal(NamedTuple):
    """A five-digit code, of which the first three are the HTTP status."""

    code: str


class File(NamedTuple):
    """A file as it came."""

    name: str
    content_type: str
    data: bytes

    def shown(self) -> dict[str, Any]:
        """For the inbox."""
        return {"name": self.name, "content_type": self.content_type, "sha256": sha256(self.data).hexdigest(), "size": len(self.data)}


class Content(NamedTuple):
    """A content that can be delivered: to whom, and its main file as the reader opens it."""

    ssn: str
    subject: str
    type: str
    generated_at: str | None
    data: bytes
    others: tuple[Mapping[str, Any], ...]
    """The other files, as the inbox shows them: what is read on a phone, and enclosures."""
    reference: str
    """What the sender calls it: the name of its HTML part, without the ending; empty where it has none."""
    digest: bytes
    """Of the whole payload but `generated_at`: what their duplicate control compares."""


def read_content(payload: bytes) -> Content | Refusal:
    """A content from the body of its request."""
    if len(payload) >= CONTENT_BYTES_MAX:
        return Refusal("41300")
    try:
        given: Any = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return Refusal("40008")
    if not isinstance(given, dict):
        return Refusal("40026")
    ssn, subject, kind, parts = (given.get(name) for name in ("ssn", "subject", "type", "parts"))
    if ssn is None:
        return Refusal("40024")
    if not isinstance(ssn, str) or not SSN.fullmatch(ssn):
        return Refusal("40009")
    if not isinstance(subject, str) or not subject or not isinstance(kind, str):
        return Refusal("40059")
    if kind not in TYPES:
        return Refusal("40012")
    if given.get("retain") and kind not in RETAINED:
        return Refusal("42221")
    if not isinstance(parts, list) or not parts:
        return Refusal("40059")
    files: list[File] = []
    for part in parts:
        found = [_file(part, PDF)]
        if isinstance(part, dict) and "responsive_part" in part:
            found.append(_file(part["responsive_part"], HTML))
        for each in found:
            if isinstance(each, Refusal):
                return each
            files.append(each)
    main, *others = files
    name = str(parts[0].get("responsive_part", {}).get("name", "")).rpartition(".")[0]
    compared = {key: value for key, value in given.items() if key != "generated_at"}
    digest = sha256(orjson.dumps(compared, option=orjson.OPT_SORT_KEYS)).digest()
    made_at = given.get("generated_at")
    shown = tuple(each.shown() for each in others)
    return Content(ssn, subject, kind, made_at if isinstance(made_at, str) else None, main.data, shown, name, digest)


def _file(part: Any, content_type: str) -> File | Refusal:
    """One file object."""
    if not isinstance(part, dict) or not all(isinstance(part.get(name), str) for name in ("name", "data", "content_type")):
        return Refusal("40059")
    if part["content_type"] != content_type:
        return Refusal("40028")
    try:
        data = binascii.a2b_base64(part["data"].encode("ascii"), strict_mode=True)
    except ValueError:
        return Refusal("40019")
    if content_type == PDF and not data.startswith(b"%PDF-"):
        return Refusal("40019")
    return File(part["name"], content_type, data)
