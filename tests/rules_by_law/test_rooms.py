"""Video rooms and their notifications: V1, V2, V4 to V8; N1 to N3."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from schemas.persons import fictitious
from tests.pipelines.desk import CHILD, MOTHER, START, account, agent, booking, kallelse, letter, person
from tests.rules_by_law.law_desk import (
    ADULT,
    FATHER,
    GROUP,
    OTHER,
    STAFF,
    VIDEO,
    VISIBLE,
    LawDesk,
    classes,
    of,
    opened,
    time_type,
    video,
)

MINUTE = timedelta(minutes=1)
LATER = START + MINUTE
VISIT = START + timedelta(days=7)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def states(said: Any) -> list[str]:
    return [one["state"] for one in of(said, "room.changed.v1")]


async def adult(hub: LawDesk, *more: str) -> None:
    await hub.take(*(person(pid) for pid in (ADULT, *more)), *(account(pid) for pid in (ADULT, *more)))


# --- V1, V2 -------------------------------------------------------------------------------------------------------------------


async def test_a_room_is_scheduled_and_becomes_active_ten_minutes_after_the_booking_arrived(hub: LawDesk) -> None:
    """V1, V2: its window is 30 minutes on either side of the visit."""
    await adult(hub)
    said = await hub.take(video(ADULT))
    (room,) = of(said, "room.changed.v1")
    assert (room["state"], room["kind"], room["booking_ids"], room["resource"]) == ("scheduled", "single", ["b1"], "r1")
    assert (at(room["active_at"]), at(room["opens_at"]), at(room["closes_at"])) == (
        START + 10 * MINUTE, VISIT - 30 * MINUTE, VISIT + 60 * MINUTE,
    )  # fmt: skip
    assert {one["video"] for one in of(said, "booking.shown.v1")} == {True}
    assert states(await hub.wait(minutes=9, seconds=59)) == []
    assert states(await hub.wait(seconds=1)) == ["active"]


async def test_a_room_without_an_account_is_a_room_all_the_same(hub: LawDesk) -> None:
    """V1: a booking on a video time type; B1 to B3 passed."""
    await hub.take(person(ADULT))
    assert states(await hub.take(video(ADULT))) == ["scheduled"]


@pytest.mark.parametrize(("starts", "active"), [(35, 5), (30, 0), (10, 0), (39, 9), (41, 10), (120, 10)])
async def test_a_booking_that_starts_soon_gets_its_room_in_time(hub: LawDesk, starts: int, active: int) -> None:
    """V1 (decision): `min(arrival + 10 min, opening of V2)`, never before arrival."""
    await adult(hub)
    said = await hub.take(video(ADULT, start=START + starts * MINUTE)) + await hub.settle()
    room = of(said, "room.changed.v1")[-1]
    assert at(room["active_at"]) == START + active * MINUTE
    assert room["state"] == ("active" if active == 0 else "scheduled")


async def test_arrival_is_when_it_became_a_video_booking(hub: LawDesk) -> None:
    """V1, V5: staff change the time type."""
    await adult(hub)
    assert states(await hub.take(booking(ADULT))) == []
    await hub.wait(hours=1)
    said = await hub.take(video(ADULT, version=2))
    assert at(of(said, "room.changed.v1")[0]["active_at"]) == START + 70 * MINUTE


async def test_a_time_type_that_becomes_video_gives_a_room_from_then(hub: LawDesk) -> None:
    """V5, B2: bookings already known are judged again."""
    await adult(hub)
    await hub.take(booking(ADULT))
    await hub.wait(hours=1)
    said = await hub.take(time_type({**VISIBLE, "video": "single"}, hub.time)) + await hub.settle()
    assert states(said) == ["scheduled"]
    assert at(of(said, "room.changed.v1")[0]["active_at"]) == START + 70 * MINUTE


async def test_repeats_do_not_start_the_ten_minutes_anew(hub: LawDesk) -> None:
    """V1."""
    await adult(hub)
    await hub.take(video(ADULT))
    await hub.wait(minutes=5)
    said = await hub.take(video(ADULT), video(ADULT, version=2, comment="Nytt"))
    assert states(said) in ([], ["scheduled"])
    assert states(await hub.wait(minutes=5)) == ["active"]


async def test_rebooking_moves_the_window_and_not_the_ten_minutes(hub: LawDesk) -> None:
    """V1, V6."""
    await adult(hub)
    await hub.take(video(ADULT))
    await hub.wait(minutes=5)
    said = await hub.take(video(ADULT, version=2, status="rebooked", start=VISIT + timedelta(days=1)))
    (room,) = of(said, "room.changed.v1")
    assert at(room["opens_at"]) == VISIT + timedelta(days=1) - 30 * MINUTE and at(room["active_at"]) == START + 10 * MINUTE
    assert states(await hub.wait(minutes=5)) == ["active"]


async def test_an_active_room_stays_active_in_its_new_window(hub: LawDesk) -> None:
    """V1, V6: the same room."""
    await adult(hub)
    (first,) = of(await hub.take(video(ADULT)), "room.changed.v1")
    await hub.wait(minutes=10)
    said = await hub.take(video(ADULT, version=2, status="rebooked", start=VISIT + timedelta(days=1)))
    (room,) = of(said, "room.changed.v1")
    assert (room["state"], room["room_id"]) == ("active", first["room_id"])
    assert at(room["closes_at"]) == VISIT + timedelta(days=1) + 60 * MINUTE


async def test_after_its_window_a_room_is_closed(hub: LawDesk) -> None:
    """V1: 30 minutes after the end."""
    await adult(hub)
    await hub.take(video(ADULT, start=START + 60 * MINUTE))
    await hub.wait(minutes=10)
    assert states(await hub.wait(until=START + 119 * MINUTE + timedelta(seconds=59))) == []
    assert states(await hub.wait(seconds=1)) == ["closed"]


async def test_rebooking_after_the_window_opens_the_room_again(hub: LawDesk) -> None:
    """V6: the window moves; V1: the ten minutes do not start anew."""
    await adult(hub)
    await hub.take(video(ADULT, start=START + 60 * MINUTE))
    await hub.wait(hours=3)
    said = await hub.take(video(ADULT, version=2, status="rebooked", start=VISIT)) + await hub.settle()
    assert states(said)[-1] == "active"


async def test_a_booking_of_the_past_gets_no_open_room(hub: LawDesk) -> None:
    """V1, V2: its window is over."""
    await adult(hub)
    said = await hub.take(video(ADULT, start=START - timedelta(days=1))) + await hub.settle()
    assert "active" not in states(said) and "scheduled" not in states(said)[-1:]
    assert of(said, "notification.requested.v1") == []


# --- V4, V5, V6 ---------------------------------------------------------------------------------------------------------------


async def test_a_visit_registered_at_the_till_before_the_room_was_opened_voids_it(hub: LawDesk) -> None:
    """V4: for good; a new booking is needed."""
    await adult(hub)
    await hub.take(video(ADULT))
    await hub.wait(minutes=15)
    assert states(await hub.take(video(ADULT, version=2, till_registered_at=hub.time))) == ["void"]
    said = await hub.take(video(ADULT, version=3, till_registered_at=hub.time, status="rebooked", start=VISIT + timedelta(days=1)))
    assert "active" not in states(said) and "scheduled" not in states(said)


async def test_a_visit_registered_at_the_till_after_the_room_was_opened_changes_nothing(hub: LawDesk) -> None:
    """V4: "before the room was first opened"."""
    await adult(hub)
    await hub.take(video(ADULT, start=START + 20 * MINUTE))
    await hub.wait(minutes=10)
    room = of(hub.said, "room.changed.v1")[-1]["room_id"]
    await hub.take(opened(room, hub.time))
    await hub.wait(minutes=5)
    said = await hub.take(video(ADULT, version=2, start=START + 20 * MINUTE, till_registered_at=hub.time))
    assert "void" not in states(said)


async def test_arrived_is_not_registration_at_the_till(hub: LawDesk) -> None:
    """V4: Kommit."""
    await adult(hub)
    await hub.take(video(ADULT))
    said = await hub.take(video(ADULT, version=2, status="arrived"))
    assert "void" not in states(said) and "closed" not in states(said)
    assert states(await hub.wait(minutes=10)) == ["active"]


async def test_the_wrong_time_type_gives_no_room(hub: LawDesk) -> None:
    """V5."""
    await adult(hub)
    assert states(await hub.take(booking(ADULT))) == []
    assert await hub.pool.fetchval("SELECT count(*) FROM rooms") == 0


async def test_a_booking_that_leaves_its_video_time_type_loses_its_room(hub: LawDesk) -> None:
    """V5."""
    await adult(hub)
    await hub.take(video(ADULT))
    said = await hub.take(booking(ADULT, version=2))
    assert states(said)[-1] in ("void", "closed")
    assert {one["video"] for one in of(said, "booking.shown.v1")} == {False}


async def test_cancelling_closes_the_room(hub: LawDesk) -> None:
    """V6."""
    await adult(hub)
    await hub.take(video(ADULT))
    assert states(await hub.take(video(ADULT, version=2, status="cancelled"))) == ["closed"]
    assert states(await hub.wait(days=8)) == []


async def test_a_hidden_video_time_type_gives_no_room(hub: LawDesk) -> None:
    """V1, B2."""
    await adult(hub)
    assert states(await hub.take(video(ADULT, time_type={**VIDEO, "hidden": True}))) == []


# --- V8 -----------------------------------------------------------------------------------------------------------------------

CROWD = [fictitious(date(1960 + place, 5, 5)) for place in range(21)]


async def test_bookings_of_one_group_make_one_room_with_the_longest_window(hub: LawDesk) -> None:
    """V8: same unit, start and resource, a group video time type; each an own booking."""
    await adult(hub, OTHER)
    await hub.take(video(ADULT, "b1", time_type=GROUP, minutes=30))
    said = await hub.take(video(OTHER, "b2", time_type=GROUP, minutes=90))
    room = of(said, "room.changed.v1")[-1]
    assert (room["kind"], sorted(room["booking_ids"])) == ("group", ["b1", "b2"])
    assert at(room["closes_at"]) == VISIT + 120 * MINUTE
    assert len({one["room_id"] for one in of(hub.said, "room.changed.v1")}) == 1


async def test_the_two_of_a_group_may_come_in_one_batch(hub: LawDesk) -> None:
    """V8."""
    said = await hub.take(
        video(ADULT, "b1", time_type=GROUP), video(OTHER, "b2", time_type=GROUP), person(ADULT), person(OTHER), account(OTHER)
    )
    room = of(said, "room.changed.v1")[-1]
    assert sorted(room["booking_ids"]) == ["b1", "b2"]


@pytest.mark.parametrize(
    "more",
    [
        {"start": VISIT + MINUTE},
        {"resource": {"id": "r2", "name": "Dr Annan"}},
        {"unit": "SE2321000016-B2"},
    ],
)
async def test_another_unit_start_or_resource_is_another_room(hub: LawDesk, more: dict[str, Any]) -> None:
    """V8."""
    await adult(hub, OTHER)
    await hub.take(video(ADULT, "b1", time_type=GROUP), video(OTHER, "b2", time_type=GROUP, **more))
    assert len({one["room_id"] for one in of(hub.said, "room.changed.v1")}) == 2


async def test_single_video_bookings_never_share_a_room(hub: LawDesk) -> None:
    """V8: only group time types do."""
    await adult(hub, OTHER)
    await hub.take(video(ADULT, "b1"), video(OTHER, "b2"))
    assert len({one["room_id"] for one in of(hub.said, "room.changed.v1")}) == 2


async def test_a_group_room_closes_with_its_last_booking(hub: LawDesk) -> None:
    """V6."""
    await adult(hub, OTHER)
    await hub.take(video(ADULT, "b1", time_type=GROUP), video(OTHER, "b2", time_type=GROUP))
    said = await hub.take(video(ADULT, "b1", version=2, status="cancelled", time_type=GROUP))
    assert "closed" not in states(said)
    assert of(said, "room.changed.v1")[-1]["booking_ids"] == ["b2"]
    assert states(await hub.take(video(OTHER, "b2", version=2, status="cancelled", time_type=GROUP))) == ["closed"]
    assert "b2" in of(hub.said, "room.changed.v1")[-1]["booking_ids"], "a consumer finds the room of a booking that was cancelled"


async def test_one_who_is_rebooked_leaves_the_group_for_another_room(hub: LawDesk) -> None:
    """V6, V8."""
    await adult(hub, OTHER)
    await hub.take(video(ADULT, "b1", time_type=GROUP), video(OTHER, "b2", time_type=GROUP))
    said = await hub.take(video(ADULT, "b1", version=2, status="rebooked", time_type=GROUP, start=VISIT + timedelta(days=1)))
    rooms = {one["room_id"]: one["booking_ids"] for one in of(said, "room.changed.v1")}
    assert sorted(rooms.values()) == [["b1"], ["b2"]]


async def test_one_who_becomes_protected_leaves_the_group(hub: LawDesk) -> None:
    """P10, V8: the others' room stays."""
    await adult(hub, OTHER)
    await hub.take(video(ADULT, "b1", time_type=GROUP), video(OTHER, "b2", time_type=GROUP))
    said = await hub.take(person(ADULT, protection="sekretessmarkering", as_of=LATER))
    room = of(said, "room.changed.v1")[-1]
    assert (room["booking_ids"], room["state"]) == (["b2"], "scheduled")


