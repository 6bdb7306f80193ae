"""How events come in: straight to Kafka in both modes, and over HTTP with its tokens, batches, files and refusals."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.acceptance import care_events as care
from tests.acceptance.care_desk import Desk
from tests.acceptance.topic_reader import cloud_event


@pytest.fixture(scope="module")
def user(desk: Desk) -> str:
    return desk.user()


# Kafka


@pytest.mark.parametrize("structured", [False, True])
@pytest.mark.parametrize("source", ["/takecare", "takecare", "urn:ehr:karolinska", "https://ehr.example/x"])
def test_both_modes_and_any_source_are_taken(desk: Desk, user: str, structured: bool, source: str) -> None:
    """CONTRACTS 2; with or without ce_time, whatever stable key."""
    letter = care.document(user)
    time = care.stamp() if structured else None
    desk.topics.send(
        "ehr.letters.v1", "document.submitted.v1", letter, key="patient-key-1", structured=structured, source=source, time=time
    )
    assert desk.delivered(letter["document_id"])["recipients"] == [{"id": user, "role": "resident"}]


def test_a_structured_event_without_its_content_type_is_taken(desk: Desk, user: str) -> None:
    """A plain client that writes the envelope alone, without headers or key."""
    letter = care.document(user)
    desk.topics.send_raw("ehr.letters.v1", json.dumps(cloud_event("document.submitted.v1", letter)).encode())
    desk.delivered(letter["document_id"])


def test_an_event_is_one_however_often_it_comes(desk: Desk, user: str) -> None:
    """(ce_source, ce_id); also the same document in an event of its own."""
    letter = care.document(user)
    for id_ in ("same-" + letter["document_id"],) * 3 + (str(uuid.uuid4()),):
        desk.topics.send("ehr.letters.v1", "document.submitted.v1", letter, id_=id_)
    desk.delivered(letter["document_id"])
    desk.topics.settle()
    assert len(desk.decisions(letter["document_id"])) == 1
    assert len(desk.topics.about("app.documents.v1", document_id=letter["document_id"])) == 1
    assert len(desk.topics.about("notifications.v1", about=letter["document_id"])) == 1


def test_the_same_document_with_other_content_is_a_conflict(desk: Desk, user: str) -> None:
    """The first stands."""
    letter = care.document(user)
    desk.topics.send("ehr.letters.v1", "document.submitted.v1", letter)
    clash = desk.topics.send("ehr.letters.v1", "document.submitted.v1", letter | {"title": "Annan"})
    assert desk.dead(clash)["dlq-class"] == "conflict"
    desk.topics.settle()
    assert [d["title"] for d in desk.topics.about("app.documents.v1", document_id=letter["document_id"])] == ["Provsvar"]


Change = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("kind", lambda d: d | {"kind": "reklam"}),
        ("dispatch", lambda d: d | {"dispatch": "duva"}),
        ("patient", lambda d: d | {"patient": "197905170000"}),
        ("patient", lambda d: d | {"patient": "abc"}),
        ("created", lambda d: d | {"created": "i går"}),
        ("document_id", lambda d: {k: v for k, v in d.items() if k != "document_id"}),
        ("footer", lambda d: d | {"footer": None}),
        (
            "attachments",
            lambda d: (
                d | {"attachments": [{"name": "a.pdf", "content_type": "application/pdf", "data": "!!", "shared": True, "e_brev": True}]}
            ),
        ),
        ("unit", lambda d: {k: v for k, v in d.items() if k not in ("unit",)}),
    ],
)
def test_malformed_input_is_a_dead_letter_that_names_the_field(desk: Desk, user: str, field: str, change: Change) -> None:
    """And the good neighbours are unharmed."""
    before, after = care.document(user), care.document(user)
    sent = desk.topics.send_many(
        "ehr.letters.v1", [("document.submitted.v1", d) for d in (before, change(care.document(user)), after)], key=user
    )
    headers = desk.dead(sent[1])
    assert headers["dlq-class"] == "malformed"
    assert field in headers["dlq-cause"]
    for neighbour in (before, after):
        desk.delivered(neighbour["document_id"])


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        (
            b"{not json",
            [
                ("ce_specversion", b"1.0"),
                ("ce_id", b"x1"),
                ("ce_source", b"/t"),
                ("ce_type", b"document.submitted.v1"),
                ("content-type", b"application/json"),
            ],
        ),
        (b"\xff\xfe\x00", []),
        (b"[]", [("content-type", b"application/cloudevents+json")]),
        (
            b"{}",
            [
                ("ce_specversion", b"1.0"),
                ("ce_id", b"x2"),
                ("ce_source", b"/t"),
                ("ce_type", b"no.such.event.v1"),
                ("content-type", b"application/json"),
            ],
        ),
        (b"null", [("ce_specversion", b"1.0"), ("ce_id", b"x3"), ("ce_source", b"/t"), ("ce_type", b"document.submitted.v1")]),
    ],
)
def test_rubbish_is_a_dead_letter(desk: Desk, value: bytes, headers: list[tuple[str, bytes]]) -> None:
    sent = desk.topics.send_raw("ehr.letters.v1", value, headers=headers, key=b"k")
    assert desk.dead(sent)["dlq-class"]


def test_a_dead_letter_holds_nothing_readable(desk: Desk, user: str) -> None:
    """Encrypted at rest with the hub's key, cause and key too without personal data."""
    sent = desk.topics.send(
        "ehr.letters.v1", "document.submitted.v1", care.document(user, kind="brev") | {"kind": "reklam", "title": "HemligTitel"}
    )
    desk.dead(sent)
    found = desk.topics.of(
        "dead-letters.v1", lambda m: m.headers["dlq-offset"] == str(sent.offset) and m.headers["dlq-partition"] == str(sent.partition)
    )
    for message in found:
        text = repr((message.key, message.headers, message.value))
        assert user not in text and "HemligTitel" not in text


