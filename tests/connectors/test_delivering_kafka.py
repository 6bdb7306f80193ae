"""The delivery part whole, on real Kafka and PostgreSQL: a request in, a letter out, an answer back; and as a process of its own."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from config.settings import Settings, load
from connectors.delivering import __main__ as delivering
from hub.embedded.leases import free_block
from hub.embedded.running import KafkaServer
from hub.topics import provision
from pipelines.ledger import migrate
from tests.connectors.delivering_support import FakeMailbox, emptied, render
from tests.pipelines.desk import ANNA, Desk, Said, letter, mailbox, person

pytestmark = pytest.mark.slow
WITHIN_S = 90


@pytest.fixture
def kafka(own_kafka_server: KafkaServer) -> str:
    """Nobody else's requests stand there."""
    return own_kafka_server.bootstrap


@pytest_asyncio.fixture
async def settings(kafka: str, postgres: str, tmp_path: Path) -> Settings:
    """A hub whose person keys are those of the desk."""
    base = free_block()
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "person-key-1").write_text((b"k" * 32).hex())
    made = load(_given(kafka, postgres, tmp_path, base))
    await provision(made)
    await migrate.upgrade_now(postgres)
    return made


def _given(kafka: str, postgres: str, directory: Path, base: int) -> dict[str, str]:
    return {"HUB_KAFKA": kafka, "HUB_POSTGRES": postgres, "HUB_DIR": str(directory), "HUB_PORT_BASE": str(base)}


@pytest_asyncio.fixture
async def hub(settings: Settings, postgres: str) -> AsyncIterator[Desk]:
    async with emptied(postgres) as made:
        from datetime import UTC, datetime

        made.time = datetime.now(UTC)
        await made.take(person(ANNA, as_of=made.time), mailbox(ANNA))
        yield made


async def _publish(kafka: str, said: list[Said]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        for one in said:
            names = {"ce_specversion": "1.0", "ce_id": one.id, "ce_source": "urn:t", "ce_type": one.type}
            headers = [(name, text.encode()) for name, text in names.items()]
            await producer.send_and_wait(one.topic, orjson.dumps(one.data), one.key.encode(), headers=headers)


async def _until(holds: Any) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not await holds():
            await asyncio.sleep(0.05)


async def _unread(kafka: str) -> int:
    """Records of the request topics that the group has not acknowledged."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    committed = await admin.list_consumer_group_offsets(delivering.GROUP)
    await admin.close()
    async with AIOKafkaConsumer(bootstrap_servers=kafka) as consumer:
        places = [TopicPartition(topic, n) for topic in delivering.TOPICS for n in range(12)]
        ends = await consumer.end_offsets(places)
    return sum(ends[place] - (committed[place].offset if place in committed else 0) for place in places)


async def test_a_request_on_its_topic_becomes_a_letter_at_the_peer_and_an_answer_on_receipts(
    hub: Desk, settings: Settings, kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kivra = FakeMailbox()

    async def there(_: Settings, open_: AsyncExitStack) -> delivering.Channels:
        return delivering.Channels((kivra,), None, render)

    monkeypatch.setattr(delivering, "channels", there)
    said = await hub.take(letter(ANNA, "kafka-1"))
    running = asyncio.create_task(delivering.run(settings, 0))
    await _publish(kafka, [one for one in said if one.type == "delivery.requested.v1"] * 2)

    async def told() -> bool:
        if running.done():
            running.result()
        return await hub.pool.fetchval("SELECT count(*) FROM sends WHERE told = 1") == 1

    await _until(told)
    assert [whom for whom, _ in kivra.got] == [ANNA]

    async def acknowledged() -> bool:
        return await _unread(kafka) == 0

    await _until(acknowledged)
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{settings.ports.delivery}/metrics") as page:
        shown = await page.text()
    assert 'hub_sends_total{channel="kivra",outcome="sent"} 1.0' in shown
    assert 'hub_breaker_open{channel="kivra"} 0.0' in shown
    signal.raise_signal(signal.SIGTERM)
    async with asyncio.timeout(WITHIN_S):
        await running
    async with AIOKafkaConsumer("receipts.v1", bootstrap_servers=kafka, auto_offset_reset="earliest", enable_auto_commit=False) as consumer:
        async with asyncio.timeout(WITHIN_S):
            record = await consumer.getone()
    assert orjson.loads(record.value)["outcome"] == "accepted"
    assert record.key.decode() == hub.decoder.keys.key(ANNA)


async def test_without_a_channel_the_process_runs_is_ready_and_lets_rows_wait(
    hub: Desk, settings: Settings, kafka: str, postgres: str
) -> None:
    given = _given(kafka, postgres, settings.dir, settings.port_base or 0) | {"HUB__SANDBOX__ENABLED": "false"}
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "connectors.delivering", env=os.environ | given)
    try:
        said = await hub.take(letter(ANNA, "kafka-2"))
        await _publish(kafka, [one for one in said if one.type == "delivery.requested.v1"])

        async def waiting() -> bool:
            assert process.returncode is None
            return await hub.pool.fetchval("SELECT count(*) FROM sends WHERE why = 'no_channel_configured' AND about = 'kafka-2'") == 1

        await _until(waiting)
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{settings.ports.delivery}/readyz") as page:
            assert page.status == 200
    finally:
        process.send_signal(signal.SIGTERM)
        code = await process.wait()
    assert code == 0
