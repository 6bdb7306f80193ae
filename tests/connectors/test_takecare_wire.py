"""TakeCare's XML: real bytes beside what they mean, and everything that can be wrong with them."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.takecare.encode import encode
from connectors.takecare.fields import NAMESPACE
from connectors.takecare.wire import decode, decode_event, field_path
from schemas import xml
from schemas.errors import Malformed
from schemas.events import decode as decode_data

GOLDEN = Path(__file__).parents[1] / "golden" / "takecare"
PAIRS = sorted(path.stem for path in GOLDEN.glob("*.xml"))
CONTRACT = Path(xml.__file__).parent / "contracts" / "takecare-events.xsd"
BOOKINGS = (GOLDEN / "bookings.xml").read_text()
LETTERS = (GOLDEN / "letters.xml").read_text()


@pytest.mark.parametrize("name", PAIRS)
def test_the_bytes_mean_what_stands_beside_them(name: str) -> None:
    found = decode_event((GOLDEN / f"{name}.xml").read_bytes())
    assert [list(each) for each in found] == json.loads((GOLDEN / f"{name}.json").read_text())
    for ce_type, data in found:
        decode_data(ce_type, json.dumps(data))


@pytest.mark.parametrize("name", PAIRS)
def test_what_is_written_follows_the_contract_and_reads_as_it_was(name: str) -> None:
    events = [(ce_type, data) for ce_type, data in json.loads((GOLDEN / f"{name}.json").read_text())]
    written = encode(events, time="20260302101501")
    xml.Schema(CONTRACT).check(xml.parse(written))
    assert decode_event(written) == events


@pytest.mark.parametrize("name", ["bookings", "time-types"])
def test_the_golden_messages_follow_the_contract(name: str) -> None:
    """`letters` writes the code `e-Brev` as the users know it, which is tolerated beside the contract's `E-BREV`."""
    body = xml.parse((GOLDEN / f"{name}.xml").read_bytes()).find(".//{http://schemas.xmlsoap.org/soap/envelope/}Body")
    assert body is not None
    xml.Schema(CONTRACT).check(xml.parse(xml.serialise(body[0])))


def test_the_same_content_has_the_same_id_and_other_content_another() -> None:
    (one,), (again,) = decode(BOOKINGS.encode()), decode(BOOKINGS.encode())
    (other,) = decode(BOOKINGS.replace("<Version>3<", "<Version>4<").encode())
    assert one.id == again.id != other.id


