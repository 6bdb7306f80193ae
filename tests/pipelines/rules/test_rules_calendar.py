"""Swedish working days and Stockholm days (R14, ages)."""

from datetime import UTC, date, datetime, timedelta

import holidays
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.rules.calendar import (
    STOCKHOLM,
    age_at,
    day_of,
    easter,
    free_days,
    is_working_day,
    midnight,
    turns,
    working_days_before,
)

EASTER = {2020: (4, 12), 2023: (4, 9), 2024: (3, 31), 2025: (4, 20), 2026: (4, 5), 2027: (3, 28), 2035: (3, 25), 2038: (4, 25)}  # fmt: skip


def test_easter_falls_on_the_published_days() -> None:
    assert {year: (easter(year).month, easter(year).day) for year in EASTER} == EASTER


def test_the_free_days_of_2026_are_these() -> None:
    told = "0101 0106 0403 0406 0501 0514 0606 0619 1224 1225 1226 1231"
    assert " ".join(sorted(f"{day:%m%d}" for day in free_days(2026))) == told


@pytest.mark.parametrize("year", range(2020, 2041))
def test_our_table_agrees_with_a_published_one(year: int) -> None:
    """The package counts the eves as de facto holidays; påskafton and pingstafton are Saturdays in both."""
    theirs = set(holidays.Sweden(years=year, include_sundays=False, categories=("public", "de_facto")))
    assert {day for day in free_days(year) if day.weekday() < 5} == {day for day in theirs if day.weekday() < 5}


LEADS = [
    # sentence, visit, days, leaves
    ("Friday: Monday", "2026-03-06 10:00", 4, "2026-03-02 10:00"),
    ("Monday: Tuesday of the week before", "2026-03-09 10:00", 4, "2026-03-03 10:00"),
    ("Saturday: as Friday", "2026-03-07 10:00", 4, "2026-03-02 10:00"),
    ("no lead: the visit itself", "2026-03-06 10:00", 0, "2026-03-06 10:00"),
    ("after midsummer", "2026-06-24 08:30", 4, "2026-06-17 08:30"),
    ("on midsommarafton: as Thursday", "2026-06-19 09:00", 4, "2026-06-12 09:00"),
    ("between Christmas and New Year", "2026-12-30 13:00", 4, "2026-12-22 13:00"),
    ("after New Year and trettondagen", "2027-01-08 13:00", 4, "2026-12-30 13:00"),
    ("after Easter", "2026-04-08 13:00", 4, "2026-03-31 13:00"),
    ("Kristi himmelsfärd", "2026-05-15 13:00", 4, "2026-05-08 13:00"),
    ("over the spring change of the clock the time of day stays", "2026-03-31 09:00", 4, "2026-03-25 09:00"),
    ("over the autumn change of the clock the time of day stays", "2026-10-27 09:00", 4, "2026-10-21 09:00"),
]


@pytest.mark.parametrize(("visit", "days", "leaves"), [row[1:] for row in LEADS], ids=[row[0] for row in LEADS])
def test_paper_must_leave(visit: str, days: int, leaves: str) -> None:
    start = datetime.fromisoformat(visit).replace(tzinfo=STOCKHOLM).astimezone(UTC)
    assert f"{working_days_before(start, days).astimezone(STOCKHOLM):%Y-%m-%d %H:%M}" == leaves


@given(st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)), st.integers(0, 15))
def test_paper_printed_then_arrives_by_the_visit_and_a_working_day_later_it_would_not(start: datetime, days: int) -> None:
    visit, leaves = day_of(start), day_of(working_days_before(start, days))
    between = [day for n in range((visit - leaves).days) if is_working_day(day := leaves + timedelta(days=n + 1))]
    assert is_working_day(leaves)
    assert len(between) == days


@given(st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)))
def test_a_day_is_the_one_in_stockholm(moment: datetime) -> None:
    assert day_of(moment) == moment.astimezone(STOCKHOLM).date()
    assert midnight(day_of(moment)) <= moment < midnight(day_of(moment) + timedelta(days=1))


@given(st.dates(date(1930, 1, 1), date(2026, 1, 1)), st.integers(0, 90))
def test_somebody_turns_a_year_older_at_a_midnight(born: date, years: int) -> None:
    at = turns(born, years)
    assert age_at(born, at) == years
    if years:
        assert age_at(born, at - timedelta(seconds=1)) == years - 1
