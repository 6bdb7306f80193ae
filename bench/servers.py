"""The ground all sides stand on: one embedded Kafka and one PostgreSQL, both with fsync, and a ledger for each side."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from bench.meters import Used, used
from bench.world import World
from config.settings import Settings, load
from hub.embedded.leases import free_block
from hub.embedded.running import KafkaServer, PostgresServer, running_kafka, running_postgres
from pipelines.ledger import migrate
from pipelines.transport.access import KafkaAccess
from pipelines.transport.outputs import Output, OutputProducer
from schemas.keys import PersonKeys
from schemas.topics import PARTITIONS, TOPICS

BARE_TOPIC: Final = "bench.bare.v1"
STREAMS_TOPIC: Final = "bench.streams.v1"
FACTS_TOPIC: Final = "bench.facts.v1"
CHUNK: Final = 5_000


@dataclass
class Ground:
    """Started servers, and how to look at them."""

    kafka: KafkaServer
    postgres: PostgresServer
    dir: Path
    settings: Settings
    world: World
    producer: OutputProducer
    watcher: AIOKafkaConsumer
    ledgers: dict[str, asyncpg.Connection[Any]] = field(default_factory=dict)
    admin: AIOKafkaAdminClient | None = None

    def environment(self, name: str) -> dict[str, str]:
        """What a part of the hub is started with, on the ledger `name`."""
        return os.environ | {
            "HUB_KAFKA": self.kafka.bootstrap,
            "HUB_POSTGRES": self.postgres.dsn_of(name),
            "HUB_DIR": str(self.dir / "hub"),
            "HUB_PORT_BASE": str(self.settings.port_base),
            "HUB__HUB__LOG_LEVEL": "warning",
        }

    async def ledger(self, name: str) -> asyncpg.Connection[Any]:
        """A connection to a migrated ledger of this name with the residents in it; made when it is asked for first."""
        found = self.ledgers.get(name)
        if found is None:
            dsn = self.postgres.dsn_of(name)
            if dsn != self.postgres.dsn:
                admin = await asyncpg.connect(self.postgres.dsn)
                await admin.execute(f'CREATE DATABASE "{name}"')
                await admin.close()
            await migrate.upgrade_now(dsn)
            found = self.ledgers[name] = await asyncpg.connect(dsn)
            await self.world.settle(found)
        return found

    async def publish(self, topic: str, name: str, count: int) -> None:
        """`count` documents of the series `name`, acknowledged."""
        for first in range(0, count, CHUNK):
            await self.producer.send_many(self.world.documents(topic, name, first, min(count, first + CHUNK)))

    async def publish_all(self, outputs: Iterable[Output]) -> None:
        await self.producer.send_many(list(outputs))

    async def records_in(self, *topics: str) -> int:
        """How many records these topics have had."""
        wanted = [TopicPartition(topic, number) for topic in topics for number in range(PARTITIONS)]
        return sum((await self.watcher.end_offsets(wanted)).values())

    async def committed(self, group: str, topic: str) -> int:
        """The sum of a group's committed offsets in a topic."""
        if self.admin is None:
            self.admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka.bootstrap)
            await self.admin.start()
        offsets = await self.admin.list_consumer_group_offsets(group)
        return sum(max(0, found.offset) for place, found in offsets.items() if place.topic == topic)

    async def used(self, pids: Sequence[int], connection: asyncpg.Connection[Any]) -> Used:
        return await used(pids, self.kafka.pid, self.postgres.pid, connection)


@asynccontextmanager
async def ground(residents: int = 20_000) -> AsyncIterator[Ground]:
    """Everything fresh, and gone afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="hub-bench-"))
    directory.chmod(0o755)  # noqa: ASYNC240 - before anything runs
    try:
        cache = load({}).cache_dir
        with (
            running_kafka(directory / "kafka", cache, durable=True, for_speed=True) as kafka,
            running_postgres(directory / "postgres") as postgres,
        ):
            settings = load({"HUB_DIR": str(directory / "hub"), "HUB_PORT_BASE": str(_port_base())})
            world = World(PersonKeys(settings.person_key_secrets(), 1), residents)
            await _topics(kafka.bootstrap)
            producer = OutputProducer.connected_to(KafkaAccess(kafka.bootstrap), client_id="bench", message_bytes_max=8 << 20)
            watcher = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap)
            await watcher.start()
            async with producer:
                made = Ground(kafka, postgres, directory, settings, world, producer, watcher)
                try:
                    yield made
                finally:
                    for connection in made.ledgers.values():
                        await connection.close()
                    if made.admin is not None:
                        await made.admin.close()
                    await watcher.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _port_base() -> int:
    """A base whose block of ports is free now; HUB_PORT_BASE where one is wanted."""
    wanted = os.environ.get("HUB_PORT_BASE")
    return int(wanted) if wanted else free_block()


async def _topics(bootstrap: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    copies = dict.fromkeys((BARE_TOPIC, STREAMS_TOPIC), TOPICS["ehr.letters.v1"].config)
    facts = {FACTS_TOPIC: TOPICS["persons.v1"].config}
    wanted = {name: topic.config for name, topic in TOPICS.items()} | copies | facts
    await admin.create_topics([NewTopic(name, PARTITIONS, 1, topic_configs=config) for name, config in wanted.items()])
    await admin.close()
    await asyncio.sleep(1)
