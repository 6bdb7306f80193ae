"""CloudEvents in every mode, and the ids and keys that are derived from what caused them."""

import uuid
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import cloudevents as ce
from schemas import keys
from schemas.errors import Malformed, TooLarge

ENVELOPE = ce.Envelope(
    id="e1",
    source="/ehr/takecare",
    type="booking.changed.v1",
    time=datetime(2026, 3, 2, 9, 15, tzinfo=UTC),
    subject="bok-1",
    dataschema=ce.dataschema_of("booking.changed.v1"),
    partitionkey="1-00",
    traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    sequence=ce.sequence_of(7),
)
EVENT: dict[str, Any] = {"specversion": "1.0", "id": "e1", "source": "/s", "type": "t", "data": {"a": 1}}


def written(envelope: ce.Envelope) -> list[tuple[str, bytes]]:
    assert envelope.time is not None
    return ce.headers_for(
        envelope.type,
        envelope.id,
        envelope.source,
        ce.time_text(envelope.time),
        subject=envelope.subject,
        partitionkey=envelope.partitionkey,
        traceparent=envelope.traceparent,
        sequence=envelope.sequence,
    )


def test_what_the_hub_writes_reads_back_the_same() -> None:
    assert ce.decode_record(written(ENVELOPE), b'{"a":1}') == (ENVELOPE, b'{"a":1}')


def test_the_data_of_binary_mode_is_untouched() -> None:
    odd = b'{ "a" : 1.0 }\n'
    assert ce.decode_record(written(ENVELOPE), odd)[1] is odd


def test_optional_headers_are_left_out() -> None:
    names = {name for name, _ in ce.headers_for("t", "i", "s", "2026-03-02T09:15:00Z")}
    assert names == {"ce_id", "ce_source", "ce_time", "ce_type", "ce_specversion", "ce_dataschema", "content-type"}


def test_structured_mode_is_known_without_its_content_type() -> None:
    body = ce.structured(ENVELOPE, b'{"a":1}')
    for headers in ([], [("content-type", b"application/json")]):
        assert ce.decode_record(headers, body)[0] == ENVELOPE
    with pytest.raises(Malformed, match="is no CloudEvent"):
        ce.decode_record([], b'{"a":1}')


def test_structured_mode_on_kafka_reads_the_same_envelope() -> None:
    body = ce.structured(ENVELOPE, b'{"a":1}')
    headers = [("content-type", b"application/cloudevents+json; charset=UTF-8")]
    assert ce.decode_record(headers, body) == (ENVELOPE, b'{"a":1}')


def test_a_time_is_held_in_utc() -> None:
    headers = [*written(ENVELOPE), ("ce_time", b"2026-03-02T11:15:00+02:00")]
    envelope, _ = ce.decode_record(headers, b"{}")
    assert envelope.time == ENVELOPE.time
    assert envelope.time is not None
    assert envelope.time.tzinfo is UTC


@pytest.mark.parametrize(
    ("headers", "pointer"),
    [
        ([], ""),
        ([("content-type", b"application/json")], ""),
        ([("ce_specversion", b"1.0"), ("ce_source", b"s"), ("ce_type", b"t")], "/ce_id"),
        ([("ce_specversion", b"1.0"), ("ce_id", b""), ("ce_source", b"s"), ("ce_type", b"t")], "/ce_id"),
        ([("ce_specversion", b"0.3"), ("ce_id", b"i"), ("ce_source", b"s"), ("ce_type", b"t")], "/ce_specversion"),
        ([("ce_id", b"i"), ("ce_source", b"s"), ("ce_type", b"t")], "/ce_specversion"),
        ([*written(ENVELOPE), ("ce_id", b"\xff")], "/ce_id"),
        ([*written(ENVELOPE), ("ce_id", b"a\nb")], "/ce_id"),
        ([*written(ENVELOPE), ("ce_id", b"x" * 501)], "/ce_id"),
        ([*written(ENVELOPE), ("ce_time", b"yesterday")], "/ce_time"),
        ([*written(ENVELOPE), ("ce_time", b"2026-03-02T10:00:00")], "/ce_time"),
        ([*written(ENVELOPE), ("ce_time", b"0001-01-01T00:00:00+01:00")], "/ce_time"),
        ([*written(ENVELOPE), ("content-type", b"text/xml")], "/content-type"),
    ],
)
def test_a_faulty_header_is_named(headers: list[tuple[str, bytes]], pointer: str) -> None:
    with pytest.raises(Malformed) as fault:
        ce.decode_record(headers, b"{}")
    assert [error.pointer for error in fault.value.errors] == [pointer]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"id": None}, "/id"),
        ({"id": 7}, "/id"),
        ({"source": ""}, "/source"),
        ({"specversion": 1.0}, "/specversion"),
        ({"datacontenttype": "text/xml"}, "/datacontenttype"),
        ({"data_base64": "e30="}, "/data_base64"),
        ({"time": "now"}, "/time"),
    ],
)
def test_a_faulty_attribute_is_named(change: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Malformed) as fault:
        ce.decode_structured(orjson.dumps({**EVENT, **change}))
    assert [error.pointer for error in fault.value.errors] == [pointer]


