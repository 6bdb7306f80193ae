"""The sample day is valid, deterministic, in order, made of nobody who exists, and shows all its tables."""

import asyncio
import io
import re
import time
from collections import Counter
from datetime import date, datetime
from itertools import islice

import orjson
import pytest

from config.settings import load
from hub.sample import Event, publish, residents, residents_for, sample, sample_day, write_json_lines
from hub.sample.day import KINDS, SECTRA
from hub.sample.letters import ATTACHMENTS, CODE_OF, CODES
from hub.sample.output import record
from hub.sample.pdf import pdf
from hub.sample.people import MIX, people
from hub.sample.visits import TIME_TYPES
from pipelines.transport.outputs import Output
from schemas import events, persons
from schemas.cloudevents import decode_ndjson, decode_record
from schemas.keys import PersonKeys
from schemas.topics import TOPICS, inbound_topic, record_key

DAY = date(2026, 11, 23)
POLICY = load({}).policy
KEYS = PersonKeys({1: b"sample-test-secret-16"}, 1)


@pytest.fixture(scope="module")
def thousand() -> list[Event]:
    return list(sample(1, 1_000, DAY, POLICY))


def _documents(made: list[Event]) -> list[Event]:
    return [event for event in made if event.type == "document.submitted.v1"]


def test_every_event_is_valid_by_its_model_and_stands_on_its_topic(thousand: list[Event]) -> None:
    for event in thousand:
        events.decode(event.type, orjson.dumps(event.data))
        assert event.topic == inbound_topic(event.type, event.data.get("kind"))
        assert event.type in TOPICS[event.topic].types


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    def lines(seed: int) -> bytes:
        out = io.BytesIO()
        write_json_lines(sample(seed, 300, DAY, POLICY), out)
        return out.getvalue()

    assert lines(7) == lines(7)
    assert lines(7) != lines(8)


def test_it_counts_documents_without_their_repeats() -> None:
    made = _documents(list(sample_day(3, 777, DAY, POLICY)))
    assert len({event.data["document_id"] for event in made}) == 777
    assert len(made) > 777


def test_a_repeat_has_the_same_content(thousand: list[Event]) -> None:
    seen: dict[tuple[str, str], Event] = {}
    for event in thousand:
        first = seen.setdefault((event.source, event.id), event)
        assert first.data == event.data
    assert len(seen) < len(thousand)


def test_events_come_in_the_order_of_their_time_within_a_phase(thousand: list[Event]) -> None:
    phases = [event.phase for event in thousand]
    assert phases == sorted(phases, key=["residents", "day", "receipts"].index)
    for phase in ("day", "receipts"):
        times = [event.time for event in thousand if event.phase == phase]
        assert times == sorted(times)


def test_every_person_is_a_test_number_or_a_reserve_number() -> None:
    for resident in people(1, 2_000, 2026):
        for number in resident.numbers:
            assert persons.normalise(number) == number
            assert persons.is_fictitious(number) or persons.kind(number) == "reservnummer"


def test_nobody_has_a_number_twice() -> None:
    numbers = [number for resident in people(1, 20_000, 2026) for number in resident.numbers]
    assert len(numbers) == len(set(numbers))


def test_a_smaller_sample_of_residents_is_the_beginning_of_a_larger_one() -> None:
    few = list(residents(5, 100, 2026))
    assert few == list(islice(residents(5, 400, 2026), len(few)))


def test_every_kind_of_resident_is_there_from_the_first_on() -> None:
    assert {resident.kind.name for resident in people(2, len(MIX), 2026)} == {kind.name for kind in MIX}


def test_ages_hold_all_through_the_year() -> None:
    for resident in people(1, 3_000, 2026):
        if resident.born is not None:
            ages = {persons.age(resident.born, on) for on in (date(2026, 1, 1), date(2026, 12, 31))}
            limits = {(age >= 13) + (age >= 18) for age in ages}
            assert len(limits) == 1
            assert limits == {(resident.kind.age[0] >= 13) + (resident.kind.age[0] >= 18)}


