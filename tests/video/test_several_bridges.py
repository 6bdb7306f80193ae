"""Several bridges behind one door: each room in one process, whoever is asked; nothing single-use is good twice (V3, V9-V11, V14)."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import timedelta

import aiohttp
import pytest
from yarl import URL

from tests.video.bridge_support import PAT, UNIT, Client, World, worlds
from tests.video.test_http import browser
from tests.video.test_texts import cookie
from video.passing import HOP
from video.rooms.model import Room
from video.signalling.messages import MESSAGE_BYTES_MAX
from video.team import owner


@pytest.fixture
async def team() -> AsyncIterator[list[World]]:
    async with worlds(2) as made:
        yield made


def named(slot: int, start: str = "room") -> str:
    """A room of a bridge's."""
    return next(name for number in range(100) if owner(name := f"{start}-{number}", 2) == slot)


async def visit(door: World, room: Room) -> tuple[Client, Client]:
    """Lisa and Pat in a room, by the door, with media."""
    lisa, pat = await door.line(f"lisa-{room.room_id}", "staff", room), await door.line(f"pat-{room.room_id}", "patient", room)
    for each in (lisa, pat):
        await each.say("hello")
        await each.media()
    await lisa.state(lambda s: len(s["people"]) == 2)
    return lisa, pat


async def test_people_of_two_rooms_come_by_one_door_and_each_room_lives_in_its_own_bridge(team: list[World]) -> None:
    door, other = team
    mine, theirs = door.room(named(0)), door.room(named(1))
    await visit(door, mine)
    lisa, pat = await visit(door, theirs)
    assert {peer.room for peer in door.plane.peers.values()} == {mine.room_id}
    assert {peer.room for peer in other.plane.peers.values()} == {theirs.room_id}
    await pat.say("chat", text="Hej hej")
    assert (await lisa.hears("chat"))["text"] == "Hej hej"
    assert [r.topic for r in door.records].count("video.sessions.v1") == 3 == [r.topic for r in other.records].count("video.sessions.v1")


async def test_it_is_the_same_by_every_door(team: list[World]) -> None:
    door, other = team
    room = door.room(named(0))
    await visit(other, room)
    assert len(door.plane.peers) == 2 and not other.plane.peers


async def test_what_the_owner_says_at_the_end_of_a_line_is_what_the_page_hears(team: list[World]) -> None:
    door, other = team
    room = door.room(named(1))
    lisa, pat = await visit(door, room)
    await lisa.say("remove", pid=f"pat-{room.room_id}")
    assert await pat.gone() == (4004, "removed")
    token = door.token("gun", "guest", room)
    for code in (None, 4001):
        client = Client(await door.http.ws_connect(f"{door.url}/ws", params={"token": token}))
        client.start()
        if code is not None:
            assert await client.gone() == (code, "used"), "a token is good for one line, by whatever door"
    assert other.bridge.desk.meetings[room.room_id].inside()


async def test_a_line_that_is_passed_on_has_the_limits_of_one_that_is_not(team: list[World]) -> None:
    door, _ = team
    lisa, pat = await visit(door, door.room(named(1)))
    await pat.ws.send_str("x" * (MESSAGE_BYTES_MAX + 1))
    assert (await pat.gone())[0] == 1009
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await door.http.ws_connect(
            f"{door.url}/ws", params={"token": door.token("x", "staff", door.room(named(1)))}, origin="https://evil.example"
        )
    assert refused.value.status == 403
    await lisa.state(lambda s: any(person["away"] for person in s["people"]))


async def test_the_page_of_a_room_that_only_its_own_bridge_has_heard_of_is_there_by_any_door(team: list[World]) -> None:
    door, _ = team
    room = door.room(named(1))
    del door.bridge.desk.meetings[room.room_id]
    status, page = await door.api("GET", f"/meet/{room.room_id}", **await cookie(door))
    assert status == 200 and "connect" in page


async def test_a_hop_that_proves_nothing_is_refused(team: list[World]) -> None:
    door, _ = team
    for proof in ("x", "\xe5"):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(door.url.rpartition(":")[2]))
        writer.write(b"GET /api/rooms HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Hub-Bridge: " + proof.encode("latin-1") + b"\r\n\r\n")
        assert (await reader.readline()).split()[1] == b"403"
        writer.close()


