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
from tests.video.plane.net import Net
from video.plane import payload, rtp
from video.plane.dtls import Certificate
from video.plane.plane import ForwardingPlane
from video.plane.port import MediaState, SlotsChanged, Told

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
        from video.plane import rtcp

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
