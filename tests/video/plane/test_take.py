"""What take.c takes and what Python takes is the same: who hears and sees what, what is reported, kept, counted and measured."""

from __future__ import annotations

import gc
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from types import SimpleNamespace
from typing import Any, Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pylibsrtp import Error as PacketRefused
from pylibsrtp import Policy, Session

from tests.video.plane.test_fan import compiled, in_python
from tests.video.plane.test_many import KEY, Viewer, ends, session, udp
from video.plane import compiled as c_code
from video.plane import mmsg, payload, rtp, sdp, shell
from video.plane.connection import Connection
from video.plane.dtls import _direct, lib
from video.plane.fan import shared
from video.plane.forward import Counters, Incoming
from video.plane.ice import Door
from video.plane.limits import PATHS_MAX, PEERS_MAX, RING_PACKETS
from video.plane.mmsg import Inbox, Outbox, name_of
from video.plane.receiver import Receiver
from video.plane.sdp import Published
from video.plane.shell import Address, Udp
from video.plane.take import PATHS, SharedRing, Taker

pytestmark = [compiled, pytest.mark.skipif(not mmsg.AVAILABLE, reason="only Linux has sendmmsg and recvmmsg")]

LEVEL, NUMBER, MID, OTHER = 1, 3, 4, 5
LINES: Final = [
    Published("0", "audio", "audio", "opus", 109, None, {sdp.LEVEL: LEVEL, sdp.TRANSPORT_WIDE: NUMBER, sdp.MID: MID}, (), (9,), {}),
    Published("1", "video", "camera", "vp8", 120, 121, {sdp.TRANSPORT_WIDE: NUMBER, sdp.MID: MID}, (), (7,), {7: 70}),
    Published("2", "video", "screen", "h264", 122, None, {sdp.TRANSPORT_WIDE: NUMBER, sdp.MID: MID}, (), (6,), {}),
]
VOICE, CAMERA, SCREEN = 0, 1, 2
SSRC: Final = (9, 7, 6)
ONES: Final = st.one_of(
    st.tuples(st.sampled_from(["next", "next", "next", "key", "lost", "late", "again", "probe", "too long", "padded"]), st.integers(0, 2)),
    st.tuples(st.sampled_from(["without number", "with mid", "other ssrc", "other type", "cut", "jump", "far"]), st.integers(0, 2)),
    st.tuples(st.sampled_from(["repair", "forged", "replay", "tcp viewer", "moves", "mute", "gone", "comes", "asks"]), st.integers(0, 2)),
    st.tuples(st.sampled_from(["turn", "turn", "tick", "pause", "new description", "other path"]), st.integers(0, 2)),
)
STEPS: Final = st.lists(ONES, min_size=10, max_size=80)


@dataclass
class Keys:
    """As much of `Secure` as a connection uses once hands were shaken."""

    inner: Session
    ready: bool = True

    def __post_init__(self) -> None:
        self.receives = self.inner._srtp[0]  # type: ignore[attr-defined]
        self.unprotect = _direct(self.inner, lib.srtp_unprotect, 1_500)


def receiving() -> Session:
    return Session(Policy(key=KEY, ssrc_type=Policy.SSRC_ANY_INBOUND, srtp_profile=Policy.SRTP_PROFILE_AEAD_AES_256_GCM))


