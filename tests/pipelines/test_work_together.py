"""What two transactions at once, or a document and a booking of different people, may not do to each other (real PostgreSQL)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import date, timedelta

import pytest_asyncio

from pipelines.ledger import locks
from pipelines.people import move
from schemas.persons import fictitious
from tests.pipelines.desk import ANNA, BERTIL, START, Desk, account, booking, desk, kallelse, letter, of_type, person

OLD = fictitious(date(1990, 1, 2))


@pytest_asyncio.fixture
async def hub(postgres: str) -> AsyncIterator[Desk]:
    async with desk(postgres) as made:
        yield made


async def test_a_booking_that_turns_out_to_be_somebody_elses_leaves_the_kallelse_where_it_is(hub: Desk) -> None:
    """The EHR corrected the patient, or wrote the wrong booking: the document's own person is read and locked too."""
    await hub.take(person(ANNA), person(BERTIL), account(ANNA))
    await hub.take(kallelse(ANNA, booking_id="b1"))
    said = await hub.take(booking(BERTIL, "b1"))
    assert of_type(said, "decision.made.v1")
    assert await hub.pool.fetchval("SELECT app FROM documents") == 1


async def test_a_moved_booking_waits_for_who_has_the_person_of_its_kallelse(hub: Desk) -> None:
    await hub.take(person(ANNA), person(BERTIL), account(ANNA))
    await hub.take(kallelse(ANNA, booking_id="b1"))
    async with hub.pool.acquire() as other, other.transaction():
        await locks.take(other, (), (hub.decoder.person(ANNA),))
        taking = asyncio.create_task(hub.take(booking(BERTIL, "b1")))
        await asyncio.sleep(0.3)
        assert not taking.done()
    await asyncio.wait_for(taking, 5)


async def test_a_letter_under_an_old_number_that_is_linked_at_the_same_time_goes_to_the_current_person(hub: Desk) -> None:
    """It waits for the lock that the link holds, and must not go on with what it read before (P4)."""
    await hub.take(person(ANNA), person(OLD), account(ANNA))
    old, now = hub.decoder.person(OLD), hub.decoder.person(ANNA)
    async with hub.pool.acquire() as other, other.transaction():
        await locks.take(other, (), (old, now))
        taking = asyncio.create_task(hub.take(letter(OLD)))
        await asyncio.sleep(0.3)
        await move(other, old, now, "")
    said = await asyncio.wait_for(taking, 5)
    assert await hub.pool.fetchval("SELECT person FROM documents") == now
    assert [data["patient"] for data in of_type(said, "document.delivered.v1")] == [ANNA]


async def test_a_booking_under_its_own_person_still_decides_its_kallelse_again(hub: Desk) -> None:
    await hub.take(person(ANNA))
    await hub.take(kallelse(ANNA, booking_id="b1"))
    said = await hub.take(booking(ANNA, "b1", start=START + timedelta(days=1)))
    assert await hub.pool.fetchval("SELECT count(*) FROM print_entries") == 1
    assert said
