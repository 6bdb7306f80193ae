"""The citizen app's meaning, without a browser: who sees what, the door of a video room, what an account says, no foreign forms."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from aiokafka.errors import KafkaConnectionError

from connectors.sandbox.pages.app import words
from connectors.sandbox.pages.app.access import Subject, agents_of, bookings_of, document_for, documents_of, subjects
from connectors.sandbox.pages.app.account import account_card, as_written, phone_of
from connectors.sandbox.pages.app.bookings import door, split
from connectors.sandbox.pages.app.frame import View, possessive
from connectors.sandbox.pages.app.login import CHILD as CHILD_SAID
from connectors.sandbox.pages.app.login import RESERVE, residents, suggestions
from connectors.sandbox.pages.app.words import size
from connectors.sandbox.world import World
from schemas import persons
from schemas.fields import STOCKHOLM
from tests.connectors.sandbox_support import (
    ADULT,
    CHILD,
    KEYS,
    NOW,
    PARENT,
    Running,
    account,
    booking,
    delivered,
    person,
    room,
    running,
    tell,
)

BIRTHDAY = datetime(2033, 8, 9, 0, 0, tzinfo=STOCKHOLM)
LATER = datetime(2026, 6, 1, tzinfo=UTC)


def link(patient: str, agent: str, relation: str = "guardian", state: str = "active", **more: Any) -> dict[str, Any]:
    return {"patient": patient, "agent": agent, "relation": relation, "state": state, "as_of": datetime(2026, 1, 3, tzinfo=UTC), **more}


@pytest.fixture
def world() -> World:
    """An adult, a parent with a child, all plain; the adults have accounts."""
    made = World()
    for pid, name in ((ADULT, "Alva Almdalsson"), (PARENT, "Nils Ekbacke"), (CHILD, "Tuva Ekbacke")):
        tell(made, "person.changed.v1", person(pid, name))
    for pid in (ADULT, PARENT):
        tell(made, "account.changed.v1", account(pid))
    return made


def seen(world: World, reader: str, now: datetime = NOW) -> list[tuple[str, str]]:
    return [(each.person, each.relation) for each in subjects(world, reader, now)]


def test_a_guardian_sees_a_child_until_its_13th_birthday(world: World) -> None:
    tell(world, "agent.changed.v1", link(CHILD, PARENT))
    tell(world, "document.delivered.v1", delivered("d", CHILD, PARENT))
    day_before, birthday = BIRTHDAY - timedelta(seconds=1), BIRTHDAY
    assert seen(world, PARENT, day_before) == [(PARENT, "self"), (CHILD, "guardian")]
    assert document_for(world, PARENT, "d", day_before) is not None
    assert seen(world, PARENT, birthday) == [(PARENT, "self")]
    assert document_for(world, PARENT, "d", birthday) is None


@pytest.mark.parametrize("state", ["inactive", "blocked"])
def test_a_link_that_is_not_active_gives_nothing(world: World, state: str) -> None:
    tell(world, "agent.changed.v1", link(CHILD, PARENT, state=state))
    assert seen(world, PARENT) == [(PARENT, "self")]


def test_a_fullmakt_shows_documents_and_no_bookings_and_holds_through_its_last_day(world: World) -> None:
    tell(world, "agent.changed.v1", link(ADULT, PARENT, "fullmakt", until=date(2026, 12, 24)))
    tell(world, "document.delivered.v1", delivered("d", ADULT, ADULT, PARENT))
    tell(world, "booking.shown.v1", booking("b", ADULT))
    subject = subjects(world, PARENT, NOW)[1]
    assert [each.data["document_id"] for each in documents_of(world, PARENT, subject)] == ["d"]
    assert bookings_of(world, subject) == []
    assert len(bookings_of(world, Subject(ADULT, "self"))) == 1
    assert len(seen(world, PARENT, datetime(2026, 12, 24, 22, 59, tzinfo=UTC))) == 2
    assert len(seen(world, PARENT, datetime(2026, 12, 24, 23, 0, tzinfo=UTC))) == 1


def test_an_adult_child_needs_more_than_a_guardian(world: World) -> None:
    tell(world, "agent.changed.v1", link(ADULT, PARENT, "guardian"))
    assert seen(world, PARENT) == [(PARENT, "self")]


@pytest.mark.parametrize("who", [PARENT, CHILD])
@pytest.mark.parametrize("fact", [{"protection": "sekretessmarkering"}, {"deceased": date(2026, 2, 1)}])
def test_neither_a_protected_nor_a_dead_person_has_a_place_in_a_link(world: World, who: str, fact: dict[str, Any]) -> None:
    tell(world, "agent.changed.v1", link(CHILD, PARENT))
    tell(world, "person.changed.v1", person(who, "Någon") | fact | {"as_of": LATER})
    assert seen(world, PARENT) == [(PARENT, "self")]


def test_whoever_no_register_knows_is_nobodys_child_here(world: World) -> None:
    stranger = persons.fictitious(date(2021, 1, 2), 984)
    tell(world, "agent.changed.v1", link(stranger, PARENT))
    assert seen(world, PARENT) == [(PARENT, "self")]


def test_a_block_ends_the_links_of_both_sides_and_unblocking_does_not_restore_them(world: World) -> None:
    tell(world, "agent.changed.v1", link(CHILD, PARENT))
    tell(world, "agent.changed.v1", link(PARENT, ADULT, "fullmakt"))
    assert agents_of(world, PARENT, NOW) == [(ADULT, "fullmakt")]
    tell(world, "account.changed.v1", account(PARENT, "blocked") | {"as_of": LATER})
    assert seen(world, PARENT) == []
    assert seen(world, ADULT) == [(ADULT, "self")]
    tell(world, "account.changed.v1", account(PARENT) | {"as_of": LATER + timedelta(hours=1)})
    assert seen(world, PARENT) == [(PARENT, "self")]
    assert agents_of(world, PARENT, NOW) == []
    tell(world, "agent.changed.v1", link(CHILD, PARENT, as_of=LATER + timedelta(hours=2)))
    assert seen(world, PARENT) == [(PARENT, "self"), (CHILD, "guardian")]


def test_links_of_an_account_that_is_first_heard_of_as_blocked_do_not_come_back(world: World) -> None:
    """A compacted topic tells the last state alone."""
    stranger = persons.fictitious(date(1979, 3, 4), 986)
    tell(world, "person.changed.v1", person(stranger, "Bo"))
    tell(world, "agent.changed.v1", link(CHILD, stranger))
    tell(world, "account.changed.v1", account(stranger, "blocked") | {"as_of": LATER})
    tell(world, "account.changed.v1", account(stranger) | {"as_of": LATER + timedelta(hours=1)})
    assert seen(world, stranger) == [(stranger, "self")]


def test_a_document_for_somebody_else_or_withdrawn_is_not_shown(world: World) -> None:
    tell(world, "agent.changed.v1", link(CHILD, PARENT))
    tell(world, "document.delivered.v1", delivered("d", CHILD, ADULT))
    assert document_for(world, PARENT, "d", NOW) is None
    tell(world, "document.delivered.v1", delivered("e", CHILD, PARENT))
    assert document_for(world, PARENT, "e", NOW) is not None
    tell(world, "document.withdrawn.v1", {"document_id": "e", "at": NOW})
    assert document_for(world, PARENT, "e", NOW) is None


@pytest.mark.parametrize(
    ("state", "minutes", "text", "enters"),
    [
        ("scheduled", -60, "Mötet öppnar", False),
        ("active", -31, "Mötet öppnar", False),
        ("active", -30, "Mötet är öppet. Du får vänta tills vården startar det.", True),
        ("active", 60, "Mötet är öppet. Du får vänta tills vården startar det.", True),
        ("active", 61, "Mötet är stängt.", False),
        ("scheduled", 0, "Mötesrummet förbereds.", False),
        ("closed", 0, "Mötet är stängt.", False),
        ("void", 0, "Videomötet går inte att öppna. Kontakta mottagningen.", False),
    ],
)
def test_the_door_of_a_room_says_its_state(state: str, minutes: int, text: str, enters: bool) -> None:
    told = {**room("r"), "state": state}
    told |= {"opens_at": "2026-11-23T09:00:00Z", "closes_at": "2026-11-23T10:30:00Z"}
    found = door(told, NOW + timedelta(minutes=minutes))
    assert (found.text, found.room_id is not None) == (text, enters)


def test_a_booking_without_a_room_yet_says_so() -> None:
    assert door(None, NOW).text == "Mötesrummet förbereds."


def test_bookings_are_coming_until_they_have_ended(world: World) -> None:
    for name, start in (("late", NOW + timedelta(days=2)), ("now", NOW - timedelta(minutes=29)), ("past", NOW - timedelta(minutes=30))):
        tell(world, "booking.shown.v1", booking(name, ADULT, start=start))
    coming, past = split(bookings_of(world, Subject(ADULT, "self")), NOW)
    assert ([each["booking_id"] for each in coming], [each["booking_id"] for each in past]) == (["now", "late"], ["past"])


@pytest.mark.parametrize(
    ("typed", "phone"),
    [
        ("070-174 06 40", "+46701740640"),
        ("0046 70 174 06 40", "+46701740640"),
        ("+47 912 34 567", "+4791234567"),
        ("(08) 123 45 67", "+4681234567"),
        ("12", None),
        ("070-ABC", None),
        ("", None),
        ("+0701740640", None),
    ],
)
def test_a_phone_number_is_taken_as_people_write_it(typed: str, phone: str | None) -> None:
    assert phone_of(typed) == phone


def test_a_swedish_mobile_number_is_shown_in_groups() -> None:
    assert [as_written(each) for each in ("+46701740640", "+4791234567", "")] == ["070-174 06 40", "+4791234567", ""]
    assert phone_of(as_written("+46701740640")) == "+46701740640"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ([("blocked", "resident", "k")], "Det spärrades <time datetime=\"2026-06-01T00:00:00Z\">2026-06-01 02:00</time> av dig."),
        ([("blocked", "staff", "SE2321000016-LISA")], "av vården (Lisa Lindmyr)."),
        ([("none", "resident", "k")], "Kontot är avregistrerat."),
        ([("blocked", "staff", "lisa"), ("active", "staff", "lisa")], "03:00</time> av vården (Lisa Lindmyr)."),
        ([("blocked", "staff", "lisa"), ("active", "staff", "lisa")], "Det låstes upp"),
    ],
)  # fmt: skip
def test_an_account_says_its_state_since_when_and_by_whom(world: World, changes: list[tuple[str, str, str]], said: str) -> None:
    for place, (state, role, who) in enumerate(changes):
        change = account(ADULT, state) | {"by": {"id": who, "role": role}, "as_of": LATER + timedelta(hours=place)}
        tell(world, "account.changed.v1", change)
    assert said in account_card(View(world, ADULT, Subject(ADULT, "self"), 0, 0), NOW)


def test_a_new_number_changes_neither_since_when_nor_by_whom_an_account_is_open(world: World) -> None:
    tell(world, "account.changed.v1", account(ADULT) | {"phone": "+46701740640", "as_of": LATER})
    known = world.accounts[ADULT]
    assert (known["since"], known["phone"]) == ("2026-01-02T00:00:00Z", "+46701740640")
    tell(world, "account.changed.v1", account(ADULT, "blocked") | {"as_of": LATER + timedelta(hours=1)})
    assert world.accounts[ADULT]["phone"] == "+46701740640"


def test_words_for_days_sizes_and_names() -> None:
    monday = date(2026, 11, 23)
    days = [words.day(monday + timedelta(days=away), monday) for away in (-1, 0, 1, 2, 60)]
    assert days == ["i går", "i dag", "i morgon", "onsdag 25 november", "fredag 22 januari 2027"]
    assert [size(each) for each in (12, 5_300, 1_250_000)] == ["1 kB", "5 kB", "1,2 MB"]
    assert [possessive(each) for each in ("Alva", "Jonas", "Max")] == ["Alvas", "Jonas", "Max"]


def test_the_suggested_people_are_one_of_each_sort_and_nobody_twice(world: World) -> None:
    tell(world, "agent.changed.v1", link(CHILD, PARENT))
    tell(world, "document.delivered.v1", delivered("d", ADULT))
    found = residents(world, NOW)
    assert {each.person for each in found} == {ADULT, PARENT}, "a child has no e-ID"
    assert [(trait, each.person) for trait, each in suggestions(found)] == [("Har olästa dokument", ADULT), ("Är ombud för någon", PARENT)]


def test_a_protected_person_is_not_offered_by_name(world: World) -> None:
    tell(world, "person.changed.v1", person(ADULT, "Alva") | {"protection": "sekretessmarkering", "as_of": LATER})
    assert [each.person for each in residents(world, NOW)] == [PARENT]


@pytest.fixture
async def it(tmp_path: Path, world: World) -> AsyncIterator[Running]:
    async with running(tmp_path) as sandbox:
        for pid in (ADULT, PARENT, CHILD):
            tell(sandbox.world, "person.changed.v1", person(pid, "Alva Almdalsson"))
        tell(sandbox.world, "account.changed.v1", account(ADULT))
        tell(sandbox.world, "document.delivered.v1", delivered("d", ADULT))
        yield sandbox


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as made:
        yield made


@pytest.mark.parametrize(
    ("number", "said"), [(CHILD, CHILD_SAID), (persons.reserve_number(2024, 1), RESERVE), ("198005179811", "stämmer inte")]
)
async def test_whoever_cannot_have_an_e_id_is_told_why(it: Running, session: aiohttp.ClientSession, number: str, said: str) -> None:
    async with session.post(f"{it.url}/app/login", data={"number": number}) as answer:
        assert answer.status == 400
        assert said in await answer.text()


async def test_looking_at_a_document_changes_nothing_and_opening_it_twice_is_one_receipt(
    it: Running, session: aiohttp.ClientSession
) -> None:
    await session.post(f"{it.url}/app/login", data={"number": ADULT})
    async with session.get(f"{it.url}/app/documents/d") as answer:
        text = await answer.text()
    assert "Öppna dokumentet" in text
    assert "Dina prover" not in text
    assert it.kafka.sent == []
    for _ in range(2):
        async with session.post(f"{it.url}/app/documents/d/open") as answer:
            assert "Dina prover" in await answer.text()
    (sent,) = it.kafka.sent
    assert orjson.loads(sent[2])["read_by"] == ADULT


async def test_a_withdrawn_document_and_one_that_never_was_get_the_same_answer(it: Running, session: aiohttp.ClientSession) -> None:
    await session.post(f"{it.url}/app/login", data={"number": ADULT})
    tell(it.world, "document.withdrawn.v1", {"document_id": "d", "at": NOW})
    answers = []
    for name in ("d", "nothing"):
        async with session.get(f"{it.url}/app/documents/{name}") as answer:
            answers.append((answer.status, await answer.text()))
    assert answers[0] == answers[1]
    assert answers[0][0] == 404
    await session.post(f"{it.url}/app/documents/d/open")
    assert it.kafka.sent == []
    async with session.get(f"{it.url}/app/documents") as answer:
        assert "1 dokument visas inte längre här." in await answer.text()


@pytest.mark.parametrize(
    "path", ["/app/documents", "/app/documents/d", "/app/bookings", "/app/people", "/app/account", "/app/account/block", "/app/nowhere"]
)
async def test_nobody_gets_further_than_the_login_without_one(it: Running, session: aiohttp.ClientSession, path: str) -> None:
    async with session.get(it.url + path, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, "/app")


async def test_a_blocked_account_opens_no_page_of_documents_or_times(it: Running, session: aiohttp.ClientSession) -> None:
    await session.post(f"{it.url}/app/login", data={"number": ADULT})
    await session.post(f"{it.url}/app/account", data={"account": "blocked"})
    for path in ("/app/documents", "/app/documents/d", "/app/bookings", "/app/people"):
        async with session.get(it.url + path, allow_redirects=False) as answer:
            assert answer.status == 303, path


@pytest.mark.parametrize("state", ["blocked", "none"])
async def test_a_resident_undoes_neither_a_block_nor_a_deregistering(it: Running, session: aiohttp.ClientSession, state: str) -> None:
    tell(it.world, "account.changed.v1", account(ADULT, state) | {"as_of": LATER})
    await session.post(f"{it.url}/app/login", data={"number": ADULT})
    async with session.post(f"{it.url}/app/account", data={"account": "active"}) as answer:
        assert "Bara vården kan låsa upp det" in await answer.text()
    await session.post(f"{it.url}/app/account/phone", data={"phone": "070-174 06 40"})
    assert it.kafka.sent == []


@pytest.mark.parametrize("path", ["documents/d/open", "account", "account/phone", "people", "login", "logout"])
async def test_a_form_of_another_origin_changes_nothing(it: Running, session: aiohttp.ClientSession, path: str) -> None:
    await session.post(f"{it.url}/app/login", data={"number": ADULT})
    form = {"account": "blocked", "phone": "070-174 06 40", "number": ADULT}
    async with session.post(f"{it.url}/app/{path}", data=form, headers={"Origin": "https://evil.example"}) as answer:
        assert answer.status == 403
    assert it.kafka.sent == []


async def test_the_cookie_is_for_this_site_alone_and_out_of_reach_of_scripts(it: Running, session: aiohttp.ClientSession) -> None:
    async with session.post(f"{it.url}/app/login", data={"number": ADULT}, allow_redirects=False) as answer:
        cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert ADULT not in cookie


async def test_a_patient_comes_into_an_open_meeting_with_a_ticket_for_that_patient_alone(
    tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    asked: list[tuple[str, Any]] = []

    async def join(request: web.Request) -> web.Response:
        asked.append((request.headers["Authorization"].removeprefix("Bearer "), await request.json()))
        return web.json_response({"token": "good-once"})

    app = web.Application()
    app.router.add_post("/api/rooms/r-1/join", join)
    async with TestServer(app) as video, running(tmp_path, video_url=str(video.make_url("")).rstrip("/")) as it:
        for pid in (ADULT, PARENT):
            tell(it.world, "person.changed.v1", person(pid, "Alva Almdalsson"))
            tell(it.world, "account.changed.v1", account(pid))
        now = it.sandbox.clock.now()
        tell(it.world, "booking.shown.v1", booking("b-1", ADULT, start=now))
        opens = {"state": "active", "opens_at": now + timedelta(hours=1), "closes_at": now + timedelta(hours=2)}
        tell(it.world, "room.changed.v1", room("r-1", "b-1") | opens)
        await session.post(f"{it.url}/app/login", data={"number": ADULT})
        path = f"{it.url}/app/meet/r-1"
        async with session.get(path, allow_redirects=False) as answer:
            assert answer.status == 404, "the room is not open yet"
        tell(it.world, "room.changed.v1", room("r-1", "b-1") | opens | {"opens_at": now})
        async with session.get(path, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, f"{it.sandbox.video_url}/meet/r-1#t=good-once")
        await session.post(f"{it.url}/app/login", data={"number": PARENT})
        async with session.get(path, allow_redirects=False) as answer:
            assert answer.status == 404, "nobody else's meeting"
        ((token, body),) = asked
        assert (it.signer.read(token)["reader"], body) == (KEYS.key(ADULT), {"patient": ADULT})


@asynccontextmanager
async def visited(tmp_path: Path, kind: str = "single", lines: Any = ()) -> AsyncIterator[tuple[Running, list[Any]]]:
    """A visit of the adult's that is over, and a video part that knows its chat; what it was asked."""
    asked: list[Any] = []

    async def history(request: web.Request) -> web.Response:
        asked.append((request.headers["Authorization"].removeprefix("Bearer "), await request.json()))
        return web.json_response({"lines": list(lines)})

    app = web.Application()
    app.router.add_post("/api/rooms/r-1/history", history)
    async with TestServer(app) as video, running(tmp_path, video_url=str(video.make_url("")).rstrip("/")) as it:
        for pid in (ADULT, PARENT):
            tell(it.world, "person.changed.v1", person(pid, "Alva Almdalsson"))
            tell(it.world, "account.changed.v1", account(pid))
        was = it.sandbox.clock.now() - timedelta(days=1)
        tell(it.world, "booking.shown.v1", booking("b-1", ADULT, start=was))
        window = {"opens_at": was - timedelta(minutes=30), "closes_at": was + timedelta(hours=1), "state": "closed", "kind": kind}
        tell(it.world, "room.changed.v1", room("r-1", "b-1") | window)
        yield it, asked


