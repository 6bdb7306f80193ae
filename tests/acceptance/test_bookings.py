"""Bookings and their video rooms: B1 to B8, V1 to V8, as app, portal and video bridge see them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.acceptance import care_events as care
from tests.acceptance.care_desk import Desk
from tests.acceptance.hub_process import until

VIDEO = {"id": "V", "name": "Videobesök", "hidden": False, "video": "single"}
GROUP = {"id": "G", "name": "Gruppvideo", "hidden": False, "video": "group"}
PLAIN = {"id": "T1", "name": "Besök", "hidden": False, "video": "none"}
HIDDEN = {"id": "H", "name": "Dold", "hidden": True, "video": "none"}


def last(desk: Desk, topic: str, booking: dict[str, Any]) -> Any:
    found = desk.topics.of(topic, lambda m: m.value is not None and m.data["booking_id"] == booking["booking_id"])
    return found[-1] if found else None


def rooms(desk: Desk, booking: dict[str, Any]) -> list[Any]:
    return [
        m.data for m in desk.topics.of("video.rooms.v1", lambda m: m.value is not None and booking["booking_id"] in m.data["booking_ids"])
    ]


def room_by_id(desk: Desk, room_id: str) -> Any:
    return [m.data for m in desk.topics.of("video.rooms.v1", lambda m: m.value is not None and m.data["room_id"] == room_id)][-1]


def shown(desk: Desk, topic: str, booking: dict[str, Any], **fields: Any) -> Any:
    def look() -> Any:
        message = last(desk, topic, booking)
        return message if message and message.type == "booking.shown.v1" and fields.items() <= message.data.items() else None

    return until(look, 30, f"{topic} shows {booking['booking_id']} {fields}").data


def hidden(desk: Desk, topic: str, booking: dict[str, Any]) -> Any:
    def look() -> Any:
        message = last(desk, topic, booking)
        return message if message and message.type == "booking.hidden.v1" else None

    return until(look, 30, f"{topic} hides {booking['booking_id']}").data


def change(desk: Desk, booking: dict[str, Any], **fields: Any) -> dict[str, Any]:
    changed = booking | {"version": booking["version"] + 1} | fields
    desk.topics.send("ehr.bookings.v1", "booking.changed.v1", changed)
    return changed


@pytest.fixture(scope="module")
def user(desk: Desk) -> str:
    return desk.user()


def soon(desk: Desk, **span: float) -> str:
    return care.stamp(care.parse(desk.now()) + timedelta(**span))


def test_a_booking_is_shown_in_app_and_portal(desk: Desk, user: str) -> None:
    """B4, B8: keyed by the booking."""
    booking = desk.book(user, description="Återbesök knä", comment="Ta med remiss")
    for topic in ("app.bookings.v1", "portal.bookings.v1"):
        said = shown(desk, topic, booking)
        assert (said["version"], said["status"], said["patient"], said["video"]) == (1, "booked", user, False)
        assert (said["description"], said["comment"], said["minutes"], said["unit"]) == ("Återbesök knä", "Ta med remiss", 30, care.A1)
        assert care.parse(said["start"]) == care.parse(booking["start"]).replace(microsecond=care.parse(said["start"]).microsecond)
        message = last(desk, topic, booking)
        assert (message.key or b"").decode() == booking["booking_id"]
    assert rooms(desk, booking) == []


def test_without_account_the_portal_alone_shows_it(desk: Desk) -> None:
    """B8: and opening the account shows the coming ones, closing hides them."""
    patient = desk.known()
    booking = desk.book(patient)
    shown(desk, "portal.bookings.v1", booking)
    desk.topics.settle()
    assert last(desk, "app.bookings.v1", booking) is None
    desk.account(patient, as_of=desk.now())
    shown(desk, "app.bookings.v1", booking)
    desk.account(patient, "blocked", as_of=desk.now())
    hidden(desk, "app.bookings.v1", booking)
    assert last(desk, "portal.bookings.v1", booking).type == "booking.shown.v1"


@pytest.mark.parametrize("protection", ["sekretessmarkering", "skyddad_folkbokforing"])
def test_a_protected_persons_booking_goes_nowhere(desk: Desk, protection: str) -> None:
    """B1: dropped, recorded, no content kept."""
    patient = desk.user(protection=protection)
    booking = desk.book(patient, time_type=VIDEO, description="Hemligt besök")
    decision = desk.decided(booking["booking_id"])
    assert (decision["rule"], decision["outcome"]) == ("B1", "drop")
    desk.topics.settle()
    for topic in ("app.bookings.v1", "portal.bookings.v1"):
        assert last(desk, topic, booking) is None
    assert rooms(desk, booking) == []
    assert desk.topics.about("notifications.v1", about=booking["booking_id"]) == []


def test_a_hidden_time_type_is_shown_nowhere_and_judged_again(desk: Desk, user: str) -> None:
    """B2: hidden is a setting that may change."""
    unit = care.B2
    type_ = HIDDEN | {"id": care.name("tt")}
    booking = desk.book(user, unit=unit, time_type=type_)
    desk.topics.settle()
    assert {
        last(desk, t, booking) is None or last(desk, t, booking).type == "booking.hidden.v1"
        for t in ("app.bookings.v1", "portal.bookings.v1")
    } == {True}
    desk.topics.send(
        "ehr.bookings.v1", "time_type.changed.v1", {"unit": unit, "time_type": type_ | {"hidden": False}, "as_of": desk.now()}, key=unit
    )
    shown(desk, "app.bookings.v1", booking)
    shown(desk, "portal.bookings.v1", booking)
    desk.topics.send("ehr.bookings.v1", "time_type.changed.v1", {"unit": unit, "time_type": type_, "as_of": desk.now()}, key=unit)
    hidden(desk, "app.bookings.v1", booking)
    hidden(desk, "portal.bookings.v1", booking)


def test_a_journal_block_hides_from_the_patient_alone(desk: Desk, user: str) -> None:
    """B3: no video room either."""
    booking = desk.book(user, journal_blocked=True, time_type=VIDEO)
    assert shown(desk, "portal.bookings.v1", booking)["video"] in (False, True)
    desk.topics.settle()
    app = last(desk, "app.bookings.v1", booking)
    assert app is None or app.type == "booking.hidden.v1"
    assert [r for r in rooms(desk, booking) if r["state"] in ("scheduled", "active")] == []
    assert desk.topics.about("notifications.v1", about=booking["booking_id"]) == []


def test_cancelling_hides_in_the_app_and_says_so_in_the_portal(desk: Desk, user: str) -> None:
    """B4, and the contract of booking.hidden."""
    booking = desk.book(user)
    shown(desk, "app.bookings.v1", booking)
    change(desk, booking, status="cancelled")
    assert hidden(desk, "app.bookings.v1", booking)["version"] == 2
    assert shown(desk, "portal.bookings.v1", booking, status="cancelled")["version"] == 2


def test_an_older_version_never_wins_and_another_content_is_a_conflict(desk: Desk, user: str) -> None:
    """B6."""
    booking = desk.book(user, version=5, comment="fem")
    shown(desk, "portal.bookings.v1", booking)
    desk.topics.send("ehr.bookings.v1", "booking.changed.v1", booking | {"version": 4, "comment": "fyra"})
    desk.topics.send("ehr.bookings.v1", "booking.changed.v1", booking)
    clash = desk.topics.send("ehr.bookings.v1", "booking.changed.v1", booking | {"comment": "annat"})
    assert desk.dead(clash)["dlq-class"] == "conflict"
    desk.topics.settle()
    assert last(desk, "portal.bookings.v1", booking).data["comment"] == "fem"
    rebooked = change(desk, booking, status="rebooked", start=soon(desk, days=100), version=7)
    assert shown(desk, "app.bookings.v1", booking, version=7)["status"] == "rebooked"
    assert rebooked["version"] == 7


def test_updated_at_serves_where_the_source_has_no_version(desk: Desk, user: str) -> None:
    """B6: later wins, equal means the same."""
    booking = desk.book(user)
    first = {k: v for k, v in care.booking(user).items() if k != "version"} | {"updated_at": care.stamp()}
    desk.topics.send("ehr.bookings.v1", "booking.changed.v1", first)
    shown(desk, "portal.bookings.v1", first, comment="")
    desk.topics.send(
        "ehr.bookings.v1", "booking.changed.v1", first | {"updated_at": care.stamp(care.now() + timedelta(seconds=1)), "comment": "ny"}
    )
    shown(desk, "portal.bookings.v1", first, comment="ny")
    desk.topics.send("ehr.bookings.v1", "booking.changed.v1", first | {"comment": "annat"})
    desk.topics.settle()
    assert last(desk, "portal.bookings.v1", first).data["comment"] == "ny"
    assert booking["booking_id"] != first["booking_id"]


def test_a_video_booking_gets_a_room_ten_minutes_after_it_came(desk: Desk, user: str) -> None:
    """V1, V2: active at arrival + 10 minutes, open 30 minutes around the visit."""
    booking = desk.book(user, time_type=VIDEO)
    room = until(lambda: rooms(desk, booking), 30, "room")[-1]
    assert (room["state"], room["kind"], room["unit"], room["booking_ids"]) == ("scheduled", "single", care.A1, [booking["booking_id"]])
    start = care.parse(booking["start"])
    assert care.parse(room["opens_at"]) == start - timedelta(minutes=30)
    assert care.parse(room["closes_at"]) == start + timedelta(minutes=60)
    assert timedelta(minutes=9) < care.parse(room["active_at"]) - care.parse(desk.now()) <= timedelta(minutes=10)
    assert shown(desk, "app.bookings.v1", booking)["video"] is True
    desk.hub.advance("10m")
    until(lambda: rooms(desk, booking)[-1]["state"] == "active", 30, "active")
    desk.topics.settle()
    assert any(n["kind"] == "booking" for n in desk.topics.about("notifications.v1", about=booking["booking_id"]))


def test_a_visit_that_is_near_gets_its_room_in_time_a_reminder_and_an_end(desk: Desk, user: str) -> None:
    """V1: min(arrival + 10 min, opening), never before arrival; V7: 15 minutes before; V2: closed 30 minutes after the end."""
    booking = desk.book(user, time_type=VIDEO, start=soon(desk, minutes=20))
    room = until(lambda: [r for r in rooms(desk, booking) if r["state"] == "active"], 30, "active at once")[-1]
    desk.hub.advance("6m")
    until(
        lambda: [n for n in desk.topics.about("notifications.v1", about=booking["booking_id"]) if n["kind"] == "reminder"], 30, "reminder"
    )
    desk.hub.advance("80m")
    until(lambda: room_by_id(desk, room["room_id"])["state"] == "closed", 30, "closed")
    desk.topics.settle()
    assert len([n for n in desk.topics.about("notifications.v1", about=booking["booking_id"]) if n["kind"] == "reminder"]) == 1


def test_a_plain_visit_has_no_reminder(desk: Desk, user: str) -> None:
    """V7: bookings without video: none."""
    booking = desk.book(user, start=soon(desk, minutes=20))
    shown(desk, "app.bookings.v1", booking)
    desk.hub.advance("10m")
    desk.topics.settle()
    assert desk.topics.about("notifications.v1", about=booking["booking_id"]) == []


def test_rebooking_moves_the_window_and_cancelling_closes(desk: Desk, user: str) -> None:
    """V6: an active room stays active in its new window."""
    booking = desk.book(user, time_type=VIDEO)
    room = until(lambda: rooms(desk, booking), 30, "room")[-1]
    desk.hub.advance("11m")
    until(lambda: rooms(desk, booking)[-1]["state"] == "active", 30, "active")
    moved = change(desk, booking, status="rebooked", start=soon(desk, days=20))
    start = care.parse(moved["start"])
    until(lambda: care.parse(rooms(desk, booking)[-1]["opens_at"]) == start - timedelta(minutes=30), 30, "moved")
    assert rooms(desk, booking)[-1]["state"] == "active"
    assert rooms(desk, booking)[-1]["room_id"] == room["room_id"]
    change(desk, moved, status="cancelled")
    until(lambda: room_by_id(desk, room["room_id"])["state"] == "closed", 30, "closed")
    assert rooms(desk, booking)[-1]["state"] == "closed"


def test_another_time_type_takes_and_gives_the_room(desk: Desk, user: str) -> None:
    """V5."""
    booking = desk.book(user)
    shown(desk, "portal.bookings.v1", booking)
    video = change(desk, booking, time_type=VIDEO)
    until(lambda: rooms(desk, booking), 30, "room")
    change(desk, video, time_type=PLAIN)
    until(lambda: room_by_id(desk, rooms(desk, booking)[0]["room_id"])["state"] in ("void", "closed"), 30, "no room")
    assert rooms(desk, booking)[-1]["state"] in ("void", "closed")


def test_registered_at_the_till_before_opening_voids(desk: Desk, user: str) -> None:
    """V4; arrived is not registration at the till."""
    booking = desk.book(user, time_type=VIDEO)
    room = until(lambda: rooms(desk, booking), 30, "room")[-1]
    arrived = change(desk, booking, status="arrived")
    desk.topics.settle()
    assert room_by_id(desk, room["room_id"])["state"] in ("scheduled", "active")
    change(desk, arrived, till_registered_at=desk.now())
    until(lambda: room_by_id(desk, room["room_id"])["state"] == "void", 30, "void")
    assert rooms(desk, booking)[-1]["state"] == "void"


def test_a_group_shares_one_room_that_closes_with_its_last_booking(desk: Desk) -> None:
    """V8: same unit, start and resource and a group time type; the window is the longest."""
    start, resource = soon(desk, days=12), {"id": care.name("R"), "name": "Grupprum"}
    people = [desk.person() for _ in range(3)]
    desk.hub.idle()
    bookings = [
        desk.book(p, start=start, resource=resource, time_type=GROUP, minutes=minutes)
        for p, minutes in zip(people, (30, 60, 45), strict=True)
    ]
    ids = {b["booking_id"] for b in bookings}
    room = until(lambda: next((r for r in rooms(desk, bookings[0]) if set(r["booking_ids"]) == ids), None), 30, "group room")
    assert room["kind"] == "group"
    assert care.parse(room["closes_at"]) - care.parse(start) == timedelta(minutes=90)
    for booking in bookings[:2]:
        change(desk, booking, status="cancelled")
    until(lambda: room_by_id(desk, room["room_id"])["booking_ids"] == [bookings[2]["booking_id"]], 30, "one left")
    assert room_by_id(desk, room["room_id"])["state"] in ("scheduled", "active")
    change(desk, bookings[2], status="cancelled")
    until(lambda: room_by_id(desk, room["room_id"])["state"] == "closed", 30, "closed")


def test_times_without_a_zone_are_stockholms(desk: Desk, user: str) -> None:
    """In the doubled autumn hour the earlier one."""
    plain = desk.book(user, start="2027-07-01T10:00:00")
    doubled = desk.book(user, start="2027-10-31T02:30:00")
    assert care.parse(shown(desk, "portal.bookings.v1", plain)["start"]) == care.parse("2027-07-01T08:00:00+00:00")
    assert care.parse(shown(desk, "portal.bookings.v1", doubled)["start"]) == care.parse("2027-10-31T00:30:00+00:00")


def test_a_strangers_booking_waits_for_the_register(desk: Desk) -> None:
    """P8: unverified is handled as protected; the answer decides again at once."""
    stranger = care.adult()
    booking = desk.book(stranger, description="Hemligt")
    decision = desk.decided(booking["booking_id"])
    assert (decision["outcome"], decision["rule"]) == ("wait", "P8")
    desk.topics.settle()
    assert last(desk, "portal.bookings.v1", booking) is None
    desk.person(stranger, as_of=desk.now())
    shown(desk, "portal.bookings.v1", booking)
