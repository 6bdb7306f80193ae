"""A running hub is given people, letters, bookings and every kind of bad input; then everything it writes is searched.

Personal data stands where the contract has it and nowhere else: not in logs, metrics, keys, headers, traces, command lines,
environments or files; and of a protected person on no topic for others (P1, R3, B1, P10).
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from config.secrets import password
from hub.embedded.leases import free_block
from schemas.topics import INBOUND_TOPICS, OUTBOUND_TOPICS, PARTITIONS, TOPICS
from tests.e2e.hub import Hub
from tests.privacy.canaries import FIELDS, PEOPLE, found_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

BAD: Final = PEOPLE["bad"]
OTHERS: Final = b"some-key"
"""The key of the bad records that others write; what stands in those is theirs."""
PROTECTED: Final = ("sekretess", "skyddad", "old", "new")
"""Before their first letter. Nobody whom no register knows is shown either (P8)."""

ALLOWED: Final[dict[str, set[str]]] = {
    **{topic: set(FIELDS) for topic in INBOUND_TOPICS if topic.startswith("ehr.")},
    "persons.v1": {"name", "address", "pid"},
    "accounts.v1": {"pid", "phone"},
    "agents.v1": {"pid"},
    "mailboxes.v1": {"pid"},
    "receipts.v1": {"pid"},
    "app.documents.v1": {"title", "body", "name", "footer", "file", "pid"},
    "app.bookings.v1": {"description", "comment", "resource", "pid"},
    "portal.bookings.v1": {"description", "comment", "resource", "pid"},
    "mailbox.deliveries.v1": {"title", "pid"},
    "print.entries.v1": {"title"},
    "notifications.v1": {"pid"},
    "audit.v1": {"pid"},
    "video.rooms.v1": set(),
    "video.sessions.v1": set(),
    "decisions.v1": set(),
    "dead-letters.v1": set(),
}
"""What may stand in the values of a topic (CONTRACTS sections 2 and 3). A name stands in a body because its writer put it there."""


@dataclass
class Record:
    topic: str
    key: bytes
    headers: dict[str, bytes]
    value: bytes


@dataclass
class Run:
    """The hub after all that was done to it."""

    hub: Hub
    records: list[Record] = field(default_factory=list)
    answers: list[tuple[int, bytes]] = field(default_factory=list)
    seconds: float = 0.0
    """From the register's word that somebody is protected until the topics take back what was shown (P10)."""

    def request(self, url: str, data: bytes | None = None, **headers: str) -> bytes:
        """Whatever is answered, also with a status that is an error."""
        request = urllib.request.Request(url, data, {name.replace("_", "-"): text for name, text in headers.items()})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                status, body = int(answer.status), answer.read()
        except urllib.error.HTTPError as refused:
            status, body = refused.code, refused.read()
        self.answers.append((status, body))
        return bytes(body)

    def people(self, **given: Any) -> None:
        self.request(f"http://127.0.0.1:{self.hub.base + 10}/people", json.dumps(given).encode(), Content_Type="application/json")
        assert self.answers.pop()[0] == 201

    def idle(self) -> None:
        self.hub.wait(lambda: self.hub.look().get("idle"), 60)


SETTINGS = {
    "HUB__SAMPLE__DOCUMENTS": "0",
    "HUB__KAFKA__DURABLE": "false",
    "HUB__DELIVERY__SMS__QUIET_FROM": "00:00",  # equal ends: no quiet hours, whatever the time of the day
    "HUB__DELIVERY__SMS__QUIET_UNTIL": "00:00",
}


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    directory = Path(tempfile.mkdtemp(prefix="hub-canary-"))
    directory.chmod(0o755)
    hub = Hub(directory / "var", free_block(), SETTINGS)
    made = Run(hub)
    try:
        hub.start()
        _happen(made)
        made.records = asyncio.run(_all_records(hub.kafka))
        yield made
    finally:
        hub.stop()
        shutil.rmtree(directory, ignore_errors=True)


