"""Signalling over a real WebSocket, with a plane that behaves and moves nothing."""

from collections.abc import AsyncIterator
from datetime import timedelta

import aiohttp
import pytest

from tests.video.bridge_support import Client, World, world
from video.plane.port import MediaState
from video.rooms.model import SEAT_S
from video.signalling import socket
from video.signalling.messages import MESSAGE_BYTES_MAX


@pytest.fixture
async def w() -> AsyncIterator[World]:
    async with world() as made:
        yield made


async def visit(w: World) -> tuple[Client, Client]:
    """Lisa and Pat in a room, with media."""
    room = w.room()
    lisa, pat = await w.line("lisa", "staff", room), await w.line("pat", "patient", room)
    await lisa.say("hello", title="Läkare")
    await pat.say("hello")
    await lisa.media()
    await pat.media()
    return lisa, pat


async def test_a_patient_waits_and_comes_in_by_itself_when_staff_open(w: World) -> None:
    room = w.room()
    pat = await w.line("pat", "patient", room, phone="+46701740605")
    await pat.say("hello")
    waiting = await pat.state(lambda s: s["you"]["place"] == "waiting")
    assert set(waiting) == {"v", "seq", "type", "you", "window", "now"}, "nothing of the meeting is told"
    assert not w.plane.peers and (await pat.say("pub", sdp="v=0"))["reason"] == "not_now"
    lisa = await w.line("lisa", "staff", room)
    await lisa.say("hello", title="Läkare")
    await pat.state(lambda s: s["you"]["place"] == "inside" and any(p["title"] == "Läkare" for p in s["people"]))
    assert set(w.plane.peers) == {"lisa", "pat"}
    seen = await lisa.state(lambda s: len(s.get("people", [])) == 2)
    assert [p.get("phone") for p in seen["people"] if p["pid"] == "pat"] == ["+46701740605"]
    assert [e["state"] for e in map(dict, w.said("opened"))] == ["opened"]
    assert "+46" not in str(w.records) and "Pat" not in str(w.records), "no number and no name leaves for a topic"


async def test_a_guest_sees_nothing_until_admitted_and_has_no_media(w: World) -> None:
    lisa, _ = await visit(w)
    guest = await w.line("gun", "guest", w.room())
    await guest.say("hello")
    lobby = await guest.state(lambda s: s["you"]["place"] == "lobby")
    assert "people" not in lobby and "gun" not in w.plane.peers
    await lisa.state(lambda s: [each["name"] for each in s.get("lobby", [])] == ["Gun"])
    assert (await lisa.say("admit", pid="gun"))["type"] == "ok"
    await guest.state(lambda s: s["you"]["place"] == "inside")
    await guest.media()
    assert w.plane.hears("gun") == {"lisa", "pat"}


async def test_a_denied_guest_is_told_and_closed(w: World) -> None:
    lisa, _ = await visit(w)
    guest = await w.line("gun", "guest", w.room())
    await guest.say("hello")
    await lisa.say("deny", pid="gun")
    assert (await guest.hears("exit"))["why"] == "denied"
    assert await guest.gone() == (4004, "denied")


async def test_a_void_room_throws_everybody_out_at_once(w: World) -> None:
    lisa, pat = await visit(w)
    w.room(state="void", reason="withdrawn", sequence=9)
    for line in (lisa, pat):
        assert (await line.gone())[1] == "void"
    assert not w.plane.peers and len(w.said("ended")) == 1


async def test_a_mute_by_staff_is_kept_by_the_bridge_and_ended_by_the_person(w: World) -> None:
    lisa, pat = await visit(w)
    await pat.say("sources", audio=True, camera=True, screen=False)
    assert w.plane.hears("lisa") == {"pat"}
    await lisa.say("mute_other", pid="pat")
    assert w.plane.hears("lisa") == set()
    await lisa.say("ask_unmute", pid="pat")
    await pat.hears("asked")
    assert w.plane.hears("lisa") == set()
    await pat.say("sources", audio=True, camera=True, screen=False)
    assert w.plane.hears("lisa") == {"pat"}


async def test_a_removed_person_is_gone_from_the_plane_and_stays_out(w: World) -> None:
    lisa, pat = await visit(w)
    await lisa.say("remove", pid="pat")
    assert (await pat.gone())[1] == "removed" and set(w.plane.peers) == {"lisa"}
    again = await w.line("pat", "patient", w.bridge.desk.meetings["room-1"].room)
    assert (await again.say("hello"))["type"] == "welcome"
    assert (await again.gone()) == (4000, "removed")


