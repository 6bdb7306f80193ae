"""Chat that patients have not read, on a real PostgreSQL: from the first line they missed until they read, one stretch (N1)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from pipelines.ledger import migrate, retention, texts, unread
from pipelines.ledger.texts import Text
from pipelines.ledger.unread import Missed, Note, Read, Reader
from schemas.telemetry import NullMeter
from tests.connectors.delivering_support import emptied
from tests.pipelines.desk import ANNA, BERTIL, START, Desk, account, booking, of_type, person
from tests.pipelines.test_meetings import VIDEO

LATE = START + timedelta(days=1)
PHONE = "+46701740605"


@pytest.fixture(scope="module")
def ledger(postgres: str) -> str:
    """A migrated ledger for all tests of this module."""
    asyncio.run(migrate.upgrade_now(postgres))
    return postgres


@pytest_asyncio.fixture
async def hub(ledger: str) -> AsyncIterator[Desk]:
    async with emptied(ledger) as made:
        await made.take(person(ANNA), account(ANNA, phone=PHONE), person(BERTIL), account(BERTIL))
        yield made


def key(hub: Desk, patient: str) -> UUID:
    return hub.decoder.keys.uuid(patient)


async def note(hub: Desk, *notes: Note, lines: tuple[Text, ...] = ()) -> None:
    await texts.put(hub.pool, lines, notes)


async def due(hub: Desk, at: datetime = LATE) -> list[tuple[str, int, str | None, bool]]:
    return [(each.reader, each.number, each.pid, each.has_phone) for each in await unread.due(hub.pool, at, 9)]


def missed(hub: Desk, room: UUID, number: int = 1, *seen_by: str, minutes: int = 0) -> Missed:
    readers = [("a", key(hub, ANNA)), ("b", key(hub, BERTIL))]
    return Missed(room, number, START + timedelta(minutes=minutes), readers, list(seen_by))


async def test_a_stretch_begins_with_the_first_line_that_was_missed_and_ends_with_reading(hub: Desk) -> None:
    room = uuid4()
    await note(hub, missed(hub, room, 1, "b"), missed(hub, room, 2, "b", minutes=5))
    assert await due(hub, START - timedelta(seconds=1)) == []
    assert await due(hub, START) == [("a", 1, ANNA, True)]
    await note(hub, missed(hub, room, 3, minutes=9))
    assert await due(hub) == [("a", 1, ANNA, True), ("b", 3, BERTIL, False)]
    await note(hub, Read(room, "a", 3), Read(room, "b", 2), Read(uuid4(), "b", 9))
    assert await due(hub) == [("b", 3, BERTIL, False)], "who has read what came before it has not read it"
    await note(hub, missed(hub, room, 4))
    assert await due(hub) == [("a", 4, ANNA, True), ("b", 3, BERTIL, False)]


async def test_what_was_told_is_not_told_again_before_it_was_read(hub: Desk) -> None:
    room = uuid4()
    await note(hub, missed(hub, room, 1, "b"))
    await unread.told(hub.pool, [(room, "a", 1), (uuid4(), "a", 1)])
    await note(hub, missed(hub, room, 2, "b"))
    assert await due(hub) == []
    await note(hub, Read(room, "a", 2), missed(hub, room, 3, "b"))
    await unread.told(hub.pool, [(room, "a", 1)])
    assert await due(hub) == [("a", 3, ANNA, True)], "a word about the old stretch says nothing of the new"


async def test_line_and_note_are_kept_together_or_not_at_all_and_again_changes_nothing(hub: Desk) -> None:
    room = uuid4()
    line = Text(room, 1, START, b"box")
    with pytest.raises(Exception, match="null value"):
        await note(hub, Missed(room, 1, START, [("a", None)], []), lines=(line,))  # type: ignore[list-item]
    assert await texts.of_room(hub.pool, room, 9) == [] and await due(hub) == []
    for _ in range(2):
        await note(hub, missed(hub, room, 1, "b"), Read(room, "a", 1), missed(hub, room, 2, "b"), lines=(line,))
    assert await due(hub) == [("a", 2, ANNA, True)] and len(await texts.of_room(hub.pool, room, 9)) == 1


async def test_a_chat_rooms_patient_is_noted_when_it_is_made(hub: Desk) -> None:
    room = uuid4()
    await note(hub, Reader(room, "a", key(hub, ANNA), START))
    assert await due(hub) == []
    await note(hub, Missed(room, 1, START, [], []))
    assert await due(hub) == [("a", 1, ANNA, True)]


@pytest.mark.parametrize(
    "news",
    [
        person(ANNA, protection="sekretessmarkering", as_of=LATE), person(ANNA, deceased="2026-03-02", as_of=LATE),
        account(ANNA, "blocked", as_of=LATE),
    ],
)  # fmt: skip
async def test_nobody_protected_dead_or_blocked_is_told(hub: Desk, news: Any) -> None:
    room = uuid4()
    await note(hub, missed(hub, room, 1, "b"))
    await hub.take(news)
    assert await due(hub) == [("a", 1, None, False)]


async def _booked(hub: Desk) -> UUID:
    said = await hub.take(booking(ANNA, "u-1", time_type=VIDEO))
    return UUID(of_type(said, "room.changed.v1")[-1]["room_id"])


async def test_of_a_booked_room_only_its_patients_of_now_are_told(hub: Desk) -> None:
    room = await _booked(hub)
    await note(hub, missed(hub, room))
    assert await due(hub) == [("a", 1, ANNA, True), ("b", 1, None, False)], "Bertil has no booking in it"
    await hub.take(booking(ANNA, "u-1", version=2, status="cancelled", time_type=VIDEO))
    assert await due(hub) == [("a", 1, None, False), ("b", 1, None, False)]


async def test_rows_go_after_their_time(hub: Desk) -> None:
    room = uuid4()
    await note(hub, missed(hub, room, 1, "b"), missed(hub, room, 2, minutes=60 * 24))

    async def run(days: float) -> int:
        now = START + timedelta(days=days)
        gone = await retention.run(hub.pool, now, {"unread_chats_days": 60}, NullMeter(), keys=hub.decoder.keys)
        return gone["unread_chats"]

    assert [await run(60), await run(60.5), await run(61.5)] == [0, 1, 1]
