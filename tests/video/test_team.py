"""Which bridge owns a room: a pure function, the same everywhere, that moves few rooms when a bridge is added."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from video.team import Team, owner

NAMES = [f"room-{number}" for number in range(2_000)]
bridges = st.integers(1, 8)


OWNERS = [
    ("room-1", (0, 1, 2, 3, 6)), ("room-2", (0, 1, 2, 2, 2)),
    ("2b0c1c52-6a0b-4a53-9d55-0c9d5f6a7a01", (0, 1, 1, 1, 1)), ("", (0, 0, 0, 0, 6)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "of"), OWNERS)
def test_owners_stay_the_same_from_release_to_release(name: str, of: tuple[int, ...]) -> None:
    """Two releases that run beside each other must agree."""
    assert tuple(owner(name, count) for count in (1, 2, 3, 4, 8)) == of


@given(st.text(), bridges)
def test_each_room_has_one_owner_among_the_bridges_there_are(name: str, count: int) -> None:
    urls = tuple(str(slot) for slot in range(count))
    assert [slot for slot in range(count) if Team(slot, urls).owns(name)] == [owner(name, count)]


@given(st.text(), st.integers(1, 7))
def test_a_bridge_more_takes_rooms_for_itself_and_moves_no_other(name: str, count: int) -> None:
    before, after = owner(name, count), owner(name, count + 1)
    assert after in (before, count)


@pytest.mark.parametrize("count", [2, 3, 5, 8])
def test_rooms_are_spread_evenly_and_a_bridge_more_moves_its_share(count: int) -> None:
    shares = Counter(owner(name, count) for name in NAMES)
    assert all(0.8 < share * count / len(NAMES) < 1.2 for share in shares.values()) and len(shares) == count
    moved = sum(owner(name, count) != owner(name, count - 1) for name in NAMES)
    assert 0.8 < moved * count / len(NAMES) < 1.2


def test_a_bridge_alone_owns_everything() -> None:
    assert Team().owns("room-1") and Team(3).owns("room-1")
