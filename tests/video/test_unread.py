"""N1: who has not read what staff wrote in a chat is told after a while, once; who was there or has read is not."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from schemas.outbound import NotificationRequested
from tests.video.bridge_support import PAT, PER, UNIT, Client, World, world
from tests.video.test_texts import ROOM, staff, until
from video.records import Record
from video.rooms.model import Room
from video.unread import POINTLESS_AFTER, Reminding, Stretch

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
AFTER = timedelta(minutes=15)


@pytest.fixture
async def w() -> AsyncIterator[World]:
    async with world() as made:
        yield made


# --- what is unread -----------------------------------------------------------------------------------------------------------


async def wrote(w: World, room: Room, text: str = "Hej") -> None:
    """From the day's list: staff who took part and left."""
    assert (await w.api("POST", f"/api/rooms/{room.room_id}/chat", "lisa", {"text": text}))[0] == 201


async def left(w: World, room: Room) -> None:
    lisa = await staff(w, room)
    await lisa.say("leave")


async def comes(w: World, room: Room, patient: str) -> Client:
    line = await w.line(await pid(w, room, patient), "patient", room)
    await line.say("hello")
    return line


async def pid(w: World, room: Room, patient: str) -> str:
    found = await w.ledger.person(patient)
    assert found is not None
    return w.bridge.rooms.pid_of(room, found)


async def unread(w: World, room: Room, *patients: str) -> list[int | None]:
    """The first line that each has not read, once everything is written. -1: nothing was ever noted of them."""
    await until(w.bridge.keeping._written.is_set)
    found = [w.texts.unread.get((room.room_id, await pid(w, room, each)), (-1,)) for each in patients]
    return [each[0] if each is not None else None for each in found]


async def test_a_line_is_unread_by_every_patient_of_the_room_who_is_not_there_from_the_first_that_they_missed(w: World) -> None:
    room = w.room(ROOM, PAT, PER, kind="group")
    lisa = await staff(w, room)
    await comes(w, room, PER)
    for text in ("Hej", "Hör du mig?"):
        await lisa.say("chat", text=text)
    assert await unread(w, room, PAT, PER) == [1, None]


async def test_whoever_comes_in_has_read_and_a_line_after_that_begins_anew(w: World) -> None:
    room = w.room(ROOM, PAT)
    lisa = await staff(w, room)
    await lisa.say("chat", text="Hej")
    pat = await comes(w, room, PAT)
    assert await unread(w, room, PAT) == [None]
    await pat.say("leave")
    await lisa.say("chat", text="Du glömde en sak")
    assert await unread(w, room, PAT) == [2]


async def test_the_apps_history_is_reading_and_another_patients_is_not(w: World) -> None:
    room = w.room(ROOM, PAT, PER, kind="group")
    await left(w, room)
    await wrote(w, room)
    assert await unread(w, room, PAT, PER) == [1, 1]
    await w.api("POST", f"/api/rooms/{ROOM}/history", "app", {"patient": PAT})
    assert await unread(w, room, PAT, PER) == [None, 1]
    w.ledger.away = True
    assert (await w.api("POST", f"/api/rooms/{ROOM}/history", "app", {"patient": PER}))[0] == 503
    assert await unread_while_away(w, room, PER) == [1], "who was shown nothing has read nothing"


async def unread_while_away(w: World, room: Room, patient: str) -> list[int | None]:
    w.ledger.away = False
    return await unread(w, room, patient)


async def test_staff_reading_is_not_the_patients(w: World) -> None:
    room = w.room(ROOM, PAT)
    await left(w, room)
    await wrote(w, room)
    await w.api("GET", f"/api/rooms/{ROOM}/chat", "lisa")
    await left(w, room)
    assert await unread(w, room, PAT) == [1]


async def test_who_waits_at_the_door_or_whose_line_broke_sees_no_line(w: World) -> None:
    room = w.room(ROOM, PAT, PER, kind="group")
    lisa = await staff(w, room)
    per = await comes(w, room, PER)
    await per.leave_line()
    await lisa.state(lambda s: any(p["away"] for p in s["people"]))
    await lisa.say("chat", text="Är du kvar?")
    assert await unread(w, room, PAT, PER) == [1, 1]
    await comes(w, room, PER)
    assert await unread(w, room, PAT, PER) == [1, None], "back in the seat, with all that was written"


async def test_what_patients_and_guests_write_and_a_conference_remind_nobody(w: World) -> None:
    room = w.room(ROOM, PAT, PER, kind="group")
    await staff(w, room)
    pat = await comes(w, room, PAT)
    await pat.say("chat", text="Hej")
    assert await unread(w, room, PAT, PER) == [-1, -1]
    conference = w.room("c0b0c1c5-6a0b-4a53-9d55-0c9d5f6a7a02", kind="conference")
    lisa = await staff(w, conference)
    await lisa.say("chat", text="Hej")
    assert await unread(w, conference, PAT) == [-1]