@pytest.mark.parametrize("first", ["protected", "another time type", "another room", "registered at the till"])
async def test_a_group_room_closes_with_its_last_cancelled_whoever_left_before(hub: LawDesk, first: str) -> None:
    """V6; B1: whose booking was withdrawn before is named no more."""
    await adult(hub, OTHER)
    await hub.take(video(ADULT, "b1", time_type=GROUP), video(OTHER, "b2", time_type=GROUP))
    room = of(hub.said, "room.changed.v1")[-1]["room_id"]
    gone = {
        "protected": person(ADULT, protection="sekretessmarkering", as_of=LATER),
        "another time type": video(ADULT, "b1", version=2),
        "another room": video(ADULT, "b1", version=2, time_type=GROUP, start=VISIT + timedelta(days=1)),
        "registered at the till": video(ADULT, "b1", version=2, time_type=GROUP, till_registered_at=LATER),
    }
    await hub.take(gone[first])
    said = await hub.take(video(OTHER, "b2", version=2, status="cancelled", time_type=GROUP))
    last = [one for one in of(said, "room.changed.v1") if one["room_id"] == room][-1]
    assert (last["state"], last["reason"]) == ("closed", "cancelled")
    assert last["booking_ids"] == (["b1", "b2"] if first == "registered at the till" else ["b2"])