class World:
    """One person who sends a voice and two pictures from a real socket, and two viewers."""

    def __init__(self, sockets: list[socket.socket], monkey: pytest.MonkeyPatch) -> None:
        self.now = 50.0
        monkey.setattr(shell, "monotonic", lambda: self.now)
        self.door, self.counters = Door(), Counters()
        self.udp = Udp(self.door, shell.bound("127.0.0.1", 0))
        assert (self.udp.taker is not None) is (c_code.library is not None)
        self.heard: list[tuple[int, float]] = []
        self.receiver = Receiver("a", self.counters, lambda level, now: self.heard.append((level, now)))
        self.receiver.configure(LINES)
        self.connection = Connection(None, self.counters, lambda state: None, self.receiver.rtp, self.receiver.rtcp, self.receiver.hot)  # type: ignore[arg-type]
        self.keys = Keys(receiving())
        self.connection.secure = self.keys  # type: ignore[assignment]
        self.connection._ready(self.keys)  # type: ignore[arg-type]
        self.sends = session()
        self.source, self.second = udp(), udp()
        self.known(self.source)
        self.outbox = self.udp.outbox
        assert self.outbox is not None
        self.sockets = sockets
        self.viewers = [Viewer("video", self.outbox, name_of(each.getsockname())) for each in sockets[:2]]
        self.ears = [Viewer("audio", self.outbox, name_of(each.getsockname())) for each in sockets[:2]]
        for each in self.viewers:
            each.slot.pts["h264"] = (97, None)
        self.numbers, self.wide = [65_530, 65_500, 3], 65_530
        self.skipped: list[list[bytes]] = [[], [], []]
        self.protected: list[bytes] = []
        self.came: list[tuple[int, bytes]] = []
        self.reports: list[bytes] = []
        self.measured: list[Any] = []

    def close(self) -> None:
        for each in (self.source, self.second, self.udp.socket):
            each.close()

    def known(self, source: socket.socket) -> None:
        name = name_of(source.getsockname())
        self.door.members[name] = self.connection
        self.connection.paths.append(name)
        self.door.on_path(name, self.connection.hot)

    def stream(self, which: int) -> Incoming | None:
        return self.receiver.streams.get(SSRC[which])

    def send(self, plain: bytes) -> None:
        protected = self.sends.protect(plain)
        self.protected.append(protected)
        self.source.sendto(protected, ("127.0.0.1", self.udp.port))

    def packet(self, which: int, *, key: bool = False, **more: Any) -> bytes:
        number = self.numbers[which]
        self.numbers[which] += 1
        self.wide += 1
        size = number * 37 % 1_200
        body = bytes([number & 0xFF]) * (1 + size)
        if which == CAMERA:
            body = bytes([0x90, 0xE0, 0x80 | number >> 8 & 0x7F, number & 0xFF, number & 0xFF, 0x20, 0 if key else 1]) + bytes(size)
        elif which == SCREEN:
            body = bytes([0x65 if key else 0x61]) + bytes(size)
        extensions = [(OTHER, bytes(16))] * 17 if more.get("far") else []
        extensions += [(NUMBER, (self.wide & 0xFFFF).to_bytes(2))] if more.get("numbered", True) else []
        if which == VOICE:
            extensions.insert(0, (LEVEL, bytes([0x80 | number % 90])))
        if more.get("mid"):
            extensions.append((MID, b"%d" % which))
        pt, ssrc = more.get("type", (109, 120, 122)[which]), more.get("ssrc", SSRC[which])
        time, marker = number * 960 & 0xFFFFFFFF, number % 3 == 0
        made = rtp.packet(pt, number & 0xFFFF, time, ssrc, more.get("body", body), marker=marker, extensions=tuple(extensions))
        if more.get("padded"):
            made = bytes([made[0] | 0x20]) + made[1:] + b"\0\0\0\4"
        return made

    def turn(self) -> None:
        """The bridge reads what came, as its event loop would, and the viewers read what it sends."""
        self.udp._many_readable()
        for number, each in enumerate(self.sockets):
            each.setblocking(False)
            while True:
                try:
                    self.came.append((number, each.recv(2_048)))
                except BlockingIOError:
                    break

    def step(self, what: str, which: int) -> None:
        self.now += 0.004
        viewer = self.viewers[which % 2]
        incoming = self.stream(which)
        if what in ("next", "key"):
            self.send(self.packet(which, key=what == "key"))
        elif what == "lost":
            self.skipped[which].append(self.packet(which))
        elif what == "late" and self.skipped[which]:
            self.send(self.skipped[which].pop())
        elif what == "repair" and self.skipped[CAMERA]:
            lost = self.skipped[CAMERA].pop()
            header = rtp.read(lost)
            assert header is not None
            self.send(rtp.packet(121, len(self.protected) & 0xFFFF, header.timestamp, 70, header.seq.to_bytes(2) + lost[header.start :]))
        elif what == "jump":
            self.numbers[which] += 300
        elif what in ("again", "replay") and self.protected:
            self.source.sendto(self.protected[-1], ("127.0.0.1", self.udp.port))
        elif what == "forged":
            self.source.sendto(self.packet(which) + bytes(16), ("127.0.0.1", self.udp.port))
        elif what == "probe":
            self.send(self.packet(which, body=b"", padded=which == CAMERA))
        elif what == "too long":
            self.send(self.packet(which, body=bytes(1_301)))
        elif what == "padded":
            self.send(self.packet(which, padded=True))
        elif what == "without number":
            self.send(self.packet(which, numbered=False))
        elif what == "with mid":
            self.send(self.packet(which, mid=True))
        elif what == "far":  # the number stands behind more than 255 bytes of extensions
            self.send(self.packet(which, far=True, body=bytes([0x90, 0, 1])))
        elif what == "other ssrc":
            self.send(self.packet(which, ssrc=1_000 + which))
        elif what == "other type":
            self.send(self.packet(which, type=121 if which == CAMERA else 99))  # a repair's, in a stream that has none
        elif what == "cut":
            self.send(self.packet(which, body=bytes([0x90])))
        elif what == "comes":
            self.ears[which % 2].slot.aim(self.stream(VOICE))
            viewer.slot.aim(self.stream(CAMERA if which else SCREEN))
        elif what == "gone":
            viewer.slot.aim(None)
        elif what == "tcp viewer":
            viewer.link.leads(Address(("127.0.0.1", 1), viewer.sent.append))
        elif what == "moves":
            viewer.link.leads(SimpleNamespace(send=viewer.sent.append, outbox=self.outbox, name=name_of(self.sockets[2].getsockname())))  # type: ignore[arg-type]
        elif what == "mute" and incoming is not None:
            incoming.track.muted = not incoming.track.muted
        elif what == "asks" and viewer.slot.incoming is not None:
            viewer.slot.incoming.settle()
            last = viewer.slot.numbering.last
            viewer.slot.repair(tuple((last - back) & 0xFFFF for back in range(5)), self.now)
        elif what == "new description":
            self.receiver.configure(LINES)
        elif what == "other path":
            self.source, self.second = self.second, self.source
            self.known(self.source)
        elif what == "pause":
            self.now += 1.3
        elif what == "turn":
            self.turn()
        elif what == "tick":
            self.turn()
            self.now += 0.05
            self.reports += self.receiver.due(self.now)
            for each in self.receiver.streams.values():
                each.measure(self.now)
                self.measured.append((each.ssrc, each.rate_bps, each.hot.jitter, each.hot.since, each.hot.last_at, each.block(self.now)))


