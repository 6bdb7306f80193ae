"""What comes over UDP as take.c reads it: the kernel's datagrams, and whose paths they came over."""

from collections.abc import Hashable, Mapping
from typing import Any, Final

from video.plane import compiled, payload
from video.plane.compiled import epoch, ffi
from video.plane.dtls import SRTP_UNPROTECT_ADDRESS
from video.plane.fan import Fan, shared
from video.plane.limits import DATAGRAM_BYTES_MAX, PATHS_MAX, PAYLOAD_BYTES_MAX, PEERS_MAX, RING_PACKETS
from video.plane.mmsg import IN_MAX, NAME_BYTES, STRIDE, Inbox, Outbox
from video.plane.payload import Vp8
from video.plane.ring import Kept
from video.plane.rtp import OVERHEAD_BYTES, UNKNOWN, Shape

PATHS: Final = 1 << (4 * PEERS_MAX * PATHS_MAX).bit_length() - 1
"""Places of the table, at least twice as many as there can be paths."""

PICK_AT_MAX: Final = 255


class Taker:
    """`struct inbox` of a socket."""

    def __init__(self, inbox: Inbox, outbox: Outbox) -> None:
        memory, messages, descriptor = inbox.addresses
        self._memory = inbox
        self._outbox, self._to = outbox, shared(outbox)
        self._paths = ffi.new("struct path[]", PATHS)
        self._senders: dict[bytes, Any] = {}
        self._inbox = ffi.new("struct inbox *", {
            "memory": ffi.cast("uint8_t *", memory), "messages": ffi.cast("void *", messages), "descriptor": descriptor,
            "stride": STRIDE, "places": IN_MAX, "datagram_max": DATAGRAM_BYTES_MAX, "payload_max": PAYLOAD_BYTES_MAX,
            "overhead": OVERHEAD_BYTES, "path_mask": PATHS - 1, "paths": self._paths, "epoch": epoch,
            "unprotect": ffi.cast("int (*)(void *, void *, int *)", SRTP_UNPROTECT_ADDRESS),
        })  # fmt: skip

    def path(self, key: Hashable, sender: Any) -> None:
        """This path is that `struct sender`'s from now on, or nobody's (None). Only an address as the kernel writes it is one of ours."""
        if not isinstance(key, bytes):
            return
        if sender is None or len(self._senders) >= PATHS // 2:
            if self._senders.pop(key, None) is not None:
                compiled.library.drop_path(self._inbox, key.ljust(NAME_BYTES, b"\0"))
            return
        self._senders[key] = sender
        compiled.library.put_path(self._inbox, key.ljust(NAME_BYTES, b"\0"), sender)

    def take(self, now: float, more: bool) -> int:
        """Which of the inbox's datagrams is to be looked at here, or -1: none is left. `more`: of those of the last call."""
        inbox, outbox, to = self._inbox, self._outbox, self._to
        to.used = outbox.used
        number: int = compiled.library.take(inbox, now, more)
        outbox.used = to.used
        return number

    @property
    def count(self) -> int:
        """Datagrams that came with the last call."""
        found: int = self._inbox.count
        return found

    @property
    def size(self) -> int:
        """Of the datagram `take` told of: its length decrypted, which was done in place; 0: it is as it came."""
        found: int = self._inbox.size
        return found

    @property
    def figures(self) -> tuple[int, int, int]:
        """Packets that were decrypted so far, their bytes, and those that were refused."""
        return self._inbox.packets, self._inbox.bytes, self._inbox.refused


class SharedRing:
    """`ring.Ring`, in memory of take.c."""

    __slots__ = ("_vp8", "kept")

    def __init__(self, vp8: bool) -> None:
        self._vp8 = vp8
        self.kept = ffi.new("struct kept[]", RING_PACKETS)

    def __del__(self) -> None:
        if (library := compiled.library) is not None:
            library.empty(self.kept, RING_PACKETS - 1)

    def keep(self, kept: tuple[int, int, int, bytes, Vp8 | None]) -> None:
        place, marker, timestamp, body, _ = kept
        packet = ffi.new("struct packet *", {"place": place, "marker": marker, "timestamp": timestamp, "size": len(body)})
        compiled.library.keep(self.kept, RING_PACKETS - 1, packet, body)

    def find(self, place: int) -> Kept | None:
        kept = self.kept[place & RING_PACKETS - 1]
        if kept.payload == ffi.NULL or kept.place != place:
            return None
        body = ffi.unpack(ffi.cast("char *", kept.payload), kept.size)
        return Kept(place, kept.marker, kept.timestamp, body, payload.vp8(body, 0, len(body)) if self._vp8 else None)


def tell(sender: Any, streams: Mapping[int, Any]) -> None:
    """These are the sender's streams by SSRC. Whoever calls keeps them."""
    if compiled.library is not None:
        sender.streams = len(streams)
        for number, (ssrc, stream) in enumerate(streams.items()):
            sender.ssrcs[number], sender.of[number] = ssrc, stream


def begin(stream: Any, clock: float, ring: SharedRing | None, vp8: bool, speaks: bool) -> None:
    """What stays as it is with a stream. Whoever calls keeps the ring, a picture's."""
    stream.clock, stream.vp8, stream.speaks = clock, vp8, speaks
    if ring is not None:
        stream.ring, stream.ring_mask = ring.kept, RING_PACKETS - 1


def serve(stream: Any, fan: Fan | None) -> None:
    """Its viewers from now on; whoever calls keeps them. None: it has none."""
    if fan is None:
        stream.count = 0
    else:
        stream.viewers, stream.count, stream.to = fan.viewers, fan.count, fan.to


def looks(stream: Any, shape: Shape) -> bool:
    """Tell take.c how the stream's packets look; False where that is too much for it."""
    if shape is UNKNOWN or len(shape.places) > len(stream.pick) or max(shape.places) > PICK_AT_MAX:
        return False
    stream.pt, stream.start, stream.number_at, stream.level_at = shape.pt, shape.start, shape.number, shape.level
    stream.picks = len(shape.places)
    ffi.memmove(stream.pick_at, bytes(shape.places), len(shape.places))
    ffi.memmove(stream.pick, bytes(shape.octets), len(shape.places))
    return True
