"""What comes in and what comes of it: dead letters, repeats, deterministic ids (CONTRACTS sections 2 and 3)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest
from aiokafka.structs import ConsumerRecord

from schemas.cloudevents import Envelope, headers_for, time_text
from tests.pipelines.desk import CHILD, MOTHER, START, Event, account, agent, answer, booking, kallelse, letter, mailbox, person, read
from tests.rules_by_law.law_desk import ADULT, OTHER, LawDesk, attachment, classes, confirmation, law_desk, of, time_type, video

MINUTE = timedelta(minutes=1)
LATER = START + MINUTE

WHOLE_DAY = [
    person(ADULT), person(CHILD), person(MOTHER), account(ADULT, phone="+46701740605"), account(MOTHER), agent(CHILD, MOTHER),
    mailbox(ADULT), booking(ADULT), video(CHILD, "b2"), letter(ADULT), kallelse(CHILD), confirmation(ADULT, footer=""), letter(OTHER, "d9"),
    time_type({"id": "tt1", "name": "Nybesök", "hidden": False, "video": "none"}, START),
]  # fmt: skip


def numbered(events: list[Event]) -> list[Event]:
    return [replace(event, id=f"fixed-{place}") for place, event in enumerate(events)]


# --- repeats and ids ----------------------------------------------------------------------------------------------------------


async def test_the_same_event_again_says_nothing_new(hub: LawDesk) -> None:
    """CONTRACTS 2: `(ce_source, ce_id)` is one event, however often it comes."""
    events = numbered(WHOLE_DAY)
    assert len(await hub.take(*events)) > 10
    assert await hub.take(*events) == []
    for event in reversed(events):
        assert await hub.take(event) == []


async def test_the_same_event_twice_in_one_batch_is_one_event(hub: LawDesk) -> None:
    """CONTRACTS 2."""
    events = numbered(WHOLE_DAY)
    said = await hub.take(*events, *events)
    assert len(of(said, "document.delivered.v1")) == 2
    assert classes(said) == []


async def test_the_same_content_under_other_ids_says_nothing_new(hub: LawDesk) -> None:
    """CONTRACTS 3: the same document or booking again is nothing new."""
    await hub.take(*WHOLE_DAY)
    said = await hub.take(*WHOLE_DAY)
    assert {one.type for one in said} <= {"decision.made.v1"} and classes(said) == []


async def test_an_id_of_another_source_is_another_event(hub: LawDesk) -> None:
    """CONTRACTS 2."""
    await hub.take(person(ADULT), account(ADULT))
    await hub.take(replace(letter(ADULT), id="1", source="urn:a"))
    assert of(await hub.take(replace(letter(ADULT, "d2"), id="1", source="urn:b")), "document.delivered.v1")


async def test_ids_are_the_same_wherever_they_are_made(law_dsn: str) -> None:
    """CONTRACTS 3: deterministic, so that a consumer can dedupe by `ce_id`."""
    found = []
    for _ in range(2):
        async with law_desk(law_dsn) as hub:
            await hub.take(*numbered(WHOLE_DAY))
            await hub.wait(hours=49)
            found.append({(one.topic, one.id, one.key, orjson.dumps(one.data, option=orjson.OPT_SORT_KEYS)) for one in hub.said})
    assert found[0] == found[1]


async def test_the_delivery_the_entry_and_the_notification_have_ids_that_last(hub: LawDesk) -> None:
    """CONTRACTS 3: `print.entered` again with the same `entry_id` is an update; the delivery's id is that of its answer."""
    await hub.take(person(ADULT), mailbox(ADULT))
    (requested,) = of(await hub.take(letter(ADULT)), "delivery.requested.v1")
    assert requested["delivery_id"] != requested["document_id"]
    said = await hub.take(answer(requested["delivery_id"], "accepted"))
    assert of(said, "document.settled.v1")[0]["document_id"] == "d1"


# --- conflicts ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more",
    [
        {"title": "Annat"},
        {"body": "Annat"},
        {"footer": "[4US:LPAT]"},
        {"patient": OTHER},
        {"dispatch": "paper"},
        {"attachments": [attachment()]},
        {"unit": "SE2321000016-B2"},
        {"template": {"id": "t2", "name": "Brev"}},
    ],
)
async def test_the_same_document_with_other_content_is_a_conflict(hub: LawDesk, more: dict[str, Any]) -> None:
    """CONTRACTS 3: the first stands."""
    await hub.take(person(ADULT), person(OTHER), account(ADULT), account(OTHER), letter(ADULT))
    said = await hub.take(letter(ADULT, **more))
    assert classes(said) == ["conflict"] and len(said) == 1


