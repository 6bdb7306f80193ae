"""Which of a person's addresses a letter goes to, and how SPAR's two forms of address become ours.

One table in the order of choice (notes on SPAR, section 4): the address a person asked for, then where they are
registered, then the contact address of somebody with a coordination number, then abroad.
"""

from datetime import date
from typing import Final, NamedTuple

from connectors.spar.dates import current
from connectors.spar.names import ADDRESS, ADDRESS_ROOT
from schemas.inbound import Address
from schemas.xml import Element


class Choice(NamedTuple):
    """A row: the element of the post, and why it stands where it does."""

    tag: str
    because: str


CHOICES: Final = (
    Choice(f"{{{ADDRESS_ROOT}sarskildpostadress-1.1}}SarskildPostadress", "the person wants their mail here"),
    Choice(f"{{{ADDRESS_ROOT}folkbokforingsadress-1.1}}Folkbokforingsadress", "where the person is registered"),
    Choice(f"{{{ADDRESS_ROOT}kontaktadress-1.0}}Kontaktadress", "somebody with a coordination number is registered nowhere"),
    Choice(f"{{{ADDRESS_ROOT}utlandsadress-1.1}}Utlandsadress", "somebody who has moved abroad"),
)
"""No row gives an address: the document is handled by hand."""


def choose(post: Element, today: date) -> Address | None:
    """The address of the first row that has a usable one today."""
    for choice in CHOICES:
        for row in current(post.findall(choice.tag), today):
            found = _swedish(row.find(f"{ADDRESS}SvenskAdress")) or _international(row.find(f"{ADDRESS}InternationellAdress"))
            if found is not None:
                return found
    return None


def _swedish(place: Element | None) -> Address | None:
    if place is None:
        return None
    lines = _texts(place, "Utdelningsadress1", "Utdelningsadress2")
    code, city = (next(iter(_texts(place, name)), "") for name in ("PostNr", "Postort"))
    if not lines or not code or not city:
        return None
    return Address(care_of=next(iter(_texts(place, "CareOf")), None), lines=tuple(lines), postal_code=code, city=city)


def _international(place: Element | None) -> Address | None:
    """Free lines and a country. A third line is the place's own; our address has room for two and a city."""
    if place is None:
        return None
    lines = _texts(place, "Utdelningsadress1", "Utdelningsadress2", "Utdelningsadress3")
    if not lines:
        return None
    city = lines[2] if len(lines) == 3 else ""
    return Address(lines=tuple(lines[:2]), postal_code="", city=city, country=next(iter(_texts(place, "Land")), None))


def _texts(place: Element, *names: str) -> list[str]:
    return [text for name in names if (text := (place.findtext(f"{ADDRESS}{name}") or "").strip())]
