"""One hub of the fault tests: a real Kafka and a real PostgreSQL of its own, and the parts that run on them.

Started without the supervisor, so that a test decides what dies where; `tests/e2e` does the same through `hub up`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from config.settings import Settings, load
from hub.embedded.leases import free_block
from hub.embedded.running import KafkaServer, PostgresServer, running_kafka, running_postgres
from hub.nursery import Nursery
from hub.process import adopt_orphans, reap_strangers
from schemas.clock import Clock
from schemas.keys import PersonKeys
from tests.faults.parts import ROOT, Part

WORKERS = 2


@dataclass
class World:
    """What a fault may hurt, and what an account is made from."""

    settings: Settings
    env: dict[str, str]
    kafka: KafkaServer
    postgres: PostgresServer
    nursery: Nursery
    parts: dict[str, Part] = field(default_factory=dict)

    @property
    def clock(self) -> Clock:
        return Clock(self.settings.clock_file)

    @property
    def keys(self) -> PersonKeys:
        return PersonKeys(self.settings.person_key_secrets(), self.settings.hub.key_version)

    @property
    def workers(self) -> list[Part]:
        return [part for name, part in self.parts.items() if name.startswith("worker")]

    @property
    def timers(self) -> Part:
        return self.parts["timers"]

    async def up(self) -> None:
        """Until every part can take work."""
        await asyncio.gather(*(part.up() for part in self.parts.values()))

    async def broker_gone(self, with_signal: signal.Signals, for_s: float) -> None:
        """Kafka ends and comes back with its data."""
        await asyncio.to_thread(self.kafka.stop, with_signal)
        await asyncio.sleep(for_s)
        await asyncio.to_thread(self.kafka.start)

    async def ledger_gone(self, with_signal: signal.Signals, for_s: float) -> None:
        """PostgreSQL ends and comes back with its data. SIGQUIT is its immediate shutdown."""
        await asyncio.to_thread(self.postgres.stop, with_signal)
        await asyncio.sleep(for_s)
        await asyncio.to_thread(self.postgres.start)

    def add(self, name: str, port: int, *words: str) -> Part:
        part = Part(name, words, port, self.env, self.settings.dir / f"{name}.log", self.nursery)
        self.parts[name] = part
        part.start()
        return part


@asynccontextmanager
async def world(directory: Path, cache: Path, *, register: bool = True, **settings: str) -> AsyncIterator[World]:
    """A hub that runs when the block begins and is gone when it ends. `settings` are HUB__SECTION__KEY variables."""
    with running_kafka(directory / "kafka", cache) as kafka, running_postgres(directory / "postgres") as postgres:
        given = {
            "HUB_KAFKA": kafka.bootstrap,
            "HUB_POSTGRES": postgres.dsn,
            "HUB_DIR": str(directory / "var"),
            "HUB_PORT_BASE": str(free_block()),
            "HUB__KAFKA__DURABLE": "true",
        } | settings
        env = {name: text for name, text in os.environ.items() if not name.startswith("HUB_")} | given | {"PYTHONPATH": str(ROOT)}
        loaded = load(env)
        loaded.dir.mkdir(parents=True, exist_ok=True)
        for words in (["hub.topics"], ["pipelines", "migrate"]):
            command = [sys.executable, "-m", *words]
            await asyncio.to_thread(subprocess.run, command, env=env, cwd=ROOT, check=True, timeout=60)
        with (loaded.dir / "nursery.log").open("ab") as log:
            adopt_orphans()
            nursery = Nursery(("pipelines", "connectors.sandbox", "connectors.register"), log.fileno())
        made = World(loaded, env, kafka, postgres, nursery)
        try:
            ports = loaded.ports
            if register:
                made.add("sandbox", ports.sandbox, "connectors.sandbox")
                made.add("register", ports.register, "connectors.register")
            for slot in range(WORKERS):
                made.add(f"worker-{slot}", ports.worker(slot), "pipelines", "worker", "--slot", str(slot))
            made.add("timers", ports.timers, "pipelines", "timers", "--slot", "0")
            await made.up()
            yield made
        finally:
            await asyncio.gather(*(part.stop(signal.SIGKILL) for part in made.parts.values()))
            nursery.close()
            reap_strangers(())