async def test_a_group_room_whose_last_is_withdrawn_is_void(hub: LawDesk) -> None:
    """P10, V8."""
    await adult(hub, OTHER)
    await hub.take(video(ADULT, "b1", time_type=GROUP), video(OTHER, "b2", time_type=GROUP))
    await hub.take(video(ADULT, "b1", version=2, status="cancelled", time_type=GROUP))
    assert states(await hub.take(person(OTHER, protection="sekretessmarkering", as_of=LATER))) == ["void"]


async def test_one_registered_at_the_till_leaves_the_group(hub: LawDesk) -> None:
    """V4, V8."""
    await adult(hub, OTHER)
    await hub.take(video(ADULT, "b1", time_type=GROUP), video(OTHER, "b2", time_type=GROUP))
    said = await hub.take(video(ADULT, "b1", version=2, time_type=GROUP, till_registered_at=LATER))
    assert "void" not in states(said)
    assert states(await hub.take(video(OTHER, "b2", version=2, time_type=GROUP, till_registered_at=LATER)))[-1] == "void"


async def test_twenty_one_bookings_make_one_room_and_the_unit_is_told(hub: LawDesk) -> None:
    """V8: the 21st booking alerts the unit."""
    await hub.take(*(person(pid) for pid in CROWD))
    await hub.take(*(video(pid, f"b{place}", time_type=GROUP) for place, pid in enumerate(CROWD[:20])))
    assert len(of(hub.said, "room.changed.v1")[-1]["booking_ids"]) == 20
    said = await hub.take(video(CROWD[20], "b20", time_type=GROUP))
    room = of(said, "room.changed.v1")[-1]
    assert len(room["booking_ids"]) == 21 and room.get("reason") == "crowded"
    assert await hub.pool.fetchval("SELECT count(*) FROM rooms") == 1


