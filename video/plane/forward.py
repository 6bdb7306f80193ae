"""The hot path: a sender's packet is read once, and written once for each viewer with another header. No I/O, no clock.

Each viewer's slot is an `Outgoing` with a constant SSRC whose numbers never break, whatever layer or person fills it. What comes is an
`Incoming`: one SSRC of one sender. Extensions are written anew in a fixed form (the transport-wide number, and a voice's level), because
ids differ between browsers and a sender's mid and rid mean nothing to a viewer.

Where C has been compiled, what goes in order to viewers over UDP is written, encrypted and sent by fan.c; and a stream that has only
such viewers is handed over to take.c, which does not ask here at all as long as its packets come in order and look as before. The rest,
and all without a compiler, is done here, which says what is to be done.
"""

from collections.abc import Callable, Sequence
from struct import Struct
from typing import Any, Final

from video.plane import compiled, rtcp, take
from video.plane import payload as payloads
from video.plane.compiled import epoch
from video.plane.dtls import Refused, Secure, address_of, srtp_protect
from video.plane.estimate import Sent
from video.plane.fan import LEVEL_ID, NUMBER_ID, Fan
from video.plane.ice import Path
from video.plane.layers import Numbering
from video.plane.limits import PAYLOAD_BYTES_MAX, PLI_AGAIN_S, PLI_EVERY_S, REPAIR_QUEUE_S_MAX
from video.plane.mmsg import NAME_BYTES, OUT_MAX, Outbox
from video.plane.payload import NO_VP8, Vp8
from video.plane.port import Source
from video.plane.ring import Missing, RepairBudget, Ring
from video.plane.rtp import MASK32, OVERHEAD_BYTES, UNKNOWN, Header, unwrap
from video.plane.sdp import CLOCK, Codec, Kind

_HEAD: Final = Struct("!BBHIIHHBH")
_Into = Callable[..., None]
_INTO: Final[list[_Into | None]] = [None] * (PAYLOAD_BYTES_MAX + 6)
"""By size of what follows the header: what writes a viewer's address, header and that into a place of the outbox, in one call."""
_PADDING: Final = b"\0"
_ORIGINAL: Final = Struct("!H")


class Counters:
    """What `figures` tells of packets."""

    __slots__ = ("bytes_in", "bytes_out", "layer_switches", "nacks", "packets_in", "packets_lost", "packets_out", "plis", "refused")

    def __init__(self) -> None:
        self.packets_in = self.packets_out = self.bytes_in = self.bytes_out = 0
        self.packets_lost = self.nacks = self.plis = self.layer_switches = self.refused = 0


class Link:
    """The way to one viewer: its encryption, its path, and the numbers of transport-wide feedback."""

    __slots__ = ("budget", "counters", "name", "outbox", "protect", "protect_rtcp", "queue_s", "secure", "send", "sent", "srtp",
                 "unreported_since")  # fmt: skip

    def __init__(self, counters: Counters) -> None:
        self.counters = counters
        self.protect: Callable[[bytes], bytes] | None = None
        self.protect_rtcp: Callable[[bytes], bytes] | None = None
        self.send: Callable[[bytes], object] = len  # into nowhere, until there is a path
        self.outbox: Outbox | None = None
        """Where there is one, media goes through it to `name`, encrypted with `srtp`, instead of by `protect` and `send`."""
        self.name = b""
        self.srtp: Any = None
        self.secure: Secure | None = None
        self.sent = Sent()
        self.budget = RepairBudget()
        self.queue_s = 0.0
        self.unreported_since: float | None = None

    def encrypted(self, secure: Secure) -> None:
        """The handshake is done."""
        epoch[0] += 1
        self.secure, self.srtp = secure, secure.sends
        self.protect, self.protect_rtcp = secure.protect, secure.protect_rtcp

    def leads(self, path: Path) -> None:
        """From now on over this path; what waits in the outbox goes where it was to go."""
        epoch[0] += 1
        self.send, self.outbox, self.name = path.send, path.outbox, path.name


def _into(size: int) -> _Into:
    found = _INTO[size] = Struct(f"!{NAME_BYTES}sBBHIIHHBH{size}s").pack_into
    return found


