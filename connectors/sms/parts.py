"""How many parts a text is as SMS: GSM 7-bit where every character has a place in it, else UCS-2 (3GPP TS 23.038). Pure.

One part holds 160 septets or 70 UTF-16 units; of a text in several parts each gives six octets to the header that joins
them (3GPP TS 23.040 section 9.2.3.24.1), so 153 and 67 are left. A character that is two septets (escape) or two units
(surrogates) is never cut between two parts: the next part begins with it.
"""

from typing import Final, Literal, NamedTuple

Alphabet = Literal["gsm7", "ucs2"]

BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""The default alphabet, section 6.2.1; escape is no character of its own."""
ESCAPED: Final = frozenset("\f^{}\\[~]|€")
"""The extension table, section 6.2.1.1: two septets each."""
ALONE: Final = {"gsm7": 160, "ucs2": 70}
JOINED: Final = {"gsm7": 153, "ucs2": 67}


class Parts(NamedTuple):
    """A text as it goes over the air: `units` are septets or UTF-16 units, `number` is of parts."""

    alphabet: Alphabet
    units: int
    number: int


def parts_of(words: str) -> Parts:
    """The alphabet a text needs, its length in it, and in how many parts it goes; an empty text is one part."""
    if all(each in BASIC or each in ESCAPED for each in words):
        alphabet: Alphabet = "gsm7"
        widths = [2 if each in ESCAPED else 1 for each in words]
    else:
        alphabet = "ucs2"
        widths = [2 if ord(each) > 0xFFFF else 1 for each in words]
    units = sum(widths)
    if units <= ALONE[alphabet]:
        return Parts(alphabet, units, 1)
    count, used, room = 1, 0, JOINED[alphabet]
    for width in widths:
        if used + width > room:
            count, used = count + 1, 0
        used += width
    return Parts(alphabet, units, count)
