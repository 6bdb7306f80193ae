"""Person ids: every accepted form has one normal form, every refusal a reason without the number."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import persons

TODAY = date(2026, 3, 2)
days = st.dates(date(1900, 1, 1), date(2026, 3, 2))
serials = st.integers(980, 999)


@pytest.mark.parametrize(
    ("text", "normal", "kind"),
    [
        ("191212121212", "191212121212", "personnummer"),
        ("19121212-1212", "191212121212", "personnummer"),
        ("121212-1212", "201212121212", "personnummer"),
        ("121212+1212", "191212121212", "personnummer"),
        ("1212121212", "201212121212", "personnummer"),
        ("  19121212-1212 ", "191212121212", "personnummer"),
        ("701063-2391", "197010632391", "samordningsnummer"),
        ("991981000010", "991981000010", "reservnummer"),
        ("991945000023", "991945000023", "reservnummer"),
        ("991993000032", "991993000032", "reservnummer"),
        ("991993-000032", "991993000032", "reservnummer"),
        ("98240301AA06", "98240301AA06", "reservnummer"),
        ("98240301aa06", "98240301AA06", "reservnummer"),
        ("98240301-AA06", "98240301AA06", "reservnummer"),
        ("00994059AAX1", "00994059AAX1", "reservnummer"),
    ],
)
def test_every_accepted_form_has_its_normal_form_and_kind(text: str, normal: str, kind: str) -> None:
    assert persons.normalise(text, TODAY) == normal
    assert persons.kind(normal) == kind
    assert persons.normalise(normal, TODAY) == normal


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("191212121213", "check digit"),
        ("19121212-1213", "check digit"),
        ("991981000011", "check digit"),
        ("191302301234", "birth date"),
        ("191414141414", "birth date"),
        ("197010922391", "birth date"),
        ("162021004748", "organisation"),
        ("221212121212", "century"),
        ("98241301AA06", "series or birth date"),
        ("21240301AA06", "series or birth date"),
        ("98240301IA06", "not a person id"),
        ("19121212121", "not a person id"),
        ("1912121212123", "not a person id"),
        ("１９１２１２１２１２１２", "not a person id"),
        ("", "not a person id"),
        ("191212-121212", "not a person id"),
    ],
)
def test_a_wrong_number_is_refused_with_its_reason_and_without_the_number(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as fault:
        persons.normalise(text, TODAY)
    assert not text or text not in str(fault.value)


def test_a_reserve_number_may_pass_by_either_check_digit() -> None:
    ordinary = "9919810000" + "1"
    by_ordinary = ordinary + str(persons.check_digit(ordinary[2:]))
    by_stockholm = ordinary + str(persons.check_digit(ordinary[4:]))
    assert by_ordinary != by_stockholm
    assert persons.normalise(by_ordinary) == by_ordinary
    assert persons.normalise(by_stockholm) == by_stockholm
    others = {ordinary + str(digit) for digit in range(10)} - {by_ordinary, by_stockholm}
    for wrong in others:
        with pytest.raises(ValueError, match="check digit"):
            persons.normalise(wrong)


@given(days, serials, st.booleans())
def test_a_test_number_tells_its_birth_date_and_kind(born: date, serial: int, coordination: bool) -> None:
    pid = persons.fictitious(born, serial, coordination=coordination)
    assert persons.normalise(pid) == pid
    assert persons.born(pid) == born
    assert persons.is_fictitious(pid)
    assert persons.kind(pid) == ("samordningsnummer" if coordination else "personnummer")


@given(days, serials, st.booleans())
def test_the_ten_digit_form_finds_its_century(born: date, serial: int, coordination: bool) -> None:
    pid = persons.fictitious(born, serial, coordination=coordination)
    hundred = born <= TODAY.replace(year=TODAY.year - 100)
    short = f"{pid[2:8]}{'+' if hundred else '-'}{pid[8:]}"
    assert persons.normalise(short, TODAY) == pid


@given(days, serials, st.integers(2, 11), st.integers(1, 9))
def test_any_one_wrong_digit_is_noticed(born: date, serial: int, place: int, change: int) -> None:
    pid = persons.fictitious(born, serial)
    wrong = f"{pid[:place]}{(int(pid[place]) + change) % 10}{pid[place + 1 :]}"
    with pytest.raises(ValueError, match="has "):
        persons.normalise(wrong)


@given(st.text(max_size=14))
def test_garbage_is_refused_by_value_error_alone(text: str) -> None:
    try:
        assert len(persons.normalise(text, TODAY)) == 12
    except ValueError as fault:
        assert str(fault).startswith(("is ", "has "))


@pytest.mark.parametrize(
    ("born", "on", "years"),
    [
        (date(2013, 3, 2), date(2026, 3, 1), 12),
        (date(2013, 3, 2), date(2026, 3, 2), 13),
        (date(2012, 2, 29), date(2025, 2, 28), 12),
        (date(2012, 2, 29), date(2025, 3, 1), 13),
        (date(2012, 2, 29), date(2028, 2, 29), 16),
    ],
)
def test_a_child_of_29_february_is_a_year_older_on_1_march(born: date, on: date, years: int) -> None:
    assert persons.age(born, on) == years


@given(days, st.integers(1, 30))
def test_the_birthday_is_the_first_day_of_the_new_age(born: date, years: int) -> None:
    day = persons.birthday(born, years)
    assert persons.age(born, day) == years
    assert persons.age(born, day - timedelta(days=1)) == years - 1


def test_a_reserve_number_tells_no_age() -> None:
    pid = persons.reserve_number(2026, 12345)
    assert persons.normalise(pid) == pid
    assert persons.born(pid) is None
    assert not persons.is_fictitious(pid)


def test_only_serials_that_nobody_has_make_test_numbers() -> None:
    with pytest.raises(ValueError, match="serial"):
        persons.fictitious(date(2000, 1, 1), 123)
