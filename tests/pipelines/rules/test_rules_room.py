"""V1, V2, V4-V6, V8: a room from its bookings; one row is one sentence."""

# ruff: noqa: E501 (a row of a table is one sentence and one line)

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from pipelines.rules.model import Member, Room, RoomState, Video
from pipelines.rules.room import judge_room
from schemas.policy import Limits
from tests.pipelines.rules.rule_facts import HOUR, LIMITS, MINUTE, SENT

START = SENT + 24 * HOUR
OPENS, CLOSES = START - 30 * MINUTE, START + 60 * MINUTE
SCHEDULED, ACTIVE, CLOSED, VOID = RoomState.SCHEDULED, RoomState.ACTIVE, RoomState.CLOSED, RoomState.VOID


def member(number: int = 1, **facts: Any) -> Member:
    """A 30-minute booking tomorrow that came just now."""
    return Member(
        **{
            "booking": UUID(int=number), "start": START, "minutes": 30, "since": SENT, "wanted": True,
            "cancelled": False, "till_at": None,
        } | facts
    )  # fmt: skip


def room(state: RoomState, **facts: Any) -> Room:
    return Room(**{"state": state, "active_at": SENT + 10 * MINUTE, "opens_at": OPENS, "closes_at": CLOSES} | facts)


TILL = {"till_at": START - HOUR}
CASES: list[tuple[str, list[Member], Room | None, timedelta, str, RoomState, str | None, datetime | None]] = [
    # sentence, members, room before, after SENT, rule, state, reason, reviewed at
    ("a new booking: in ten minutes", [member()], None, 0 * HOUR, "V1", SCHEDULED, None, SENT + 10 * MINUTE),
    ("ten minutes later: active", [member()], room(SCHEDULED), 10 * MINUTE, "V1", ACTIVE, None, CLOSES),
    ("its window over: closed", [member()], room(ACTIVE), CLOSES - SENT, "V2", CLOSED, "ended", None),
    ("cancelled: closed", [member(cancelled=True, wanted=False)], room(ACTIVE), HOUR, "V6", CLOSED, "cancelled", None),
    ("unwanted: void, and no word why", [member(wanted=False)], room(ACTIVE), HOUR, "V1", VOID, "withdrawn", None),
    ("registered at the till before it was opened: void", [member(**TILL)], room(ACTIVE), 23 * HOUR, "V4", VOID, "till_registered", None),
    ("registered after it was opened: active", [member(**TILL)], room(ACTIVE, opened_at=START - 2 * HOUR), 23 * HOUR, "V1", ACTIVE, None, CLOSES),
    ("opened after the registration: void", [member(**TILL)], room(ACTIVE, opened_at=START - MINUTE), 24 * HOUR, "V4", VOID, "till_registered", None),
    ("registered when all was over: stays closed", [member(till_at=CLOSES + HOUR)], room(CLOSED), 27 * HOUR, "V2", CLOSED, "ended", None),
    ("wanted again after it was void: back", [member()], room(VOID), HOUR, "V1", ACTIVE, None, CLOSES),
    ("wanted again, but the till came first: void", [member(**TILL)], room(VOID), 23 * HOUR, "V4", VOID, "till_registered", None),
    ("closed, then rebooked: active at once", [member(start=START + 48 * HOUR)], room(CLOSED), 30 * HOUR, "V1", ACTIVE, None, CLOSES + 48 * HOUR),
    ("rebooked while active: stays active", [member(start=START + 48 * HOUR, since=SENT + HOUR)], room(ACTIVE), HOUR, "V1", ACTIVE, None, CLOSES + 48 * HOUR),
    ("its last member moved to another room", [], room(ACTIVE), HOUR, "V6", CLOSED, "cancelled", None),
]  # fmt: skip


