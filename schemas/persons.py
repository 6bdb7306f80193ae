"""Swedish person ids: one normal form, their kind, their check digit and the age they give.

The normal form is twelve characters (DOMAIN section 2): `YYYYMMDDNNNC` for a personnummer, the same with
day + 60 for a samordningsnummer, `99YYYYNNNNNC` for Region Stockholm's reserve numbers, and `XXYYMMDDNNGC`
with two letters for the national reserve number (NRID, rule P2).

Check digits: Luhn over digits 3-11 for the ordinary numbers; a 99-number may pass either that rule or Region
Stockholm's (digits 5-11, the issue year left out). The NRID's own rule is not published in a form we could
verify, so its *shape* alone is checked: nothing is ever sent digitally on such a number (R4), so a mistyped
one can at worst reach the paper queue, where a person looks at it.

Errors are `ValueError` whose text names the reason and never the number: they end up in logs and answers.
"""

import re
from datetime import date, datetime
from functools import lru_cache
from typing import Final, Literal
from zoneinfo import ZoneInfo

Kind = Literal["personnummer", "samordningsnummer", "reservnummer"]

NORMAL_FORM: Final = r"^([0-9]{12}|[0-9]{8}[A-HJ-NPR-UX-Z]{2}[0-9A-Z][0-9])$"
"""What a normalised id looks like, for JSON Schemas (a pattern cannot say that the check digit is right)."""

CACHE_ENTRIES: Final = 16_384
"""Ids kept in the fast path; a worker meets somebody again soon or not for long (a cache of all would be its largest memory)."""

_ORDINARY: Final = re.compile(r"([0-9]{2})?([0-9]{6})([-+]?)([0-9]{4})")
_STOCKHOLM: Final = re.compile(r"(99[0-9]{4})-([0-9]{6})")
_NRID: Final = re.compile(r"([0-9]{2})([0-9]{6})-?([A-HJ-NPR-UX-Z]{2}[0-9A-Z][0-9])")
_DOUBLED: Final = bytes((0, 2, 4, 6, 8, 1, 3, 5, 7, 9))
"""Digit sum of twice the digit (Luhn)."""


def check_digit(digits: str) -> int:
    """The Luhn check digit that belongs after `digits` (weights 2, 1, 2 … from the *right*)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit)
        total += value if place % 2 else _DOUBLED[value]
    return -total % 10


def normalise(text: str, today: date | None = None) -> str:
    """The 12-character normal form of a person id as people and systems write it.

    Accepts twelve digits, with or without a hyphen or plus before the last four, and the ten-digit form, whose
    century is the latest that gives no birth after `today` (a `+` means one hundred years more). `today` is
    the day of now in Europe/Stockholm; left out, it is the machine's own, which matters to a ten-digit number
    of a newborn only. Raises `ValueError` with the reason, never with the number.
    """
    if len(text) == 12 and text.isdigit() and text.isascii():
        return _checked(text)
    stripped = text.strip().upper()
    if found := _ORDINARY.fullmatch(stripped):
        century, birth, sign, last = found.groups()
        return _checked(f"{century or _century(birth, sign == '+', today or _today())}{birth}{last}")
    if found := _STOCKHOLM.fullmatch(stripped):
        return _checked("".join(found.groups()))
    if found := _NRID.fullmatch(stripped):
        return _national_reserve(*found.groups())
    raise ValueError("is not a person id: expected 12 digits, or 10 with - or +")


def kind(pid: str) -> Kind:
    """The kind of a *normalised* id, told from its form alone."""
    if pid.startswith("99") or not pid.isdigit():
        return "reservnummer"
    return "samordningsnummer" if pid[6] >= "6" else "personnummer"


@lru_cache(maxsize=CACHE_ENTRIES)
def born(pid: str) -> date | None:
    """The birth date a *normalised* id tells, or None for reserve numbers (R4 asks for no age)."""
    which = kind(pid)
    if which == "reservnummer":
        return None
    day = int(pid[6:8]) - (60 if which == "samordningsnummer" else 0)
    return date(int(pid[:4]), int(pid[4:6]), day)


def age(born: date, on: date) -> int:
    """Whole years on a day. Born on 29 February: a year older on 1 March (DOMAIN section 2)."""
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day))


def birthday(born: date, years: int) -> date:
    """The day somebody turns `years`: the first day on which `age` says so."""
    try:
        return born.replace(year=born.year + years)
    except ValueError:
        return date(born.year + years, 3, 1)


def fictitious(born: date, serial: int = 980, *, coordination: bool = False) -> str:
    """A test number after Skatteverket's rule: serials 980 to 999 are never given to anybody."""
    if not 980 <= serial <= 999:
        raise ValueError("test numbers have a serial from 980 to 999")
    day = born.day + (60 if coordination else 0)
    body = f"{born:%Y%m}{day:02d}{serial:03d}"
    return f"{body}{check_digit(body[2:])}"


def is_fictitious(pid: str) -> bool:
    """Whether a normalised id is a test number (serial 980 to 999)."""
    return kind(pid) != "reservnummer" and pid[8:11] >= "980"


def reserve_number(year: int, serial: int) -> str:
    """A Region Stockholm reserve number, `99YYYYNNNNNC`, for test data; `year` is the year of issue."""
    body = f"99{year:04d}{serial:05d}"
    return f"{body}{check_digit(body[4:])}"


@lru_cache(maxsize=CACHE_ENTRIES)
def _checked(pid: str) -> str:
    """Twelve digits that have the form of one kind and its check digit right, else `ValueError`."""
    check = int(pid[11])
    if pid.startswith("99"):
        if check not in (check_digit(pid[2:11]), check_digit(pid[4:11])):
            raise ValueError("has a wrong check digit")
        return pid
    if pid.startswith("16"):
        raise ValueError("is an organisation's number, not a person's")
    if pid[:2] not in ("18", "19", "20"):
        raise ValueError("has an unknown century")
    day = int(pid[6:8])
    try:
        date(int(pid[:4]), int(pid[4:6]), day - 60 if day > 60 else day)
    except ValueError:
        raise ValueError("has an impossible birth date") from None
    if check != check_digit(pid[2:11]):
        raise ValueError("has a wrong check digit")
    return pid


def _national_reserve(series: str, birth: str, last: str) -> str:
    """The NRID by shape: the series is the century of birth plus a multiple of three, or 00 with the date unknown."""
    month, day = int(birth[2:4]), int(birth[4:6])
    if series == "00":
        possible = month >= 20 and 40 <= day <= 59
    else:
        possible = series >= "22" and 1 <= month <= 12 and 1 <= day <= 31
    if not possible:
        raise ValueError("has an impossible series or birth date for a national reserve number")
    return f"{series}{birth}{last}"


def _today() -> date:
    return datetime.now(ZoneInfo("Europe/Stockholm")).date()


def _century(birth: str, hundred: bool, today: date) -> str:
    """The century of a ten-digit number; day + 60 is taken back first, and impossible dates are told later."""
    year, month, day = int(birth[:2]), int(birth[2:4]), int(birth[4:6])
    full = today.year - today.year % 100 + year
    if (full, month, day - 60 if day > 60 else day) > (today.year, today.month, today.day):
        full -= 100
    return str((full - 100 if hundred else full) // 100)
