"""The API and the pages over HTTP: who gets in, who is told nothing, what every answer carries (V9-V11, V15, N2)."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import orjson
import pytest

from tests.video.bridge_support import PAT, PER, UNIT, World, world
from video.login import local
from video.records import ROOMS


@pytest.fixture
async def w() -> AsyncIterator[World]:
    async with world() as made:
        yield made


async def browser(w: World, user: str) -> aiohttp.ClientSession:
    """A browser whose user has logged in by the issuer's page."""
    session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
    async with session.get(f"{w.url}/login?next=/") as page:
        text, address = await page.text(), page.url
    fields = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', text))
    form = {**{k: v.replace("&amp;", "&") for k, v in fields.items()}, "username": user, "password": "sandbox"}
    async with session.post(address.with_query(None), data=form) as answer:
        assert answer.status == 200 or user == "olle"
    return session


async def test_the_app_gets_a_link_for_a_patient_of_the_room_and_the_link_is_good_once(w: World) -> None:
    w.room("room-1", PAT)
    status, told = await w.api("POST", "/api/rooms/room-1/join", "app", {"patient": PAT})
    assert status == 200 and told["url"].startswith(f"{w.url}/meet/room-1#t=")
    assert PAT not in told["url"] and "Pat" not in told["url"], "no number and no name stands in an address"
    here = {"Origin": w.url}
    status, _ = await w.api("POST", "/meet/room-1/ticket", body={"ticket": told["token"]}, **here)
    assert status == 200
    status, refused = await w.api("POST", "/meet/room-1/ticket", body={"ticket": told["token"]}, **here)
    assert (status, refused) == (403, {"reason": "used"})
    status, token = await w.api("POST", "/meet/room-1/token", **here)
    assert status == 200 and token["token"]


async def test_a_ticket_is_good_for_its_own_room_alone(w: World) -> None:
    w.room("room-1", PAT)
    w.room("room-2", PER)
    _, told = await w.api("POST", "/api/rooms/room-1/join", "app", {"patient": PAT})
    status, refused = await w.api("POST", "/meet/room-2/ticket", body={"ticket": told["token"]}, Origin=w.url)
    assert (status, refused) == (403, {"reason": "wrong_room"})


@pytest.mark.parametrize(
    ("who", "room", "patient", "status"),
    [
        ("app", "room-1", PER, 404),  # somebody else's room
        ("app", "nowhere", PAT, 404),
        ("app", "void", PAT, 404),
        ("app", "room-1", "191212121212", 404),
        ("app", "room-1", "not a number", 400),
        ("portal", "room-1", PAT, 403),
        ("lisa", "room-1", PAT, 403),
        ("", "room-1", PAT, 401),
    ],
)
async def test_nobody_else_gets_a_patients_link(w: World, who: str, room: str, patient: str, status: int) -> None:
    w.room("room-1", PAT)
    w.room("void", PAT, state="void")
    assert (await w.api("POST", f"/api/rooms/{room}/join", who, {"patient": patient}))[0] == status


async def test_a_ledger_that_is_away_is_a_503_and_no_link(w: World) -> None:
    w.room("room-1", PAT)
    w.ledger.away = True
    assert (await w.api("POST", "/api/rooms/room-1/join", "app", {"patient": PAT}))[0] == 503


async def test_a_chat_invitation_is_a_room_for_thirty_minutes_and_one_patient_and_tells_at_once(w: World) -> None:
    status, made = await w.api("POST", "/api/rooms", "lisa", {"kind": "chat", "unit": UNIT, "patient": PAT})
    assert status == 201
    room = w.bridge.desk.meetings[made["room_id"]].room
    assert room.closes_at - room.opens_at == timedelta(minutes=30) and room.opens_at == w.now
    assert w.ledger.told == [("k9810", made["room_id"])]
    assert (await w.api("POST", f"/api/rooms/{made['room_id']}/join", "app", {"patient": PAT}))[0] == 200
    assert (await w.api("POST", f"/api/rooms/{made['room_id']}/join", "app", {"patient": PER}))[0] == 404
    told = [orjson.loads(r.value) for r in w.records if r.topic == "video.rooms.v1"]
    assert [(t["kind"], t["state"]) for t in told] == [("chat", "active")]
    await w.api("POST", "/api/rooms", "lisa", {"kind": "chat", "unit": UNIT, "patient": PAT, "notify": False})
    assert len(w.ledger.told) == 1, "Behövs inte"


