"""What comes from one sender: streams told apart, holes asked for, arrivals reported. No I/O.

Layers of one source have SSRCs that no description names; the first packets carry mid and rid (RFC 8852), and a browser leaves them out
again once a report of ours shows that they were understood.
"""

from collections.abc import Callable, Iterable, Iterator
from struct import Struct
from typing import Final

from video.plane import compiled, forward, rtcp, rtp, take
from video.plane.compiled import epoch, ffi
from video.plane.forward import Counters, Incoming, Track
from video.plane.limits import STREAMS_MAX
from video.plane.ring import wrapped
from video.plane.rtp import OVERHEAD_BYTES, Header
from video.plane.sdp import LEVEL, MID, REPAIRED_RID, RID, TRANSPORT_WIDE, Published
from video.plane.twcc import Arrivals

_NUMBERS: Final = Struct("!BHII")  # marker and payload type, sequence number, timestamp, SSRC
OUR_SSRC: Final = 1  # of a receiver that sends nothing
REPORT_EVERY_S: Final = 1.0
FEEDBACK_EVERY_S: Final = 0.09  # every second tick; browsers send theirs each 50 to 250 ms
Level = Callable[[int, float], None]


class Receiver:
    """The publish connection's media."""

    def __init__(self, peer: str, counters: Counters, level: Level) -> None:
        self.peer, self._counters, self._level = peer, counters, level
        self.tracks: dict[str, Track] = {}
        self.streams: dict[int, Incoming] = {}
        self.arrivals = Arrivals()
        self.hot = compiled.sender()
        """What take.c counts and notes; `settle` takes note of that here."""
        self._lines: list[Published] = []
        self._repairs: dict[int, Incoming] = {}
        self._repair_pts: frozenset[int] = frozenset()
        self._ids: dict[str, int] = {}
        self._number_id = self._level_id = 0
        self._report_at = self._feedback_at = 0.0
        self._lost_before = 0
        self._any_video = 0

    def configure(self, lines: Iterable[Published]) -> None:
        """What the offer was answered with; also again, for an ICE restart."""
        self._lines = list(lines)
        self._ids = {uri: number for line in self._lines for uri, number in line.extensions.items()}
        self._number_id = self._ids.get(TRANSPORT_WIDE, 0)
        self._level_id = self._ids.get(LEVEL, 0)
        for incoming in self.streams.values():
            incoming.shape = rtp.UNKNOWN
            incoming.take_back()
        self._repair_pts = frozenset(line.repair_pt for line in self._lines if line.repair_pt is not None)
        for line in self._lines:
            track = self.tracks.get(line.source)
            if track is None or track.codec != line.codec:
                self.tracks[line.source] = Track(self.peer, line.source, line.kind, line.codec)

    def settle(self) -> None:
        """Take note of what take.c has taken."""
        hot = self.hot
        if hot.came:
            for number, now in zip(ffi.unpack(hot.number, hot.came), ffi.unpack(hot.number_at, hot.came), strict=True):
                self.arrivals.came(number, now)
            hot.came = 0
        if hot.levels:
            for level, now in zip(ffi.unpack(hot.level, hot.levels), ffi.unpack(hot.level_at, hot.levels), strict=True):
                self._level(level, now)
            hot.levels = 0

    def rtp(self, data: bytes, now: float) -> None:
        """A decrypted packet. take.c does the same with one that is the next of a stream that looks as before."""
        self.settle()
        size = len(data)
        incoming = None
        if size > rtp.HEADER_BYTES:
            second, seq, timestamp, ssrc = _NUMBERS.unpack_from(data, 1)
            incoming = self.streams.get(ssrc)
        level = -1
        if incoming is not None:
            pick, octets, _, pt, start, number_at, level_at = incoming.shape
            if size >= start and second & 0x7F == pt and pick(data) == octets:  # as the one before, as nearly always
                end, marker = size, second & 0x80
                self.hot.bytes += size + OVERHEAD_BYTES
                if number_at:
                    self.arrivals.came(data[number_at] << 8 | data[number_at + 1], now)
                if level_at:
                    level = data[level_at]
            else:
                incoming = None
        if incoming is None:
            found = self._read(data, now)
            if found is None:
                return
            incoming, level, header = found
            marker, _, seq, timestamp, _, start, end, _, _, _ = header
        hot = incoming.hot
        highest = hot.highest
        place = highest + ((seq - highest + 0x8000) & 0xFFFF) - 0x8000
        if place > highest:
            if place > highest + 1 and incoming.ring is not None and not incoming.missing.gap(highest + 1, place, now):
                incoming.asked = True
            hot.highest = place
            if now - hot.last_at > 1.0:
                hot.since = now
            hot.last_at = now
            transit = now * incoming.clock - timestamp
            if before := hot.transit:
                change = abs(transit - before)
                hot.jitter += ((change if change < 1e6 else 1e6) - hot.jitter) / 16
            hot.transit = transit
        else:
            incoming.missing.came(place)
        hot.received += 1
        hot.bytes += size + OVERHEAD_BYTES
        if incoming.ring is not None:
            forward.picture(incoming, place, data, start, end, timestamp, marker, now)
        else:
            if level < 0:
                level = 127  # silence
            elif incoming.track.source == "audio" and not incoming.track.muted:
                self._level(level & 0x7F, now)
            forward.voice(incoming, place, data, start, end, timestamp, marker, level, now)
        if hot.epoch != epoch[0] and compiled.library is not None:
            incoming.hand_over()

    def _read(self, data: bytes, now: float) -> tuple[Incoming, int, Header] | None:
        """A packet that is not as the one before: whose it is, and a voice's level or -1. None where it is refused, or was a repair."""
        header = rtp.read(data)
        if header is None:
            self._counters.refused += 1
            return None
        self.hot.bytes += len(data) + OVERHEAD_BYTES
        if self._number_id and (found := rtp.extension(data, header, self._number_id)) is not None and found[1] == 2:
            self.arrivals.came(data[found[0]] << 8 | data[found[0] + 1], now)
        if header.pt in self._repair_pts:
            self._repaired(data, header, now)
            return None
        incoming = self.streams.get(header.ssrc) or self._learn(data, header, now)
        if incoming is None:
            self._counters.refused += 1
            return None
        level = -1
        level_id = self._level_id if incoming.ring is None else 0
        if level_id and (found := rtp.extension(data, header, level_id)) is not None:
            level = data[found[0]]
        incoming.shape = rtp.shape(data, header, self._number_id, level_id)
        incoming.take_back()
        return incoming, level, header

    def _repaired(self, data: bytes, header: Header, now: float) -> None:
        """RFC 4588: the original number stands first. A repair without payload is a probe of the network."""
        if header.end - header.start <= 2:
            return
        incoming = self._repairs.get(header.ssrc) or self._repairs_of(data, header)
        if incoming is None or incoming.ring is None:
            return
        place = rtp.unwrap(data[header.start] << 8 | data[header.start + 1], incoming.hot.highest)
        if place > incoming.hot.highest or incoming.ring.find(place) is not None:
            return  # again what is here already: also a probe, and no part of what the layer costs a viewer
        incoming.hot.bytes += len(data) + OVERHEAD_BYTES
        if incoming.missing.came(place):
            incoming.hot.received += 1
        forward.video(incoming, place, data, header._replace(start=header.start + 2), now)

    def _line(self, data: bytes, header: Header) -> Published | None:
        mid = rtp.text(data, header, self._ids.get(MID))
        fits = [line for line in self._lines if header.pt in (line.pt, line.repair_pt) and (mid is None or line.mid == mid)]
        if len(fits) > 1:
            fits = [line for line in fits if header.ssrc in line.ssrcs or header.ssrc in line.repairs]
        return fits[0] if len(fits) == 1 else None

    def _learn(self, data: bytes, header: Header, now: float) -> Incoming | None:
        line = self._line(data, header)
        if line is None or len(self.streams) >= STREAMS_MAX:
            return None
        layer = 0
        if line.rids:
            rid = rtp.text(data, header, self._ids.get(RID))
            if rid not in line.rids:
                return None
            layer = line.rids.index(rid)
        track = self.tracks[line.source]
        incoming = Incoming(track, header.ssrc, layer, header.seq, now)
        before = track.layers[layer]
        if before is not None:  # the browser began anew: whoever watched goes on with this
            self.streams.pop(before.ssrc, None)
            before.take_back()
            self._repairs = {ssrc: each for ssrc, each in self._repairs.items() if each is not before}
            for out in [*before.outs, *before.waiting]:
                out.stop()
                out.target = None
                out.aim(incoming)
        track.layers[layer] = incoming
        self.streams[header.ssrc] = incoming
        take.tell(self.hot, {ssrc: each.hot for ssrc, each in self.streams.items()})
        self._any_video = self._any_video or (header.ssrc if track.kind == "video" else 0)
        return incoming

    def _repairs_of(self, data: bytes, header: Header) -> Incoming | None:
        line = self._line(data, header)
        if line is None:
            return None
        track = self.tracks[line.source]
        incoming: Incoming | None
        if line.rids:
            rid = rtp.text(data, header, self._ids.get(REPAIRED_RID))
            incoming = track.layers[line.rids.index(rid)] if rid in line.rids else None
        else:
            incoming = track.layers[0]
        if incoming is not None and len(self._repairs) < STREAMS_MAX:
            self._repairs[header.ssrc] = incoming
        return incoming

    def rtcp(self, data: bytes, now: float) -> None:
        """The sender's own reports; a plane of one sender and many viewers needs no more of it."""
        for message in rtcp.read(data):
            if isinstance(message, rtcp.SenderReport) and (incoming := self.streams.get(message.ssrc)) is not None:
                incoming.sr_middle, incoming.sr_at = message.ntp_middle, now

    def due(self, now: float) -> Iterator[bytes]:
        """RTCP to the sender: arrivals, holes, key frames; each second a report."""
        self.settle()
        media = self._any_video or next(iter(self.streams), 0)
        if now - self._feedback_at >= FEEDBACK_EVERY_S:
            self._feedback_at = now
            while (body := self.arrivals.write()) is not None:
                yield rtcp.feedback(OUR_SSRC, media, body)
        for incoming in self.streams.values():
            if incoming.ring is None:
                continue
            if len(incoming.missing) and (places := incoming.missing.due(now)):
                self._counters.nacks += len(places)
                yield rtcp.nack(OUR_SSRC, incoming.ssrc, wrapped(places))
            if (incoming.asked or incoming.waiting) and now - incoming.hot.last_at < 1.0 and forward.wants_key_frame(incoming, now):
                self._counters.plis += 1
                yield rtcp.pli(OUR_SSRC, incoming.ssrc)
        if now - self._report_at >= REPORT_EVERY_S and self.streams:
            self._report_at = now
            blocks = [incoming.block(now) for incoming in self.streams.values() if now - incoming.hot.last_at < 5.0]
            lost = sum(max(0, block.lost_total) for block in blocks)
            self._counters.packets_lost += max(0, lost - self._lost_before)
            self._lost_before = lost
            yield rtcp.receiver_report(OUR_SSRC, blocks)