class Track:
    """One source of one sender, with its layers: lowest first; a source without layers has one."""

    __slots__ = ("_muted", "codec", "kind", "layers", "peer", "source")

    def __init__(self, peer: str, source: Source, kind: Kind, codec: Codec) -> None:
        self.peer, self.source, self.kind, self.codec = peer, source, kind, codec
        self.layers: list[Incoming | None] = [None, None, None] if kind == "video" else [None]
        self._muted = False

    @property
    def muted(self) -> bool:
        return self._muted

    @muted.setter
    def muted(self, value: bool) -> None:
        self._muted = value
        for layer in self.layers:
            if layer is not None:
                layer.take_back()


class Incoming:
    """One SSRC that comes: what is kept of it, what is missing, and who gets it."""

    __slots__ = (
        "_bytes", "_epoch", "_expected_before", "_rate_at", "_received_before", "asked", "base", "clock", "fan", "fanned", "hot",
        "layer", "missing", "others", "outs", "pli_at", "rate_bps", "ring", "shape", "sr_at", "sr_middle", "ssrc", "track", "waiting",
    )  # fmt: skip

    def __init__(self, track: Track, ssrc: int, layer: int, first: int, now: float) -> None:
        self.track, self.ssrc, self.layer = track, ssrc, layer
        self.clock = CLOCK[track.kind]
        self.ring: Ring | take.SharedRing | None = None
        self.hot = compiled.stream()
        """The numbers that each packet changes, here or in take.c; `newest…` are of what was forwarded, kept here once instead of with
        each viewer."""
        self.hot.highest = self.hot.newest = first - 1
        self.hot.last_at = self.hot.since = self.hot.newest_at = now
        self.hot.newest_picture, self.hot.fanned_to = NO_VP8, -1
        if track.kind == "video":
            self.ring = Ring() if compiled.library is None else take.SharedRing(track.codec == "vp8")
        if compiled.library is not None:
            take.begin(self.hot, self.clock, self.ring, track.codec == "vp8", track.source == "audio")  # type: ignore[arg-type]
        self.base = first
        self.outs: list[Outgoing] = []
        self.waiting: list[Outgoing] = []
        """Viewers that change to this at its next key frame."""
        self.missing = Missing()
        self.pli_at = -1e9
        self._rate_at = now
        self._bytes = 0
        self.rate_bps = 0.0
        self.asked = False
        """A viewer cannot go on without a key frame, or waits for one to begin with."""
        self.sr_middle, self.sr_at = 0, 0.0
        self.shape = UNKNOWN
        self.fan: Fan | None = None
        """Those of `outs` that fan.c serves, as long as nothing changes; the others are in `others`."""
        self.fanned: list[Outgoing] = []
        self.others: list[Outgoing] = []
        self._epoch = 0
        self._expected_before = self._received_before = 0

    def changes(self) -> None:
        """Who gets this, or how they are numbered, is about to change."""
        self.take_back()
        self.settle()
        self.fan, self.fanned, self.others = None, [], []

    def settle(self) -> None:
        """Tell each viewer of what was sent in C: that is put off until somebody asks."""
        hot = self.hot
        if (sent := hot.fanned_to) >= 0:
            for out in self.fanned:
                out.numbering.newest = max(out.numbering.newest, sent)
            hot.fanned_to = -1
        if hot.refused and self.fan is not None:
            hot.refused = 0
            for number, packets, octets in self.fan.refused():
                self.fanned[number].link.counters.refused += packets
                self.fanned[number].less(packets, octets)

    def spread(self) -> Fan | None:
        """What serves the viewers as they are now; None where fan.c can serve nobody."""
        if self.fan is not None and self._epoch == epoch[0]:
            return self.fan
        self.changes()
        self._epoch = epoch[0]
        outbox = next((out.link.outbox for out in self.outs if out.link.outbox is not None), None)
        if outbox is None:
            return None
        made = Fan(outbox, len(self.outs))
        for out in self.outs:
            link = out.link
            if link.outbox is not outbox:
                self.others.append(out)
                continue
            self.fanned.append(out)
            moved = (out.picture_by, out.tl0_by) if out.renumbers else (0, 0)
            made.add(address_of(link.srtp), link.sent, link.name, out.pt, out.ssrc, out.numbering.offset, out.timestamp_by, *moved)
        self.fan = made
        return made

    def hand_over(self) -> None:
        """To take.c, if it can do all that is to be done with the packets that come next."""
        if self.waiting or self.track.muted or not take.looks(self.hot, self.shape):
            return
        served = self.spread() if self.outs else None
        if self.outs and (served is None or self.others):
            return
        take.serve(self.hot, served)
        self.hot.epoch = epoch[0]

    def take_back(self) -> None:
        """What comes next is looked at here."""
        self.hot.epoch = 0

    def measure(self, now: float) -> None:
        """Once or twice a second: the rate since the last time, as the network sees it."""
        if now - self._rate_at >= 0.4:
            octets = self.hot.bytes
            self.rate_bps = (octets - self._bytes) * 8 / (now - self._rate_at)
            self._bytes, self._rate_at = octets, now

    def block(self, now: float) -> rtcp.Block:
        """A report block for the sender, and the start of the next interval (RFC 3550 appendix A.3)."""
        hot = self.hot
        expected, received = hot.highest - self.base + 1, hot.received
        lost = expected - received
        interval = expected - self._expected_before
        lost_now = max(0, interval - (received - self._received_before))
        self._expected_before, self._received_before = expected, received
        share = min(255, lost_now * 256 // interval) if interval > 0 else 0
        delay = int((now - self.sr_at) * 65_536) if self.sr_middle else 0
        return rtcp.Block(self.ssrc, share, lost, hot.highest & MASK32, int(hot.jitter), self.sr_middle, delay)


class Outgoing:
    """A viewer's slot."""

    __slots__ = (
        "_from_octets", "_from_packets", "_octets", "_packets", "clock", "incoming", "kind", "last_at", "last_timestamp", "link",
        "numbering", "picture", "picture_by", "pt", "pts", "renumbers", "repair_next", "repair_pt", "repair_ssrc", "ssrc", "target",
        "timestamp_by", "tl0", "tl0_by",
    )  # fmt: skip

    def __init__(self, link: Link, kind: Kind, ssrc: int, repair_ssrc: int) -> None:
        self.link, self.kind, self.ssrc, self.repair_ssrc = link, kind, ssrc, repair_ssrc
        self.clock = CLOCK[kind]
        self.pts: dict[Codec, tuple[int, int | None]] = {}
        self.pt = 0
        self.repair_pt: int | None = None
        self.repair_next = 0
        self.incoming: Incoming | None = None
        self.target: Incoming | None = None
        self.numbering = Numbering(0, 0)
        self.timestamp_by = self.picture_by = self.tl0_by = 0
        self.picture = self.tl0 = -1
        self.last_timestamp, self.last_at = 0, 0.0
        self.renumbers = False
        self._packets = self._octets = self._from_packets = self._from_octets = 0

    @property
    def packets(self) -> int:
        """Sent in this slot so far, without repairs."""
        self._told()
        return self._packets if self.incoming is None else self._packets + int(self.incoming.hot.forwarded) - self._from_packets

    @property
    def octets(self) -> int:
        self._told()
        return self._octets if self.incoming is None else self._octets + int(self.incoming.hot.forwarded_octets) - self._from_octets

    def _told(self) -> None:
        if self.incoming is not None:
            self.incoming.settle()

    def less(self, packets: int, octets: int) -> None:
        """So many were counted as forwarded and are not, in this slot."""
        self._packets -= packets
        self._octets -= octets

    def aim(self, incoming: Incoming | None) -> None:
        """Fill the slot with this from its next key frame on; None: stop now."""
        if incoming is not None and incoming is self.target:
            return
        if self.target is not None and self in self.target.waiting:
            self.target.waiting.remove(self)
        self.target = incoming
        if incoming is None or (self.incoming is not None and self.incoming.track is not incoming.track):
            self.stop()
        if incoming is None or incoming is self.incoming:
            return
        if incoming.track.codec not in self.pts:
            self.target = None  # a codec that this browser does not take
            return
        incoming.take_back()
        incoming.waiting.append(self)
        incoming.asked = True

    def stop(self) -> None:
        incoming = self.incoming
        if incoming is not None:
            incoming.changes()
            incoming.outs.remove(self)
            self._packets, self._octets = self.packets, self.octets
            hot = incoming.hot
            self.last_timestamp, self.last_at = (hot.newest_timestamp + self.timestamp_by) & MASK32, hot.newest_at
            if hot.newest_picture != NO_VP8:
                self.picture, self.tl0 = hot.newest_picture, hot.newest_tl0
            self.incoming = None

    def switch(self, incoming: Incoming, place: int, timestamp: int, vp8: Vp8 | None, now: float) -> None:
        """From this packet on, with numbers and time that go on from what was sent last."""
        if self.incoming is not None:
            self.stop()
            self.link.counters.layer_switches += 1
        self.numbering = Numbering(place, self.numbering.last + 1)
        if self.packets:  # else the first to fill the slot keeps its own time
            step = max(1, round((now - self.last_at) * self.clock))
            self.timestamp_by = (self.last_timestamp + step - timestamp) & MASK32
        if vp8 is not None:
            self.picture_by = (self.picture + self.picture_by + 1 - vp8.picture) & 0x7FFF if self.picture >= 0 else 0
            self.tl0_by = (self.tl0 + self.tl0_by + 1 - vp8.tl0) & 0xFF if self.tl0 >= 0 else 0
        self.renumbers = vp8 is not None and bool(self.picture_by or self.tl0_by)
        self.pt, self.repair_pt = self.pts[incoming.track.codec]
        self.incoming = self.target = incoming
        self._from_packets, self._from_octets = incoming.hot.forwarded, incoming.hot.forwarded_octets
        incoming.changes()
        incoming.outs.append(self)

    def repair(self, numbers: tuple[int, ...], now: float) -> int:
        """A viewer's NACK, answered from the ring within the budget; how many were sent."""
        link, incoming = self.link, self.incoming
        if incoming is None or incoming.ring is None or link.protect is None or link.queue_s > REPAIR_QUEUE_S_MAX:
            return 0
        done = 0
        incoming.settle()
        last = self.numbering.last
        for number in numbers:
            whole = unwrap(number, last)
            place = self.numbering.place(whole)
            kept = incoming.ring.find(place) if place is not None else None
            if kept is None:
                continue
            if not link.budget.take(len(kept.payload), now):
                break
            body = kept.payload
            if kept.vp8 is not None and (self.picture_by or self.tl0_by):
                body = payloads.renumbered(body, kept.vp8, self.picture_by, self.tl0_by)
            if self.repair_pt is None:
                pt, ssrc, sequence = self.pt, self.ssrc, number
            else:  # RFC 4588: a stream of its own, that names the original number first
                pt, ssrc, sequence = self.repair_pt, self.repair_ssrc, self.repair_next & 0xFFFF
                self.repair_next += 1
                body = _ORIGINAL.pack(number) + body
            twcc = link.sent.number(len(body) + OVERHEAD_BYTES, now)
            timestamp = (kept.timestamp + self.timestamp_by) & MASK32
            head = _HEAD.pack(0x90, kept.marker | pt, sequence, timestamp, ssrc, 0xBEDE, 1, NUMBER_ID, twcc)
            try:
                link.send(link.protect(head + _PADDING + body))
            except Refused:
                continue
            done += 1
        return done

    def report(self, now: float, unix_s: float) -> bytes | None:
        """A sender report, where anything was ever sent."""
        if not self.packets or self.incoming is None:
            return None
        hot = self.incoming.hot
        timestamp = hot.newest_timestamp + self.timestamp_by + round((now - hot.newest_at) * self.clock)
        return rtcp.sender_report(self.ssrc, unix_s, timestamp, self.packets, self.octets)


def video(incoming: Incoming, place: int, data: bytes, header: Header, now: float) -> None:
    """A picture's packet, new or repaired, to everybody who watches this layer."""
    picture(incoming, place, data, header.start, header.end, header.timestamp, header.marker, now)


def picture(incoming: Incoming, place: int, data: bytes, start: int, end: int, timestamp: int, marker: int, now: float) -> None:
    """The same, of a packet whose payload is between `start` and `end`."""
    size = end - start
    if size <= 0 or size > PAYLOAD_BYTES_MAX:
        incoming.changes()
        for out in incoming.outs:
            out.numbering.leave_out(place)
        return
    found: Vp8 | None = None
    if incoming.track.codec == "vp8":
        found = payloads.vp8(data, start, end)
        begins_key = found is not None and found.begins_key
    else:
        begins_key = payloads.h264_begins_key(data, start, end)
    body = data[start:end]
    incoming.ring.keep((place, marker, timestamp, body, found))  # type: ignore[union-attr]  # a track of video has one
    if incoming.track.muted:
        return
    if begins_key and incoming.waiting:
        for out in incoming.waiting:
            out.switch(incoming, place, timestamp, found, now)
        incoming.waiting = []
    if incoming.outs:
        _forward(incoming, place, timestamp, marker, -1, body, found, now)


def audio(incoming: Incoming, place: int, data: bytes, header: Header, level: int, now: float) -> None:
    """A voice's packet. Every packet can be begun at, so a waiting slot changes at once; `level` is RFC 6464's byte."""
    voice(incoming, place, data, header.start, header.end, header.timestamp, header.marker, level, now)


def voice(incoming: Incoming, place: int, data: bytes, start: int, end: int, timestamp: int, marker: int, level: int, now: float) -> None:
    """The same, of a packet whose payload is between `start` and `end`."""
    size = end - start
    if size <= 0 or size > PAYLOAD_BYTES_MAX:
        incoming.changes()
        for out in incoming.outs:
            out.numbering.leave_out(place)
        return
    if incoming.track.muted:
        return
    if incoming.waiting and place >= incoming.hot.highest:
        for out in incoming.waiting:
            out.switch(incoming, place, timestamp, None, now)
        incoming.waiting = []
    if incoming.outs:
        _forward(incoming, place, timestamp, marker, level, data[start:end], None, now)


def _forward(incoming: Incoming, place: int, timestamp: int, marker: int, level: int, body: bytes, found: Vp8 | None, now: float) -> None:
    """To everybody, by fan.c where it can. `level` is -1 for a picture."""
    size = len(body)
    outs, hot = incoming.outs, incoming.hot
    hot.forwarded += 1
    hot.forwarded_octets += size
    in_order = place > hot.newest
    if in_order:
        hot.newest, hot.newest_timestamp, hot.newest_at = place, timestamp, now
        hot.newest_picture, hot.newest_tl0 = (NO_VP8, -1) if found is None else (found.picture, found.tl0)
    if compiled.library is not None and in_order and place >= hot.highest and (served := incoming.spread()) is not None:
        hot.fanned_to = place
        hot.refused += served.send(place, now, timestamp, marker, level, body, found)
        outs = incoming.others
    else:
        incoming.settle()
    if outs:
        _each(outs, place, timestamp, marker, level, body, found, now)


def _each(
    outs: Sequence[Outgoing], place: int, timestamp: int, marker: int, level: int, body: bytes, found: Vp8 | None, now: float
) -> None:
    """To these, in Python."""
    words, tail = (1, _PADDING) if level < 0 else (2, bytes((LEVEL_ID, level, 0, 0, 0)))
    whole, size = tail + body, len(body)
    length = _HEAD.size + len(whole)
    into = _INTO[len(whole)] or _into(len(whole))
    for out in outs:
        number = out.numbering.number(place)
        if number is None:
            out.less(1, size)
            continue
        link = out.link
        twcc = link.sent.number(length + OVERHEAD_BYTES + 4, now)
        plain = tail + payloads.renumbered(body, found, out.picture_by, out.tl0_by) if out.renumbers and found is not None else whole
        outbox = link.outbox
        if outbox is not None:
            at = outbox.used
            outbox.lengths[at][0] = length
            into(outbox.memory, outbox.starts[at], link.name, 0x90, marker | out.pt, number & 0xFFFF,
                 (timestamp + out.timestamp_by) & MASK32, out.ssrc, 0xBEDE, words, NUMBER_ID, twcc, plain)  # fmt: skip
            if srtp_protect(link.srtp, outbox.packets[at], outbox.lengths[at]):
                link.counters.refused += 1
                out.less(1, size)
                continue
            outbox.used = at = at + 1
            if at == OUT_MAX:
                outbox.flush()
            continue
        head = _HEAD.pack(0x90, marker | out.pt, number & 0xFFFF, (timestamp + out.timestamp_by) & MASK32, out.ssrc,
                          0xBEDE, words, NUMBER_ID, twcc)  # fmt: skip
        try:
            link.send(link.protect(head + plain))  # type: ignore[misc]  # slots are filled once there is encryption
        except Refused:
            link.counters.refused += 1
            out.less(1, size)


def wants_key_frame(incoming: Incoming, now: float) -> bool:
    """True where a PLI is to be sent now: at most one each PLI_EVERY_S, however many viewers ask (V13)."""
    since = now - incoming.pli_at
    if not (incoming.asked and since >= PLI_EVERY_S) and not (incoming.waiting and since >= PLI_AGAIN_S):
        return False
    incoming.asked, incoming.pli_at = False, now
    return True