async def text_at(session: aiohttp.ClientSession, url: str) -> tuple[int, str]:
    async with session.get(url) as answer:
        return answer.status, await answer.text()


SAID = {"name": "Lisa Lindmyr", "text": "Ring <om> det blir värre", "at": "2026-11-23T09:31:00Z", "mine": False}
MINE = {"name": "Alva Almdalsson", "text": "Tack", "at": "2026-11-23T09:32:00Z", "mine": True}
NAMELESS = {"name": "", "text": "Hej", "at": "2026-11-23T09:33:00Z", "mine": False}


async def test_a_patient_reads_the_chat_of_a_past_visit_from_the_inbox_and_the_booking(
    tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    async with visited(tmp_path, lines=(SAID, MINE, NAMELESS)) as (it, asked):
        await session.post(f"{it.url}/app/login", data={"number": ADULT})
        for place in ("documents", "bookings"):
            assert 'href="/app/meet/r-1/chat"' in (await text_at(session, f"{it.url}/app/{place}"))[1], place
        status, text = await text_at(session, f"{it.url}/app/meet/r-1/chat")
        assert status == 200
        for words_there in (
            "<strong>Lisa Lindmyr</strong>",
            "Ring &lt;om&gt; det blir värre",
            "<strong>Du</strong>",
            "<strong>Deltagare</strong>",
        ):
            assert words_there in text
        assert "Alva Almdalsson" not in text.partition("<ol")[2]
        assert all((it.signer.read(token)["reader"], body) == (KEYS.key(ADULT), {"patient": ADULT}) for token, body in asked)


async def test_a_groups_chat_stands_in_the_booking_and_not_in_the_inbox(tmp_path: Path, session: aiohttp.ClientSession) -> None:
    async with visited(tmp_path, "group", lines=(SAID,)) as (it, asked):
        await session.post(f"{it.url}/app/login", data={"number": ADULT})
        assert "/chat" not in (await text_at(session, f"{it.url}/app/documents"))[1]
        assert asked == []
        assert "/app/meet/r-1/chat" in (await text_at(session, f"{it.url}/app/bookings"))[1]
        assert "ingen journalhandling" in (await text_at(session, f"{it.url}/app/meet/r-1/chat"))[1]


async def test_an_empty_chat_is_not_in_the_inbox_and_says_that_it_is_empty(tmp_path: Path, session: aiohttp.ClientSession) -> None:
    async with visited(tmp_path) as (it, _):
        await session.post(f"{it.url}/app/login", data={"number": ADULT})
        assert "/chat" not in (await text_at(session, f"{it.url}/app/documents"))[1]
        assert "Ingen skrev något" in (await text_at(session, f"{it.url}/app/meet/r-1/chat"))[1]


async def test_nobody_reads_the_chat_of_somebody_else_or_of_a_withdrawn_room(tmp_path: Path, session: aiohttp.ClientSession) -> None:
    async with visited(tmp_path, lines=(SAID,)) as (it, asked):
        await session.post(f"{it.url}/app/login", data={"number": PARENT})
        assert (await text_at(session, f"{it.url}/app/meet/r-1/chat"))[0] == 404
        await session.post(f"{it.url}/app/login", data={"number": ADULT})
        tell(it.world, "room.changed.v1", {**it.world.rooms["r-1"], "state": "void"})
        assert (await text_at(session, f"{it.url}/app/meet/r-1/chat"))[0] == 404
        assert "/chat" not in (await text_at(session, f"{it.url}/app/bookings"))[1]
        assert asked == []


async def test_the_inbox_shows_its_documents_also_while_the_video_part_is_away(it: Running, session: aiohttp.ClientSession) -> None:
    was = it.sandbox.clock.now() - timedelta(days=1)
    tell(it.world, "booking.shown.v1", booking("b-1", ADULT, start=was))
    tell(it.world, "room.changed.v1", room("r-1", "b-1") | {"opens_at": was, "closes_at": was, "state": "closed"})
    await session.post(f"{it.url}/app/login", data={"number": ADULT})
    assert (await text_at(session, f"{it.url}/app/documents"))[0] == 200
    status, text = await text_at(session, f"{it.url}/app/meet/r-1/chat")
    assert (status, "Chatten kan inte visas just nu" in text) == (502, True)


async def test_a_meeting_that_cannot_be_reached_is_told(it: Running, session: aiohttp.ClientSession) -> None:
    now = it.sandbox.clock.now()
    tell(it.world, "booking.shown.v1", booking("b-1", ADULT, start=now))
    window = {"state": "active", "opens_at": now, "closes_at": now + timedelta(hours=1)}
    tell(it.world, "room.changed.v1", room("r-1", "b-1") | window)
    await session.post(f"{it.url}/app/login", data={"number": ADULT})
    async with session.get(f"{it.url}/app/meet/r-1") as answer:
        assert answer.status == 502
        assert "Videomötet kan inte nås just nu" in await answer.text()


async def test_when_kafka_is_away_the_document_stays_unread_and_that_is_said(it: Running, session: aiohttp.ClientSession) -> None:
    async def away(*_: object, **__: object) -> None:
        raise KafkaConnectionError

    it.kafka.send_and_wait = away  # type: ignore[method-assign]
    await session.post(f"{it.url}/app/login", data={"number": ADULT})
    async with session.post(f"{it.url}/app/documents/d/open") as answer:
        assert answer.status == 503
        assert "Inget har ändrats" in await answer.text()
    assert it.world.documents["d"].read_by == set()


async def test_one_persons_page_is_never_taken_for_anothers(it: Running, session: aiohttp.ClientSession) -> None:
    await session.post(f"{it.url}/app/login", data={"number": ADULT})
    async with session.get(f"{it.url}/app") as answer:
        etag = answer.headers["ETag"]
    async with session.get(f"{it.url}/app", headers={"If-None-Match": etag}) as answer:
        assert answer.status == 304
    await session.post(f"{it.url}/app/login", data={"number": PARENT})
    async with session.get(f"{it.url}/app", headers={"If-None-Match": etag}) as answer:
        assert answer.status == 200
