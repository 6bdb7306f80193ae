"""The plane over real sockets with callers of our own: deterministic loss, attacks, V13, and what rooms are told."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from bench.calls import Caller
from schemas.errors import Malformed
from tests.video.plane.net import Net, every, is_media, nothing
from video.plane import payload, rtcp, rtp, stun
from video.plane.dtls import Certificate
from video.plane.limits import CHECK_LOST_S, OVER_S
from video.plane.plane import ForwardingPlane
from video.plane.policy import Downlink
from video.plane.port import MediaState, Quality, SlotsChanged, Speaking, Told, VideoPaused, Want

CERTIFICATE = Certificate()


@dataclass
class Heard:
    """What a caller received, decrypted."""

    caller: Caller
    packets: list[bytes] = field(default_factory=list)

    def listen(self) -> None:
        self.caller.subscribe.media = self._media

    def _media(self, data: bytes, now: float) -> None:
        secure = self.caller.subscribe.secure
        assert secure is not None
        self.packets.append(secure.unprotect(data))

    def of(self, *pts: int) -> list[tuple[rtp.Header, bytes]]:
        found = []
        for packet in self.packets:
            header = rtp.read(packet)
            assert header is not None
            if header.pt in pts:
                found.append((header, packet))
        return found


@dataclass
class Hall:
    plane: ForwardingPlane
    net: Net
    told: list[Told]
    callers: dict[str, Caller] = field(default_factory=dict)
    ears: dict[str, Heard] = field(default_factory=dict)

    async def enter(self, peer: str, *, layers: int = 1, room: str = "room", video_slots: int = 2) -> Caller:
        caller = self.callers[peer] = Caller(CERTIFICATE, layers=layers)
        ear = self.ears[peer] = Heard(caller)
        ear.listen()
        self.plane.join(room, peer, video_slots=video_slots)
        await caller.publish.connect(await self.plane.publish(peer, caller.offer()))
        offer = await self.plane.subscribe(peer)
        await self.plane.subscribed(peer, caller.answer(offer))
        await caller.subscribe.connect(offer)
        return caller


@asynccontextmanager
async def hall() -> AsyncIterator[Hall]:
    net, told = Net(), []
    plane = ForwardingPlane(told.append, bind=net.bind)
    await plane.start()
    made = Hall(plane, net, told)
    try:
        yield made
    finally:
        for caller in made.callers.values():
            with contextlib.suppress(ConnectionError):
                await caller.close()
        await plane.close()


class Talk:
    """A caller that speaks and shows at 30 frames a second, until stopped."""

    def __init__(self, caller: Caller, layers: int = 1, size: int = 600) -> None:
        self.caller, self.layers, self.size = caller, layers, size
        self.frame = 0
        self.keys_asked = 0
        self._key = [True] * layers
        caller.publish.control = self._control
        self.task = asyncio.get_running_loop().create_task(self._run())

    def _control(self, data: bytes, now: float) -> None:
        for message in rtcp.read(data):
            if isinstance(message, rtcp.KeyFrame) and message.ssrc in self.caller.ssrcs:
                self._key[self.caller.ssrcs.index(message.ssrc)] = True
                self.keys_asked += 1

    async def _run(self) -> None:
        while True:
            for layer in range(self.layers):
                key = self._key[layer]
                self._key[layer] = False
                size = self.size * (layer + 1)
                self.caller.show(self.frame * 3_000, size, key=key, ends=False, layer=layer, picture=self.frame)
                self.caller.show(self.frame * 3_000, size, key=key, begins=False, layer=layer, picture=self.frame)
            self.caller.speak(self.frame * 1_600)
            self.frame += 1
            await asyncio.sleep(1 / 30)

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def until(condition: Any, what: str, timeout_s: float = 20.0) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            while not condition():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"waited for {what}") from None


async def test_what_one_sends_the_other_gets_in_slots_that_were_told() -> None:
    async with hall() as at:
        one, _ = await at.enter("a"), await at.enter("b")
        talk = Talk(one)
        ear = at.ears["b"]
        await until(lambda: len(ear.of(96)) > 20 and len(ear.of(111)) > 10, "media")
        await talk.stop()
        states = [each for each in at.told if isinstance(each, MediaState)]
        assert {each.peer for each in states if each.state == "up"} == {"a", "b"}
        slots = [each for each in at.told if isinstance(each, SlotsChanged) and each.peer == "b"][-1].slots
        assert [(slot.mid, slot.peer) for slot in slots if slot.peer] == [("a0", "a"), ("v0", "a")]
        numbers = [header.seq for header, _ in ear.of(96)]
        assert numbers == list(range(len(numbers)))
        begins = payload.vp8(ear.of(96)[0][1], ear.of(96)[0][0].start, ear.of(96)[0][0].end)
        assert begins is not None and begins.begins_key
        assert at.ears["a"].packets == [], "nobody hears oneself"


async def test_a_peer_joins_once_and_a_wrong_offer_is_malformed() -> None:
    async with hall() as at:
        at.plane.join("room", "a", video_slots=1)
        with pytest.raises(KeyError):
            at.plane.join("other", "a", video_slots=1)
        with pytest.raises(Malformed):
            await at.plane.publish("a", "v=0\r\n")
        with pytest.raises(Malformed):
            await at.plane.subscribed("a", "v=0\r\n")
        at.plane.leave("a")
        assert at.plane.figures()["peers"] == 0


def of_pt(*pts: int) -> Any:
    """A rule's choice: media of these payload types (a header is in the clear)."""
    return lambda data: is_media(data) and data[1] & 0x7F in pts


