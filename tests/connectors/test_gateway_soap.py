"""The SOAP doors over real HTTP: TakeCare's events by zeep as a client, RIV-TA notices that are pulled, every refusal."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
import requests
import zeep
from aiohttp import web
from zeep.transports import Transport

from connectors.gateway.options import Limits
from connectors.rivta.client import BookingSource
from schemas import xml
from schemas.events import decode
from tests.connectors.gateway_support import KEYS, running

GOLDEN = Path(__file__).parents[1] / "golden"
BOOKINGS = (GOLDEN / "takecare" / "bookings.xml").read_bytes()
LETTERS = (GOLDEN / "takecare" / "letters.xml").read_bytes()
TIME_TYPES = (GOLDEN / "takecare" / "time-types.xml").read_bytes()
NOTIFICATION = (GOLDEN / "rivta" / "processnotification.xml").read_bytes()
CONFIRMATION = (GOLDEN / "rivta" / "processrequestconfirmation.xml").read_bytes()
DETAILS = (GOLDEN / "rivta" / "getbookingdetails-answer.xml").read_bytes()
XML = "text/xml; charset=utf-8"
UNIT = b'<c:careUnitId extension="SE2321000016-B2"/>'
SOAP_1_1 = b"http://schemas.xmlsoap.org/soap/envelope/"
NOTIFY = "/riv/processnotification"
CONFIRM = "/riv/processrequestconfirmation"
FAULT = "{urn:care-hub:takecare-events:1}"


def faults(body: bytes) -> dict[str, str]:
    """Field and reason of every error of a SOAP fault."""
    return {node.findtext(f"{FAULT}Field") or "": node.findtext(f"{FAULT}Reason") or "" for node in xml.parse(body).iter(f"{FAULT}Error")}


def code(body: bytes) -> str:
    found = xml.parse(body).find(".//faultcode")
    assert found is not None
    return found.text or ""


@pytest.mark.parametrize(("message", "events"), [(BOOKINGS, 1), (LETTERS, 2), (TIME_TYPES, 1)])
async def test_takecares_events_are_in_the_log_before_the_answer(message: bytes, events: int) -> None:
    async with running() as gateway:
        answer = await gateway.post("/takecare", message, XML)
        assert answer.status == 200, answer.text
        assert len(gateway.log.records) == events
        for record in gateway.log.records:
            headers = dict(record.headers)
            assert headers["ce_source"] == b"/ehr/takecare"
            decode(headers["ce_type"].decode(), record.value)
        told = [node.text for node in xml.parse(answer.body).iter(f"{FAULT}EventId")]
        assert told == [dict(record.headers)["ce_id"].decode() for record in gateway.log.records]


async def test_the_same_message_again_is_the_same_events() -> None:
    async with running() as gateway:
        for _ in range(2):
            assert (await gateway.post("/takecare", LETTERS, XML)).status == 200
        assert len({dict(record.headers)["ce_id"] for record in gateway.log.records}) == 2


async def test_a_soap_client_reads_our_contract_and_speaks_it() -> None:
    """zeep, from `?wsdl` on, as a sender would use it."""

    def as_sender(url: str) -> Any:
        session = requests.Session()
        session.headers["Authorization"] = "Bearer ehr-takecare"
        with session:
            client = zeep.Client(f"{url}/takecare?wsdl", transport=Transport(session=session))
            return client.service.PublishTimeTypes(
                ProfdocHISMessage={
                    "Time": "20260302101504",
                    "TimeTypes": [
                        {
                            "CareUnitId": "SE2321000016-A1",
                            "TimeType": [
                                {
                                    "TimeTypeId": "12",
                                    "TimeTypeName": "Videobesök",
                                    "TimeTypeHidden": "1",
                                    "TimeTypeVideo": "GROUP",
                                    "UpdatedTime": "202603021017",
                                }
                            ],
                        }
                    ],
                }
            )

    async with running() as gateway:
        answer = await asyncio.to_thread(as_sender, gateway.url)
        assert answer.Accepted == 1
        assert len(gateway.log.records) == 1


async def test_the_contracts_are_served_and_import_each_other() -> None:
    async with running() as gateway:
        for path in ("/takecare", NOTIFY, CONFIRM):
            answer = await gateway.get(f"{path}?wsdl", client="")
            assert answer.status == 200
            assert f'location="{gateway.url}{path}"' in answer.text
            client = await asyncio.to_thread(zeep.Client, f"{gateway.url}{path}?wsdl")
            assert client.service._operations
        assert (await gateway.get("/takecare?xsd=../secrets", client="")).status == 404


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        (b"191212121212", b"191212121213", "/Booking[1]/PatientId"),
        (b"202603150930", b"202603290230", "/Booking[1]/StartTime"),
        (b"202603150930", b"2026-03-15", "/Booking[1]/StartTime"),
        (b"SE2321000016-A1", b"nothing", "/Booking[1]/../@CareUnitId"),
    ],
)
async def test_a_wrong_field_is_a_fault_that_names_it_in_the_senders_words(old: bytes, new: bytes, path: str) -> None:
    async with running() as gateway:
        answer = await gateway.post("/takecare", BOOKINGS.replace(old, new), XML)
        assert (answer.status, code(answer.body)) == (500, "soap:Client")
        assert any(field.endswith(path) for field in faults(answer.body)), answer.text
        assert new not in answer.body or new == b"nothing"
        assert gateway.log.records == []


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"not xml", "soap:Client"),
        (b"<a/>", "soap:Client"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "soap:Client"),
        (BOOKINGS.replace(b"PublishBookings", b"EraseBookings"), "soap:Client"),
        (BOOKINGS.replace(SOAP_1_1, b"http://www.w3.org/2003/05/soap-envelope"), "soap:VersionMismatch"),
        (
            BOOKINGS.replace(b"<soap:Body>", b'<soap:Header><x xmlns="urn:x" soap:mustUnderstand="1"/></soap:Header><soap:Body>'),
            "soap:MustUnderstand",
        ),
    ],
)  # fmt: skip
async def test_what_is_no_message_of_ours_is_a_fault(body: bytes, fault: str) -> None:
    async with running() as gateway:
        answer = await gateway.post("/takecare", body, XML)
        assert (answer.status, code(answer.body)) == (500, fault)


async def test_http_refusals_keep_their_status_and_are_faults_too() -> None:
    limits = Limits(body_bytes_max=len(LETTERS) - 1, publish_timeout_s=0.2, idle_timeout_s=5)
    async with running(limits) as gateway:
        assert (await gateway.post("/takecare", LETTERS, XML)).status == 413
        assert (await gateway.post("/takecare", BOOKINGS, "application/json")).status == 415
        assert (await gateway.post("/takecare", BOOKINGS, XML, client="bad")).status == 401
        refused = await gateway.post("/takecare", BOOKINGS, XML, client="ehr-sectra")
        assert refused.status == 403
        foreign = await gateway.post("/takecare", BOOKINGS.replace(b"SE2321000016-A1", b"SE5560000001-G7"), XML)
        assert foreign.status == 403
        assert next(iter(faults(foreign.body))).endswith("/../@CareUnitId")
        gateway.log.silent = True
        away = await gateway.post("/takecare", BOOKINGS, XML)
        assert (away.status, code(away.body), "Retry-After" in away.headers) == (503, "soap:Server", True)


@asynccontextmanager
async def ehr(answer: Callable[[bytes], tuple[int, bytes]]) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A booking source on a port of its own; gives its URL and what it was asked."""
    asked: list[bytes] = []

    async def handle(request: web.Request) -> web.Response:
        asked.append(await request.read())
        status, body = answer(asked[-1])
        return web.Response(status=status, body=body, content_type="text/xml")

    app = web.Application()
    app.router.add_post("/", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/", asked
    finally:
        await runner.cleanup()


@asynccontextmanager
async def source_of(url: str) -> AsyncIterator[BookingSource]:
    source = BookingSource({"SE2321000016-A1": url}, 1.0)
    try:
        yield source
    finally:
        await source.close()


ONE = (
    NOTIFICATION[: NOTIFICATION.index(b"  <p:engagementTransaction>", 600)] + b"</p:ProcessNotification></soapenv:Body></soapenv:Envelope>"
)
DELETED = ONE.replace(b"<c:deleteFlag>false", b"<c:deleteFlag>true")


def result(body: bytes) -> tuple[str, str]:
    root = xml.parse(body)
    ns = "{urn:riv:itintegration:engagementindex:ProcessNotificationResponder:1}"
    return root.findtext(f".//{ns}ResultCode") or "", root.findtext(f".//{ns}comment") or ""


async def test_a_notice_is_answered_ok_when_the_booking_was_pulled_and_is_in_the_log() -> None:
    async with ehr(lambda _: (200, DETAILS)) as (url, asked), source_of(url) as source, running(booking_source=source) as gateway:
        answer = await gateway.post(NOTIFY, ONE, XML)
        assert (answer.status, result(answer.body)) == (200, ("OK", "")), answer.text
        (record,) = gateway.log.records
    assert b"bok-1" in asked[0]
    data = orjson.loads(record.value)
    assert (data["booking_id"], data["status"], data["start"]) == ("bok-1", "rebooked", "2026-03-15T09:30:00")
    assert record.topic == "ehr.bookings.v1"
    assert record.key == KEYS.key("191212121212").encode()


async def test_a_removed_booking_is_cancelled_with_what_its_source_still_says_or_with_nothing() -> None:
    for status, body in ((200, DETAILS), (500, DETAILS.replace(b"GetBookingDetailsResponse", b"Nothing"))):
        async with (
            ehr(lambda _, a=(status, body): a) as (url, _),
            source_of(url) as source,
            running(booking_source=source) as gateway,
        ):
            answer = await gateway.post(NOTIFY, DELETED, XML)
            assert result(answer.body)[0] == "OK", answer.text
            data = orjson.loads(gateway.log.records[0].value)
            assert data["status"] == "cancelled"
            assert data["time_type"]["hidden"] is (status == 500)


async def test_notices_about_other_things_are_told_as_information() -> None:
    async with ehr(lambda _: (200, DETAILS)) as (url, _), source_of(url) as source, running(booking_source=source) as gateway:
        answer = await gateway.post(NOTIFY, NOTIFICATION, XML)
        assert result(answer.body)[0] == "INFO"
        assert len(gateway.log.records) == 2


async def test_while_source_or_log_is_away_the_index_hears_a_technical_fault_and_repeats() -> None:
    """A logical ERROR would be the end of the notice; a fault leaves it in the index's own queue."""
    async with ehr(lambda _: (503, b"")) as (url, _), source_of(url) as source, running(booking_source=source) as gateway:
        answer = await gateway.post(NOTIFY, ONE, XML)
        assert (answer.status, code(answer.body)) == (503, "soap:Server")
        assert gateway.log.records == []
    async with ehr(lambda _: (200, DETAILS)) as (url, _), source_of(url) as source, running(booking_source=source) as gateway:
        gateway.log.silent = True
        assert (await gateway.post(NOTIFY, ONE, XML)).status == 503
        gateway.log.wake()
        assert result((await gateway.post(NOTIFY, ONE, XML)).body)[0] == "OK"
        assert len({dict(record.headers)["ce_id"] for record in gateway.log.records}) == 1


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        (b"<c:logicalAddress>SE2321000016-A1", b"<c:logicalAddress>SE2321000016-Z9", "no_source"),
        (b">191212121212<", b">199001012385<", "subject_of_care"),
        (b"<c:deleteFlag>false", b"<c:deleteFlag>maybe", "deleteFlag"),
        (b">20260302101500<", b">yesterday<", "updateTime"),
    ],
)
async def test_a_wrong_notice_is_error_with_the_field_and_nothing_is_taken(old: bytes, new: bytes, named: str) -> None:
    async with ehr(lambda _: (200, DETAILS)) as (url, _), source_of(url) as source, running(booking_source=source) as gateway:
        answer = await gateway.post(NOTIFY, ONE.replace(old, new), XML)
        assert result(answer.body)[0] == "ERROR"
        assert named in result(answer.body)[1]
        assert gateway.log.records == []


