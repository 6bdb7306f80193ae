"""TakeCare eXchange: what GetBookings tells, what of it is news, and a refresh against the stand-in with its quirks (B5)."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from connectors.peer import Answer
from connectors.sandbox.faults import Fault
from connectors.takecare_exchange.changes import Known, changes
from connectors.takecare_exchange.client import ExchangeClient
from connectors.takecare_exchange.refresh import Record, Refresher, record
from connectors.takecare_exchange.wire import Account, Booked, decode, encode
from schemas.cloudevents import decode_record
from schemas.errors import PeerFailure, Rejected, Unavailable, Uncertain
from schemas.events import BookingChanged, decode_as
from schemas.samples import SAMPLES
from tests.connectors.contract.takecare_exchange_case import ACCOUNT, AT, PATIENT, UNIT, golden
from tests.connectors.sandbox_support import ADULT, KEYS, PARENT, Running, running

START = datetime(2026, 3, 9, 9, 15, tzinfo=UTC)
BOOKED = Booked("b1", ADULT, UNIT, "Mottagningen", "2026-03-09T10:15:00", 30, "17", "Besök", "7", "Dr Prov", "Knä")
KNOWN = Known("b1", 4, ADULT, UNIT, "Mottagningen", "booked", START, 30, "17", "Besök", "7", "Dr Prov", "Knä")


# --- wire -----------------------------------------------------------------------------------------------------------------


def test_an_answer_is_read_with_its_quirks() -> None:
    """CDATA, a declaration that lies about the encoding, no namespace, twelve digits, the person before the room."""
    first, second = decode(PATIENT, UNIT, golden("getbookings"))
    assert (first.start, first.minutes, first.resource_name, first.reason) == (
        "2026-03-09T10:15:00",
        30,
        "Dr Prov",
        "Kontroll av knä & höft",
    )
    assert (second.start, second.minutes) == ("2026-10-25T02:30:00", 30)


def test_the_payload_of_a_question_has_neither_declaration_nor_namespace() -> None:
    body = encode(PATIENT, UNIT, ACCOUNT, AT).body.decode()
    payload = body[body.index("&lt;") : body.rindex("&gt;")]
    assert "?xml" not in payload and "xmlns" not in payload and 'Time="20260302110000"' in payload


def test_a_reserve_number_with_letters_is_not_asked_about() -> None:
    with pytest.raises(Rejected, match="letters_in_number"):
        encode("22700101TK12", UNIT, ACCOUNT, AT)


def test_an_error_message_is_a_refusal_with_its_code() -> None:
    with pytest.raises(Rejected) as caught:
        decode(PATIENT, UNIT, golden("error"))
    assert (caught.value.code, caught.value.detail) == ("error_message", "3001")


@pytest.mark.parametrize(("patient", "unit", "code"), [(PARENT, UNIT, "another_person"), (PATIENT, "SE2321000016-B2", "another_unit")])
def test_anothers_bookings_are_no_answer(patient: str, unit: str, code: str) -> None:
    with pytest.raises(Rejected, match=code):
        decode(patient, unit, golden("getbookings"))


def test_an_answer_without_bookings_is_none() -> None:
    answer = golden("getbookings")
    begin, end = answer.body.index(b"<Booking>"), answer.body.rindex(b"</Booking>") + len(b"</Booking>")
    assert decode(PATIENT, UNIT, Answer(200, answer.body[:begin] + answer.body[end:], answer.headers)) == ()


# --- changes --------------------------------------------------------------------------------------------------------------


def known(**more: Any) -> Mapping[str, Known]:
    return {"b1": KNOWN._replace(**more)}


def test_a_booking_the_hub_has_not_is_told_as_older_than_anything_a_push_says() -> None:
    """B5, B6."""
    (event,) = changes([BOOKED], {}, AT, polled=False).events
    assert (event["version"], event["status"], event["start"]) == (0, "booked", "2026-03-09T10:15:00")


@pytest.mark.parametrize("polled", [True, False])
def test_equal_means_the_same_and_is_told_to_nobody(polled: bool) -> None:
    assert changes([BOOKED], known(), AT, polled=polled).events == ()
    assert changes([BOOKED], known(status="arrived"), AT, polled=polled).events == ()


@pytest.mark.parametrize(
    ("now_known", "status"),
    [({"start": START + timedelta(hours=1)}, "rebooked"), ({"minutes": 45}, "booked"), ({"description": "Höft"}, "booked"),
     ({"status": "cancelled"}, "booked"), ({"time_type_id": "18"}, "booked"), ({"patient": PARENT}, "booked")],
)  # fmt: skip
def test_a_change_is_the_next_version_where_nothing_is_pushed_and_the_pushs_business_elsewhere(
    now_known: dict[str, Any], status: str
) -> None:
    (event,) = changes([BOOKED], known(**now_known), AT, polled=True).events
    assert (event["version"], event["status"]) == (5, status)
    assert changes([BOOKED], known(**now_known), AT, polled=False) == ((), 1)


def test_a_coming_booking_that_a_polled_ehr_no_longer_has_is_cancelled() -> None:
    (event,) = changes([], known(), AT, polled=True).events
    assert (event["status"], event["version"], event["description"]) == ("cancelled", 5, "Knä")
    for have in (known(status="cancelled"), known(start=AT - timedelta(hours=1)), known(dropped=True)):
        assert changes([], have, AT, polled=True).events == ()
    assert changes([], known(), AT, polled=False).events == ()


def test_of_a_protected_persons_booking_nothing_is_told_again() -> None:
    """B1."""
    assert changes([BOOKED], known(dropped=True, minutes=0), AT, polled=True).events == ()


def test_what_is_found_twice_is_one_event() -> None:
    data = changes([BOOKED], {}, AT, polled=False).events[0]
    one, other = record(data, KEYS, AT), record(data, KEYS, AT + timedelta(hours=1))
    assert decode_record(one.headers, one.value)[0].id == decode_record(other.headers, other.value)[0].id
    assert decode_as(BookingChanged, one.value).start == START
    assert ADULT not in repr(one)


# --- a refresh against the stand-in ---------------------------------------------------------------------------------------


@dataclass
class Ledger:
    """The hub's bookings."""

    has: dict[str, Known] = field(default_factory=dict)

    async def known(self, booking_ids: Collection[str]) -> Mapping[str, Known]:
        return {name: self.has[name] for name in booking_ids if name in self.has}

    async def coming(self, patient: str | None, unit: str, now: datetime) -> Mapping[str, Known]:
        return {name: have for name, have in self.has.items() if have.unit == unit and patient in (None, have.patient)}


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path) as found:
        yield found


