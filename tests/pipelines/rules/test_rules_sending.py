"""The states of a delivery and their one table, read as data."""

import re
from pathlib import Path
from typing import get_args

import pytest

from pipelines.ledger import migrate
from pipelines.rules.sending import ANSWERS, KEEPERS, MOVES, Event, NoSuchMove, State, move

SQL = (Path(migrate.MIGRATIONS) / "versions" / "0004_sends.sql").read_text()


def _states(constraint: str) -> set[State]:
    found = re.search(rf"{constraint} CHECK \(\(state (?:IN \(([\d, ]+)\)|= (\d+))\)", SQL)
    assert found is not None
    return {State(int(number)) for number in (found[1] or found[2]).split(",")}


def test_every_state_has_a_keeper() -> None:
    assert set(KEEPERS) == set(State)


def test_the_ledgers_constraints_are_the_keepers() -> None:
    assert _states("sends_timer") == {state for state, keeper in KEEPERS.items() if keeper == "timer"}
    assert _states("sends_owner") == {state for state, keeper in KEEPERS.items() if keeper == "owner"}
    assert _states("sends_why") == {State.WAITING}


def test_every_state_can_be_reached_and_every_event_has_a_row() -> None:
    reached, before = {State.DECIDED, State.WAITING}, set[State]()
    while reached != before:
        before = set(reached)
        reached |= {after for (state, _), after in MOVES.items() if state in reached}
    assert reached == set(State)
    assert {event for _, event in MOVES} == set(get_args(Event))


def test_every_state_that_is_not_final_has_a_way_out_and_one_for_a_lost_owner() -> None:
    for state, keeper in KEEPERS.items():
        ways = {event for (before, event), after in MOVES.items() if before is state and after is not state}
        if keeper != "nobody":
            assert ways, state
        if keeper == "owner":
            assert "orphaned" in ways


def test_a_lost_owner_starts_over_before_sending_and_leaves_doubt_after() -> None:
    assert move(State.CLAIMED, "orphaned") is State.RENDERED
    assert move(State.INFLIGHT, "orphaned") is State.UNKNOWN


def test_nothing_is_in_flight_that_was_not_claimed_and_cleared() -> None:
    assert {row for row, after in MOVES.items() if after is State.INFLIGHT} == {(State.CLAIMED, "cleared")}


def test_only_the_desk_sends_again_what_is_unknown() -> None:
    again = {event for (state, event), after in MOVES.items() if state is State.UNKNOWN and KEEPERS[after] == "timer"}
    assert again == {"ruled_resend"}


@pytest.mark.parametrize("first", ["arrived", "failed"])
def test_reports_may_come_twice_and_in_any_order(first: Event) -> None:
    state = move(State.ACCEPTED, first)
    assert move(state, first) is state
    assert move(move(state, "failed"), "arrived") is State.READ
    assert move(State.READ, "failed") is State.READ


def test_what_a_report_said_first_stands_when_the_sender_writes_down_what_it_saw() -> None:
    for state in (State.READ, State.REFUSED):
        for event in ("sent", "rejected", "doubted", "waits"):
            assert move(state, event) is state  # type: ignore[arg-type]


@pytest.mark.parametrize("state", list(State))
def test_what_no_row_wants_is_an_error(state: State) -> None:
    for event in get_args(Event):
        if (state, event) not in MOVES:
            with pytest.raises(NoSuchMove):
                move(state, event)


def test_answers_are_those_of_the_contract() -> None:
    assert set(ANSWERS.values()) == {"accepted", "refused", "unknown"}