def test_a_receipt_by_no_recipient_counts_for_nothing(desk: Desk, user: str) -> None:
    """Class not_a_recipient."""
    letter = desk.submit(user)
    desk.delivered(letter)
    other = desk.person()
    sent = desk.topics.send(
        "receipts.v1", "document.read.v1", {"document_id": letter, "patient": user, "read_by": other, "read_at": desk.now()}, source="/app"
    )
    assert desk.dead(sent)["dlq-class"] == "not_a_recipient"
    assert desk.of_type("app.documents.v1", "document.settled.v1", document_id=letter) == []


def test_unblocking_needs_staff_and_presence(desk: Desk) -> None:
    """P5: class not_allowed from Kafka."""
    patient = desk.user()
    desk.account(patient, "blocked", as_of=desk.now(), by={"id": "SE2321000016-S1", "role": "staff"})
    desk.hub.idle()
    by_resident = desk.topics.send("accounts.v1", "account.changed.v1", care.account(patient, as_of=desk.now()), source="/app")
    absent = desk.topics.send(
        "accounts.v1",
        "account.changed.v1",
        care.account(patient, as_of=desk.now(), by={"id": "SE2321000016-S1", "role": "staff"}),
        source="/app",
    )
    for sent in (by_resident, absent):
        assert desk.dead(sent)["dlq-class"] == "not_allowed"
    assert desk.printed(desk.submit(patient, "kallelse"))["reason"] == "no_channel"
    desk.account(patient, as_of=desk.now(), by={"id": "SE2321000016-S1", "role": "staff"}, present=care.A1)
    desk.hub.idle()
    desk.delivered(desk.submit(patient, "kallelse"))


def test_an_older_as_of_never_overwrites(desk: Desk) -> None:
    patient = desk.known()
    desk.account(patient, as_of="2026-01-02T00:00:00Z")
    desk.account(patient, "none", as_of="2026-01-01T00:00:00Z")
    desk.hub.idle()
    desk.delivered(desk.submit(patient))


# HTTP


