"""`hub verify` finds what differs between topics, ledger and rules, and nothing where nothing does. Real PostgreSQL, real outputs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import orjson
import pytest_asyncio

from pipelines.ledger import kept
from pipelines.ledger.held import TOPICS, Held
from pipelines.ledger.verify import Report, confirmed, verify
from schemas.persons import fictitious
from tests.pipelines.desk import (
    ANNA,
    BERTIL,
    CHILD,
    MOTHER,
    START,
    Desk,
    Said,
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

VIDEO = {"id": "v", "name": "Video", "hidden": False, "video": "single"}


@dataclass(frozen=True)
class Record:
    topic: str
    key: bytes | None
    value: bytes | None
    headers: Any


def record(said: Said) -> Record:
    names = {"ce_specversion": "1.0", "ce_id": said.id, "ce_source": "urn:t", "ce_type": said.type, "ce_sequence": f"{said.sequence:020d}"}
    return Record(said.topic, said.key.encode(), orjson.dumps(said.data), [(name, text.encode()) for name, text in names.items()])


def held_of(said: Iterable[Said]) -> Held:
    held = Held()
    held.add_all(record(one) for one in said if one.topic in TOPICS)
    return held


@pytest_asyncio.fixture
async def hub(postgres: str) -> AsyncIterator[Desk]:
    """A hub with something of everything behind it."""
    async with desk(postgres) as made:
        await made.take(person(ANNA), account(ANNA), person(BERTIL), mailbox(BERTIL))
        await made.take(person(MOTHER), account(MOTHER), person(CHILD), agent(CHILD, MOTHER))
        await made.take(booking(ANNA, time_type=VIDEO), booking(BERTIL, "b2"), kallelse(ANNA, booking_id="b1"))
        said = await made.take(letter(ANNA), letter(BERTIL, "d2"), letter(BERTIL, "d3", footer=""), letter(CHILD, "d4"))
        await made.take(letter(ANNA, "d5", dispatch="paper"), read(ANNA))
        delivery = of_type(said, "delivery.requested.v1")[0]["delivery_id"]
        await made.take(answer(delivery, "accepted"), booking(BERTIL, "b2", version=2, status="cancelled"))
        yield made


async def _report(hub: Desk, said: Iterable[Said] | None = None) -> Report:
    return await verify(hub.pool, held_of(hub.said if said is None else said), hub.time)


def _found(report: Report) -> set[tuple[str, str]]:
    return {(one.check, one.id) for one in report.differences}


async def test_what_the_hub_said_is_what_it_knows(hub: Desk) -> None:
    report = await _report(hub)
    assert report.differences == []
    assert all(report.checked[check] > 0 for check in report.checked if check != "decisions unknown")


async def test_it_still_is_after_days_of_deadlines_receipts_and_protection(hub: Desk) -> None:
    await hub.advance(hours=49)
    await hub.advance(minutes=1)
    await hub.take(read(ANNA, "k1", at=hub.time))
    await hub.take(person(CHILD, protection="sekretessmarkering", as_of=hub.time))
    await hub.take(person(BERTIL, deceased="2026-03-03", as_of=hub.time))
    assert (await _report(hub)).differences == []


async def test_repeats_and_another_order_change_nothing(hub: Desk) -> None:
    assert (await _report(hub, [*reversed(hub.said), *hub.said])).differences == []


async def test_a_delivery_that_never_reached_the_topic_is_found(hub: Desk) -> None:
    left = [one for one in hub.said if not (one.type == "document.delivered.v1" and one.data["document_id"] == "d1")]
    assert _found(await _report(hub, left)) == {("app.documents state", "d1")}


async def test_a_lost_settlement_is_found(hub: Desk) -> None:
    left = [one for one in hub.said if not (one.type == "document.settled.v1" and one.data["document_id"] in ("d1", "d5"))]
    assert _found(await _report(hub, left)) == {("app.documents settlement", "d1"), ("app.documents settlement", "d5")}


async def test_what_was_recorded_of_a_protected_person_is_told_to_nobody(hub: Desk) -> None:
    await hub.take(person(ANNA, protection="sekretessmarkering", as_of=START + timedelta(hours=1)))
    await hub.take(letter(ANNA, "d6", dispatch="paper"))
    await hub.take(person(ANNA, protection="none", as_of=START + timedelta(hours=2)))
    assert (await _report(hub)).differences == []


async def test_what_was_recorded_of_somebody_unverified_is_told_to_nobody(hub: Desk) -> None:
    stranger = fictitious(date(1977, 7, 7))
    await hub.take(letter(stranger, "d7", dispatch="paper"))
    await hub.take(person(stranger))
    assert (await _report(hub)).differences == []


async def test_a_booking_shown_in_an_old_version_is_found(hub: Desk) -> None:
    left = [one for one in hub.said if not (one.topic == "portal.bookings.v1" and one.data.get("version") == 2)]
    assert _found(await _report(hub, left)) == {("portal.bookings", "b2")}


async def test_a_room_in_another_state_is_found(hub: Desk) -> None:
    await hub.advance(minutes=10)
    left = [one for one in hub.said if not (one.type == "room.changed.v1" and one.data["state"] == "active")]
    (found,) = (await _report(hub, left)).differences
    assert (found.check, found.expected.split()[0], found.found.split()[0]) == ("video.rooms", "active", "scheduled")


async def test_a_room_of_the_bridges_own_is_no_stranger_and_another_is(hub: Desk) -> None:
    """V10, V11: rooms without a booking have no row."""
    room = next(one for one in hub.said if one.type == "room.changed.v1")
    own = [replace(room, key=kind, data={**room.data, "room_id": kind, "kind": kind}) for kind in ("chat", "conference")]
    assert (await _report(hub, [*hub.said, *own])).differences == []
    stranger = replace(room, key="who", data={**room.data, "room_id": "who"})
    assert _found(await _report(hub, [*hub.said, stranger])) == {("rooms unknown", "who")}


async def test_an_entry_missing_from_the_print_topic_is_found(hub: Desk) -> None:
    left = [one for one in hub.said if one.type != "print.entered.v1"]
    assert {check for check, _ in _found(await _report(hub, left))} == {"print.entries"}


async def test_an_entry_on_the_topic_that_the_ledger_has_not_is_found(hub: Desk) -> None:
    await hub.pool.execute("DELETE FROM print_entries")
    assert {check for check, _ in _found(await _report(hub))} == {"print entries unknown"}


async def test_a_decision_that_was_not_published_is_found(hub: Desk) -> None:
    lost = next(one for one in hub.said if one.type == "decision.made.v1")
    assert _found(await _report(hub, [one for one in hub.said if one is not lost])) == {("decisions published", lost.id)}


async def test_a_decision_that_the_rules_would_not_make_is_found(hub: Desk) -> None:
    for ident, event in await hub.pool.fetch("SELECT decision, event FROM decisions"):
        other = kept.event_of(event).replace(b'"control_code_missing"', b'"deceased"')
        await hub.pool.execute("UPDATE decisions SET event = $2 WHERE decision = $1", ident, other)
    (found,) = (await _report(hub)).differences
    assert (found.check, "deceased" in found.expected, "control_code_missing" in found.found) == ("decisions again", True, True)


async def test_a_document_that_waits_without_a_deadline_is_found(hub: Desk) -> None:
    await hub.pool.execute("UPDATE documents SET due_at = NULL WHERE document_id = 'd4'")
    assert _found(await _report(hub)) == {("documents are terminal or timed", "d4")}


async def test_a_deadline_that_nobody_took_is_found(hub: Desk) -> None:
    hub.time += timedelta(hours=49)
    assert {check for check, _ in _found(await _report(hub))} == {"documents are on time"}


async def test_old_news_that_the_topic_has_forgotten_is_not_missed(hub: Desk) -> None:
    await hub.advance(hours=49)
    await hub.advance(minutes=1)
    await hub.take(read(CHILD, "d4", by=MOTHER, at=hub.time), read(ANNA, "k1", at=hub.time))
    hub.time += timedelta(days=40)
    await hub.tick()
    kept = [one for one in hub.said if one.topic not in ("app.documents.v1", "print.entries.v1")]
    assert (await _report(hub, kept)).differences == []


async def test_only_what_two_passes_agree_on_is_confirmed(hub: Desk) -> None:
    first = await _report(hub, [one for one in hub.said if one.type != "room.changed.v1"])
    second = await _report(hub, [one for one in hub.said if one.type not in ("room.changed.v1", "document.settled.v1")])
    assert {one.check for one in confirmed(first, second)} == {"video.rooms"}
