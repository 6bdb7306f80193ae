"""SPAR's person search as bytes: `encode` a question by number, `decode` the answer and its three different "no". Pure.

Not found is an answer with no post. A logical fault is an answer with `Undantag`. A question that breaks the schema is
a SOAP fault. Only the first says something about a person; the other two say that nothing was learnt.

The question is written by zeep from our WSDL subset. The answer is not read by it: zeep turns the register's incomplete
dates into errors and drops what its schema does not name, and both would decide, far from any rule, whether a
protection or a death is seen.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

import schemas
from connectors.peer import Answer, Call, Row, failed, failed_status, loggable
from connectors.soap import Contract
from connectors.spar.names import ACTION, ANSWER, ANSWER_BYTES_MAX, EXCEPTION, PERSON, POSTS_MAX, SEARCH, SOAP
from connectors.spar.post import read
from schemas import persons, xml
from schemas.errors import Malformed, PeerFailure, Rejected
from schemas.events import PersonChanged

WSDL: Final = Path(schemas.__file__).parent / "contracts" / "spar" / "personsok-2021.1.wsdl"
HEADERS: Final[Mapping[str, str]] = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": ACTION}
_CONTRACT: Final = Contract(WSDL, "PersonSok")
_LIMITS: Final = xml.Limits(body_bytes_max=ANSWER_BYTES_MAX, markup_max=40_000, attributes_max=10_000, depth_max=16)
_UUID_CHARS_MAX: Final = 64

ERRORS: Final = (
    Row("fault_client", "rejected", "the question breaks SPAR's schema: the third kind of no"),
    Row("fault_server", "unavailable", "SPAR failed by itself; a question may be asked again"),
    Row("fault_other", "unavailable", "a fault of neither kind, by something between"),
    Row("undantag", "rejected", "a logical fault: the second kind of no; it says nothing about the person"),
    Row("too_many_answers", "rejected", "more posts than SPAR gives: not a question by number"),
)
_ROWS: Final = {row.code: row for row in ERRORS}


@dataclass(frozen=True, slots=True)
class Customer:
    """Who asks: the numbers SPAR gave, and a user id that must lead to one person (or the part of ours that asks by itself)."""

    delivery: int
    end: int
    assignment: int
    user: str

    def __post_init__(self) -> None:
        if not (500_001 <= self.delivery <= 599_999 and 500_001 <= self.end <= 599_999 and self.assignment >= 1):
            raise ValueError("SPAR's customer numbers go from 500001 to 599999, assignments from 1")
        if not 1 <= len(self.user) <= 256:
            raise ValueError("SPAR's end user id has 1 to 256 characters")


class Found(NamedTuple):
    """The post, as news; with SPAR's reference of the answer."""

    person: PersonChanged
    reference: str


class NotFound(NamedTuple):
    """The register's own word that it has no such person."""

    reference: str


def encode(patient: str, customer: Customer) -> Call:
    """The question. Raises `Rejected` for a reserve number, which SPAR does not know and must not be told (R4, P8)."""
    if persons.kind(patient) == "reservnummer":
        raise Rejected("reserve_number")
    body = _CONTRACT.encode(
        {
            "Identifieringsinformation": {
                "KundNrLeveransMottagare": customer.delivery,
                "KundNrSlutkund": customer.end,
                "UppdragId": customer.assignment,
                "SlutAnvandarId": customer.user,
            },
            "PersonsokningFraga": {"IdNummer": patient},
        }
    )
    return Call("", body, HEADERS, changes=False)


def decode(asked: str, answer: Answer, at: datetime) -> Found | NotFound:
    """What SPAR answered at `at` about `asked`. Raises `Rejected` or `Unavailable`; a question is never `Uncertain`."""
    try:
        root = xml.parse(answer.body, _LIMITS)
    except Malformed:
        if answer.status != 200:
            raise failed_status(answer, changes=False) from None
        raise Rejected("unreadable") from None
    body = root.find(f"{SOAP}Body") if root.tag == f"{SOAP}Envelope" else None
    if body is None or len(body) != 1:
        raise failed_status(answer, changes=False)
    if body[0].tag == f"{SOAP}Fault":
        raise _fault(body[0])
    if answer.status != 200 or body[0].tag != f"{ANSWER}SPARPersonsokningSvar":
        raise failed_status(answer, changes=False)
    return _content(body[0], asked, at)


def _content(content: xml.Element, asked: str, at: datetime) -> Found | NotFound:
    echo = content.find(f"{SEARCH}PersonsokningFraga")
    if echo is not None and (echo.findtext(f"{PERSON}IdNummer") or "").strip() != asked:
        raise Rejected("another_question")
    exception = content.find(f"{EXCEPTION}Undantag")
    if exception is not None:
        raise _of_row("undantag", loggable((exception.findtext(f"{EXCEPTION}Kod") or "").strip()))
    posts = content.findall(f"{ANSWER}PersonsokningSvarspost")
    if content.find(f"{EXCEPTION}OverstigerMaxAntalSvarsposter") is not None or len(posts) > POSTS_MAX:
        raise _of_row("too_many_answers")
    reference = _reference(content.findtext(f"{ANSWER}UUID"))
    if not posts:
        if {child.tag for child in content} - {f"{SEARCH}PersonsokningFraga", f"{ANSWER}UUID"}:
            raise Rejected("unreadable", "the answer holds something that is no post")
        return NotFound(reference)
    if len(posts) > 1:
        raise Rejected("several_posts", "a number is one person's")
    return Found(read(posts[0], asked, at), reference)


def _fault(fault: xml.Element) -> PeerFailure:
    """SOAP 1.1 section 4.4.1: `Client` is our fault and stays it, `Server` may pass. The fault's text may hold the number."""
    kind = re.split(r"[.:]", (fault.findtext("faultcode") or "").strip().rpartition(":")[2])[0].lower()
    return _of_row({"client": "fault_client", "server": "fault_server"}.get(kind, "fault_other"))


def _of_row(code: str, detail: str = "") -> PeerFailure:
    row = _ROWS[code]
    return failed(row.failure, row.code, detail)


def _reference(text: str | None) -> str:
    """SPAR's UUID, for their support; nothing else than the form of one is kept."""
    plain = (text or "").strip()
    return plain if len(plain) <= _UUID_CHARS_MAX and re.fullmatch(r"[0-9A-Fa-f-]*", plain) else ""