# --- V7, N1 to N3 -------------------------------------------------------------------------------------------------------------


async def test_a_video_booking_is_notified_and_reminded_fifteen_minutes_before(hub: LawDesk) -> None:
    """V7: once each; the reminder has lost its point when the visit has begun."""
    await adult(hub)
    said = await hub.take(video(ADULT, start=START + 120 * MINUTE))
    assert [(one["kind"], one["recipient"], one["about"]) for one in of(said, "notification.requested.v1")] == [("booking", ADULT, "b1")]
    assert of(await hub.wait(minutes=104, seconds=59), "notification.requested.v1") == []
    (reminder,) = of(await hub.wait(seconds=1), "notification.requested.v1")
    assert (reminder["kind"], reminder["recipient"]) == ("reminder", ADULT)
    assert at(reminder["not_after"]) == START + 120 * MINUTE
    assert of(await hub.wait(hours=5), "notification.requested.v1") == []


async def test_a_booking_without_video_is_neither_notified_nor_reminded(hub: LawDesk) -> None:
    """V7."""
    await adult(hub)
    await hub.take(booking(ADULT, start=START + 120 * MINUTE))
    await hub.wait(hours=5)
    assert of(hub.said, "notification.requested.v1") == []


async def test_the_reminder_follows_the_rebooked_start(hub: LawDesk) -> None:
    """V7, V6."""
    await adult(hub)
    await hub.take(video(ADULT, start=START + 120 * MINUTE))
    await hub.take(video(ADULT, version=2, status="rebooked", start=START + 240 * MINUTE))
    assert [one for one in of(await hub.wait(minutes=224), "notification.requested.v1") if one["kind"] == "reminder"] == []
    assert [one["kind"] for one in of(await hub.wait(minutes=2), "notification.requested.v1")] == ["reminder"]


