"""The contract every connector keeps: three failures and no other, nothing accepted that was not, requests that do not change."""

from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import connectors
from connectors.peer import STATUSES, Answer, Row, failed_status
from schemas.errors import PeerFailure, Rejected, Unavailable, Uncertain
from tests.connectors.contract.case import Exchange, written

HERE = Path(__file__).parent
EXCHANGES: list[Exchange] = [
    exchange for path in sorted(HERE.glob("*_case.py")) for exchange in import_module(f"tests.connectors.contract.{path.stem}").EXCHANGES
]
ROWS = [(exchange, row, answer) for exchange in EXCHANGES for row, answer in exchange.rows]
FAILURES = {"rejected": Rejected, "unavailable": Unavailable, "uncertain": Uncertain}
each = pytest.mark.parametrize("exchange", EXCHANGES, ids=str)


def changes(exchange: Exchange) -> bool:
    return exchange.call().changes


def test_every_connector_that_asks_or_sends_has_its_cases_here() -> None:
    """A package with a `wire` and a `client` is such a connector; a new one fails here until its case stands beside."""
    root = Path(connectors.__file__).parent
    found = {path.parent.name for path in root.glob("*/client.py") if (path.parent / "wire.py").exists()}
    assert found == {exchange.connector for exchange in EXCHANGES}


@each
def test_a_request_is_its_golden_bytes_each_time_it_is_made(exchange: Exchange) -> None:
    assert written(exchange.call()) == exchange.request == written(exchange.call())


@each
def test_a_request_and_an_answer_are_not_printed(exchange: Exchange) -> None:
    call = exchange.call()
    assert "body" not in repr(call) and "headers" not in repr(call) and "body" not in repr(exchange.answer)


@each
def test_the_golden_answer_is_understood(exchange: Exchange) -> None:
    assert exchange.meaning(exchange.decode(exchange.answer)) is not None


@pytest.mark.parametrize(("exchange", "row", "answer"), ROWS, ids=[f"{exchange}-{row.code}" for exchange, row, _ in ROWS])
def test_each_row_of_an_error_table_leads_to_its_failure(exchange: Exchange, row: Row, answer: Answer) -> None:
    with pytest.raises(FAILURES[row.failure]) as caught:
        exchange.decode(answer)
    assert type(caught.value) is FAILURES[row.failure]
    assert row.because
    assert row.failure != "uncertain" or changes(exchange), "asking again harms nobody"


@each
def test_an_error_table_names_a_code_once(exchange: Exchange) -> None:
    codes = [row.code for row, _ in exchange.rows]
    assert len(codes) == len(set(codes)) and codes


@each
@pytest.mark.parametrize("body", [b"", b"<html>nginx</html>", b"{}", b"[]", b"null", b"\x00\xff"], ids=repr)
def test_a_status_with_a_body_that_is_nobodys_is_one_of_three_failures(exchange: Exchange, body: bytes) -> None:
    for status in range(100, 600):
        with pytest.raises(PeerFailure) as caught:
            exchange.decode(Answer(status, body, {}))
        if 200 <= status < 300:
            assert type(caught.value) is (Uncertain if changes(exchange) else Rejected), "a success that cannot be read"
        if not changes(exchange):
            assert not isinstance(caught.value, Uncertain)


@each
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_an_answer_cut_anywhere_is_not_accepted(exchange: Exchange, data: st.DataObject) -> None:
    answer = exchange.answer
    whole = exchange.meaning(exchange.decode(answer))
    cut = answer.body[: data.draw(st.integers(0, len(answer.body) - 1))]
    seen = outcome(exchange, Answer(answer.status, cut, answer.headers))
    assert seen is None or (seen == whole and not answer.body[len(cut) :].strip()), "only white space after the end may be missing"


@each
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_an_answer_garbled_anywhere_means_the_same_or_is_not_accepted(exchange: Exchange, data: st.DataObject) -> None:
    """Bytes that carry no meaning (a reference, white space) may be spoilt unseen; what matters may not."""
    answer = exchange.answer
    whole = exchange.meaning(exchange.decode(answer))
    start = data.draw(st.integers(0, len(answer.body) - 1))
    length = data.draw(st.integers(0, 12))
    noise = data.draw(st.binary(min_size=0, max_size=12) | st.text(alphabet='<>/"{}[],:&;=x 0\n', max_size=8).map(str.encode))
    body = answer.body[:start] + noise + answer.body[start + length :]
    seen = outcome(exchange, Answer(answer.status, body, answer.headers))
    assert seen is None or exchange.no_better(seen, whole)


@each
@settings(max_examples=60, deadline=None)
@given(status=st.integers(100, 599), body=st.binary(max_size=200))
def test_any_bytes_at_all_are_one_of_three_failures(exchange: Exchange, status: int, body: bytes) -> None:
    assert outcome(exchange, Answer(status, body, {})) is None


def outcome(exchange: Exchange, answer: Answer) -> object | None:
    """The meaning of an accepted answer, None for one of the three failures; anything else raised is a bug. A change
    whose success cannot be read is uncertain: it may have been done."""
    try:
        return exchange.meaning(exchange.decode(answer))
    except PeerFailure as failure:
        assert isinstance(failure, (Rejected, Unavailable, Uncertain))
        if changes(exchange) and 200 <= answer.status < 300:
            assert not isinstance(failure, Unavailable), "it may have been done"
        if not changes(exchange):
            assert not isinstance(failure, Uncertain), "a question does nothing"
        return None


def test_every_status_has_a_row_and_a_fault_after_arrival_is_never_taken_for_nothing_done() -> None:
    for status in range(100, 600):
        assert any(status in row.of for row in STATUSES)
        change, question = (failed_status(Answer(status, b"", {}), changes=changes) for changes in (True, False))
        assert not isinstance(question, Uncertain)
        if status in (500, 502, 504) or 200 <= status < 300:
            assert isinstance(change, Uncertain)


@pytest.mark.parametrize(("text", "seconds"), [("7", 7.0), ("999999", 300.0), ("-1", None), ("soon", None), ("", None), ("9" * 40, None)])
def test_a_peer_says_when_to_come_back(text: str, seconds: float | None) -> None:
    failure = failed_status(Answer(503, b"", {"retry-after": text}), changes=True)
    assert isinstance(failure, Unavailable) and failure.retry_after_s == seconds
