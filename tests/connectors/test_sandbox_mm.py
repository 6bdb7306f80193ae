"""Mina meddelanden from end to end: the connector against the stand-in, over real HTTP, with everything that may go wrong."""

import asyncio
import io
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import orjson
import pytest
from aiohttp.test_utils import TestServer
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.channels import Enclosure, Letter, MailboxChannel, Operator
from connectors.mina_meddelanden import recipients
from connectors.mina_meddelanden.channel import MinaMeddelanden
from connectors.mina_meddelanden.client import MailboxClient
from connectors.mina_meddelanden.names import HEADERS, RECIPIENT_ID, SOAP, SOAP_BYTES_MAX
from connectors.mina_meddelanden.options import Options
from connectors.mina_meddelanden.wire import Signatories
from connectors.peer import Answer, Call, Limits
from connectors.sandbox import mm_soap, signers
from connectors.sandbox.faults import Faults
from connectors.sandbox.mm_letter import Received, received
from connectors.sandbox.server import application
from connectors.sandbox.state import Sandbox
from schemas import persons, xml
from schemas.errors import PeerFailure, Rejected, Unavailable, Uncertain
from tests.connectors.contract.certificates import certificates
from tests.connectors.contract.fixed_key import signatory
from tests.connectors.sandbox_support import ADULT, CHILD, NOW, PARENT, SENDER, Running, requested, running, signing_files, tell

RESERVE = "991981000010"
DELIVERY = UUID("0198a7c2-0000-7000-8000-000000000001")
HTML = "<!DOCTYPE html><html lang='sv'><head><title>Kallelse</title></head><body><p>Välkommen & på återseende</p></body></html>"
PDF = b"%PDF-1.7\n%hitta hit\n"
LETTER = Letter(
    delivery_id=DELIVERY, recipient=ADULT, operator="billo", kind="kallelse", title="Återbesök hjärta", html=HTML, pdf=b"%PDF-1.7\n",
    enclosures=(Enclosure("Hitta hit.pdf", "application/pdf; name=x", PDF),), unit="SE2321000016-A1",
    unit_name="Hjärtmottagningen", sent=datetime(2026, 11, 23, 23, 30, tzinfo=UTC),
)  # fmt: skip
IMPATIENT = Limits(connect_s=30.0, silence_s=0.3, total_s=30.0)


def options(url: str, **more: Any) -> Options:
    files = signing_files()
    keys = {name: getattr(files, name) for name in Options.__slots__ if name.endswith("_file")}
    return Options(
        **({"far_url": f"{url}/mm/far", "allowed_hosts": ("127.0.0.1",), "sender": SENDER, "sender_name": "Region Prov"} | keys | more)
    )


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path) as sandbox:
        yield sandbox


@pytest.fixture
async def channel(it: Running) -> AsyncIterator[MinaMeddelanden]:
    async with mediating(it.url) as made:
        yield made


@asynccontextmanager
async def mediating(
    url: str, by: Signatories | None = None, limits: Limits | None = None, tls: ssl.SSLContext | None = None, **more: Any
) -> AsyncIterator[MinaMeddelanden]:
    told = options(url, **more)
    bounds = {"deliveries": limits, "questions": limits} if limits else {}
    async with MinaMeddelanden(told, by or told.signatories(), tls=tls, **bounds) as made:
        yield made


def open_mailbox(it: Running, person: str = ADULT, operator: str = "billo", accepts: bool = True, day: int = 1) -> None:
    as_of = datetime(2026, 11, day, tzinfo=UTC)
    tell(it.world, "mailbox.changed.v1", {"patient": person, "sender": SENDER, "operator": operator, "accepts": accepts, "as_of": as_of})


async def get(it: Running, path: str) -> Any:
    async with aiohttp.request("GET", it.url + path) as answer:
        return orjson.loads(await answer.read())


async def breaks(it: Running, mode: str, **limit: Any) -> None:
    async with aiohttp.request("POST", f"{it.url}/faults", json={"system": "mm", "mode": mode, **limit}) as answer:
        assert answer.status == 200


async def send(channel: MailboxChannel, request: bytes | None = None, operator: Operator = "billo", person: str = ADULT) -> str:
    kept = request or channel.encode(LETTER)
    return (await channel.send(kept, recipient=person, operator=operator, delivery_id=DELIVERY)).reference


async def post(it: Running, path: str, body: bytes) -> Answer:
    async with aiohttp.request("POST", it.url + path, data=io.BytesIO(body), headers=HEADERS) as answer:
        return Answer(answer.status, await answer.read(), {})


