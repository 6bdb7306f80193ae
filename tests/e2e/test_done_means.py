"""What "done" means for the spine, step by step, through the command line and the ports alone."""

from __future__ import annotations

import time
from threading import Thread

import pytest

from tests.e2e.hub import Hub, letters

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

EXAMPLE = "docs/examples/letter-without-code.jsonl"
PATIENT = "197204119817"


@pytest.fixture(scope="module")
def published(hub: Hub) -> Hub:
    """The example of the README."""
    hub.run("publish", EXAMPLE)
    hub.wait(lambda: hub.look().get("idle"), 60)
    return hub


def test_the_sample_day_is_decided_and_the_topics_say_what_the_ledger_says(hub: Hub) -> None:
    subjects = {data["subject_id"] for _, data in hub.records("decisions.v1") if data["subject"] == "document"}
    assert len(subjects) == 80
    hub.run("verify")


def test_a_letter_without_its_code_stands_on_the_print_topic_with_its_reason(published: Hub) -> None:
    entries = {data["document_id"]: data for _, data in published.records("print.entries.v1") if "reason" in data}
    assert entries["example-letter-1"]["reason"] == "control_code_missing"
    assert "example-letter-2" not in entries


def test_trace_says_why_in_words(published: Hub) -> None:
    assert "control code" in published.run("trace", "example-letter-1").lower()
    assert "styrkod" in published.run("trace", "example-letter-1", "--lang", "sv").lower()


def test_two_days_on_the_unread_letter_goes_to_print(published: Hub) -> None:
    published.run("clock", "advance", "48h")
    published.run("clock", "advance", "1m")
    published.wait(lambda: published.look().get("idle"), 60)
    entries = {data["document_id"]: data for _, data in published.records("print.entries.v1") if "reason" in data}
    assert entries["example-letter-2"]["reason"] == "unread_48h"


def test_every_process_is_killed_while_letters_come_and_nothing_is_lost(published: Hub) -> None:
    """Each pid of `hub status --json`, Kafka and PostgreSQL among them, one after the other."""
    token, taken, stopping = published.token("ehr-takecare"), [], []

    def publish() -> None:
        batch = 0
        while not stopping:
            events = letters("killed", range(batch * 10, batch * 10 + 10), PATIENT)
            if published.post(token, events) == 202:
                taken.extend(event["data"]["document_id"] for event in events)
                batch += 1
            time.sleep(0.05)

    publishing = Thread(target=publish)
    publishing.start()
    killed = []
    try:
        published.wait(lambda: published.status().get("ready"), 90)
        listed = {part["name"]: part["pid"] for part in published.look()["parts"]}
        for name in sorted(name for name, pid in listed.items() if pid):
            pid = published.kill(name)
            killed.append(name)
            before = len(taken)
            published.wait(lambda name=name, pid=pid: published.pids().get(name) not in (None, pid), 60)
            published.wait(lambda before=before: len(taken) > before, 90)
    finally:
        stopping.append(True)
        publishing.join()
    assert {"gateway", "kafka", "postgres", "timers", "worker-0", "worker-1", "register", "sandbox"} <= set(killed)
    published.wait(lambda: published.look().get("idle"), 120)
    decided = {data["subject_id"] for _, data in published.records("decisions.v1")}
    assert set(taken) - decided == set()
    published.run("verify")


def test_the_supervisor_is_killed_and_a_second_up_goes_on_with_what_was_there(published: Hub) -> None:
    assert published.process is not None
    published.process.kill()
    published.process.wait()
    published.start()
    token = published.token("ehr-takecare")
    assert published.post(token, letters("after", range(5), PATIENT)) == 202
    published.wait(lambda: published.look().get("idle"), 60)
    decided = {data["subject_id"] for _, data in published.records("decisions.v1")}
    assert {f"after-{number}" for number in range(5)} <= decided
    assert "control code" in published.run("trace", "example-letter-1").lower()


def test_status_is_idle_only_when_all_that_was_taken_in_is_on_the_topics(published: Hub) -> None:
    token = published.token("ehr-takecare")
    for number in range(5):
        events = letters(f"idle-{number}", range(100), PATIENT)
        assert published.post(token, events) == 202
        published.wait(lambda: published.look().get("idle"), 60)
        decided = {data["subject_id"] for _, data in published.records("decisions.v1")}
        assert {event["data"]["document_id"] for event in events} <= decided


def test_a_number_of_a_person_stands_in_no_log(published: Hub) -> None:
    logs = [path for path in (published.dir / "log").iterdir() if path.is_file()]
    assert len(logs) > 5
    assert [path.name for path in logs if PATIENT.encode() in path.read_bytes()] == []