async def plant(sandbox: Running, **more: Any) -> None:
    booking = {"patient": ADULT, "unit": UNIT, "start": "2026-12-09T10:15:00", "reason": "Knä <&> å", "booking_id": "b1", **more}
    async with aiohttp.request("POST", f"{sandbox.url}/takecare/bookings", json=booking) as answer:
        assert answer.status == 201


def client(sandbox: Running) -> ExchangeClient:
    account = Account("hub", "hub", "hub")
    return ExchangeClient(f"{sandbox.url}/takecare/exchange/booking.asmx", account, lambda: AT)


async def refreshed(sandbox: Running, ledger: Ledger, patient: str | None = ADULT, polled: Sequence[str] = ()) -> list[dict[str, Any]]:
    sent: list[Record] = []

    async def publish(made: Sequence[Record]) -> None:
        sent.extend(made)

    async with client(sandbox) as asks:
        done = await Refresher(asks, ledger, publish, KEYS, lambda: AT, polled).refresh(patient, UNIT)
    assert done.published == len(sent)
    return [orjson.loads(each.value) for each in sent]


async def test_a_booking_can_be_planted_as_the_event_of_it_and_taken_away_by_its_status(sandbox: Running) -> None:
    event = SAMPLES["booking.changed.v1"]
    for status, expected in (("booked", 1), ("cancelled", 0)):
        await plant(sandbox, **{**event, "status": status, "start": "2026-12-09T10:15:00+01:00"})
        async with client(sandbox) as asks:
            assert len(await asks.bookings(event["patient"], event["unit"])) == expected


async def test_a_missing_booking_is_fetched(sandbox: Running) -> None:
    """B5: only the patient's, only of the unit."""
    await plant(sandbox)
    await plant(sandbox, booking_id="b2", patient=PARENT)
    await plant(sandbox, booking_id="b3", unit="SE2321000016-B2")
    (event,) = await refreshed(sandbox, Ledger())
    assert (event["booking_id"], event["description"], event["start"]) == ("b1", "Knä <&> å", "2026-12-09T10:15:00")
    assert {event["booking_id"] for event in await refreshed(sandbox, Ledger(), None)} == {"b1", "b2"}


async def test_a_booking_taken_away_in_a_polled_unit_is_cancelled(sandbox: Running) -> None:
    ledger = Ledger({"b1": KNOWN._replace(start=datetime(2026, 12, 9, 9, 15, tzinfo=UTC))})
    await plant(sandbox)
    await plant(sandbox, cancelled=True)
    (event,) = await refreshed(sandbox, ledger, None, [UNIT])
    assert event["status"] == "cancelled"


@pytest.mark.parametrize("spoil", [lambda b: b.replace(b"&lt;Prof", b"&lt;?xml version='1.0'?&gt;&lt;Prof"), lambda b: b.replace(b"ProfdocHISMessage MsgType", b"ProfdocHISMessage xmlns=\"u\" MsgType")])  # fmt: skip  # noqa: E501
async def test_the_stand_in_cannot_handle_a_declaration_or_a_namespace(sandbox: Running, spoil: Any) -> None:
    body = spoil(encode(ADULT, UNIT, ACCOUNT, AT).body)
    async with aiohttp.request("POST", f"{sandbox.url}/takecare/exchange/booking.asmx", data=body) as answer:
        with pytest.raises(Rejected, match="error_message"):
            decode(ADULT, UNIT, Answer(answer.status, await answer.read(), {}))


@pytest.mark.parametrize(
    ("mode", "failure"), [("down", (Unavailable, Uncertain)), ("refuse", Rejected), ("garbage", Rejected), ("lose_answer", Uncertain)]
)
async def test_with_a_fault_nothing_is_published(sandbox: Running, mode: str, failure: type[PeerFailure]) -> None:
    await plant(sandbox)
    sandbox.sandbox.faults.set(Fault.model_validate({"system": "takecare", "mode": mode, "for_requests": 1}), 0.0)
    with pytest.raises(failure):
        await refreshed(sandbox, Ledger())
    assert len(await refreshed(sandbox, Ledger())) == 1