def code_of(answer: Answer) -> str:
    """What a fault says: its number, or the faultcode."""
    root = xml.parse(answer.body)
    return next((node.text or "" for node in root.iter() if xml.local_name(node) == "ErrorCode"), root.findtext(".//faultcode") or "")


# --- delivered ------------------------------------------------------------------------------------------------------------


async def test_a_letter_arrives_as_it_was_sent_and_the_receipt_is_kept(it: Running, channel: MinaMeddelanden) -> None:
    open_mailbox(it)
    assert UUID(await send(channel))
    (row,) = await get(it, f"/inbox/billo/{ADULT}")
    body = HTML.encode()
    assert (row["sha256"], row["size"], row["content_type"]) == (sha256(body).hexdigest(), len(body), "text/html")
    assert (row["times"], row["what"], row["delivery_id"]) == (1, "received", str(DELIVERY)) and "document_id" not in row
    assert row["attachments"] == [
        {"name": "Hitta hit.pdf", "content_type": "application/pdf", "sha256": sha256(PDF).hexdigest(), "size": len(PDF)}
    ]
    assert await get(it, f"/inbox/lookups/{ADULT}") == {"spar": 0, "mm": 1}


async def test_the_same_letter_again_is_in_the_mailbox_twice_and_its_document_is_known_by_the_hubs_own_event(
    it: Running, channel: MinaMeddelanden
) -> None:
    """No operator recognises a letter it has. The event may be learnt after the letter came."""
    open_mailbox(it)
    kept = channel.encode(LETTER)
    assert await send(channel, kept) != await send(channel, kept)
    tell(
        it.world,
        "delivery.requested.v1",
        requested("d-1", ADULT, "fortnox") | {"delivery_id": str(DELIVERY), "channel": "mina_meddelanden"},
    )
    (row,) = await get(it, f"/inbox/billo/{ADULT}")
    assert (row["times"], row["document_id"]) == (2, "d-1") and row["first_at"] <= row["last_at"]


def test_the_same_letter_and_keys_give_the_same_bytes_and_the_day_is_the_letters_in_sweden() -> None:
    async def made() -> bytes:
        async with mediating("http://127.0.0.1:1") as channel:
            return channel.encode(LETTER)

    first = asyncio.run(made())
    assert first == asyncio.run(made()) and b">2026-11-24<" in first


async def test_a_subject_tells_no_reason_for_care_and_the_pdf_is_not_sent_beside_the_same_text(channel: MinaMeddelanden) -> None:
    """N2: neither the document's title nor the unit's name stands outside the letter."""
    request = channel.encode(LETTER).decode()
    assert ">Du har fått en kallelse</Subject>" in request and "hjärta" not in request and "Hjärt" not in request
    assert request.count("<Attachment>") == 1
    assert "<Filename" in channel.encode(replace(LETTER, enclosures=(Enclosure("\x00", "application/pdf", PDF),))).decode()


def test_the_connector_is_a_mailbox_channel() -> None:
    async def kinds() -> tuple[str, bool]:
        async with mediating("http://127.0.0.1:1") as made:
            port: MailboxChannel = made
            return port.name, port.dedupes

    assert asyncio.run(kinds()) == ("mina_meddelanden", False)


# --- who is reached -------------------------------------------------------------------------------------------------------


async def test_reach_answers_every_operator_for_everybody_and_asks_about_no_reserve_number(it: Running, channel: MinaMeddelanden) -> None:
    open_mailbox(it, ADULT, "fortnox")
    open_mailbox(it, PARENT, "minmyndighetspost", accepts=False)
    open_mailbox(it, CHILD, "kivra")
    none = {"billo": False, "minmyndighetspost": False, "fortnox": False}
    assert await channel.reach([ADULT, PARENT, CHILD, RESERVE]) == {
        ADULT: none | {"fortnox": True},
        PARENT: none,
        CHILD: none,
        RESERVE: none,
    }
    assert [(await get(it, f"/inbox/lookups/{each}"))["mm"] for each in (ADULT, PARENT, CHILD, RESERVE)] == [1, 1, 1, 0]
    assert await channel.reach([]) == {} == await channel.reach(())