async def _last_said(w: World, room_id: str, right: Callable[[list[Any]], bool]) -> list[Any]:
    """What the topic has been told of a room, once it is right; None is a tombstone."""
    async with asyncio.timeout(20):
        while not right(said := [r.value and orjson.loads(r.value) for r in w.records if r.key == room_id.encode() and r.topic == ROOMS]):
            await asyncio.sleep(0.02)
    return said


async def test_a_chat_room_is_void_soon_after_its_patient_became_protected(monkeypatch: pytest.MonkeyPatch) -> None:
    """P10: withdrawn, guest links dead, and no reason tells why; a ledger that is away is asked again."""
    monkeypatch.setattr("video.bridge.WATCH_S", 0.05)
    async with world() as w:
        _, made = await w.api("POST", "/api/rooms", "lisa", {"kind": "chat", "unit": UNIT, "patient": PAT})
        _, other = await w.api("POST", "/api/rooms", "lisa", {"kind": "chat", "unit": UNIT, "patient": PER})
        w.ledger.away = True
        w.room("of-another-bridge", kind="chat")
        w.ledger.void |= {made["room_id"], "of-another-bridge"}
        await asyncio.sleep(0.2)
        w.ledger.away = False
        said = await _last_said(w, made["room_id"], lambda said: said[-1]["state"] == "void")
        assert [one.get("reason") for one in said] == [None, "withdrawn"]
        assert (await w.api("POST", f"/api/rooms/{made['room_id']}/invite", "lisa", {}))[0] == 409
        assert (await w.api("POST", f"/api/rooms/{other['room_id']}/invite", "lisa", {}))[0] == 200
        assert (await _last_said(w, "of-another-bridge", bool))[0]["reason"] == "withdrawn", "whoever made it"


async def test_a_room_of_the_bridges_own_gets_a_tombstone_after_its_retention(w: World) -> None:
    """CONTRACTS section 2: after a final state, in the partition where that stands."""
    _, made = await w.api("POST", "/api/rooms", "lisa", {"kind": "chat", "unit": UNIT, "patient": PAT})
    w.now += timedelta(days=1)
    await _last_said(w, made["room_id"], lambda said: said[-1]["state"] == "closed")
    w.now += timedelta(days=60)
    await _last_said(w, made["room_id"], lambda said: said[-1] is None)
    first, *_, last = [r for r in w.records if r.key == made["room_id"].encode() and r.topic == ROOMS]
    assert last.partition_key == first.partition_key
    assert (await w.api("GET", f"/api/rooms/{made['room_id']}", "lisa"))[0] == 404


async def test_a_conference_has_its_booker_as_resource_and_its_subject_is_in_no_topic(w: World) -> None:
    start = datetime.now(UTC) + timedelta(hours=3)
    body = {"kind": "conference", "unit": UNIT, "subject": "Planering", "start": start.isoformat(), "minutes": 30}
    status, made = await w.api("POST", "/api/rooms", "lisa", body)
    assert status == 201 and made["resource"] == "Lisa Lindmyr"
    room = w.bridge.desk.meetings[made["room_id"]].room
    assert (start - room.opens_at, room.closes_at - start) == (timedelta(minutes=30), timedelta(minutes=60))
    assert "Planering" not in str(w.records)
    assert (await w.api("GET", f"/api/rooms/{made['room_id']}", "lisa"))[1]["subject"] == "Planering"


