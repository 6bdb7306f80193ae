"""Chat and subjects outlive the process, sealed, and a ledger that is away stops no meeting (V11, V14)."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.cloudevents import decode_record
from schemas.telemetry import NullMeter
from tests.video.bridge_support import PAT, PER, SECRET, UNIT, Client, KeptTexts, World, world
from tests.video.plane_double import PlaneDouble
from video.plane.port import MediaState
from video.records import SESSIONS, session_of
from video.rooms.model import Chat, Line, Room
from video.signalling.desk import Desk
from video.signalling.tokens import Pass
from video.texts import KEPT_S_MAX, WAITING_MAX, Boxes, Item, Keeping, Kept

ROOM = "2b0c1c52-6a0b-4a53-9d55-0c9d5f6a7a01"
WAIT_S = 10.0


class Page:
    """A line that hears nothing."""

    video_slots = 9

    def tell(self, kind: str, content: object) -> None:
        return None

    def close(self, why: str) -> None:
        return None


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not holds():
            await asyncio.sleep(0.01)


async def staff(w: World, room: Room, last_chat: int = 0) -> Client:
    """Lisa's page comes by its token, as pages do."""
    async with w.http.post(f"{w.url}/meet/{room.room_id}/token", headers={"Origin": w.url, **await cookie(w)}) as answer:
        token = (await answer.json())["token"]
    client = Client(await w.http.ws_connect(f"{w.url}/ws", params={"token": token}))
    client.start()
    await client.say("hello", last_chat=last_chat)
    return client


async def two_of_staff(w: World) -> tuple[Client, Client]:
    room = w.room(ROOM)
    lisa, gun = await staff(w, room), await w.line("gun", "staff", room)
    await gun.say("hello")
    return lisa, gun


async def cookie(w: World) -> dict[str, str]:
    who = Pass("SE2321000016-LISA", "staff", "", name="Lisa Lindmyr", kept={"units": [UNIT]})
    return {"Cookie": f"staff={w.bridge.tokens.give(who, 'staff')}"}


def lines(message: dict[str, object]) -> list[tuple[int, str]]:
    return [(line["number"], line["text"]) for line in message["lines"]]  # type: ignore[attr-defined]


async def test_a_bridge_that_starts_again_gives_people_the_chat_they_had() -> None:
    texts = KeptTexts()
    async with world(texts=texts) as w:
        lisa = await staff(w, w.room(ROOM))
        for text in ("Hej", "Ta tabletten på morgonen"):
            assert (await lisa.say("chat", text=text))["type"] == "ok"
    assert len(texts.boxes) == 2 and b"tabletten" not in b"".join(texts.boxes.values()), "what is kept is sealed"
    async with world(texts=texts) as w:
        room = w.room(ROOM)
        lisa = await staff(w, room)
        assert lines(await lisa.hears("history")) == [(1, "Hej"), (2, "Ta tabletten på morgonen")]
        await lisa.say("chat", text="Igen")
        assert (await lisa.hears("chat"))["number"] == 3
        again = await staff(w, room, last_chat=2)
        assert lines(await again.hears("history")) == [(3, "Igen")]
        assert "tabletten" not in str(w.records)


async def test_staff_read_the_chat_afterwards_and_that_is_logged() -> None:
    texts = KeptTexts()
    async with world(texts=texts) as w:
        lisa = await staff(w, w.room(ROOM))
        await lisa.say("chat", text="Hej")
    async with world(texts=texts) as w:
        w.room(ROOM, state="closed", reason="ended")
        status, told = await w.api("GET", f"/api/rooms/{ROOM}/chat", "lisa")
        assert status == 200 and lines(told) == [(1, "Hej")] and told["lines"][0]["name"] == "Lisa Lindmyr"
        assert [b"video.chat_read" in record.value for record in w.records if record.topic == "audit.v1"] == [True]