async def test_the_sound_goes_on_while_the_picture_is_lost_and_the_picture_comes_back() -> None:
    async with hall() as at:
        one, _ = await at.enter("a"), await at.enter("b")
        talk, ear = Talk(one), at.ears["b"]
        await until(lambda: len(ear.of(96)) > 30, "pictures")
        at.plane._peers["b"].sender.downlink = Downlink(hold_s=1.0)
        at.net.lose_out = every(30, of_pt(96, 97))
        pauses: list[VideoPaused] = []

        def paused(which: bool) -> bool:
            pauses[:] = [each for each in at.told if isinstance(each, VideoPaused)]
            return bool(pauses) and pauses[-1] == VideoPaused("room", "a", "b", which)

        await until(lambda: paused(True), "the picture to be paused")
        heard = len(ear.of(111))
        await until(lambda: len(ear.of(111)) > heard + 20, "sound without picture")
        at.net.lose_out = nothing
        await until(lambda: paused(False), "the picture to come back", 40)
        shown = len(ear.of(96))
        await until(lambda: len(ear.of(96)) > shown + 20, "pictures again")
        await talk.stop()
        sounds = [header.seq for header, _ in ear.of(111)]
        assert sounds == list(range(len(sounds))), "no sound was lost"


async def test_a_hole_on_the_way_up_is_asked_for_and_filled_from_the_ring_on_the_way_down() -> None:
    async with hall() as at:
        one, _ = await at.enter("a"), await at.enter("b")
        talk, ear = Talk(one), at.ears["b"]
        await until(lambda: len(ear.of(96)) > 10, "pictures")
        nacks = []
        one.publish.control = lambda data, now: nacks.extend(m for m in rtcp.read(data) if isinstance(m, rtcp.Nack))
        at.net.lose_in = every(5, of_pt(96))
        await until(lambda: len(nacks) > 0, "a NACK to the sender")
        at.net.lose_in = nothing
        secure, out = at.callers["b"].subscribe.secure, at.plane._peers["b"].sender.video[0].out
        assert secure is not None
        last = ear.of(96)[-1][0]
        at.callers["b"].subscribe.send(secure.protect_rtcp(rtcp.nack(1, out.ssrc, [last.seq])))
        await until(lambda: len(ear.of(97)) > 0, "a repair")
        header, packet = ear.of(97)[0]
        assert packet[header.start : header.start + 2] == last.seq.to_bytes(2)
        assert at.plane.figures()["nacks"] > 0
        await talk.stop()


