"""`/people`, `/clock`, `/faults` and `/inbox`: what an operator or a test may do with the stand-ins."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from connectors.sandbox.faults import Fault, Faults
from connectors.sandbox.pages.markup import Html, table, tag
from connectors.sandbox.server import application
from connectors.sandbox.state import Sandbox
from schemas.clock import Clock
from schemas.cloudevents import Envelope, decode_record
from schemas.errors import Unavailable
from schemas.events import decode
from schemas.topics import record_key
from tests.connectors.sandbox_support import (
    ADULT,
    CHILD,
    KEYS,
    NOW,
    PARENT,
    SENDER,
    Running,
    account,
    arrived,
    delivered,
    person,
    requested,
    running,
    tell,
)
from tests.connectors.spar_support import searched

RESERVE = "991234567897"


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path) as sandbox:
        yield sandbox


async def _call(it: Running, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    data = orjson.dumps(body) if body is not None else None
    async with aiohttp.request(method, it.url + path, data=data, headers=headers) as answer:
        return answer.status, orjson.loads(await answer.read())


def _published(it: Running) -> dict[str, list[dict[str, Any]]]:
    """Data by topic, each found right by its model and keyed by the person's opaque key."""
    found: dict[str, list[dict[str, Any]]] = {}
    for topic, key, value, headers in it.kafka.sent:
        envelope, data = decode_record(headers, value)
        decode(envelope.type, data)
        plain = orjson.loads(data)
        assert key.decode() == record_key(envelope.type, plain, KEYS.key(plain["patient"]), KEYS)
        assert KEYS.key(plain["patient"]) == envelope.partitionkey
        found.setdefault(topic, []).append(plain)
    return found


async def test_a_person_of_only_a_number_is_known_to_the_register_and_to_the_hub(it: Running) -> None:
    before = datetime.now(UTC)
    status, answer = await _call(it, "POST", "/people", {"patient": f"{ADULT[:8]}-{ADULT[8:]}"})
    assert (status, answer["patient"]) == (201, ADULT)
    (published,) = _published(it)["persons.v1"]
    assert before <= datetime.fromisoformat(published["as_of"]) <= datetime.now(UTC)
    assert (published["protection"], published["emigrated"], published["born"]) == ("none", False, "1980-05-17")
    assert (await searched(it.url, ADULT)).name == published["name"]
    assert set(_published(it)) == {"persons.v1"}


async def test_account_mailboxes_and_agents_are_published_as_their_operators_would(it: Running) -> None:
    given = {
        "patient": CHILD, "name": "Tuva Ekbacke", "account": "active", "phone": "+46701740605",
        "mailbox": {"operator": "billo", "accepts": False}, "mailboxes": ["kivra"], "guardians": [PARENT],
        "agents": [{"agent": ADULT, "relation": "fullmakt", "state": "blocked"}],
    }  # fmt: skip
    status, answer = await _call(it, "POST", "/people", given)
    assert status == 201
    sent = _published(it)
    assert (sent["accounts.v1"][0]["account"], sent["accounts.v1"][0]["phone"]) == ("active", "+46701740605")
    boxes = {(box["operator"], box["accepts"], box["sender"]) for box in sent["mailboxes.v1"]}
    assert boxes == {("billo", False, SENDER), ("kivra", True, SENDER)}
    links = {(link["agent"], link["relation"], link["state"]) for link in sent["agents.v1"]}
    assert links == {(PARENT, "guardian", "active"), (ADULT, "fullmakt", "blocked")}
    assert [row["type"] for row in answer["made"]].count("agent.changed.v1") == 2
    assert it.world.account(CHILD) == "active"


async def test_an_agent_named_alone_is_guardian_of_a_child_and_proxy_of_an_adult(it: Running) -> None:
    await _call(it, "POST", "/people", {"patient": CHILD, "agents": [PARENT]})
    await _call(it, "POST", "/people", {"patient": ADULT, "agents": [PARENT]})
    assert [link["relation"] for link in _published(it)["agents.v1"]] == ["guardian", "fullmakt"]


async def test_a_change_keeps_what_it_does_not_name_so_protection_is_not_lowered_by_the_way(it: Running) -> None:
    await _call(it, "POST", "/people", {"patient": ADULT, "name": "Alva", "protection": "sekretessmarkering"})
    await _call(it, "POST", "/people", {"patient": ADULT, "account": "blocked"})
    last = _published(it)["persons.v1"][-1]
    assert (last["name"], last["protection"], "address" in last) == ("Alva", "sekretessmarkering", False)
    await _call(it, "POST", "/people", {"patient": ADULT, "protection": "none", "deceased": "2026-11-01"})
    await _call(it, "POST", "/people", {"patient": ADULT, "deceased": None})
    assert [p.get("deceased") for p in _published(it)["persons.v1"][-2:]] == ["2026-11-01", None]


