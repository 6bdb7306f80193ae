"""Whatever people do in whatever order: what must never be never is."""

from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.video.room_desk import CLOSES, OPENS, START, Desk, room
from video.rooms.model import (
    PEOPLE_MAX,
    Admit,
    AskUnmute,
    Chat,
    Deny,
    End,
    Enter,
    Exit,
    Hand,
    Happened,
    Knock,
    Leave,
    LineBroke,
    Meeting,
    MuteOther,
    Refused,
    Remove,
    RoomCame,
    Sources,
    Tick,
)  # fmt: skip
from video.rooms.view import view

STAFF = st.sampled_from([f"staff-{number}" for number in range(3)])
GUESTS = st.sampled_from([f"guest-{number}" for number in range(6)])
NAMES = st.one_of(STAFF, GUESTS, st.sampled_from([f"patient-{number}" for number in range(24)]))


def role_of(pid: str) -> Any:
    return pid.split("-")[0]


KNOCKS = NAMES.map(lambda pid: Knock(pid, role_of(pid), "secret-name-" + pid, opens_at=OPENS))
OTHERS = st.one_of(
    NAMES.map(Leave),
    NAMES.map(LineBroke),
    NAMES.map(End),
    st.builds(Hand, NAMES, st.booleans()),
    st.builds(Sources, NAMES, st.booleans(), st.booleans(), st.booleans()),
    st.builds(Chat, NAMES, st.just("hej")),
    *(st.builds(command, NAMES, NAMES) for command in (Admit, Deny, Remove, MuteOther, AskUnmute)),
    st.sampled_from(["active", "active", "active", "closed", "void"]).map(lambda state: RoomCame(room(state, reason="cancelled"))),
    st.just(Tick()),
)
COMMANDS = st.one_of(KNOCKS, KNOCKS, KNOCKS, OTHERS, st.builds(Admit, STAFF, GUESTS))
SECONDS = st.sampled_from([0, 0, 0, 1, 5, 31, 300])
STEPS = st.lists(st.tuples(COMMANDS, SECONDS), min_size=15, max_size=60)
BEGINS = st.sampled_from([OPENS - timedelta(minutes=1), OPENS, START, CLOSES - timedelta(seconds=40)])
"""Most begin when the door is open; some just before it opens or closes."""


@settings(max_examples=50)
@given(STEPS, BEGINS, st.integers(0, 24), st.sampled_from(["active", "void", "closed"]))
def test_the_meeting_keeps_its_word(steps: list[tuple[Any, int]], begins: datetime, crowd: int, end: Any) -> None:
    first = ["staff-0", *(f"patient-{number}" for number in range(crowd))]
    steps = [(Knock(pid, role_of(pid), f"secret-name-{pid}"), 0) for pid in first] + steps
    steps.append((RoomCame(room(end, reason="cancelled")), 0))
    desk = Desk(Meeting(room(kind="group")), now=begins)
    media: set[str] = set()
    numbers: list[int] = []
    removed: set[str] = set()
    for command, seconds in steps:
        desk.now += timedelta(seconds=seconds)
        before = desk.meeting
        try:
            effects = desk.do(command)
        except Refused as refused:
            assert desk.meeting is before and refused.reason
            continue
        for effect in effects:
            if isinstance(effect, Enter):
                media.add(effect.pid)
            elif isinstance(effect, Exit) and effect.why != "elsewhere":
                media.discard(effect.pid)
            elif isinstance(effect, Happened):
                numbers.append(effect.number)
        meeting = desk.meeting
        inside = {p.pid for p in meeting.inside()}
        assert media == inside, "media for those inside, and for nobody else"
        assert len(inside) <= PEOPLE_MAX
        assert not inside or meeting.opened_at is not None, "nobody is in a meeting that staff did not open"
        assert not (inside and meeting.room.state == "void")
        joined = inside - {p.pid for p in before.inside()}
        assert not (joined and desk.now >= CLOSES), "nobody joins after the window"
        assert not (joined and desk.now < OPENS)
        muted = {p.pid for p in before.people.values() if p.muted}
        changed = [p for p in meeting.inside() if p.pid in muted and not p.muted]
        assert all(isinstance(command, Sources) and command.pid == p.pid and command.audio for p in changed), "only the person unmutes"
        removed |= {p.pid for p in meeting.people.values() if p.place == "removed"}
        assert not (removed & inside)
        for person in meeting.people.values():
            if person.place != "inside":
                assert "secret-name" not in str(view(meeting, person.pid, desk.now))
    assert numbers == list(range(1, len(numbers) + 1)), "each event once, in order"