def test_guardians_and_proxies_are_adults_with_an_open_account() -> None:
    made = people(1, 3_000, 2026)
    by_number = {resident.pid: resident for resident in made}
    agents = [by_number[agent] for resident in made for agent in resident.agents]
    assert agents
    assert all(agent.kind.account == "active" and agent.kind.age[0] >= 18 for agent in agents)
    assert any(len(resident.agents) == 2 for resident in made)


def test_a_thousand_documents_show_every_row_of_the_tables(thousand: list[Event]) -> None:
    documents = [event.data for event in _documents(thousand)]
    wanted = {(row.kind, row.source, row.dispatch, row.own_booking) for row in KINDS}
    assert {(d["kind"], d["source_system"], d["dispatch"], "booking_id" in d) for d in documents} == wanted
    names = {tuple(a["name"] for a in d["attachments"]) for d in documents}
    assert names == {tuple(a["name"] for a in row.attachments) for row in ATTACHMENTS}
    assert {d["body_format"] for d in documents} == {"text", "html"}
    bookings = [event.data for event in thousand if event.type == "booking.changed.v1"]
    assert {b["time_type"]["name"] for b in bookings} == {row.name for row in TIME_TYPES}
    assert {b["status"] for b in bookings} == {"booked", "rebooked", "cancelled", "arrived"}
    assert any(b["journal_blocked"] for b in bookings)
    assert any("till_registered_at" in b for b in bookings)
    meetings = [b for b in bookings if b["time_type"]["video"] == "group"]
    groups = Counter((b["unit"], b["start"], b["resource"]["id"]) for b in meetings)
    assert max(groups.values()) > 1
    assert any(event.source == SECTRA for event in thousand)
    assert any(event.type == "time_type.changed.v1" for event in thousand)
    assert any(event.type == "document.read.v1" for event in thousand)


def test_a_newer_version_may_overtake_and_a_kallelse_may_overtake_its_booking(thousand: list[Event]) -> None:
    newest: dict[str, int] = {}
    backwards = 0
    booked: set[str] = set()
    overtaken = 0
    for event in thousand:
        if event.type == "booking.changed.v1":
            backwards += newest.get(event.data["booking_id"], 0) > event.data["version"]
            newest[event.data["booking_id"]] = event.data["version"]
            booked.add(event.data["booking_id"])
        elif "booking_id" in event.data:
            overtaken += event.data["booking_id"] not in booked
    assert backwards
    assert overtaken


@pytest.mark.parametrize("row", CODES, ids=lambda row: row.name)
def test_a_control_code_is_written_as_its_row_says(row: object, thousand: list[Event]) -> None:
    """By the words of CONTRACTS section 3 ("How a control code is judged"), not by the hub's own rule."""
    found = Counter(_judged(event.data) for event in _documents(thousand) if event.data["kind"] != "kallelse")
    assert found[row.name] > 3  # type: ignore[attr-defined]


def _judged(data: dict[str, str]) -> str:
    right = CODE_OF[data["kind"]]
    other = next(code for kind, code in CODE_OF.items() if kind != data["kind"])
    if right in data["footer"]:
        return "right"
    if other in data["footer"]:
        return "control_code_other_kind"
    if right in data["body"]:
        return "control_code_outside_footer"
    bare = re.sub(r"\s", "", data["footer"] + data["body"]).upper()
    if right in bare:
        return "control_code_malformed"
    return "control_code_unknown" if "[4US:" in bare else "control_code_missing"


def test_only_units_that_the_source_may_send_for_get_documents(thousand: list[Event]) -> None:
    for event in _documents(thousand):
        source = POLICY.source(event.data["source_system"])
        assert source is not None
        assert source.may_send(event.data["kind"], event.data["unit"])
        assert event.data["kind"] in POLICY.units[event.data["unit"]].active


def test_a_child_is_cared_for_where_children_are_and_pictures_come_from_where_they_are_taken(thousand: list[Event]) -> None:
    residents_ = {number: each for each in people(1, residents_for(1_000), DAY.year) for number in each.numbers}
    for event in _documents(thousand):
        child = residents_[event.data["patient"]].kind.age[1] < 18
        wanted = "Röntgen" if event.source == SECTRA else "Barn" if child else ""
        assert event.data["unit_name"].startswith(wanted)
        if not wanted:
            assert not event.data["unit_name"].startswith(("Barn", "Röntgen"))


