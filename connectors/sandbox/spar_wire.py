"""SPAR person search 2021.1 from the register's side: a question read, and the posts that people have. Pure.

The posts are written from the records of `person.changed.v1` that the stand-in knows. What SPAR has no way to say stays out: a linked
reserve number, and when a record is of. As in the original, some days of death are incomplete.
"""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any, Final, NamedTuple
from uuid import NAMESPACE_URL, uuid5

from connectors.spar.names import (
    ADDRESS,
    ADDRESS_ROOT,
    ANSWER,
    DATE,
    DEREGISTERED,
    DETAILS,
    EXCEPTION,
    NAME,
    NAME_PART,
    PERSON,
    PROTECTED,
    REFERENCE,
    SEARCH,
    SOAP,
)
from schemas import persons, xml
from schemas.errors import Malformed

CONTENT_TYPE: Final = "text/xml"
SINCE: Final = "2020-05-01"
FOR_GOOD: Final = "9999-12-31"
RELAY: Final[Mapping[str, Any]] = {"lines": ["BOX 2820"], "postal_code": "40320", "city": "GÖTEBORG"}
"""Skatteverket's: the address of everybody with skyddad folkbokföring (P1)."""
CUSTOMERS: Final = range(500_001, 600_000)

_QUESTION: Final = "{http://statenspersonadressregister.se/schema/personsok/2021.1/personsokningfraga}SPARPersonsokningFraga"
_IDENTIFICATION: Final = "{http://statenspersonadressregister.se/schema/komponent/metadata/identifieringsinformationWs-1.1}"
_NUMBER: Final = re.compile(r"[1-9][0-9]{11}")
_LIMITS: Final = xml.Limits(body_bytes_max=16 * 1024, markup_max=100, attributes_max=100, depth_max=12)
_NAMESPACES: Final[dict[str | None, str]] = {
    "S": SOAP, "svar": ANSWER, "sok": SEARCH, "undantag": EXCEPTION, "person": PERSON, "skydd": PROTECTED, "pdt": DETAILS,
    "avreg": DEREGISTERED, "hanv": REFERENCE, "namn": NAME, "dn": NAME_PART, "d": DATE, "adr": ADDRESS,
}  # fmt: skip
_MAP: Final = {prefix: space.strip("{}") for prefix, space in _NAMESPACES.items()}


class Asked(NamedTuple):
    """A question by number."""

    number: str
    is_customer: bool


def asked(body: bytes) -> Asked | None:
    """The question; None where it breaks the schema (a SOAP fault)."""
    try:
        root = xml.parse(body, _LIMITS)
    except Malformed:
        return None
    question = root.find(f"{SOAP}Body/{_QUESTION}")
    if question is None:
        return None
    number = (question.findtext(f"{SEARCH}PersonsokningFraga/{PERSON}IdNummer") or "").strip()
    who = [question.findtext(f"{_IDENTIFICATION}Identifieringsinformation/{_IDENTIFICATION}{name}") or "" for name in
           ("KundNrLeveransMottagare", "KundNrSlutkund", "UppdragId", "SlutAnvandarId")]  # fmt: skip
    if not _NUMBER.fullmatch(number) or not all(who):
        return None
    return Asked(number, all(text.isascii() and text.isdigit() and int(text) in CUSTOMERS for text in who[:2]))


def fault(kind: str, text: str) -> bytes:
    """A SOAP 1.1 fault; HTTP 500 goes with it."""
    envelope, body = _envelope()
    made = xml.child(body, f"{SOAP}Fault")
    xml.child(made, "faultcode", f"S:{kind}")
    xml.child(made, "faultstring", text)
    return xml.serialise(envelope)


def exception(number: str, code: str, text: str) -> bytes:
    """`Undantag`: the question is well formed and not answered."""
    envelope, answer = _answer(number)
    made = xml.child(answer, f"{EXCEPTION}Undantag")
    xml.child(made, f"{EXCEPTION}Kod", code)
    xml.child(made, f"{EXCEPTION}Beskrivning", text)
    return _ended(envelope, answer, number)


def nobody(number: str) -> bytes:
    """The register's word that it has no such person: no post."""
    envelope, answer = _answer(number)
    return _ended(envelope, answer, number)


def post(number: str, record: Mapping[str, Any]) -> bytes:
    """The person's post, from the data of a `person.changed.v1`."""
    envelope, answer = _answer(number)
    made = xml.child(answer, f"{ANSWER}PersonsokningSvarspost")
    person = xml.child(made, f"{PERSON}PersonId")
    xml.child(person, f"{PERSON}IdNummer", number)
    xml.child(person, f"{PERSON}Typ", "SAMORDNINGSNUMMER" if persons.kind(number) == "samordningsnummer" else "PERSONNUMMER")
    protection = record["protection"]
    xml.child(made, f"{PROTECTED}Sekretessmarkering", "JA" if protection == "sekretessmarkering" else "NEJ")
    xml.child(made, f"{PROTECTED}SkyddadFolkbokforing", "JA" if protection == "skyddad_folkbokforing" else "NEJ")
    xml.child(made, f"{PERSON}SenasteAndringSPAR", str(record["as_of"])[:10])
    _name(made, str(record["name"]))
    _details(made, record)
    address = RELAY if protection == "skyddad_folkbokforing" else record.get("address")
    if address is not None:
        _address(made, address, special=address is RELAY)
    return _ended(envelope, answer, number)


