"""Bookings for the app and the portal: B1 to B6, B8."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from pipelines.ledger.kept import event_of
from schemas.persons import fictitious
from tests.pipelines.desk import CHILD, MOTHER, START, UNIT, account, agent, booking, letter, mailbox, person
from tests.rules_by_law.law_desk import (
    ADULT,
    FATHER,
    HIDDEN,
    OTHER,
    RESERVE,
    STAFF,
    TEEN,
    VIDEO,
    VISIBLE,
    LawDesk,
    classes,
    of,
    time_type,
    video,
)

MINUTE = timedelta(minutes=1)
LATER = START + MINUTE
APP, PORTAL = "app.bookings.v1", "portal.bookings.v1"


def shown(said: Any) -> list[str]:
    return sorted(one.topic for one in said if one.type == "booking.shown.v1")


def hidden(said: Any) -> list[str]:
    return sorted(one.topic for one in said if one.type == "booking.hidden.v1")


async def adult(hub: LawDesk) -> None:
    await hub.take(person(ADULT), account(ADULT))


# --- B1, B2, B3 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protection", ["sekretessmarkering", "skyddad_folkbokforing"])
async def test_a_protected_persons_booking_is_dropped_and_that_is_recorded(hub: LawDesk, protection: str) -> None:
    """B1: nothing to any topic for others, none of its content is kept."""
    await hub.take(person(ADULT, protection=protection), account(ADULT))
    said = await hub.take(video(ADULT, description="Hemligt ärende", resource={"id": "res-secret", "name": "Dr Hemlig"}))
    assert [(one.topic, one.data["rule"], one.data["outcome"]) for one in said] == [("decisions.v1", "B1", "drop")]
    kept = await hub.pool.fetchval("SELECT string_agg(bookings::text || coalesce(encode(content, 'escape'), ''), '') FROM bookings") or ""
    decided = "".join(f"{facts!r}{event_of(event)!r}" for facts, event in await hub.pool.fetch("SELECT facts, event FROM decisions"))
    for secret in ("Hemlig", "res-secret", "Ortoped"):
        assert secret not in kept + decided
    assert await hub.wait(days=8) == []


async def test_a_hidden_time_type_is_shown_nowhere(hub: LawDesk) -> None:
    """B2."""
    await adult(hub)
    said = await hub.take(booking(ADULT, time_type={**VIDEO, "hidden": True}))
    assert {one.topic for one in said} == {"decisions.v1"}
    assert of(said, "decision.made.v1")[0]["rule"] == "B2"


async def test_a_time_type_that_becomes_hidden_hides_and_one_that_becomes_visible_shows(hub: LawDesk) -> None:
    """B2: bookings already known are judged again."""
    await adult(hub)
    await hub.take(booking(ADULT))
    said = await hub.take(time_type({**VISIBLE, "hidden": True}, LATER)) + await hub.settle()
    assert hidden(said) == [APP, PORTAL]
    said = await hub.take(time_type(VISIBLE, LATER + MINUTE)) + await hub.settle()
    assert shown(said) == [APP, PORTAL]
    assert of(said, "booking.shown.v1")[0]["time_type"]["hidden"] is False


async def test_older_news_of_a_time_type_changes_nothing(hub: LawDesk) -> None:
    """CONTRACTS 3: an older `as_of` never overwrites a newer one."""
    await adult(hub)
    await hub.take(booking(ADULT), time_type(VISIBLE, LATER))
    said = await hub.take(time_type({**VISIBLE, "hidden": True}, START)) + await hub.settle()
    assert hidden(said) == []


async def test_a_time_type_is_its_units_own(hub: LawDesk) -> None:
    """B2: another unit's setting is another setting."""
    await adult(hub)
    await hub.take(booking(ADULT))
    said = await hub.take(time_type({**VISIBLE, "hidden": True}, LATER, "SE2321000016-B2")) + await hub.settle()
    assert hidden(said) == []


async def test_a_booking_that_moves_to_a_hidden_time_type_is_hidden(hub: LawDesk) -> None:
    """B2."""
    await adult(hub)
    await hub.take(booking(ADULT))
    assert hidden(await hub.take(booking(ADULT, version=2, time_type=HIDDEN))) == [APP, PORTAL]
    assert shown(await hub.take(booking(ADULT, version=3))) == [APP, PORTAL]


