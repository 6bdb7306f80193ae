"""What the first bytes of a video payload tell without decoding: VP8 (RFC 7741 section 4.2) and H.264 (RFC 6184). Pure.

The bridge needs three things: does a key frame begin here, and where are VP8's PictureID and TL0PICIDX, which must go on counting
when a viewer is moved from one layer (an encoder of its own) to another.
"""

from struct import pack_into, unpack_from
from typing import Final, NamedTuple


class Vp8(NamedTuple):
    """Offsets are -1 where the field is absent."""

    begins_key: bool
    picture: int
    """PictureID, or -1."""
    picture_at: int
    wide: bool
    tl0: int
    tl0_at: int


NO_VP8: Final = -2
"""Instead of a PictureID, where no descriptor was read; -1 is a descriptor without one."""


def vp8(data: bytes, start: int, end: int) -> Vp8 | None:
    """The payload descriptor at `start`; None where it is cut off."""
    if start >= end:
        return None
    first = data[start]
    place = start + 1
    picture = picture_at = tl0 = tl0_at = -1
    wide = False
    if first & 0x80:
        if place >= end:
            return None
        more = data[place]
        place += 1
        if more & 0x80:
            if place >= end:
                return None
            picture_at = place - start
            wide = bool(data[place] & 0x80)
            if wide:
                if place + 1 >= end:
                    return None
                picture = unpack_from("!H", data, place)[0] & 0x7FFF
                place += 2
            else:
                picture = data[place]
                place += 1
        if more & 0x40:
            if place >= end:
                return None
            tl0, tl0_at = data[place], place - start
            place += 1
        if more & 0x30:
            place += 1
    if place >= end:
        return None
    # S=1, PID=0: the first packet of a frame; its payload header's lowest bit is 0 in a key frame (RFC 7741 section 4.3)
    begins_key = first & 0x17 == 0x10 and not data[place] & 0x01
    return Vp8(begins_key, picture, picture_at, wide, tl0, tl0_at)


def renumbered(payload: bytes, found: Vp8, picture_by: int, tl0_by: int) -> bytes:
    """The payload with its two counters moved on, each within its own width."""
    changed = bytearray(payload)
    if found.picture_at >= 0:
        if found.wide:
            pack_into("!H", changed, found.picture_at, 0x8000 | ((found.picture + picture_by) & 0x7FFF))
        else:
            changed[found.picture_at] = (found.picture + picture_by) & 0x7F
    if found.tl0_at >= 0:
        changed[found.tl0_at] = (found.tl0 + tl0_by) & 0xFF
    return bytes(changed)


_IDR: Final = 5
_SPS: Final = 7
_STAP_A: Final = 24
_FU_A: Final = 28


def h264_begins_key(data: bytes, start: int, end: int) -> bool:
    """A packet at which a decoder can begin: a parameter set, or the first of an IDR picture without one before it."""
    if start >= end:
        return False
    kind = data[start] & 0x1F
    if kind == _FU_A:
        return start + 1 < end and bool(data[start + 1] & 0x80) and data[start + 1] & 0x1F in (_IDR, _SPS)
    if kind == _STAP_A:
        return start + 3 < end and data[start + 3] & 0x1F in (_SPS, _IDR)
    return kind in (_SPS, _IDR)