async def test_a_conferences_start_without_a_zone_is_stockholms(w: World) -> None:
    start = (datetime.now(UTC) + timedelta(hours=3)).replace(microsecond=0)
    local = start.astimezone(ZoneInfo("Europe/Stockholm")).replace(tzinfo=None).isoformat()
    body = {"kind": "conference", "unit": UNIT, "subject": "Planering", "start": local, "minutes": 30}
    status, made = await w.api("POST", "/api/rooms", "lisa", body)
    assert status == 201
    assert start - w.bridge.desk.meetings[made["room_id"]].room.opens_at == timedelta(minutes=30)


FAULTS = [
    ({"kind": "chat", "unit": UNIT}, "/patient", "is required"),
    ({"kind": "chat", "unit": UNIT, "patient": "not a number"}, "/patient", "is not a person id"),
    (
        {"kind": "conference", "unit": UNIT, "subject": "x", "start": "2000-01-01T10:00:00Z", "minutes": 30},
        "/start",
        "is past, or too far ahead",
    ),
    ({"kind": "conference", "unit": UNIT, "subject": "x", "start": "2000-01-01T10:00:00Z", "minutes": "x"}, "/minutes", None),
    ({"kind": "single"}, "", None),
    ([], "", None),
]


@pytest.mark.parametrize(("body", "pointer", "reason"), FAULTS)
async def test_a_problem_document_points_to_the_fault(w: World, body: Any, pointer: str, reason: str | None) -> None:
    _, problem = await w.api("POST", "/api/rooms", "lisa", body)
    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert reason in (None, problem["errors"][0]["detail"])


async def test_who_is_known_but_no_staff_is_forbidden_and_who_is_not_known_is_not_let_in(w: World) -> None:
    w.room("room-1", PAT)
    assert (await w.api("GET", "/api/rooms/room-1", "olle"))[0] == 403
    assert (await w.api("GET", "/api/rooms/room-1", ""))[0] == 401


async def test_a_room_that_takes_nobody_says_that_it_is_its_state(w: World) -> None:
    w.room("void", PAT, state="void")
    status, problem = await w.api("POST", "/api/rooms/void/invite", "lisa", {})
    assert (status, problem["type"]) == (409, "urn:care-hub:problem:wrong-state")


@pytest.mark.parametrize("who", ["app", "olle", ""])
async def test_only_staff_of_the_unit_make_see_and_invite(w: World, who: str) -> None:
    w.room("other", PAT, unit="SE2321000016-C3")
    body = {"kind": "chat", "unit": UNIT, "patient": PAT}
    denied = {401} if not who else {401, 403}
    assert (await w.api("POST", "/api/rooms", who, body))[0] in denied
    assert (await w.api("GET", "/api/rooms/other", who or "lisa"))[0] in {401, 403}
    assert (await w.api("POST", "/api/rooms/other/invite", who or "lisa", {}))[0] in {401, 403}
    assert (await w.api("GET", "/api/rooms?unit=SE2321000016-C3", who or "lisa"))[0] in {401, 403}


@pytest.mark.parametrize(
    "body",
    [
        {}, {"kind": "single"}, {"kind": "chat", "unit": UNIT}, {"kind": "chat", "unit": UNIT, "patient": PAT, "more": 1},
        {"kind": "conference", "unit": UNIT, "subject": "x", "start": "2026-11-23T10:00:00", "minutes": 30},
        {"kind": "conference", "unit": UNIT, "subject": "x", "start": "2000-01-01T10:00:00Z", "minutes": 30},
        {"kind": "conference", "unit": UNIT, "subject": "x", "start": "2026-11-28T10:00:00Z", "minutes": 10_000},
    ],
)  # fmt: skip
async def test_what_breaks_the_schema_is_a_problem_document(w: World, body: dict[str, object]) -> None:
    status, problem = await w.api("POST", "/api/rooms", "lisa", body)
    assert status == 400 and problem["type"] == "urn:care-hub:problem:malformed" and PAT not in str(problem)