async def test_a_viewer_gets_the_layer_it_wants_and_nothing_it_does_not() -> None:
    async with hall() as at:
        one, _ = await at.enter("a", layers=3), await at.enter("b")
        talk, ear = Talk(one, layers=3, size=200), at.ears["b"]
        out = at.plane._peers["b"].sender.video[0].out
        for most, level in (("low", 0), ("high", 2), ("mid", 1)):
            at.plane.want("b", [Want("a", "camera", most)])  # type: ignore[arg-type]
            await until(lambda level=level: out.incoming is not None and out.incoming.layer == level, most)
        at.plane.want("b", [])
        await until(lambda: out.incoming is None, "nothing")
        at.plane.want("b", [Want("a", "camera", "low")])
        at.plane.muted("a", ["camera"])
        await asyncio.sleep(0.5)
        assert out.incoming is None
        at.plane.muted("a", [])
        await until(lambda: out.incoming is not None, "the picture after the mute")
        await talk.stop()
        numbers = sorted(header.seq for header, _ in ear.of(96))
        assert numbers == list(range(len(numbers))), "one stream to the viewer, whatever filled it"
        quality = [each for each in at.told if isinstance(each, Quality)]
        assert all(each.loss_down < 0.2 for each in quality)
        assert any(isinstance(each, Speaking) and each.peers == ("a",) for each in at.told)


async def test_a_senders_bad_uplink_pauses_its_picture_for_everybody_and_it_is_told() -> None:
    async with hall() as at:
        one, _ = await at.enter("a"), await at.enter("b")
        talk, ear = Talk(one), at.ears["b"]
        await until(lambda: len(ear.of(96)) > 10, "pictures")
        at.net.lose_in = every(30, of_pt(96))
        await until(lambda: VideoPaused("room", "a", None, True) in at.told, "the pause")
        heard = len(ear.of(111))
        await until(lambda: len(ear.of(111)) > heard + 15, "sound without picture")
        assert at.plane._peers["b"].sender.video[0].out.incoming is None
        await talk.stop()


async def test_strangers_are_refused_and_counted_and_disturb_nobody() -> None:
    async with hall() as at:
        one, _ = await at.enter("a"), await at.enter("b")
        talk, ear = Talk(one), at.ears["b"]
        await until(lambda: len(ear.of(96)) > 10, "pictures")
        user = next(iter(at.plane._peers["a"].publish.credentials))  # type: ignore[union-attr]
        mallory = Caller(CERTIFICATE).publish
        mallory._address = ("127.0.0.1", at.plane.port)
        refused = at.plane.door.refused
        for _ in range(2_000):  # browsers of a bridge that was here before: costs the requests of their address nothing
            mallory.send(b"\x80" + bytes(60))
        await until(lambda: refused["stranger"] >= 2_000, "the first of them")
        for _ in range(20):
            mallory.send(stun.request(bytes(12), f"{user}:x", "a guess of 24 characters"))
            mallory.send(stun.request(bytes(12), "nobody:x", "password"))
            mallory.send(b"\x80" + bytes(60))
            mallory.send(b"\x16" + bytes(60))
            mallory.send(b"\x00" + bytes(600))
            mallory.send(bytes(1_501))
        await until(lambda: refused["oversized"] >= 20, "the last of them")
        assert refused["stun_forged"] == 20 and refused["stun_unknown_user"] == 20
        assert refused["stun_oversized"] == 20 and refused["stranger"] == 2_040

        def flooded() -> bool:
            for _ in range(500):
                mallory.send(stun.request(bytes(12), f"{user}:x", "a guess of 24 characters"))
            return refused["flood"] >= 500

        await until(flooded, "the flood to be cut")
        with pytest.raises(BlockingIOError):
            mallory.socket.recvfrom(2_000)  # nothing is answered, so nothing can be reflected
        secure = one.publish.secure
        assert secure is not None
        replayed = secure.protect(rtp.packet(50, 9_999, 0, 77, b"again"))
        before = at.plane.counters.refused
        for _ in range(5):
            one.publish.send(replayed)
        await until(lambda: at.plane.counters.refused >= before + 4, "the replays")
        one.publish.send(b"\x80\x60" + bytes(80))
        await until(lambda: at.plane.counters.refused >= before + 5, "the forgery")
        shown, heard = len(ear.of(96)), len(ear.of(111))
        await until(lambda: len(ear.of(96)) > shown + 20 and len(ear.of(111)) > heard + 10, "media all the while")
        await talk.stop()
        assert at.plane.figures()["refused"] >= 600
        mallory.socket.close()