async def test_a_journal_block_hides_from_the_patient_but_not_from_the_unit(hub: LawDesk) -> None:
    """B3: and gives no room, and no notification."""
    await adult(hub)
    said = await hub.take(video(ADULT, journal_blocked=True))
    assert shown(said) == [PORTAL]
    assert of(said, "room.changed.v1") == of(said, "notification.requested.v1") == []
    assert of(said, "booking.shown.v1")[0]["video"] is False


async def test_a_journal_block_that_comes_later_hides_and_takes_the_room(hub: LawDesk) -> None:
    """B3."""
    await adult(hub)
    await hub.take(video(ADULT))
    said = await hub.take(video(ADULT, version=2, journal_blocked=True))
    assert hidden(said) == [APP] and shown(said) == [PORTAL]
    assert [one["state"] for one in of(said, "room.changed.v1")] == ["void"]
    assert "block" not in of(said, "room.changed.v1")[0].get("reason", "")


async def test_a_lifted_journal_block_shows_again(hub: LawDesk) -> None:
    """B3."""
    await adult(hub)
    await hub.take(video(ADULT, journal_blocked=True))
    said = await hub.take(video(ADULT, version=2))
    assert APP in shown(said)
    assert [one["state"] for one in of(said, "room.changed.v1")] == ["scheduled"]


# --- B4, B8 -------------------------------------------------------------------------------------------------------------------


async def test_the_portal_has_every_booking_with_or_without_an_account(hub: LawDesk) -> None:
    """B4, B8: also of the dead, of reserve numbers and of children without guardians."""
    await hub.take(person(ADULT), person(OTHER, deceased=date(2026, 2, 1)), person(CHILD))
    said = await hub.take(booking(ADULT, "b1"), booking(OTHER, "b2"), booking(CHILD, "b3"), booking(RESERVE, "b4"))
    assert shown(said) == [PORTAL] * 4


async def test_the_portal_shows_a_cancelled_booking_with_that_status_and_the_app_hides_it(hub: LawDesk) -> None:
    """B4; CONTRACTS 3, booking.hidden."""
    await adult(hub)
    await hub.take(booking(ADULT))
    said = await hub.take(booking(ADULT, version=2, status="cancelled"))
    assert hidden(said) == [APP]
    (one,) = of(said, "booking.shown.v1")
    assert (one["status"], one["version"]) == ("cancelled", 2)


async def test_a_booking_first_heard_of_as_cancelled_is_not_in_the_app(hub: LawDesk) -> None:
    """B4, B6: events come late."""
    await adult(hub)
    assert shown(await hub.take(booking(ADULT, version=2, status="cancelled"))) == [PORTAL]


async def test_a_shown_booking_has_all_that_the_contract_names(hub: LawDesk) -> None:
    """CONTRACTS 3."""
    await adult(hub)
    said = await hub.take(booking(ADULT, description="Ta med remiss", comment="Intern", status="arrived", phone="+46701740605"))
    for one in of(said, "booking.shown.v1"):
        assert one == {
            "booking_id": "b1", "version": 1, "status": "arrived", "unit": UNIT, "unit_name": "Ortopedmottagningen", "patient": ADULT,
            "start": "2026-03-09T09:00:00Z", "minutes": 30, "time_type": VISIBLE, "resource": {"id": "r1", "name": "Dr Test"},
            "description": "Ta med remiss", "comment": "Intern", "video": False,
        }  # fmt: skip


@pytest.mark.parametrize("pid", [ADULT, TEEN])
async def test_an_account_that_opens_publishes_the_coming_bookings_and_one_that_closes_hides_them(hub: LawDesk, pid: str) -> None:
    """B8: it follows the channel both ways; the portal's topic hears nothing of it."""
    await hub.take(person(pid))
    await hub.take(booking(pid, "past", start=START - timedelta(days=1)), booking(pid, "coming"))
    said = await hub.take(account(pid))
    assert [one["booking_id"] for one in of(said, "booking.shown.v1")] == ["coming"] and shown(said) == [APP]
    said = await hub.take(account(pid, "blocked", as_of=LATER))
    assert [one["booking_id"] for one in of(said, "booking.hidden.v1")] == ["coming"] and hidden(said) == [APP]
    said = await hub.take(account(pid, as_of=LATER + MINUTE, **STAFF))
    assert shown(said) == [APP]


