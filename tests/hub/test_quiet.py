"""Idle means: the workers' group has acknowledged all of its topics, and the ledger has nothing to publish or decide."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from config.settings import Settings, load
from hub.embedded.running import KafkaServer
from hub.quiet import Quiet
from hub.topics import provision
from pipelines.ledger.migrate import upgrade

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
TOPIC = TopicPartition("ehr.letters.v1", 3)


@pytest.fixture(scope="module")
def kafka(own_kafka_server: KafkaServer) -> str:
    """What others published on the session's Kafka is lag to a group that never read."""
    return own_kafka_server.bootstrap


@pytest.fixture
async def settings(kafka: str, postgres: str, tmp_path: Path) -> Settings:
    made = load({}, HUB_DIR=str(tmp_path), HUB_KAFKA=kafka, HUB_POSTGRES=postgres)
    await provision(made)
    await asyncio.to_thread(upgrade, postgres)
    return made


@pytest.fixture
async def quiet(settings: Settings) -> AsyncIterator[Quiet]:
    made = Quiet(settings, group=f"g-{uuid4()}")
    await _look(made)
    yield made
    await made.close()


async def _acknowledge(kafka: str, group: str, offset: int) -> None:
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, group_id=group, enable_auto_commit=False)
    await consumer.start()
    consumer.assign([TOPIC])
    await consumer.commit({TOPIC: OffsetAndMetadata(offset, "")})
    await consumer.stop()


async def _look(quiet: Quiet, now: datetime = NOW) -> dict[str, Any]:
    """A fresh Kafka makes its table of groups when it is first asked for a group, and does not answer until then."""
    async with asyncio.timeout(20):
        while (look := await quiet.look(now)) is None:
            await asyncio.sleep(0.1)
    return look


async def _idle(quiet: Quiet, now: datetime = NOW) -> bool:
    return bool((await _look(quiet, now))["idle"])


async def test_a_record_that_the_group_has_not_acknowledged_is_lag(quiet: Quiet, kafka: str) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        sent = await producer.send_and_wait(TOPIC.topic, b"{}", partition=TOPIC.partition)
    look = await _look(quiet)
    assert not look["idle"]
    assert look["lag"]["topics"]["ehr.letters.v1"] >= 1
    await _acknowledge(kafka, quiet._group, sent.offset)
    assert not await _idle(quiet)
    await _acknowledge(kafka, quiet._group, sent.offset + 1)
    assert await _idle(quiet)


SEND = (
    "INSERT INTO sends (send, person, about, channel, kind, requested_at, changed_at, state, slot, due_at, why, answers)"
    " VALUES ($1, $1, 'd', 1, 'brev', $2, $2, "
)
DOCUMENT = (
    "INSERT INTO documents (doc, document_id, person, unit, digest, sent, count_from, due_at, size, kind, source, e_brev, code,"
    " attachments, files, open, rule, changed, app, mailbox, print, deadline)"
    " VALUES ($1, 'd', $1, '', $1, $2, $2, $2::timestamptz + interval '20 s', 0, 0, 0, true, 0, 0, 0, true, "
)
AHEAD, NOW_DUE = ", $2::timestamptz + interval '48 h')", ", $2::timestamptz + interval '20 s')"
"""The deadline of a document that is due for something else before, and of one whose deadline it is."""
BOOKING = (
    "INSERT INTO bookings (booking, booking_id, person, unit, digest, version, status, start, minutes, time_type, resource, video, blocked,"
    " due_at, hidden, shown_app) VALUES ($1, 'b', $1, '', $1, 1, 0, $2, 30, '', '', 0, false, $2::timestamptz + interval '20 s', "
)
WORK = {
    "a letter that waits for the mailbox operators": DOCUMENT + "'R9', 0, 0, 0, 0" + AHEAD,
    "a letter that waits for them shortly before its deadline": DOCUMENT + "'R9', 0, 0, 0, 0" + NOW_DUE,
    "a letter that waits for the register": DOCUMENT + "'P8', 1, 0, 0, 0" + AHEAD,
    "a letter in the app that waits for the mailbox operators": DOCUMENT + "'R9', 2, 1, 0, 0" + AHEAD,
    "an unread letter that waits for the register at its deadline": DOCUMENT + "'P8', 2, 1, 0, 0" + NOW_DUE,
    "a booking that waits for the register": BOOKING + "false, false)",
    "a hidden booking that waits for the register": BOOKING + "true, false)",
    "a booking that is shown and waits for the register": "WITH l AS (INSERT INTO lookups (person, pid, wanted_at, due_at, attempts)"
    " VALUES ($1, '', $2, $2::timestamptz + interval '1 h', 5)) " + BOOKING + "false, true)",
    "a delivery in flight": SEND + "4, 'delivery-0', NULL, NULL, 0)",
    "a delivery being made": SEND + "1, NULL, $2::timestamptz + interval '30 s', NULL, 0)",
    "a delivery that is due": SEND + "7, NULL, $2, 'register', 0)",
    "an answer not told": SEND + "5, NULL, NULL, NULL, 1)",
    "an output not published": "INSERT INTO outbox (slot, data) VALUES ('w', '')",
    "a look-up never tried": "INSERT INTO lookups (person, pid, wanted_at, due_at) VALUES ($1, '', $2, $2)",
    "a look-up on its way": "INSERT INTO lookups (person, pid, wanted_at, due_at, attempts, asked_at)"
    " VALUES ($1, '', $2, $2::timestamptz + interval '30 s', 1, $2)",
    "an overdue room": "INSERT INTO rooms (room, kind, state, unit, resource, partition_by, active_at, opens_at, closes_at, due_at)"
    " VALUES ($1, 1, 1, '', '', $1::uuid, $2, $2, $2, $2)",
}