async def test_a_visit_that_is_moved_after_its_reminder_is_reminded_of_again_and_by_another_id(hub: LawDesk) -> None:
    """V7, CONTRACTS: whoever takes each id once must not lose the reminder of the new time; the old time again is no news (N3)."""
    await adult(hub)
    times = (START + 120 * MINUTE, START + 240 * MINUTE)
    await hub.take(video(ADULT, start=times[0]))
    said = await hub.wait(minutes=106)
    await hub.take(video(ADULT, version=2, status="rebooked", start=times[1]))
    said += await hub.wait(minutes=130)
    reminders = [one for one in of(said, "notification.requested.v1") if one["kind"] == "reminder"]
    assert [at(one["not_after"]) for one in reminders] == list(times)
    assert len({one["notification_id"] for one in reminders}) == 2


@pytest.mark.parametrize("more", [{"status": "cancelled"}, {"journal_blocked": True}, {"time_type": VISIBLE}])
async def test_no_reminder_of_what_is_no_video_visit_any_more(hub: LawDesk, more: dict[str, Any]) -> None:
    """V7, B3, V5."""
    await adult(hub)
    await hub.take(video(ADULT, start=START + 120 * MINUTE))
    await hub.take(video(ADULT, version=2, **{"start": START + 120 * MINUTE, **more}))
    assert of(await hub.wait(hours=4), "notification.requested.v1") == []


async def test_nobody_without_an_open_app_channel_is_notified_of_bookings(hub: LawDesk) -> None:
    """V7, B8, N3."""
    await hub.take(person(ADULT), video(ADULT, start=START + 120 * MINUTE))
    await hub.wait(hours=4)
    assert of(hub.said, "notification.requested.v1") == []


@pytest.mark.parametrize(
    "last",
    [
        account(ADULT, "blocked", as_of=LATER),
        person(ADULT, protection="sekretessmarkering", as_of=LATER),
        person(ADULT, deceased=date(2026, 3, 1), as_of=LATER),
    ],
)
async def test_nothing_automatic_to_the_blocked_the_protected_and_the_dead(hub: LawDesk, last: Any) -> None:
    """N3."""
    await adult(hub)
    await hub.take(video(ADULT, start=START + 120 * MINUTE))
    await hub.take(last)
    await hub.take(letter(ADULT), kallelse(ADULT), video(ADULT, "b2", start=START + 180 * MINUTE))
    assert of(await hub.wait(hours=5), "notification.requested.v1") == []
    assert {one["about"] for one in of(hub.said, "notification.requested.v1")} == {"b1"}


async def test_guardians_are_notified_of_a_childs_video_booking(hub: LawDesk) -> None:
    """V7, N1: those who see the booking."""
    await hub.take(person(CHILD), person(MOTHER), person(FATHER), account(MOTHER), account(FATHER))
    said = await hub.take(agent(CHILD, MOTHER), agent(CHILD, FATHER), video(CHILD))
    assert sorted(one["recipient"] for one in of(said, "notification.requested.v1")) == sorted([MOTHER, FATHER])


async def test_a_document_in_the_app_is_notified_by_sms_where_a_number_is_known_else_by_push(hub: LawDesk) -> None:
    """N1, N2: no personal or care data; it loses its point with the 48 hours."""
    await hub.take(person(ADULT), person(OTHER), account(ADULT, phone="+46701740605"), account(OTHER))
    said = await hub.take(letter(ADULT), letter(OTHER, "d2"))
    found = {one["recipient"]: one for one in of(said, "notification.requested.v1")}
    assert (found[ADULT]["channel"], found[OTHER]["channel"]) == ("sms", "push")
    assert all(one["kind"] == "document" and at(one["not_after"]) > START for one in found.values())
    assert "+4670" not in str(said)


async def test_a_mailbox_delivery_alone_notifies_nobody(hub: LawDesk) -> None:
    """N1: a document in the app."""
    from tests.pipelines.desk import mailbox

    await hub.take(person(ADULT), mailbox(ADULT))
    assert of(await hub.take(letter(ADULT)), "notification.requested.v1") == []


async def test_an_account_that_opens_and_closes_is_not_told_twice_of_a_booking(hub: LawDesk) -> None:
    """N3: never twice for the same event."""
    await adult(hub)
    await hub.take(video(ADULT))
    await hub.take(account(ADULT, "blocked", as_of=LATER))
    said = await hub.take(account(ADULT, as_of=LATER + MINUTE, **STAFF))
    assert of(said, "notification.requested.v1") == [] and classes(said) == []