async def test_a_mailbox_is_no_app_channel(hub: LawDesk) -> None:
    """B8."""
    await hub.take(person(ADULT), mailbox(ADULT))
    assert shown(await hub.take(booking(ADULT))) == [PORTAL]


async def test_a_visit_that_goes_on_is_still_coming(hub: LawDesk) -> None:
    """B8: until it has ended."""
    await hub.take(person(ADULT), booking(ADULT, start=START - 10 * MINUTE))
    assert shown(await hub.take(account(ADULT))) == [APP]


async def test_a_childs_bookings_follow_its_guardians(hub: LawDesk) -> None:
    """B8, R7."""
    await hub.take(person(CHILD), person(MOTHER), account(MOTHER))
    assert shown(await hub.take(booking(CHILD))) == [PORTAL]
    assert shown(await hub.take(agent(CHILD, MOTHER))) == [APP]
    assert hidden(await hub.take(agent(CHILD, MOTHER, state="inactive", as_of=LATER))) == [APP]
    assert shown(await hub.take(person(FATHER), account(FATHER), agent(CHILD, FATHER))) == [APP]
    assert hidden(await hub.take(person(FATHER, deceased=date(2026, 3, 1), as_of=LATER))) == [APP]


@pytest.mark.parametrize("own", [False, True])
async def test_bookings_follow_the_channel_on_a_13th_birthday(hub: LawDesk, own: bool) -> None:
    """B8: at midnight in Stockholm; a child with an account of its own keeps them, its guardians do not."""
    child = fictitious(date(2013, 3, 4))
    await hub.take(person(child), person(MOTHER), account(MOTHER), agent(child, MOTHER), *([account(child)] if own else []))
    await hub.take(booking(child))
    assert hidden(await hub.wait(until=datetime(2026, 3, 3, 22, 59, 59, tzinfo=UTC))) == []
    said = await hub.wait(seconds=1)
    assert hidden(said) == ([] if own else [APP])


async def test_a_child_with_an_own_account_and_no_guardian_sees_bookings_from_13(hub: LawDesk) -> None:
    """B8: opening publishes the coming ones."""
    child = fictitious(date(2013, 3, 4))
    await hub.take(person(child), account(child))
    assert shown(await hub.take(booking(child))) == [PORTAL]
    assert shown(await hub.wait(until=datetime(2026, 3, 3, 23, 0, tzinfo=UTC))) == [APP]


async def test_a_link_that_ends_hides_the_bookings(hub: LawDesk) -> None:
    """B8, P7: `until` passes without any event."""
    await hub.take(person(CHILD), person(MOTHER), account(MOTHER), agent(CHILD, MOTHER, until=date(2026, 3, 3)), booking(CHILD))
    assert hidden(await hub.wait(until=datetime(2026, 3, 3, 22, 59, tzinfo=UTC))) == []
    assert hidden(await hub.wait(minutes=2)) == [APP]


async def test_a_dead_persons_bookings_leave_the_app(hub: LawDesk) -> None:
    """B8, R2: the app channel is closed."""
    await adult(hub)
    await hub.take(booking(ADULT))
    assert hidden(await hub.take(person(ADULT, deceased=date(2026, 3, 1), as_of=LATER))) == [APP]


async def test_a_booking_that_changes_its_patient_leaves_the_first_ones_app(hub: LawDesk) -> None:
    """B6, B8: a booking corrected in the EHR; nobody keeps what is another's."""
    await adult(hub)
    await hub.take(person(OTHER), account(OTHER), booking(ADULT))
    said = await hub.take(booking(OTHER, version=2))
    assert {one["patient"] for one in of(said, "booking.shown.v1")} == {OTHER}


# --- B6 -----------------------------------------------------------------------------------------------------------------------


