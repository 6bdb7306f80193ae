"""Hubs side by side, taken ports, servers of one's own, settings from the environment, the sample day.

Long: run by `python -m pytest tests/acceptance/long_surroundings.py`.
"""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from config.settings import load
from hub.embedded.leases import free_block
from hub.embedded.running import running_kafka, running_postgres
from tests.acceptance import care_events as care
from tests.acceptance.care_desk import Desk
from tests.acceptance.hub_process import HUB, HubProcess
from tests.acceptance.topic_reader import Topics

pytestmark = pytest.mark.timeout(300)


@contextmanager
def running(directory: Path, **env: str) -> Iterator[Desk]:
    hub = HubProcess(free_block(), directory, env=env)
    topics = None
    try:
        hub.start()
        topics = Topics(hub)
        yield Desk(hub, topics)
    finally:
        if topics is not None:
            topics.close()
        hub.stop()


def refused(hub: HubProcess) -> subprocess.CompletedProcess[bytes]:
    """A hub that is expected not to start, with what it said."""
    words = [str(HUB), "up", "--no-sample", "--port-base", str(hub.base), "--dir", str(hub.dir)]
    return subprocess.run(words, capture_output=True, timeout=60, env=hub.environment, check=False)


def test_two_hubs_side_by_side_do_not_meet(hub_dir: Path) -> None:
    with running(hub_dir / "one") as one, running(hub_dir / "two") as two:
        patient = one.user()
        letter = one.submit(patient)
        one.delivered(letter)
        two.topics.settle()
        assert two.decisions(letter) == []
        two.hub.advance("48h")
        one.topics.settle()
        assert one.entries(letter, "print.entered.v1") == []


@pytest.mark.parametrize("offset", [0, 10, 30, 40])
def test_a_taken_port_is_said_clearly(hub_dir: Path, offset: int) -> None:
    base = free_block()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", base + offset))
        taken.listen()
        hub = HubProcess(base, hub_dir / f"taken-{offset}")
        done = refused(hub)
    assert done.returncode in (1, 2, 3)
    assert str(base + offset) in (done.stdout + done.stderr).decode()


def test_a_second_hub_in_the_same_directory_is_refused(hub_dir: Path) -> None:
    with running(hub_dir / "same") as desk:
        other = HubProcess(desk.hub.base + 50, desk.hub.dir)
        assert refused(other).returncode != 0
        assert desk.hub.ready


def test_rules_are_settings(hub_dir: Path) -> None:
    """HUB__RULES__…: 72 hours, early print, another paper lead, other ages."""
    settings = {"HUB__RULES__UNREAD_HOURS": "72", "HUB__RULES__ROOM_DELAY_MINUTES": "5", "HUB__RULES__CHILD_AGE": "12"}
    with running(hub_dir / "settings", **settings) as desk:
        user = desk.user()
        letter = desk.submit(user)
        desk.delivered(letter)
        child = desk.user(care.aged(12))
        assert desk.decided(desk.submit(child))["rule"] == "R8"
        desk.hub.advance("49h")
        desk.topics.settle()
        assert desk.entries(letter, "print.entered.v1") == []
        desk.hub.advance("24h")
        assert desk.printed(letter)["reason"] == "unread_48h"


def test_early_print_ends_the_wait_where_paper_still_comes_in_time(hub_dir: Path) -> None:
    """R14: min(sent + 48 h, visit − paper lead)."""
    with running(hub_dir / "early", HUB__RULES__EARLY_PRINT="true", HUB__RULES__PAPER_LEAD_DAYS="1") as desk:
        user = desk.user()
        booking = desk.book(user, start=care.stamp(care.parse(desk.now()) + timedelta(days=10)))
        desk.hub.idle()
        summons = desk.submit(user, "kallelse", booking_id=booking["booking_id"])
        shown = desk.delivered(summons)
        far = care.parse(desk.decided(summons)["deadline"])
        assert far - care.parse(shown["sent"]) == timedelta(hours=48)


def test_an_unknown_setting_is_an_error(hub_dir: Path) -> None:
    hub = HubProcess(free_block(), hub_dir / "wrong", env={"HUB__RULES__UNREAD_HOUR": "72"})
    done = refused(hub)
    assert done.returncode in (1, 2)
    assert b"unread_hour" in (done.stdout + done.stderr).lower()


def test_existing_servers_are_used(hub_dir: Path) -> None:
    """HUB_KAFKA and HUB_POSTGRES: another hub's servers, nothing embedded."""
    with running_kafka(hub_dir / "k", load({}).cache_dir, durable=False) as kafka, running_postgres(hub_dir / "p") as postgres:
        hub = HubProcess(free_block(), hub_dir / "guest", env={"HUB_KAFKA": kafka.bootstrap, "HUB_POSTGRES": postgres.dsn})
        try:
            hub.start()
            assert {"kafka", "postgres"}.isdisjoint(p["name"] for p in hub.status["parts"] if p["pid"])
            topics = Topics(hub, bootstrap=kafka.bootstrap)
            try:
                desk = Desk(hub, topics)
                desk.delivered(desk.submit(desk.user()))
                desk.topics.settle()
                assert hub.ask("verify")["differences"] == []
            finally:
                topics.close()
        finally:
            hub.stop()


def test_the_sample_day_is_decided(hub_dir: Path) -> None:
    hub = HubProcess(free_block(), hub_dir / "sample", arguments=())
    try:
        hub.start()
        hub.idle(120)
        assert hub.ask("verify")["differences"] == []
        assert hub.ask("deadlines", "--within", "72h")["items"]
    finally:
        hub.stop()