def test_a_day_without_a_unit_to_send_for_is_refused() -> None:
    nobody = load({}).policy
    empty = type(nobody)({}, {}, nobody.sources, nobody.limits, "v")
    with pytest.raises(ValueError, match="no unit of the settings"):
        next(sample_day(1, 10, DAY, empty))


def test_visits_lie_ahead_in_office_hours_on_weekdays(thousand: list[Event]) -> None:
    for event in thousand:
        if event.type == "booking.changed.v1":
            start = datetime.fromisoformat(event.data["start"])
            assert start.date() > DAY
            assert start.weekday() < 5
            assert 8 <= start.hour < 17


def test_receipts_are_about_documents_that_their_reader_can_have(thousand: list[Event]) -> None:
    documents = {event.data["document_id"]: event.data for event in _documents(thousand)}
    readers = {resident.pid: resident for resident in people(1, residents_for(1_000), DAY.year)}
    for event in thousand:
        if event.type == "document.read.v1":
            assert documents[event.data["document_id"]]["dispatch"] == "e-brev"
            assert event.data["read_by"] in readers[event.data["patient"]].readers


def test_json_lines_are_cloudevents_that_the_gateway_reads(thousand: list[Event]) -> None:
    out = io.BytesIO()
    assert write_json_lines(thousand[:500], out) == 500
    for (envelope, data), event in zip(decode_ndjson(out.getvalue()), thousand, strict=False):
        assert (envelope.id, envelope.type, envelope.time) == (event.id, event.type, event.time)
        assert orjson.loads(data) == event.data


def test_a_record_is_keyed_by_the_opaque_key_and_shows_no_person_number(thousand: list[Event]) -> None:
    for event in thousand[:300]:
        made = record(event, KEYS)
        envelope, data = decode_record(made.headers, made.value or b"")
        assert made.key.decode() == record_key(event.type, event.data, KEYS.key(event.patient), KEYS)
        assert KEYS.key(event.patient) == envelope.partitionkey
        assert orjson.loads(data) == event.data
        assert event.patient not in str((made.key, made.headers))


class _Kafka:
    """Acknowledges what it gets a moment later, in order."""

    def __init__(self) -> None:
        self.acknowledged: list[Output] = []

    def send_many(self, outputs: list[Output]) -> "asyncio.Task[None]":
        async def later() -> None:
            await asyncio.sleep(0)
            self.acknowledged += outputs

        return asyncio.create_task(later())


async def test_publish_waits_between_the_phases_until_all_of_one_is_acknowledged(thousand: list[Event]) -> None:
    kafka, told, seen = _Kafka(), list[int](), list[tuple[str, int]]()

    async def between(phase: str) -> None:
        seen.append((phase, len(kafka.acknowledged)))

    count = await publish(thousand, kafka, KEYS, progress=told.append, between=between)  # type: ignore[arg-type]
    assert count == sum(told) == len(kafka.acknowledged) == len(thousand)
    phases = Counter(event.phase for event in thousand)
    day = phases["residents"] + phases["day"]
    assert seen == [("residents", phases["residents"]), ("day", day), ("receipts", len(thousand))]


def test_twenty_thousand_events_are_made_in_a_second_of_processor_time() -> None:
    began = time.process_time()
    count = sum(1 for _ in sample(1, 20_000, DAY, POLICY))
    assert count / (time.process_time() - began) > 20_000


def test_a_pdf_of_ours_has_its_objects_where_its_table_says() -> None:
    data = pdf("Rad (ett)", "å ä ö \\")
    start = int(re.findall(rb"startxref\n(\d+)\n", data)[0])
    assert data[start : start + 4] == b"xref"
    for number, place in enumerate(re.findall(rb"(\d{10}) 00000 n", data), 1):
        assert data[int(place) :].startswith(b"%d 0 obj" % number)
    length = int(re.findall(rb"/Length (\d+)", data)[0])
    assert data.split(b"stream\n")[1][length:].startswith(b"\nend")