async def test_a_browser_that_believes_it_is_controlled_is_told_to_control() -> None:
    async with hall() as at:
        await at.enter("a")
        connection = at.plane._peers["a"].publish
        assert connection is not None
        user, password = next(iter(connection.credentials.items()))
        leg = at.callers["a"].publish
        leg.send(stun.request(bytes(12), f"{user}:x", password, controlled=True))
        await until(lambda: at.plane.door.refused["stun_role_conflict"] == 1, "the conflict")


async def test_who_closes_is_lost_at_once() -> None:
    async with hall() as at:
        await at.enter("a")
        await at.callers.pop("a").close()
        await until(lambda: MediaState("a", "lost") in at.told, "the loss")


async def test_whom_nothing_is_heard_of_is_lost_and_then_let_go_of_and_nobody_sees_an_empty_picture() -> None:
    """By a clock of our own: all of it happens between two ticks of the plane's."""
    async with hall() as at:
        plane, one = at.plane, await at.enter("a")
        await at.enter("b")
        talk = Talk(one)
        await until(lambda: any(isinstance(t, SlotsChanged) and t.peer == "b" and taken(t) == {"a"} for t in at.told), "a's picture")
        await talk.stop()
        await until(lambda: {MediaState("a", "up"), MediaState("b", "up")} <= set(map(state_of, at.told)), "both")
        at.told.clear()

        def later(seconds: float) -> list[Told]:
            """What is told when nothing but b was heard of for so long."""
            told, now = len(at.told), began + seconds
            for connection in plane._peers["b"].connections:
                connection.checked(now)
            plane.tick(now, 1.0e9 + seconds)
            return [each for each in at.told[told:] if isinstance(each, MediaState)]

        began, gone = max(each.heard_at or 0.0 for each in plane._peers["a"].connections), list(plane._peers["a"].connections)
        assert later(CHECK_LOST_S - 1) == []
        assert later(CHECK_LOST_S + 1) == [MediaState("a", "lost")]
        assert later(CHECK_LOST_S + OVER_S) == []
        assert later(CHECK_LOST_S + OVER_S + 2) == [MediaState("a", "over")]
        later(CHECK_LOST_S + OVER_S + 3)
        told = [each for each in at.told if isinstance(each, SlotsChanged)]
        assert told[-1].peer == "b" and taken(told[-1]) == set()
        assert plane.figures()["peers"] == 1 and set(plane._peers) == {"b"}
        assert not any(member in gone for member in plane.door.members.values()), "its way in is closed"
        plane.join("room", "a", video_slots=1)


def taken(told: SlotsChanged) -> set[str]:
    return {slot.peer for slot in told.slots if slot.peer}


def state_of(told: Told) -> MediaState | None:
    return told if isinstance(told, MediaState) else None


@pytest.mark.parametrize("frame", [b"\xff\xff" + bytes(100), b"\x00\x04GET ", b"\x00\x00", b"\x00"])
async def test_a_tcp_connection_that_does_not_authenticate_is_closed(frame: bytes) -> None:
    async with hall() as at:
        reader, writer = await asyncio.open_connection("127.0.0.1", at.plane.port)
        writer.write(frame)
        if len(frame) == 1:
            writer.write_eof()
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 20) == b""
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