async def test_a_line_that_comes_back_keeps_the_media_and_gets_the_chat_it_missed(w: World) -> None:
    lisa, pat = await visit(w)
    await lisa.say("chat", text="Hej")
    await pat.hears("chat")
    await pat.leave_line()
    await lisa.state(lambda s: any(p["away"] for p in s["people"]))
    await lisa.say("chat", text="Hör du mig?")
    again = await w.line("pat", "patient", w.bridge.desk.meetings["room-1"].room)
    before = w.plane.peers["pat"]
    await again.say("hello", resume=True, last_chat=1)
    assert [line["text"] for line in (await again.hears("history"))["lines"]] == ["Hör du mig?"]
    assert w.plane.peers["pat"] is before, "the media was not cut"
    assert not [m for m in again.heard if m["type"] == "fresh"]
    assert len(w.said("left")) == 0
    anew = await w.line("pat", "patient", w.bridge.desk.meetings["room-1"].room)
    await anew.say("hello")
    assert w.plane.peers["pat"] is not before, "a page loaded anew begins anew"
    assert (await again.gone())[1] == "elsewhere"


async def test_whoever_comes_in_gets_the_whole_chat_also_after_waiting(w: World) -> None:
    """V14: everyone in the meeting reads all of it."""
    room = w.room()
    gun = await w.line("gun", "guest", room, opens_at=room.opens_at)
    await gun.say("hello")
    lisa = await w.line("lisa", "staff", room)
    await lisa.say("hello")
    await lisa.say("chat", text="Hej")
    assert not [m for m in gun.heard if m["type"] in ("chat", "history")]
    await lisa.say("admit", pid="gun")
    assert [line["text"] for line in (await gun.hears("history"))["lines"]] == ["Hej"]


async def test_a_message_that_comes_twice_is_done_once(w: World) -> None:
    lisa, _ = await visit(w)
    for _ in range(2):
        await lisa.ws.send_json({"v": 1, "id": 50, "type": "chat", "text": "en gång"})
    lisa.id = 50
    await lisa.say("ping")
    assert [line.text for line in w.bridge.desk.meetings["room-1"].chat] == ["en gång"]


@pytest.mark.parametrize(
    ("kind", "content", "reason"),
    [
        ("admit", {"pid": "lisa"}, "not_yours"),
        ("end", {}, "not_yours"),
        ("mute_other", {"pid": "lisa"}, "not_yours"),
        ("title", {"text": "Chef"}, "not_yours"),
        ("hello", {}, "not_now"),
        ("pub", {"sdp": "nonsense"}, "malformed"),
    ],
)
async def test_what_a_patient_may_not_do_is_refused_with_a_reason(w: World, kind: str, content: dict[str, str], reason: str) -> None:
    _, pat = await visit(w)
    assert (await pat.say(kind, **content))["reason"] == reason


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"v":1,"id":1,"type":"nothing"}', '{"v":2,"id":9,"type":"ping"}', '{"v":1,"id":9,"type":"hand","up":1}']
)
async def test_garbage_is_malformed_and_the_line_goes_on(w: World, text: str) -> None:
    _, pat = await visit(w)
    await pat.ws.send_str(text)
    assert (await pat.hears("error"))["reason"] == "malformed"
    assert (await pat.say("ping"))["type"] == "ok"


async def test_a_message_too_large_closes_the_line_and_the_seat_is_kept(w: World) -> None:
    _, pat = await visit(w)
    await pat.ws.send_str("x" * (MESSAGE_BYTES_MAX + 1))
    assert (await pat.gone())[0] == aiohttp.WSCloseCode.MESSAGE_TOO_BIG
    assert w.bridge.desk.meetings["room-1"].people["pat"].place == "inside"


async def test_a_line_that_says_too_much_is_slowed(w: World) -> None:
    _, pat = await visit(w)
    answers = [await pat.say("chat", text=str(number)) for number in range(14)]
    assert answers[0]["type"] == "ok" and answers[-1]["reason"] == "too_fast"


async def test_nobody_is_wanted_across_rooms(w: World) -> None:
    await visit(w)
    other = w.room("room-2")
    eve = await w.line("eve", "staff", other)
    await eve.say("hello")
    await eve.say("want", wanted=[{"pid": "lisa", "source": "camera", "most": "high"}])
    assert w.plane.peers["eve"].wanted == []
    assert (await eve.say("mute_other", pid="lisa"))["reason"] == "not_here"


async def test_a_token_is_good_once_for_its_room_and_for_a_minute(w: World) -> None:
    room = w.room()
    token = w.token("pat", "patient", room)
    first = Client(await w.http.ws_connect(f"{w.url}/ws", params={"token": token}))
    first.start()
    assert (await first.say("hello"))["type"] == "welcome"
    for bad, reason in ((token, "used"), ("x.y.z", "invalid"), ("", "invalid")):
        line = Client(await w.http.ws_connect(f"{w.url}/ws", params={"token": bad}))
        line.start()
        assert await line.gone() == (4001, reason)