async def test_more_than_a_thousand_people_are_asked_about_in_several_questions(it: Running, channel: MinaMeddelanden) -> None:
    births = [f"80010{1 + number // 900}{1 + number % 900:03}" for number in range(recipients.RECIPIENTS_MAX + 5)]
    people = [f"19{birth}{persons.check_digit(birth)}" for birth in births]
    open_mailbox(it, people[-1], "fortnox")
    found = await channel.reach(people)
    assert len(found) == len(people) and [person for person in people if any(found[person].values())] == [people[-1]]
    assert it.world.far_asked.total() == len(people)


@pytest.mark.parametrize(
    ("boxes", "code"),
    [
        ([], "no_mailbox"),
        ([("billo", False, 1)], "sender_not_accepted"),
        ([("fortnox", True, 1)], "another_operator"),
        ([("kivra", True, 2)], "another_operator"),
        ([("billo", True, 1), ("fortnox", True, 2)], "another_operator"),
        ([("billo", True, 1), ("billo", False, 2)], "sender_not_accepted"),
    ],
)
async def test_where_the_mailbox_is_not_any_more_nothing_is_sent(
    it: Running, channel: MinaMeddelanden, boxes: list[tuple[str, bool, int]], code: str
) -> None:
    for operator, accepts, day in boxes:
        open_mailbox(it, ADULT, operator, accepts, day)
    with pytest.raises(Rejected) as caught:
        await send(channel)
    assert caught.value.code == code
    for each in ("billo", "fortnox", "kivra"):
        assert await get(it, f"/inbox/{each}/{ADULT}") == []


async def test_the_newest_mailbox_that_takes_mail_is_the_one(it: Running, channel: MinaMeddelanden) -> None:
    for operator, accepts, day in (("kivra", True, 9), ("fortnox", True, 1), ("billo", True, 2), ("minmyndighetspost", False, 8)):
        open_mailbox(it, ADULT, operator, accepts, day)
    assert await send(channel)


async def test_a_reserve_number_or_another_path_is_refused_without_asking_anybody(it: Running, channel: MinaMeddelanden) -> None:
    """P2."""
    for wrong, code in ((replace(LETTER, recipient=RESERVE), "reserve_number"), (replace(LETTER, operator="kivra"), "another_path")):
        with pytest.raises(Rejected, match=code):
            channel.encode(wrong)
    with pytest.raises(Rejected, match="reserve_number"):
        await send(channel, person=RESERVE)
    assert it.world.far_asked.total() == 0


async def test_a_letter_that_is_another_persons_or_deliverys_goes_nowhere(it: Running, channel: MinaMeddelanden) -> None:
    open_mailbox(it, PARENT)
    for person, request in ((PARENT, channel.encode(LETTER)), (ADULT, channel.encode(replace(LETTER, delivery_id=UUID(int=7))))):
        with pytest.raises(Rejected, match="another_letter"):
            await send(channel, request, person=person)
    assert it.world.far_asked.total() == 0


async def test_a_letter_goes_only_to_hosts_that_the_settings_allow(it: Running) -> None:
    open_mailbox(it)
    async with mediating(it.url, allowed_hosts=("mm.example.org",)) as channel:
        with pytest.raises(Rejected, match="host_not_allowed"):
            await send(channel)
        assert not any((await channel.reach([ADULT]))[ADULT].values())
    assert await get(it, f"/inbox/billo/{ADULT}") == []


async def test_over_mutual_tls_the_address_that_is_answered_is_one_of_tls_too(it: Running, tmp_path: Path) -> None:
    open_mailbox(it)
    tls = certificates(tmp_path)
    server = TestServer(application(it.sandbox, it.signer, trust=signers.trust(signing_files())), scheme="https", host="localhost")
    await server.start_server(ssl=tls.server)
    url = str(server.make_url("")).rstrip("/")
    try:
        async with mediating(url, allowed_hosts=("localhost",), tls=tls.client) as channel:
            assert url.startswith("https://localhost:") and await send(channel)
        async with mediating(url, allowed_hosts=("localhost",), tls=tls.without_certificate) as stranger:
            with pytest.raises(Unavailable):
                await send(stranger)
    finally:
        await server.close()
    assert [row["times"] for row in await get(it, f"/inbox/billo/{ADULT}")] == [1]


# --- what an operator does not take ---------------------------------------------------------------------------------------


