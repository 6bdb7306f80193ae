"""What a text says: fixed Swedish words for each template, without anything about a person, a unit or care (N2).

Who gets one learns that there is something to see after logging in, never what, from whom, or about whom: phones lie on tables and are
shared. GSM-7 characters only, so that each is one part of at most 160 characters (3GPP TS 23.038); a test counts.
"""

from collections.abc import Mapping
from string import Template
from types import MappingProxyType
from typing import Final

TEXTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "document_new": "Du har fått något nytt att läsa i appen Alltid öppet. Logga in för att se det.",
        "booking_video_new": "Du har fått en ny bokning i appen Alltid öppet. Logga in för att se den.",
        "booking_video_reminder": "Påminnelse: du har något bokat om en liten stund. Logga in i appen Alltid öppet.",
        "chat_new": "Du har fått ett nytt meddelande i appen Alltid öppet. Logga in för att läsa det.",
        "chat_invitation": "Du har fått en inbjudan i appen Alltid öppet. Logga in för att se den.",
        "conference_invitation": "Du har fått en inbjudan i appen Alltid öppet. Logga in för att se den.",
    }
)
"""By template (`pipelines/rules/notify.py`, and those of chats and invitations)."""

GUESTS: Final[Mapping[str, Template]] = MappingProxyType(
    {"guest_invitation": Template("Du är inbjuden till ett videomöte. Öppna $url Möteskod: $code")}
)
"""Of texts to numbers that staff gave (V9, N3), with places for link and code: they name neither unit nor care."""

GSM_7: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""The basic alphabet of 3GPP TS 23.038 section 6.2.1."""
PART_CHARS_MAX: Final = 160
JOINED_CHARS_MAX: Final = 2 * 153
"""Two parts that a phone joins, each with a header of its own (3GPP TS 23.040 section 9.2.3.24.1)."""


def filled(template: str, places: Mapping[str, str]) -> str | None:
    """The words of a template; None where there is none, where a place is not given, or where they do not fit."""
    words = GUESTS.get(template)
    if words is None:
        return TEXTS.get(template)
    try:
        text = words.substitute(places)
    except KeyError:
        return None
    return text if len(text) <= JOINED_CHARS_MAX and set(text) <= GSM_7 else None