async def test_who_is_booked_and_who_took_part_is_shown_to_staff_and_logged(w: World) -> None:
    room = w.room("room-1", PAT, PER, kind="group")
    lisa = await w.line("lisa", "staff", room)
    await lisa.say("hello")
    pid = w.bridge.rooms.pid_of(room, (await w.ledger.booked("room-1"))[0])
    pat = await w.line(pid, "patient", room)
    await pat.say("hello")
    await pat.say("leave")
    _, told = await w.api("GET", "/api/rooms/room-1", "lisa")
    assert [(b["name"], b["took_part"]) for b in told["booked"]] == [("Pat Patientsson", True), ("Per Patientsson", False)]
    assert {p["participant"]: p["state"] for p in told["people"]}[pid] == "left"
    logged = [orjson.loads(r.value) for r in w.records if r.topic == "audit.v1"]
    assert [(e["action"], e["user"], e["about"]) for e in logged] == [("video.participants_read", "SE2321000016-LISA", "room-1")]


async def test_an_invitation_has_time_link_and_code_and_nothing_about_anybody(w: World) -> None:
    room = w.room("room-1", PAT)
    _, told = await w.api("POST", "/api/rooms/room-1/invite", "lisa", {})
    assert told["code"] == w.code(room) and told["url"] in told["text"] and told["code"] in told["text"]
    assert not any(word in told["text"] for word in ("Pat", "Lisa", "Läkare", PAT))


async def test_a_guest_with_a_one_time_code_comes_to_the_lobby_and_the_code_is_used_up(w: World) -> None:
    room = w.room("room-1", PAT)
    _, told = await w.api("POST", "/api/rooms/room-1/invite", "lisa", {"one_time_code": True})
    code, here = told["one_time_code"], {"Origin": w.url}
    async with w.http.get(told["url"]) as page:
        text = await page.text()
        assert not any(word in text for word in ("Läkare", "room-1", UNIT, "Ortoped", "Pat"))
    body = {"name": "Gun Gäst", "code": code}
    wrong = {"name": "Gun Gäst", "code": "000000" if code != "000000" else "000001"}
    assert (await w.api("POST", f"/m/{w.code(room)}/login", body=wrong, **here))[0] == 403
    assert await w.api("POST", f"/m/{w.code(room)}/login", body=body, **here) == (200, {"next": "/meet/room-1"})
    status, token = await w.api("POST", "/meet/room-1/token", **here)
    assert status == 200
    ws = await w.http.ws_connect(f"{w.url}/ws", params={"token": token["token"]})
    await ws.send_json({"v": 1, "id": 1, "type": "hello"})
    while (message := await ws.receive_json())["type"] != "state":
        pass
    assert message["you"]["place"] == "lobby" and set(message) == {"v", "seq", "type", "you", "window", "now"}
    assert (await w.api("POST", f"/m/{w.code(room)}/login", body=body, **here))[0] == 403, "one use"


async def test_five_wrong_tries_end_a_code(w: World) -> None:
    room = w.room("room-1", PAT)
    _, told = await w.api("POST", "/api/rooms/room-1/invite", "lisa", {"one_time_code": True})
    right, here = told["one_time_code"], {"Origin": w.url}
    for number in range(5):
        guess = f"{(int(right) + 1 + number) % 1_000_000:06d}"
        assert (await w.api("POST", f"/m/{w.code(room)}/login", body={"name": "x", "code": guess}, **here))[0] == 403
    assert (await w.api("POST", f"/m/{w.code(room)}/login", body={"name": "x", "code": right}, **here))[0] == 403


async def test_a_code_ends_after_ten_minutes_and_a_link_with_rebooking_and_withdrawal(w: World) -> None:
    room = w.room("room-1", PAT)
    old, here = w.code(room), {"Origin": w.url}
    _, told = await w.api("POST", "/api/rooms/room-1/invite", "lisa", {"one_time_code": True})
    w.now += timedelta(minutes=10)
    assert (await w.api("POST", f"/m/{old}/login", body={"name": "x", "code": told["one_time_code"]}, **here))[0] == 403
    for change in ({"starts": 200, "sequence": 1}, {"state": "void", "sequence": 2}):
        w.room("room-1", PAT, **change)  # type: ignore[arg-type]
        if change.get("state") != "void":
            _, told = await w.api("POST", "/api/rooms/room-1/invite", "lisa", {"one_time_code": True})
            assert told["code"] != old, "rebooking makes another code"
        assert (await w.api("POST", f"/m/{old}/login", body={"name": "x", "code": told["one_time_code"]}, **here))[0] == 403
    assert (await w.api("POST", "/api/rooms/room-1/invite", "lisa", {}))[0] == 409


