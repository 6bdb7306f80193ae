"""One person's post (AviseringPost 1.2) as the news it is: `PersonChanged`. Pure, and closed on anything unclear (P8).

Two rules decide what happens to a post that is not quite right. A protection that can be seen is always told, whatever
else of the post cannot be read. And a post whose protection cannot be told is no news at all: what is known stays.
"""

from datetime import date, datetime
from typing import Final, Literal, NamedTuple

from pydantic import ValidationError

from connectors.spar import addresses
from connectors.spar.dates import current, first_day, whole_day
from connectors.spar.names import (
    COORDINATION,
    DEREGISTERED,
    DETAILS,
    DETAILS_TAGS,
    NAME,
    NAME_PART,
    PERSON,
    POST_NAMESPACES,
    POST_TAGS,
    PROTECTED,
    REFERENCE,
)
from schemas import persons
from schemas.errors import Rejected
from schemas.events import PersonChanged
from schemas.fields import STOCKHOLM
from schemas.xml import Element

Protection = Literal["none", "sekretessmarkering", "skyddad_folkbokforing"]

FLAGS: Final[tuple[tuple[str, Protection], ...]] = (
    (f"{PROTECTED}SkyddadFolkbokforing", "skyddad_folkbokforing"),
    (f"{PROTECTED}Sekretessmarkering", "sekretessmarkering"),
)
"""P1, the stronger first."""

DEREGISTRATIONS: Final = {
    "AV": "dead", "A": "dead",
    "UV": "emigrated",
    "GN": "old number", "GS": "old number", "G": "old number",
    "OB": "other", "AS": "other", "TA": "other", "AN": "other", "OO": "other", "O": "other",
}  # fmt: skip
"""Avregistreringsorsak: two letters today, one in older posts. A code not here changes nothing by itself."""

DEATHS: Final = (f"{DEREGISTERED}Avlidendatum", f"{DEREGISTERED}AntraffadDodDatum", f"{COORDINATION}SnAvlidendatum")
"""Any of them present means dead, however incomplete its date."""


class References(NamedTuple):
    """P4: the number the person has now, where this is an old one; and the others they have or had."""

    now: str | None
    others: tuple[str, ...]


def read(post: Element, asked: str, at: datetime) -> PersonChanged:
    """What the register says of `asked` at `at`, the time of the question. Raises `Rejected` where it is unclear."""
    today = at.astimezone(STOCKHOLM).date()
    protection = protection_of(post, today)
    try:
        return _person(post, asked, at, today, protection)
    except (Rejected, ValidationError) as fault:
        if protection == "none":
            raise fault if isinstance(fault, Rejected) else Rejected("unclear_post") from None
    if not _about(post, asked):
        raise Rejected("another_person")
    return PersonChanged(patient=asked, name="", protection=protection, emigrated=False, as_of=at)


def protection_of(post: Element, today: date) -> Protection:
    """The strongest protection anywhere in the post. Raises `Rejected` where neither yes nor no can be read."""
    said: list[tuple[Protection, set[str]]] = []
    for tag, protection in FLAGS:
        flags = post.findall(tag)
        words = {(flag.text or "").strip() for flag in flags} or {"missing"}
        said.append((protection, words | {(flag.text or "").strip() for row in _details(post, today) for flag in row.findall(tag)}))
    some = any("JA" in words for _, words in said)
    for protection, words in said:
        # An unclear flag beside one that says yes counts as yes: it may be the stronger.
        if "JA" in words or (some and words != {"NEJ"}):
            return protection
    if any(words != {"NEJ"} for _, words in said):
        raise Rejected("unclear_protection")
    return "none"


def _person(post: Element, asked: str, at: datetime, today: date, protection: Protection) -> PersonChanged:
    number = _number(post.find(f"{PERSON}PersonId/{PERSON}IdNummer"))
    details = _details(post, today)
    references = _references(details)
    _check_contract(post, details)
    codes = {
        DEREGISTRATIONS.get((code.text or "").strip(), "unknown")
        for row in details
        for code in row.findall(f"{DEREGISTERED}AvregistreringsorsakKod")
    }
    deceased = _deceased(details, codes, today)
    if number != asked:
        # Asked by an old number, the register gives the post of the new one; it is an answer only if it refers back.
        if asked not in references.others:
            raise Rejected("another_person")
        return PersonChanged(
            patient=asked, name=_name(post, today), protection=protection, deceased=deceased, emigrated=False, replaced_by=number, as_of=at
        )
    return PersonChanged(
        patient=asked,
        name=_name(post, today),
        born=next((day for row in details if (day := whole_day(row.findtext(f"{DETAILS}Fodelsedatum"))) is not None), None),
        protection=protection,
        deceased=deceased,
        emigrated="emigrated" in codes,
        replaced_by=references.now if references.now != asked else None,
        linked=tuple(other for other in references.others if other != asked),
        address=addresses.choose(post, today),
        as_of=at,
    )


def _check_contract(post: Element, details: list[Element]) -> None:
    """Raises `Rejected` for an element that 2021.1 has not: nobody can tell what it would have said."""
    if not details and post.find(f"{DETAILS}Persondetaljer") is not None:
        raise Rejected("unclear_post", "of the details none holds today")
    for child in post:
        if child.tag not in POST_TAGS and not str(child.tag).startswith(tuple(POST_NAMESPACES)):
            raise Rejected("unclear_post", "the post holds an element that 2021.1 has not")
    if any(child.tag not in DETAILS_TAGS for row in details for child in row):
        raise Rejected("unclear_post", "the details hold an element that 2021.1 has not")


def _details(post: Element, today: date) -> list[Element]:
    return current(post.findall(f"{DETAILS}Persondetaljer"), today)


def _about(post: Element, asked: str) -> bool:
    """Whether `asked` is named as this person's number at all, for a protected post of which little else can be read."""
    return any((each.text or "").strip() == asked for each in post.iter(f"{PERSON}IdNummer"))


def _number(element: Element | None) -> str:
    try:
        return persons.normalise((element.text or "") if element is not None else "")
    except ValueError:
        raise Rejected("unclear_number") from None


def _references(details: list[Element]) -> References:
    """`Till` is the new number, `Fran` an old one, none another of the same person. Two new numbers are one too many."""
    now: set[str] = set()
    others: list[str] = []
    for reference in (each for row in details for each in row.findall(f"{REFERENCE}Hanvisning")):
        number = _number(reference.find(f"{PERSON}IdNummer"))
        kind = reference.findtext(f"{REFERENCE}Typ")
        if kind == "Till":
            now.add(number)
        elif kind in ("Fran", None):
            others.append(number)
        else:
            raise Rejected("unclear_reference")
    if len(now) > 1:
        raise Rejected("unclear_reference")
    return References(next(iter(now), None), tuple(dict.fromkeys(others)))


def _deceased(details: list[Element], codes: set[str], today: date) -> date | None:
    for tag in DEATHS:
        for row in details:
            if (text := row.findtext(tag)) is not None:
                return first_day(text, today)
    if "dead" not in codes:
        return None
    texts = [text for row in details if (text := row.findtext(f"{DEREGISTERED}Avregistreringsdatum")) is not None]
    return first_day(texts[0], today) if texts else today


def _name(post: Element, today: date) -> str:
    for row in current(post.findall(f"{NAME}Namn"), today):
        parts = [row.findtext(f"{NAME_PART}{part}") for part in ("Fornamn", "Mellannamn", "Efternamn")]
        name = " ".join(text.strip() for text in parts if text) or (row.findtext(f"{NAME_PART}Aviseringsnamn") or "").strip()
        if name:
            return name
    return ""