def test_one_event_over_http_is_taken_and_decided(desk: Desk, user: str) -> None:
    """202; a structured CloudEvent, a batch, NDJSON, and binary mode."""
    one, two, three, four, five = (care.document(user) for _ in range(5))
    assert desk.hub.post_events("ehr-takecare", cloud_event("document.submitted.v1", one)).status == 202
    batch = [cloud_event("document.submitted.v1", two), cloud_event("document.submitted.v1", three)]
    assert desk.hub.post_events("ehr-takecare", batch, "application/cloudevents-batch+json").status == 202
    lines = "\n".join(json.dumps(cloud_event("document.submitted.v1", d)) for d in (four, five)).encode() + b"\n"
    assert desk.hub.post_events("ehr-takecare", lines, "application/x-ndjson").status == 202
    for document in (one, two, three, four, five):
        desk.delivered(document["document_id"])


def test_binary_mode_over_http(desk: Desk, user: str) -> None:
    letter = care.document(user)
    headers = {"ce-specversion": "1.0", "ce-id": str(uuid.uuid4()), "ce-source": "/takecare", "ce-type": "document.submitted.v1"}
    answer = desk.hub.http("POST", 0, "/v1/events", letter, authorization=f"Bearer {desk.hub.token('ehr-takecare')}", **headers)
    assert answer.status == 202, answer
    desk.delivered(letter["document_id"])


def test_a_person_id_may_have_hyphens_or_ten_digits_at_the_edge(desk: Desk, user: str) -> None:
    """Section 2: normalised; topics carry 12 digits."""
    for form in (f"{user[:8]}-{user[8:]}", f"{user[2:8]}-{user[8:]}", user[2:]):
        letter = care.document(form)
        assert desk.hub.post_events("ehr-takecare", cloud_event("document.submitted.v1", letter)).status == 202, form
        assert desk.delivered(letter["document_id"])["patient"] == user
        straight = desk.submit(form)
        assert desk.delivered(straight)["patient"] == user


def test_a_batch_with_one_bad_event_is_refused_whole(desk: Desk, user: str) -> None:
    """RFC 9457, naming where; nothing is half taken."""
    good, bad = care.document(user), care.document(user) | {"kind": "reklam"}
    events = [cloud_event("document.submitted.v1", d) for d in (good, bad)]
    for content_type, body in (
        ("application/cloudevents-batch+json", events),
        ("application/x-ndjson", b"\n".join(json.dumps(e).encode() for e in events)),
    ):
        answer = desk.hub.post_events("ehr-takecare", body, content_type)
        assert 400 <= answer.status < 500
        assert answer.headers["Content-Type"].startswith("application/problem+json")
        problem = answer.json
        assert {"type", "title", "status"} <= problem.keys()
        assert "kind" in json.dumps(problem["errors"])
    desk.topics.settle()
    assert desk.decisions(good["document_id"]) == []


def test_without_a_token_nothing_is_taken(desk: Desk, user: str) -> None:
    event = cloud_event("document.submitted.v1", care.document(user))
    assert desk.hub.http("POST", 0, "/v1/events", event, content_type="application/cloudevents+json").status == 401
    assert (
        desk.hub.http("POST", 0, "/v1/events", event, content_type="application/cloudevents+json", authorization="Bearer rubbish").status
        == 401
    )


@pytest.mark.parametrize(
    ("client", "event"),
    [
        ("app", lambda p: cloud_event("document.submitted.v1", care.document(p))),
        ("portal", lambda p: cloud_event("document.submitted.v1", care.document(p))),
        ("ehr-takecare", lambda p: cloud_event("account.changed.v1", care.account(p), source="/app")),
        ("ehr-takecare", lambda p: cloud_event("person.changed.v1", care.person(p), source="/app")),
        ("ehr-sectra", lambda p: cloud_event("document.submitted.v1", care.document(p, "brev"), source="/sectra")),
        ("ehr-sectra", lambda p: cloud_event("booking.changed.v1", care.booking(p), source="/sectra")),
        ("ehr-takecare", lambda p: cloud_event("document.submitted.v1", care.document(p, unit="SE5560000009-X1"))),
        ("app", lambda p: cloud_event("person.changed.v1", care.person(p), source="/app")),
    ],
)
def test_what_a_client_may_not_send_is_forbidden(desk: Desk, user: str, client: str, event: Callable[[str], dict[str, Any]]) -> None:
    answer = desk.hub.post_events(client, event(user))
    assert answer.status == 403, answer
    assert answer.headers["Content-Type"].startswith("application/problem+json")


