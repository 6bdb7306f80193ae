"""Delivery reports of SMS: read strictly, taken at the gateway's own door, whatever their order and number."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from connectors.gateway.callbacks import FORM, JSON
from connectors.gateway.options import Limits
from connectors.sandbox.sms import GATE, PARTNER, PASSWORD, PLATFORM, SMS, USERNAME
from connectors.sms.client import Elks46, LinkMobility
from connectors.sms.reports import BODY_BYTES_MAX, Report, read_link_report, read_report
from connectors.sms.wire import Sender
from schemas.callback import callback_token
from schemas.cloudevents import decode_record
from schemas.errors import Malformed
from schemas.events import DeliveryAnswered, decode
from tests.connectors.contract.sms_case import NOTIFICATION, TEXT
from tests.connectors.gateway_support import CALLBACK_SECRET, Answer, Gateway, until
from tests.connectors.gateway_support import running as gateway_running
from tests.connectors.sandbox_support import Running
from tests.connectors.sandbox_support import running as sandbox_running

ID = "s3f9c2d1e0b7a48569cdef0123456789a"
AT = datetime(2026, 3, 2, 9, 15, 3, 120_000, tzinfo=UTC)
DELIVERED = f"id={ID}&status=delivered&delivered=2026-03-02T09%3A15%3A03.120000".encode()
FAILED = f"id={ID}&status=failed".encode()
SENT = f"id={ID}&status=sent".encode()


# --- reading --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "report"),
    [
        (DELIVERED, Report(ID, "delivered", AT)),
        (FAILED, Report(ID, "failed")),
        (SENT, Report(ID, "sent")),
        (SENT + b"&from=Varden&price=", Report(ID, "sent")),
        (DELIVERED.replace(b".120000", b".12Z"), Report(ID, "delivered", AT)),
    ],
)
def test_a_report_means_what_stands_beside_it(body: bytes, report: Report) -> None:
    assert read_report(body) == report


BAD = [
    b"", b"id", b"&&", b"{}", b"\xff=1", b"id=%FF&status=sent", b"status=sent", b"id=&status=sent", FAILED[:-1], SENT.upper(),
    b"id=a b&status=sent", f"id={ID}&status=delivered".encode(), DELIVERED[:-8] + b"x", DELIVERED.replace(b"-02T", b"-32T"),
    DELIVERED.replace(b"2026", b"0001"), SENT + b"&status=delivered", SENT + b"&x=" + b"y" * BODY_BYTES_MAX,
    b"&".join(b"f%d=1" % number for number in range(30)), f"id={'x' * 65}&status=sent".encode(),
]  # fmt: skip


@pytest.mark.parametrize("body", BAD)
def test_a_report_that_is_not_quite_right_is_malformed_and_its_content_is_not_told(body: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        read_report(body)
    assert ID not in str(caught.value)


@given(st.binary(max_size=60) | st.text(alphabet="idstatu=&%+ently0", max_size=60).map(str.encode))
def test_any_bytes_are_a_report_or_malformed(body: bytes) -> None:
    try:
        assert read_report(body).status in ("sent", "delivered", "failed")
    except Malformed:
        pass


# --- the door -------------------------------------------------------------------------------------------------------------


def path_of(notification: UUID = NOTIFICATION, secret: bytes = CALLBACK_SECRET) -> str:
    return f"/callbacks/sms/{callback_token(notification, secret)}"


async def post(gateway: Gateway, body: bytes, path: str | None = None, content_type: str = FORM) -> Answer:
    return await gateway.post(path or path_of(), body, content_type, client="")


def answered(gateway: Gateway) -> list[tuple[str, DeliveryAnswered]]:
    """What `receipts.v1` got: each event's id with its data, checked by its model."""
    found = []
    for record in gateway.log.records:
        envelope, data = decode_record(record.headers, record.value)
        model = decode(envelope.type, data)
        assert isinstance(model, DeliveryAnswered) and model.channel == "sms" and record.topic == "receipts.v1"
        assert record.key == record.partition_key == str(NOTIFICATION).encode() == model.delivery_id.encode()
        found.append((envelope.id, model))
    return found


def outcomes(gateway: Gateway) -> set[tuple[str, str]]:
    """Id and outcome of each event, however often it came."""
    return {(name, model.outcome) for name, model in answered(gateway)}


async def test_a_report_is_an_answer_to_its_notification() -> None:
    async with gateway_running() as gateway:
        assert (await post(gateway, DELIVERED)).status == 204
        assert (await post(gateway, FAILED)).status == 204
        (one, accepted), (two, refused) = answered(gateway)
    assert (accepted.outcome, accepted.code, accepted.at) == ("accepted", "delivered", AT)
    assert (refused.outcome, refused.code) == ("refused", "failed")
    assert one != two


