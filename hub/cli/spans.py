"""Spans of time and moments as people type them: `48h`, `1d12h`, `2026-03-02`, `2026-03-02T14:00`."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hub.cli.exits import WrongUse

_PART = re.compile(r"(\d+(?:\.\d+)?)(w|d|h|min|m|s)")
_SECONDS = {"w": 604_800.0, "d": 86_400.0, "h": 3_600.0, "min": 60.0, "m": 60.0, "s": 1.0}
SPAN_MAX = timedelta(days=36_500)


def span(text: str) -> timedelta:
    """`48h`, `90m`, `1d12h`. Raises `WrongUse`."""
    compact = text.strip().lower()
    parts = _PART.findall(compact)
    if not parts or "".join(number + unit for number, unit in parts) != compact:
        raise WrongUse(f"{text!r} is no span of time; write for example 48h, 90m or 1d12h")
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if seconds > SPAN_MAX.total_seconds():
        raise WrongUse(f"{text!r} is longer than {SPAN_MAX.days} days")
    return timedelta(seconds=seconds)


def moment(text: str) -> datetime:
    """A day (its beginning) or a time, in Stockholm where no zone is told. Raises `WrongUse`."""
    try:
        if len(text) == 10:
            found = datetime.combine(date.fromisoformat(text), datetime.min.time())
        else:
            found = datetime.fromisoformat(text)
        if found.tzinfo is None:
            found = found.replace(tzinfo=ZoneInfo("Europe/Stockholm"))
        return found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise WrongUse(f"{text!r} is no time; write for example 2026-03-02 or 2026-03-02T14:00") from None


def short(seconds: float) -> str:
    """A span in its two largest units: `3 d 4 h`, `12 s`."""
    left = round(abs(seconds))
    parts = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        number, left = divmod(left, size)
        if number:
            parts.append(f"{number} {unit}")
    return " ".join(parts[:2]) or "0 s"