async def test_what_is_said_later_is_newer_even_than_a_future_fact(it: Running) -> None:
    future = datetime.now(UTC) + timedelta(days=30)
    tell(it.world, "person.changed.v1", person(ADULT, "Alva", as_of=future))
    tell(it.world, "account.changed.v1", {**account(ADULT), "as_of": future})
    await _call(it, "POST", "/people", {"patient": ADULT, "deceased": "2026-11-01", "account": "blocked"})
    sent = _published(it)
    assert all(datetime.fromisoformat(sent[t][0]["as_of"]) > future for t in ("persons.v1", "accounts.v1"))
    assert it.world.account(ADULT) == "blocked"


async def test_a_given_as_of_stands(it: Running) -> None:
    given = {"patient": ADULT, "as_of": "2026-01-01T00:00:00Z", "account": "active"}
    await _call(it, "POST", "/people", given)
    assert {data["as_of"] for rows in _published(it).values() for data in rows} == {"2026-01-01T00:00:00Z"}


async def test_unblocking_by_staff_can_be_said_in_full(it: Running) -> None:
    account = {"account": "active", "by": {"id": "SE2321000016-LISA", "role": "staff"}, "present": "SE2321000016-A1"}
    await _call(it, "POST", "/people", {"patient": ADULT, "account": account})
    (sent,) = _published(it)["accounts.v1"]
    assert {name: sent[name] for name in account} == account


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({}, "/patient"),
        ({"patient": "198005179811"}, "/patient"),
        ({"patient": ADULT, "protection": "secret"}, "/protection"),
        ({"patient": ADULT, "mailbox": {"operator": "postkontoret"}}, "/mailbox/operator"),
        ({"patient": ADULT, "mailboxes": {}}, "/mailboxes"),
        ({"patient": ADULT, "mailboxes": [1]}, "/mailboxes/0"),
        ({"patient": ADULT, "guardians": ["1"]}, "/guardians/0/agent"),
        ({"patient": ADULT, "account": "open"}, "/account"),
        ([], ""),
    ],
)
async def test_a_wrong_person_is_told_where_it_is_wrong_and_nothing_is_published(it: Running, given: Any, pointer: str) -> None:
    status, answer = await _call(it, "POST", "/people", given)
    assert (status, answer["errors"][0]["pointer"]) == (400, pointer)
    assert it.kafka.sent == []
    assert "198005179811" not in str(answer)


async def test_members_that_mean_nothing_are_told(it: Running) -> None:
    assert (await _call(it, "POST", "/people", {"patient": ADULT, "shoe_size": 41}))[1]["ignored"] == ["shoe_size"]


async def test_questions_to_the_register_are_counted(it: Running) -> None:
    tell(it.world, "person.changed.v1", person(ADULT, "Alva"))
    for _ in range(2):
        assert (await searched(it.url, ADULT)).name == "Alva"
    assert await searched(it.url, PARENT) is None
    assert await _call(it, "GET", f"/inbox/lookups/{ADULT}") == (200, {"spar": 2, "mm": 0})
    assert await _call(it, "GET", f"/inbox/lookups/{PARENT}") == (200, {"spar": 1, "mm": 0})
    assert await _call(it, "GET", f"/inbox/lookups/{CHILD}") == (200, {"spar": 0, "mm": 0})


async def test_a_register_that_has_not_read_its_topics_yet_does_not_say_that_there_is_no_such_person(it: Running) -> None:
    early = Sandbox(it.world, it.sandbox.publishing, it.sandbox.clock, SENDER, Faults(), lambda: False, "")
    async with TestServer(application(early, it.signer)) as server:
        with pytest.raises(Unavailable, match="fault_server"):
            await searched(str(server.make_url("")).rstrip("/"), ADULT)