async def test_a_page_that_goes_is_gone_at_the_owner(team: list[World]) -> None:
    door, _ = team
    lisa, pat = await visit(door, door.room(named(1)))
    await pat.leave_line()
    await lisa.state(lambda s: any(person["away"] for person in s["people"]))


async def test_a_patients_link_is_good_once_by_any_door(team: list[World]) -> None:
    door, other = team
    room = door.room(named(1), PAT)
    status, told = await door.api("POST", f"/api/rooms/{room.room_id}/join", "app", {"patient": PAT})
    assert status == 200 and told["url"].startswith(f"{door.url}/meet/")
    here = {"Origin": door.url}
    answers = [
        (await each.api("POST", f"/meet/{room.room_id}/ticket", body={"ticket": told["token"]}, **here))[0] for each in (door, other)
    ]
    assert answers == [200, 403]
    status, token = await door.api("POST", f"/meet/{room.room_id}/token", **here)
    assert status == 200 and token["token"], "the seat's cookie came with the answer that was passed on"


async def test_a_guests_code_is_good_once_and_wrong_tries_count_by_any_door(team: list[World]) -> None:
    door, other = team
    room = door.room(named(1), PAT)
    here = {"Origin": door.url}
    _, told = await door.api("POST", f"/api/rooms/{room.room_id}/invite", "lisa", {"one_time_code": True})
    body = {"name": "Gun Gäst", "code": told["one_time_code"]}
    login = f"/m/{door.code(room)}/login"
    assert await door.api("POST", login, body=body, **here) == (200, {"next": f"/meet/{room.room_id}"})
    assert (await other.api("POST", login, body=body, **here))[0] == 403
    _, told = await door.api("POST", f"/api/rooms/{room.room_id}/invite", "lisa", {"one_time_code": True})
    wrong = {"name": "x", "code": f"{(int(told['one_time_code']) + 1) % 1_000_000:06d}"}
    for each in (door, other, door, other, door):
        assert (await each.api("POST", login, body=wrong, **here))[0] == 403
    assert (await other.api("POST", login, body=wrong | {"code": told["one_time_code"]}, **here))[0] == 403


async def test_a_login_comes_back_by_any_door_and_is_good_once(team: list[World]) -> None:
    door = team[0]
    owners = set()
    for number in range(24):
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            async with session.get(f"{door.url}/login?next=/", allow_redirects=False) as begun:
                cookie, address = begun.cookies["login"].value, begun.headers["Location"]
            async with session.get(address) as page:
                fields = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', await page.text()))
            form = {**{k: v.replace("&amp;", "&") for k, v in fields.items()}, "username": "lisa", "password": "sandbox"}
            async with session.post(URL(address).with_query(None), data=form, allow_redirects=False) as answer:
                back = URL(answer.headers["Location"])
            owners.add(owner(back.query["state"], 2))
            doors = [URL(each.url) for each in team][:: 1 if number % 2 else -1]
            came = []
            for each in doors:
                url = back.with_host(each.host or "").with_port(each.port)
                async with session.get(url, headers={"Cookie": f"login={cookie}"}, allow_redirects=False) as answer:
                    came.append(answer.status)
            assert came == [303, 403]
        if owners == {0, 1} and number % 2:
            return
    raise AssertionError("no login came back to the other bridge")


async def test_rooms_that_staff_make_are_spread_and_are_found_by_any_door(team: list[World]) -> None:
    door, other = team
    made = []
    for _ in range(12):
        status, room = await door.api("POST", "/api/rooms", "lisa", {"kind": "chat", "unit": UNIT, "patient": PAT, "notify": False})
        assert status == 201
        made.append(room["room_id"])
    assert {owner(room_id, 2) for room_id in made} == {0, 1}
    for room_id in made[:3]:
        for each in (door, other):
            assert (await each.api("GET", f"/api/rooms/{room_id}", "lisa"))[1]["room_id"] == room_id