async def test_a_patient_of_the_room_reads_all_of_the_chat_afterwards_and_nobody_elses() -> None:
    async with world() as w:
        room = w.room(ROOM, PAT)
        lisa = await staff(w, room)
        _, told = await w.api("POST", f"/api/rooms/{ROOM}/join", "app", {"patient": PAT})
        pid = w.bridge.tokens.take(told["token"], "ticket").pid
        pat = await w.line(pid, "patient", room)
        await pat.say("hello")
        await lisa.say("chat", text="Hej")
        await pat.say("chat", text="Hej hej")
        w.room(ROOM, state="closed", reason="ended", sequence=1)
        ask = f"/api/rooms/{ROOM}/history"
        status, told = await w.api("POST", ask, "app", {"patient": PAT})
        assert (status, [(line["text"], line["mine"]) for line in told["lines"]]) == (200, [("Hej", False), ("Hej hej", True)])
        for who, patient, answer in (("app", PER, 404), ("lisa", PAT, 403), ("portal", PAT, 403), ("", PAT, 401)):
            assert (await w.api("POST", ask, who, {"patient": patient}))[0] == answer
        await lisa.say("remove", pid=pid)
        assert (await w.api("POST", ask, "app", {"patient": PAT}))[0] == 404


async def test_who_became_protected_is_not_named_in_the_chat_of_a_group_that_goes_on() -> None:
    """P1, P10: the ledger counts them among the room's patients no more."""
    async with world() as w:
        room = w.room(ROOM, PAT, PER, kind="group")
        await staff(w, room)
        pids = {}
        for number in (PAT, PER):
            _, told = await w.api("POST", f"/api/rooms/{ROOM}/join", "app", {"patient": number})
            who = w.bridge.tokens.take(told["token"], "ticket")
            pids[number] = who.pid
            client = Client(await w.http.ws_connect(f"{w.url}/ws", params={"token": w.bridge.tokens.give(who, "socket")}))
            client.start()
            await client.say("hello")
            await client.say("chat", text=f"Hej från {who.pid}")
        w.ledger.rooms[ROOM] = [PER]
        for told in (
            (await w.api("GET", f"/api/rooms/{ROOM}/chat", "lisa"))[1],
            (await w.api("POST", f"/api/rooms/{ROOM}/history", "app", {"patient": PER}))[1],
        ):
            assert {line["pid"]: line["name"] for line in told["lines"]} == {pids[PAT]: "", pids[PER]: "Per Patientsson"}


async def test_where_a_box_does_not_open_new_lines_take_no_number_of_an_old_one() -> None:
    texts = KeptTexts()
    async with world(texts=texts) as w:
        lisa = await staff(w, w.room(ROOM))
        for text in ("Ett", "Två"):
            await lisa.say("chat", text=text)
        await until(lambda: len(texts.boxes) == 2)
    for name in texts.boxes:
        texts.boxes[name] = texts.boxes[name][:-1] + b"?"
    async with world(texts=texts) as w:
        lisa = await staff(w, w.room(ROOM))
        await lisa.say("chat", text="Tre")
        assert (await lisa.hears("chat"))["number"] == 3
        await until(lambda: len(texts.boxes) == 3)


async def test_of_a_room_that_was_withdrawn_no_chat_and_no_name_is_told_to_anybody() -> None:
    """P10: perhaps somebody in it became protected."""
    async with world() as w:
        room = w.room(ROOM, PAT)
        lisa, pat = await staff(w, room), await w.line("pat", "patient", room)
        await pat.say("hello")
        await lisa.say("chat", text="Hej Pat")
        w.room(ROOM, PAT, state="void", sequence=1)
        w.ledger.rooms[ROOM] = []
        assert (await w.api("GET", f"/api/rooms/{ROOM}/chat", "lisa"))[0] == 409
        assert (await w.api("POST", f"/api/rooms/{ROOM}/history", "app", {"patient": PAT}))[0] == 404
        status, told = await w.api("GET", f"/api/rooms/{ROOM}", "lisa")
        assert status == 200 and {row["name"] for row in told["people"]} == {"Lisa Lindmyr", ""} and "Pat" not in str(told)


