"""The table of parts: what runs under which settings, where, and after what."""

import asyncio
from pathlib import Path

import pytest

from config.settings import load
from hub.embedded.leases import free_ports
from hub.parts import SERVERS, Part, answers_ready, table


def _table(tmp_path: Path, **options: str) -> dict[str, Part]:
    return {part.name: part for part in table(load({}, HUB_DIR=str(tmp_path), HUB_PORT_BASE="9000", **options))}


def test_a_hub_has_all_its_parts_on_ports_from_one_base(tmp_path: Path) -> None:
    parts = _table(tmp_path)
    ports = {name: dict(part.ports) for name, part in parts.items() if part.ports}
    assert ports == {
        "kafka": {"kafka": 9030, "controller": 9031, "sasl": 9032},
        "postgres": {"postgres": 9040},
        "gateway": {"http": 9000},
        "worker-0": {"http": 9003},
        "worker-1": {"http": 9004},
        "timers": {"http": 9005},
        "register": {"http": 9006},
        "video": {"http": 9002, "media": 9020},
        "delivery": {"http": 9007},
        "sandbox": {"http": 9010, "spar": 9050, "mm": 9051, "kivra": 9052, "sms": 9053, "takecare": 9054},
    }
    assert [name for name, part in parts.items() if part.runs_once] == ["migrate", "topics"]


def test_what_a_part_needs_is_in_the_table_and_nothing_needs_itself(tmp_path: Path) -> None:
    for parts in (_table(tmp_path), _table(tmp_path, HUB_KAFKA="k:1", HUB_POSTGRES="postgresql://u@h/d")):
        seen: set[str] = set()
        for name, part in parts.items():
            assert set(part.needs) <= seen, f"{name} stands before what it needs"
            seen.add(name)


def test_existing_servers_replace_the_embedded_ones_and_nothing_is_started_for_them(tmp_path: Path) -> None:
    assert not set(SERVERS) & _table(tmp_path, HUB_KAFKA="k:1", HUB_POSTGRES="postgresql://u@h/d").keys()
    assert "postgres" in _table(tmp_path, HUB_KAFKA="k:1")
    assert not (tmp_path / "kafka").exists()


def test_with_real_peers_there_is_no_sandbox(tmp_path: Path) -> None:
    assert "sandbox" not in _table(tmp_path, HUB__SANDBOX__ENABLED="false")


def test_the_count_of_workers_is_a_setting(tmp_path: Path) -> None:
    parts = _table(tmp_path, HUB__WORKERS__COUNT="4")
    assert [p for p in parts if p.startswith("worker")] == ["worker-0", "worker-1", "worker-2", "worker-3"]
    assert len({p.ports["http"] for n, p in parts.items() if n.startswith("worker")}) == 4


def test_the_count_of_bridges_is_a_setting_and_each_has_ports_of_its_own_and_time_to_drain(tmp_path: Path) -> None:
    parts = _table(tmp_path, HUB__VIDEO__BRIDGES="3", HUB__VIDEO__DRAIN_SECONDS="600")
    bridges = {name: part for name, part in parts.items() if name.startswith("video")}
    assert {name: dict(part.ports) for name, part in bridges.items()} == {
        "video": {"http": 9002, "media": 9020}, "video-1": {"http": 9033, "media": 9021}, "video-2": {"http": 9034, "media": 9022},
    }  # fmt: skip
    assert [part.prepare().words for part in bridges.values()] == [("video",), ("video", "--slot", "1"), ("video", "--slot", "2")]
    assert all(part.grace_s > 600 for part in bridges.values())


def test_a_part_gets_its_settings_by_environment_and_no_secret_by_argument(tmp_path: Path) -> None:
    launch = _table(tmp_path)["worker-1"].prepare()
    assert launch.env is not None
    assert (launch.env["HUB_DIR"], launch.env["HUB_PORT_BASE"]) == (str(tmp_path), "9000")
    assert launch.words == ("pipelines", "worker", "--slot", "1")


@pytest.mark.parametrize(("answer", "ready"), [(b"HTTP/1.1 200 OK\r\n\r\n", True), (b"HTTP/1.1 503 No\r\n\r\n", False), (b"", False)])
async def test_ready_is_what_readyz_says(answer: bytes, ready: bool) -> None:
    (port,) = free_ports(1)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", port):
        assert await answers_ready(port)() is ready
    assert not await answers_ready(port)()
