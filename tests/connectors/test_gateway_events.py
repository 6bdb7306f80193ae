"""`POST /v1/events`: every class of good and bad input has its clear answer, and a refused batch leaves nothing."""

import base64

import orjson
import pytest
from aiohttp import ClientSession

from connectors.gateway.options import Limits
from schemas.cloudevents import decode_record
from schemas.events import decode
from schemas.samples import RESIDENT
from schemas.topics import TOPICS, inbound_topic
from tests.connectors.gateway_support import BATCH, EVENTS, KEYS, NDJSON, STRUCTURED, event, running

BOOKING = "booking.changed.v1"


async def test_one_event_is_in_the_log_as_the_contract_says_before_the_answer() -> None:
    """202 with the id; the record has the topic, key, headers and data of CONTRACTS section 2."""
    async with running() as gateway:
        answer = await gateway.post(EVENTS, event(event_id="e-1"))
        assert (answer.status, answer.json) == (202, {"accepted": 1, "ids": ["e-1"]})
        (record,) = gateway.log.records
    assert record.topic == "ehr.letters.v1"
    assert record.key == record.partition_key == KEYS.key(RESIDENT).encode()
    headers = dict(record.headers)
    assert headers["ce_type"] == b"document.submitted.v1"
    assert headers["ce_partitionkey"] == record.key
    assert headers["content-type"] == b"application/json"
    envelope, data = decode_record(record.headers, record.value)
    assert (envelope.id, envelope.source) == ("e-1", "/ehr/takecare")
    decode(envelope.type, data)


@pytest.mark.parametrize("content_type", [STRUCTURED, f"{STRUCTURED}; charset=UTF-8", "application/json"])
async def test_structured_content_with_parameters_is_taken(content_type: str) -> None:
    async with running() as gateway:
        assert (await gateway.post(EVENTS, event(), content_type)).status == 202


async def test_a_batch_and_lines_are_taken_in_their_order() -> None:
    events = [event(event_id=f"e-{n}", document_id=f"d-{n}") for n in range(5)]
    async with running() as gateway:
        for content_type, body in ((BATCH, orjson.dumps(events)), (NDJSON, b"\n".join(map(orjson.dumps, events)) + b"\n\n")):
            answer = await gateway.post(EVENTS, body, content_type)
            assert answer.json == {"accepted": 5, "ids": [f"e-{n}" for n in range(5)]}
        assert len(gateway.log.records) == 10


async def test_binary_mode_is_taken_and_its_faults_point_into_the_data() -> None:
    headers = {"ce_specversion": "1.0", "ce_id": "b%2D1", "ce_source": "/ehr/takecare", "ce_type": BOOKING}
    good = event(BOOKING)["data"]
    async with running() as gateway:
        answer = await gateway.post(EVENTS, good, "application/json", **headers)
        assert (answer.status, answer.json["ids"]) == (202, ["b-1"])
        answer = await gateway.post(EVENTS, good | {"patient": "1"}, "application/json", **headers)
        assert answer.problem == "malformed"
        assert list(answer.faults) == ["/patient"]


@pytest.mark.parametrize("written", [RESIDENT[2:8] + "-" + RESIDENT[8:], RESIDENT[2:], RESIDENT[:8] + "-" + RESIDENT[8:]])
async def test_a_person_id_goes_on_in_twelve_digits(written: str) -> None:
    async with running() as gateway:
        assert (await gateway.post(EVENTS, event(patient=written))).status == 202
        (record,) = gateway.log.records
    assert orjson.loads(record.value)["patient"] == RESIDENT
    assert record.key == KEYS.key(RESIDENT).encode()


async def test_a_local_time_goes_on_as_it_was_written_so_that_the_doubled_hour_stays_known() -> None:
    async with running() as gateway:
        assert (await gateway.post(EVENTS, event(BOOKING, start="2026-10-25T02:30:00"))).status == 202
        (record,) = gateway.log.records
    assert decode(BOOKING, record.value).start_doubled  # type: ignore[union-attr]


async def test_unknown_fields_are_taken_and_go_on() -> None:
    async with running() as gateway:
        assert (await gateway.post(EVENTS, event(new_field={"a": 1}))).status == 202
        assert orjson.loads(gateway.log.records[0].value)["new_field"] == {"a": 1}


BAD = {
    "patient": ("191212121213", "has a wrong check digit"),
    "created": ("yesterday", "has not the form it should have"),
    "kind": ("affisch", "should be 'kallelse', 'brev' or 'remissbekraftelse'"),
    "dispatch": ("pigeon", "should be 'e-brev', 'paper', 'direct' or 'phone'"),
    "unit": ("no unit", "has not the form it should have"),
    "template": (None, "should be an object"),
    "body": (7, "should be a string"),
    "attachments": ("x", "should be an array"),
}


