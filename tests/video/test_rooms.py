"""The room machine by its law: who comes in when, who may do what, what is told (DOMAIN V1-V15, P10)."""

from datetime import timedelta
from typing import Any

import pytest

from tests.video.room_desk import CLOSES, OPENS, START, Desk, room
from video.rooms import moves
from video.rooms.model import (
    PEOPLE_MAX,
    Admit,
    Asked,
    AskUnmute,
    Chat,
    Deny,
    End,
    Enter,
    Entitle,
    Hand,
    Knock,
    Leave,
    LineBroke,
    LowerHand,
    Meeting,
    MuteOther,
    Refused,
    Remove,
    Silence,
    Sources,
    Wrote,
)  # fmt: skip
from video.rooms.replay import replayed
from video.rooms.view import attendance, history, view


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def visit() -> Desk:
    """Lisa (staff) and Pat (patient) inside, Gun (guest) in the lobby."""
    desk = Desk()
    desk.comes("lisa")
    desk.comes("pat", "patient")
    desk.comes("gun", "guest")
    desk.effects.clear()
    return desk


def test_a_patient_waits_until_staff_open_and_then_is_inside(desk: Desk) -> None:
    assert desk.comes("pat", "patient") == "waiting"
    assert desk.comes("lisa") == "inside"
    assert desk.place("pat") == "inside"
    assert desk.said() == ["waiting pat", "opened", "joined lisa", "joined pat"]


def test_whoever_waits_has_no_transport(desk: Desk) -> None:
    desk.comes("pat", "patient")
    desk.comes("gun", "guest")
    assert not [e for e in desk.effects if isinstance(e, Enter)]


def test_a_guest_waits_in_the_lobby_until_admitted(visit: Desk) -> None:
    assert visit.place("gun") == "lobby"
    visit.do(Admit("lisa", "gun"))
    assert visit.place("gun") == "inside" and visit.said() == ["admitted gun", "joined gun"]


def test_a_denied_guest_stays_out_also_when_knocking_again(visit: Desk) -> None:
    visit.do(Deny("lisa", "gun"))
    assert visit.thrown_out() == {"gun": "denied"}
    assert visit.refusal(Knock("gun", "guest", "Gun", opens_at=OPENS)) == "denied"


def test_a_patient_passes_no_lobby(visit: Desk) -> None:
    assert visit.comes("per", "patient") == "inside"


@pytest.mark.parametrize(
    ("now", "role", "reason"),
    [
        (OPENS - timedelta(seconds=1), "staff", "too_early"),
        (OPENS, "staff", None),
        (CLOSES - timedelta(seconds=1), "staff", None),
        (CLOSES, "staff", "too_late"),
        (OPENS - timedelta(hours=1), "patient", None),  # waits; staff alone open (V3)
        (CLOSES, "patient", "too_late"),
        (CLOSES, "guest", "too_late"),
    ],
)
def test_the_window_is_half_an_hour_on_both_sides(desk: Desk, now: Any, role: Any, reason: str | None) -> None:
    desk.now = now
    assert desk.refusal(Knock("x", role, "X", opens_at=OPENS)) == reason


@pytest.mark.parametrize(
    ("state", "reason_of_room", "reason"),
    [
        ("void", "till_registered", "void"),
        ("void", "withdrawn", "void"),
        ("closed", "cancelled", "closed"),
        ("closed", "ended", "too_late"),
    ],
)
@pytest.mark.parametrize("role", ["staff", "patient", "guest"])
def test_a_room_that_does_not_stand_lets_nobody_in(state: Any, reason_of_room: str, reason: str, role: Any) -> None:
    desk = Desk(Meeting(room(state, reason=reason_of_room)))
    assert desk.refusal(Knock("x", role, "X", opens_at=OPENS)) == reason


def test_a_scheduled_room_opens_at_its_moment_even_if_nobody_said_active() -> None:
    active_at = START - timedelta(minutes=5)
    desk = Desk(Meeting(room("scheduled", active_at=active_at)))
    assert desk.refusal(Knock("lisa", "staff", "Lisa")) == "not_active"
    desk.now = active_at
    assert desk.comes("lisa") == "inside"


def test_a_meeting_that_goes_on_is_not_cut_and_nobody_joins_it(visit: Desk) -> None:
    visit.now = CLOSES
    visit.hears(state="closed", reason="ended")
    visit.later(hours=2)
    assert visit.place("lisa") == visit.place("pat") == "inside"
    assert visit.refusal(Knock("per", "patient", "Per")) == "too_late"
    assert visit.place("gun") == "left", "who waited in the lobby is told"


def test_whoever_is_inside_comes_back_after_the_window(visit: Desk) -> None:
    visit.now = CLOSES + timedelta(minutes=5)
    visit.do(LineBroke("pat"))
    assert visit.comes("pat", "patient") == "inside"


