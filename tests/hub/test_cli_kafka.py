"""Commands that read or write topics. Real Kafka and PostgreSQL; the workers' part is a desk."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from config.settings import load
from hub.cli.lag import verdict
from hub.embedded.running import KafkaServer
from hub.topics import provision
from pipelines import ids
from pipelines.ledger import held
from schemas.cloudevents import Envelope, structured
from schemas.keys import PersonKeys
from schemas.topics import TOPICS
from tests.hub.cli_support import Cli, lines, make_dir, set_clock
from tests.pipelines.desk import ANNA, START, Desk, Event, account, desk, letter, mailbox, person, read

GOLDEN = Path("tests/golden/takecare")
KEYS = PersonKeys({1: b"k" * 32}, 1)


@pytest.fixture(scope="module")
def topics(own_kafka_server: KafkaServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The hub's topics, with nothing on them that others published."""
    kafka = own_kafka_server.bootstrap
    asyncio.run(provision(load({"HUB_KAFKA": kafka, "HUB_DIR": str(tmp_path_factory.mktemp("topics"))})))
    return kafka


@pytest.fixture
def cli(topics: str, postgres: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Cli:
    return Cli(make_dir(tmp_path / "var", HUB_KAFKA=topics, HUB_POSTGRES=postgres), capfd)


@pytest.fixture
def since(topics: str) -> Iterator[Any]:
    """What came to a topic after the test began: `since(topic)` gives its records."""
    ends = asyncio.run(_ends(topics))
    yield lambda topic: asyncio.run(_records(topics, topic, ends))


async def _ends(bootstrap: str) -> dict[TopicPartition, int]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    try:
        partitions = [TopicPartition(t.name, n) for t in TOPICS.values() for n in range(t.partitions)]
        found: dict[TopicPartition, int] = await consumer.end_offsets(partitions)
        return found
    finally:
        await consumer.stop()


async def _records(bootstrap: str, topic: str, ends: dict[TopicPartition, int]) -> list[Any]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        mine = [p for p in ends if p.topic == topic]
        now = await consumer.end_offsets(mine)
        consumer.assign(mine)
        for partition in mine:
            consumer.seek(partition, ends[partition])
        found: list[Any] = []
        while len(found) < sum(now[p] - ends[p] for p in mine):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                found += records
        return found
    finally:
        await consumer.stop()


def event(number: str = "p1", **more: Any) -> dict[str, Any]:
    """A letter as a line of a file, with no more than it needs."""
    return {"type": "document.submitted.v1", "data": {**letter(ANNA, number).data, "created": "2026-03-02T09:00:00", **more}}


# --- publish ----------------------------------------------------------------------------------------------------------------


def test_a_line_becomes_a_record_of_its_topic_keyed_by_the_person(cli: Cli, since: Any, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(lines(event(patient=f"{ANNA[:8]}-{ANNA[8:]}"), event("p2", kind="remissbekraftelse")) + "\n")
    found = cli.json("publish", str(file))
    assert (found["published"], found["faults"]) == (2, [])
    (letters,), (referrals,) = since("ehr.letters.v1"), since("ehr.referrals.v1")
    headers = {name: value.decode() for name, value in letters.headers}
    assert letters.key.decode() == headers["ce_partitionkey"] == KEYS.key(ANNA)
    assert (headers["ce_id"], headers["ce_source"], headers["ce_type"]) == (found["ids"][0], "urn:care-hub:cli", "document.submitted.v1")
    assert json.loads(letters.value)["patient"] == ANNA
    assert json.loads(referrals.value)["document_id"] == "p2"


def test_the_same_file_is_the_same_events(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(lines(event(), event("p2"), {**event("p3"), "id": "mine", "source": "urn:own"}))
    first, second = cli.json("publish", str(file))["ids"], cli.json("publish", str(file))["ids"]
    assert first == second and len(set(first)) == 3 and first[2] == "mine"


def test_a_faulty_line_is_named_and_nothing_of_its_file_is_published(cli: Cli, since: Any, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.jsonl", tmp_path / "bad.jsonl"
    good.write_text(lines(event("good")))
    wrong = lines({"type": "nonsense.v1", "data": {}}, event("p4", patient="199001019803"))
    bad.write_text(lines(event("p1")) + "\n{no json\n" + wrong)
    found = cli.json("publish", str(bad), str(good), code=1)
    assert found["published"] == 1
    assert [(f["line"], f["pointer"]) for f in found["faults"]] == [(3, ""), (4, "/type"), (5, "/data/patient")]
    assert all(f["file"] == str(bad) for f in found["faults"])
    assert [json.loads(r.value)["document_id"] for r in since("ehr.letters.v1")] == ["good"]
    cli.text("publish", str(bad), code=1)
    assert f"{bad}:5: /data/patient: has a wrong check digit" in cli.err and "199001019803" not in cli.err


def test_takecare_xml_is_taken_and_its_faults_name_elements(cli: Cli, since: Any, tmp_path: Path) -> None:
    found = cli.json("publish", str(GOLDEN / "letters.xml"))
    assert found["published"] == len(since("ehr.letters.v1")) > 0
    bad = tmp_path / "bad.xml"
    bad.write_text((GOLDEN / "letters.xml").read_text().replace("<CreatedTime>20260302101430<", "<CreatedTime>soon<"))
    faults = cli.json("publish", str(bad), code=1)["faults"]
    assert [fault["pointer"].rpartition("/Letters")[2] for fault in faults] == ["/Letter[1]/CreatedTime"]


def test_standard_input_is_a_file_too(cli: Cli, since: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(lines(event("p1")).encode())))
    assert "1 event published" in cli.text("publish", "-")
    assert len(since("ehr.letters.v1")) == 1


def test_too_large_an_attachment_is_a_fault_of_its_line(cli: Cli, tmp_path: Path) -> None:
    data = base64.b64encode(b"%PDF-" + bytes(5 * 1024 * 1024 + 1)).decode()
    item = {"name": "a.pdf", "content_type": "application/pdf", "data": data, "shared": True, "e_brev": True}
    file = tmp_path / "large.jsonl"
    file.write_text(lines(event(attachments=[item])))
    (fault,) = cli.json("publish", str(file), code=1)["faults"]
    assert fault["line"] == 1 and fault["pointer"] == "/data/attachments/0/data"


def test_a_file_that_is_not_there_or_has_nothing(cli: Cli, tmp_path: Path) -> None:
    cli.text("publish", str(tmp_path / "none"), code=2)
    (tmp_path / "empty").write_text("\n\n")
    cli.text("publish", str(tmp_path / "empty"), code=1)
    assert "has no event" in cli.err


# --- lag --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("records", "age_s", "moved", "member", "expected"),
    [
        (0, None, False, True, "ok"),
        (0, None, False, False, "no member"),
        (5, 0.5, False, True, "ok"),
        (5, 8.0, False, True, "behind"),
        (5, 60.0, True, True, "behind"),
        (5, 60.0, False, True, "stalled"),
        (5, 60.0, True, False, "no member"),
    ],
)
def test_the_verdict_on_a_partition(records: int, age_s: float | None, moved: bool, member: bool, expected: str) -> None:
    assert verdict(records, age_s, moved=moved, member=member) == expected


def test_lag_tells_that_nobody_reads(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(lines(event("lagging")))
    cli.json("publish", str(file))
    found = cli.json("lag", code=1)
    assert found["verdict"] == "no member"
    behind = [row for row in found["partitions"] if row["records"]]
    assert behind and all(row["topic"].startswith("ehr.") and row["age_s"] is not None for row in behind)


# --- dead letters -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def letters(cli: Cli, postgres: str) -> Cli:
    """A hub with two dead letters: a document of a unit that the source may not send for, and a receipt that came too early."""

    async def run() -> None:
        async with desk(postgres) as hub:
            await hub.take(person(ANNA), account(ANNA))
            await hub.take(letter(ANNA, unit="SE9999999999-X1"), read(ANNA, "d2"))

    asyncio.run(run())
    return cli


def _ids(cli: Cli) -> dict[str, str]:
    return {one["class"]: one["id"] for one in cli.json("dead-letters", "list")["items"]}


def test_a_list_has_causes_and_no_content(letters: Cli) -> None:
    assert set(_ids(letters)) == {"not_allowed", "unknown_document"}
    for words in (("list",), ("list", "--json")):
        text = letters.text("dead-letters", *words)
        assert "/unit" in text and ANNA not in text and "Provsvar" not in text
    assert [one["class"] for one in letters.json("dead-letters", "list", "--class", "not_allowed")["items"]] == ["not_allowed"]


def test_what_is_shown_is_logged_first(letters: Cli, since: Any) -> None:
    found = letters.json("dead-letters", "show", _ids(letters)["not_allowed"][:8], "--by", "SE2321000016-OLLE")
    assert "logged on audit.v1" in letters.err
    assert "Provsvar" in json.dumps(found["value"])
    (logged,) = since("audit.v1")
    access = json.loads(logged.value)
    assert (access["action"], access["user"], access["unit"]) == ("dead_letter.shown", "SE2321000016-OLLE", "SE9999999999-X1")
    assert (access["patient"], access["about"]) == (ANNA, found["id"])
    assert dict(logged.headers)["ce_subject"] == found["id"].encode()


def test_what_cannot_be_logged_is_not_shown(letters: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_arguments: Any, **_more: Any) -> None:
        raise ConnectionError

    monkeypatch.setattr(AIOKafkaProducer, "send_and_wait", fails)
    assert letters.text("dead-letters", "show", _ids(letters)["not_allowed"], code=3) == ""


def test_a_dry_run_says_what_would_come_of_it_and_changes_nothing(letters: Cli, since: Any) -> None:
    found = letters.json("dead-letters", "replay", "--dry-run")
    would = {one["class"]: one["would"] for one in found["items"]}
    assert would == {
        "not_allowed": "refused again: not_allowed: /unit: is not a unit of takecare",
        "unknown_document": "judged anew by what the ledger knows now: it was unknown_document",
    }
    assert len(_ids(letters)) == 2 and since("receipts.v1") == since("ehr.letters.v1") == []


def test_a_replayed_receipt_is_the_same_event_and_counts_now(letters: Cli, postgres: str, since: Any) -> None:
    letters.text("dead-letters", "replay", "--topic", "receipts.v1")
    (record,) = since("receipts.v1")
    assert list(_ids(letters)) == ["not_allowed"]

    async def replayed() -> int:
        import asyncpg

        session = await asyncpg.connect(postgres)
        try:
            left: int = await session.fetchval("SELECT count(*) FROM inbox WHERE event = $1", _event_of(record))
            return left
        finally:
            await session.close()

    assert record.key == b"key" and json.loads(record.value)["type"] == "document.read.v1"
    assert asyncio.run(replayed()) == 0, "the dedupe would leave it out"


def _event_of(record: Any) -> Any:
    from pipelines import ids
    from schemas.cloudevents import decode_record

    return ids.fast(decode_record(record.headers, record.value)[0].key)


def test_discarded_letters_are_kept_but_not_open(letters: Cli) -> None:
    assert "2 discarded" in letters.text("dead-letters", "discard", *_ids(letters).values())
    assert "No dead letters." in letters.text("dead-letters", "list")
    assert [one["state"] for one in letters.json("dead-letters", "list", "--all")["items"]] == ["discarded", "discarded"]


@pytest.mark.parametrize(
    ("words", "code"),
    [("replay", 2), ("discard", 2), ("show xyz", 2), ("show abc", 2), ("show 00000000", 1), ("discard 00000000", 1)],
)
def test_a_wrong_choice_of_letters_touches_none(letters: Cli, words: str, code: int) -> None:
    letters.text("dead-letters", *words.split(), code=code)
    assert len(_ids(letters)) == 2


# --- verify -----------------------------------------------------------------------------------------------------------------


def test_verify_finds_what_never_came_to_the_topics(cli: Cli, postgres: str, topics: str) -> None:
    """The desk's outputs are published here, all but one; then that one too."""
    said: list[Any] = []

    async def live() -> None:
        async with desk(postgres) as hub:
            await hub.take(person(ANNA), account(ANNA))
            await _keeping(hub, said)

    asyncio.run(live())
    set_clock(cli.dir, START.timestamp())
    delivered = next(one for one in said if dict(one.headers).get("ce_type") == b"document.delivered.v1")
    asyncio.run(_publish(topics, [one for one in said if one is not delivered]))
    found = cli.json("verify", code=1)
    assert [(one["check"], one["id"]) for one in found["differences"]] == [("app.documents state", "d1")]
    asyncio.run(_publish(topics, [delivered]))
    after = cli.json("verify")
    assert (after["ok"], after["differences"]) == (True, [])
    assert "Topics and ledger agree." in cli.text("verify")


async def _keeping(hub: Desk, said: list[Any]) -> None:
    """Take a letter and its reading, and keep the outputs as they would be published."""
    for each in (letter(ANNA), read(ANNA), letter(ANNA, "d2", footer="")):
        commands = hub.decoder.decode(each.topic, [hub._record(each)])
        said += (await hub.work.commands(commands)).outputs


async def _publish(bootstrap: str, outputs: list[Any], *, every: bool = False) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    try:
        for one in outputs:
            if every or one.topic in held.TOPICS:
                await producer.send_and_wait(one.topic, one.value, one.key, headers=one.headers)
    finally:
        await producer.stop()


# --- reconcile --------------------------------------------------------------------------------------------------------------


class Peers(ThreadingHTTPServer):
    """What the stand-ins of outside systems say that they have, by inbox."""

    def __init__(self) -> None:
        self.items: dict[str, list[dict[str, Any]]] = {}
        super().__init__(("127.0.0.1", 0), _Inboxes)

    def got(self, inbox: str, about: str, times: int) -> None:
        at = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
        name = "document_id" if inbox == "app" else "delivery_id"
        self.items[inbox] = [{name: about, "sha256": "0" * 64, "times": times, "first_at": at, "last_at": at}]


class _Inboxes(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Peers)
        body = {"since": "2026-01-01T00:00:00Z", "items": self.server.items.get(self.path.rpartition("/")[2], [])}
        content = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def peers() -> Iterator[Peers]:
    with Peers() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_reconcile_names_what_one_of_the_four_sources_does_not_have(
    topics: str, postgres: str, peers: Peers, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A letter goes to the app and to Kivra. Its parts are told one by one: each that is missing is named, and then nothing is."""
    monkeypatch.setattr("hub.cli.reconcile.YOUNG", timedelta(0))
    monkeypatch.setattr("hub.cli.reconcile.BETWEEN_PASSES_S", 0.0)
    base = str(peers.server_port - 10)
    cli = Cli(make_dir(tmp_path / "var", HUB_KAFKA=topics, HUB_POSTGRES=postgres, HUB_PORT_BASE=base), capfd)
    begin = datetime.now(UTC)
    span = ("--from", begin.isoformat(), "--to", (begin + timedelta(hours=1)).isoformat())
    submitted, said = asyncio.run(_letter_to_both(postgres, begin))

    def found() -> list[tuple[str, str]]:
        return sorted((one["check"], one["id"]) for one in cli.json("reconcile", *span, code=1)["differences"])

    assert found() == [("app", "r1"), ("requested", "r1"), ("submitted", "r1"), ("taken_up", "r1")]
    asyncio.run(_send(topics, submitted))
    delivered = next(one for one in said if dict(one.headers).get("ce_type") == b"document.delivered.v1")
    asyncio.run(_publish(topics, [one for one in said if one is not delivered], every=True))
    assert found() == [("app", "r1"), ("taken_up", "r1")]
    asyncio.run(_publish(topics, [delivered], every=True))
    sent = asyncio.run(_sent(postgres, "r1"))
    assert found() == [("answered", "r1"), ("arrived", "r1"), ("arrived", "r1")]
    peers.got("app", "r1", 1)
    answered = {"delivery_id": str(sent), "channel": "kivra", "outcome": "accepted", "at": begin.isoformat()}
    asyncio.run(_send(topics, Event("delivery.answered.v1", answered)))
    peers.got("kivra", str(sent), 2)
    assert found() == [("sent_twice", "r1")]
    peers.got("kivra", str(sent), 1)
    account = cli.json("reconcile", *span)
    counted = {line["channel"]: (line["in"], line["done"]) for line in account["lines"]}
    assert (account["ok"], account["differences"], account["unknown"]) == (True, [], [])
    assert counted == {"intake": (1, 1), "app": (1, 1), "kivra": (1, 1)}

    peers.items["kivra"] = [{**peers.items["kivra"][0], "delivery_id": "objekt-1"}]
    assert found() == [("arrived", "r1"), ("sent_by_us", "objekt-1")]


def test_reconcile_says_that_the_peers_cannot_be_asked(cli: Cli) -> None:
    cli.text("reconcile", "--from", "2026-03-02", "--to", "2026-03-03", code=3)
    assert "do not answer" in cli.err
    cli.text("reconcile", "--from", "2026-03-03", "--to", "2026-03-02", code=2)


async def _letter_to_both(postgres: str, at: datetime) -> tuple[Event, list[Any]]:
    """The event as it was published, and what the hub said because of it."""
    event = replace(letter(ANNA, "r1"), id="r1-came", time=at)
    async with desk(postgres) as hub:
        hub.time = datetime.now(UTC) + timedelta(milliseconds=5)
        await hub.take(person(ANNA), account(ANNA), mailbox(ANNA))
        commands = hub.decoder.decode(event.topic, [hub._record(event)])
        return event, (await hub.work.commands(commands)).outputs


async def _send(bootstrap: str, event: Event) -> None:
    value = structured(
        Envelope(event.id or "x", event.source, event.type, event.time or START), json.dumps(event.data, default=_iso).encode()
    )
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    try:
        await producer.send_and_wait(event.topic, value, b"key", headers=[("content-type", b"application/cloudevents+json")])
    finally:
        await producer.stop()


def _iso(value: datetime) -> str:
    return value.isoformat()


async def _sent(postgres: str, document_id: str) -> UUID:
    """What the delivery part and the answer's way back leave in the ledger."""
    session = await asyncpg.connect(postgres)
    try:
        doc = ids.document(document_id)
        delivery: UUID = await session.fetchval(
            "UPDATE deliveries SET state = 2, answered_at = now() WHERE doc = $1 RETURNING delivery", doc
        )
        await session.execute(
            "INSERT INTO sends (send, person, about, subject, channel, operator, kind, state, requested_at, changed_at, answers, told)"
            " SELECT $1, person, document_id, doc, 1, 1, 'brev', 5, sent, now(), 1, 1 FROM documents WHERE doc = $2", delivery, doc,
        )  # fmt: skip
        return delivery
    finally:
        await session.close()