async def refused(it: Running, channel: MinaMeddelanden, request: bytes) -> str:
    open_mailbox(it)
    with pytest.raises(Rejected) as caught:
        await send(channel, request)
    assert await get(it, f"/inbox/billo/{ADULT}") == []
    return caught.value.code


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"Du har f", b"Ni har f", "5012"),
        (b">true<", b">false<", "5012"),
        (b"http://www.w3.org/2001/04/xmlenc#sha256", b"http://www.w3.org/2000/09/xmldsig#sha1", "5012"),
        (b"<Language>svSE</Language>", b"", "fault_client"),
        (b"text/html", b"text/rtfd", "5012"),
    ],
)
async def test_a_letter_that_was_tampered_with_is_refused(it: Running, channel: MinaMeddelanden, old: bytes, new: bytes, code: str) -> None:
    request = channel.encode(LETTER)
    assert await refused(it, channel, request.replace(old, new)) == code


async def test_only_the_registered_mediator_may_seal_and_only_the_sender_may_sign(it: Running) -> None:
    right = options(it.url).signatories()
    stranger = signatory(signers.MEDIATOR)
    for by, code in (
        (Signatories(right.sender, right.sender), "6005"),
        (Signatories(right.sender, stranger), "5012"),
        (Signatories(signatory(SENDER), right.mediator), "5012"),
    ):
        async with mediating(it.url, by) as channel:
            assert await refused(it, channel, channel.encode(LETTER)) == code


async def test_a_sender_that_is_not_known_is_told_so_by_both_services(it: Running) -> None:
    other = "162021004748"
    async with mediating(it.url, Signatories(signatory(other), options(it.url).signatories().mediator), sender=other) as channel:
        request = channel.encode(LETTER)
        assert await refused(it, channel, request) == "5014"
        with pytest.raises(Rejected, match="5014"):
            await channel.reach([ADULT])
    assert code_of(await post(it, "/mm/service/billo", request)) == "5012", "signed by nobody that is trusted here"
    with_ours = Sandbox(it.world, it.sandbox.publishing, it.sandbox.clock, other, Faults(), lambda: True, "")
    async with mediating(it.url) as ours, TestServer(application(with_ours, it.signer, trust=signers.trust(signing_files()))) as server:
        there = replace(it, url=str(server.make_url("")).rstrip("/"))
        assert code_of(await post(there, "/mm/service/billo", ours.encode(LETTER))) == "5014"


async def test_a_content_type_that_mailboxes_do_not_take_is_refused(it: Running, channel: MinaMeddelanden, monkeypatch: Any) -> None:
    monkeypatch.setattr("connectors.sandbox.mm_letter.ATTACHMENT_TYPES", frozenset())
    assert await refused(it, channel, channel.encode(LETTER)) == "5019"


async def test_more_than_two_megabytes_is_a_bad_request_and_we_never_send_it(it: Running, channel: MinaMeddelanden) -> None:
    open_mailbox(it)
    almost = replace(LETTER, enclosures=(Enclosure("stor.pdf", "application/pdf", b"%PDF-" + b"x" * 1_560_000),))
    assert await send(channel, channel.encode(almost))
    assert (await post(it, "/mm/service/billo", b"<x>" + b" " * SOAP_BYTES_MAX)).status == 400
    with pytest.raises(Rejected, match="too_large"):
        channel.encode(replace(almost, enclosures=almost.enclosures * 2))


async def test_a_question_about_too_many_is_a_fault_and_what_is_no_question_breaks_the_schema(it: Running) -> None:
    question = recipients.encode(SENDER, [ADULT]).body
    row = f"<recipientId>{ADULT}</recipientId>".encode()
    assert code_of(await post(it, "/mm/far", question.replace(row, row * 1001))) == "5005"
    reserve = question.replace(ADULT.encode(), RESERVE.encode())
    for wrong in (b"", b"<x/>", b"<!DOCTYPE x><x/>", reserve, question.replace(b"isReachable", b"isRegistered")):
        answer = await post(it, "/mm/far", wrong)
        assert (answer.status, code_of(answer)) == (500, "soap:Client")
    assert (await post(it, "/mm/service/kivra", question)).status == 404
    assert it.world.far_asked.total() == 0


async def test_every_answer_of_the_stand_in_follows_the_contract(it: Running, channel: MinaMeddelanden) -> None:
    open_mailbox(it)
    kept = channel.encode(LETTER)
    told = await post(it, "/mm/far", recipients.encode(SENDER, [ADULT, PARENT]).body)
    taken, not_taken = await post(it, "/mm/service/billo", kept), await post(it, "/mm/service/fortnox", kept)
    fault = await post(it, "/mm/service/billo", kept.replace(b"Du har", b"Ni har"))
    for schema, answer in (("recipient-v3.xsd", told), ("service-v3.xsd", taken), ("service-v3.xsd", not_taken)):
        body = xml.parse(answer.body).find(f"{SOAP}Body")
        assert body is not None and answer.status == 200
        mm_soap.schema(schema).check(xml.parse(xml.serialise(body[0])))
    detail = xml.parse(fault.body).find(".//detail")
    assert detail is not None and fault.status == 500
    mm_soap.schema("common-v3.xsd").check(xml.parse(xml.serialise(detail[0])))


