"""Kept decisions: what is read is what was made, whatever way it was kept."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.ledger import kept

EVENT = b'{"decision_id":"x","subject":"document","trace":[{"rule":"R1","applied":false,"because":"It was sent as an e-brev.","facts":{}}]}'


@given(st.binary(max_size=3_000).map(lambda data: b"{" + data))
def test_an_event_comes_back_as_it_was(event: bytes) -> None:
    assert kept.event_of(kept.keep(event)) == event


def test_an_event_that_was_kept_plain_is_read_as_it_stands() -> None:
    assert kept.event_of(EVENT) == EVENT


def test_a_trace_takes_few_bytes() -> None:
    steps = b",".join([b'{"rule":"R3","applied":false,"because":"The person has no protected identity.","facts":{}}'] * 10)
    assert len(kept.keep(EVENT[:-2] + b"," + steps + b"]}")) < 100


@pytest.mark.parametrize("wrong", [b"", b"\x01", b"\x01garbage", b"\x02" + b"x" * 40, b"garbage"])
def test_garbage_is_refused(wrong: bytes) -> None:
    with pytest.raises(ValueError, match="kept"):
        kept.event_of(wrong)


def test_the_dictionary_never_changes() -> None:
    """Another dictionary is another number: rows of 400 days are read with this one."""
    data = Path(kept.__file__).with_name("decisions-1.dict").read_bytes()
    assert sha256(data).hexdigest() == "28f7ee44a54cfc3b08f9a97eda6c666e31cb8964e78839f4879058b59eea2f90"