async def test_a_conference_has_its_subject_after_a_restart() -> None:
    texts = KeptTexts()
    async with world(texts=texts) as w:
        body = {"kind": "conference", "unit": UNIT, "subject": "Planering", "start": datetime.now(UTC).isoformat(), "minutes": 30}
        _, made = await w.api("POST", "/api/rooms", "lisa", body)
    async with world(texts=texts) as w:
        w.room(made["room_id"], kind="conference")
        assert (await w.api("GET", f"/api/rooms/{made['room_id']}", "lisa"))[1]["subject"] == "Planering"


async def test_a_ledger_that_is_away_stops_no_chat_and_gets_it_when_it_is_back() -> None:
    texts = KeptTexts()
    async with world(texts=texts) as w:
        lisa = await staff(w, w.room(ROOM))
        await lisa.say("chat", text="Före")
        await until(lambda: len(texts.boxes) == 1)
    texts.away = True
    async with world(texts=texts) as w:
        lisa = await staff(w, w.room(ROOM), last_chat=1)
        assert (await lisa.say("chat", text="Under"))["type"] == "ok"
        said = await lisa.hears("chat")
        assert said["number"] > 1, "no page takes it for one that it has"
        await until(lambda: b"hub_video_texts_waiting 1.0" in w.meter.exposition())
        texts.away = False
        assert lines(await lisa.hears("history")) == [(1, "Före")], "what was said before comes when it can be read"
        await until(lambda: len(texts.boxes) == 2)
        assert [text for _, text in lines((await w.api("GET", f"/api/rooms/{ROOM}/chat", "lisa"))[1])] == ["Före", "Under"]


