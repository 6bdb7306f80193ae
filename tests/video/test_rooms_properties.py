"""Whatever people do in whatever order: what must never be never is."""

from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.video.room_desk import CLOSES, OPENS, Desk, room
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

ROLES = ("staff", "patient", "guest")
NAMES = st.sampled_from([f"{role}-{number}" for role in ROLES for number in range(12)])


def role_of(pid: str) -> Any:
    return pid.split("-")[0]


COMMANDS = st.one_of(
    NAMES.map(lambda pid: Knock(pid, role_of(pid), "secret-name-" + pid, opens_at=OPENS)),
    NAMES.map(Leave), NAMES.map(LineBroke), NAMES.map(End),
    st.builds(Hand, NAMES, st.booleans()), st.builds(Sources, NAMES, st.booleans(), st.booleans(), st.booleans()),
    st.builds(Chat, NAMES, st.just("hej")),
    *(st.builds(command, NAMES, NAMES) for command in (Admit, Deny, Remove, MuteOther, AskUnmute)),
    st.sampled_from(["active", "closed", "void"]).map(lambda state: RoomCame(room(state, reason="cancelled"))),
    st.just(Tick()),
)  # fmt: skip
STEPS = st.lists(st.tuples(COMMANDS, st.integers(0, 600)), max_size=80)


@settings(max_examples=60)
@given(STEPS)
def test_the_meeting_keeps_its_word(steps: list[tuple[Any, int]]) -> None:
    desk = Desk(Meeting(room(kind="group")), now=OPENS - timedelta(minutes=5))
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
        removed |= {p.pid for p in meeting.people.values() if p.place == "removed"}
        assert not (removed & inside)
        for person in meeting.people.values():
            if person.place != "inside":
                assert "secret-name" not in str(view(meeting, person.pid, desk.now))
    assert numbers == list(range(1, len(numbers) + 1)), "each event once, in order"
