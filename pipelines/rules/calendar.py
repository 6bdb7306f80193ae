"""Days in Europe/Stockholm: ages, midnights, and the Swedish working days that paper needs (R14).

Working days: Monday to Friday without the public holidays of lag (1989:253) om allmänna helgdagar and without the eves
that are free in practice (julafton, nyårsafton, midsommarafton). The table is our own: it is twelve lines, and the law has
changed once in this century (6 June became a holiday and annandag pingst a working day in 2005).
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from schemas.persons import age, birthday

STOCKHOLM: Final = ZoneInfo("Europe/Stockholm")
SUMMER_OFFSET_H: Final = 2
"""Stockholm is never further ahead of UTC than this: before 22 UTC both have the same day."""
DAY: Final = timedelta(days=1)


def day_of(moment: datetime) -> date:
    """The day in Europe/Stockholm on which a moment falls."""
    if moment.tzinfo is UTC and moment.hour < 24 - SUMMER_OFFSET_H:
        return moment.date()
    return moment.astimezone(STOCKHOLM).date()


def midnight(day: date) -> datetime:
    """The moment (UTC) at which a day begins in Europe/Stockholm; the clocks never change at midnight."""
    return datetime.combine(day, time(), STOCKHOLM).astimezone(UTC)


def age_at(born: date, moment: datetime) -> int:
    """Whole years on the Stockholm day of a moment."""
    return age(born, day_of(moment))


def turns(born: date, years: int) -> datetime:
    """The moment at which somebody becomes `years` old."""
    return midnight(birthday(born, years))


def easter(year: int) -> date:
    """Easter Sunday by the anonymous Gregorian algorithm (Nature, 1876; Meeus, Astronomical Algorithms ch. 8)."""
    century, of_century = divmod(year, 100)
    moon = (19 * (year % 19) + century - century // 4 - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    week = (32 + 2 * (century % 4) + 2 * (of_century // 4) - moon - of_century % 4) % 7
    month, day = divmod(moon + week - 7 * ((year % 19 + 11 * moon + 22 * week) // 451) + 114, 31)
    return date(year, month, day + 1)


@lru_cache(maxsize=64)
def free_days(year: int) -> frozenset[date]:
    """The days of a year that are free though they may fall on Monday to Friday."""
    sunday = easter(year)
    fixed = ((1, 1), (1, 6), (5, 1), (6, 6), (12, 24), (12, 25), (12, 26), (12, 31))
    moving = (sunday - 2 * DAY, sunday + DAY, sunday + 39 * DAY)
    # Midsommarafton is the Friday from 19 to 25 June. Midsommardagen and alla helgons dag are Saturdays anyway.
    midsummer_eve = next(day for day in (date(year, 6, 19) + n * DAY for n in range(7)) if day.weekday() == 4)
    return frozenset((*(date(year, month, day) for month, day in fixed), *moving, midsummer_eve))


def is_working_day(day: date) -> bool:
    return day.weekday() < 5 and day not in free_days(day.year)


@lru_cache(maxsize=4096)
def _print_day(visit: date, days: int) -> date:
    """The last working day on which paper that takes `days` working days after it arrives on the visit's day at the latest."""
    day = visit
    while not is_working_day(day):
        day -= DAY
    for _ in range(days):
        day -= DAY
        while not is_working_day(day):
            day -= DAY
    return day


def working_days_before(start: datetime, days: int) -> datetime:
    """`visit − paper lead`: the visit's time of day on the last day that is early enough to print (UTC).

    The day of printing is not counted: with 4 days, paper for a Friday is printed on Monday at the latest. A visit on a free
    day is reached by the post of the working day before it.
    """
    local = start.astimezone(STOCKHOLM)
    return datetime.combine(_print_day(local.date(), days), local.time(), STOCKHOLM).astimezone(UTC)