def _happen(run: Run) -> None:
    who, hub = PEOPLE, run.hub
    active = {"account": "active"}
    for name, protection in (
        ("plain", "none"),
        ("later", "none"),
        ("sekretess", "sekretessmarkering"),
        ("skyddad", "skyddad_folkbokforing"),
    ):
        run.people(**who[name].person(protection=protection, phone=who[name].word("phone"), mailbox={"operator": "kivra"}, **active))
    run.people(**who["new"].person(**active))
    run.people(**who["old"].person(protection="skyddad_folkbokforing", replaced_by=who["new"].pid))
    for name in ("fullmakt", "mother"):
        run.people(**who[name].person(**active))
    run.people(**who["father"].person(protection="sekretessmarkering", **active))
    run.people(**who["child"].person(guardians=[{"agent": who["mother"].pid}, {"agent": who["father"].pid}]))
    run.people(**who["ward"].person(guardians=[{"agent": who["father"].pid}]))
    run.people(**who["dead"].person(deceased="2026-01-01", **active))
    run.people(**who["bad"].person(**active))
    run.people(patient=who["plain"].pid, agents=[{"agent": who["fullmakt"].pid, "relation": "fullmakt"}])

    run.idle()  # what is told of one person holds for another from the next event on
    token = hub.token("ehr-takecare")
    events = [make() for person in who.values() if person.who != "Bad" for make in (person.booking, person.letter)]
    events += [p.letter("k", kind="kallelse", booking_id=f"booking-{p.number}-1") for p in who.values() if p.who != "Bad"]
    assert hub.post(token, events) == 202
    run.idle()
    _bad_input(run, token)
    asyncio.run(_bad_records(hub))
    asyncio.run(_bad_statements(hub))
    run.idle()

    began = time.monotonic()
    run.people(patient=who["later"].pid, protection="skyddad_folkbokforing")
    topics = ("app.documents.v1", "app.bookings.v1", "portal.bookings.v1")
    hub.wait(lambda: [_taken_back(hub, topic) for topic in topics] == [2, 1, 1], 60)
    run.seconds = time.monotonic() - began
    later = who["later"]
    moved = later.booking("1", version=2, comment=f"{later.word('comment')}Again")
    assert hub.post(token, [later.letter("2", title=f"{later.word('title')}Again"), later.booking("2"), moved]) == 202
    run.idle()
    hub.run("clock", "advance", "49h")
    run.idle()


def _taken_back(hub: Hub, topic: str) -> int:
    number = PEOPLE["later"].number
    wanted = {f"doc-{number}-1", f"doc-{number}-k", f"booking-{number}-1"}
    told = {h["ce_subject"] for h, _ in hub.records(topic) if h["ce_type"] in ("document.withdrawn.v1", "booking.hidden.v1")}
    return len(wanted & told)


