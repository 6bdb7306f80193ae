"""The command line as operators and scripts use it: `--json`, exit codes, what each command tells."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from tests.acceptance import care_events as care
from tests.acceptance.care_desk import Desk
from tests.acceptance.hub_process import HubProcess, until
from tests.acceptance.topic_reader import cloud_event


@pytest.fixture(scope="module")
def user(desk: Desk) -> str:
    return desk.user()


def test_status_tells_parts_readiness_and_idleness(desk: Desk) -> None:
    until(lambda: desk.hub.status["ready"], 60, "all parts to answer")
    status = desk.hub.status
    assert status["ready"] is True and isinstance(status["idle"], bool)
    assert status["parts"]
    for part in status["parts"]:
        assert {"name", "pid", "state", "restarts", "ports"} <= part.keys()
    assert desk.hub.cli("status").stdout


def test_what_was_published_is_not_idle_before_its_outputs_are_readable(desk: Desk, user: str) -> None:
    """`idle`: all that was taken in is decided and its outputs published. Asked at once after the acknowledgement, many times."""
    for _ in range(5):
        documents = [care.document(user) for _ in range(20)]
        desk.topics.send_many("ehr.letters.v1", [("document.submitted.v1", d) for d in documents])
        desk.topics.settle()
        assert {d["document_id"] for d in documents} <= {d["document_id"] for d in desk.topics.about("app.documents.v1", patient=user)}


def test_idle_after_http_and_clock(desk: Desk) -> None:
    """The same for a 202, and for what a moved clock makes due."""
    user = desk.user()
    letter = care.document(user)
    assert desk.hub.post_events("ehr-takecare", cloud_event("document.submitted.v1", letter)).status == 202
    desk.topics.settle()
    assert desk.topics.about("app.documents.v1", document_id=letter["document_id"])
    desk.hub.advance("48h")
    desk.topics.settle()
    assert [e["reason"] for e in desk.entries(letter["document_id"], "print.entered.v1")] == ["unread_48h"]


def test_trace_tells_why(desk: Desk, user: str) -> None:
    letter = desk.submit(user, footer="utan")
    desk.printed(letter)
    told = desk.hub.ask("trace", letter)
    text = json.dumps(told)
    assert '"R5"' in text and "control_code_missing" in text and '"because"' in text
    words = desk.hub.cli("trace", letter).stdout.decode()
    assert "R5" in words and "control_code_missing" in words
    assert desk.hub.cli("trace", letter, "--lang", "sv").stdout.decode() != words
    assert user not in text


def test_trace_of_nothing_fails(desk: Desk) -> None:
    assert desk.hub.cli("trace", "no-such-document", check=False).returncode == 1


def test_deadlines_are_listed_by_unit_and_span(desk: Desk, user: str) -> None:
    mine, theirs = desk.submit(user, unit=care.A1), desk.submit(user, unit=care.B2)
    desk.delivered(theirs)
    desk.delivered(mine)

    def listed(*words: str) -> set[str]:
        return {row["subject_id"] for row in desk.hub.ask("deadlines", *words)["items"]}

    assert mine in listed("--unit", care.A1, "--within", "49h")
    assert theirs not in listed("--unit", care.A1, "--within", "49h")
    assert {mine, theirs} <= listed("--within", "3d")
    assert not {mine, theirs} & listed("--within", "24h")


def test_lag_is_told_by_partition(desk: Desk) -> None:
    told = desk.hub.ask("lag")
    assert {(p["topic"]) for p in told["partitions"]} >= {"ehr.letters.v1", "persons.v1", "receipts.v1"}
    assert {"records", "age_s", "verdict"} <= told["partitions"][0].keys()


def test_publish_takes_json_lines_and_xml(desk: Desk, user: str, tmp_path: Path) -> None:
    """CloudEvents, one a line."""
    letters = [care.document(user) for _ in range(3)]
    file = tmp_path / "events.jsonl"
    file.write_text("".join(json.dumps(cloud_event("document.submitted.v1", d)) + "\n" for d in letters))
    done = desk.hub.cli("publish", str(file))
    assert b"\x1b" not in done.stdout
    for letter in letters:
        desk.delivered(letter["document_id"])
    again = desk.hub.ask("publish", str(file))
    assert isinstance(again, dict | list)
    desk.topics.settle()
    assert all(len(desk.decisions(d["document_id"])) == 1 for d in letters)


def test_publish_takes_takecare_xml(desk: Desk, user: str, tmp_path: Path) -> None:
    """The message without its SOAP envelope."""
    id_ = care.name("xml")
    file = tmp_path / "letters.xml"
    file.write_text(
        '<?xml version="1.0" encoding="UTF-8"?><ProfdocHISMessage xmlns="urn:care-hub:takecare-events:1" MsgType="Event">'
        f'<Letters CareUnitIdType="hsaid" CareUnitId="{care.A1}" CareUnitName="Orto"><Letter><LetterId>{id_}</LetterId>'
        "<LetterType>BREV</LetterType><DocumentTitle>Provsvar</DocumentTitle>"
        "<CreatedTime>202611240900</CreatedTime><Dispatch>E-BREV</Dispatch><TemplateId>T</TemplateId><TemplateName>Brev</TemplateName>"
        f"<PatientId>{user}</PatientId><BodyFormat>TEXT</BodyFormat><Body>Hej</Body><Footer>[4US:LPAT]</Footer></Letter></Letters></ProfdocHISMessage>"
    )
    desk.hub.cli("publish", str(file))
    assert desk.delivered(id_)["title"] == "Provsvar"


def test_publish_refuses_a_bad_file_whole(desk: Desk, user: str, tmp_path: Path) -> None:
    good = care.document(user)
    file = tmp_path / "bad.jsonl"
    file.write_text(
        json.dumps(cloud_event("document.submitted.v1", good))
        + "\n"
        + json.dumps(cloud_event("document.submitted.v1", good | {"kind": "x"}))
        + "\n"
    )
    assert desk.hub.cli("publish", str(file), check=False).returncode in (1, 2)
    assert desk.hub.cli("publish", str(tmp_path / "missing.jsonl"), check=False).returncode in (1, 2)
    desk.topics.settle()
    assert desk.decisions(good["document_id"]) == []


def test_dead_letters_are_listed_shown_tried_replayed_and_discarded(desk: Desk, user: str) -> None:
    """A dry run changes nothing; what was mended goes through when replayed."""
    bad = desk.topics.send("ehr.letters.v1", "document.submitted.v1", care.document(user) | {"kind": "reklam"})
    desk.dead(bad)
    listed = desk.listed_dead(bad)
    assert listed is not None
    assert listed["class"] == "malformed" and "kind" in listed["cause"]
    shown = desk.hub.ask("dead-letters", "show", listed["id"])
    assert "reklam" in json.dumps(shown)
    tried = desk.hub.cli("dead-letters", "replay", "--dry-run", listed["id"], check=False, json_out=True)
    assert tried.returncode == 0 and listed["id"] in tried.stdout.decode()
    assert (desk.listed_dead(bad) or {})["state"] == "open"
    assert desk.hub.cli("dead-letters", "replay", "--dry-run", check=False).returncode == 0
    desk.hub.cli("dead-letters", "discard", listed["id"])
    assert desk.listed_dead(bad) is None


def test_whatif_shows_what_other_settings_would_have_decided(desk: Desk, user: str, tmp_path: Path) -> None:
    letter = desk.submit(user)
    desk.delivered(letter)
    config = tmp_path / "hub.toml"
    config.write_text("[rules]\nunread_hours = 72\n")
    now = care.parse(desk.now())
    told = desk.hub.ask(
        "whatif", "--config", str(config), "--from", care.stamp(now - timedelta(days=60)), "--to", care.stamp(now + timedelta(hours=1))
    )
    assert letter in json.dumps(told)
    days = desk.hub.ask(
        "whatif", "--config", str(config), "--from", f"{now - timedelta(days=1):%Y-%m-%d}", "--to", f"{now + timedelta(days=2):%Y-%m-%d}"
    )
    assert letter in json.dumps(days)


def test_the_clock_is_shown_advanced_and_sped_up(desk: Desk) -> None:
    before = care.parse(desk.hub.ask("clock")["now"])
    for span in ("15m", "1h", "90s", "1d"):
        desk.hub.advance(span)
    assert care.parse(desk.hub.ask("clock", "show")["now"]) - before >= timedelta(days=1, hours=1, minutes=16, seconds=30)
    assert desk.hub.ask("clock", "speed", "2")["speed"] == 2
    assert desk.hub.ask("clock", "speed", "1")["speed"] == 1


@pytest.mark.parametrize(
    "words",
    [
        ("clock", "advance", "soon"),
        ("clock", "backwards"),
        ("no-such-command",),
        ("trace",),
        ("deadlines", "--within", "long"),
        ("clock", "advance", "-1h"),
        ("publish",),
        ("whatif",),
    ],
)
def test_wrong_use_is_exit_code_2(desk: Desk, words: tuple[str, ...]) -> None:
    assert desk.hub.cli(*words, check=False).returncode == 2


@pytest.mark.parametrize(
    "words", [("status",), ("lag",), ("deadlines",), ("trace", "x"), ("clock",), ("verify",), ("dead-letters", "list")]
)
def test_no_hub_there_is_exit_code_3(desk: Desk, tmp_path: Path, words: tuple[str, ...]) -> None:
    """Status alone may say 1: not ready."""
    code = HubProcess(1, tmp_path / "nothing").cli(*words, check=False).returncode
    assert code == 3 or (words == ("status",) and code == 1)


def test_a_healthy_hub_verifies(desk: Desk) -> None:
    desk.topics.settle()
    told = desk.hub.ask("verify")
    assert told["differences"] == []