class SlowTexts(KeptTexts):
    """A ledger that takes as long as it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.may = asyncio.Event()

    async def put(self, items: Sequence[Item]) -> None:
        await self.may.wait()
        await super().put(items)


async def test_a_line_is_shown_and_answered_for_when_it_is_kept_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("video.texts.KEPT_S_MAX", 60.0)
    texts = SlowTexts()
    async with world(texts=texts) as w:
        lisa, gun = await two_of_staff(w)
        writing = asyncio.create_task(lisa.say("chat", text="Hej"))
        late = asyncio.create_task(w.api("POST", f"/api/rooms/{ROOM}/chat", "lisa", {"text": "Hej hej"}))
        await until(lambda: w.bridge.desk.meetings[ROOM].lines == 2)
        await gun.say("hand", up=True)  # whatever was on its way has come
        assert not writing.done() and not late.done() and not any(said["type"] == "chat" for said in gun.heard) and not texts.boxes
        texts.may.set()
        assert (await writing)["type"] == "ok" and (await late)[0] == 201 and len(texts.boxes) == 2
        assert [(await gun.hears("chat"))["text"] for _ in range(2)] == ["Hej", "Hej hej"]


async def test_whoever_writes_and_is_gone_at_once_is_read_by_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("video.texts.KEPT_S_MAX", 60.0)
    texts = SlowTexts()
    async with world(texts=texts) as w:
        lisa, gun = await two_of_staff(w)
        await lisa.ws.send_json({"v": 1, "id": 99, "type": "chat", "text": "Hej"})
        await until(lambda: w.bridge.desk.meetings[ROOM].lines == 1)
        await lisa.ws.close()
        assert w.bridge.desk.watching(ROOM) == {"gun"}
        texts.may.set()
        assert (await gun.hears("chat"))["text"] == "Hej"


async def test_a_slow_ledger_holds_up_a_line_for_half_a_second_and_one_known_to_be_away_not_at_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    texts = SlowTexts()
    async with world(texts=texts) as w:
        lisa = await staff(w, w.room(ROOM))
        begun = asyncio.get_running_loop().time()
        assert (await lisa.say("chat", text="Hej"))["type"] == "ok" and not texts.boxes
        assert KEPT_S_MAX <= asyncio.get_running_loop().time() - begun < 8, "the client's patience is 10 s"
        texts.away = True
        texts.may.set()
        await until(lambda: w.bridge.keeping._is_away)
        monkeypatch.setattr("video.texts.KEPT_S_MAX", 60.0)
        assert (await lisa.say("chat", text="Hej hej"))["type"] == "ok" and not texts.boxes


async def test_who_leaves_before_a_line_is_shown_has_not_read_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """N1."""
    monkeypatch.setattr("video.texts.KEPT_S_MAX", 60.0)
    texts = SlowTexts()
    texts.may.set()
    async with world(texts=texts) as w:
        room = w.room(ROOM, PAT)
        lisa = await staff(w, room)
        _, told = await w.api("POST", f"/api/rooms/{ROOM}/join", "app", {"patient": PAT})
        pid = w.bridge.tokens.take(told["token"], "ticket").pid
        pat = await w.line(pid, "patient", room)
        await pat.say("hello")
        await lisa.say("chat", text="Ser du det här?")
        await until(lambda: texts.unread.get((ROOM, pid), "") is None)
        texts.may.clear()
        writing = asyncio.create_task(lisa.say("chat", text="Och det här?"))
        await until(lambda: w.bridge.desk.meetings[ROOM].lines == 2)
        await pat.say("leave")
        texts.may.set()
        await writing
        await until(lambda: texts.unread[ROOM, pid] is not None)
        assert texts.unread[ROOM, pid][0] == 2, "from the line that they did not see"  # type: ignore[index]


async def test_a_chat_room_is_on_no_topic_before_the_ledger_knows_whose_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """P10: who becomes protected is found by that."""
    texts = SlowTexts()
    async with world(texts=texts) as w:
        body = {"kind": "chat", "unit": UNIT, "patient": PAT}
        making = asyncio.create_task(w.api("POST", "/api/rooms", "lisa", body))
        await until(lambda: bool(w.bridge.keeping._waiting))
        assert not w.bridge.desk.meetings and not w.records and not w.ledger.told
        texts.may.set()
        assert (await making)[0] == 201 and len(w.records) == 2 and len(w.ledger.told) == 1
        texts.may.clear()
        monkeypatch.setattr("video.api.READER_S_MAX", 0.1)
        assert (await w.api("POST", "/api/rooms", "lisa", body))[0] == 503 and len(w.records) == 2 and len(w.ledger.told) == 1
        texts.may.set()


async def test_staff_whom_an_earlier_run_let_in_write_afterwards_under_their_name() -> None:
    async with world() as w:
        lisa = await staff(w, w.room(ROOM))
        await lisa.say("leave")
        before = [session_of(*decode_record(record.headers, record.value)) for record in w.records if record.topic == SESSIONS]
    async with world() as w:
        w.room(ROOM)
        for session in before:
            assert session is not None
            w.bridge.desk.hear_session(*session)
        assert (await w.api("POST", f"/api/rooms/{ROOM}/chat", "lisa", {"text": "Efteråt"}))[0] == 201
        _, told = await w.api("GET", f"/api/rooms/{ROOM}/chat", "lisa")
        assert [(line["name"], line["text"]) for line in told["lines"]] == [("Lisa Lindmyr", "Efteråt")]


def test_a_box_opens_for_its_own_room_and_number_alone() -> None:
    box = Boxes(SECRET).close("r", 1, {"text": "Hej"})
    assert Boxes(SECRET).open("r", 1, box) == {"text": "Hej"}
    for room, number, key, bytes_ in (("s", 1, SECRET, box), ("r", 2, SECRET, box), ("r", 1, b"another", box), ("r", 1, SECRET, box[:-1])):
        with pytest.raises(ValueError, match="does not open"):
            Boxes(key).open(room, number, bytes_)


@settings(max_examples=60)
@given(st.lists(st.sampled_from(["write", "restart", "restart without ledger", "ledger is back"]), max_size=25))
def test_however_bridge_and_ledger_come_and_go_no_line_is_lost_and_none_is_taken_for_another(story: list[str]) -> None:
    """What a page that is there all the time hears, and what the ledger has in the end."""
    now, ticks, kept, heard = datetime.now(UTC), 1_000, dict[int, Line](), list[int]()
    room = Room(ROOM, "single", "active", UNIT, "Läkare 7", now, now, now + timedelta(hours=1))

    def begin() -> Desk:
        made = Desk(PlaneDouble(lambda _told: None), lambda: now, lambda _session: None, NullMeter(), keep)
        made.hear_room(room)
        made.enter(Pass("lisa", "staff", ROOM, name="Lisa"), Page(), title="", resume=False, last_chat=0)
        return made

    def keep(_room: Room, line: Line, show: Callable[[], None]) -> None:
        assert line.number not in kept
        kept[line.number] = line
        heard.append(line.number)
        show()

    desk = begin()
    for step in story:
        ticks += 1
        if step == "write":
            desk.command(Chat("lisa", "Hej"))
        elif step == "ledger is back":
            desk.remember(ROOM, list(kept.values()))
        else:
            desk = begin()
            if step == "restart":
                desk.remember(ROOM, list(kept.values()))
            else:
                desk.number_from(ROOM, ticks)
    assert heard == sorted(set(heard))
    desk.remember(ROOM, list(kept.values()))
    assert [line.number for line in desk.meetings[ROOM].chat] == heard


async def test_what_waits_for_the_ledger_is_bounded() -> None:
    keeping = Keeping(None, KeptTexts(), SECRET, NullMeter())  # type: ignore[arg-type]
    text = Kept("r", 1, datetime.now(UTC), b"")
    for _ in range(WAITING_MAX + 5):
        keeping._put(text)
    assert len(keeping._waiting) == WAITING_MAX


async def test_what_staff_do_to_somebody_is_logged_once_it_is_done_without_name_or_number() -> None:
    async with world() as w:
        room = w.room(ROOM, PAT)
        lisa = await staff(w, room)
        pat, gun, gil = [await w.line(pid, role, room) for pid, role in (("pat", "patient"), ("gun", "guest"), ("gil", "guest"))]
        for each in (pat, gun, gil):
            await each.say("hello")
        for deed, other in (("admit", "gun"), ("deny", "gil"), ("mute_other", "pat"), ("remove", "gun"), ("deny", "pat")):
            await lisa.say(deed, pid=other)
        await pat.say("admit", pid="gun")
        await lisa.say("end")
        logged = [record for record in w.records if record.topic == "audit.v1"]
        deeds = ["joining", "admitted", "denied", "muted", "removed", "ended"]
        assert [f'"video.{deed}"'.encode() in record.value for deed, record in zip(deeds, logged, strict=True)] == [True] * len(deeds)
        assert all(b"SE2321000016-LISA" in record.value and ROOM.encode() in record.value for record in logged)
        assert not any(word in str(logged) for word in (PAT, "Lisa", "Pat", "Gun"))


async def test_a_bridge_waits_for_its_meetings_to_end_but_not_for_ever() -> None:
    async with world() as w:
        await w.bridge.drained(WAIT_S)  # nobody is there
        lisa = await staff(w, w.room(ROOM))
        draining = asyncio.create_task(w.bridge.drained(600))
        await w.bridge.drained(0.01)
        lisa_again = await staff(w, w.room(ROOM))
        assert (await lisa_again.say("ping"))["type"] == "ok" and not draining.done(), "people come back to a meeting that goes on"
        await lisa_again.say("leave")
        await lisa.gone()
        async with asyncio.timeout(WAIT_S):
            await draining


async def test_how_long_people_take_to_be_seen_is_measured() -> None:
    async with world() as w:
        await staff(w, w.room(ROOM))
        (peer,) = w.plane.peers
        for _ in range(2):
            w.bridge.desk.told(MediaState(peer, "up"))
        assert b"hub_video_join_seconds_count 1.0" in w.meter.exposition()
        assert b"process_cpu_seconds_total" in w.meter.exposition()
