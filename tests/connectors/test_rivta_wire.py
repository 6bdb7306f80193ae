"""RIV-TA messages: golden bytes, our own contracts, and (where they are at hand) the originals."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.rivta import bookings, confirmations, notices
from connectors.rivta.booking_details import decode_answer, encode_question
from connectors.rivta.bookings import Details
from connectors.rivta.notices import Notice
from schemas import xml
from schemas.errors import Malformed, PeerFailure, Rejected, Unavailable
from schemas.events import decode as decode_data

GOLDEN = Path(__file__).parents[1] / "golden" / "rivta"
RIV = Path(xml.__file__).parent / "contracts" / "riv"
NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
SOAP = "{http://schemas.xmlsoap.org/soap/envelope/}"


def payload(data: bytes) -> xml.Element:
    body = xml.parse(data).find(f"{SOAP}Body")
    assert body is not None
    return body[0]


def golden(name: str) -> bytes:
    return (GOLDEN / f"{name}.xml").read_bytes()


def expected(name: str):  # type: ignore[no-untyped-def]
    return json.loads((GOLDEN / f"{name}.json").read_text())


def test_a_notification_means_what_stands_beside_it() -> None:
    """Both spellings of the domain are bookings; the third transaction is about something else."""
    found, others = notices.decode_notification(payload(golden("processnotification")))
    wanted = expected("processnotification")
    assert [notice._asdict() for notice in found] == wanted["notices"]
    assert others == wanted["others"]


def test_a_confirmation_means_what_stands_beside_it() -> None:
    code, data = confirmations.decode_confirmation(payload(golden("processrequestconfirmation")))
    assert {"code": code, "data": data} == expected("processrequestconfirmation")
    decode_data("document.submitted.v1", json.dumps(data))


def test_booking_details_mean_what_stands_beside_them() -> None:
    assert decode_answer(200, golden("getbookingdetails-answer"))._asdict() == expected("getbookingdetails-answer")


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ("processnotification", "processnotification"),
        ("processrequestconfirmation", "processrequestconfirmation"),
        ("getbookingdetails", "getbookingdetails-answer"),
    ],
)
def test_the_golden_messages_follow_our_contracts(schema: str, message: str) -> None:
    xml.Schema(RIV / f"{schema}.xsd").check(xml.parse(xml.serialise(payload(golden(message)))))


def test_what_we_write_follows_our_contracts() -> None:
    question = payload(encode_question("SE2321000016-A1", "bok-1"))
    xml.Schema(RIV / "getbookingdetails.xsd").check(xml.parse(xml.serialise(question)))
    for answer in (notices.encode_answer("OK"), notices.encode_answer("ERROR", "why")):
        xml.Schema(RIV / "processnotification.xsd").check(answer)
    for answer in (
        confirmations.encode_result("OK"),
        confirmations.encode_result("ERROR", "VALIDATION_ERROR", "why"),
    ):
        xml.Schema(RIV / "processrequestconfirmation.xsd").check(answer)


def _original(pattern: str) -> Path:
    """A schema of the originals, where their folder stands beside the project; else the test is skipped."""
    folder = Path(__file__).parents[3] / "shared" / "contracts"
    found = sorted(folder.glob(pattern)) if folder.is_dir() else []
    if not found:
        pytest.skip("the original contracts are not beside the project")
    return found[0]


ORIGINALS = {
    "processnotification": "engagementindex/**/ProcessNotificationResponder_1.0.xsd",
    "processrequestconfirmation": "clinicalprocess*/v2.2-extract/ProcessRequestConfirmationResponder_2.2.xsd",
}


@pytest.mark.parametrize("name", ORIGINALS)
def test_messages_follow_the_original_contracts_too(name: str) -> None:
    original = xml.Schema(_original(ORIGINALS[name]))
    original.check(xml.parse(xml.serialise(payload(golden(name)))))
    answers = {
        "processnotification": notices.encode_answer("INFO", "why"),
        "processrequestconfirmation": confirmations.encode_result("ERROR", "VALIDATION_ERROR", "why"),
    }
    original.check(answers[name])


def test_our_question_follows_the_original_contract() -> None:
    original = xml.Schema(_original("crm-scheduling/**/GetBookingDetailsResponder_1.0.xsd"))
    original.check(xml.parse(xml.serialise(payload(encode_question("SE2321000016-A1", "bok-1")))))


@pytest.mark.parametrize("sample", ["ei-processnotification.xml", "processrequestconfirmation-2.2.xml"])
def test_messages_of_others_are_read(sample: str) -> None:
    node = payload(_original(f"samples/{sample}").read_bytes())
    if sample.startswith("ei"):
        found, _ = notices.decode_notification(node)
        assert found[0].patient == "191212121212"
    else:
        assert confirmations.decode_confirmation(node)[0] == "BEK"


def test_the_question_is_addressed_to_the_unit() -> None:
    root = xml.parse(encode_question("SE2321000016-A1", "bok-1"))
    assert root.findtext(f"{SOAP}Header/{{http://www.w3.org/2005/08/addressing}}To") == "SE2321000016-A1"


FAULT = b"""<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><e:Fault>
<faultcode>e:Server</faultcode><faultstring>no such booking</faultstring></e:Fault></e:Body></e:Envelope>"""
EMPTY = b"""<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>
<x xmlns="urn:other"/></e:Body></e:Envelope>"""


@pytest.mark.parametrize(
    ("status", "body", "failure"),
    [
        (500, FAULT, Rejected),
        (200, EMPTY, Rejected),
        (502, b"<html>Bad gateway", Unavailable),
        (200, b"", Unavailable),
        (200, b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', Unavailable),
    ],
)
def test_an_answer_that_is_none_is_one_of_the_known_failures(status: int, body: bytes, failure: type) -> None:
    with pytest.raises(failure):
        decode_answer(status, body)


@given(st.integers(0, 1500), st.binary(max_size=4))
def test_a_damaged_answer_is_read_or_a_known_failure(place: int, noise: bytes) -> None:
    whole = golden("getbookingdetails-answer")
    try:
        decode_answer(200, whole[:place] + noise + whole[place + len(noise) :])
    except PeerFailure:
        pass


NOTICE = Notice("/at", False, "191212121212", "SE2321000016-A1", "bok-1", "2026-03-15T09:30:00", None, "2026-03-02T10:15:00")
DETAILS = Details("20260315093000", "202603151000", "SE2321000016-A1", "Ort", "191212121212", "x", "7", "Dr", "1", "Ny")


def test_twelve_digits_count_to_the_minute_and_the_order_is_the_indexs() -> None:
    data = bookings.changed(NOTICE, DETAILS, NOW)
    assert (data["start"], data["minutes"], data["updated_at"]) == ("2026-03-15T09:30:00", 30, "2026-03-02T10:15:00")
    decode_data("booking.changed.v1", json.dumps(data))


@pytest.mark.parametrize(
    ("created", "updated", "deleted", "status"),
    [
        (None, "2026-03-02T10:15:00", False, "booked"),
        ("2026-03-02T10:15:00", "2026-03-02T10:15:00", False, "booked"),
        ("2026-03-01T10:15:00", "2026-03-02T10:15:00", False, "rebooked"),
        ("2026-03-01T10:15:00", "2026-03-02T10:15:00", True, "cancelled"),
    ],
)
def test_the_status_follows_from_the_notice(created: str | None, updated: str, deleted: bool, status: str) -> None:
    notice = NOTICE._replace(created=created, updated=updated, deleted=deleted)
    assert bookings.changed(notice, DETAILS, NOW)["status"] == status


def test_a_booking_that_its_source_forgot_is_cancelled_and_shown_nowhere() -> None:
    data = bookings.removed(NOTICE._replace(deleted=True), NOW)
    assert (data["status"], data["time_type"]["hidden"]) == ("cancelled", True)
    decode_data("booking.changed.v1", json.dumps(data))


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"patient": "199001012385"}, "/timeslotDetail/subject_of_care"),
        ({"starts": "2026-03-15"}, "/timeslotDetail/startTimeInclusive"),
        ({"starts": "20260329023000"}, "/timeslotDetail/startTimeInclusive"),
        ({"ends": "20260315090000"}, "/timeslotDetail/endTimeExclusive"),
    ],
)
def test_details_that_contradict_the_notice_are_refused(change: dict[str, str], pointer: str) -> None:
    with pytest.raises(Malformed) as fault:
        bookings.changed(NOTICE, DETAILS._replace(**change), NOW)
    assert [error.pointer for error in fault.value.errors] == [pointer]


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ('code="BEK"', 'code="XYZ"', "typeOfRequestConfirmation/@code"),
        ('root="1.2.752.129.2.1.3.1"', 'root="1.2.3"', "patient/personId/@root"),
        ('value="20260302101500"', 'value="2026"', "requestConfirmationTime/@value"),
        ('<c:requestConfirmationId extension="SE2321000016-B2#bek-1"/>', "", "requestConfirmationId/@extension"),
        ("<c:outcomeText>Remissen har kommit. Du får en tid inom fyra veckor.</c:outcomeText>", "", "outcomeText"),
    ],
)
def test_a_wrong_confirmation_is_named(old: str, new: str, path: str) -> None:
    text = golden("processrequestconfirmation").decode()
    assert old in text
    with pytest.raises(Malformed) as fault:
        confirmations.decode_confirmation(payload(text.replace(old, new).encode()))
    assert any(error.pointer.endswith(path) for error in fault.value.errors)
