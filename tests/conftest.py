"""The real servers that tests run on, started once a session on free ports, when the first test asks for them.

`kafka` is a bootstrap string, `postgres` the DSN of a database that is fresh for each test module. Tests that stop, kill
or restart a server start one of their own with `hub.embedded.running`.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from config.settings import load
from hub.embedded.running import KafkaServer, PostgresServer, running_kafka, running_postgres

# A busy machine makes an example slow; that is no fault of the code (what must be quick is measured by `make bench`).
settings.register_profile("hub-tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("hub-tests")


LONG = ("faults", "acceptance", "e2e", "bench", "privacy")
"""Folders whose tests share a running hub or take minutes: each is one group of a parallel run, and they begin first."""


class Groups(LoadScopeScheduling):
    """`-n N --dist loadscope` runs groups beside each other: a file, or one of `LONG`."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::")[0]
        folder = file.split("/")[1]
        return folder if folder in LONG else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Groups:
    """Not xdist's own groups by mark: they need a private name of pytest's that it no longer reads."""
    return Groups(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long begins first."""
    order = {folder: place for place, folder in enumerate(LONG)}
    items.sort(key=lambda item: order.get(item.nodeid.split("/")[1], len(LONG)))


@pytest.fixture
def own_hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    """`config.telemetry.set_up_logging` is for a whole process: after the test pytest has its own hooks again."""
    for owner, name in ((sys, "excepthook"), (sys, "unraisablehook"), (threading, "excepthook")):
        monkeypatch.setattr(owner, name, getattr(owner, name))


@pytest.fixture(scope="session")
def server_dir() -> Iterator[Path]:
    """A directory that the servers' own user can reach, unlike pytest's."""
    path = Path(tempfile.mkdtemp(prefix="hub-tests-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def cache_dir() -> Path:
    """Where `make install` put the broker's JARs."""
    return load({}).cache_dir


@pytest.fixture(scope="session")
def kafka_server(server_dir: Path, cache_dir: Path) -> Iterator[KafkaServer]:
    """The session's Kafka with its plan and process; without fsync, as nothing here outlives the machine."""
    with running_kafka(server_dir / "kafka", cache_dir, durable=False) as server:
        yield server


@pytest.fixture(scope="session")
def kafka(kafka_server: KafkaServer) -> str:
    """`host:port` of the session's Kafka."""
    return kafka_server.bootstrap


@pytest.fixture(scope="module")
def own_kafka_server(server_dir: Path, cache_dir: Path) -> Iterator[KafkaServer]:
    """A Kafka of this test module's own: for tests that look at all that a broker holds, or at groups that never read."""
    with running_kafka(server_dir / f"kafka-{secrets.token_hex(4)}", cache_dir, durable=False) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_server(server_dir: Path) -> Iterator[PostgresServer]:
    """The session's PostgreSQL."""
    with running_postgres(server_dir / "postgres") as server:
        yield server


@pytest.fixture(scope="module")
def postgres(postgres_server: PostgresServer) -> Iterator[str]:
    """The DSN of an empty database of this test module's own."""
    name = f"t_{secrets.token_hex(6)}"
    asyncio.run(_execute(postgres_server.dsn, f"CREATE DATABASE {name}"))
    yield postgres_server.dsn_of(name)
    asyncio.run(_drop(postgres_server.dsn, name))


async def _drop(dsn: str, name: str) -> None:
    """Autovacuum may be at work in it, and ends by itself: it is nobody's to end."""
    for left in range(100, -1, -1):
        try:
            await _execute(dsn, f"DROP DATABASE {name} WITH (FORCE)")
        except (asyncpg.InsufficientPrivilegeError, asyncpg.ObjectInUseError):
            if not left:
                raise
            await asyncio.sleep(0.1)
        else:
            return


async def _execute(dsn: str, statement: str) -> None:
    session = await asyncpg.connect(dsn)
    try:
        await session.execute(statement)
    finally:
        await session.close()