async def test_before_the_topics_are_read_nobody_is_said_to_have_no_mailbox(it: Running) -> None:
    early = Sandbox(it.world, it.sandbox.publishing, it.sandbox.clock, SENDER, Faults(), lambda: False, "")
    async with (
        TestServer(application(early, it.signer, trust=signers.trust(signing_files()))) as server,
        mediating(str(server.make_url("")).rstrip("/")) as channel,
    ):
        with pytest.raises(Unavailable, match="http_503"):
            await send(channel)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_letter_garbled_anywhere_is_refused_or_is_the_letter_that_was_signed(data: st.DataObject) -> None:
    """Whoever may change bytes on the way cannot make a mailbox show anything else than what the sender signed."""
    request, letter = signed_letter()
    start = data.draw(st.integers(0, len(request) - 1))
    noise = data.draw(st.binary(max_size=8) | st.text(alphabet='<>/"=&; xA\n', max_size=8).map(str.encode))
    garbled = request[:start] + noise + request[start + data.draw(st.integers(0, 12)) :]
    try:
        found = received(garbled, SENDER, signers.trust(signing_files()), NOW)
    except mm_soap.Refused:
        return
    assert found == letter


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_question_garbled_anywhere_is_refused_or_asks_about_people(data: st.DataObject) -> None:
    question = recipients.encode(SENDER, [ADULT, PARENT]).body
    start = data.draw(st.integers(0, len(question) - 1))
    noise = data.draw(st.binary(max_size=8) | st.text(alphabet='<>/"=&; x0\n', max_size=8).map(str.encode))
    try:
        asked = mm_soap.question(question[:start] + noise + question[start + data.draw(st.integers(0, 12)) :])
    except mm_soap.Refused:
        return
    assert len(asked.sender) == 12 and all(RECIPIENT_ID.fullmatch(person) for person in asked.people)


@cache
def signed_letter() -> tuple[bytes, Received]:
    """A request of ours and what a mailbox makes of it."""

    async def made() -> bytes:
        async with mediating("http://127.0.0.1:1") as channel:
            return channel.encode(LETTER)

    request = asyncio.run(made())
    return request, received(request, SENDER, signers.trust(signing_files()), NOW)


# --- faults ---------------------------------------------------------------------------------------------------------------


async def test_a_mailbox_that_refuses_answers_so_and_reachability_goes_on(it: Running, channel: MinaMeddelanden) -> None:
    open_mailbox(it)
    await breaks(it, "refuse")
    assert (await channel.reach([ADULT]))[ADULT]["billo"]
    with pytest.raises(Rejected, match="not_delivered"):
        await send(channel)
    assert await get(it, f"/inbox/billo/{ADULT}") == []


async def test_a_lost_answer_leaves_the_outcome_unknown_and_the_letter_is_there_once(it: Running, channel: MinaMeddelanden) -> None:
    """The question before it is answered: only a delivery can be in doubt."""
    open_mailbox(it)
    await breaks(it, "lose_answer", for_requests=1)
    with pytest.raises(Uncertain, match="lost_answer"):
        await send(channel)
    assert [row["times"] for row in await get(it, f"/inbox/billo/{ADULT}")] == [1]


async def test_garbage_for_a_delivery_is_an_unknown_outcome_and_for_a_question_nothing_was_done(
    it: Running, channel: MinaMeddelanden
) -> None:
    open_mailbox(it)
    kept = channel.encode(LETTER)
    await breaks(it, "garbage")
    for told in (lambda: send(channel, kept), lambda: channel.reach([ADULT])):
        with pytest.raises(Unavailable, match="http_200"):
            await told()
    assert await get(it, f"/inbox/billo/{ADULT}") == []
    async with MailboxClient(f"{it.url}/mm/far", ("127.0.0.1",)) as client:
        with pytest.raises(Uncertain, match="http_200"):
            await client.deliver(f"{it.url}/mm/service/billo", ADULT, Call("", kept, HEADERS))
    assert [row["times"] for row in await get(it, f"/inbox/billo/{ADULT}")] == [1]


