"""Hub time: wall time until it is moved, the same for every part, never backwards, and the past stays where it was."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.clock import Clock, Segment, continue_with, map_wall, wall_of

T0 = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)  # half an hour before summer time begins in Stockholm

MOVES = st.lists(
    st.tuples(
        st.floats(-100, 100_000),  # wall seconds that pass before the move; a wall clock may be set back
        st.floats(0, 1e6),
        st.floats(0.01, 10_000),
    ),
    max_size=8,
)


class Wall:
    """A wall clock that the test moves."""

    def __init__(self) -> None:
        self.seconds = T0.timestamp()

    def __call__(self) -> float:
        return self.seconds


def test_without_a_file_hub_time_is_wall_time(tmp_path: Path) -> None:
    wall = Wall()
    assert Clock(None, wall).now() == Clock(tmp_path / "clock.json", wall).now() == T0
    assert Clock(tmp_path / "clock.json", wall).at(T0 - timedelta(days=9)) == T0 - timedelta(days=9)


def test_a_clock_that_is_wall_time_cannot_be_moved() -> None:
    with pytest.raises(ValueError, match="cannot be moved"):
        Clock(None).advance(1)


def test_all_parts_move_at_once(tmp_path: Path) -> None:
    wall = Wall()
    mine, theirs = Clock(tmp_path / "clock.json", wall), Clock(tmp_path / "clock.json", wall)
    assert theirs.now() == T0
    assert mine.advance(48 * 3600) == T0 + timedelta(hours=48)
    assert theirs.now() == T0 + timedelta(hours=48)
    theirs.set_speed(60)
    wall.seconds += 10
    assert mine.now() == T0 + timedelta(hours=48, minutes=10)
    assert mine.speed == theirs.speed == 60


def test_what_happened_before_a_move_stays_when_it_happened(tmp_path: Path) -> None:
    wall = Wall()
    clock = Clock(tmp_path / "clock.json", wall)
    sent = T0 + timedelta(seconds=10)
    wall.seconds += 20
    clock.advance(3600)
    assert clock.at(sent) == sent
    assert clock.at(T0 + timedelta(seconds=20)) == T0 + timedelta(seconds=20, hours=1)
    wall.seconds += 1
    clock.advance(3600)
    assert clock.at(sent) == sent


def test_sleep_is_counted_in_wall_seconds(tmp_path: Path) -> None:
    wall = Wall()
    clock = Clock(tmp_path / "clock.json", wall)
    clock.set_speed(60)
    assert clock.wall_seconds_until(T0 + timedelta(minutes=5)) == pytest.approx(5)
    assert clock.wall_seconds_until(T0 - timedelta(minutes=5)) == 0


@pytest.mark.parametrize(("jump", "speed"), [(-1, 1), (0, 0), (0, -1), (0, 1e9)])
def test_no_move_goes_backwards_or_stands_still(jump: float, speed: float) -> None:
    with pytest.raises(ValueError, match=r"clock|speed"):
        continue_with((), 0, jump, speed)


@given(MOVES, st.lists(st.floats(-1_000, 1_000_000), min_size=2, max_size=20))
def test_hub_time_never_runs_backwards(moves: list[tuple[float, float, float]], looks: list[float]) -> None:
    segments: tuple[Segment, ...] = ()
    wall = 0.0
    for passed, jump, speed in moves:
        wall += passed
        segments = continue_with(segments, wall, jump, speed)
    seen = [map_wall(segments, w) for w in sorted(looks)]
    assert all(later >= earlier - 1e-3 for earlier, later in pairwise(seen))


@given(MOVES, st.floats(-1_000, 1_000_000))
def test_the_wall_instant_of_a_hub_time_is_the_first_that_has_reached_it(moves: list[tuple[float, float, float]], hub: float) -> None:
    segments: tuple[Segment, ...] = ()
    wall = 0.0
    for passed, jump, speed in moves:
        wall += passed
        segments = continue_with(segments, wall, jump, speed)
    found = wall_of(segments, hub)
    assert map_wall(segments, found + 1e-3) >= hub - 1e-3
    assert map_wall(segments, found - 1e-3) <= hub + 1e-3


@given(MOVES)
def test_a_move_changes_no_instant_before_it(moves: list[tuple[float, float, float]]) -> None:
    segments: tuple[Segment, ...] = ()
    wall = 0.0
    for passed, jump, speed in moves:
        wall += abs(passed)
        earlier = {w: map_wall(segments, w) for w in (wall - 1, wall - 0.001, wall / 2)}
        segments = continue_with(segments, wall, jump, speed)
        assert {w: map_wall(segments, w) for w in earlier if w < wall} == {w: h for w, h in earlier.items() if w < wall}


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(0, 10)), max_size=6))
def test_one_part_never_sees_time_go_back_even_when_the_wall_clock_does(steps: list[tuple[float, float]]) -> None:
    with TemporaryDirectory() as directory:
        wall = Wall()
        clock = Clock(Path(directory) / "clock.json", wall)
        seen = [clock.now()]
        for passed, jump in steps:
            wall.seconds += passed
            seen += [clock.now(), clock.advance(jump), clock.now()]
        assert seen == sorted(seen)
