"""Many datagrams in one system call are the same datagrams: held against the way that sends and takes them one by one."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from struct import pack
from typing import Any

import pytest
from pylibsrtp import Policy, Session

from bench.calls import Caller
from tests.video.plane.net import Net
from tests.video.plane.test_plane import CERTIFICATE, Hall, Heard, Talk, until
from video.plane import forward, mmsg, rtp, shell
from video.plane.dtls import PLAIN_BYTES_MAX
from video.plane.forward import Counters, Incoming, Link, Outgoing, Track
from video.plane.ice import Door
from video.plane.mmsg import IN_MAX, NAME_BYTES, OUT_MAX, Inbox, Outbox, address_in, name_of
from video.plane.plane import ForwardingPlane
from video.plane.shell import Named, Udp

pytestmark = pytest.mark.skipif(not mmsg.AVAILABLE, reason="only Linux has sendmmsg and recvmmsg")
KEY = bytes(range(44))


def udp(host: str = "127.0.0.1") -> socket.socket:
    opened = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    opened.settimeout(10)
    opened.bind((host, 0))
    return opened


def session() -> Session:
    policy = Policy(key=KEY, ssrc_type=Policy.SSRC_ANY_OUTBOUND, srtp_profile=Policy.SRTP_PROFILE_AEAD_AES_256_GCM)
    policy.allow_repeat_tx = True
    return Session(policy)


@contextmanager
def ends(count: int, host: str = "127.0.0.1") -> Iterator[tuple[Outbox, list[socket.socket]]]:
    """An outbox and so many sockets to send to."""
    sender, others = udp(host), [udp(host) for _ in range(count)]
    sender.setblocking(False)
    try:
        yield Outbox(sender.fileno(), sender.family), others
    finally:
        for each in (sender, *others):
            each.close()


def put(outbox: Outbox, packet: bytes, name: bytes) -> None:
    place = outbox.used
    start = outbox.starts[place]
    outbox.memory[start : start + len(name)] = name
    outbox.memory[start + NAME_BYTES : start + NAME_BYTES + len(packet)] = packet
    outbox.lengths[place][0] = len(packet)
    outbox.used = place + 1


class Viewer:
    """A slot with real encryption under a known key; over an outbox, or one by one into `sent`."""

    def __init__(self, kind: Any, outbox: Outbox | None, name: bytes = b"") -> None:
        self.link = Link(Counters())
        self.session = session()
        self.sent: list[bytes] = []
        self.link.protect, self.link.send = self.session.protect, self.sent.append
        self.link.srtp, self.link.outbox, self.link.name = self.session._srtp[0], outbox, name  # type: ignore[attr-defined]
        self.slot = Outgoing(self.link, kind, 5_000, 5_001)
        self.slot.pts = {"vp8": (96, 97), "opus": (111, None)}


def picture(place: int, size: int, *, key: bool = False) -> bytes:
    body = bytes([0x90, 0xE0]) + pack("!HBB", 0x8000 | place & 0x7FFF, place & 0xFF, 0x20) + bytes([0 if key else 1]) + bytes(size)
    return rtp.packet(120, place, place * 3_000, 7, body, marker=place % 2 == 0)


def feed(incoming: Incoming, data: bytes, place: int, level: int = 0x80 | 31) -> None:
    header = rtp.read(data)
    assert header is not None
    if incoming.ring is not None:
        forward.video(incoming, place, data, header, place / 30)
    else:
        forward.audio(incoming, place, data, header, level, place / 50)
    incoming.hot.highest = max(incoming.hot.highest, place)


@pytest.mark.parametrize("kind", ["video", "audio"])
def test_a_batch_has_byte_for_byte_what_goes_one_by_one_also_encrypted(kind: Any) -> None:
    source = "camera" if kind == "video" else "audio"
    with ends(3) as (outbox, sockets):
        incoming = Incoming(Track("a", source, kind, "vp8" if kind == "video" else "opus"), 7, 0, 65_530, 0.0)  # type: ignore[arg-type]
        many = [Viewer(kind, outbox, name_of(each.getsockname())) for each in sockets]
        single = Viewer(kind, None)
        for viewer in (*many, single):
            viewer.slot.aim(incoming)
            if viewer is not many[0]:
                viewer.slot.picture = viewer.slot.tl0 = 40  # as after another sender's picture: counters go on from there
        for place in (65_530, 65_531, 65_533, 65_532, 65_534, 65_534, *range(65_535, 65_560)):
            size = (place * 37) % 1_290
            data = picture(place, size, key=place == 65_530) if kind == "video" else rtp.packet(109, place, place * 960, 7, bytes(1 + size))
            feed(incoming, data, place)
        for place in (65_560, 65_561):  # a probe, and one that is too long: nothing goes out, and it leaves no hole
            feed(incoming, rtp.packet(120, place, 5, 7, b"" if place % 2 else bytes(1_301)), place)
        feed(incoming, picture(65_562, 9), 65_562)
        outbox.flush()
        came = [[each.recv(2_048) for _ in single.sent] for each in sockets]
        assert len(single.sent) > 30 and came[1] == came[2] == single.sent
        if kind == "audio":
            assert came[0] == single.sent
        assert {viewer.slot.packets for viewer in many} == {single.slot.packets} == {len(single.sent)}
        assert {viewer.slot.octets for viewer in many} == {single.slot.octets}
        assert (many[1].link.sent.at, many[1].link.sent.bytes) == (single.link.sent.at, single.link.sent.bytes)
        assert outbox.dropped == 0 and max(len(data) for data in single.sent) <= PLAIN_BYTES_MAX + 16


def test_what_the_kernel_refuses_is_dropped_alone_and_the_rest_of_the_batch_goes() -> None:
    with ends(1) as (outbox, (sink,)):
        good, bad = name_of(sink.getsockname()), name_of(("127.0.0.1", 0))  # nothing can be sent to port 0
        for number in range(9):
            put(outbox, bytes([number]), bad if number in (0, 3, 4, 8) else good)
        outbox.flush()
        assert outbox.dropped == 4 and outbox.used == 0
        assert [sink.recv(10)[0] for _ in range(5)] == [1, 2, 5, 6, 7]


def test_a_full_socket_drops_and_neither_blocks_nor_fails() -> None:
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)  # loopback UDP is never full at the sender
    with here, there:
        here.setblocking(False)
        outbox = Outbox(here.fileno(), socket.AF_INET)
        for message in outbox._messages:
            message.header.name, message.header.name_length = None, 0  # it is connected
        sent = 0
        while not outbox.dropped:
            for _ in range(OUT_MAX):
                put(outbox, bytes(1_000), b"")
            outbox.flush()
            sent += OUT_MAX
            assert sent < 100_000
        there.setblocking(False)
        received = 0
        while True:
            try:
                there.recv(2_000)
            except BlockingIOError:
                break
            received += 1
        assert received + outbox.dropped == sent and received > 0
        put(outbox, b"again", b"")
        outbox.flush()
        assert there.recv(10) == b"again"


def test_a_path_that_changes_in_mid_batch_moves_what_comes_after_and_nothing_before() -> None:
    with ends(2) as (outbox, (old, new)):
        incoming = Incoming(Track("a", "camera", "video", "vp8"), 7, 0, 1, 0.0)
        viewer = Viewer("video", outbox, name_of(old.getsockname()))
        viewer.slot.aim(incoming)
        feed(incoming, picture(1, 50, key=True), 1)
        feed(incoming, picture(2, 50), 2)
        viewer.link.leads(Named(None, outbox, name_of(new.getsockname())))  # type: ignore[arg-type]  # nothing is sent by it alone
        feed(incoming, picture(3, 50), 3)
        assert outbox.used == 3
        outbox.flush()
        assert [old.recv(2_048)[3] for _ in range(2)] == [0, 1] and new.recv(2_048)[3] == 2


def test_a_batch_that_is_full_goes_by_itself_and_the_order_holds() -> None:
    with ends(1) as (outbox, (sink,)):
        incoming = Incoming(Track("a", "camera", "video", "vp8"), 7, 0, 1, 0.0)
        viewer = Viewer("video", outbox, name_of(sink.getsockname()))
        viewer.slot.aim(incoming)
        for place in range(1, 3 * OUT_MAX + 6):
            feed(incoming, picture(place, 20, key=place == 1), place)
        assert outbox.used == 5
        outbox.flush()
        assert [sink.recv(2_048)[3] for _ in range(3 * OUT_MAX + 5)] == list(range(3 * OUT_MAX + 5))


def test_what_encryption_refuses_takes_no_place_in_the_batch() -> None:
    with ends(1) as (outbox, (sink,)):
        incoming = Incoming(Track("a", "audio", "audio", "opus"), 7, 0, 1, 0.0)
        viewer, other = Viewer("audio", outbox, name_of(sink.getsockname())), Viewer("audio", outbox, name_of(sink.getsockname()))
        policy = Policy(key=KEY, ssrc_type=Policy.SSRC_SPECIFIC, ssrc_value=1, srtp_profile=Policy.SRTP_PROFILE_AEAD_AES_256_GCM)
        viewer.session = Session(policy)  # knows another stream than the slot's
        viewer.link.srtp = viewer.session._srtp[0]  # type: ignore[attr-defined]
        for each in (viewer, other):
            each.slot.aim(incoming)
        feed(incoming, rtp.packet(109, 1, 960, 7, b"sound"), 1)
        assert outbox.used == 1
        assert (viewer.slot.packets, viewer.slot.octets, other.slot.packets) == (0, 0, 1)
        assert viewer.link.counters.refused == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_what_comes_has_its_length_and_its_sender(host: str) -> None:
    try:
        receiver, sender = udp(host), udp(host)
    except OSError:
        pytest.skip("no IPv6 here")
    with receiver, sender:
        receiver.setblocking(False)
        inbox = Inbox(receiver.fileno(), receiver.family)
        assert inbox.receive() == 0
        sent = [b"", b"x", bytes(range(250)), bytes(1_500), bytes(1_600)] + [b"more"] * IN_MAX
        for data in sent:
            sender.sendto(data, receiver.getsockname())
        assert inbox.receive() == IN_MAX
        assert [inbox.lengths[number][0] for number in range(6)] == [0, 1, 250, 1_500, 1_501, 4]
        start = inbox.starts[2]
        assert inbox.memory[start + NAME_BYTES : start + NAME_BYTES + 250] == bytes(range(250))
        name = inbox.memory[start : start + inbox.name_bytes]
        assert address_in(name) == sender.getsockname()[:2] and name_of(address_in(name)) == name
        assert inbox.receive() == len(sent) - IN_MAX and inbox.receive() == 0


async def test_a_socket_of_a_test_is_served_one_by_one_and_a_real_one_in_batches() -> None:
    net = Net()
    slow, fast = ForwardingPlane(lambda told: None, bind=net.bind), ForwardingPlane(lambda told: None)
    for plane, batched in ((slow, False), (fast, True)):
        await plane.start()
        assert (plane.shell.udp.outbox is not None) is batched
        await plane.close()


async def test_one_picture_reaches_viewers_over_udp_and_tcp_alike() -> None:
    plane = ForwardingPlane(told := [].append)  # type: ignore[var-annotated]
    del told
    await plane.start()
    at = Hall(plane, Net(), [])
    try:
        one, _ = await at.enter("a"), await at.enter("b")
        over_tcp = at.callers["c"] = Caller(CERTIFICATE)
        ear = at.ears["c"] = Heard(over_tcp)
        ear.listen()
        plane.join("room", "c", video_slots=2)
        await over_tcp.publish.connect(await plane.publish("c", over_tcp.offer()))
        offer = await plane.subscribe("c")
        await plane.subscribed("c", over_tcp.answer(offer))
        reader, writer = await asyncio.open_connection("127.0.0.1", plane.port)
        leg = over_tcp.subscribe
        leg.send = lambda data: writer.write(len(data).to_bytes(2) + data)  # type: ignore[method-assign]

        async def read() -> None:
            while size := int.from_bytes(await reader.readexactly(2)):
                leg._received(await reader.readexactly(size), 0.0)

        reading = asyncio.create_task(read())
        await leg.connect(offer)
        talk = Talk(one)
        assert isinstance(plane.shell.udp, Udp)
        await until(lambda: all(len(at.ears[peer].of(96)) > 20 and len(at.ears[peer].of(111)) > 5 for peer in "bc"), "media for both")
        await talk.stop()
        shown = [{packet[header.start :] for header, packet in at.ears[peer].of(96)} for peer in "bc"]
        assert len(shown[0] & shown[1]) > 15, "the same pictures"
        for peer in "bc":
            numbers = [header.seq for header, _ in at.ears[peer].of(96)]
            assert numbers == list(range(len(numbers)))
        links = [plane._peers[peer].sender.link for peer in "bc"]
        assert [link.outbox is None for link in links] == [False, True]
        reading.cancel()
        writer.close()
    finally:
        for caller in at.callers.values():
            await caller.close()
        await plane.close()
    assert [task for task in asyncio.all_tasks() if "RTCDtlsTransport" in repr(task)] == []


async def test_after_a_rough_end_no_task_is_left() -> None:
    plane = ForwardingPlane(lambda told: None)
    await plane.start()
    at = Hall(plane, Net(), [])
    await at.enter("a")
    await at.enter("b")
    await plane.close()
    for caller in at.callers.values():
        await caller.close(politely=False)
    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_datagrams_are_let_gather_under_a_lasting_load_only(monkeypatch: pytest.MonkeyPatch) -> None:
    now, pauses = [100.0], []
    monkeypatch.setattr(shell, "monotonic", lambda: now[0])
    monkeypatch.setattr(shell, "sleep", pauses.append)
    made = Udp(Door(), shell.bound("127.0.0.1", 0))

    def turns(count: int, apart_s: float, datagrams: int) -> int:
        before = len(pauses)
        for _ in range(count):
            now[0] += apart_s
            for _ in range(datagrams):
                sender.sendto(b"\xff", ("127.0.0.1", made.port))
            made._many_readable()
        return len(pauses) - before

    with udp() as sender, made.socket:  # type: ignore[attr-defined]  # it is a real one
        assert turns(100, 0.001, 1) == 0, "seldom: each is handled at once"
        assert turns(7, 0.0001, 1) == 0, "a burst"
        assert turns(20, 0.0001, 1) >= 19, "a load"
        assert turns(20, 0.0001, 20) == 0, "they have gathered already"
        assert set(pauses) == {shell.PAUSE_S}
        assert made._door.refused["stranger"] == 100 + 7 + 20 + 400
