"""Numbers as people type them, and what is none (V9)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from video.phones import e164


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("070-123 45 67", "+46701234567"),
        ("0701234567", "+46701234567"),
        (" 070.123.45.67 ", "+46701234567"),
        ("070\u2011123\u00a045\u202f67", "+46701234567"),
        ("076/123 45 67", "+46761234567"),
        ("+46701234567", "+46701234567"),
        ("+46 70 123 45 67", "+46701234567"),
        ("+46 (0)70-123 45 67", "+46701234567"),
        ("0046 70 123 45 67", "+46701234567"),
        ("+47 412 34 567", "+4741234567"),
        ("+45 20 12 34 56", "+4520123456"),
        ("00358 40 123 4567", "+358401234567"),
    ],
)
def test_a_number_as_people_type_it_is_sent_to_in_one_form(typed: str, number: str) -> None:
    assert e164(typed) == number


@pytest.mark.parametrize(
    "typed",
    [
        "", " ", "-", "+", "hej", "070-123 45 6", "070-123 45 678", "08-123 456 78", "+46 8 123 456 78", "077-123 45 67", "112",
        "701234567", "46701234567", "19800517-9810", "800517-9810", "050517-9812", "+0701234567", "+46+701234567", "070-123 45 67 8",
        "070-123 45 67, 070-123 45 68", "+1234567890123456", "٠٧٠١٢٣٤٥٦٧", "+٤٦٧٠١٢٣٤٥٦٧", "070-123 45 67\x00", "lisa@example.org",
    ],
)  # fmt: skip
def test_what_takes_no_texts_is_refused_and_not_repeated(typed: str) -> None:
    with pytest.raises(ValueError, match=r"^no number that takes texts$"):
        e164(typed)


@given(st.text(max_size=40))
def test_whatever_is_typed_becomes_a_number_or_is_refused(typed: str) -> None:
    try:
        number = e164(typed)
    except ValueError:
        return
    assert number[0] == "+" and number[1:].isascii() and number[1:].isdigit() and 8 <= len(number) <= 16
    assert e164(number) == number