def _bad_input(run: Run, token: str) -> None:
    """Every way in, with everything that may be wrong."""
    url = f"http://127.0.0.1:{run.hub.base}"
    right: dict[str, str] = {"Authorization": f"Bearer {token}", "Content_Type": "application/cloudevents+json"}
    letter, booking = BAD.letter(), BAD.booking()
    wrong: list[Any] = [
        {**letter, "data": {**letter["data"], name: value}}
        for name, value in (
            ("patient", f"{BAD.pid[:-1]}{(int(BAD.pid[-1]) + 1) % 10}"), ("patient", BAD.word("name")), ("kind", BAD.word("title")),
            ("title", BAD.word("title") * 200), ("title", f"{BAD.word('title')}\x00"), ("created", BAD.word("body")),
            ("attachments", [{"name": BAD.word("file"), "data": BAD.word("body")}]), ("attachments", BAD.word("file")),
            ("body_format", BAD.word("body")), ("unit", BAD.word("address")), ("source_system", BAD.word("name")),
            ("dispatch", BAD.pid), ("booking_id", {BAD.word("title"): BAD.pid}), ("body", "<div>" * 150_000 + BAD.word("body")),
        )
    ]  # fmt: skip
    wrong += [{**booking, "data": {**booking["data"], name: BAD.word("comment")}} for name in ("start", "minutes", "time_type", "phone")]
    wrong += [
        {**letter, "type": BAD.word("title")},
        {**letter, "time": BAD.pid},
        {**letter, "id": ""},
        {**letter, "data": BAD.word("body")},
    ]
    for event in wrong:
        run.request(f"{url}/v1/events", json.dumps(event).encode(), **right)
    whole = json.dumps(letter).encode()
    for body in (
        whole[:-30],
        whole.replace(b"Zq", b"\xff\xfeZq"),
        f"[{BAD.word('body')}".encode(),
        b"[" * 100_000 + BAD.word("body").encode(),
    ):
        run.request(f"{url}/v1/events", body, **right)
    run.request(f"{url}/v1/events", whole, Authorization=f"Bearer {BAD.word('name')}.{BAD.pid}.x", Content_Type="application/json")
    run.request(f"{url}/v1/events", whole, Authorization=f"Bearer {run.hub.token('app')}", Content_Type="application/cloudevents+json")
    run.request(f"{url}/v1/events", whole, **{**right, "Content_Type": f"text/{BAD.word('title')}"})
    run.request(f"{url}/v1/attachments/{BAD.pid}?patient={BAD.pid}", Authorization=f"Bearer {run.hub.token('app')}", X_Reader=BAD.pid)
    run.request(f"{url}/{BAD.pid}/{BAD.word('name')}?q={BAD.word('body')}")
    for body in (
        f'<!DOCTYPE x [<!ENTITY e "{BAD.word("body")}">]><x>&e;</x>',
        f"<{BAD.word('title')}>{BAD.pid}",
        f'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><PublishLetters xmlns="urn:care-hub:takecare-events:1">'
        f"<Letter><Patient>{BAD.pid}0</Patient><Title>{BAD.word('title')}</Title></Letter></PublishLetters></s:Body></s:Envelope>",
    ):
        for path in ("/takecare", "/riv/processnotification", "/riv/processrequestconfirmation"):
            run.request(url + path, body.encode(), Authorization=f"Bearer {token}", Content_Type="text/xml")
    for path in ("/spar", "/people", "/clock", "/oidc/token"):
        run.request(f"http://127.0.0.1:{run.hub.base + 10}{path}", json.dumps({"patient": BAD.word("name"), "born": BAD.pid}).encode())
    assert not [body for status, body in run.answers if status == 202 or b"problem:internal" in body]  # a SOAP fault is a 500


async def _bad_records(hub: Hub) -> None:
    """What whoever may write to the topics may get wrong: a dead letter of every class."""
    letter, plain = BAD.letter(), PEOPLE["plain"]
    receipt = {"document_id": f"doc-{plain.number}-1", "patient": plain.pid, "read_by": BAD.pid, "read_at": "2026-01-02T09:00:00Z"}
    account = {"patient": BAD.pid, "as_of": "2036-01-02T09:00:00Z"}
    conflict = plain.letter(title=BAD.word("title"), body=BAD.word("body"))
    foreign = {**letter, "data": {**letter["data"], "unit": "SE5560000001-G7", "document_id": "foreign"}}
    records: list[tuple[str, Any]] = [
        ("ehr.letters.v1", {**conflict, "id": "another"}),
        ("ehr.letters.v1", foreign),
        ("receipts.v1", _ce("document.read.v1", receipt)),
        ("receipts.v1", _ce("document.read.v1", {**receipt, "document_id": "no-such-document"})),
        (
            "receipts.v1",
            _ce("delivery.answered.v1", {"delivery_id": "x", "channel": "kivra", "outcome": "accepted", "at": "2026-01-02T09:00:00Z"}),
        ),
        ("accounts.v1", _ce("account.changed.v1", {**account, "account": "blocked"})),
        ("accounts.v1", _ce("account.changed.v1", {**account, "account": "active", "as_of": "2036-01-03T09:00:00Z"})),
        ("ehr.bookings.v1", {**PEOPLE["plain"].booking(comment=BAD.word("comment")), "id": "other-content"}),
    ]
    async with AIOKafkaProducer(bootstrap_servers=hub.kafka) as producer:
        for topic, event in records:
            headers = [("content-type", b"application/cloudevents+json")]
            await producer.send_and_wait(topic, json.dumps(event).encode(), OTHERS, headers=headers)
        for topic in INBOUND_TOPICS:
            for value in (f"{{{BAD.word('body')}", json.dumps({**letter, "type": "no.such.v1"}), f"\x00{BAD.pid}"):
                await producer.send_and_wait(topic, value.encode(), OTHERS)
                await producer.send_and_wait(topic, value.encode(), OTHERS, headers=[("content-type", b"application/cloudevents+json")])