async def test_a_chat_rooms_one_patient_is_known_from_its_making(w: World) -> None:
    _, made = await w.api("POST", "/api/rooms", "lisa", {"kind": "chat", "unit": UNIT, "patient": PAT, "notify": False})
    room = w.bridge.desk.meetings[made["room_id"]].room
    assert await unread(w, room, PAT) == [None]
    await left(w, room)
    await wrote(w, room)
    assert await unread(w, room, PAT, PER) == [1, -1]
    await w.api("POST", f"/api/rooms/{room.room_id}/history", "app", {"patient": PAT})
    assert await unread(w, room, PAT) == [None]


async def test_a_ledger_that_is_away_gets_lines_and_readers_in_their_order_when_it_is_back(w: World) -> None:
    room = w.room(ROOM, PAT, PER, kind="group")
    lisa = await staff(w, room)
    per = await w.line(await pid(w, room, PER), "patient", room)
    w.ledger.away = w.texts.away = True
    await lisa.say("chat", text="Hej")
    await per.say("hello")
    await asyncio.sleep(0.1)
    assert w.texts.boxes == {} and w.texts.unread == {}
    w.texts.away = False
    await asyncio.sleep(1.2)
    assert w.texts.boxes == {}, "who the patients are is asked first: a line does not go without them"
    w.ledger.away = False
    assert await unread(w, room, PAT, PER) == [1, None] and len(w.texts.boxes) == 1


# --- who is told --------------------------------------------------------------------------------------------------------------


@dataclass
class Kept:
    """The ledger's `Unread`: what is not told, by since when."""

    stretches: list[Stretch]
    marked: list[Stretch] = field(default_factory=list)

    async def due(self, since_max: datetime, rows_max: int) -> list[Stretch]:
        return [each for each in self.stretches if each.since <= since_max and each not in self.marked][:rows_max]

    async def told(self, stretches: Sequence[Stretch]) -> None:
        self.marked.extend(stretches)


def stretch(room: str = ROOM, since: datetime = NOW, recipient: str | None = PAT, number: int = 1, **more: bool) -> Stretch:
    return Stretch(room, "pid", number, since, recipient, "k1", **more)


@dataclass
class Bridge:
    """A loop with its clock and what it said."""

    ledger: Kept
    now: datetime = NOW + AFTER
    said: list[Record] = field(default_factory=list)
    fails: bool = False

    async def publish(self, records: list[Record]) -> None:
        if self.fails:
            raise RuntimeError
        self.said.extend(records)

    async def remind(self) -> int:
        return await Reminding(self.ledger, self.publish, lambda room: room == ROOM, lambda: self.now, AFTER).remind()

    def told(self) -> list[NotificationRequested]:
        return [NotificationRequested.model_validate_json(each.value) for each in self.said]


async def test_after_fifteen_minutes_there_is_one_notification_without_a_word_of_it() -> None:
    bridge = Bridge(Kept([stretch(has_phone=True)]), now=NOW + AFTER - timedelta(seconds=1))
    assert await bridge.remind() == 0
    bridge.now += timedelta(seconds=1)
    assert [await bridge.remind(), await bridge.remind()] == [1, 0]
    (told,) = bridge.told()
    assert (told.kind, told.template, told.channel, told.about, told.recipient) == ("chat", "chat_new", "sms", ROOM, PAT)
    assert told.not_after == NOW + AFTER + POINTLESS_AFTER
    assert bridge.said[0].key == b"k1" and set(orjson.loads(bridge.said[0].value)) == {
        "notification_id", "recipient", "channel", "kind", "template", "about", "not_after",
    }  # fmt: skip


async def test_without_a_number_it_is_the_apps_to_show() -> None:
    bridge = Bridge(Kept([stretch()]))
    await bridge.remind()
    assert [told.channel for told in bridge.told()] == ["push"]


async def test_another_bridges_rooms_are_left_to_it() -> None:
    bridge = Bridge(Kept([stretch("another")]))
    assert await bridge.remind() == 0 and bridge.ledger.marked == []


async def test_nobody_is_told_who_may_not_be_and_nothing_that_has_lost_its_point() -> None:
    bridge = Bridge(Kept([stretch(recipient=None), stretch(since=NOW - POINTLESS_AFTER, number=2)]))
    assert await bridge.remind() == 0 and bridge.said == []
    assert len(bridge.ledger.marked) == 2, "and nobody looks at it again"


async def test_what_kafka_did_not_take_is_not_marked_and_goes_again_under_the_same_id() -> None:
    bridge = Bridge(Kept([stretch(), stretch(number=9, since=NOW + timedelta(hours=1))]), fails=True)
    with pytest.raises(RuntimeError):
        await bridge.remind()
    assert bridge.ledger.marked == []
    bridge.fails = False
    await bridge.remind()
    bridge.ledger.marked.clear()  # the process died right after Kafka had it
    await bridge.remind()
    bridge.now += timedelta(hours=2)
    await bridge.remind()
    ids = [told.notification_id for told in bridge.told()]
    assert len(ids) == 3 and len(set(ids)) == 2, "a later stretch is another"