def test_each_client_may_send_its_own(desk: Desk) -> None:
    """operator: persons and mailboxes; app: accounts, agents, receipts; ehr-*: their own kinds."""
    patient, other = care.adult(), care.adult()
    taken: list[tuple[str, dict[str, Any]]] = [
        ("operator", cloud_event("person.changed.v1", care.person(patient, as_of=desk.now()), source="/spar")),
        ("operator", cloud_event("mailbox.changed.v1", care.mailbox(patient), source="/kivra")),
        ("app", cloud_event("account.changed.v1", care.account(patient), source="/app")),
        ("app", cloud_event("agent.changed.v1", care.agent(care.aged(5), other), source="/app")),
    ]
    for client, event in taken:
        assert desk.hub.post_events(client, event).status == 202, event["type"]
    desk.hub.idle()
    kallelse = care.document(patient, "kallelse", source_system="Sectra", unit="SE2321000016-D4")
    with desk.failing("kivra", "refuse"):  # or its acceptance would settle the document before it is read
        assert desk.hub.post_events("ehr-sectra", cloud_event("document.submitted.v1", kallelse, source="/sectra")).status == 202
        desk.decided(kallelse["document_id"], channels=["app", "mailbox"])
        desk.topics.settle()
    receipt = {"document_id": kallelse["document_id"], "patient": patient, "read_by": patient, "read_at": desk.now()}
    desk.delivered(kallelse["document_id"])
    assert desk.hub.post_events("app", cloud_event("document.read.v1", receipt, source="/app")).status == 202
    desk.topics.wait("app.documents.v1", document_id=kallelse["document_id"], outcome="read")


def test_health_readiness_and_metrics(desk: Desk) -> None:
    assert desk.hub.http("GET", 0, "/healthz").status == 200
    assert desk.hub.http("GET", 0, "/readyz").status == 200
    metrics = desk.hub.http("GET", 0, "/metrics")
    assert metrics.status == 200 and b"# EOF" in metrics.body


def test_unknown_content_types_and_oversize_have_clear_answers(desk: Desk, user: str) -> None:
    assert desk.hub.post_events("ehr-takecare", b"<x/>", "text/xml").status == 415
    assert desk.hub.post_events("ehr-takecare", b"{broken", "application/cloudevents+json").status == 400
    big = care.document(
        user,
        attachments=[
            {
                "name": "a.pdf",
                "content_type": "application/pdf",
                "shared": True,
                "e_brev": True,
                "data": base64.b64encode(b"%PDF-1.4 " + b"0" * 8_000_000).decode(),
            }
        ],
    )
    assert desk.hub.post_events("ehr-takecare", cloud_event("document.submitted.v1", big)).status == 413


# The stand-ins


def test_a_test_person_is_known_to_all(desk: Desk) -> None:
    """POST /people, then the inboxes show what really arrived."""
    patient = care.adult()
    assert desk.hub.post_people(**care.person(patient), account="active").status in (200, 201, 202)
    desk.hub.idle()
    letter = desk.submit(patient)
    desk.delivered(letter)
    desk.topics.settle()
    rows = desk.hub.inbox("app", patient)
    assert [(row["document_id"], row["times"]) for row in rows] == [(letter, 1)]
    assert {"sha256", "size", "content_type", "first_at", "last_at"} <= rows[0].keys()


def test_a_person_of_the_sandbox_is_found_by_the_register_at_first_sight(desk: Desk) -> None:
    """P8: the stand-in register answers for whoever was made; it is asked once."""
    patient = care.adult()
    assert desk.hub.post_people(patient=patient, name="Ny Person").status in (200, 201, 202)
    letter = desk.submit(patient, "kallelse")
    assert desk.printed(letter)["reason"] == "no_channel"


def test_the_clock_moves_for_all(desk: Desk) -> None:
    before = care.parse(desk.now())
    answer = desk.hub.http("POST", 10, "/clock", {"advance_seconds": 90})
    assert answer.status == 200 and answer.json["speed"] == 1
    assert (care.parse(answer.json["now"]) - before).total_seconds() >= 90
    assert care.parse(desk.hub.ask("clock", "show")["now"]) >= care.parse(answer.json["now"])
