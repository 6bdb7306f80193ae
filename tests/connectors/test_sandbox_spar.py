"""The stand-in SPAR: what it says is what SPAR's own contract says, and only who shows our certificate is heard."""

import ssl
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import certificates
from connectors.peer import Answer
from connectors.sandbox import spar_wire
from connectors.sandbox.faults import Fault
from connectors.spar.wire import Customer, Found, NotFound, decode, encode
from schemas import xml
from schemas.errors import PeerFailure, Rejected, Unavailable
from tests.connectors.contract.originals import original
from tests.connectors.sandbox_support import ADULT, CHILD, PARENT, Running, person, running, tell
from tests.connectors.spar_support import CUSTOMER, over_tls, searched, settings_for

AT = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
RESERVE = "991234567897"
ADDRESS = {"care_of": "Bo Ek", "lines": ["Trappan 2", "Vägen 1"], "postal_code": "123 45", "city": "TESTSTAD"}
RECORDS: dict[str, dict[str, Any]] = {
    "ordinary": person(ADULT, "Alva Maria Almdal", born="1980-05-17", address=ADDRESS),
    "one name": person(ADULT, "Alva"),
    "no name": person(ADULT, ""),
    "sekretess": person(ADULT, "Alva Almdal", protection="sekretessmarkering"),
    "dead": person(ADULT, "Alva Almdal", deceased="2026-03-17"),
    "dead on a day nobody knows": person(ADULT, "Alva Almdal", deceased="2026-03-01"),
    "dead in a year": person(ADULT, "Alva Almdal", deceased="2026-01-01"),
    "emigrated": person(
        ADULT, "Alva Almdal", emigrated=True, address={"lines": ["Straße 3"], "postal_code": "", "city": "", "country": "TYSKLAND"}
    ),
    "old number": person(ADULT, "Alva Almdal", replaced_by=PARENT),
    "with an old number": person(ADULT, "Alva Almdal", linked=[PARENT]),
}


def told(record: dict[str, Any], patient: str = ADULT) -> dict[str, Any]:
    body = spar_wire.post(patient, {**record, "as_of": AT.isoformat()})
    found = decode(patient, Answer(200, body, {}), AT)
    assert isinstance(found, Found)
    return found.person.model_dump(mode="json", exclude_none=True)


@pytest.mark.parametrize("name", RECORDS)
def test_what_the_stand_in_knows_the_hub_hears(name: str) -> None:
    record = RECORDS[name]
    heard = told(record)
    wanted = {**record, "linked": list(record["linked"])}
    if "address" in wanted:
        wanted["address"] = {**wanted["address"], "postal_code": wanted["address"]["postal_code"].replace(" ", "")}
    assert {key: heard[key] for key in wanted if key != "as_of"} == {key: value for key, value in wanted.items() if key != "as_of"}


def test_the_address_of_a_skyddad_is_skatteverkets_whatever_is_known() -> None:
    heard = told(person(ADULT, "Alva Almdal", protection="skyddad_folkbokforing", address=ADDRESS))
    assert (heard["protection"], heard["address"]["lines"]) == ("skyddad_folkbokforing", ["BOX 2820"])


def test_spar_knows_no_reserve_number() -> None:
    assert told(person(ADULT, "Alva", linked=[RESERVE]))["linked"] == []


def test_the_three_ways_to_say_no_are_three() -> None:
    assert isinstance(decode(ADULT, Answer(200, spar_wire.nobody(ADULT), {}), AT), NotFound)
    with pytest.raises(Rejected, match="undantag"):
        decode(ADULT, Answer(200, spar_wire.exception(ADULT, "SP-17", "x"), {}), AT)
    with pytest.raises(Rejected, match="fault_client"):
        decode(ADULT, Answer(500, spar_wire.fault("Client", "x"), {}), AT)
    with pytest.raises(Unavailable, match="fault_server"):
        decode(ADULT, Answer(500, spar_wire.fault("Server", "x"), {}), AT)


@pytest.mark.parametrize("name", RECORDS)
def test_its_answers_follow_the_published_schema(name: str) -> None:
    schema = xml.Schema(original("**/*PersonsokningSvar.xsd"))
    for body in (spar_wire.post(ADULT, {**RECORDS[name], "as_of": AT.isoformat()}), spar_wire.nobody(ADULT)):
        content = xml.parse(body).find("{http://schemas.xmlsoap.org/soap/envelope/}Body")
        assert content is not None
        schema.check(xml.parse(xml.serialise(content[0])))


