"""Events: what the contract allows is taken, everything else is refused by pointer and reason, without values."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas import events
from schemas.errors import FieldError, Malformed, TooLarge, UnknownType
from schemas.fields import ATTACHMENT_BYTES_MAX, BODY_CHARS_MAX, ID_CHARS_MAX
from schemas.samples import SAMPLES, type_of

LETTER = SAMPLES["document.submitted.v1"]
SUMMONS = SAMPLES["document.submitted.v1.kallelse"]
BOOKING = SAMPLES["booking.changed.v1"]
INBOUND_SAMPLES = {name: data for name, data in SAMPLES.items() if type_of(name) in events.INBOUND}

OPTIONAL = {
    "care_provider", "version", "updated_at", "description", "comment", "till_registered_at", "phone", "booking_id",
    "footer", "attachments", "born", "deceased", "replaced_by", "linked", "address", "by", "present", "until", "code",
}  # fmt: skip


def letter(**changes: Any) -> events.DocumentSubmitted:
    return events.decode_as(events.DocumentSubmitted, orjson.dumps({**LETTER, **changes}))


def booking(**changes: Any) -> events.BookingChanged:
    return events.decode_as(events.BookingChanged, orjson.dumps({**BOOKING, **changes}))


def faults_of(ce_type: str, data: Any) -> tuple[FieldError, ...]:
    with pytest.raises(Malformed) as fault:
        events.decode(ce_type, orjson.dumps(data))
    return fault.value.errors


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_of_every_type_is_taken(name: str) -> None:
    model = events.decode(type_of(name), orjson.dumps(SAMPLES[name]))
    assert type_of(name) == model.TYPE


def test_there_is_a_sample_of_every_type() -> None:
    assert {type_of(name) for name in SAMPLES} == set(events.EVENTS)


@pytest.mark.parametrize(
    ("ce_type", "field"),
    [(name, field) for name, data in INBOUND_SAMPLES.items() for field in data if field not in OPTIONAL],
)
def test_a_missing_field_is_named(ce_type: str, field: str) -> None:
    data = {key: value for key, value in SAMPLES[ce_type].items() if key != field}
    assert faults_of(type_of(ce_type), data) == ((f"/{field}", "is required"),)


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"kind": "faktura"}, "/kind"),
        ({"dispatch": "fax"}, "/dispatch"),
        ({"body_format": "rtf"}, "/body_format"),
        ({"patient": "191212121213"}, "/patient"),
        ({"patient": 191212121212}, "/patient"),
        ({"unit": "Vårdcentralen"}, "/unit"),
        ({"document_id": ""}, "/document_id"),
        ({"document_id": "a\nb"}, "/document_id"),
        ({"document_id": "x" * (ID_CHARS_MAX + 1)}, "/document_id"),
        ({"created": "2026-03-02"}, "/created"),
        ({"created": 1772440000}, "/created"),
        ({"created": "2026-02-30T10:00:00Z"}, "/created"),
        ({"created": "2026-03-29T02:30:00"}, "/created"),
        ({"created": "0001-01-01T00:00:00+01:00"}, "/created"),
        ({"body": "a\u0000b"}, "/body"),
        ({"body": None}, "/body"),
        ({"title": "x" * 301}, "/title"),
        ({"template": "T1"}, "/template"),
        ({"template": {"id": "T1"}}, "/template/name"),
        ({"attachments": {}}, "/attachments"),
        ({"attachments": [SUMMONS["attachments"][0]] * 21}, "/attachments"),
        ({"attachments": [{**SUMMONS["attachments"][0], "shared": "yes"}]}, "/attachments/0/shared"),
        ({"attachments": [{**SUMMONS["attachments"][0], "data": "JVBERi0"}]}, "/attachments/0/data"),
        ({"attachments": [{**SUMMONS["attachments"][0], "data": "JVBE Ri0="}]}, "/attachments/0/data"),
        ({"attachments": [{**SUMMONS["attachments"][0], "data": None}]}, "/attachments/0"),
        ({"attachments": [{**SUMMONS["attachments"][0], "ref": "sha256:" + "0" * 64}]}, "/attachments/0"),
    ],
)
def test_a_wrong_field_is_named(changes: dict[str, Any], pointer: str) -> None:
    assert [fault.pointer for fault in faults_of("document.submitted.v1", {**LETTER, **changes})] == [pointer]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"version": "1"}, "/version"),
        ({"version": -1}, "/version"),
        ({"version": True}, "/version"),
        ({"version": 2**63}, "/version"),
        ({"version": None}, ""),
        ({"status": "moved"}, "/status"),
        ({"minutes": 30.5}, "/minutes"),
        ({"phone": "0700000000"}, "/phone"),
        ({"journal_blocked": 0}, "/journal_blocked"),
        ({"time_type": {**BOOKING["time_type"], "video": "trio"}}, "/time_type/video"),
        ({"start": "2026-03-29T02:30:00"}, "/start"),
        ({"start": "midday"}, "/start"),
    ],
)
def test_a_wrong_field_of_a_booking_is_named(changes: dict[str, Any], pointer: str) -> None:
    assert [fault.pointer for fault in faults_of("booking.changed.v1", {**BOOKING, **changes})] == [pointer]


def test_a_fault_never_repeats_what_was_sent() -> None:
    secret = {
        "patient": "191212121213", "title": "hemligt" * 99, "kind": "hemligt", "created": "hemligt", "unit": "hemligt",
        "template": ["hemligt"], "attachments": [{"name": "hemligt", "data": "hemligt!"}], "body": "hemligt\u0000",
    }  # fmt: skip
    with pytest.raises(Malformed) as fault:
        events.decode("document.submitted.v1", orjson.dumps({**LETTER, **secret}))
    shown = f"{fault.value}{fault.value.errors!r}{fault.value.cause}"
    assert "hemligt" not in shown
    assert "191212121213" not in shown
    assert fault.value.__cause__ is None


def test_printing_a_model_shows_nothing_of_it() -> None:
    model = letter()
    assert f"{model!r}{model}".replace("DocumentSubmitted()", "").strip() == ""


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"1", b'{"a":"\xff"}', b'{"document_id":"\\ud800"}', b"\x00"])
def test_what_is_no_object_is_malformed_as_a_whole(data: bytes) -> None:
    with pytest.raises(Malformed) as fault:
        events.decode("document.submitted.v1", data)
    assert fault.value.errors[0].pointer == ""


@given(st.binary(max_size=60))
def test_garbage_is_malformed_and_nothing_else(data: bytes) -> None:
    with pytest.raises(Malformed):
        events.decode("booking.changed.v1", data)


def test_an_unknown_type_is_told_apart() -> None:
    with pytest.raises(UnknownType):
        events.decode("booking.changed.v2", b"{}")


def test_too_much_of_it_is_too_large() -> None:
    with pytest.raises(TooLarge):
        letter(body="x" * (BODY_CHARS_MAX + 1))


def test_a_size_and_another_fault_together_are_malformed() -> None:
    with pytest.raises(Malformed) as fault:
        letter(body="x" * (BODY_CHARS_MAX + 1), kind="faktura")
    assert fault.value.dead_letter == "malformed"


def test_an_attachment_over_its_limit_is_too_large_without_being_decoded() -> None:
    big = "A" * (ATTACHMENT_BYTES_MAX // 3 * 4 + 8)
    with pytest.raises(TooLarge):
        letter(attachments=[{**SUMMONS["attachments"][0], "data": big}])


def test_an_attachment_is_held_as_its_bytes() -> None:
    model = letter(attachments=SUMMONS["attachments"])
    assert (model.attachments[0].data or b"").startswith(b"%PDF-")
    assert orjson.loads(model.model_dump_json())["attachments"][0]["data"] == SUMMONS["attachments"][0]["data"]


@pytest.mark.parametrize(
    ("start", "utc", "doubled"),
    [
        ("2026-03-09T10:00:00+01:00", "2026-03-09T09:00:00", False),
        ("2026-03-09T10:00:00Z", "2026-03-09T10:00:00", False),
        ("2026-03-09t10:00:00.5z", "2026-03-09T10:00:00.500000", False),
        ("2026-03-09T10:00:00", "2026-03-09T09:00:00", False),
        ("2026-03-09 10:00", "2026-03-09T09:00:00", False),
        ("2026-07-09T10:00:00", "2026-07-09T08:00:00", False),
        ("2026-03-29T01:59:59", "2026-03-29T00:59:59", False),
        ("2026-03-29T03:00:00", "2026-03-29T01:00:00", False),
        ("2026-10-25T01:59:59", "2026-10-24T23:59:59", False),
        ("2026-10-25T02:30:00", "2026-10-25T00:30:00", True),
        ("2026-10-25T02:30:00+01:00", "2026-10-25T01:30:00", False),
        ("2026-10-25T03:00:00", "2026-10-25T02:00:00", False),
    ],
)
def test_a_start_without_a_zone_is_swedish_and_the_doubled_hour_the_earlier_one(start: str, utc: str, doubled: bool) -> None:
    model = booking(start=start)
    assert model.start == datetime.fromisoformat(utc).replace(tzinfo=UTC)
    assert model.start.utcoffset() is not None
    assert model.start_doubled is doubled


def test_an_as_of_without_a_zone_is_malformed() -> None:
    data = {**SAMPLES["person.changed.v1"], "as_of": "2026-03-02T10:00:00"}
    assert faults_of("person.changed.v1", data) == (("/as_of", "has not the form it should have"),)


def test_the_revision_is_the_version_or_the_time_it_was_updated() -> None:
    assert booking(version=7).revision == 7
    earlier = booking(version=None, updated_at="2026-03-02T10:00:00Z").revision
    later = booking(version=None, updated_at="2026-03-02T10:00:00.000001Z").revision
    assert later == earlier + 1
    assert booking(version=None, updated_at="2026-03-02T11:00:00+01:00").revision == earlier


def test_texts_that_a_source_leaves_out_or_sends_as_null_are_empty() -> None:
    data = {key: value for key, value in BOOKING.items() if key != "description"} | {"comment": None}
    model = events.decode_as(events.BookingChanged, orjson.dumps(data))
    assert (model.description, model.comment) == ("", "")


def test_person_ids_are_normalised_and_organisation_numbers_too() -> None:
    assert letter(patient="19121212-1212").patient == "191212121212"
    mailbox = {**SAMPLES["mailbox.changed.v1"], "sender": "232100-0016"}
    model = events.decode_as(events.MailboxChanged, orjson.dumps(mailbox))
    assert model.sender == "162321000016"


def test_unknown_fields_are_ignored_and_can_be_counted() -> None:
    data: Mapping[str, Any] = {
        **SUMMONS, "new": 1, "template": {**SUMMONS["template"], "a/b": 1},
        "attachments": [{**SUMMONS["attachments"][0], "x": 1}],
    }  # fmt: skip
    events.decode("document.submitted.v1", orjson.dumps(data))
    found = events.unknown_fields(events.DocumentSubmitted, orjson.dumps(data))
    assert sorted(found) == ["/attachments/0/x", "/new", "/template/a~1b"]
    assert events.unknown_fields(events.DocumentSubmitted, SUMMONS) == []


@pytest.mark.parametrize("ce_type", events.OUTBOUND)
def test_what_the_hub_writes_has_nothing_unknown(ce_type: str) -> None:
    assert faults_of(ce_type, {**SAMPLES[ce_type], "extra": 1}) == (("/extra", "is not a known field"),)


@pytest.mark.parametrize("ce_type", events.OUTBOUND)
def test_what_the_hub_writes_comes_back_as_it_was(ce_type: str) -> None:
    model = events.decode(ce_type, orjson.dumps(SAMPLES[ce_type]))
    assert isinstance(model, events.Outbound)
    assert orjson.loads(model.to_json()) == SAMPLES[ce_type]


def test_models_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        letter().title = "x"


def test_a_print_entry_is_made_by_its_python_name_and_written_by_the_contracts() -> None:
    data = {**SAMPLES["print.entered.v1"]}
    entry = events.PrintEntered(print_class=data.pop("class"), **data)
    assert b'"class":"ordinary"' in entry.to_json()
    assert b"booking_state" not in entry.to_json()
