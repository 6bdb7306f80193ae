"""The hub under acceptance: one for the session, started as a user starts it; or, with ACCEPTANCE_HUB=PORT_BASE:DIR, one that runs."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.embedded.leases import free_block
from tests.acceptance.care_desk import Desk
from tests.acceptance.hub_process import HubProcess
from tests.acceptance.topic_reader import Topics


@pytest.fixture(scope="session")
def hub_dir() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="hub-acceptance-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def hub(hub_dir: Path) -> Iterator[HubProcess]:
    running = os.environ.get("ACCEPTANCE_HUB")
    if running:
        base, _, directory = running.partition(":")
        yield HubProcess(int(base), Path(directory))
        return
    hub = HubProcess(free_block(), hub_dir / "var")
    try:
        yield hub.start()
    finally:
        hub.stop()


@pytest.fixture(scope="session")
def topics(hub: HubProcess) -> Iterator[Topics]:
    topics = Topics(hub)
    yield topics
    topics.close()


@pytest.fixture(scope="session")
def desk(hub: HubProcess, topics: Topics) -> Desk:
    return Desk(hub, topics)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`pytest -m acceptance` runs these alone."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.acceptance)