async def test_news_of_a_person_is_newer_than_an_answer_that_the_hub_has_just_had(it: Running) -> None:
    """The hub's answers are as of its own clock, which runs ahead of the wall's here."""
    await _call(it, "POST", "/clock", {"advance_seconds": 172_800})
    asked = it.sandbox.clock.now()
    await _call(it, "POST", "/people", {"patient": ADULT, "protection": "sekretessmarkering"})
    assert datetime.fromisoformat(_published(it)["persons.v1"][0]["as_of"]) >= asked.replace(microsecond=asked.microsecond // 1000 * 1000)


async def test_what_the_hub_heard_of_the_register_tells_the_register_nothing(it: Running) -> None:
    """SPAR's form has no reserve numbers: its own answer, come back by the topic, must not make it forget them."""
    tell(it.world, "person.changed.v1", person(ADULT, "Alva", linked=[RESERVE]))
    heard = {**person(ADULT, "Alva"), "as_of": NOW.isoformat()}
    it.world.apply(Envelope("e-heard", "urn:care-hub:register", "person.changed.v1", NOW), heard, NOW)
    it.world.apply(Envelope("e-new", "urn:care-hub:register", "person.changed.v1", NOW), {**heard, "patient": PARENT}, NOW)
    record = it.world.register.record(ADULT)
    assert record is not None and record["linked"] == [RESERVE]
    assert PARENT in it.world.register


async def test_the_clock_moves_for_everybody_who_reads_its_file(it: Running, tmp_path: Path) -> None:
    other = Clock(tmp_path / "clock.json")
    status, told = await _call(it, "POST", "/clock", {"advance_seconds": 172_800})
    assert (status, told["speed"]) == (200, 1.0)
    assert abs((other.now() - datetime.now(UTC)).total_seconds() - 172_800) < 5
    assert (await _call(it, "POST", "/clock", {"speed": 60}))[1]["speed"] == 60
    assert (await _call(it, "GET", "/clock"))[1]["speed"] == 60


@pytest.mark.parametrize("move", [{}, {"advance_seconds": -1}, {"speed": 0}, {"advance_seconds": "1 day"}, {"back": 1}, []])
async def test_a_move_that_makes_no_sense_moves_nothing(it: Running, move: Any) -> None:
    assert (await _call(it, "POST", "/clock", move))[0] == 400
    assert abs((it.sandbox.clock.now() - datetime.now(UTC)).total_seconds()) < 5


async def test_the_inbox_tells_what_arrived_by_channel(it: Running) -> None:
    tell(it.world, "document.delivered.v1", delivered("a", CHILD, PARENT))
    tell(it.world, "delivery.requested.v1", requested("b", ADULT))
    arrived(it.world, "kivra", ADULT, "c")
    for who in (CHILD, f"{PARENT[2:8]}-{PARENT[8:]}"):
        status, found = await _call(it, "GET", f"/inbox/app/{who}")
        assert (status, found[0]["document_id"], found[0]["times"], len(found[0]["sha256"])) == (200, "a", 1, 64)
        assert found[0]["first_at"] == NOW.isoformat().replace("+00:00", "Z")
    (letter,) = (await _call(it, "GET", f"/inbox/kivra/{ADULT}"))[1]
    assert (letter["document_id"], letter["what"]) == ("c", "received"), "what is only asked for has not arrived"
    assert (await _call(it, "GET", f"/inbox/sms/{ADULT}"))[1] == []
    assert (await _call(it, "GET", f"/inbox/pigeon/{ADULT}"))[0] == 404
    assert (await _call(it, "GET", "/inbox/app/nobody"))[0] == 400


async def test_a_whole_inbox_tells_what_arrived_and_nobody_for_whom(it: Running) -> None:
    tell(it.world, "delivery.requested.v1", requested("b", ADULT))
    for name in ("l-b", "l-c", "l-c"):
        it.world.arrivals.note("kivra", ADULT, "delivery_id", name, "0" * 64, 3, NOW, repeated=False)
    status, found = await _call(it, "GET", "/inbox/kivra")
    assert (status, datetime.fromisoformat(found["since"]) <= it.sandbox.clock.now()) == (200, True)
    assert [(row["delivery_id"], row.get("document_id"), row["times"]) for row in found["items"]] == [("l-b", "b", 1), ("l-c", None, 2)]
    assert ADULT not in str(found)
    assert (await _call(it, "GET", "/inbox/sms"))[1]["items"] == []
    assert (await _call(it, "GET", "/inbox/pigeon"))[0] == 404


async def test_faults_are_shown_and_cleared(it: Running) -> None:
    await _call(it, "POST", "/faults", {"system": "spar", "mode": "slow", "for_seconds": 60})
    status, told = await _call(it, "POST", "/faults", {"system": "takecare", "mode": "refuse", "for_requests": 3})
    assert status == 200
    shown = {row["system"]: row for row in told["faults"]}
    assert 0 < shown["spar"]["seconds_left"] <= 60
    assert (shown["takecare"]["requests_left"], shown["takecare"]["applied"], shown["spar"]["applied"]) == (3, False, True)
    assert (await _call(it, "DELETE", "/faults"))[1] == {"faults": []}


@pytest.mark.parametrize(
    "fault",
    [
        {"system": "moon", "mode": "down"},
        {"system": "spar", "mode": "sulk"},
        {"system": "spar", "mode": "down", "for_seconds": 0},
        {"system": "spar", "mode": "down", "for_seconds": 1, "for_requests": 1},
    ],
)
async def test_a_fault_that_is_none_is_refused(it: Running, fault: Any) -> None:
    assert (await _call(it, "POST", "/faults", fault))[0] == 400


def test_a_fault_ends_after_its_seconds_or_its_requests() -> None:
    faults = Faults()
    faults.set(Fault(system="spar", mode="down", for_seconds=10), 100.0)
    assert [faults.strike("spar", now) is not None for now in (100.0, 109.9, 110.0)] == [True, True, False]
    faults.set(Fault(system="spar", mode="down", for_requests=2), 0.0)
    assert [faults.strike("spar", 0.0) is not None for _ in range(3)] == [True, True, False]
    faults.set(Fault(system="spar", mode="garbage"), 0.0)
    faults.set(Fault(system="spar", mode="refuse"), 0.0)
    assert [fault.mode for fault in [faults.strike("spar", 1e9)] if fault] == ["refuse"]
    assert faults.strike("kivra", 0.0) is None


async def test_a_page_of_another_origin_changes_nothing(it: Running) -> None:
    status, _ = await _call(it, "POST", "/people", {"patient": ADULT}, Origin="https://evil.example")
    assert (status, it.kafka.sent) == (403, [])
    assert (await _call(it, "POST", "/people", {"patient": ADULT}, Origin=it.url))[0] == 201


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nowhere", 404), ("GET", "/people", 405), ("POST", "/people", 400)])
async def test_what_is_not_there_is_answered_by_a_problem_document(it: Running, method: str, path: str, status: int) -> None:
    async with aiohttp.request(method, it.url + path, data=b"{" if method == "POST" else None) as answer:
        assert (answer.status, answer.content_type) == (status, "application/problem+json")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_body_that_is_too_large_is_refused(it: Running) -> None:
    assert (await _call(it, "POST", "/people", {"patient": "9" * 300_000}))[0] == 413


def _give_a_letter_to(it: Running, *readers: str) -> None:
    """A letter of the first; all of them have accounts."""
    for each in readers:
        tell(it.world, "person.changed.v1", person(each, "Alva Almdalsson"))
        tell(it.world, "account.changed.v1", account(each))
    tell(it.world, "document.delivered.v1", delivered("a", readers[0]))


async def test_an_attachment_is_fetched_from_the_gateway_for_the_reader_who_has_the_document(tmp_path: Path) -> None:
    seen: list[str] = []

    async def gateway(request: web.Request) -> web.Response:
        seen.append(request.headers["Authorization"].removeprefix("Bearer "))
        return web.Response(body=b"%PDF-1.4", content_type="application/pdf")

    app = web.Application()
    app.router.add_get("/v1/attachments/" + "0" * 64, gateway)
    async with TestServer(app) as server, running(tmp_path, str(server.make_url("")).rstrip("/")) as it:
        _give_a_letter_to(it, ADULT, PARENT)
        path = f"{it.url}/app/attachments/{'0' * 64}"
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            assert (await session.get(path, allow_redirects=False)).status == 303
            await session.post(f"{it.url}/app/login", data={"number": ADULT})
            assert (await session.get(path)).status == 404, "the letter is not opened yet"
            await session.post(f"{it.url}/app/documents/a/open")
            shown = await session.get(f"{path}/open")
            assert shown.headers["Content-Disposition"] == "inline; filename*=UTF-8''Information.pdf"
            answer = await session.get(path)
            assert (answer.status, answer.content_type, await answer.read()) == (200, "application/pdf", b"%PDF-1.4")
            assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''Information.pdf"
            assert (await session.get(path.replace("0" * 64, "1" * 64))).status == 404
            await session.post(f"{it.url}/app/login", data={"number": PARENT})
            assert (await session.get(path)).status == 404
        assert [it.signer.read(token)["reader"] for token in seen] == [ADULT, ADULT]


async def test_an_attachment_that_the_gateway_does_not_give_is_told(it: Running) -> None:
    _give_a_letter_to(it, ADULT)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        await session.post(f"{it.url}/app/login", data={"number": ADULT})
        await session.post(f"{it.url}/app/documents/a/open")
        assert (await session.get(f"{it.url}/app/attachments/{'0' * 64}")).status == 502


def test_markup_escapes_text_and_attributes_and_leaves_markup_alone() -> None:
    made = tag("p", "a < b", Html("<b>c</b>"), None, [1, "&"], class_='"x"', hidden=True, title=None, data_live="y")
    assert made == '<p class="&quot;x&quot;" hidden data-live="y">a &lt; b<b>c</b>1&amp;</p>'
    assert tag("input", name="n") == '<input name="n">'
    assert "nothing" in table("caption", ["a"], [], "nothing")
