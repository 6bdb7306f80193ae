"""Transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01), both ways. Pure.

From senders we note when each numbered packet came and report it, so that a browser knows its uplink. To viewers we write the number
and read their reports, so that we know the downlink. Times in reports are of the receiver's clock, in ticks of 250 µs.
"""

from itertools import accumulate
from struct import Struct
from typing import Final

from video.plane.limits import FEEDBACK_PACKETS_MAX

TICK_S: Final = 0.000_25
_REFERENCE_TICKS: Final = 256  # 64 ms
_HEAD: Final = Struct("!HHI")
_CHUNK: Final = Struct("!H")
_LARGE: Final = Struct("!h")
_RUN_MAX: Final = 0x1FFF


Seen = tuple[int, float | None]
"""One packet of a report: its number, and when it came by the receiver's clock in seconds (None: it did not, so far)."""


def read(body: bytes) -> list[Seen] | None:
    """A report's packets; None where it is malformed or larger than any of use."""
    if len(body) < 8:
        return None
    base, count, last = _HEAD.unpack_from(body)
    if not 0 < count <= FEEDBACK_PACKETS_MAX:
        return None
    symbols: list[int] = []
    place, end = 8, base + count
    while len(symbols) < count:
        if place + 2 > len(body):
            return None
        chunk = _CHUNK.unpack_from(body, place)[0]
        place += 2
        if not chunk & 0x8000:
            symbols += [chunk >> 13 & 3] * min(chunk & _RUN_MAX, count - len(symbols))
            if not chunk & _RUN_MAX:
                return None
        elif chunk & 0x4000:
            symbols += [chunk >> shift & 3 for shift in range(12, -1, -2)]
        else:
            symbols += [chunk >> shift & 1 for shift in range(13, -1, -1)]
    ticks = (last >> 8) * _REFERENCE_TICKS
    if symbols.count(1) == len(symbols) == count:  # all came, and soon after each other: as nearly always
        deltas = body[place : place + count]
        times = [each * TICK_S for each in accumulate(deltas, initial=ticks)]
        return list(zip([number & 0xFFFF for number in range(base, end)], times[1:], strict=True)) if len(deltas) == count else None
    found: list[Seen] = []
    number, size = base, len(body)
    for symbol in symbols:
        if symbol == 1:
            if place >= size:
                return None
            ticks += body[place]
            place += 1
            found.append((number & 0xFFFF, ticks * TICK_S))
        elif symbol == 2:
            if place + 2 > size:
                return None
            ticks += _LARGE.unpack_from(body, place)[0]
            place += 2
            found.append((number & 0xFFFF, ticks * TICK_S))
        else:
            found.append((number & 0xFFFF, None))
        number += 1
        if number == end:
            break
    return found


class Arrivals:
    """When numbered packets came from one sender, until they are reported."""

    __slots__ = ("_count", "_highest", "_next", "_pending", "lost", "total")

    def __init__(self) -> None:
        self._pending: dict[int, float] = {}
        self._highest: int | None = None
        self._next = 0
        self._count = 0
        self.total = 0
        """Packets that reports have covered, and how many of those had not come by then."""
        self.lost = 0

    def came(self, number: int, now: float) -> None:
        highest = self._highest
        if highest is None:
            highest = self._highest = self._next = number
        place = highest + ((number - highest + 0x8000) & 0xFFFF) - 0x8000
        if place > highest:
            self._highest = place
        if len(self._pending) < FEEDBACK_PACKETS_MAX:
            self._pending[place] = now

    def write(self) -> bytes | None:
        """A report of what has come since the last one, or None. Call it until it is None."""
        if not self._pending:
            return None
        assert self._highest is not None
        places = sorted(self._pending)
        first = min(self._next, places[0])
        if places[-1] - first >= FEEDBACK_PACKETS_MAX:
            first = places[0]  # a pause: nothing is said of the numbers in it
        reference = int(self._pending[places[0]] / TICK_S) // _REFERENCE_TICKS
        symbols: list[int] = []
        deltas = bytearray()
        ticks = reference * _REFERENCE_TICKS
        place, pop = first, self._pending.pop
        for came in places:
            delta = round(self._pending[came] / TICK_S) - ticks
            if came - first >= FEEDBACK_PACKETS_MAX or not -0x8000 <= delta <= 0x7FFF:
                break  # it begins the next report
            if came > place:
                symbols += [0] * (came - place)
            ticks += delta
            if 0 <= delta <= 0xFF:
                symbols.append(1)
                deltas.append(delta)
            else:
                symbols.append(2)
                deltas += _LARGE.pack(delta)
            place = came + 1
            pop(came)
        self.total += len(symbols)
        self.lost += symbols.count(0)
        self._next = max(self._next, place)
        self._count = (self._count + 1) & 0xFF
        head = _HEAD.pack(first & 0xFFFF, len(symbols), (reference & 0xFFFFFF) << 8 | (self._count - 1) & 0xFF)
        body = head + _chunks(symbols) + deltas
        return body + bytes(-len(body) % 4)


def _chunks(symbols: list[int]) -> bytes:
    chunks = b""
    place, size = 0, len(symbols)
    if symbols.count(symbols[0]) == size:  # all came, and soon after each other: as nearly always
        return _CHUNK.pack(symbols[0] << 13 | size)
    while place < size:
        end = place + 1
        while end < size and symbols[end] == symbols[place] and end - place < _RUN_MAX:
            end += 1
        if end - place >= 7 or end == size:
            chunks += _CHUNK.pack(symbols[place] << 13 | end - place)
            place = end
            continue
        value = 0
        for symbol in (symbols[place : place + 7] + [0] * 7)[:7]:
            value = value << 2 | symbol
        chunks += _CHUNK.pack(0xC000 | value)
        place += 7
    return chunks