def _ce(ce_type: str, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"{ce_type}-{len(data)}-{data.get('as_of', data.get('document_id', ''))}",
        "source": "urn:x",
        "type": ce_type,
        "data": data,
    }


async def _bad_statements(hub: Hub) -> None:
    """PostgreSQL logs statements that fail, with their parameters, unless it is told not to."""
    dsn = f"postgresql://hub:{password(hub.dir / 'secrets', 'postgres')}@127.0.0.1:{hub.base + 40}/hub"
    session = await asyncpg.connect(dsn)
    try:
        for statement, *given in (
            (f"SELECT '{BAD.word('name')}'::int",),
            ("SELECT ($1::text)::int", BAD.word("name")),
            ("SELECT $1::text::uuid, pg_sleep(0)", BAD.pid),
            (f"SELECT no_such_function('{BAD.word('body')}')",),
            ("INSERT INTO persons (person, pid, name) VALUES (NULL, $1, $2)", BAD.pid, BAD.word("name")),
        ):
            with pytest.raises(asyncpg.PostgresError):
                await session.execute(statement, *given)
    finally:
        await session.close()


async def _all_records(bootstrap: str) -> list[Record]:
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest") as consumer:
        partitions = [TopicPartition(topic, number) for topic in TOPICS for number in range(PARTITIONS)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        found: list[Record] = []
        while [tp for tp, end in ends.items() if await consumer.position(tp) < end]:
            for tp, part in (await consumer.getmany(timeout_ms=300)).items():
                found += [Record(tp.topic, r.key or b"", {n: v or b"" for n, v in r.headers}, r.value or b"") for r in part]
        return found


# --- what the run must have brought about, or the search means nothing ------------------------------------------------------------


def test_every_class_of_dead_letter_came_about(run: Run) -> None:
    classes = {record.headers["dlq-class"] for record in run.records if record.topic == "dead-letters.v1"}
    assert classes == {b"malformed", b"unknown_type", b"conflict", b"not_allowed", b"not_a_recipient", b"unknown_document"}


def test_everybody_who_is_not_protected_was_served(run: Run) -> None:
    delivered = {json.loads(r.value)["patient"] for r in run.records if r.headers.get("ce_type") == b"document.delivered.v1"}
    assert delivered >= {PEOPLE[who].pid for who in ("plain", "later", "child", "mother", "fullmakt")}


# --- topics -----------------------------------------------------------------------------------------------------------------------


def test_no_key_and_no_header_of_a_topic_names_anybody(run: Run) -> None:
    found = {
        (record.topic, name, *leak)
        for record in run.records
        for name, raw in [("key", record.key), *record.headers.items()]
        for leak in found_in(raw)
    }
    assert found == set()


@pytest.mark.parametrize("topic", TOPICS)
def test_a_topic_holds_what_its_contract_says_and_nothing_else(run: Run, topic: str) -> None:
    records = [record for record in run.records if record.topic == topic and record.key != OTHERS]
    found = {leak[1] for record in records for leak in found_in(record.value)}
    assert found <= ALLOWED[topic]


def test_on_no_topic_for_others_stands_anything_of_a_protected_person(run: Run) -> None:
    """P1, R3, B1, P8; an agent who is protected is no recipient either (P7)."""
    hidden = {*PROTECTED, "unknown", "father", "ward"}
    outbound = [record for record in run.records if record.topic in OUTBOUND_TOPICS]
    found = {(r.topic, *leak) for r in outbound for leak in found_in(r.value) if leak[0] in hidden}
    # A child whose only guardian is protected is not protected itself: paper, and the unit's list.
    assert {leak for leak in found if leak[1] != "ward"} == set()
    assert {leak[0] for leak in found} <= {"print.entries.v1", "portal.bookings.v1"}


def test_of_protected_people_the_hub_says_only_that_paper_waits(run: Run) -> None:
    """No notification, no room, no settlement, no title; and the way of the paper by the kind of protection (R3)."""
    said = [
        (r.topic, json.loads(r.value))
        for r in run.records
        if r.topic in OUTBOUND_TOPICS and r.topic not in ("dead-letters.v1", "decisions.v1")
    ]
    for who in PROTECTED:
        number = PEOPLE[who].number
        mine = [
            (t, d)
            for t, d in said
            if {d.get("document_id"), d.get("about")} & {f"doc-{number}-1", f"doc-{number}-k", f"booking-{number}-1"}
        ]
        assert {topic for topic, _ in mine} == {"print.entries.v1"}, who
        assert all("title" not in data and data["reason"] == "protected_identity" for _, data in mine), who
        if who != "new":
            assert {data["class"] for _, data in mine} == {"ordinary" if who == "sekretess" else "relay"}, who


def test_what_was_shown_of_somebody_who_became_protected_is_taken_back_within_a_minute(run: Run) -> None:
    """P10: and what comes afterwards is shown nowhere."""
    assert run.seconds < 60
    again = [r.topic for r in run.records if r.topic in OUTBOUND_TOPICS and b"XvAgain" in r.value]
    assert again == []
    rooms = [json.loads(r.value) for r in run.records if r.topic == "video.rooms.v1"]
    last = {room["room_id"]: room for room in rooms}
    resource = f"r{PEOPLE['later'].number}"
    assert {room["state"] for room in last.values() if room["resource"] == resource} == {"void"}


def test_a_mailbox_and_a_phone_got_what_is_theirs_and_of_protected_people_nothing_arrived_anywhere(run: Run) -> None:
    """R3: asked of the stand-ins outside, which keep what really came."""

    def arrived(who: str, channel: str) -> list[str]:
        rows = json.loads(run.request(f"http://127.0.0.1:{run.hub.base + 10}/inbox/{channel}/{PEOPLE[who].pid}"))
        return sorted(row.get("document_id", row["sha256"]) for row in rows)

    number = PEOPLE["plain"].number
    assert arrived("plain", "kivra") == [f"doc-{number}-1", f"doc-{number}-k"]
    assert arrived("plain", "sms")
    channels = ("app", "kivra", "billo", "minmyndighetspost", "fortnox", "sms")
    assert {(who, channel) for who in PROTECTED for channel in channels if arrived(who, channel)} == set()


# --- what operators see -------------------------------------------------------------------------------------------------------------


def _leaks(raw: bytes) -> set[tuple[str, str]]:
    return set(found_in(raw))


def test_no_log_file_names_anybody(run: Run) -> None:
    files = [*(run.hub.dir / "log").iterdir(), run.hub.dir.parent / "up.log"]
    parts = {"gateway.log", "kafka.log", "postgres.log", "worker-0.log", "timers.log", "delivery.log", "register.log", "sandbox.log"}
    assert parts <= {file.name for file in files}
    assert {file.name: found for file in files if (found := _leaks(file.read_bytes()))} == {}


def test_no_file_of_the_directory_names_anybody_but_the_servers_own_data(run: Run) -> None:
    files = [
        path for path in run.hub.dir.rglob("*") if path.is_file() and not {"kafka", "postgres"} & set(path.relative_to(run.hub.dir).parts)
    ]
    assert {path.name for path in files} >= {"hub.json", "clock.json", "settings.json"}
    assert {path.name: found for path in files if (found := _leaks(path.read_bytes()))} == {}


def test_what_holds_personal_data_or_secrets_is_for_its_owner_alone(run: Run) -> None:
    for name in ("kafka", "postgres", "secrets"):
        assert (run.hub.dir / name).resolve().stat().st_mode & 0o077 == 0, name
    assert [p.name for p in (run.hub.dir / "log").iterdir() if p.stat().st_mode & 0o007] == []
    secrets = {path.read_bytes().strip() for path in (run.hub.dir / "secrets").iterdir() if path.stat().st_size < 100}
    outside = [
        path
        for path in run.hub.dir.rglob("*")
        if path.is_file() and not {"kafka", "postgres", "secrets"} & set(path.relative_to(run.hub.dir).parts)
    ]
    assert [path.name for path in outside if any(secret in path.read_bytes() for secret in secrets)] == []


def test_no_metric_names_anybody(run: Run) -> None:
    ports = {port for part in run.hub.look()["parts"] for name, port in part["ports"].items() if name == "http"}
    for port in {*ports, run.hub.base + 9}:
        text = run.request(f"http://127.0.0.1:{port}/metrics")
        assert b"hub_part_up" in text
        assert _leaks(text) == set(), port


def test_no_refusal_repeats_what_was_sent(run: Run) -> None:
    """Answers are logged by proxies and by senders."""
    refusals = [body for status, body in run.answers if 400 <= status <= 599]
    assert len(refusals) > 30
    assert [body for body in refusals if _leaks(body)] == []


@pytest.mark.parametrize(
    "words",
    [
        "status",
        "--json status",
        "deadlines",
        "--json deadlines --within 90d",
        "lag",
        "dead-letters list --all",
        "--json dead-letters list --all",
        "verify",
    ],
)
def test_no_command_but_the_one_that_shows_a_dead_letter_names_anybody(run: Run, words: str) -> None:
    assert _leaks(run.hub.run(*words.split()).encode()) == set()


@pytest.mark.parametrize("who", sorted(PEOPLE.keys() - {"bad"}))
def test_no_trace_names_anybody(run: Run, who: str) -> None:
    for subject in (f"doc-{PEOPLE[who].number}-1", f"booking-{PEOPLE[who].number}-1"):
        assert _leaks(run.hub.run("--json", "trace", subject).encode()) == set()


def test_who_shows_a_dead_letter_is_on_the_audit_log_before(run: Run) -> None:
    letters = json.loads(run.hub.run("--json", "dead-letters", "list"))["items"]
    chosen = next(letter["id"] for letter in letters if letter["class"] == "not_allowed" and letter["topic"] == "ehr.letters.v1")
    assert BAD.word("body") in run.hub.run("dead-letters", "show", chosen)
    logged = [data for _, data in run.hub.records("audit.v1")]
    assert [(one["action"], one["patient"], one["about"]) for one in logged] == [("dead_letter.shown", BAD.pid, chosen)]


def test_no_process_has_a_person_or_a_secret_among_its_words(run: Run) -> None:
    secrets = {path.read_text().strip() for path in (run.hub.dir / "secrets").iterdir() if path.stat().st_size < 100}
    assert len(secrets) > 5
    for name, pid in run.hub.pids().items():
        words = Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
        assert _leaks(words) == set(), name
        assert not [secret for secret in secrets if secret.encode() in words], name
    assert os.getpid() not in run.hub.pids().values()
