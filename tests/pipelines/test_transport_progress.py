"""What may be committed, and when a partition stands still. Pure."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipelines.transport.progress import Chunk, Progress
from pipelines.transport.stalls import Mark, Stalls

P = ("letters", 3)


def chunk(start: int, end: int, partition: tuple[str, int] = P) -> Chunk:
    return Chunk(partition, start, end, end - start, 10 * (end - start), 1_000)


def opened(progress: Progress, *chunks: Chunk) -> None:
    for each in chunks:
        progress.opened(each)


def test_nothing_is_committed_before_an_acknowledgement() -> None:
    progress = Progress()
    opened(progress, chunk(0, 5))
    assert progress.take() == {}


def test_only_the_acknowledged_prefix_is_committed() -> None:
    progress = Progress()
    first, second, third = chunk(0, 5), chunk(5, 9), chunk(9, 12)
    opened(progress, first, second, third)
    progress.acknowledge(third)
    assert progress.take() == {}
    progress.acknowledge(first)
    assert progress.take() == {P: 5}
    progress.acknowledge(second)
    assert progress.take() == {P: 12}
    assert progress.take() == {}


def test_offsets_that_compaction_removed_hold_nothing_up() -> None:
    progress = Progress()
    first, second = chunk(0, 5), chunk(800, 801)
    opened(progress, first, second)
    progress.acknowledge(first)
    progress.acknowledge(second)
    assert progress.take() == {P: 801}


def test_an_acknowledgement_of_revoked_records_does_nothing() -> None:
    progress = Progress()
    old = chunk(0, 5)
    opened(progress, old)
    progress.forget([P])
    again = chunk(0, 5)
    opened(progress, again)
    assert not progress.acknowledge(old)
    assert progress.take() == {}
    assert progress.oldest(P) is again


def test_what_was_acknowledged_and_not_taken_is_gone_after_a_revocation() -> None:
    progress = Progress()
    old = chunk(0, 5)
    opened(progress, old)
    progress.acknowledge(old)
    progress.forget([P])
    assert progress.take() == {}


def test_a_second_acknowledgement_counts_nothing() -> None:
    progress = Progress()
    only = chunk(0, 5)
    opened(progress, only)
    assert progress.acknowledge(only)
    assert not progress.acknowledge(only)
    assert progress.held("letters") == (0, 0)


def test_what_is_held_follows_opening_acknowledging_and_revoking() -> None:
    progress = Progress()
    first, second, other = chunk(0, 5), chunk(5, 9), chunk(0, 2, ("bookings", 0))
    opened(progress, first, second, other)
    assert progress.held("letters") == (9, 90)
    progress.acknowledge(second)
    assert progress.held("letters") == (5, 50)
    progress.forget([P])
    assert progress.held("letters") == (0, 0)
    assert progress.held("bookings") == (2, 20)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=30), st.data())
def test_a_commit_never_passes_an_unacknowledged_record(sizes: list[int], data: st.DataObject) -> None:
    progress = Progress()
    chunks, at = [], 0
    for size in sizes:
        chunks.append(chunk(at, at + size))
        at += size
    opened(progress, *chunks)
    committed = 0
    for each in data.draw(st.permutations(chunks)):
        progress.acknowledge(each)
        committed = progress.take().get(P, committed)
        unacknowledged = [other.start for other in chunks if not other.done]
        assert committed == min(unacknowledged, default=at)


def stalled_after(seconds: list[float], marks: list[Mark]) -> list[bool]:
    stalls = Stalls(stall_s=10)
    return [bool(stalls.observe({P: mark}, now_s)) for now_s, mark in zip(seconds, marks, strict=True)]


def test_a_partition_without_work_never_stalls() -> None:
    idle = Mark(end=7, position=7, acknowledged=7, committed=7)
    assert stalled_after([0, 100, 200], [idle] * 3) == [False, False, False]


def test_records_that_are_not_fetched_stall() -> None:
    behind = Mark(end=9, position=7, acknowledged=7, committed=7)
    assert stalled_after([0, 9, 10], [behind] * 3) == [False, False, True]


def test_records_that_are_not_acknowledged_stall_although_more_arrive() -> None:
    marks = [Mark(end=9 + n, position=9, acknowledged=7, committed=7) for n in range(3)]
    assert stalled_after([0, 9, 10], marks) == [False, False, True]


def test_acknowledged_records_that_are_not_committed_stall() -> None:
    uncommitted = Mark(end=9, position=9, acknowledged=9, committed=7)
    assert stalled_after([0, 11], [uncommitted] * 2) == [False, True]


def test_a_partition_that_never_got_a_position_stalls() -> None:
    unknown = Mark(end=9, position=-1, acknowledged=-1, committed=None)
    assert stalled_after([0, 11], [unknown] * 2) == [False, True]


def test_slow_progress_is_progress() -> None:
    marks = [Mark(end=99, position=9, acknowledged=n, committed=n) for n in range(3)]
    assert stalled_after([0, 11, 22], marks) == [False, False, False]


def test_the_time_without_work_does_not_count() -> None:
    idle = Mark(end=7, position=7, acknowledged=7, committed=7)
    behind = Mark(end=8, position=7, acknowledged=7, committed=7)
    assert stalled_after([0, 100, 105, 110], [idle, behind, behind, behind]) == [False, False, False, True]
