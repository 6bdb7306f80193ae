"""RTP packets (RFC 3550 section 5.1) with header extensions (RFC 8285), read and written with `struct`. Pure.

`read` finds where things are and copies nothing but the numbers: this is called for every packet that comes. What is not
RTP, is cut off, or lies about its lengths is `None`: a peer's fault is counted, never raised.
"""

from collections.abc import Callable
from operator import itemgetter
from struct import Struct
from typing import Final, NamedTuple

_FIXED: Final = Struct("!BBHII")
_PROFILE: Final = Struct("!HH")
ONE_BYTE: Final = 0xBEDE
TWO_BYTE: Final = 0x1000  # its lowest four bits are the application's
MASK16: Final = 0xFFFF
MASK32: Final = 0xFFFFFFFF
HEADER_BYTES: Final = 12
OVERHEAD_BYTES: Final = 28 + 16  # IP and UDP, and what SRTP adds: for rates as the network sees them


class Header(NamedTuple):
    """The numbers of one packet; `start` and `end` bound the payload without padding, `ext` to `ext_end` the extensions."""

    marker: int
    """0x80 or 0, as it stands in the second byte."""
    pt: int
    seq: int
    timestamp: int
    ssrc: int
    start: int
    end: int
    ext: int
    ext_end: int
    two_byte: bool


def read(data: bytes) -> Header | None:
    """The header of a plain (decrypted) packet, or None."""
    size = len(data)
    if size < HEADER_BYTES:
        return None
    first, second, seq, timestamp, ssrc = _FIXED.unpack_from(data)
    if first & 0xC0 != 0x80:
        return None
    start = HEADER_BYTES + (first & 0x0F) * 4
    ext = ext_end = 0
    two_byte = False
    if first & 0x10:
        if start + 4 > size:
            return None
        profile, words = _PROFILE.unpack_from(data, start)
        ext = start + 4
        start = ext_end = ext + words * 4
        two_byte = profile & 0xFFF0 == TWO_BYTE
        if not two_byte and profile != ONE_BYTE:
            ext_end = ext  # of a profile that nobody negotiated
    end = size
    if first & 0x20:
        end -= data[-1]
        if data[-1] == 0:
            return None
    if start > end:
        return None
    return Header(second & 0x80, second & 0x7F, seq, timestamp, ssrc, start, end, ext, ext_end, two_byte)


def extension(data: bytes, header: Header, wanted: int) -> tuple[int, int] | None:
    """Offset and length of the extension with this id, or None. An element that runs past the block ends the search."""
    place, end = header.ext, header.ext_end
    if header.two_byte:
        while place + 2 <= end:
            number, length = data[place], data[place + 1]
            if number == 0:
                place += 1
                continue
            place += 2
            if place + length > end:
                return None
            if number == wanted:
                return place, length
            place += length
        return None
    while place < end:
        byte = data[place]
        if byte == 0:
            place += 1
            continue
        number, length = byte >> 4, (byte & 0x0F) + 1
        place += 1
        if number == 15 or place + length > end:  # 15 is reserved and stops the parsing (RFC 8285 section 4.2)
            return None
        if number == wanted:
            return place, length
        place += length
    return None


class Shape(NamedTuple):
    """Where things are in the packets of one stream, as long as `pick` of a packet is `octets`: a browser writes the same extensions in
    the same order for seconds, and looking at their heads is cheaper than walking over them."""

    pick: Callable[[bytes], tuple[int, ...]]
    octets: tuple[int, ...]
    places: tuple[int, ...]
    """Where `pick` looks."""
    pt: int
    start: int
    """Of the payload. No packet is shorter, and none has padding."""
    number: int
    """Offset of the transport-wide number, and of the level; 0 where it is not wanted."""
    level: int


UNKNOWN: Final = Shape(tuple, (), (), -1, 1 << 30, 0, 0)


def shape(data: bytes, header: Header, number_id: int, level_id: int) -> Shape:
    """The shape of this packet: what `read` and `extension` find in every packet that has it. UNKNOWN where it lacks what is wanted."""
    if data[0] != 0x90 or header.two_byte or header.ext_end == header.ext:
        return UNKNOWN
    found = {0: 0}
    for wanted, size in ((number_id, 2), (level_id, 1)):
        if wanted:
            at = extension(data, header, wanted)
            if at is None or at[1] != size:
                return UNKNOWN
            found[wanted] = at[0]
    places, place, last = [0, 12, 13, 14, 15], header.ext, max(found.values())
    while place < last:
        places.append(place)
        place += (data[place] & 0x0F) + 2 if data[place] else 1
    pick = itemgetter(*places)
    return Shape(pick, pick(data), tuple(places), header.pt, header.start, found[number_id], found[level_id])


def text(data: bytes, header: Header, wanted: int | None) -> str | None:
    """An extension of letters and digits (mid, rid), or None."""
    if wanted is None or (found := extension(data, header, wanted)) is None:
        return None
    place, length = found
    value = data[place : place + length]
    return value.decode() if value.isascii() and value.replace(b"-", b"").replace(b"_", b"").isalnum() else None


def unwrap(value: int, near: int, bits: int = 16) -> int:
    """The whole number that ends in these bits and is closest to `near`: sequence numbers without their wrap-around."""
    half, full = 1 << (bits - 1), 1 << bits
    return near + ((value - near + half) & (full - 1)) - half


def packet(
    pt: int, seq: int, timestamp: int, ssrc: int, payload: bytes, *, marker: bool = False, extensions: tuple[tuple[int, bytes], ...] = ()
) -> bytes:
    """A packet, with one-byte extensions. The hot path writes its own fixed form; this is for all else."""
    block = b""
    for number, value in extensions:
        if not (1 <= number <= 14 and 1 <= len(value) <= 16):
            raise ValueError("one-byte extensions have ids of 1 to 14 and 1 to 16 bytes")
        block += bytes([number << 4 | len(value) - 1]) + value
    if block:
        block += bytes(-len(block) % 4)
        block = _PROFILE.pack(ONE_BYTE, len(block) // 4) + block
    first = 0x90 if block else 0x80
    return _FIXED.pack(first, (0x80 if marker else 0) | pt, seq & MASK16, timestamp & MASK32, ssrc) + block + payload


def is_rtcp(data: bytes) -> bool:
    """Of what is multiplexed on one port, RTCP has types of 192 to 223 (RFC 5761 section 4)."""
    return len(data) >= 2 and 192 <= data[1] <= 223