def _envelope() -> tuple[xml.Element, xml.Element]:
    envelope = xml.element(f"{SOAP}Envelope", nsmap=_MAP)
    return envelope, xml.child(envelope, f"{SOAP}Body")


def _answer(number: str) -> tuple[xml.Element, xml.Element]:
    envelope, body = _envelope()
    answer = xml.child(body, f"{ANSWER}SPARPersonsokningSvar")
    echo = xml.child(answer, f"{SEARCH}PersonsokningFraga")
    xml.child(echo, f"{PERSON}IdNummer", number)
    return envelope, answer


def _ended(envelope: xml.Element, answer: xml.Element, number: str) -> bytes:
    xml.child(answer, f"{ANSWER}UUID", str(uuid5(NAMESPACE_URL, f"urn:sandbox:spar:{number}")))
    return xml.serialise(envelope)


def _held(row: xml.Element) -> xml.Element:
    xml.child(row, f"{DATE}DatumFrom", SINCE)
    xml.child(row, f"{DATE}DatumTill", FOR_GOOD)
    return row


def _name(post_: xml.Element, name: str) -> None:
    if not name.strip():
        return
    row = _held(xml.child(post_, f"{NAME}Namn"))
    first, _, last = name.strip().rpartition(" ")
    xml.child(row, f"{NAME_PART}Aviseringsnamn", f"{last}, {first}" if first else last)
    if first:
        xml.child(row, f"{NAME_PART}Fornamn", first)
    xml.child(row, f"{NAME_PART}Efternamn", last)


def _details(post_: xml.Element, record: Mapping[str, Any]) -> None:
    row = _held(xml.child(post_, f"{DETAILS}Persondetaljer"))
    dead, new = record.get("deceased"), record.get("replaced_by")
    code = "AV" if dead else "GN" if new else "UV" if record["emigrated"] else None
    if code is not None:
        xml.child(row, f"{DEREGISTERED}AvregistreringsorsakKod", code)
    if dead:
        xml.child(row, f"{DEREGISTERED}Avlidendatum", _incomplete(date.fromisoformat(str(dead))))
    if record.get("born"):
        xml.child(row, f"{DETAILS}Fodelsedatum", str(record["born"]))
    others = [each for each in record.get("linked", ()) if persons.kind(each) != "reservnummer" and each != new]
    for number, kind in [*([(new, "Till")] if new else []), *((each, "Fran") for each in others)]:
        reference = xml.child(row, f"{REFERENCE}Hanvisning")
        xml.child(reference, f"{PERSON}IdNummer", number)
        xml.child(reference, f"{REFERENCE}Typ", kind)


def _incomplete(day: date) -> str:
    """Some days are not known: the first of a month is written without its day, the first of a year without month and day."""
    if day.day > 1:
        return day.isoformat()
    return f"{day.year:04}-{day.month if day.month > 1 else 0:02}-00"


def _address(post_: xml.Element, address: Mapping[str, Any], *, special: bool) -> None:
    lines = list(address["lines"])
    code = str(address["postal_code"]).replace(" ", "")
    if address.get("country") or not re.fullmatch("[1-9][0-9]{4}", code):
        abroad = xml.child(post_, f"{{{ADDRESS_ROOT}utlandsadress-1.1}}Utlandsadress")
        place = _held(xml.child(abroad, f"{ADDRESS}InternationellAdress"))
        place_line = " ".join(filter(None, (code, str(address["city"]))))
        for number, line in enumerate([*lines, *filter(None, [place_line])][:3], start=1):
            xml.child(place, f"{ADDRESS}Utdelningsadress{number}", line)
        xml.child(place, f"{ADDRESS}Land", address.get("country") or "OKÄNT")
        return
    kind = "sarskildpostadress-1.1}SarskildPostadress" if special else "folkbokforingsadress-1.1}Folkbokforingsadress"
    place = _held(xml.child(xml.child(post_, f"{{{ADDRESS_ROOT}{kind}"), f"{ADDRESS}SvenskAdress"))
    if address.get("care_of"):
        xml.child(place, f"{ADDRESS}CareOf", address["care_of"])
    for number, line in zip((1, 2) if len(lines) > 1 else (2,), lines, strict=False):
        xml.child(place, f"{ADDRESS}Utdelningsadress{number}", line)
    xml.child(place, f"{ADDRESS}PostNr", code)
    xml.child(place, f"{ADDRESS}Postort", address["city"])
