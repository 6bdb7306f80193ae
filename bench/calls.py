"""Callers without a browser: ICE, DTLS-SRTP and RTP as a browser sends them, light enough that one core carries hundreds.

They encrypt what they send for real. What they receive they decrypt only where asked: a packet's header is in the clear, and that is
what says when it was sent and which transport-wide number it has.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import socket
from collections.abc import Callable
from time import time
from typing import Any, Final

from bench.stamped import Stamped
from video.plane import rtcp, rtp, sdp, stun
from video.plane.dtls import Certificate, Secure
from video.plane.mmsg import IN_MAX, NAME_BYTES
from video.plane.twcc import Arrivals

Media = Callable[[Any, float], None]
"""Takes a packet and when it came, in seconds since 1970: `bytes`, or a view of them that is good until it returns."""
CHECK_EVERY_S: Final = 2.0
REPORT_EVERY_S: Final = 0.1
AT_ONCE: Final = 256
NUMBER_ID: Final = 3
MID_ID: Final = 4
LEVEL_ID: Final = 1
RID_ID: Final = 10
OPUS: Final = 111
VP8: Final = 96
RTX: Final = 97


class Leg:
    """One PeerConnection of a caller."""

    def __init__(self, certificate: Certificate, host: str = "127.0.0.1") -> None:
        self.certificate = certificate
        self.user, self.password = secrets.token_hex(4), secrets.token_hex(12)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 1024 * 1024)
        self.socket.bind((host, 0))
        self.media: Media = lambda data, now: None
        self.control: Media = lambda data, now: None
        """Takes decrypted RTCP."""
        self.arrivals: Arrivals | None = None
        """Set on what receives: then transport-wide reports are sent."""
        self.secure: Secure | None = None
        self.received = 0
        self.inbox: Stamped | None = None
        self._address: tuple[str, int] = ("127.0.0.1", 0)
        self._user = self._key = ""
        self._answered = asyncio.Event()
        self._tasks: list[asyncio.Task[Any]] = []

    def describe(self, setup: str) -> list[str]:
        return [
            "c=IN IP4 0.0.0.0", "a=rtcp-mux", f"a=ice-ufrag:{self.user}", f"a=ice-pwd:{self.password}",
            f"a=fingerprint:sha-256 {self.certificate.fingerprint}", f"a=setup:{setup}",
            "a=candidate:1 1 udp 2130706431 {} {} typ host".format(*self.socket.getsockname()), "a=end-of-candidates",
        ]  # fmt: skip

    async def connect(self, remote: str) -> None:
        """To what our description was answered with, or the offer that we answered: checks, handshake, ready."""
        read = sdp.read(remote)
        found = re.search(r"^a=candidate:\S+ 1 udp \d+ ([\d.]+) (\d+) typ host", remote, re.MULTILINE | re.IGNORECASE)
        assert found is not None
        self._address = (found[1], int(found[2]))
        self._user, self._key = read.ufrag, read.password
        loop = asyncio.get_running_loop()
        loop.add_reader(self.socket, self._readable)
        self.secure = Secure(self.certificate, read.fingerprints, self.send, client=read.setup != "active")
        self._tasks.append(loop.create_task(self._checking()))
        await self._answered.wait()
        ready = asyncio.Event()
        running = loop.create_task(self.secure.run(ready.set))
        self._tasks.append(running)
        waiting = loop.create_task(ready.wait())
        await asyncio.wait({waiting, running}, return_when=asyncio.FIRST_COMPLETED)
        if not ready.is_set():
            waiting.cancel()
            raise ConnectionError(running.result())
        if self.arrivals is not None:
            self._tasks.append(loop.create_task(self._reporting()))

    def send(self, data: bytes) -> None:
        try:
            self.socket.sendto(data, self._address)
        except BlockingIOError:
            pass

    def check(self) -> None:
        self.send(stun.request(secrets.token_bytes(12), f"{self._user}:{self.user}", self._key))

    async def _checking(self) -> None:
        while True:
            self.check()
            await asyncio.sleep(CHECK_EVERY_S if self._answered.is_set() else 0.2)

    async def _reporting(self) -> None:
        assert self.secure is not None and self.arrivals is not None
        while True:
            await asyncio.sleep(REPORT_EVERY_S)
            if self.inbox is not None:
                self.take()  # else a report would leave out what lies here
            while (body := self.arrivals.write()) is not None:
                self.send(self.secure.protect_rtcp(rtcp.feedback(1, 0, body)))

    def polled(self, inbox: Stamped) -> None:
        """From now on nobody is woken by what comes: it is taken when `take` is called, with the time at which the kernel had it."""
        self.inbox = inbox
        asyncio.get_running_loop().remove_reader(self.socket)
        inbox.enable(self.socket)

    def take(self) -> None:
        inbox, media, arrivals = self.inbox, self.media, self.arrivals
        assert inbox is not None
        octets, starts, lengths, descriptor = inbox.octets, inbox.starts, inbox.lengths, self.socket.fileno()
        count = IN_MAX
        while count == IN_MAX:
            count = inbox.receive_from(descriptor)
            for number in range(count):
                data = starts[number] + NAME_BYTES
                now = inbox.came_at(number)
                if 127 < octets[data] < 192 and not 192 <= octets[data + 1] <= 223:
                    self.received += 1
                    if arrivals is not None:
                        arrivals.came(octets[data + 17] << 8 | octets[data + 18], now)
                    media(octets[data : data + lengths[number][0]], now)
                else:
                    self._received(bytes(octets[data : data + lengths[number][0]]), now)

    def _readable(self) -> None:
        receive = self.socket.recvfrom
        now = time()
        for _ in range(AT_ONCE):
            try:
                data, _address = receive(2_048)
            except (BlockingIOError, ConnectionError):
                return
            self._received(data, now)

    def _received(self, data: bytes, now: float) -> None:
        first = data[0]
        if 127 < first < 192:
            if 192 <= data[1] <= 223:
                if self.secure is not None and self.secure.ready:
                    self.control(self.secure.unprotect_rtcp(data), now)
                return
            self.received += 1
            if self.arrivals is not None:
                self.arrivals.came(data[17] << 8 | data[18], now)
            self.media(data, now)
        elif first < 4:
            if data[1] == 1 and isinstance(check := stun.judge(data, {self.user: self.password}.get), stun.Check):
                self.send(stun.success(check, self._address, self.password))
            self._answered.set()
        elif self.secure is not None:
            self.secure.record(data)

    async def close(self, *, politely: bool = True) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.secure is not None:
            await self.secure.close(politely=politely)
        asyncio.get_running_loop().remove_reader(self.socket)
        self.socket.close()


class Caller:
    """A publish and a subscribe leg, with the numbers of what is sent."""

    def __init__(self, certificate: Certificate, *, layers: int = 1, host: str = "127.0.0.1") -> None:
        self.publish, self.subscribe = Leg(certificate, host), Leg(certificate, host)
        self.subscribe.arrivals = Arrivals()
        self.rids = ("q", "h", "f")[:layers] if layers > 1 else ()
        self.ssrcs = [secrets.randbits(31) for _ in range(max(1, layers))]
        self.voice = secrets.randbits(31)
        self._numbers: dict[int, int] = {}
        self._transport = 0

    def offer(self) -> str:
        shared = self.publish.describe("actpass")
        lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0 1"]
        lines += [f"m=audio 9 UDP/TLS/RTP/SAVPF {OPUS}", *shared, "a=mid:0", "a=sendonly", f"a=rtpmap:{OPUS} opus/48000/2"]
        lines += [f"a=extmap:{MID_ID} {sdp.MID}", f"a=extmap:{LEVEL_ID} {sdp.LEVEL}", f"a=extmap:{NUMBER_ID} {sdp.TRANSPORT_WIDE}"]
        lines += [f"m=video 9 UDP/TLS/RTP/SAVPF {VP8} {RTX}", *shared, "a=mid:1", "a=sendonly", f"a=rtpmap:{VP8} VP8/90000"]
        lines += [f"a=rtpmap:{RTX} rtx/90000", f"a=fmtp:{RTX} apt={VP8}"]
        lines += [f"a=extmap:{MID_ID} {sdp.MID}", f"a=extmap:{RID_ID} {sdp.RID}", f"a=extmap:{NUMBER_ID} {sdp.TRANSPORT_WIDE}"]
        if self.rids:
            lines += [f"a=rid:{rid} send" for rid in self.rids] + [f"a=simulcast:send {';'.join(self.rids)}"]
        else:
            lines.append(f"a=ssrc:{self.ssrcs[0]} cname:caller")
        return "\r\n".join(lines) + "\r\n"

    def answer(self, offer: str) -> str:
        read = sdp.read(offer)
        lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", f"a=group:BUNDLE {' '.join(media.mid for media in read.media)}"]
        for media in read.media:
            lines.append(f"m={media.kind} 9 UDP/TLS/RTP/SAVPF {' '.join(str(number) for number in media.formats)}")
            lines += [*self.subscribe.describe("active"), f"a=mid:{media.mid}", "a=recvonly"]
            lines += [f"a=rtpmap:{number} {name}" for number, name in media.codecs.items()]
            lines += [f"a=fmtp:{number} {text}" for number, text in media.parameters.items()]
        return "\r\n".join(lines) + "\r\n"

    async def close(self, *, politely: bool = True) -> None:
        await self.publish.close(politely=politely)
        await self.subscribe.close(politely=politely)

    def _send(self, pt: int, ssrc: int, timestamp: int, payload: bytes, marker: bool, extensions: tuple[tuple[int, bytes], ...]) -> None:
        secure = self.publish.secure
        assert secure is not None
        number = self._numbers[ssrc] = self._numbers.get(ssrc, 100) + 1
        self._transport += 1
        wide = (NUMBER_ID, (self._transport & 0xFFFF).to_bytes(2))
        packet = rtp.packet(pt, number, timestamp, ssrc, payload, marker=marker, extensions=(wide, *extensions))
        self.publish.send(secure.protect(packet))

    def speak(self, timestamp: int, size: int = 100, level: int = 30, stamp: bytes = b"") -> None:
        self._send(
            OPUS, self.voice, timestamp, bytes(size - len(stamp)) + stamp, False, ((MID_ID, b"0"), (LEVEL_ID, bytes([0x80 | level])))
        )

    def show(
        self,
        timestamp: int,
        size: int,
        *,
        key: bool,
        begins: bool = True,
        ends: bool = True,
        layer: int = 0,
        picture: int = 0,
        stamp: bytes = b"",
    ) -> None:
        """A packet of a VP8 frame with a picture number of 15 bits and a TL0PICIDX, as Chromium writes them."""
        descriptor = bytes([0x90 if begins else 0x80, 0xE0]) + (0x8000 | picture & 0x7FFF).to_bytes(2) + bytes([picture & 0xFF, 0x20])
        payload = descriptor + bytes([0 if key else 1]) + bytes(max(0, size - len(descriptor) - 1 - len(stamp))) + stamp
        named = ((MID_ID, b"1"), (RID_ID, self.rids[layer].encode())) if self.rids else ((MID_ID, b"1"),)
        self._send(VP8, self.ssrcs[layer], timestamp, payload, ends, named)