async def test_an_older_version_never_overwrites_a_newer_one(hub: LawDesk) -> None:
    """B6."""
    await adult(hub)
    await hub.take(booking(ADULT, version=5))
    assert await hub.take(booking(ADULT, version=4, minutes=60, status="cancelled")) == []


async def test_the_same_version_again_is_nothing_new(hub: LawDesk) -> None:
    """B6: another event with the same content."""
    await adult(hub)
    await hub.take(booking(ADULT, version=5))
    assert await hub.take(booking(ADULT, version=5)) == []


async def test_the_same_version_with_other_content_is_a_conflict_and_the_first_stands(hub: LawDesk) -> None:
    """B6."""
    await adult(hub)
    await hub.take(booking(ADULT, version=5))
    said = await hub.take(booking(ADULT, version=5, minutes=60))
    assert classes(said) == ["conflict"] and len(said) == 1
    said = await hub.take(account(ADULT, "blocked", as_of=LATER), account(ADULT, as_of=LATER + MINUTE, **STAFF), booking(ADULT, version=6))
    assert {one["minutes"] for one in of(said, "booking.shown.v1")} == {30}


async def test_versions_in_one_batch_in_any_order_end_at_the_newest(hub: LawDesk) -> None:
    """B6: out of order, doubled and together."""
    await adult(hub)
    said = await hub.take(booking(ADULT, version=3, minutes=33), booking(ADULT, version=1), booking(ADULT, version=2, minutes=22))
    last = {one.topic: one.data["minutes"] for one in said if one.type == "booking.shown.v1"}
    assert last == {APP: 33, PORTAL: 33}


async def test_a_conflict_within_one_batch_is_a_conflict(hub: LawDesk) -> None:
    """B6: the first stands."""
    await adult(hub)
    said = await hub.take(booking(ADULT, version=3), booking(ADULT, version=3, minutes=33))
    assert classes(said) == ["conflict"]
    assert {one["minutes"] for one in of(said, "booking.shown.v1")} == {30}


def updated(pid: str, at: datetime, **more: Any) -> Any:
    event = booking(pid, updated_at=at, **more)
    del event.data["version"]
    return event


async def test_updated_at_decides_where_there_is_no_version(hub: LawDesk) -> None:
    """B6, CONTRACTS 3: equal means the same."""
    await adult(hub)
    assert shown(await hub.take(updated(ADULT, LATER))) == [APP, PORTAL]
    assert await hub.take(updated(ADULT, LATER)) == []
    assert await hub.take(updated(ADULT, START, minutes=60)) == []
    assert classes(await hub.take(updated(ADULT, LATER, minutes=60))) == ["conflict"]
    said = await hub.take(updated(ADULT, LATER + timedelta(microseconds=1), minutes=60))
    assert {one["minutes"] for one in of(said, "booking.shown.v1")} == {60}


async def test_a_time_without_a_zone_is_stockholms(hub: LawDesk) -> None:
    """DOMAIN 3, CONTRACTS 4: the earlier one of the doubled autumn hour."""
    await adult(hub)
    said = await hub.take(booking(ADULT, start="2026-07-01T10:00:00"), booking(ADULT, "b2", start="2026-10-25T02:30:00"))
    assert {one["booking_id"]: one["start"] for one in of(said, "booking.shown.v1")} == {
        "b1": "2026-07-01T08:00:00Z",
        "b2": "2026-10-25T00:30:00Z",
    }


async def test_the_doubled_autumn_hour_is_flagged_in_the_trace(hub: LawDesk) -> None:
    """DOMAIN 3: the earlier one, flagged; the same instant with its zone is the same content (B6)."""
    await adult(hub)
    said = await hub.take(booking(ADULT, start="2026-10-25T02:30:00"))
    assert any("doubled" in step["because"] for one in of(said, "decision.made.v1") for step in one["trace"])
    assert await hub.take(booking(ADULT, start="2026-10-25T02:30:00+02:00")) == []


async def test_a_document_written_in_the_doubled_hour_is_taken(hub: LawDesk) -> None:
    """DOMAIN 3."""
    await adult(hub)
    said = await hub.take(letter(ADULT, created="2026-10-25T02:30:00"))
    assert len(of(said, "document.delivered.v1")) == 1 and classes(said) == []