async def test_that_a_text_was_sent_settles_nothing() -> None:
    async with gateway_running() as gateway:
        assert (await post(gateway, SENT)).status == 204
        assert answered(gateway) == []


async def test_the_same_report_again_is_the_same_event() -> None:
    async with gateway_running() as gateway:
        for body in (DELIVERED, DELIVERED, SENT, DELIVERED.replace(b"03.12", b"04.12")):
            assert (await post(gateway, body)).status == 204
        assert len(answered(gateway)) == 3 and len(outcomes(gateway)) == 1


@pytest.mark.parametrize(
    "path",
    ["/callbacks/sms/x", "/callbacks/sms/" + "A" * 64, path_of(secret=b"somebody else's secret"), path_of() + "=", "/callbacks/sms/"],
)
async def test_a_token_that_is_not_ours_finds_nothing_there(path: str) -> None:
    async with gateway_running() as gateway:
        told = await post(gateway, DELIVERED, path)
        assert (told.status, told.problem, gateway.log.records) == (404, "not-found", [])


@pytest.mark.parametrize("body", BAD)
async def test_a_report_that_cannot_be_read_is_refused(body: bytes) -> None:
    async with gateway_running() as gateway:
        told = await post(gateway, body)
        assert told.status in (400, 413)
        assert told.problem == ("malformed" if told.status == 400 else "too-large") and gateway.log.records == []


async def test_a_report_is_a_form() -> None:
    async with gateway_running() as gateway:
        assert (await post(gateway, b"{}", content_type="application/json")).problem == "unsupported-media-type"
        assert (await gateway.get(path_of(), client="")).problem == "method-not-allowed"


async def test_while_kafka_is_silent_no_report_is_taken() -> None:
    """House rule 7: 204 only after Kafka has it; the provider repeats."""
    async with gateway_running(Limits(publish_timeout_s=0.2)) as gateway:
        gateway.log.silent = True
        assert (await post(gateway, DELIVERED)).problem == "unavailable"
        gateway.log.wake()
        await until(lambda: gateway.publisher.ready)
        assert (await post(gateway, DELIVERED)).status == 204
        assert len(outcomes(gateway)) == 1