def lived(steps: list[tuple[str, int]]) -> dict[str, Any]:
    begin = [("key", 0), ("key", 1), ("key", 2), ("turn", 0), ("comes", 0), ("comes", 1), ("next", 0), ("key", 1), ("key", 2), ("turn", 0)]
    end = [("next", 0), ("next", 1), ("next", 2), ("pause", 0), ("tick", 0), ("asks", 0), ("asks", 1), ("pause", 0), ("tick", 0)]
    with ends(3) as (_, sockets), pytest.MonkeyPatch.context() as monkey:
        world = World(sockets, monkey)
        try:
            for step in [*begin, *steps, *end]:
                world.step(*step)
            counters, taken = world.counters, (0, 0, 0) if world.udp.taker is None else world.udp.taker.figures
            everybody = [*world.viewers, *world.ears]
            return {
                "came": sorted(world.came, key=lambda one: one[0]),
                "alone": [each.sent for each in everybody],
                "reports": world.reports,
                "measured": world.measured,
                "heard": world.heard,
                "counted": [(each.slot.packets, each.slot.octets, each.slot.numbering.last) for each in everybody],
                "links": [(each.link.sent.next, each.link.sent.at, each.link.sent.bytes, each.link.counters.refused) for each in everybody],
                "figures": (counters.packets_in + taken[0], counters.bytes_in + taken[1], counters.refused + taken[2], counters.plis),
                "arrivals": (world.receiver.arrivals.lost, world.receiver.arrivals.total, world.receiver.hot.bytes),
                "heard_at": world.connection.heard_at,
                "refused": world.door.refused,
            }
        finally:
            world.close()