def test_a_question_is_read_and_what_is_none_is_not() -> None:
    body = encode(ADULT, CUSTOMER).body
    assert spar_wire.asked(body) == (ADULT, True)
    for spoilt in (body.replace(ADULT.encode(), b"000000000000"), body.replace(b"637", b""), b"<a/>", b"", body[:-9]):
        assert spar_wire.asked(spoilt) is None
    assert spar_wire.asked(body.replace(b"500243", b"499999")) == (ADULT, False)


@given(st.binary(max_size=300))
def test_garbage_is_no_question(body: bytes) -> None:
    assert spar_wire.asked(body) is None


@given(st.dates(date(1900, 1, 1), date(2026, 11, 23)))
def test_every_day_of_death_is_heard(day: date) -> None:
    assert told(person(ADULT, "Alva", deceased=day.isoformat()))["deceased"] == day.isoformat()


# --- over its ports -------------------------------------------------------------------------------------------------------


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path) as sandbox:
        tell(sandbox.world, "person.changed.v1", person(ADULT, "Alva Almdal"))
        yield sandbox


async def test_it_answers_and_counts_on_the_plain_port_too(it: Running) -> None:
    assert (await searched(it.url, ADULT)).name == "Alva Almdal"
    assert await searched(it.url, PARENT) is None
    assert it.world.register.asked == {ADULT: 1, PARENT: 1}


async def test_a_refusal_is_an_exception_and_an_unknown_customer_is_one_too(it: Running) -> None:
    it.sandbox.faults.set(Fault(system="spar", mode="refuse", for_requests=1), 0.0)
    with pytest.raises(Rejected, match="undantag"):
        await searched(it.url, ADULT)
    assert it.world.register.asked == {ADULT: 1}


async def test_only_a_client_with_the_hubs_certificate_is_heard_and_only_about_the_ports_own_system(it: Running, tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    bare = ssl.create_default_context(cafile=settings.peer("kivra").ca_file)
    async with over_tls(it, settings), aiohttp.ClientSession() as session:
        for name, status in (("spar", 500), ("kivra", 404)):  # an empty question is a SOAP fault; that port is another system's
            url = f"https://127.0.0.1:{settings.ports.peer(name)}/spar"
            async with session.post(url, data=b"", ssl=settings.peer_tls(name)) as answer:
                assert answer.status == status
            with pytest.raises(aiohttp.ClientError):
                await session.post(url, data=b"", ssl=bare)
            with pytest.raises(aiohttp.ClientError):
                await session.post(url, data=b"", ssl=ssl.create_default_context())
        for path in ("/people", "/clock", "/sparx", "/"):
            async with session.get(f"https://127.0.0.1:{settings.ports.peer('spar')}{path}", ssl=settings.peer_tls("spar")) as answer:
                assert answer.status == 404


def test_the_certificates_are_made_once_and_are_their_owners_only(tmp_path: Path) -> None:
    files = certificates.kept(tmp_path / "secrets")
    made = [path.read_bytes() for path in files]
    assert [path.read_bytes() for path in certificates.kept(tmp_path / "secrets")] == made
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert (files.authority.parent.stat().st_mode & 0o777, [each.name for each in (tmp_path / "secrets").iterdir()]) == (
        0o700,
        [files.authority.parent.name],
    )


async def test_a_loser_of_the_race_for_the_certificates_takes_the_winners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    won = certificates.kept(tmp_path)
    before = won.client.read_bytes()
    certificates._make(won.client.parent)
    assert won.client.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == [won.client.parent.name]


def test_a_coordination_number_is_told_as_one() -> None:
    body = spar_wire.post("198005779807", {**RECORDS["ordinary"], "as_of": AT.isoformat()})
    assert b"SAMORDNINGSNUMMER" in body


def test_a_customer_number_out_of_range_is_no_setting() -> None:
    with pytest.raises(ValueError, match="customer"):
        Customer(1, 500_243, 637, "x")


async def test_a_fault_is_one_of_the_three_failures(it: Running) -> None:
    it.sandbox.faults.set(Fault(system="spar", mode="garbage", for_requests=1), 0.0)
    with pytest.raises(PeerFailure):
        await searched(it.url, CHILD)
