"""Who is a patient of a room, as the ledger has it: nobody protected, dead, cancelled or blocked (B1, P10, N3)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from pipelines.ledger import meetings, texts, unread
from tests.pipelines.desk import ANNA, BERTIL, START, Desk, account, booking, desk, of_type, person


@pytest_asyncio.fixture
async def hub(postgres: str) -> AsyncIterator[Desk]:
    async with desk(postgres) as made:
        yield made


VIDEO = {"id": "20", "name": "Videobesök", "hidden": False, "video": "single"}


async def room_of(hub: Desk, patient: str, booking_id: str) -> UUID:
    """The room of a patient's video booking."""
    outputs = await hub.take(person(patient), account(patient), booking(patient, booking_id, time_type=VIDEO, phone="+46701740607"))
    (room,) = [event for event in of_type(outputs, "room.changed.v1") if booking_id in event["booking_ids"]]
    return UUID(room["room_id"])


async def test_a_rooms_patients_are_named_with_the_phone_of_the_booking(hub: Desk) -> None:
    room = await room_of(hub, ANNA, "m-1")
    (booked,) = await meetings.patients_of(hub.pool, room)
    assert (booked.booking_id, booked.phone) == ("m-1", "+46701740607")
    named = await meetings.person_of(hub.pool, booked.person)
    assert named is not None and named.pid == ANNA and named.person == booked.person


@pytest.mark.parametrize("change", [{"protection": "sekretessmarkering"}, {"deceased": "2026-02-01"}])
async def test_who_became_protected_or_has_died_is_nobodys_patient(hub: Desk, change: dict[str, str]) -> None:
    room = await room_of(hub, BERTIL, f"m-{change}")
    (booked,) = await meetings.patients_of(hub.pool, room)
    await hub.take(person(BERTIL, as_of="2026-03-02T10:00:00Z", **change))
    assert await meetings.patients_of(hub.pool, room) == []
    assert await meetings.person_of(hub.pool, booked.person) is None


@pytest.mark.parametrize("change", [{"protection": "sekretessmarkering"}, {"deceased": "2026-02-01"}])
async def test_who_became_protected_or_has_died_is_withdrawn_from_a_chat(hub: Desk, change: dict[str, str]) -> None:
    """P10."""
    await hub.take(person(BERTIL))
    room, other = uuid4(), uuid4()
    await texts.put(hub.pool, [], [unread.Reader(room, "p", hub.decoder.person(BERTIL), START)])
    assert await meetings.withdrawn(hub.pool, [room, other]) == set()
    await hub.take(person(BERTIL, as_of="2026-03-02T10:00:00Z", **change))
    assert await meetings.withdrawn(hub.pool, [room, other]) == {room}


async def test_nobody_unverified_is_invited(hub: Desk) -> None:
    """P8: handled as protected until a register has confirmed them."""
    await hub.take(account(ANNA))
    assert await meetings.person_of(hub.pool, hub.decoder.person(ANNA)) is None


async def test_a_cancelled_booking_has_no_patient_in_the_room(hub: Desk) -> None:
    room = await room_of(hub, ANNA, "m-3")
    await hub.take(booking(ANNA, "m-3", time_type=VIDEO, version=2, status="cancelled"))
    assert await meetings.patients_of(hub.pool, room) == []
