"""Retention on a real PostgreSQL: what is old and final goes, what is open or used stays."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from uuid import UUID

import pytest_asyncio

from pipelines.gauges import spaced
from pipelines.ledger import outbox, retention
from pipelines.work import Committed
from schemas.telemetry import NullMeter
from tests.pipelines.desk import (
    ANNA,
    MOTHER,
    START,
    Desk,
    account,
    booking,
    desk,
    letter,
    mailbox,
    of_type,
    person,
    read,
)

VIDEO = {"id": "v", "name": "Video", "hidden": False, "video": "single"}
PDF = {"name": "a.pdf", "content_type": "application/pdf", "data": "JVBERi0xLjcgdGVzdA==", "shared": True, "e_brev": True}


@pytest_asyncio.fixture
async def hub(postgres: str) -> AsyncIterator[Desk]:
    async with desk(postgres) as made:
        await made.take(person(ANNA), account(ANNA))
        yield made


async def _run(hub: Desk, after_days: float, **days: int) -> dict[str, int]:
    now = START + timedelta(days=after_days)
    return await retention.run(hub.pool, now, days, NullMeter(), keys=hub.decoder.keys)


async def _count(hub: Desk, table: str) -> int:
    number: int = await hub.pool.fetchval(f"SELECT count(*) FROM {table}")
    return number


async def test_a_read_document_goes_with_all_that_is_about_it(hub: Desk) -> None:
    await hub.take(letter(ANNA, attachments=[PDF]), mailbox(ANNA))
    await hub.take(read(ANNA))
    assert await _run(hub, 399, documents_days=400, contents_days=400) == {"documents": 0, "contents": 0}
    assert await _run(hub, 401, documents_days=400, contents_days=400) == {"documents": 1, "contents": 2}
    for table in ("documents", "attachments", "recipients", "deliveries", "contents"):
        assert await _count(hub, table) == 0, table


async def test_an_unread_document_stays_however_old(hub: Desk) -> None:
    await hub.take(letter(ANNA))
    assert await _run(hub, 4000, documents=1, contents=1) == {"documents": 0, "contents": 0}


async def test_an_open_print_entry_stays_and_keeps_its_document(hub: Desk) -> None:
    await hub.take(letter(ANNA, footer=""))
    assert await _run(hub, 4000, documents=1, print_entries=1) == {"documents": 0, "print_entries": 0}
    assert await _count(hub, "print_entries") == 1


async def test_an_attachment_that_another_document_shares_stays(hub: Desk) -> None:
    await hub.take(letter(ANNA, attachments=[PDF]))
    await hub.take(letter(ANNA, "d2", body="Hej igen.", attachments=[PDF]))
    await hub.take(read(ANNA))
    assert await _run(hub, 401, documents=400, contents=400) == {"documents": 1, "contents": 1}
    assert await _count(hub, "contents") == 2


async def test_a_body_that_a_worker_is_about_to_use_is_left_alone(hub: Desk) -> None:
    await hub.take(letter(ANNA))
    await hub.take(read(ANNA))
    await _run(hub, 401, documents=400)
    async with hub.pool.acquire() as worker, worker.transaction():
        await worker.fetch("SELECT sha FROM contents FOR KEY SHARE")
        assert await _run(hub, 401, contents=400) == {"contents": 0}
    assert await _run(hub, 401, contents=400) == {"contents": 1}


async def test_a_document_of_somebody_a_worker_is_deciding_for_is_left_alone(hub: Desk) -> None:
    await hub.take(letter(ANNA))
    await hub.take(read(ANNA))
    lock = "SELECT pg_advisory_xact_lock_shared(('x' || substr(replace(person::text, '-', ''), 1, 16))::bit(64)::int8) FROM persons"
    async with hub.pool.acquire() as worker, worker.transaction():
        await worker.execute(lock)
        assert await _run(hub, 401, documents=400) == {"documents": 0}
    assert await _run(hub, 401, documents=400) == {"documents": 1}


async def test_a_past_booking_gets_a_tombstone_on_both_topics_where_its_last_state_stands(hub: Desk) -> None:
    shown = [s for s in await hub.take(booking(ANNA)) if s.type == "booking.shown.v1"]
    assert await _run(hub, 406, bookings=400) == {"bookings": 0}
    assert await _run(hub, 408, bookings=400) == {"bookings": 1}
    left = outbox.unpack(await hub.pool.fetchval("SELECT data FROM outbox"))
    assert [(o.topic, o.key, o.value) for o in left] == [(s.topic, s.key.encode(), None) for s in shown]
    assert {o.partition_key for o in left} == {hub.decoder.keys.key(ANNA).encode()}


async def test_the_tombstone_of_a_renumbered_persons_booking_goes_where_it_stands(hub: Desk) -> None:
    """P4."""
    await hub.take(booking(ANNA))
    await hub.take(person(MOTHER), person(ANNA, replaced_by=MOTHER, as_of=START + timedelta(hours=1)))
    assert await _run(hub, 408, bookings=400) == {"bookings": 1}
    left = outbox.unpack(await hub.pool.fetchval("SELECT data FROM outbox"))
    assert {o.partition_key for o in left} == {hub.decoder.keys.key(ANNA).encode()}


async def test_a_booking_that_was_never_shown_leaves_no_trace_on_a_topic(hub: Desk) -> None:
    await hub.take(person(ANNA, protection="sekretessmarkering", as_of=START + timedelta(hours=1)))
    await hub.take(booking(ANNA))
    assert await _run(hub, 399, bookings=400) == {"bookings": 0}
    assert await _run(hub, 401, bookings=400) == {"bookings": 1}
    assert await _count(hub, "outbox") == 0


async def test_a_closed_room_gets_a_tombstone_and_an_open_one_stays(hub: Desk) -> None:
    said = await hub.take(booking(ANNA, time_type=VIDEO))
    room = of_type(said, "room.changed.v1")[0]["room_id"]
    assert await _run(hub, 400, rooms=60) == {"rooms": 0}
    await hub.advance(days=8)
    assert await _run(hub, 66, rooms=60) == {"rooms": 0}
    assert await _run(hub, 68, rooms=60) == {"rooms": 1}
    left = outbox.unpack(await hub.pool.fetchval("SELECT data FROM outbox"))
    assert [(o.topic, o.key, o.value) for o in left] == [("video.rooms.v1", room.encode(), None)]


async def test_tombstones_are_handed_over_when_somebody_publishes_them(hub: Desk) -> None:
    await hub.take(booking(ANNA))
    posted: list[Committed] = []

    async def post(committed: Committed) -> None:
        posted.append(committed)

    now = START + timedelta(days=500)
    await retention.run(hub.pool, now, {"bookings": 400}, NullMeter(), keys=hub.decoder.keys, slot="timers-0", post=post)
    assert [len(committed.outputs) for committed in posted] == [2]
    assert await hub.pool.fetchval("SELECT slot FROM outbox") == "timers-0"


async def test_what_time_alone_keeps_goes_by_time(hub: Desk) -> None:
    await hub.take(letter(ANNA))
    inbox, decisions = await _count(hub, "inbox"), await _count(hub, "decisions")
    assert await _run(hub, 29, inbox=30, decisions=30) == {"inbox": 0, "decisions": 0}
    assert await _run(hub, 31, inbox=30, decisions=30) == {"inbox": inbox, "decisions": decisions}


async def test_it_comes_each_hour_of_the_hubs_clock_also_where_that_is_moved() -> None:
    times, done = [START], list[datetime]()

    async def keep() -> None:
        done.append(times[-1])

    look = spaced(timedelta(hours=1), lambda: times[-1], keep)
    for at in (START, START + timedelta(minutes=59), START + timedelta(days=61), START + timedelta(days=61, minutes=1)):
        times.append(at)
        await look()
    assert done == [START, START + timedelta(days=61)]


async def test_many_rows_go_in_batches(hub: Desk) -> None:
    await hub.pool.execute(
        "INSERT INTO inbox SELECT gen_random_uuid(), $1 FROM generate_series(1, $2)", START, 2 * retention.BATCH_ROWS + 7
    )
    assert await _run(hub, 40, inbox=30) == {"inbox": 2 * retention.BATCH_ROWS + 7 + 2}


async def test_dead_letters_are_kept_by_real_days(hub: Desk) -> None:
    await hub.take(read(ANNA, "unknown"))
    assert await _run(hub, 10_000, dead_letters=90) == {"dead_letters": 0}
    await hub.pool.execute("UPDATE dead_letters SET at = at - interval '91 days'")
    assert await _run(hub, 0, dead_letters=90) == {"dead_letters": 1}


async def test_a_table_without_a_setting_is_kept(hub: Desk) -> None:
    await hub.take(letter(ANNA))
    assert await _run(hub, 10_000) == {}


async def _sent(hub: Desk, **more: object) -> None:
    values = {"state": 5, "answers": 1, "told": 1, "slot": None, "due_at": None, **more}
    await hub.pool.execute("INSERT INTO contents VALUES ('\\x01', 'bytes', $1)", START)
    await hub.pool.execute(
        "INSERT INTO sends (send, person, about, channel, kind, state, request, kept, requested_at, changed_at, answers, told, due_at)"
        " VALUES ($1, $1, 'd1', 1, 'brev', $2, '\\x01', true, $3, $3, $4, $5, $6)",
        UUID(int=7), values["state"], START, values["answers"], values["told"], values["due_at"],
    )  # fmt: skip
    await hub.pool.execute("INSERT INTO attempts (send, number, began, slot) VALUES ($1, 1, $2, 'delivery-0')", UUID(int=7), START)


async def test_the_bytes_of_what_was_sent_go_first_and_their_hash_stays(hub: Desk) -> None:
    await _sent(hub)
    assert await _run(hub, 31, requests_days=30, sends_days=400) == {"requests": 1, "sends": 0}
    assert await _count(hub, "contents") == 0
    assert await hub.pool.fetchval("SELECT request FROM sends") == b"\x01"
    assert await _run(hub, 401, requests_days=30, sends_days=400) == {"requests": 0, "sends": 1}
    assert (await _count(hub, "sends"), await _count(hub, "attempts")) == (0, 0)


async def test_what_is_unknown_waits_or_was_not_told_stays_with_its_bytes(hub: Desk) -> None:
    for more in ({"state": 9}, {"state": 2, "due_at": START}, {"told": 0}):
        await hub.pool.execute("TRUNCATE sends, attempts, contents")
        await _sent(hub, **more)
        gone = await _run(hub, 4000, requests=1, sends=1, contents=1)
        assert gone["sends"] == 0
        assert await _count(hub, "contents") == (0 if "told" in more else 1)


async def test_bytes_that_another_send_may_still_need_stay(hub: Desk) -> None:
    await _sent(hub)
    await hub.pool.execute(
        "INSERT INTO sends (send, person, about, channel, kind, state, due_at, request, kept, requested_at, changed_at)"
        " VALUES ($1, $1, 'd2', 1, 'brev', 2, $2, '\\x01', true, $2, $2)",
        UUID(int=8), START,
    )  # fmt: skip
    await _run(hub, 4000, requests=1, contents=1)
    assert await _count(hub, "contents") == 1