@pytest.mark.parametrize("path", ["/meet/room-1/ticket", "/meet/room-1/token", "/m/ABC/login"])
@pytest.mark.parametrize("origin", [None, "https://evil.example", "null"])
async def test_a_post_from_another_site_is_refused(w: World, path: str, origin: str | None) -> None:
    w.room()
    headers = {} if origin is None else {"Origin": origin}
    assert (await w.api("POST", path, body={"ticket": "x", "name": "x", "code": "123456"}, **headers))[0] == 403


async def test_staff_log_in_and_see_their_unit_and_a_patients_gate_tells_nothing(w: World) -> None:
    w.room("room-1", PAT)
    w.room("elsewhere", PER, unit="SE2321000016-C3")
    async with w.http.get(f"{w.url}/meet/room-1") as gate:
        text = await gate.text()
        assert "Läkare" not in text and "Pat" not in text
    async with await browser(w, "lisa") as lisa:
        async with lisa.get(f"{w.url}/") as page:
            text = await page.text()
            assert "Dagens möten" in text and "Starta video" in text and "/meet/room-1" in text and "elsewhere" not in text
        async with lisa.get(f"{w.url}/meet/elsewhere") as page:
            assert page.status == 403
        async with lisa.post(f"{w.url}/api/rooms/room-1/invite", json={}, headers={"Origin": "https://evil.example"}) as answer:
            assert answer.status == 403, "a cookie is not enough from another site"
        async with lisa.post(f"{w.url}/api/rooms/room-1/invite", json={}, headers={"Origin": w.url}) as answer:
            assert answer.status == 200
        async with lisa.post(f"{w.url}/meet/room-1/token", headers={"Origin": w.url}) as answer:
            assert answer.status == 200


async def test_a_bridge_that_does_not_know_its_rooms_yet_sends_nobody_away_for_good(w: World) -> None:
    w.ready = False
    for method, path in (("POST", "/meet/room-1/token"), ("GET", "/ws"), ("POST", "/api/rooms/room-1/join")):
        assert (await w.api(method, path, Origin=w.url))[0] == 503
    assert (await w.api("GET", "/static/line.js"))[0] == 200


async def test_an_operator_is_no_staff(w: World) -> None:
    async with await browser(w, "olle") as olle, olle.get(f"{w.url}/", allow_redirects=False) as page:
        assert page.status == 303 and page.headers["Location"].startswith("/login")


async def test_every_answer_is_hardened_and_no_page_asks_others_for_anything(w: World) -> None:
    w.room()
    for path in ("/m/ABCDEF", "/m", "/meet/room-1", "/static/meeting.js", "/nothing", "/api/rooms/room-1"):
        async with w.http.get(w.url + path) as answer:
            policy = answer.headers["Content-Security-Policy"]
            assert "unsafe-inline" not in policy and "'unsafe-eval'" not in policy and "default-src 'none'" in policy
            assert answer.headers["X-Content-Type-Options"] == "nosniff" and answer.headers["Referrer-Policy"] == "no-referrer"
            text = await answer.text()
            assert not re.search(r"(src|href)=\"https?://", text) and "<script>" not in text and " style=" not in text
    for name, morsel in ((c.key, c) for c in w.http.cookie_jar):
        assert morsel["httponly"] and morsel["samesite"] == "Lax", name


@pytest.mark.parametrize("address", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "", "x"])
def test_a_login_goes_on_to_pages_of_ours_only(address: str) -> None:
    assert local(address) == "/"


def test_a_login_goes_on_to_where_it_was_going() -> None:
    assert local("/meet/room-1") == "/meet/room-1"