def test_data_may_come_as_base64() -> None:
    event = {key: value for key, value in EVENT.items() if key != "data"}
    assert ce.decode_structured(orjson.dumps({**event, "data_base64": "eyJhIjoxfQ=="}))[1] == b'{"a":1}'
    for wrong in ("eyJhIjoxfQ", "å", 7):
        with pytest.raises(Malformed) as fault:
            ce.decode_structured(orjson.dumps({**event, "data_base64": wrong}))
        assert fault.value.errors[0].pointer == "/data_base64"
    with pytest.raises(Malformed) as fault:
        ce.decode_structured(orjson.dumps(event))
    assert fault.value.errors[0].pointer == "/data"


@pytest.mark.parametrize("depth", [200, 300, 1000, 100_000])
def test_deep_nesting_is_taken_or_malformed(depth: int) -> None:
    body = b'{"specversion":"1.0","id":"1","source":"s","type":"t","data":' + b"[" * depth + b"]" * depth + b"}"
    if depth == 200:
        assert ce.decode_structured(body)[1] == b"[" * depth + b"]" * depth
        return
    with pytest.raises(Malformed):
        ce.decode_structured(body)


def test_a_batch_is_taken_whole_and_in_order() -> None:
    batch = [{**EVENT, "id": str(number)} for number in range(3)]
    assert [envelope.id for envelope, _ in ce.decode_batch(orjson.dumps(batch))] == ["0", "1", "2"]
    lines = b"\n".join(orjson.dumps(event) for event in batch) + b"\r\n\n"
    assert ce.decode_ndjson(lines) == ce.decode_batch(orjson.dumps(batch))


def test_every_faulty_event_of_a_batch_is_named() -> None:
    batch = [EVENT, {**EVENT, "id": ""}, 7, EVENT]
    with pytest.raises(Malformed) as fault:
        ce.decode_batch(orjson.dumps(batch))
    assert [error.pointer for error in fault.value.errors] == ["/1/id", "/2"]


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"[", b"7"])
def test_what_is_no_batch_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        ce.decode_batch(body)


def test_a_batch_has_a_limit() -> None:
    with pytest.raises(TooLarge):
        ce.decode_batch(orjson.dumps([EVENT] * (ce.BATCH_EVENTS_MAX + 1)))


def test_a_faulty_line_is_named_by_its_place() -> None:
    with pytest.raises(Malformed) as fault:
        ce.decode_ndjson(orjson.dumps(EVENT) + b"\n{oops\n")
    assert fault.value.errors == (("/1", "is not valid JSON"),)


header_names = st.sampled_from(["ce_id", "ce_source", "ce_type", "ce_time", "ce_specversion", "content-type", "traceparent", "ce_x"])


@given(st.lists(st.tuples(header_names, st.none() | st.binary(max_size=30)), max_size=10), st.binary(max_size=40))
def test_garbage_is_malformed_and_nothing_else(headers: list[tuple[str, bytes | None]], value: bytes) -> None:
    try:
        envelope, data = ce.decode_record(headers, value)
    except Malformed as fault:
        assert fault.errors
    else:
        assert envelope.id
        assert isinstance(data, bytes)


@given(st.lists(st.text(), max_size=4))
def test_an_id_is_a_real_uuid_version_5(parts: list[str]) -> None:
    expected = uuid.uuid5(keys.NAMESPACE, "\x1f".join(parts))
    made = keys.uid(*parts)
    assert made == expected
    assert (made.version, made.variant, hash(made)) == (5, uuid.RFC_4122, hash(expected))
    assert keys.uid_text(*parts) == str(expected) == str(made)


def test_the_namespace_of_all_ids_never_changes() -> None:
    assert str(keys.uid("a")) == "6ee0af5a-fa73-5ed2-adbd-386c15facf70"


def test_source_and_id_are_one_key_and_their_border_counts() -> None:
    assert ENVELOPE.key == keys.event_key("/ehr/takecare", "e1")
    assert len(ENVELOPE.key) == 16
    assert keys.event_key("ab", "c") != keys.event_key("a", "bc")


PID = "191212121212"


def test_a_person_key_has_its_version_and_hides_the_number() -> None:
    one = keys.PersonKeys({1: b"a" * 32}, current=1)
    version, _, digest = one.key(PID).partition("-")
    assert version == "1"
    assert len(bytes.fromhex(digest)) == 16
    assert PID not in one.key(PID)
    assert one.key(PID) == keys.PersonKeys({1: b"a" * 32}, current=1).key(PID)
    assert one.key(PID) != keys.PersonKeys({1: b"b" * 32}, current=1).key(PID)


def test_a_new_key_version_changes_the_topics_key_and_moves_no_row() -> None:
    before = keys.PersonKeys({1: b"a" * 32}, current=1)
    after = keys.PersonKeys({1: b"a" * 32, 2: b"b" * 100}, current=2)
    assert after.key(PID).startswith("2-")
    assert after.key_in(1, PID) == before.key(PID)
    assert after.uuid(PID) == before.uuid(PID)
    assert before.uuid(PID).hex not in before.key(PID)


@pytest.mark.parametrize(("secrets", "current"), [({1: b"a" * 32}, 2), ({1: b"short"}, 1), ({}, 1)])
def test_a_missing_or_weak_secret_is_refused(secrets: dict[int, bytes], current: int) -> None:
    with pytest.raises(ValueError, match="secret"):
        keys.PersonKeys(secrets, current)