@settings(max_examples=200, deadline=None)
@given(STEPS)
@example([("next", 1), ("mute", 1), ("next", 1), ("turn", 0), ("mute", 1), ("next", 1), ("next", 1), ("turn", 0)])
@example([("lost", 1), ("next", 1), ("next", 1), ("late", 1), ("next", 1), ("turn", 0), ("with mid", 1), ("next", 1), ("next", 1)])
@example(
    [
        ("comes", 1),
        ("key", 1),
        *[("next", 1), ("turn", 0)] * 4,
        ("gone", 1),
        ("next", 1),
        ("comes", 1),
        ("key", 1),
        ("next", 1),
        ("turn", 0),
    ]
)
@example([("far", 1), ("far", 1), ("next", 0), ("next", 1), ("turn", 0), ("far", 2), ("far", 2), ("next", 2), ("turn", 0)])
@example([("next", 1), ("next", 1), ("turn", 0), ("other type", 1), ("next", 1), ("turn", 0)])
def test_both_ways_do_the_same(steps: list[tuple[str, int]]) -> None:
    assert c_code.library is not None, "`make install` compiles it"
    here, there = lived(steps), in_python(lambda: lived(steps))
    for part, found in here.items():
        assert found == there[part], part


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0x80, 0x90, 0xA0, 0xB0, 0x93]), st.sampled_from([109, 120, 121, 122]), st.sampled_from(SSRC),
                          st.binary(max_size=400)), min_size=1, max_size=20))  # fmt: skip
def test_whatever_an_authenticated_sender_sends_ends_no_turn_and_is_taken_alike(packets: list[tuple[int, int, int, bytes]]) -> None:
    def one(number: int, first: int, pt: int, ssrc: int, rest: bytes) -> bytes:
        return bytes([first, pt]) + number.to_bytes(2) + number.to_bytes(4) + ssrc.to_bytes(4) + rest

    def told() -> Any:
        with ends(3) as (_, sockets), pytest.MonkeyPatch.context() as monkey:
            world = World(sockets, monkey)
            try:
                for which in (VOICE, CAMERA, SCREEN):
                    world.send(world.packet(which, key=True))
                world.turn()
                for number, packet in enumerate(packets):
                    try:
                        world.send(one(number, *packet))
                    except PacketRefused:  # libsrtp sends no header that runs past the packet
                        continue
                    world.turn()
                world.send(world.packet(VOICE))
                world.turn()
                assert world.stream(VOICE) is not None
                taken = (0, 0, 0) if world.udp.taker is None else world.udp.taker.figures
                streams = [(each.ssrc, each.hot.highest, each.hot.received, each.hot.bytes) for each in world.receiver.streams.values()]
                return streams, world.counters.packets_in + taken[0], world.counters.refused + taken[2], list(world.receiver.due(world.now))
            finally:
                world.close()

    assert told() == in_python(told)


def test_most_of_it_is_taken_in_c_and_a_viewer_over_tcp_changes_that_for_its_streams_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    by_python: list[int] = []
    rtp_of = Receiver.rtp
    monkeypatch.setattr(Receiver, "rtp", lambda self, data, now: (by_python.append(data[1] & 0x7F), rtp_of(self, data, now)))
    plain = [("next", which) for which in (0, 1, 2)] * 30
    lived([*plain, ("turn", 0)])
    assert len(by_python) < 20
    by_python.clear()
    lived([("tcp viewer", 1), ("next", 1), ("turn", 0), *plain, ("turn", 0)])
    assert by_python.count(120) > 30 and by_python.count(109) < 10 and by_python.count(122) < 10
    by_python.clear()
    lived([("mute", 0), *plain, ("turn", 0)])
    assert by_python.count(109) > 30 and by_python.count(120) < 10


def test_who_has_left_is_not_taken_from_and_a_path_that_is_anothers_is_that_others() -> None:
    with ends(3) as (_, sockets), pytest.MonkeyPatch.context() as monkey:
        world = World(sockets, monkey)
        try:
            world.send(world.packet(VOICE))
            world.turn()
            assert world.udp.taker is not None and world.udp.taker.figures[0] == 1
            world.connection._silence()
            world.keys.ready = False
            world.send(world.packet(VOICE))
            world.turn()
            assert world.udp.taker.figures[0] == 1 and world.counters.packets_in == 0
            world.door.forget(world.connection)
            world.send(world.packet(VOICE))
            world.turn()
            assert world.udp.taker.figures[0] == 1 and world.door.refused["stranger"] == 1
        finally:
            world.close()


