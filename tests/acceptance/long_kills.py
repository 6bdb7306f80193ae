"""Every part is killed while events come in, the hub is killed whole and started again: nothing lost, nothing twice, all consistent.

Long: run by `python -m pytest tests/acceptance/long_kills.py`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.acceptance import care_events as care
from tests.acceptance.care_desk import Desk
from tests.acceptance.hub_process import HubProcess, free_base, until
from tests.acceptance.topic_reader import Topics

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def own(hub_dir: Path) -> Iterator[HubProcess]:
    hub = HubProcess(free_base(), hub_dir / "kills")
    try:
        yield hub.start()
    finally:
        hub.stop()


@contextlib.contextmanager
def desk_of(hub: HubProcess) -> Iterator[Desk]:
    topics = Topics(hub)
    try:
        yield Desk(hub, topics)
    finally:
        topics.close()


def accounted(desk: Desk, documents: list[str]) -> None:
    """Each is decided once and delivered once by id, and the hub's own check agrees."""
    desk.topics.settle(180)
    for topic, key in (("decisions.v1", "subject_id"), ("app.documents.v1", "document_id")):
        ids: dict[str, set[str]] = {}
        for message in desk.topics.of(topic):
            if message.type in ("decision.made.v1", "document.delivered.v1"):
                ids.setdefault(message.data[key], set()).add(message.headers["ce_id"])
        assert [d for d in documents if d not in ids] == []
        assert [d for d in documents if len(ids[d]) != 1] == []
    told = desk.hub.ask("verify")
    assert told["differences"] == []


def stream(desk: Desk, patient: str, stop: threading.Event, documents: list[str]) -> None:
    while not stop.is_set():
        batch = [care.document(patient) for _ in range(10)]
        try:
            desk.topics.send_many("ehr.letters.v1", [("document.submitted.v1", d) for d in batch])
        except Exception:
            time.sleep(0.2)
            continue
        documents += [d["document_id"] for d in batch]
        time.sleep(0.05)


@pytest.mark.parametrize("part", ["gateway", "worker-0", "worker-1", "timers", "register", "sandbox", "postgres", "kafka"])
def test_a_part_killed_while_publishing_loses_nothing(own: HubProcess, part: str) -> None:
    with desk_of(own) as desk:
        patient = desk.user()
        documents: list[str] = []
        stop = threading.Event()
        thread = threading.Thread(target=stream, args=(desk, patient, stop, documents))
        thread.start()
        try:
            for _ in range(2):
                time.sleep(1)
                pid = own.pid(part)
                assert pid is not None
                os.kill(pid, signal.SIGKILL)
                until(partial(came_back, own, part, pid), 90, f"{part} back")
        finally:
            stop.set()
            thread.join(60)
        assert own.status["parts"] and next(p["restarts"] for p in own.status["parts"] if p["name"] == part) >= 2
        accounted(desk, documents)


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_the_whole_hub_stops_and_starts_again_with_all_it_had(own: HubProcess, sign: signal.Signals) -> None:
    with desk_of(own) as desk:
        patient = desk.user()
        pids = [p["pid"] for p in own.status["parts"] if p["pid"]]
        letters = [care.document(patient) for _ in range(1000)]
        documents = [d["document_id"] for d in letters]
        desk.topics.send_many("ehr.letters.v1", [("document.submitted.v1", d) for d in letters])
    own.stop(sign)
    until(lambda: not [pid for pid in pids if alive(pid)], 60, "parts gone")
    own.start()
    with desk_of(own) as desk:
        accounted(desk, documents)
        desk.read(documents[0], patient)
        desk.topics.settle()
        assert desk.of_type("app.documents.v1", "document.settled.v1", document_id=documents[0])


def test_a_deadline_that_fell_while_the_hub_was_down_is_kept(own: HubProcess) -> None:
    """R11: the clock goes on in what it was moved to, also over a restart."""
    with desk_of(own) as desk:
        patient = desk.user()
        letter = desk.submit(patient)
        desk.delivered(letter)
        own.advance("47h")
        before = care.parse(desk.now())
    own.stop(signal.SIGKILL)
    own.start()
    with desk_of(own) as desk:
        assert care.parse(desk.now()) >= before
        own.advance("61m")
        assert desk.printed(letter)["reason"] == "unread_48h"
        desk.topics.settle()
        assert own.ask("verify")["differences"] == []


def came_back(hub: HubProcess, part: str, old: int) -> bool:
    return hub.pid(part) not in (None, old) and bool(hub.status["ready"])


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"
    except OSError:
        return False
