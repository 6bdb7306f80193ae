"""A stream's viewers as fan.c reads them."""

from collections.abc import Iterator
from struct import Struct
from typing import Any, Final

from video.plane import compiled
from video.plane.compiled import ffi
from video.plane.dtls import SRTP_PROTECT_ADDRESS
from video.plane.estimate import Sent
from video.plane.limits import HISTORY
from video.plane.mmsg import OUT_MAX, STRIDE, Outbox
from video.plane.payload import NO_VP8, Vp8
from video.plane.rtp import OVERHEAD_BYTES
from video.plane.sdp import OUR_LEVEL_ID, OUR_TRANSPORT_WIDE_ID

_PACKET: Final = Struct("@qdI8i0q")  # `struct packet`
_NO_PICTURE: Final = (NO_VP8, -1, 0, -1, -1)
NUMBER_ID: Final = OUR_TRANSPORT_WIDE_ID << 4 | 1
LEVEL_ID: Final = OUR_LEVEL_ID << 4
"""First bytes of our two header extensions (RFC 8285)."""
assert ffi.sizeof("struct packet") == _PACKET.size


def shared(outbox: Outbox) -> Any:
    """`struct outbox` of this one; it lives as long."""
    if outbox.shared is None:
        memory, messages, descriptor = outbox.addresses
        outbox.shared = ffi.new("struct outbox *", {
            "memory": ffi.cast("uint8_t *", memory), "messages": ffi.cast("void *", messages), "descriptor": descriptor,
            "stride": STRIDE, "places": OUT_MAX, "history": HISTORY, "number_id": NUMBER_ID, "level_id": LEVEL_ID,
            "overhead": OVERHEAD_BYTES + 4,
            "protect": ffi.cast("int (*)(void *, void *, int *)", SRTP_PROTECT_ADDRESS),
        })  # fmt: skip
    return outbox.shared


class Fan:
    """Made anew whenever one of the viewers changes. Whoever is added must outlive it."""

    __slots__ = ("_buffer", "_kept", "_outbox", "_packet", "count", "to", "viewers")

    def __init__(self, outbox: Outbox, places: int) -> None:
        """For at most so many viewers."""
        self._outbox, self.count = outbox, 0
        self._kept: list[Sent] = []
        self.viewers = ffi.new("struct viewer[]", places)
        self._packet = ffi.new("struct packet *")
        self._buffer = ffi.buffer(self._packet)
        self.to = shared(outbox)

    def add(
        self, srtp: int, sent: Sent, name: bytes, pt: int, ssrc: int, offset: int, timestamp_by: int, picture_by: int, tl0_by: int
    ) -> None:
        viewer = self.viewers[self.count]
        viewer.srtp = ffi.cast("void *", srtp)
        count, at, sizes = sent.addresses
        viewer.next, viewer.sent_at = ffi.cast("uint64_t *", count), ffi.cast("double *", at)
        viewer.sent_bytes = ffi.cast("uint32_t *", sizes)
        viewer.pt, viewer.ssrc, viewer.offset, viewer.timestamp_by = pt, ssrc, offset, timestamp_by
        viewer.picture_by, viewer.tl0_by = picture_by, tl0_by
        ffi.memmove(viewer.name, name, len(name))
        self._kept.append(sent)
        self.count += 1

    def send(self, place: int, now: float, timestamp: int, marker: int, level: int, payload: bytes, vp8: Vp8 | None) -> int:
        """Into the outbox for everybody; how many of them encryption refused."""
        picture, picture_at, wide, tl0, tl0_at = _NO_PICTURE if vp8 is None else vp8[1:]
        _PACKET.pack_into(self._buffer, 0, place, now, timestamp, marker, level, picture, picture_at, wide, tl0, tl0_at, len(payload))
        outbox, to = self._outbox, self.to
        to.used = outbox.used
        refused: int = compiled.library.fan(self.viewers, self.count, self._packet, payload, to)
        outbox.used = to.used
        return refused

    def refused(self) -> Iterator[tuple[int, int, int]]:
        """Whose packets encryption refused since this was asked last: the viewer's number, packets, bytes."""
        for number in range(self.count):
            viewer = self.viewers[number]
            if viewer.refused:
                yield number, viewer.refused, viewer.refused_octets
                viewer.refused = viewer.refused_octets = 0