@asynccontextmanager
async def _with(quiet: Quiet, kafka: str, postgres: str, statement: str) -> AsyncIterator[None]:
    """All is acknowledged, and this row stands in a ledger that had nothing to do."""
    await _acknowledge(kafka, quiet._group, (await quiet.lag()).ends[TOPIC])
    session = await asyncpg.connect(postgres)
    try:
        assert await _idle(quiet)
        await session.execute(statement, *([uuid4(), NOW] if "$1" in statement else []))
        yield
    finally:
        await session.execute("TRUNCATE outbox, lookups, rooms, sends, documents, bookings")
        await session.close()
    assert await _idle(quiet)


@pytest.mark.parametrize("statement", WORK.values(), ids=WORK)
async def test_what_the_ledger_still_has_to_do_is_not_idle(quiet: Quiet, kafka: str, postgres: str, statement: str) -> None:
    async with _with(quiet, kafka, postgres, statement):
        assert not await _idle(quiet)


DECIDED = {
    "a letter in the app, shortly before its deadline": DOCUMENT + "'R9', 1, 1, 0, 0" + NOW_DUE,
    "a letter asked of a mailbox": DOCUMENT + "'R9', 1, 0, 1, 0" + NOW_DUE,
    "a letter that waits for a channel, shortly before its deadline": DOCUMENT + "'R10', 1, 0, 0, 0" + NOW_DUE,
    "a letter whose person nobody confirms, shortly before its deadline": DOCUMENT + "'P8', 1, 0, 0, 0" + NOW_DUE,
    "a letter in the print queue whose visit begins": DOCUMENT + "'R10', 2, 2, 0, 1" + AHEAD,
    "a booking whose reminder is due": BOOKING + "false, true)",
}


@pytest.mark.parametrize("statement", DECIDED.values(), ids=DECIDED)
async def test_what_is_decided_and_due_soon_is_idle(quiet: Quiet, kafka: str, postgres: str, statement: str) -> None:
    async with _with(quiet, kafka, postgres, statement):
        assert await _idle(quiet)
        assert not await _idle(quiet, NOW + timedelta(seconds=20))


async def test_what_no_channel_is_there_for_waits_and_that_is_idle(quiet: Quiet, kafka: str, postgres: str) -> None:
    async with _with(quiet, kafka, postgres, SEND + "7, NULL, $2, 'no_channel_configured', 0)"):
        assert await _idle(quiet)


async def test_a_request_that_the_delivery_part_has_not_taken_is_lag(settings: Settings, kafka: str) -> None:
    groups = Quiet(settings, group=f"g-{uuid4()}", delivery=f"d-{uuid4()}")
    await _acknowledge(kafka, groups._group, (await groups.lag()).ends[TOPIC])
    assert await _idle(groups)
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        await producer.send_and_wait("mailbox.deliveries.v1", b"{}", partition=0)
    look = await _look(groups)
    assert (look["idle"], look["lag"]["topics"]["mailbox.deliveries.v1"]) == (False, 1)
    await groups.close()


async def test_a_deadline_ahead_is_idle_until_it_is_reached(quiet: Quiet, kafka: str, postgres: str) -> None:
    await _acknowledge(kafka, quiet._group, (await quiet.lag()).ends[TOPIC])
    session = await asyncpg.connect(postgres)
    due = NOW + timedelta(hours=48)
    await session.execute(WORK["an overdue room"], uuid4(), due)
    assert await _idle(quiet)
    assert not await _idle(quiet, due)
    await session.execute("TRUNCATE rooms")
    await session.close()


async def test_a_ledger_that_does_not_answer_is_no_idle_hub(settings: Settings) -> None:
    gone = settings.model_copy(update={"external_postgres": "postgresql://hub:x@127.0.0.1:9/hub"})
    quiet = Quiet(gone)
    assert await quiet.look(NOW) is None
    await quiet.close()