def confirmed(body: bytes) -> tuple[str, str]:
    ns = "{urn:riv:clinicalprocess:activity:request:2}"
    root = xml.parse(body)
    return root.findtext(f".//{ns}resultCode") or "", root.findtext(f".//{ns}message") or ""


async def test_a_received_referral_becomes_a_document() -> None:
    async with running() as gateway:
        answer = await gateway.post(CONFIRM, CONFIRMATION, XML)
        assert confirmed(answer.body) == ("OK", ""), answer.text
        (record,) = gateway.log.records
    assert record.topic == "ehr.referrals.v1"
    assert orjson.loads(record.value)["source_system"] == "rivta"


@pytest.mark.parametrize("other", [b"VID", b"KOM", b"AVB", b"AVV"])
async def test_other_answers_to_a_referral_are_not_for_the_patient(other: bytes) -> None:
    async with running() as gateway:
        answer = await gateway.post(CONFIRM, CONFIRMATION.replace(b'"BEK"', b'"' + other + b'"'), XML)
        assert confirmed(answer.body)[0] == "INFO"
        assert gateway.log.records == []


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        (b'"191212121212"', b'"191212121213"', "patient/personId/@extension"),
        (UNIT + b"<c:careUnitName>", UNIT.replace(b"SE2321000016-B2", b"SE5560000001-G7") + b"<c:careUnitName>", "careUnitId"),
    ],
)  # fmt: skip
async def test_a_wrong_confirmation_is_a_validation_error(old: bytes, new: bytes, field: str) -> None:
    async with running() as gateway:
        answer = await gateway.post(CONFIRM, CONFIRMATION.replace(old, new), XML)
        assert confirmed(answer.body)[0] == "ERROR"
        assert field in confirmed(answer.body)[1]
        assert gateway.log.records == []


async def test_a_client_without_a_source_may_not_send_over_riv() -> None:
    async with running() as gateway:
        answer = await gateway.post(CONFIRM, CONFIRMATION, XML, client="app")
        assert confirmed(answer.body)[0] == "ERROR"
        assert gateway.log.records == []