def test_a_void_room_throws_everybody_out_at_once(visit: Desk) -> None:
    visit.hears(state="void", reason="withdrawn")
    assert visit.thrown_out() == {"lisa": "void", "pat": "void", "gun": "void"}
    assert visit.said()[-1] == "ended" and visit.refusal(Knock("lisa", "staff", "Lisa")) == "void"


def test_cancelling_ends_the_meeting(visit: Desk) -> None:
    visit.hears(state="closed", reason="cancelled")
    assert set(visit.thrown_out().values()) == {"closed"}


def test_rebooking_moves_the_window_and_voids_guest_invitations(visit: Desk) -> None:
    later = OPENS + timedelta(days=1)
    visit.hears(opens_at=later, closes_at=CLOSES + timedelta(days=1))
    assert visit.thrown_out() == {"gun": "moved"}
    assert visit.refusal(Knock("gun", "guest", "Gun", opens_at=OPENS)) == "moved"


def test_an_older_record_of_the_topic_changes_nothing(visit: Desk) -> None:
    visit.hears(sequence=5)
    visit.hears(state="void", sequence=4)
    assert visit.place("pat") == "inside"


def test_the_twenty_first_person_is_refused_and_told_why() -> None:
    desk = Desk(Meeting(room(kind="group")))
    desk.comes("lisa")
    for number in range(PEOPLE_MAX - 1):
        assert desk.comes(f"p{number}", "patient") == "inside"
    assert desk.refusal(Knock("one-more", "patient", "X")) == "full"
    assert desk.refusal(Knock("doctor", "staff", "X")) == "full"
    desk.comes("gun", "guest")
    assert desk.refusal(Admit("lisa", "gun")) == "full"
    desk.do(Leave("p3"))
    desk.do(Admit("lisa", "gun"))
    assert desk.place("gun") == "inside"


def test_a_seat_is_kept_for_staff_while_patients_wait() -> None:
    desk = Desk(Meeting(room(kind="group")))
    for number in range(PEOPLE_MAX - 1):
        assert desk.comes(f"p{number}", "patient") == "waiting"
    assert desk.refusal(Knock("one-more", "patient", "X")) == "full"
    assert desk.comes("lisa") == "inside"
    assert len(desk.meeting.inside()) == PEOPLE_MAX


def test_the_last_to_leave_ends_the_meeting_and_the_next_patient_waits_again(visit: Desk) -> None:
    visit.do(Leave("lisa"))
    visit.do(Leave("pat"))
    assert visit.said() == ["left lisa", "left pat", "ended"]
    assert visit.comes("pat", "patient") == "waiting"


def test_staff_end_the_meeting_for_everybody(visit: Desk) -> None:
    visit.do(End("lisa"))
    assert visit.thrown_out() == {"lisa": "ended", "pat": "ended", "gun": "ended"}


def test_a_removed_person_does_not_come_back(visit: Desk) -> None:
    visit.do(Remove("lisa", "pat"))
    assert visit.thrown_out() == {"pat": "removed"} and visit.said() == ["removed pat"]
    assert visit.refusal(Knock("pat", "patient", "Pat")) == "removed"


def test_staff_do_not_remove_staff(visit: Desk) -> None:
    visit.comes("petra")
    assert visit.refusal(Remove("lisa", "petra")) == "not_yours"


def test_a_broken_line_keeps_the_seat_for_half_a_minute(visit: Desk) -> None:
    visit.do(LineBroke("pat"))
    visit.later(seconds=29)
    assert visit.place("pat") == "inside"
    visit.later(seconds=1)
    assert visit.place("pat") == "left" and visit.thrown_out()["pat"] == "timed_out"


def test_a_mute_by_staff_silences_the_bridge_and_only_the_person_ends_it(visit: Desk) -> None:
    assert Silence("pat", ("audio", "screen", "screen_audio")) in visit.do(MuteOther("lisa", "pat"))
    visit.do(Sources("pat", audio=False, camera=False, screen=False))
    assert visit.meeting.people["pat"].muted
    assert Asked("pat") in visit.do(AskUnmute("lisa", "pat"))
    assert visit.meeting.people["pat"].muted, "staff ask; they do not turn it on"
    visit.do(Sources("pat", audio=True, camera=False, screen=False))
    assert not visit.meeting.people["pat"].muted and not visit.meeting.people["pat"].asked


def test_hands_are_raised_and_lowered(visit: Desk) -> None:
    visit.do(Hand("pat", up=True))
    assert view(visit.meeting, "lisa", visit.now)["people"][0]["pid"] == "pat"
    visit.do(LowerHand("lisa", "pat"))
    assert not visit.meeting.people["pat"].hand


