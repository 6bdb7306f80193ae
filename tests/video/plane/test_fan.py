"""The compiled loop and the one in Python send the same bytes, whatever happens to streams, viewers and networks."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from socket import socket
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.video.plane.test_many import Viewer, ends, feed, picture
from video.plane import compiled as c_code
from video.plane import forward, mmsg, rtp
from video.plane.compiled import CompileError
from video.plane.forward import Incoming, Track
from video.plane.mmsg import OUT_MAX, name_of
from video.plane.shell import Address, Named

pytestmark = pytest.mark.skipif(not mmsg.AVAILABLE, reason="only Linux has sendmmsg and recvmmsg")

STEPS: Final = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["picture", "key", "voice", "lost", "late", "again", "probe", "too long", "mute"]), st.integers(0, 2)),
        st.tuples(st.sampled_from(["other picture", "layer", "gone", "moves", "over TCP", "asks again", "flush"]), st.integers(0, 2)),
    ),
    min_size=10, max_size=70,
)  # fmt: skip
VIEWERS: Final = 3


@dataclass(frozen=True)
class Alone:
    """For what is sent by itself, as repairs are."""

    viewer: Viewer

    def send(self, data: bytes, address: object) -> None:
        self.viewer.sent.append(data)


class World:
    """Two senders' streams (a camera's two layers, another camera, a voice) and viewers over real sockets; `told` is all that came."""

    def __init__(self, outbox: Any, sockets: list[socket]) -> None:
        camera, other = Track("a", "camera", "video", "vp8"), Track("b", "camera", "video", "vp8")
        self.voice = Incoming(Track("a", "audio", "audio", "opus"), 9, 0, 65_500, 0.0)
        self.videos = [Incoming(camera, 7, 0, 65_500, 0.0), Incoming(camera, 8, 1, 40, 0.0), Incoming(other, 6, 0, 7, 0.0)]
        self.places = [65_500, 40, 7]
        self.skipped: list[list[int]] = [[], [], []]
        self.outbox, self.sockets = outbox, sockets
        names = [name_of(each.getsockname()) for each in sockets]
        self.names = names
        self.viewers = [Viewer("video", outbox, name) for name in names[:VIEWERS]]
        self.ears = [Viewer("audio", outbox, name) for name in names[:VIEWERS]]
        for viewer, ear in zip(self.viewers, self.ears, strict=True):
            viewer.slot.aim(self.videos[0])
            ear.slot.aim(self.voice)
        self.told: list[tuple[int, bytes]] = []
        self.now = 10.0
        self.spoken = 65_500

    def flush(self) -> None:
        if self.outbox.used:
            self.outbox.flush()
        for number, each in enumerate(self.sockets):
            each.setblocking(False)
            while True:
                try:
                    self.told.append((number, each.recv(2_048)))
                except BlockingIOError:
                    break

    def show(self, stream: int, place: int, *, key: bool = False) -> None:
        feed(self.videos[stream], picture(place, (place * 37) % 1_290, key=key), place)

    def step(self, what: str, which: int) -> None:
        stream, viewer = self.videos[which], self.viewers[which]
        if what in ("picture", "key", "again"):
            self.show(which, self.places[which], key=what == "key")
            if what == "again":  # as a repair of what is here already
                self.show(which, self.places[which])
            self.places[which] += 1
        elif what == "lost":
            self.skipped[which].append(self.places[which])
            self.places[which] += 1
        elif what == "late" and self.skipped[which]:
            self.show(which, self.skipped[which].pop())
        elif what in ("probe", "too long"):
            feed(stream, rtp.packet(120, self.places[which], 5, 7, b"" if what == "probe" else bytes(1_301)), self.places[which])
            self.places[which] += 1
        elif what == "voice":
            feed(self.voice, rtp.packet(109, self.spoken, self.spoken * 960, 9, bytes(1 + self.spoken % 90)), self.spoken, 0x80 | which)
            self.spoken += 1
        elif what == "mute":
            stream.track.muted = not stream.track.muted
        elif what in ("other picture", "layer"):
            viewer.slot.aim(self.videos[2 if what == "other picture" else 1])
        elif what == "gone":
            viewer.slot.aim(None)
        elif what == "moves":
            viewer.link.leads(Named(Alone(viewer), self.outbox, self.names[VIEWERS]))  # type: ignore[arg-type]
        elif what == "over TCP":
            viewer.link.leads(Address(("127.0.0.1", 1), viewer.sent.append))
        elif what == "asks again":
            self.now += 1
            if viewer.slot.incoming is not None:
                viewer.slot.incoming.settle()
            last = viewer.slot.numbering.last
            viewer.slot.repair(tuple((last - back) & 0xFFFF for back in range(4)), self.now)
        elif what == "flush":
            self.flush()


def lived(steps: list[tuple[str, int]]) -> Any:
    with ends(VIEWERS + 1) as (outbox, sockets):
        world = World(outbox, sockets)
        for what, which in [("key", 0), ("key", 1), ("key", 2), *steps, ("picture", 0), ("picture", 1), ("picture", 2), ("voice", 0)]:
            world.step(what, which)
            if outbox.used > OUT_MAX - 12:
                world.flush()
        world.flush()
        for stream in (*world.videos, world.voice):
            stream.settle()
        everybody = [*world.viewers, *world.ears]
        numbers = [(each.slot.packets, each.slot.octets, each.slot.numbering.last, each.slot.numbering.newest) for each in everybody]
        links = [(each.link.sent.next, each.link.sent.at, each.link.sent.bytes, each.link.counters.refused) for each in everybody]
        return sorted(world.told, key=lambda one: one[0]), [each.sent for each in everybody], numbers, links


def in_python(work: Callable[[], Any]) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(c_code, "library", None)
        return work()


compiled = pytest.mark.skipif(c_code.compiler() is None, reason="no C compiler: there is no compiled loop on this machine")


@compiled
@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_both_loops_send_the_same_bytes(steps: list[tuple[str, int]]) -> None:
    assert c_code.library is not None, "`make install` compiles it"
    here, there = lived(steps), in_python(lambda: lived(steps))
    for part, other in zip(here, there, strict=True):
        assert part == other


@compiled
def test_most_of_it_goes_through_the_compiled_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    by_python = []
    each = forward._each
    monkeypatch.setattr(forward, "_each", lambda outs, place, *more: (by_python.append(place), each(outs, place, *more)))
    told = lived([("picture", 0)] * 20 + [("layer", 1), ("key", 1)] + [("picture", 1)] * 20)[0]
    assert len(told) > 80 and by_python == []


def test_without_a_compiler_it_says_so_and_python_does_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert c_code.load() is None
    with pytest.raises(CompileError, match="no C compiler"):
        c_code.build()


@compiled
def test_it_is_compiled_once_and_without_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = []
    run = subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda command, **more: (ran.append(command), run(command, **more))[1])
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert c_code.build() == c_code.build() == c_code.place() and len(ran) == 1
    assert c_code.load() is not None
    strict = [ran[0][0], "-Wall", "-Wextra", "-Werror", "-fsyntax-only", *ran[0][-2:]]
    assert run(strict, check=False, capture_output=True).returncode == 0, strict