@contextmanager
def a_taker() -> Iterator[tuple[Taker, Any]]:
    with udp() as opened:
        opened.setblocking(False)
        yield Taker(Inbox(opened.fileno(), opened.family), Outbox(opened.fileno(), opened.family)), opened


def test_paths_are_found_however_many_come_and_go() -> None:
    """Against a dict: also where places of the table collide."""
    chance = Random(7)
    with a_taker() as (taker, _):
        known: dict[bytes, Any] = {}
        names = [name_of((f"10.0.{number >> 8}.{number & 255}", 1_000 + chance.randrange(60_000))) for number in range(6_000)]
        for _ in range(40_000):
            name = chance.choice(names)
            if name in known or len(known) >= PEERS_MAX * PATHS_MAX:
                taker.path(name, None)
                known.pop(name, None)
            else:
                known[name] = c_code.ffi.new("struct sender *")
                taker.path(name, known[name])
        assert len(known) > 2_000 and PATHS >= 2 * PEERS_MAX * PATHS_MAX
        table = {bytes(path.name)[:16]: path.sender for path in taker._paths if path.sender != c_code.ffi.NULL}
        assert table == known
        for name, sender in known.items():  # each is where a search finds it: told again, it takes no new place
            assert c_code.library.put_path(taker._inbox, name.ljust(32, b"\0"), sender) == 0


def test_a_key_that_is_no_address_is_no_path_of_it() -> None:
    with a_taker() as (taker, _):
        taker.path(object(), c_code.ffi.new("struct sender *"))
        taker.path(("127.0.0.1", 5), c_code.ffi.new("struct sender *"))
        assert all(path.sender == c_code.ffi.NULL for path in taker._paths)


def test_both_rings_keep_the_same_and_free_what_they_kept() -> None:
    kept = SharedRing(vp8=True)
    for place in range(-3, RING_PACKETS + 5):
        body = bytes([0x90, 0xE0, 0x80, place & 0x7F, place & 0xFF, 0x20, 1]) + bytes(place % 50)
        kept.keep((place, 0x80, place * 3_000 & 0xFFFFFFFF, body, None))
    assert kept.find(4) is None and kept.find(RING_PACKETS + 5) is None
    found = kept.find(6)
    assert found is not None and (found.place, found.marker, found.timestamp) == (6, 0x80, 18_000)
    assert found.vp8 == payload.vp8(found.payload, 0, len(found.payload)) and found.payload[3] == 6
    memory = kept.kept
    del kept
    gc.collect()
    assert all(each.payload == c_code.ffi.NULL for each in memory)


@settings(max_examples=500)
@given(st.binary(max_size=8))
def test_the_descriptor_of_vp8_is_read_alike(data: bytes) -> None:
    packet = c_code.ffi.new("struct packet *", {"size": len(data)})
    c_code.library.vp8(data, packet)
    found = payload.vp8(data, 0, len(data))
    told = (packet.picture, packet.picture_at, bool(packet.wide), packet.tl0, packet.tl0_at)
    assert told == ((-2, -1, False, -1, -1) if found is None else found[1:])


def test_a_flood_of_one_sender_fills_no_memory_and_the_rest_is_pythons() -> None:
    """Between two ticks take.c notes so many arrivals and levels and no more."""
    with ends(3) as (_, sockets), pytest.MonkeyPatch.context() as monkey:
        world = World(sockets, monkey)
        try:
            for _ in range(40):
                for _ in range(40):
                    world.send(world.packet(VOICE))
                world.turn()
            hot = world.receiver.hot
            assert hot.levels <= 64 and hot.came <= 1_024 and hot.came + hot.levels > 0
            world.receiver.settle()
            assert len(world.heard) == 1_600 and hot.levels == hot.came == 0
        finally:
            world.close()


def test_each_outbox_has_one_structure_that_counts_what_the_kernel_refused() -> None:
    with ends(1) as (outbox, _):
        assert shared(outbox) is shared(outbox)
        shared(outbox).dropped = 3
        assert outbox.dropped == 3