@pytest.mark.parametrize("field", BAD)
async def test_a_wrong_field_is_named_and_its_good_neighbours_are_not_taken(field: str) -> None:
    value, reason = BAD[field]
    batch = [event(event_id="1"), event(event_id="2", **{field: value}), event(event_id="3")]
    async with running() as gateway:
        answer = await gateway.post(EVENTS, batch, BATCH)
        assert (answer.status, answer.problem) == (400, "malformed")
        assert answer.faults == {f"/1/data/{field}": reason}
        assert gateway.log.records == []
        assert str(value) not in answer.text or value is None or len(str(value)) < 3


async def test_the_spring_hour_that_does_not_exist_is_refused() -> None:
    async with running() as gateway:
        answer = await gateway.post(EVENTS, event(BOOKING, start="2026-03-29T02:30:00"))
        assert answer.faults["/data/start"].startswith("names a local time that does not exist")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"{", STRUCTURED),
        (b"[]", BATCH),
        (b"{}", BATCH),
        (b"\n\n", NDJSON),
        (b'{"specversion":"1.0"}\n{', NDJSON),
        (b"\xff\xfe", STRUCTURED),
        (b"[" * 5_000, BATCH),
        (b"null", STRUCTURED),
        (b"", STRUCTURED),
    ],
)
async def test_what_is_no_event_is_malformed(body: bytes, content_type: str) -> None:
    async with running() as gateway:
        assert (await gateway.post(EVENTS, body, content_type)).problem == "malformed"


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", f"{STRUCTURED}; charset=utf-16", "", ";;;"])
async def test_another_content_type_is_refused(content_type: str) -> None:
    async with running() as gateway:
        assert (await gateway.post(EVENTS, event(), content_type)).problem == "unsupported-media-type"


async def test_a_compressed_body_is_refused() -> None:
    async with running() as gateway:
        answer = await gateway.post(EVENTS, event(), STRUCTURED, Content_Encoding="gzip")
        assert answer.problem == "unsupported-media-type"


async def test_an_unknown_type_is_told_apart_from_a_malformed_event() -> None:
    async with running() as gateway:
        answer = await gateway.post(EVENTS, event() | {"type": "weather.changed.v1"})
        assert (answer.status, answer.problem, list(answer.faults)) == (422, "unknown-type", ["/type"])
        answer = await gateway.post(EVENTS, event() | {"type": "decision.made.v1"})
        assert answer.problem == "unknown-type"


async def test_sizes_have_limits_and_each_says_which() -> None:
    limits = Limits(body_bytes_max=60_000, events_max=3, attachment_bytes_max=1_000, attachments_max=2, record_bytes_max=20_000)
    pdf = {"name": "a", "content_type": "application/pdf", "shared": True, "e_brev": True}

    def of(size: int) -> dict[str, object]:
        return pdf | {"data": base64.b64encode(b"x" * size).decode()}

    async with running(limits) as gateway:
        answers = {
            "body": await gateway.post(EVENTS, b" " * 60_001),
            "events": await gateway.post(EVENTS, [event(event_id=str(n)) for n in range(4)], BATCH),
            "attachment": await gateway.post(EVENTS, event(attachments=[of(10), of(1_001)])),
            "attachments": await gateway.post(EVENTS, event(attachments=[of(1)] * 3)),
            "record": await gateway.post(EVENTS, event(body="x" * 20_000)),
        }
        assert {name: answer.problem for name, answer in answers.items()} == dict.fromkeys(answers, "too-large")
        assert list(answers["attachment"].faults) == ["/data/attachments/1/data"]
        assert list(answers["record"].faults) == ["/data"]
        assert gateway.log.records == []
        assert (await gateway.post(EVENTS, event(attachments=[of(1_000)] * 2))).status == 202


async def test_a_chunked_body_that_grows_too_large_is_cut_off() -> None:
    async def endless():  # type: ignore[no-untyped-def]
        while True:
            yield b" " * 10_000

    async with running(Limits(body_bytes_max=50_000)) as gateway, ClientSession() as session:
        headers = {"Authorization": "Bearer ehr-takecare", "Content-Type": STRUCTURED}
        async with session.post(gateway.url + EVENTS, data=endless(), headers=headers) as response:
            assert response.status == 413


async def test_an_attachment_by_reference_is_judged_by_its_form() -> None:
    item = {"name": "a", "content_type": "application/pdf", "shared": True, "e_brev": True}
    async with running() as gateway:
        assert (await gateway.post(EVENTS, event(attachments=[item | {"ref": "sha256:" + "a" * 64}]))).status == 202
        answer = await gateway.post(EVENTS, event(attachments=[item | {"ref": "sha256:zz"}]))
        assert list(answer.faults) == ["/data/attachments/0/ref"]