async def test_while_it_is_down_nothing_is_sent_and_then_the_kept_bytes_are(it: Running, channel: MinaMeddelanden) -> None:
    open_mailbox(it)
    kept = channel.encode(LETTER)
    await breaks(it, "down", for_requests=1)
    with pytest.raises(Unavailable):
        await send(channel, kept)
    assert await send(channel, kept)
    assert [row["times"] for row in await get(it, f"/inbox/billo/{ADULT}")] == [1]


async def test_a_slow_operator_is_waited_for_and_one_that_is_too_slow_leaves_the_outcome_unknown(
    it: Running, channel: MinaMeddelanden
) -> None:
    open_mailbox(it)
    kept = channel.encode(LETTER)
    await breaks(it, "slow", delay_seconds=0.5)
    assert await send(channel, kept)
    async with mediating(it.url, limits=IMPATIENT) as hasty:
        with pytest.raises(Unavailable, match="timeout"):  # the question already
            await send(hasty, kept)
    async with MailboxClient(f"{it.url}/mm/far", ("127.0.0.1",), deliveries=IMPATIENT) as client:
        with pytest.raises(Uncertain, match="timeout"):
            await client.deliver(f"{it.url}/mm/service/billo", ADULT, Call("", kept, HEADERS))


async def test_where_nobody_listens_nothing_was_done(it: Running) -> None:
    async with mediating("http://127.0.0.1:1") as channel:
        for asked in (lambda: send(channel), lambda: channel.reach([ADULT])):
            with pytest.raises(Unavailable):
                await asked()


async def test_a_failure_tells_no_number_and_no_address(it: Running, channel: MinaMeddelanden) -> None:
    seen: list[PeerFailure] = []
    kept = channel.encode(LETTER)
    for setting in (lambda: open_mailbox(it, accepts=False), lambda: open_mailbox(it, day=2)):
        setting()
        await breaks(it, "lose_answer", for_requests=1)
        with pytest.raises(PeerFailure) as caught:
            await send(channel, kept)
        seen.append(caught.value)
    assert len(seen) == 2 and not any(part in str(each) for each in seen for part in (ADULT, "127.0.0.1", "/mm/"))


async def test_many_letters_at_once_all_arrive_over_few_connections(it: Running, channel: MinaMeddelanden) -> None:
    ids = [UUID(int=number) for number in range(1, 31)]
    open_mailbox(it)
    kept = {each: channel.encode(replace(LETTER, delivery_id=each, enclosures=())) for each in ids}
    sent = await asyncio.gather(*(channel.send(kept[each], recipient=ADULT, operator="billo", delivery_id=each) for each in ids))
    assert len({each.reference for each in sent}) == len(ids)
    assert {row["delivery_id"] for row in await get(it, f"/inbox/billo/{ADULT}")} == {str(each) for each in ids}


# --- keys of the sandbox --------------------------------------------------------------------------------------------------


def test_the_keys_are_made_once_whoever_is_first_and_lie_where_only_their_owner_reads(tmp_path: Path) -> None:
    made = signers.kept(tmp_path, SENDER)
    before = {path: path.read_bytes() for path in made.authority_file.parent.iterdir()}
    assert signers.kept(tmp_path, SENDER) == made == signers.files(tmp_path, SENDER)
    assert {path: path.read_bytes() for path in made.authority_file.parent.iterdir()} == before and len(before) == 5
    assert all(path.stat().st_mode & 0o077 == 0 for path in before)
    assert [path.name for path in tmp_path.iterdir()] == [f"mina-meddelanden-{SENDER}"]
    trust = signers.trust(made)
    told = options("http://127.0.0.1:1", **{name: getattr(made, name) for name in Options.__slots__ if name.endswith("_file")})
    assert told.signatories().mediator.organisation == trust.mediator != SENDER
    assert told.signatories().sender.certificate.not_valid_after_utc - NOW > timedelta(days=365 * 50)


def test_a_process_that_comes_second_takes_the_keys_of_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make: Callable[..., None] = signers._make

    def while_another_makes_them(*arguments: Any) -> None:
        monkeypatch.setattr(signers, "_make", make)
        first.append(signers.kept(tmp_path, SENDER).sender_key_file.read_bytes())
        make(*arguments)

    first: list[bytes] = []
    monkeypatch.setattr(signers, "_make", while_another_makes_them)
    assert signers.kept(tmp_path, SENDER).sender_key_file.read_bytes() == first[0]
    assert [path.name for path in tmp_path.iterdir()] == [f"mina-meddelanden-{SENDER}"]