async def test_a_script_of_another_site_gets_no_line(w: World) -> None:
    room = w.room()
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await w.http.ws_connect(
            f"{w.url}/ws", params={"token": w.token("pat", "patient", room)}, headers={"Origin": "https://evil.example"}
        )
    assert refused.value.status == 403


async def test_the_twenty_first_is_refused_at_the_door_and_told_why(w: World) -> None:
    room = w.room(kind="group")
    lines = [await w.line(f"p{number}", "staff" if number == 0 else "patient", room) for number in range(21)]
    for line in lines:
        await line.say("hello")
    assert await lines[20].gone() == (4000, "full")
    assert len(w.plane.peers) == 20


async def test_a_bridge_that_starts_again_lets_people_back_without_staff(w: World) -> None:
    from schemas.cloudevents import decode_record
    from video.records import session_of

    await visit(w)
    async with world() as next_bridge:
        next_bridge.now = w.now
        for record in w.records:
            if record.topic == "video.sessions.v1":
                session = session_of(*decode_record(record.headers, record.value))
                assert session is not None
                next_bridge.bridge.desk.hear_session(*session)
        room = next_bridge.room(opens_at=w.bridge.desk.meetings["room-1"].room.opens_at)
        pat = await next_bridge.line("pat", "patient", room)
        await pat.say("hello", resume=True)
        await pat.state(lambda s: s["you"]["place"] == "inside")
        assert "fresh" in [m["type"] for m in pat.heard], "the page is told that its connections lead nowhere"
        next_bridge.now += timedelta(seconds=40)
        await pat.state(lambda s: [p["pid"] for p in s.get("people", [])] == ["pat"])
        ids = [dict(r.headers)["ce_id"] for r in (*w.records, *next_bridge.records) if r.topic == "video.sessions.v1"]
        assert len(ids) == len(set(ids)), "no id is used for two events"


async def test_a_bridge_that_carries_no_more_says_so_and_the_meeting_goes_on(w: World) -> None:
    w.plane.peers_max = 1
    room = w.room()
    lisa, pat = await w.line("lisa", "staff", room), await w.line("pat", "patient", room)
    await lisa.say("hello")
    await pat.say("hello")
    assert (await pat.hears("error"))["reason"] == "busy"
    assert (await pat.say("pub", sdp="v=0"))["reason"] == "not_now" and (await pat.say("chat", text="Hej"))["type"] == "ok"
    await pat.say("leave")
    assert set(w.plane.peers) == {"lisa"}


async def test_whom_the_plane_let_go_of_begins_anew_in_the_same_seat(w: World) -> None:
    room = w.room()
    lisa = await w.line("lisa", "staff", room)
    await lisa.say("hello")
    assert (await lisa.say("pub", sdp="v=0"))["type"] == "answer"
    lisa.heard.clear()
    w.plane.leave("lisa")
    w.bridge.desk.told(MediaState("lisa", "over"))
    await lisa.hears("fresh")
    await lisa.state(lambda s: s["you"]["place"] == "inside")
    assert not w.plane.peers["lisa"].published, "a new peer of the plane"
    assert (await lisa.say("pub", sdp="v=0"))["type"] == "answer"
    assert w.said("left") == []


async def test_who_falls_silent_leaves_the_room_by_and_by_and_the_others_are_told(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is switched off closes nothing: no answer to the heartbeat, then half a minute for coming back."""
    room = w.room()
    lisa = await w.line("lisa", "staff", room)
    await lisa.say("hello")
    monkeypatch.setattr(socket, "HEARTBEAT_S", 0.5)
    silent = await w.http.ws_connect(f"{w.url}/ws", params={"token": w.token("pat", "patient", room)}, autoping=False)
    await silent.send_json({"v": 1, "id": 1, "type": "hello"})
    await lisa.state(lambda s: len(s.get("people", [])) == 2)
    assert set(w.plane.peers) == {"lisa", "pat"}
    seen = await lisa.state(lambda s: [p["pid"] for p in s.get("people", []) if p["away"]] == ["pat"])
    assert len(seen["people"]) == 2 and "pat" in w.plane.peers, "the seat is kept, and with it what the plane has"
    lisa.heard.clear()
    w.now += timedelta(seconds=SEAT_S)
    seen = await lisa.state(lambda s: [p["pid"] for p in s.get("people", [])] == ["lisa"])
    assert [(p["pid"], p["place"]) for p in seen["gone"]] == [("pat", "left")]
    assert set(w.plane.peers) == {"lisa"}
    assert [event["participant"] for event in w.said("left")] == ["pat"]
    await silent.close()


async def test_turn_credentials_are_short_lived_and_name_nobody(w: World) -> None:
    lisa = await w.line("lisa", "staff", w.room())
    welcome = await lisa.say("hello")
    (server,) = welcome["ice_servers"]
    until, pid = server["username"].split(":")
    assert pid == "lisa" and 0 < int(until) - w.now.timestamp() <= 6 * 3600 + 60 and server["credential"]