async def test_two_contents_of_one_document_in_a_batch_are_a_conflict(hub: LawDesk) -> None:
    """CONTRACTS 3: the first stands, and the rest of the batch goes on."""
    await hub.take(person(ADULT), account(ADULT))
    said = await hub.take(letter(ADULT, title="Första"), letter(ADULT, title="Andra"), letter(ADULT, "d2"))
    assert classes(said) == ["conflict"]
    assert {one["document_id"]: one["title"] for one in of(said, "document.delivered.v1")} == {"d1": "Första", "d2": "Provsvar"}


async def test_a_recorded_document_has_conflicts_too(hub: LawDesk) -> None:
    """CONTRACTS 3, C4: known without its content."""
    await hub.take(letter(ADULT, dispatch="paper"))
    assert classes(await hub.take(letter(ADULT, dispatch="paper", title="Annat"))) == ["conflict"]
    assert classes(await hub.take(letter(ADULT))) == ["conflict"]


# --- dead letters -------------------------------------------------------------------------------------------------------------

MALFORMED = [
    (letter(ADULT, kind="faktura"), "kind"),
    (letter(ADULT, dispatch="fax"), "dispatch"),
    (letter("197004049801"), "patient"),
    (letter("not a number"), "patient"),
    (letter(ADULT, document_id=""), "document_id"),
    (letter(ADULT, created="igår"), "created"),
    (letter(ADULT, attachments=[attachment(data="***")]), "attachments"),
    (letter(ADULT, body_format="rtf"), "body_format"),
    (booking(ADULT, version=None), ""),
    (booking(ADULT, version="1"), "version"),
    (booking(ADULT, status="deleted"), "status"),
    (booking(ADULT, start="2026-13-01T10:00:00"), "start"),
    (booking(ADULT, start="2026-03-29T02:30:00"), "start"),
    (booking(ADULT, time_type={"id": "x", "name": "X", "hidden": "no", "video": "none"}), "time_type"),
    (person(ADULT, protection="hemlig"), "protection"),
    (person(ADULT, as_of="2026-03-02"), "as_of"),
    (account(ADULT, "open"), "account"),
    (account(ADULT, phone="0701740605"), "phone"),
    (agent(ADULT, OTHER, relation="granne"), "relation"),
    (mailbox(ADULT, "postnord"), "operator"),
    (read(ADULT, by="x"), "read_by"),
    (answer("6f1d7c1e-5f0e-5d0a-9a53-6f0f2f0b8c11", "maybe"), "outcome"),
]


@pytest.mark.parametrize(("event", "field"), MALFORMED, ids=lambda one: one if isinstance(one, str) else one.type)
async def test_malformed_input_gets_a_dead_letter_that_names_the_field(hub: LawDesk, event: Event, field: str) -> None:
    """CONTRACTS 3: with the reason; the good neighbours are unharmed."""
    await hub.take(person(OTHER), account(OTHER))
    if event.data.get("kind") == "faktura":
        (dead,) = [one for one in await hub.take(event) if one.topic == "dead-letters.v1"]
        said: list[Any] = [dead]
    else:
        said = await hub.take(event, letter(OTHER, "good"))
        assert [one["document_id"] for one in of(said, "document.delivered.v1")] == ["good"]
    assert classes(said) == ["malformed"]
    cause = next(one.data["dlq-cause"] for one in said if one.topic == "dead-letters.v1")
    assert f"/{field}" in cause or not field


@pytest.mark.parametrize("name", sorted(letter(ADULT).data.keys() - {"footer", "attachments", "kind"}))
async def test_a_document_without_a_required_field_is_malformed(hub: LawDesk, name: str) -> None:
    """CONTRACTS 3: what is not marked with `?` is required."""
    event = letter(ADULT)
    del event.data[name]
    said = await hub.take(event)
    assert classes(said) == ["malformed"] and f"/{name}" in said[0].data["dlq-cause"]


async def test_unknown_fields_are_ignored(hub: LawDesk) -> None:
    """CONTRACTS 2."""
    await hub.take(person(ADULT, colour="blue"), account(ADULT, colour="blue"))
    said = await hub.take(letter(ADULT, colour="blue"), booking(ADULT, colour="blue"))
    assert classes(said) == [] and of(said, "document.delivered.v1")


async def test_a_type_on_the_wrong_topic_is_a_dead_letter(hub: LawDesk) -> None:
    """CONTRACTS 2: a topic has its types; a referral confirmation does not stand on the letters' topic."""
    records = [hub._record(confirmation(ADULT)), hub._record(person(ADULT)), hub._record(booking(ADULT))]
    found = hub.decoder.decode("ehr.letters.v1", [record._replace(topic="ehr.letters.v1") if hasattr(record, "_replace") else moved(record)
                                                  for record in records])  # fmt: skip
    said = await hub._said(await hub.work.commands(list(found)))
    assert len(classes(said)) == 3 and len(said) == 3


