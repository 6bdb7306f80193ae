"""The account itself sees what is wrong: order, repeats, and what only looks wrong."""

from __future__ import annotations

from schemas.topics import OUTBOUND_TOPICS
from tests.faults.account import Account, _order, _repeats_are_the_same
from tests.faults.topics import Said


def said(sequence: int, ident: str = "", value: bytes = b"{}", offset: int = 0, subject: str = "d1") -> Said:
    headers = {"ce_source": "urn:s", "ce_id": ident or f"e{sequence}", "ce_subject": subject, "ce_sequence": str(sequence)}
    return Said("app.documents.v1", 0, offset, b"k", value, headers)


def broken(*records: Said) -> set[str]:
    topics = {name: [] for name in OUTBOUND_TOPICS} | {"app.documents.v1": list(records)}
    made = Account()
    _order(made, topics)
    _repeats_are_the_same(made, topics)
    return set(made.broken)


def test_a_repeat_of_everything_in_order_is_no_fault() -> None:
    assert broken(said(1), said(2), said(1), said(2)) == set()


def test_a_repeat_that_is_the_last_word_is_one() -> None:
    assert broken(said(1), said(2), said(1)) == {"subjects whose last word is an old one"}


def test_news_that_comes_first_after_newer_news_is_one() -> None:
    assert broken(said(2), said(1), said(2)) == {"news about a subject that was overtaken by newer news"}


def test_subjects_do_not_disturb_each_other() -> None:
    assert broken(said(2), said(1, "other", subject="d2")) == set()


def test_a_repeat_with_other_bytes_is_one() -> None:
    assert broken(said(1), said(1, value=b"{ }")) == {"repeats on topics with other bytes"}