async def test_no_path_of_a_report_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The path is the credential."""
    caplog.set_level(logging.DEBUG)
    token = path_of().rpartition("/")[2]
    with capture_logs() as logged:
        async with gateway_running() as gateway:
            for body in (DELIVERED, b"\xff", SENT):
                await post(gateway, body)
            gateway.log.failing = True
            assert (await post(gateway, DELIVERED)).status == 503
    assert token not in caplog.text and token not in str(logged) and logged


# --- LINK Mobility's reports ----------------------------------------------------------------------------------------------


def link_report(code: Any, **changes: Any) -> bytes:
    """A report as their documentation shows one."""
    token = path_of().rpartition("/")[2]
    told = {
        "refId": token, "id": "Dcshuhod0PMAAAFQ+/PbnR3x", "operator": "se.telia", "sentTimestamp": "2026-03-02T09:15:01Z",
        "timestamp": "2026-03-02T09:15:03Z", "resultCode": code, "operatorResultCode": "2", "segments": 1,
        "gateCustomParameters": {}, "customParameters": {"received": "2026-03-02 10:15:04"},
    }  # fmt: skip
    return orjson.dumps(told | changes)


@pytest.mark.parametrize(
    ("code", "status"),
    [(1001, "delivered"), (1007, "delivered"), (1000, "sent"), (1012, "sent"), (4, "sent"), (1010, "sent"), (0, "failed"),
     (1002, "failed"), (1009, "failed"), (2106, "failed"), (4007, "failed")],
)  # fmt: skip
def test_each_result_code_means_delivered_failed_or_nothing_yet(code: int, status: str) -> None:
    token, report = read_link_report(link_report(code))
    assert token in path_of() and report.status == status
    assert report.delivered == (AT.replace(microsecond=0) if status == "delivered" else None)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [(link_report(1001, refId=None), "/refId"), (link_report(1001, id=""), "/id"), (link_report(1001, timestamp="then"), "/timestamp"),
     (link_report(1005), "/resultCode"), (link_report(True), "/resultCode"), (link_report("1001"), "/resultCode"), (b"[]", ""), (b"{", ""),
     (b"\xff", ""), (link_report(1001, operator="x" * BODY_BYTES_MAX), "")],
)  # fmt: skip
def test_a_report_of_link_mobility_that_is_not_right_is_malformed(body: bytes, pointer: str) -> None:
    with pytest.raises(Malformed) as caught:
        read_link_report(body)
    assert [error.pointer for error in caught.value.errors] == [pointer]


LINK_PATH = "/callbacks/sms/linkmobility"


async def test_reports_of_link_mobility_go_to_one_address_and_name_their_text_by_our_token() -> None:
    async with gateway_running() as gateway:
        for code in (1000, 1001, 1001, 2106):
            assert (await post(gateway, link_report(code), LINK_PATH, JSON)).status == 200  # no other is an acknowledgement to them
        assert {outcome for _, outcome in outcomes(gateway)} == {"accepted", "refused"} and len(outcomes(gateway)) == 2


async def test_a_report_of_link_mobility_about_a_text_that_is_not_ours_finds_nothing_there() -> None:
    async with gateway_running() as gateway:
        for body in (link_report(1001, refId="9ui5kKL"), link_report(1001, refId=path_of(secret=b"somebody else's secret")[-64:])):
            told = await post(gateway, body, LINK_PATH, JSON)
            assert (told.status, told.problem) == (404, "not-found")
        assert (await post(gateway, DELIVERED, LINK_PATH)).problem == "unsupported-media-type"
        assert (await post(gateway, link_report(1005), LINK_PATH, JSON)).problem == "malformed"
        assert gateway.log.records == []


# --- the whole way: channel, provider, gateway ----------------------------------------------------------------------------


@dataclass
class Way:
    """A provider that reports to a gateway."""

    provider: Running
    gateway: Gateway

    async def switch(self, **switches: Any) -> None:
        async with aiohttp.request("POST", self.provider.url + "/sms/settings", data=orjson.dumps(switches)) as answer:
            assert answer.status == 200

    async def send(self) -> None:
        text = replace(TEXT, callback_url=self.gateway.url + path_of())
        async with Elks46(self.provider.url + "/sms", Sender("Varden", USERNAME, PASSWORD)) as channel:
            await channel.send(channel.encode(text), notification_id=NOTIFICATION)


    async def send_by_link(self) -> None:
        async with LinkMobility(
            self.provider.url + "/sms", Sender("Varden", USERNAME, PASSWORD), platform=PLATFORM, partner=PARTNER, gate=GATE
        ) as channel:
            sent = await channel.send(channel.encode(replace(TEXT, callback_url=path_of())), notification_id=NOTIFICATION)
            assert sent.reference


@asynccontextmanager
async def _way(directory: Path) -> AsyncIterator[Way]:
    async with gateway_running() as gateway, sandbox_running(directory, gateway.url) as provider:
        yield Way(provider, gateway)


@pytest.fixture
async def way(tmp_path: Path) -> AsyncIterator[Way]:
    async with _way(tmp_path) as made:
        yield made


async def test_a_text_is_sent_and_its_delivery_told(way: Way) -> None:
    await way.send()
    await until(lambda: bool(way.gateway.log.records))
    [(_, told)] = answered(way.gateway)
    assert (told.outcome, told.delivery_id) == ("accepted", str(NOTIFICATION))


async def test_a_text_by_link_mobility_is_sent_and_its_delivery_told(way: Way) -> None:
    await way.switch(doubled=True, reversed=True)
    await way.send_by_link()
    await until(lambda: len(way.gateway.log.records) == 2)
    assert len(outcomes(way.gateway)) == 1
    [told, _] = answered(way.gateway)
    assert (told[1].outcome, told[1].delivery_id) == ("accepted", str(NOTIFICATION))


async def test_reports_late_twice_and_in_the_wrong_order_are_one_event(way: Way) -> None:
    await way.switch(late_seconds=0.3, doubled=True, reversed=True)
    await way.send()
    assert way.gateway.log.records == []
    await until(lambda: len(way.gateway.log.records) == 2)
    assert len(outcomes(way.gateway)) == 1


async def test_a_text_that_failed_after_it_was_sent_is_refused(way: Way) -> None:
    await way.switch(failed_after_sent=True)
    await way.send()
    await until(lambda: bool(way.gateway.log.records))
    assert [told.outcome for _, told in answered(way.gateway)] == ["refused"]


async def test_a_report_that_the_gateway_could_not_take_comes_again(way: Way) -> None:
    way.gateway.log.failing = True
    await way.send()
    await until(lambda: bool(way.gateway.log.records), timeout_s=30)
    assert len(outcomes(way.gateway)) == 1


async def test_a_provider_that_stops_leaves_no_report_under_way(tmp_path: Path) -> None:
    async with _way(tmp_path) as way:
        await way.switch(late_seconds=3_600)
        await way.send()
        [task] = way.provider.app[SMS].reporting
    assert task.cancelled()


@pytest.mark.parametrize("url", ["https://hub.example/callbacks/sms/x", "http://[::1", "http://127.0.0.1.hub.example/", "x"])
async def test_reports_go_to_no_other_machine(way: Way, url: str) -> None:
    text = replace(TEXT, callback_url=url)
    async with Elks46(way.provider.url + "/sms", Sender("Varden", USERNAME, PASSWORD)) as channel:
        assert (await channel.send(channel.encode(text), notification_id=NOTIFICATION)).reference
    assert not way.provider.app[SMS].reporting