async def test_a_tombstone_is_no_event(hub: LawDesk) -> None:
    """CONTRACTS 2: a null value on a compacted topic."""
    record = ConsumerRecord("accounts.v1", 0, 1, int(START.timestamp() * 1000), 1, b"key", None, None, 3, 0, ())
    found = list(hub.decoder.decode("accounts.v1", [record]))
    assert await hub._said(await hub.work.commands(found)) == []


@pytest.mark.parametrize("value", [b"", b"{", b"null", b"[]", b"\xff\xfe", b"{}"])
async def test_garbage_is_a_dead_letter_and_nothing_else(hub: LawDesk, value: bytes) -> None:
    """STYLE 13: garbage is `Rejected`, nothing else."""
    headers = (("content-type", b"application/cloudevents+json"),)
    record = ConsumerRecord("ehr.letters.v1", 0, 1, int(START.timestamp() * 1000), 1, b"key", value, None, 3, len(value), headers)
    said = await hub._said(await hub.work.commands(list(hub.decoder.decode("ehr.letters.v1", [record]))))
    assert classes(said) == ["malformed"]


async def test_binary_mode_is_the_rule(hub: LawDesk) -> None:
    """CONTRACTS 2: attributes in `ce_` headers, the data as it is."""
    await hub.take(person(ADULT), account(ADULT))
    headers = headers_for("document.submitted.v1", "e1", "urn:ehr", time_text(START), partitionkey="p")
    value = orjson.dumps(letter(ADULT).data, option=orjson.OPT_UTC_Z)
    record = ConsumerRecord("ehr.letters.v1", 0, 1, int(START.timestamp() * 1000), 1, b"key", value, None, 3, len(value), tuple(headers))
    said = await hub._said(await hub.work.commands(list(hub.decoder.decode("ehr.letters.v1", [record]))))
    assert len(of(said, "document.delivered.v1")) == 1


@pytest.mark.parametrize("make", [letter, kallelse, confirmation, booking])
async def test_a_foreign_unit_is_not_allowed(hub: LawDesk, make: Any) -> None:
    """CONTRACTS 3: what a sender may not do."""
    await hub.take(person(ADULT), account(ADULT))
    said = await hub.take(make(ADULT, "x1", unit="SE5560000001-G7"))
    assert classes(said) == ["not_allowed"] and len(said) == 1


async def test_a_reader_who_is_no_recipient_counts_for_nothing(hub: LawDesk) -> None:
    """CONTRACTS 3."""
    await hub.take(person(ADULT), person(OTHER), account(ADULT), account(OTHER), letter(ADULT))
    said = await hub.take(read(ADULT, by=OTHER))
    assert classes(said) == ["not_a_recipient"] and len(said) == 1


async def test_a_receipt_for_a_document_that_was_never_in_the_app_counts_for_nothing(hub: LawDesk) -> None:
    """CONTRACTS 3: neither while it waits, nor on paper, nor unknown."""
    await hub.take(person(ADULT), letter(ADULT), kallelse(ADULT))
    for number in ("d1", "k1", "nobody-knows"):
        said = await hub.take(read(ADULT, number))
        assert len(classes(said)) == 1 and len(said) == 1
    assert await hub.prints(hours=48) == ["no_account_48h"]


async def test_a_receipt_that_names_another_patient_counts_for_nothing(hub: LawDesk) -> None:
    """CONTRACTS 3: the document is not that patient's."""
    await hub.take(person(ADULT), person(OTHER), account(ADULT), account(OTHER), letter(ADULT))
    said = await hub.take(read(OTHER, "d1", by=OTHER))
    assert len(classes(said)) == 1 and of(said, "document.settled.v1") == []


async def test_person_ids_are_accepted_in_their_forms_and_written_in_one(hub: LawDesk) -> None:
    """DOMAIN 2: hyphens and the 10-digit form are normalised at the edge."""
    short = f"{ADULT[2:8]}-{ADULT[8:]}"
    long = f"{ADULT[:8]}-{ADULT[8:]}"
    await hub.take(person(ADULT), account(long))
    said = await hub.take(letter(short))
    assert of(said, "document.delivered.v1")[0]["patient"] == ADULT


def moved(record: Any) -> Any:
    return replace(record, topic="ehr.letters.v1")


async def test_the_envelope_of_a_record_is_checked(hub: LawDesk) -> None:
    """CONTRACTS 2: CloudEvents 1.0; an event without an id cannot be deduped."""
    event = letter(ADULT)
    envelope = Envelope("x", "urn:test", event.type, START)
    value = orjson.dumps({"specversion": "1.0", "source": envelope.source, "type": event.type, "data": {}})
    headers = (("content-type", b"application/cloudevents+json"),)
    record = ConsumerRecord("ehr.letters.v1", 0, 1, int(START.timestamp() * 1000), 1, b"key", value, None, 3, len(value), headers)
    said = await hub._said(await hub.work.commands(list(hub.decoder.decode("ehr.letters.v1", [record]))))
    assert classes(said) == ["malformed"] and "/id" in said[0].data["dlq-cause"]