def test_the_title_of_staff_is_seen_by_the_patient(visit: Desk) -> None:
    visit.do(Entitle("lisa", "Läkare"))
    assert {p["title"] for p in view(visit.meeting, "pat", visit.now)["people"]} == {"Läkare", ""}


@pytest.mark.parametrize(
    ("by", "command", "reason"),
    [
        ("pat", Admit("pat", "gun"), "not_yours"),
        ("pat", Deny("pat", "gun"), "not_yours"),
        ("pat", Remove("pat", "lisa"), "not_yours"),
        ("pat", MuteOther("pat", "lisa"), "not_yours"),
        ("pat", AskUnmute("pat", "lisa"), "not_yours"),
        ("pat", End("pat"), "not_yours"),
        ("pat", Entitle("pat", "Chef"), "not_yours"),
        ("gun", Hand("gun", up=True), "not_now"),
        ("gun", Sources("gun", True, True, True), "not_now"),
        ("gun", Chat("gun", "hej"), "not_now"),
        ("lisa", Admit("lisa", "pat"), "not_here"),
        ("lisa", Remove("lisa", "nobody"), "not_here"),
        ("lisa", MuteOther("lisa", "gun"), "not_here"),
        ("nobody", Hand("nobody", up=True), "not_here"),
        ("pat", Knock("pat", "staff", "Pat"), "not_yours"),
        ("pat", Chat("pat", "   "), "too_long"),
        ("pat", Chat("pat", "x" * 2_001), "too_long"),
    ],
)
def test_what_no_row_wants_is_refused_with_a_reason(visit: Desk, by: str, command: Any, reason: str) -> None:
    assert visit.refusal(command) == reason
    assert reason in moves.REASONS


@pytest.mark.parametrize(
    ("who", "after_window", "reason"),
    [("pat", False, None), ("pat", True, "too_late"), ("lisa", False, None), ("lisa", True, None)],
)
def test_patients_write_in_the_window_and_staff_also_afterwards(visit: Desk, who: str, after_window: bool, reason: str | None) -> None:
    if after_window:
        visit.now = CLOSES
    assert visit.refusal(Chat(who, "Hej")) == reason


def test_everyone_inside_reads_all_of_the_chat_and_a_line_that_comes_back_what_it_missed(visit: Desk) -> None:
    effects = visit.do(Chat("pat", "Hej"))
    visit.do(Chat("lisa", "Hej hej"))
    assert [e.line.text for e in effects if isinstance(e, Wrote)] == ["Hej"]
    assert [line["text"] for line in history(visit.meeting)] == ["Hej", "Hej hej"]
    assert [line["text"] for line in history(visit.meeting, after=1)] == ["Hej hej"]


def test_nothing_of_the_meeting_is_shown_before_admission(visit: Desk) -> None:
    seen = str(view(visit.meeting, "gun", visit.now))
    assert not any(word in seen for word in ("Lisa", "Pat", "lisa", "pat'", "Läkare", "SE2321000016", "people", "single"))


def test_staff_alone_see_phone_numbers_lobby_and_who_left(visit: Desk) -> None:
    phones = {"pat": "+46701740605"}
    assert "phone" not in str(view(visit.meeting, "pat", visit.now, phones))
    assert "lobby" not in view(visit.meeting, "pat", visit.now)
    staff = view(visit.meeting, "lisa", visit.now, phones)
    assert staff["lobby"][0]["name"] == "Gun" and [p["phone"] for p in staff["people"] if "phone" in p] == ["+46701740605"]


def test_who_took_part_and_who_left_when_is_known_without_names(visit: Desk) -> None:
    visit.later(minutes=5)
    visit.do(Leave("pat"))
    rows = {row["participant"]: row for row in attendance(visit.meeting)}
    assert rows["pat"]["state"] == "left" and rows["pat"]["joined_at"] < rows["pat"]["left_at"]
    assert "name" not in rows["pat"] and rows["gun"]["joined_at"] is None


def test_a_bridge_that_starts_again_knows_an_open_room_and_keeps_the_seats(visit: Desk) -> None:
    before = Desk()
    before.comes("lisa")
    before.comes("pat", "patient")
    again = Desk()
    for event in before.effects:
        if type(event).__name__ == "Happened":
            again.meeting = replayed(again.meeting, event.state, event.pid, event.role, event.at, event.number, again.now)  # type: ignore[union-attr]
    assert again.meeting.opened_at == before.meeting.opened_at
    assert again.comes("pat", "patient") == "inside", "no waiting for staff anew"
    again.later(seconds=31)
    assert again.place("lisa") == "left" and again.place("pat") == "inside"
    assert again.meeting.happened > before.meeting.happened, "numbers go on, so ids are never used twice"


def test_every_row_of_the_table_can_be_reached() -> None:
    for row in moves.MOVES:
        assert row.roles and row.places
    with pytest.raises(Refused):
        Desk().do(Hand("nobody", up=True))
