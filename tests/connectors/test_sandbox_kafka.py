"""Sandbox and register connector as processes, on a real Kafka and a real ledger."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from config.settings import Settings, load
from connectors.sandbox.learning import Learning
from connectors.sandbox.world import World
from hub.embedded.leases import free_block
from hub.embedded.running import KafkaServer
from hub.sample import publish, residents
from hub.topics import provision
from pipelines.ledger import lookups, migrate
from pipelines.transport.access import KafkaAccess
from pipelines.transport.outputs import OutputProducer
from schemas.cloudevents import decode_record, headers_for
from schemas.events import dump
from schemas.keys import PersonKeys
from tests.connectors.sandbox_support import ADULT, PARENT, delivered
from tests.connectors.spar_support import searched

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def given(kafka_server: KafkaServer, postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Variables for every part of this module."""
    yield {
        "HUB_KAFKA": kafka_server.bootstrap,
        "HUB_POSTGRES": postgres,
        "HUB_DIR": str(tmp_path_factory.mktemp("hub")),
        "HUB_PORT_BASE": str(free_block()),
    }


@pytest.fixture(scope="module")
def settings(given: dict[str, str]) -> Settings:
    found = load(given)
    asyncio.run(provision(found))
    migrate.upgrade(found.postgres_dsn())
    return found


@dataclass
class Part:
    """A running part and its address."""

    url: str
    process: asyncio.subprocess.Process

    async def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        data = orjson.dumps(body) if body is not None else None
        async with aiohttp.request(method, self.url + path, data=data) as answer:
            return answer.status, orjson.loads(await answer.read())

    async def stop(self) -> int:
        self.process.terminate()
        return await asyncio.wait_for(self.process.wait(), 20)


async def _started(module: str, port: int, given: dict[str, str]) -> Part:
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", module, env=os.environ | given)
    part = Part(f"http://127.0.0.1:{port}", process)
    async with asyncio.timeout(40), aiohttp.ClientSession() as session:
        while True:
            assert process.returncode is None, f"{module} has ended"
            try:
                async with session.get(f"{part.url}/readyz") as answer:
                    if answer.status == 200:
                        return part
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(0.05)


@pytest.fixture
async def sandbox(settings: Settings, given: dict[str, str]) -> AsyncIterator[Part]:
    part = await _started("connectors.sandbox", settings.ports.sandbox, given)
    yield part
    if part.process.returncode is None:
        assert await part.stop() == 0


def _keys(settings: Settings) -> PersonKeys:
    return PersonKeys(settings.person_key_secrets(), settings.hub.key_version)


async def _news_of(settings: Settings, patient: str, source: str) -> AsyncGenerator[tuple[float, str, dict[str, Any]], None]:
    """Events about a person on `persons.v1` from a source, with the time they were seen."""
    consumer = AIOKafkaConsumer("persons.v1", bootstrap_servers=settings.kafka_bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        async for record in consumer:
            envelope, data = decode_record(record.headers, record.value)
            plain = orjson.loads(data)
            if plain["patient"] == patient and envelope.source == source:
                assert record.key.decode() == _keys(settings).key(patient)
                yield time.time(), envelope.id, plain
    finally:
        await consumer.stop()


async def test_a_person_posted_is_on_the_topic_and_is_known_again_after_a_restart(
    settings: Settings, given: dict[str, str], sandbox: Part
) -> None:
    status, made = await sandbox.call("POST", "/people", {"patient": ADULT, "name": "Alva", "account": "active"})
    assert status == 201
    async with asyncio.timeout(20):
        async for _, _, data in _news_of(settings, ADULT, "urn:sandbox:register"):
            assert data["as_of"] == made["as_of"]
            break
    assert await sandbox.stop() == 0
    again = await _started("connectors.sandbox", settings.ports.sandbox, given)
    try:
        assert (await searched(f"http://127.0.0.1:{settings.ports.sandbox}", ADULT)).name == "Alva"
    finally:
        assert await again.stop() == 0


async def test_what_the_hub_has_published_has_arrived_when_the_inbox_is_asked(settings: Settings, sandbox: Part) -> None:
    keys = _keys(settings)
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap)
    await producer.start()
    try:
        waits, begun = [], datetime.now(UTC)
        for number in range(1, 6):
            headers = headers_for("document.delivered.v1", f"e-{number}", "urn:care-hub", "2026-11-23T09:30:00Z")
            began = time.perf_counter()
            value = dump(delivered(f"k-{number}", ADULT))
            await producer.send_and_wait("app.documents.v1", value, keys.key(ADULT).encode(), headers=headers)
            found = (await sandbox.call("GET", f"/inbox/app/{ADULT}"))[1]
            waits.append(time.perf_counter() - began)
            assert len(found) == number
    finally:
        await producer.stop()
    assert sorted(waits)[2] < 1, "of each, by itself"
    assert {(row["document_id"], row["times"]) for row in found} == {(f"k-{number}", 1) for number in range(1, 6)}
    assert all(begun <= datetime.fromisoformat(row["first_at"]) <= datetime.now(UTC) for row in found)


