"""Telephone numbers as staff type them, to the one form that is sent to (E.164). Pure.

Of Swedish numbers only those of mobile telephones pass (PTS's numbering plan: 070, 072, 073, 076, 079): a text to another arrives nowhere,
and most personal numbers that somebody pastes by mistake are refused with them.
"""

import re
from typing import Final

TYPED_CHARS_MAX: Final = 40
_BETWEEN: Final = re.compile(r"[\s\u00a0\u2009\u202f.\-\u2010-\u2013\u2212()/]+")
_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
_SWEDISH_MOBILE: Final = re.compile(r"\+467[02369][0-9]{7}", re.ASCII)


def e164(typed: str) -> str:
    """070-123 45 67, 0046 70…, +46 (0)70… → +46701234567. Raises `ValueError`, without the number."""
    digits = _BETWEEN.sub("", typed.strip().replace("(0)", ""))
    if digits.startswith("00"):
        digits = f"+{digits[2:]}"
    elif digits.startswith("0"):
        digits = f"+46{digits[1:]}"
    if not _E164.fullmatch(digits) or (digits.startswith("+46") and not _SWEDISH_MOBILE.fullmatch(digits)):
        raise ValueError("no number that takes texts")
    return digits