WRONG: dict[str, tuple[str, str, str, str]] = {
    "an ISO time": (BOOKINGS, ">202603150930<", ">2026-03-15T09:30<", "/Booking[1]/StartTime"),
    "ten digits": (BOOKINGS, ">202603150930<", ">2026031509<", "/Booking[1]/StartTime"),
    "a thirteenth month": (BOOKINGS, ">202603150930<", ">202613150930<", "/Booking[1]/StartTime"),
    "an end before the start": (BOOKINGS, ">202603151000<", ">202603150900<", "/Booking[1]/EndTime"),
    "no end": (BOOKINGS, "<EndTime>202603151000</EndTime>", "", "/Booking[1]/EndTime"),
    "two starts": (BOOKINGS, "<EndTime>", "<StartTime>202603150930</StartTime><EndTime>", "/Booking[1]/StartTime"),
    "an unknown status": (BOOKINGS, ">REBOOKED<", ">MAYBE<", "/Booking[1]/BookingStatus"),
    "a flag that is none": (BOOKINGS, "<TimeTypeHidden>0<", "<TimeTypeHidden>nej<", "/Booking[1]/TimeTypeHidden"),
    "no time type": (BOOKINGS, "<TimeTypeId>12</TimeTypeId>", "", "/Booking[1]/TimeTypeId"),
    "no unit": (BOOKINGS, ' CareUnitId="SE2321000016-A1"', "", "/Bookings/@CareUnitId"),
    "another kind of unit id": (BOOKINGS, '"hsaid"', '"kombika"', "/Bookings/@CareUnitIdType"),
    "a version that is no number": (BOOKINGS, ">3</Version>", ">-3</Version>", "/Booking[1]/Version"),
    "markup in a text": (BOOKINGS, "<PatientReason>", "<PatientReason><b/>", "/Booking[1]/PatientReason"),
    "an unknown dispatch": (LETTERS, ">PAPPER<", ">DUVA<", "/Letter[2]/Dispatch"),
    "another list than the operation's": (LETTERS, "Letters CareUnit", "Bookings CareUnit", ""),
    "no message": (BOOKINGS, "ProfdocHISMessage", "OtherMessage", "/PublishBookings/OtherMessage"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_named_by_its_path_and_never_quoted(what: str) -> None:
    text, old, new, path = WRONG[what]
    assert old in text
    with pytest.raises(Malformed) as fault:
        decode(text.replace(old, new).encode())
    assert any(error.pointer.endswith(path) for error in fault.value.errors), fault.value.errors
    assert "191212121212" not in str(fault.value)


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(Malformed) as fault:
        decode(BOOKINGS.replace(">202603150930<", ">x<").replace(">REBOOKED<", ">x<").replace(">SINGLE<", ">x<").encode())
    assert [error.pointer.rpartition("/")[2] for error in fault.value.errors] == [
        "BookingStatus",
        "StartTime",
        "TimeTypeVideo",
    ]


@pytest.mark.parametrize(
    "bomb",
    [
        '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><ProfdocHISMessage>&b;</ProfdocHISMessage>',
        '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><ProfdocHISMessage>&f;</ProfdocHISMessage>',
        '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd"><ProfdocHISMessage/>',
        "<a>" * 5_000,
        "<ProfdocHISMessage>" + "<a>" * 500 + "</a>" * 500 + "</ProfdocHISMessage>",
        "<ProfdocHISMessage>" + "<a/>" * 300_000 + "</ProfdocHISMessage>",
    ],
    ids=["entities", "external entity", "external dtd", "unclosed", "deep", "wide"],
)
def test_bombs_are_malformed_and_cheap(bomb: str) -> None:
    with pytest.raises(Malformed):
        decode(bomb.encode())


def test_the_doubled_autumn_hour_is_the_earlier_one_flagged_and_its_length_is_the_walls() -> None:
    text = BOOKINGS.replace("202603150930", "202610250230").replace("202603151000", "202610250300")
    ((ce_type, data),) = decode_event(text.encode())
    assert data["minutes"] == 30
    model: Any = decode_data(ce_type, json.dumps(data))
    assert model.start_doubled
    assert model.start.isoformat() == "2026-10-25T00:30:00+00:00"


def test_a_visit_over_the_change_to_summer_time_has_its_real_length() -> None:
    text = BOOKINGS.replace("202603150930", "202603290130").replace("202603151000", "202603290330")
    ((_, data),) = decode_event(text.encode())
    assert data["minutes"] == 60


def test_faults_found_later_are_named_as_the_sender_writes_them() -> None:
    (booking,) = decode(BOOKINGS.encode())
    letter, _ = decode(LETTERS.encode())
    assert field_path(booking, "/patient").endswith("/Booking[1]/PatientId")
    assert field_path(booking, "/time_type/name").endswith("/Booking[1]/TimeTypeName")
    assert field_path(booking, "/unit").endswith("/Booking[1]/../@CareUnitId")
    assert field_path(letter, "/attachments/0/data").endswith("/Letter[1]/Attachments/Attachment[1]/Data")
    assert field_path(letter, "/nothing") == letter.at


@given(st.binary(max_size=400))
def test_garbage_is_malformed_and_nothing_else(garbage: bytes) -> None:
    with pytest.raises(Malformed):
        decode(garbage)


@given(st.integers(0, len(LETTERS.encode()) - 1), st.binary(max_size=3))
def test_a_damaged_message_is_read_or_malformed_and_nothing_else(place: int, noise: bytes) -> None:
    whole = LETTERS.encode()
    try:
        decode(whole[:place] + noise + whole[place + len(noise) :])
    except Malformed:
        pass


def test_a_foreign_namespace_is_not_ours() -> None:
    with pytest.raises(Malformed):
        decode(BOOKINGS.replace(NAMESPACE, "urn:somebody:else").encode())
