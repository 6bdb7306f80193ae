"""The app's Swedish: dates as people say them, kinds, sizes. Pure; times are shown in Europe/Stockholm."""

from datetime import date, datetime
from typing import Final

from connectors.sandbox.pages.markup import Html, tag
from schemas.cloudevents import time_text
from schemas.fields import STOCKHOLM

KINDS: Final = {"kallelse": "Kallelse", "brev": "Brev", "remissbekraftelse": "Remissbekräftelse"}
DAYS: Final = ("måndag", "tisdag", "onsdag", "torsdag", "fredag", "lördag", "söndag")
MONTHS: Final = ("januari", "februari", "mars", "april", "maj", "juni", "juli", "augusti", "september", "oktober", "november",
                 "december")  # fmt: skip
KILOBYTES: Final = 1_000
MEGABYTES: Final = 1_000_000


def day(at: date, now: date) -> str:
    """`i dag`, `i morgon`, `måndag 1 december`; the year where it is another."""
    away = (at - now).days
    if away in (-1, 0, 1):
        return ("i går", "i dag", "i morgon")[away + 1]
    year = f" {at.year}" if at.year != now.year else ""
    return f"{DAYS[at.weekday()]} {at.day} {MONTHS[at.month - 1]}{year}"


def short_day(at: date, now: date) -> str:
    """`1 december`, for lists; the year where it is another."""
    year = f" {at.year}" if at.year != now.year else ""
    return f"{at.day} {MONTHS[at.month - 1]}{year}"


def clock(at: datetime) -> str:
    return f"{at.astimezone(STOCKHOLM):%H:%M}"


def at(moment: datetime, now: datetime, *, capital: bool = False) -> Html:
    """`i dag 14:30`; the time is written as a kallelse writes it."""
    there = day(moment.astimezone(STOCKHOLM).date(), local(now))
    return _time(moment, f"{sentence(there) if capital else there} {clock(moment)}")


def stamp(moment: datetime) -> Html:
    """`2024-09-17 14:34`, as P5 writes it."""
    return _time(moment, f"{moment.astimezone(STOCKHOLM):%Y-%m-%d %H:%M}")


def local(now: datetime) -> date:
    return now.astimezone(STOCKHOLM).date()


def size(size_bytes: int) -> str:
    if size_bytes >= MEGABYTES:
        return f"{size_bytes / MEGABYTES:.1f} MB".replace(".", ",")
    return f"{max(1, round(size_bytes / KILOBYTES))} kB"


def some(count: int, one: str, many: str) -> str:
    """`1 oläst dokument`, `3 olästa dokument`."""
    return f"{count} {one if count == 1 else many}"


def sentence(text: str) -> str:
    """With a capital first."""
    return text[:1].upper() + text[1:]


def _time(moment: datetime, text: str) -> Html:
    return tag("time", text, datetime=time_text(moment))
