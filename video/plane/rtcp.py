"""RTCP (RFC 3550 section 6, RFC 4585, RFC 5104): reports, NACK, PLI and FIR read and written. Pure.

`read` takes a decrypted compound packet and gives what it understands; of a packet that lies about its lengths it gives what came
before the lie. REMB and everything else is passed over: what a subscriber can take is judged by transport-wide feedback (`twcc`).
"""

from collections.abc import Iterable, Iterator, Sequence
from struct import Struct
from typing import Final, NamedTuple

SR: Final = 200
RR: Final = 201
SDES: Final = 202
BYE: Final = 203
RTPFB: Final = 205
PSFB: Final = 206
NACK_FORMAT: Final = 1
TWCC_FORMAT: Final = 15
PLI_FORMAT: Final = 1
FIR_FORMAT: Final = 4

_HEAD: Final = Struct("!BBH")
_SENDER: Final = Struct("!IIIIII")
_BLOCK: Final = Struct("!IIIIII")
_TWO: Final = Struct("!II")
_NACK: Final = Struct("!HH")
_ONE: Final = Struct("!I")
NTP_EPOCH_S: Final = 2_208_988_800  # seconds from 1900 to 1970


class Block(NamedTuple):
    """A report block: what a receiver says of one stream. `lost` is the share since the last report, of 256."""

    ssrc: int
    lost: int
    lost_total: int
    highest: int
    jitter: int
    last_sr: int
    delay_since_sr: int


class SenderReport(NamedTuple):
    ssrc: int
    ntp_middle: int
    """The middle 32 bits of the NTP time, which a receiver gives back as `last_sr`."""
    timestamp: int
    blocks: tuple[Block, ...]


class ReceiverReport(NamedTuple):
    ssrc: int
    blocks: tuple[Block, ...]


class Nack(NamedTuple):
    ssrc: int
    missing: tuple[int, ...]


class KeyFrame(NamedTuple):
    """A receiver cannot go on without a key frame (PLI or FIR)."""

    ssrc: int


class Feedback(NamedTuple):
    """A transport-wide report, still as bytes: `twcc.read` takes it."""

    body: bytes


class Bye(NamedTuple):
    ssrcs: tuple[int, ...]


Message = SenderReport | ReceiverReport | Nack | KeyFrame | Feedback | Bye


def read(data: bytes) -> Iterator[Message]:
    """What a compound (or reduced-size, RFC 5506) packet holds."""
    place = 0
    while place + 4 <= len(data):
        first, kind, words = _HEAD.unpack_from(data, place)
        end = place + 4 + words * 4
        if first & 0xC0 != 0x80 or end > len(data):
            return
        stop = end
        if first & 0x20:
            if end == place + 4 or data[end - 1] > words * 4:
                return
            stop = end - data[end - 1]
        yield from _message(kind, first & 0x1F, data[place + 4 : stop])
        place = end


def _message(kind: int, count: int, body: bytes) -> Iterator[Message]:
    if kind == SR and len(body) >= 24 + 24 * count:
        ssrc, high, low, timestamp, _, _ = _SENDER.unpack_from(body)
        yield SenderReport(ssrc, (high & 0xFFFF) << 16 | low >> 16, timestamp, _blocks(body, 24, count))
    elif kind == RR and len(body) >= 4 + 24 * count:
        yield ReceiverReport(_ONE.unpack_from(body)[0], _blocks(body, 4, count))
    elif kind == RTPFB and len(body) >= 8:
        if count == NACK_FORMAT:
            yield Nack(_TWO.unpack_from(body)[1], tuple(_missing(body)))
        elif count == TWCC_FORMAT:
            yield Feedback(body[8:])
    elif kind == PSFB and len(body) >= 8:
        if count == PLI_FORMAT:
            yield KeyFrame(_TWO.unpack_from(body)[1])
        elif count == FIR_FORMAT:
            for place in range(8, len(body) - 7, 8):
                yield KeyFrame(_ONE.unpack_from(body, place)[0])
    elif kind == BYE and len(body) >= 4 * count:
        yield Bye(tuple(_ONE.unpack_from(body, 4 * number)[0] for number in range(count)))


