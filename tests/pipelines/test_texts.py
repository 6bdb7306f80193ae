"""Texts of meetings on a real PostgreSQL: kept once, read back in order, gone after their time (V11, V14)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest_asyncio

from pipelines.ledger import retention, texts
from pipelines.ledger.texts import Text
from schemas.telemetry import NullMeter
from tests.pipelines.desk import START, Desk, desk


@pytest_asyncio.fixture
async def hub(postgres: str) -> AsyncIterator[Desk]:
    async with desk(postgres) as made:
        yield made


async def test_the_last_lines_and_the_subject_come_back_in_order_and_a_repeat_changes_nothing(hub: Desk) -> None:
    room, other = uuid4(), uuid4()
    rows = [Text(room, number, START, b"%d" % number) for number in (3, 0, 1, 1_800_000_000, 2)]
    await texts.put(hub.pool, [*rows, Text(other, 1, START, b"other")])
    await texts.put(hub.pool, [Text(room, 1, START, b"again")])
    assert await texts.of_room(hub.pool, room, 3) == [(0, b"0"), (2, b"2"), (3, b"3"), (1_800_000_000, b"1800000000")]
    assert await texts.of_room(hub.pool, uuid4(), 3) == []


async def test_each_text_goes_after_its_own_time(hub: Desk) -> None:
    """A subject counts from the end of its conference, which may be booked long before."""
    room = uuid4()
    conference = Text(room, 0, START + timedelta(days=100), b"subject")
    await texts.put(hub.pool, [conference, Text(room, 1, START, b"old"), Text(room, 2, START + timedelta(days=1), b"new")])

    async def run(days: float) -> int:
        now = START + timedelta(days=days)
        gone = await retention.run(hub.pool, now, {"meeting_texts_days": 60}, NullMeter(), keys=hub.decoder.keys)
        return gone["meeting_texts"]

    assert await run(60) == 0
    assert await run(60.5) == 1 and await texts.of_room(hub.pool, room, 9) == [(0, b"subject"), (2, b"new")]
    assert await run(161) == 2 and await texts.of_room(hub.pool, room, 9) == []
