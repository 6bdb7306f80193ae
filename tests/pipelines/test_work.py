"""The ledger's transactions on a real PostgreSQL: events in, decisions, rows and outputs out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest_asyncio

from tests.pipelines.desk import (
    ANNA,
    BERTIL,
    CHILD,
    MOTHER,
    START,
    UNIT,
    Desk,
    Event,
    account,
    agent,
    answer,
    booking,
    desk,
    kallelse,
    letter,
    mailbox,
    of_type,
    person,
    read,
)


@pytest_asyncio.fixture
async def hub(postgres: str) -> AsyncIterator[Desk]:
    async with desk(postgres) as made:
        yield made


async def test_a_letter_to_an_account_is_delivered_once(hub: Desk) -> None:
    await hub.take(person(ANNA), account(ANNA, phone="+46701740605"))
    said = await hub.take(letter(ANNA))
    delivered = of_type(said, "document.delivered.v1")
    assert [d["recipients"] for d in delivered] == [[{"id": ANNA, "role": "resident"}]]
    assert delivered[0]["links"] == ["https://1177.se"]
    assert [n["channel"] for n in of_type(said, "notification.requested.v1")] == ["sms"]
    assert of_type(said, "decision.made.v1")[0]["rule"] == "R9"
    assert await hub.take(letter(ANNA)) == []


async def test_a_letter_without_its_code_goes_to_print(hub: Desk) -> None:
    await hub.take(person(ANNA), account(ANNA))
    said = await hub.take(letter(ANNA, footer="Sidfot"))
    assert [p["reason"] for p in of_type(said, "print.entered.v1")] == ["control_code_missing"]


async def test_the_same_document_with_other_content_is_a_conflict(hub: Desk) -> None:
    await hub.take(person(ANNA), account(ANNA))
    await hub.take(letter(ANNA))
    said = await hub.take(letter(ANNA, title="Ett annat"))
    assert [(s.topic, s.data["dlq-class"]) for s in said] == [("dead-letters.v1", "conflict")]


async def test_unread_after_48_hours_goes_to_print_and_a_late_reading_settles_it(hub: Desk) -> None:
    await hub.take(person(ANNA), account(ANNA))
    await hub.take(letter(ANNA))
    assert of_type(await hub.advance(hours=47, minutes=59), "print.entered.v1") == []
    await hub.take(person(ANNA, as_of=hub.time))
    said = await hub.advance(minutes=1)
    assert [p["reason"] for p in of_type(said, "print.entered.v1")] == ["unread_48h"]
    said = await hub.take(read(ANNA, at=hub.time))
    assert [p["outcome"] for p in of_type(said, "print.settled.v1")] == ["read_late"]
    assert [p["outcome"] for p in of_type(said, "document.settled.v1")] == ["read"]


async def test_stale_facts_are_refreshed_before_print_and_known_ones_serve_a_silent_register(hub: Desk) -> None:
    await hub.take(person(ANNA), account(ANNA))
    await hub.take(letter(ANNA))
    assert of_type(await hub.advance(hours=48), "print.entered.v1") == []
    assert await hub.pool.fetchval("SELECT count(*) FROM lookups") == 1
    said = await hub.advance(seconds=21)
    assert [p["reason"] for p in of_type(said, "print.entered.v1")] == ["unread_48h"]


async def test_a_letter_waits_for_an_account(hub: Desk) -> None:
    await hub.take(person(ANNA))
    said = await hub.take(letter(ANNA))
    assert of_type(said, "document.delivered.v1") == []
    said = await hub.take(account(ANNA))
    assert len(of_type(said, "document.delivered.v1")) == 1


async def test_a_stranger_waits_for_the_register_and_is_masked_until_then(hub: Desk) -> None:
    said = await hub.take(letter(ANNA), booking(ANNA))
    assert of_type(said, "decision.made.v1")[0]["rule"] == "P8"
    assert await hub.pool.fetchval("SELECT count(*) FROM lookups") == 1
    assert of_type(said, "booking.shown.v1") == []
    said = await hub.advance(hours=48)
    entered = of_type(said, "print.entered.v1")
    assert [(p["reason"], p["manual_handling"], "title" in p) for p in entered] == [("identity_unverified", True, False)]
    said = await hub.take(person(ANNA, as_of=hub.time), account(ANNA))
    assert [p["outcome"] for p in of_type(said, "print.settled.v1")] == ["released"]
    assert len(of_type(said, "document.delivered.v1")) == 1
    assert [s.topic for s in said if s.type == "booking.shown.v1"] == ["app.bookings.v1", "portal.bookings.v1"]


async def test_a_protection_withdraws_what_was_shown(hub: Desk) -> None:
    video = {"id": "v", "name": "Video", "hidden": False, "video": "single"}
    await hub.take(person(ANNA), account(ANNA))
    await hub.take(letter(ANNA), booking(ANNA, time_type=video))
    said = await hub.take(person(ANNA, protection="skyddad_folkbokforing", as_of=START + timedelta(minutes=1)))
    assert len(of_type(said, "document.withdrawn.v1")) == 1
    entered = of_type(said, "print.entered.v1")
    assert [(p["reason"], p["class"], p["manual_handling"], "title" in p) for p in entered] == [
        ("protected_identity", "relay", True, False)
    ]
    assert len(of_type(said, "booking.hidden.v1")) == 2
    assert [r["state"] for r in of_type(said, "room.changed.v1")] == ["void"]
    assert await hub.pool.fetchval("SELECT content FROM bookings") is None
    assert of_type(await hub.take(booking(ANNA, version=2)), "booking.shown.v1") == []


async def test_a_mailbox_accepts_and_settles(hub: Desk) -> None:
    await hub.take(person(ANNA), mailbox(ANNA))
    said = await hub.take(letter(ANNA))
    (requested,) = of_type(said, "delivery.requested.v1")
    assert requested["channel"] == "kivra"
    said = await hub.take(answer(requested["delivery_id"], "accepted"))
    assert [s["outcome"] for s in of_type(said, "document.settled.v1")] == ["accepted"]
    assert of_type(await hub.advance(hours=49), "print.entered.v1") == []


async def test_a_refused_kallelse_goes_to_print_at_once(hub: Desk) -> None:
    await hub.take(person(ANNA), mailbox(ANNA))
    (requested,) = of_type(await hub.take(kallelse(ANNA)), "delivery.requested.v1")
    said = await hub.take(answer(requested["delivery_id"], "refused"))
    assert [p["reason"] for p in of_type(said, "print.entered.v1")] == ["mailbox_refused"]


async def test_guardians_get_a_childs_documents_and_their_reading_counts(hub: Desk) -> None:
    await hub.take(person(CHILD), person(MOTHER), account(MOTHER), agent(CHILD, MOTHER))
    said = await hub.take(letter(CHILD))
    assert of_type(said, "document.delivered.v1")[0]["recipients"] == [{"id": MOTHER, "role": "guardian"}]
    said = await hub.take(read(CHILD, by=BERTIL))
    assert [s.data["dlq-class"] for s in said] == ["not_a_recipient"]
    said = await hub.take(read(CHILD, by=MOTHER))
    assert [s["outcome"] for s in of_type(said, "document.settled.v1")] == ["read"]


async def test_a_guardian_who_opens_an_account_later_joins(hub: Desk) -> None:
    await hub.take(person(CHILD), person(MOTHER), agent(CHILD, MOTHER))
    assert of_type(await hub.take(letter(CHILD)), "document.delivered.v1") == []
    said = await hub.take(account(MOTHER))
    assert len(of_type(said, "document.delivered.v1")) == 1


async def test_a_blocked_account_sends_a_kallelse_to_print_and_only_staff_unblock(hub: Desk) -> None:
    await hub.take(person(ANNA), account(ANNA))
    await hub.take(kallelse(ANNA))
    later = START + timedelta(minutes=1)
    said = await hub.take(account(ANNA, "none", as_of=later))
    assert [p["reason"] for p in of_type(said, "print.entered.v1")] == ["no_channel"]
    said = await hub.take(account(ANNA, "active", as_of=later + timedelta(minutes=1)))
    assert [s.data["dlq-class"] for s in said] == ["not_allowed"]
    staff = {"by": {"id": "SE1", "role": "staff"}, "present": "SE2321000016-A1"}
    await hub.take(account(ANNA, "active", as_of=later + timedelta(minutes=2), **staff))
    assert await hub.pool.fetchval("SELECT state FROM accounts") == 1


async def test_a_video_booking_gets_a_room_ten_minutes_later(hub: Desk) -> None:
    video = {"id": "v", "name": "Video", "hidden": False, "video": "single"}
    await hub.take(person(ANNA), account(ANNA))
    said = await hub.take(booking(ANNA, time_type=video))
    assert [r["state"] for r in of_type(said, "room.changed.v1")] == ["scheduled"]
    assert [n["kind"] for n in of_type(said, "notification.requested.v1")] == ["booking"]
    said = await hub.advance(minutes=10)
    assert [r["state"] for r in of_type(said, "room.changed.v1")] == ["active"]
    said = await hub.take(booking(ANNA, version=2, status="cancelled", time_type=video))
    assert [(r["state"], r["reason"]) for r in of_type(said, "room.changed.v1")] == [("closed", "cancelled")]
    assert [s.topic for s in said if s.type == "booking.hidden.v1"] == ["app.bookings.v1"]


async def test_an_older_version_never_overwrites_and_the_same_with_other_content_is_a_conflict(hub: Desk) -> None:
    await hub.take(person(ANNA), account(ANNA))
    await hub.take(booking(ANNA, version=5))
    assert await hub.take(booking(ANNA, version=4, minutes=60)) == []
    said = await hub.take(booking(ANNA, version=5, minutes=60))
    assert [s.data["dlq-class"] for s in said] == ["conflict"]


async def test_a_time_type_that_becomes_hidden_hides_known_bookings(hub: Desk) -> None:
    await hub.take(person(ANNA), account(ANNA))
    await hub.take(booking(ANNA))
    kind = {"id": "tt1", "name": "Nybesök", "hidden": True, "video": "none"}
    await hub.take(Event("time_type.changed.v1", {"unit": UNIT, "time_type": kind, "as_of": START}))
    said = await hub.tick()
    assert sorted(s.topic for s in said if s.type == "booking.hidden.v1") == ["app.bookings.v1", "portal.bookings.v1"]


async def test_a_new_number_takes_over_what_the_old_one_had(hub: Desk) -> None:
    await hub.take(person(ANNA), person(BERTIL), account(ANNA))
    await hub.take(letter(ANNA))
    await hub.take(person(ANNA, replaced_by=BERTIL, as_of=START + timedelta(minutes=1)))
    said = await hub.take(letter(ANNA, "d2"))
    assert of_type(said, "document.delivered.v1")[0]["patient"] == BERTIL


async def test_a_protection_on_the_old_number_protects_the_new_one(hub: Desk) -> None:
    await hub.take(person(ANNA), person(BERTIL), account(BERTIL))
    await hub.take(person(ANNA, replaced_by=BERTIL, as_of=START + timedelta(minutes=1)))
    await hub.take(letter(BERTIL))
    protected = person(ANNA, replaced_by=BERTIL, protection="sekretessmarkering", as_of=START + timedelta(minutes=2))
    said = await hub.take(protected)
    assert len(of_type(said, "document.withdrawn.v1")) == 1
    assert await hub.pool.fetchval("SELECT count(*) FROM aliases") == 0


async def test_a_paper_document_is_recorded_without_its_content(hub: Desk) -> None:
    await hub.take(person(ANNA), account(ANNA))
    said = await hub.take(letter(ANNA, dispatch="paper"))
    assert [s["outcome"] for s in of_type(said, "document.settled.v1")] == ["recorded"]
    assert await hub.pool.fetchval("SELECT count(*) FROM contents") == 0


async def test_a_kallelse_in_the_queue_says_when_its_booking_was_cancelled(hub: Desk) -> None:
    await hub.take(person(ANNA))
    await hub.take(booking(ANNA))
    said = await hub.take(kallelse(ANNA, booking_id="b1"))
    assert [p["reason"] for p in of_type(said, "print.entered.v1")] == ["no_channel"]
    said = await hub.take(booking(ANNA, version=2, status="cancelled"))
    assert [p["booking_state"] for p in of_type(said, "print.entered.v1")] == ["cancelled"]


async def test_a_protected_entry_that_nobody_opens_is_escalated_once(hub: Desk) -> None:
    await hub.take(person(ANNA, protection="sekretessmarkering"), account(ANNA))
    assert [p["reason"] for p in of_type(await hub.take(letter(ANNA)), "print.entered.v1")] == ["protected_identity"]
    said = await hub.advance(hours=24)
    assert [(d["rule"], d["trace"][-1]["because"][:6]) for d in of_type(said, "decision.made.v1")] == [("R3", "Nobody")]
    assert of_type(await hub.advance(hours=48), "decision.made.v1") == []


async def test_a_kallelse_in_the_queue_says_when_its_visit_has_passed(hub: Desk) -> None:
    await hub.take(person(ANNA))
    await hub.take(booking(ANNA))
    await hub.take(kallelse(ANNA, booking_id="b1"))
    said = await hub.advance(days=7)
    assert [p["booking_state"] for p in of_type(said, "print.entered.v1")] == ["passed"]


async def test_a_printed_but_unread_copy_is_withdrawn_when_a_protection_comes(hub: Desk) -> None:
    await hub.take(person(ANNA), account(ANNA))
    await hub.take(letter(ANNA))
    await hub.pool.execute("UPDATE documents SET print = 2, open = true")
    said = await hub.take(person(ANNA, protection="sekretessmarkering", as_of=START + timedelta(minutes=1)))
    assert len(of_type(said, "document.withdrawn.v1")) == 1


async def test_a_reminder_waits_for_the_registers_news_and_is_sent_once(hub: Desk) -> None:
    video = {"id": "v", "name": "Video", "hidden": False, "video": "single"}
    await hub.take(person(ANNA), account(ANNA))
    await hub.take(booking(ANNA, time_type=video))
    said = await hub.advance(days=7, minutes=-15)
    assert of_type(said, "notification.requested.v1") == []
    assert await hub.pool.fetchval("SELECT count(*) FROM lookups") == 1
    said = await hub.take(person(ANNA, as_of=hub.time))
    assert [n["kind"] for n in of_type(said, "notification.requested.v1")] == ["reminder"]
    assert of_type(await hub.take(person(ANNA, as_of=hub.time)), "notification.requested.v1") == []


async def test_no_reminder_leaves_for_somebody_who_became_protected(hub: Desk) -> None:
    video = {"id": "v", "name": "Video", "hidden": False, "video": "single"}
    await hub.take(person(ANNA), account(ANNA))
    await hub.take(booking(ANNA, time_type=video))
    await hub.advance(days=7, minutes=-15)
    said = await hub.take(person(ANNA, as_of=hub.time, protection="sekretessmarkering"))
    assert of_type(said, "notification.requested.v1") == []