async def test_the_days_list_says_of_every_room_how_it_goes(team: list[World]) -> None:
    door = team[0]
    rooms = [door.room(named(slot), starts=10 + slot) for slot in (0, 1)]
    yesterdays = door.room(named(1, "long"), starts=10)
    for room in (*rooms, yesterdays):
        await visit(door, room)
    for each in team:
        each.now += timedelta(days=2)
    quiet = door.room(named(1, "quiet"), starts=30)
    for each in team:
        _, told = await each.api("GET", f"/api/rooms?unit={UNIT}", "lisa")
        assert {row["room_id"]: row["open"] for row in told["items"]} == {
            **{room.room_id: True for room in (*rooms, yesterdays)}, quiet.room_id: False
        }  # fmt: skip
    async with await browser(door, "lisa") as lisa, lisa.get(f"{door.url}/?unit={UNIT}") as page:
        assert (await page.text()).count("Pågår, 2 deltar") == 3


async def test_while_a_rooms_bridge_is_away_people_are_told_to_try_again_and_nothing_else_suffers(team: list[World]) -> None:
    door, other = team
    mine, theirs = door.room(named(0), PAT), door.room(named(1), PAT)
    lisa, _ = await visit(door, mine)
    _, pat = await visit(door, theirs)
    assert other.runner is not None
    await other.runner.cleanup()
    assert (await pat.gone())[0] == 1012
    here = {"Origin": door.url}
    async with door.http.post(f"{door.url}/meet/{theirs.room_id}/token", headers=here) as answer:
        assert answer.status == 503 and answer.headers["Retry-After"]
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await door.http.ws_connect(f"{door.url}/ws", params={"token": door.token("pat", "patient", theirs)})
    assert refused.value.status == 503
    assert (await door.api("GET", f"/meet/{theirs.room_id}"))[0] == 200, "a page that is loaded anew is there, and tries again"
    _, told = await door.api("GET", f"/api/rooms?unit={UNIT}", "lisa")
    assert {row["room_id"]: row["open"] for row in told["items"]} == {mine.room_id: True, theirs.room_id: False}
    assert (await lisa.say("ping"))["type"] == "ok" and lisa.close is None


async def test_nobody_outside_is_taken_for_a_bridge(team: list[World]) -> None:
    door, _ = team
    room = door.room(named(1), PAT)
    for path in (f"/bridge/rooms?unit={UNIT}", "/bridge/rooms"):
        assert (await door.api("GET", path))[0] == 404
        assert (await door.api("GET", path, **{HOP: "0" * 64}))[0] == 403
    assert (await door.api("POST", f"/meet/{room.room_id}/token", **{HOP: "", "Origin": door.url}))[0] == 403


async def test_a_bridge_refuses_a_room_that_another_one_thinks_is_its(team: list[World]) -> None:
    """Two processes with different numbers of bridges must not both hold a room."""
    door, _ = team
    room = door.room(named(1), PAT)
    proof = door.bridge.passing._proof
    assert (await door.api("POST", f"/meet/{room.room_id}/token", **{HOP: proof, "Origin": door.url}))[0] == 503


TARGETS = [
    "@{evil}/api/rooms/{room}/join", "http://{evil}/api/rooms/{room}/join", "//{evil}/api/rooms/{room}/join",
    "/api/rooms/{room}/join@{evil}",
]  # fmt: skip


@pytest.mark.parametrize("target", TARGETS)
async def test_no_target_of_a_request_leads_out_of_the_bridges(team: list[World], target: str) -> None:
    """The secret that the bridges know each other by must reach nobody else."""
    door, _ = team
    room, heard = door.room(named(1), PAT), asyncio.Event()
    evil = await asyncio.start_server(lambda _reader, _writer: heard.set(), "127.0.0.1", 0)
    address = f"127.0.0.1:{evil.sockets[0].getsockname()[1]}"
    url = URL(door.url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    line = f"POST {target.format(evil=address, room=room.room_id)} HTTP/1.1"
    writer.write(f"{line}\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{{}}".encode())
    status = int((await reader.readline()).split()[1])
    writer.close()
    evil.close()
    assert status in (400, 401, 404) and not heard.is_set()


async def test_a_body_that_is_too_large_is_refused_before_it_is_passed_on(team: list[World]) -> None:
    door, _ = team
    room = door.room(named(1), PAT)
    assert (await door.api("POST", f"/api/rooms/{room.room_id}/join", "app", {"patient": "1" * 20_000}))[0] == 413