@pytest.mark.parametrize("token", ["", "bad"])
async def test_without_a_valid_token_nothing_is_read(token: str) -> None:
    async with running() as gateway:
        answer = await gateway.post(EVENTS, b"{", client=token)
        assert (answer.status, answer.problem) == (401, "not-authenticated")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("client", "sent", "pointer"),
    [
        ("ehr-takecare", event(unit="SE5560000001-G7"), "/data/unit"),
        ("ehr-sectra", event(kind="brev", source_system="Sectra") | {"source": "/ehr/sectra"}, "/data/kind"),
        ("ehr-sectra", event(kind="kallelse") | {"source": "/ehr/sectra"}, "/data/source_system"),
        ("ehr-sectra", event(kind="kallelse", source_system="Sectra"), "/source"),
        ("ehr-sectra", event(BOOKING) | {"source": "/ehr/sectra"}, "/type"),
        ("ehr-takecare", event(kind="remissbekraftelse", unit="SE2321000016-F6"), "/data/unit"),
        ("ehr-takecare", event("person.changed.v1"), "/type"),
        ("app", event(), "/type"),
        ("operator", event("account.changed.v1"), "/type"),
        ("portal", event("document.read.v1"), "/type"),
        ("lisa", event(), "/type"),
    ],
)
async def test_what_a_client_may_not_send_is_403_with_the_field_that_decides(client: str, sent: dict, pointer: str) -> None:  # type: ignore[type-arg]
    async with running() as gateway:
        answer = await gateway.post(EVENTS, sent, client=client)
        assert (answer.status, answer.problem) == (403, "not-allowed")
        assert list(answer.faults) == [pointer]
        assert gateway.log.records == []


@pytest.mark.parametrize(
    ("client", "ce_type"),
    [
        ("app", "account.changed.v1"),
        ("app", "agent.changed.v1"),
        ("app", "document.read.v1"),
        ("app", "delivery.answered.v1"),
        ("operator", "person.changed.v1"),
        ("operator", "mailbox.changed.v1"),
        ("ehr-takecare", BOOKING),
        ("ehr-takecare", "time_type.changed.v1"),
    ],
)
async def test_every_event_that_may_come_in_comes_to_its_topic(client: str, ce_type: str) -> None:
    async with running() as gateway:
        answer = await gateway.post(EVENTS, event(ce_type), client=client)
        assert answer.status == 202, answer.text
        (record,) = gateway.log.records
    assert record.topic == inbound_topic(ce_type)
    assert record.topic in TOPICS


async def _blocked(_: str) -> bool:
    return True


async def test_a_blocked_account_is_opened_by_staff_with_the_patient_present_alone() -> None:
    """P5."""
    opened = event("account.changed.v1", account="active")
    staff = {"id": "SE2321000016-1", "role": "staff"}
    for name in ("by", "present"):
        opened["data"].pop(name, None)

    def by(**more: object) -> dict[str, object]:
        return opened | {"data": opened["data"] | more}

    async with running(is_blocked=_blocked) as gateway:
        for refused in (
            by(),
            by(by={"id": "x", "role": "resident"}, present="SE2321000016-A1"),
            by(by=staff),
        ):
            answer = await gateway.post(EVENTS, refused, client="app")
            assert (answer.status, answer.problem, list(answer.faults)) == (403, "not-allowed", ["/data/by"])
        assert (await gateway.post(EVENTS, by(by=staff, present="SE2321000016-A1"), client="app")).status == 202
    async with running() as gateway:
        assert (await gateway.post(EVENTS, by(), client="app")).status == 202


async def test_an_account_is_not_opened_while_the_ledger_cannot_answer() -> None:
    async def away(_: str) -> bool:
        raise ConnectionError

    async with running(is_blocked=away) as gateway:
        answer = await gateway.post(EVENTS, event("account.changed.v1", account="active", by=None), client="app")
        assert (answer.status, answer.problem) == (503, "unavailable")
        assert int(answer.headers["Retry-After"]) > 0


async def test_an_agent_link_has_a_key_of_its_own_beside_the_persons_partition() -> None:
    """Compaction keeps one record a key: two guardians of a child must both stay."""
    async with running() as gateway:
        for agent in ("191212121212", RESIDENT):
            await gateway.post(EVENTS, event("agent.changed.v1", agent=agent), client="app")
        first, second = gateway.log.records
    assert first.key != second.key
    assert first.partition_key == second.partition_key


async def test_unknown_paths_and_methods_are_problems_too() -> None:
    async with running() as gateway:
        assert (await gateway.get("/nowhere")).problem == "not-found"
        answer = await gateway.get(EVENTS)
        assert (answer.status, answer.problem, answer.headers["Allow"]) == (405, "method-not-allowed", "POST")


async def test_linked_and_replacing_persons_are_normalised_too_and_a_look_alike_deep_inside_is_not() -> None:
    short = RESIDENT[2:8] + "-" + RESIDENT[8:]
    sent = event("person.changed.v1", patient=short, linked=[short], replaced_by=short, other={"patient": RESIDENT})
    async with running() as gateway:
        assert (await gateway.post(EVENTS, sent, client="operator")).status == 202
        data = orjson.loads(gateway.log.records[0].value)
    assert (data["patient"], data["linked"], data["replaced_by"]) == (RESIDENT, [RESIDENT], RESIDENT)
    assert data["other"] == {"patient": RESIDENT}