def _blocks(body: bytes, place: int, count: int) -> tuple[Block, ...]:
    found = []
    for number in range(count):
        ssrc, loss, highest, jitter, last_sr, delay = _BLOCK.unpack_from(body, place + 24 * number)
        total = loss & 0xFFFFFF
        found.append(Block(ssrc, loss >> 24, total - (1 << 24) if total & 0x800000 else total, highest, jitter, last_sr, delay))
    return tuple(found)


def _missing(body: bytes) -> Iterator[int]:
    for place in range(8, len(body) - 3, 4):
        first, mask = _NACK.unpack_from(body, place)
        yield first
        for bit in range(16):
            if mask >> bit & 1:
                yield (first + bit + 1) & 0xFFFF


def _packet(kind: int, count: int, body: bytes) -> bytes:
    return _HEAD.pack(0x80 | count, kind, len(body) // 4) + body


def nack(sender: int, ssrc: int, missing: Sequence[int]) -> bytes:
    """Generic NACK (RFC 4585 section 6.2.1); `missing` in rising order, of at most 16 bits each."""
    body = _TWO.pack(sender, ssrc)
    place = 0
    while place < len(missing):
        first, mask = missing[place], 0
        place += 1
        while place < len(missing) and 0 < (ahead := (missing[place] - first) & 0xFFFF) <= 16:
            mask |= 1 << (ahead - 1)
            place += 1
        body += _NACK.pack(first & 0xFFFF, mask)
    return _packet(RTPFB, NACK_FORMAT, body)


def pli(sender: int, ssrc: int) -> bytes:
    return _packet(PSFB, PLI_FORMAT, _TWO.pack(sender, ssrc))


def feedback(sender: int, ssrc: int, body: bytes) -> bytes:
    """A transport-wide report around what `twcc.write` made."""
    return _packet(RTPFB, TWCC_FORMAT, _TWO.pack(sender, ssrc) + body)


def receiver_report(sender: int, blocks: Sequence[Block]) -> bytes:
    body = _ONE.pack(sender) + b"".join(_block(block) for block in blocks[:31])
    return _packet(RR, min(len(blocks), 31), body)


def sender_report(ssrc: int, unix_s: float, timestamp: int, packets: int, octets: int) -> bytes:
    high, low = ntp(unix_s)
    return _packet(SR, 0, _SENDER.pack(ssrc, high, low, timestamp & 0xFFFFFFFF, packets & 0xFFFFFFFF, octets & 0xFFFFFFFF))


def description(ssrc: int, cname: str) -> bytes:
    """SDES with the one item that must be there (RFC 3550 section 6.5)."""
    name = cname.encode()
    body = _ONE.pack(ssrc) + bytes([1, len(name)]) + name + b"\0"
    return _packet(SDES, 1, body + bytes(-len(body) % 4))


def bye(ssrcs: Iterable[int]) -> bytes:
    body = b"".join(_ONE.pack(ssrc) for ssrc in ssrcs)
    return _packet(BYE, len(body) // 4, body)


def _block(block: Block) -> bytes:
    loss = (block.lost & 0xFF) << 24 | block.lost_total & 0xFFFFFF
    return _BLOCK.pack(block.ssrc, loss, block.highest & 0xFFFFFFFF, block.jitter, block.last_sr, block.delay_since_sr)


def ntp(unix_s: float) -> tuple[int, int]:
    """Seconds and fraction since 1900."""
    whole = int(unix_s)
    return (whole + NTP_EPOCH_S) & 0xFFFFFFFF, int((unix_s - whole) * (1 << 32)) & 0xFFFFFFFF


def ntp_middle(unix_s: float) -> int:
    high, low = ntp(unix_s)
    return (high & 0xFFFF) << 16 | low >> 16


def round_trip_s(block: Block, unix_s: float) -> float | None:
    """RFC 3550 section 6.4.1: A - LSR - DLSR; None where the receiver has had no report of ours, or the clocks say nonsense."""
    if not block.last_sr:
        return None
    units = (ntp_middle(unix_s) - block.last_sr - block.delay_since_sr) & 0xFFFFFFFF
    return None if units & 0x80000000 or units > 30 << 16 else units / 65_536