async def test_a_sample_of_residents_published_to_kafka_is_known_to_the_register(settings: Settings, sandbox: Part) -> None:
    events = list(residents(1, 300, 2026))
    access = KafkaAccess(settings.kafka_bootstrap)
    async with OutputProducer.connected_to(access, client_id="sample") as producer:
        assert await publish(events, producer, _keys(settings)) == len(events)
    last = [event.patient for event in events if event.type == "person.changed.v1"][-1]
    async with asyncio.timeout(10):
        while await searched(f"http://127.0.0.1:{settings.ports.sandbox}", last) is None:
            await asyncio.sleep(0.02)


async def test_a_peer_that_waits_for_the_barrier_knows_every_mailbox_published_before_the_question(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R9: reachability is answered truthfully, however close behind the publishing the question comes."""
    monkeypatch.setattr("connectors.sandbox.learning.BARRIER_S_MAX", 60.0)
    world = World()
    learning = Learning(world, KafkaAccess(settings.kafka_bootstrap).client_arguments(), lambda at: at)
    reading = asyncio.create_task(learning.run())
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap, acks="all")
    await producer.start()
    try:
        await asyncio.wait_for(learning.ready.wait(), 30)
        for number in range(20):
            accepts = number % 2 == 0
            as_of = datetime(2026, 1, 1, 0, number, tzinfo=UTC)
            box = {"patient": ADULT, "sender": "162321000016", "operator": "kivra", "accepts": accepts, "as_of": as_of}
            headers = headers_for("mailbox.changed.v1", f"box-{number}", "urn:test", "2026-11-23T09:30:00Z")
            await producer.send_and_wait("mailboxes.v1", dump(box), b"key", headers=headers)
            assert await learning.caught_up()
            assert world.mailboxes[ADULT]["kivra"]["accepts"] is accepts
        assert await learning.caught_up()  # nothing new: no wait
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await producer.stop()
    assert not await learning.caught_up()  # it reads no more: said, not waited for


async def test_somebody_the_ledger_wants_is_asked_for_at_once_and_again_after_the_register_was_down(
    settings: Settings, given: dict[str, str], sandbox: Part
) -> None:
    await sandbox.call("POST", "/people", {"patient": PARENT, "name": "Nils"})
    register = await _started("connectors.register", settings.ports.register, given)
    pool = await asyncpg.create_pool(settings.postgres_dsn(), min_size=1, max_size=2)
    person = _keys(settings).uuid(PARENT)
    try:
        await pool.execute("INSERT INTO persons (person, pid) VALUES ($1, $2)", person, PARENT)
        news = _news_of(settings, PARENT, "urn:care-hub:register")
        first = asyncio.ensure_future(anext(news))
        await asyncio.sleep(1)  # the consumer is up
        began = time.time()
        async with pool.acquire() as connection, connection.transaction():
            await lookups.want(connection, [person], datetime.now(UTC))
        seen, first_id, data = await asyncio.wait_for(first, 10)
        assert data["name"] == "Nils"
        assert seen - began < 5
        told = "SELECT due_at - asked_at > interval '30 seconds' FROM lookups WHERE person = $1"
        async with asyncio.timeout(10):
            while not await pool.fetchval(told, person):  # Kafka shows news before it tells the part, and the part the ledger
                await asyncio.sleep(0.02)

        await sandbox.call("POST", "/faults", {"system": "spar", "mode": "down"})
        async with pool.acquire() as connection, connection.transaction():
            await lookups.applied(connection, [person])
            await lookups.want(connection, [person], datetime.now(UTC))
        async with asyncio.timeout(20):
            while await pool.fetchval("SELECT silent_at FROM persons WHERE person = $1", person) is None:
                await asyncio.sleep(0.02)
        await sandbox.call("DELETE", "/faults")
        _, second_id, again = await asyncio.wait_for(anext(news), 20)
        assert again["as_of"] > data["as_of"] and second_id != first_id
        assert (await sandbox.call("GET", f"/inbox/lookups/{PARENT}"))[1] == {"spar": 2, "mm": 0}
        await news.aclose()
    finally:
        await pool.close()
        assert await register.stop() == 0


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"HUB__PEERS__SPAR__URL": "https://register.example"}, "real peers; the settings name some: peers.spar.url"),
        ({"HUB__SANDBOX__ENABLED": "false"}, "turned off"),
        ({"HUB__SANDBOX__SPEED": "1"}, "no such setting"),
    ],
)
async def test_it_refuses_to_start_beside_real_peers_and_says_so(tmp_path: Path, more: dict[str, str], said: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "connectors.sandbox", env=os.environ | {"HUB_DIR": str(tmp_path)} | more,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, complaint = await asyncio.wait_for(process.communicate(), 30)
    assert (process.returncode, said in complaint.decode()) == (2, True)
