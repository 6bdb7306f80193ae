"""B5: what the EHR answers when it is asked is handled as if it had been published; and what such a source cannot know it does not say."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson

from connectors.takecare_exchange.changes import Known, changes
from connectors.takecare_exchange.refresh import SOURCE, record
from connectors.takecare_exchange.wire import Booked
from pipelines.ledger import booked
from tests.pipelines.desk import START, UNIT, Event, account, booking, person
from tests.rules_by_law.law_desk import ADULT, HIDDEN, KEYS, VISIBLE, LawDesk, of, time_type

MINUTE = timedelta(minutes=1)
FOUND = Booked("b1", ADULT, UNIT, "Ortopedmottagningen", "2026-03-09T10:00:00", 30, "tt1", "Nybesök", "r1", "Dr Test", "")


async def told(hub: LawDesk, *found: Booked, polled: bool = False) -> list[dict[str, Any]]:
    """A refresh: what is news by the ledger's own word goes into the hub; returns what the app was told."""
    known = await booked.known(hub.pool, [each.booking_id for each in found])
    if polled:
        known |= await booked.coming(hub.pool, None, UNIT, hub.time)
    news = changes(found, {name: Known(*have) for name, have in known.items()}, hub.time, polled=polled)
    for data in news.events:
        value = orjson.loads(record(data, KEYS, hub.time).value)
        await hub.take(Event("booking.changed.v1", value, source=SOURCE))
    return [dict(row) for row in await hub.pool.fetch("SELECT booking_id, shown_app, hidden, status, version FROM bookings ORDER BY 1")]


async def test_a_missing_booking_is_shown_in_the_app(hub: LawDesk) -> None:
    await hub.take(person(ADULT), account(ADULT))
    (row,) = await told(hub, FOUND)
    assert (row["shown_app"], row["version"]) == (True, 0)


async def test_a_booking_that_was_pushed_is_not_told_again_and_the_next_push_counts(hub: LawDesk) -> None:
    """B6: the push's own versions decide."""
    await hub.take(person(ADULT), account(ADULT), booking(ADULT))
    moved = FOUND._replace(start="2026-03-10T10:00:00")
    assert (await told(hub, FOUND, moved))[0]["version"] == 1
    said = await hub.take(booking(ADULT, version=2, minutes=45))
    assert of(said, "booking.shown.v1", "app")[0]["minutes"] == 45


async def test_a_fetched_booking_is_followed_by_what_is_pushed_later(hub: LawDesk) -> None:
    await hub.take(person(ADULT), account(ADULT))
    await told(hub, FOUND)
    said = await hub.take(booking(ADULT, version=1, minutes=45))
    assert of(said, "booking.shown.v1", "app")[0]["minutes"] == 45


async def test_in_a_polled_unit_changes_and_disappearance_are_followed(hub: LawDesk) -> None:
    await hub.take(person(ADULT), account(ADULT))
    await told(hub, FOUND, polled=True)
    assert (await told(hub, FOUND, polled=True))[0]["version"] == 0
    assert (await told(hub, FOUND._replace(minutes=45), polled=True))[0]["version"] == 1
    (row,) = await told(hub, polled=True)
    assert (row["status"], row["shown_app"]) == (3, False)


async def test_a_hidden_time_type_stays_hidden_whatever_a_source_without_the_word_says(hub: LawDesk) -> None:
    """B2: by its setting, or by another booking of that time type."""
    await hub.take(person(ADULT), account(ADULT), time_type({**VISIBLE, "hidden": True}, START))
    hub.time += MINUTE
    (row,) = await told(hub, FOUND)
    assert (row["hidden"], row["shown_app"]) == (True, False)
    await hub.take(booking(ADULT, "b2", time_type=HIDDEN))
    found = await told(hub, FOUND._replace(booking_id="b3", time_type_id=HIDDEN["id"]))
    assert [(row["booking_id"], row["hidden"]) for row in found] == [("b1", True), ("b2", True), ("b3", True)]


async def test_a_protected_persons_booking_leaves_nothing_and_is_not_told_again(hub: LawDesk) -> None:
    """B1."""
    await hub.take(person(ADULT, protection="sekretessmarkering"))
    await told(hub, FOUND)
    known = await booked.known(hub.pool, ["b1"])
    assert known["b1"].dropped and known["b1"].description == ""
    assert (await told(hub, FOUND, polled=True))[0]["version"] == 0
