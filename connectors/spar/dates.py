"""SPAR's dates: some are incomplete, and most facts come as a history of which one row is current.

The register writes what it knows of a day (type SparOfullstandigtDatum): `2019-01-01`, `2019-01-00`, `2019-00-00`,
`0000-00-00`, `200101`, `2001`, `0`. A strict date type refuses them and with them the news that somebody has died.
"""

import re
from collections.abc import Iterable
from datetime import date
from typing import Final

from connectors.spar.names import DATE
from schemas.xml import Element

_DIGITS: Final = re.compile(r"[0-9]{0,8}")
YEAR_MIN: Final = 1800


def first_day(text: str, today: date) -> date:
    """The first day that an incomplete date may mean; `today` where not even the year is known, or it lies ahead.

    The hub needs *that* a person is dead (R2) and shows when; a missing month must not hide the death.
    """
    digits = text.strip().replace("-", "")
    if not _DIGITS.fullmatch(digits):
        return today
    year, month, day = (int(part or "0") for part in (digits[:4], digits[4:6], digits[6:8]))
    if year < YEAR_MIN:
        return today
    try:
        found = date(year, max(month, 1), max(day, 1))
    except ValueError:
        found = date(year, 1, 1)
    return min(found, today)


def whole_day(text: str | None) -> date | None:
    """A complete date, else None."""
    try:
        return date.fromisoformat((text or "").strip())
    except ValueError:
        return None


def current(rows: Iterable[Element], today: date) -> list[Element]:
    """The rows that hold today, the one that began last first. A row without an interval is current by definition.

    An interval that cannot be read may hold today: leaving its row out could hide a protection or a death.
    """
    found: list[tuple[date, Element]] = []
    for row in rows:
        start, end = _interval(row)
        if start is None or end is None or start <= today < end:
            found.append((start or date.max, row))
    return [row for _, row in sorted(found, key=lambda each: each[0], reverse=True)]


def _interval(row: Element) -> tuple[date | None, date | None]:
    """From (included) and to (not included; 9999-12-31 while it holds). They stand in the row, or in the address within it."""
    start, end = (next(row.iter(f"{DATE}{name}"), None) for name in ("DatumFrom", "DatumTill"))
    return whole_day(start.text if start is not None else None), whole_day(end.text if end is not None else None)