@pytest.mark.parametrize(("members", "before", "after", "rule", "state", "reason", "review_at"), [row[1:] for row in CASES], ids=[row[0] for row in CASES])  # fmt: skip
def test_room(
    members: list[Member], before: Room | None, after: timedelta, rule: str, state: RoomState, reason: str | None,
    review_at: datetime | None,
) -> None:  # fmt: skip
    decision = judge_room(Video.SINGLE, members, before, LIMITS, SENT + after)
    assert (decision.rule, decision.state, decision.reason, decision.review_at) == (rule, state, reason, review_at)


ACTIVE_AT = [
    ("long before: ten minutes after arrival", START - 5 * HOUR, START - 5 * HOUR + 10 * MINUTE),
    ("35 minutes before: when the window opens", START - 35 * MINUTE, OPENS),
    ("20 minutes before: at arrival", START - 20 * MINUTE, START - 20 * MINUTE),
    ("during the visit: at arrival", START + 5 * MINUTE, START + 5 * MINUTE),
]


@pytest.mark.parametrize(("since", "active_at"), [row[1:] for row in ACTIVE_AT], ids=[row[0] for row in ACTIVE_AT])
def test_active_at(since: datetime, active_at: datetime) -> None:
    decision = judge_room(Video.SINGLE, [member(since=since)], None, LIMITS, since)
    assert (decision.active_at, decision.opens_at, decision.closes_at) == (active_at, OPENS, CLOSES)


def test_a_groups_window_is_the_longest_and_the_first_arrival_counts() -> None:
    members = [member(1, minutes=30, since=SENT + HOUR), member(2, minutes=90), member(3, minutes=45, since=SENT + 2 * HOUR)]
    decision = judge_room(Video.GROUP, members, None, LIMITS, SENT)
    assert (decision.closes_at, decision.active_at) == (START + 120 * MINUTE, SENT + 10 * MINUTE)
    assert decision == judge_room(Video.GROUP, members[::-1], None, LIMITS, SENT)


def test_a_group_goes_on_without_those_who_left_and_closes_with_the_last() -> None:
    gone, barred = member(1, cancelled=True), member(2, **TILL)
    later = START - 30 * MINUTE
    on = judge_room(Video.GROUP, [gone, barred, member(3)], room(ACTIVE), LIMITS, later)
    assert (on.state, on.members) == (ACTIVE, (UUID(int=3),))
    assert judge_room(Video.GROUP, [gone, member(3, cancelled=True)], room(ACTIVE), LIMITS, later).reason == "cancelled"
    assert judge_room(Video.GROUP, [gone, barred], room(ACTIVE), LIMITS, later).reason == "till_registered"
    assert judge_room(Video.GROUP, [gone, member(3, wanted=False)], room(ACTIVE), LIMITS, later).reason == "withdrawn"


def test_who_left_before_has_no_say_in_how_a_group_ends() -> None:
    before, barred = member(1, wanted=False, leaving=False), member(2, leaving=False, **TILL)
    last = judge_room(Video.GROUP, [before, barred, member(3, cancelled=True)], room(ACTIVE), LIMITS, SENT + HOUR)
    assert (last.state, last.reason, last.members) == (CLOSED, "cancelled", (UUID(int=2), UUID(int=3)))
    moved = judge_room(Video.GROUP, [before], room(ACTIVE), LIMITS, SENT + HOUR)
    assert (moved.state, moved.reason, moved.members) == (CLOSED, "cancelled", ())
    again = judge_room(Video.GROUP, [before], room(VOID), LIMITS, SENT + HOUR)
    assert (again.state, again.reason) == (VOID, "withdrawn")


def test_the_21st_booking_of_a_group_crowds_it() -> None:
    members = [member(number) for number in range(1, 22)]
    assert judge_room(Video.GROUP, members, None, LIMITS, SENT).crowded
    assert not judge_room(Video.GROUP, members[1:], None, LIMITS, SENT).crowded
    assert judge_room(Video.GROUP, members[:3], None, Limits(room_people_max=2), SENT).crowded


def test_a_room_of_nothing_is_a_bug_of_the_callers() -> None:
    with pytest.raises(ValueError, match="bookings"):
        judge_room(Video.SINGLE, [], None, LIMITS, SENT)
