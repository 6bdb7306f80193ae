"""What was sent and can be sent again, and what did not come and is asked for again (RFC 4585 NACK). Pure.

A viewer's NACK is answered from the ring of the sender's stream: one copy for all viewers, as only headers differ. Answers have a
budget: without one, a narrow link gets more repairs than it can carry, and the sound is what drowns (measured).
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from video.plane.limits import GAP_MAX, NACK_TRIES_MAX, NACKS_AT_ONCE_MAX, REPAIR_BYTES_MAX, REPAIR_WINDOW_S, RING_PACKETS
from video.plane.payload import Vp8

_MASK: Final = RING_PACKETS - 1
FIRST_AFTER_S: Final = 0.02  # a packet that was only overtaken arrives by itself
AGAIN_AFTER_S: Final = 0.1


class Kept(NamedTuple):
    """A packet as it came, without its header: `place` is its unwrapped sequence number."""

    place: int
    marker: int
    timestamp: int
    payload: bytes
    vp8: Vp8 | None


class Ring:
    """The last RING_PACKETS packets of one stream."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: list[tuple[int, int, int, bytes, Vp8 | None] | None] = [None] * RING_PACKETS

    def keep(self, kept: tuple[int, int, int, bytes, Vp8 | None]) -> None:
        """A `Kept`, or what makes one: each packet is kept and few are looked for."""
        self._kept[kept[0] & _MASK] = kept

    def find(self, place: int) -> Kept | None:
        kept = self._kept[place & _MASK]
        return Kept(*kept) if kept is not None and kept[0] == place else None


class Missing:
    """What one stream from a sender lacks. `came` is told of each new highest packet's gap, `late` of what filled one."""

    __slots__ = ("_wanted",)

    def __init__(self) -> None:
        self._wanted: dict[int, tuple[float, int]] = {}

    def __len__(self) -> int:
        return len(self._wanted)

    def gap(self, first: int, end: int, now: float) -> bool:
        """Packets from `first` up to, not including, `end` did not come. False where that is too much to ask for."""
        if end - first > GAP_MAX or len(self._wanted) + end - first > 2 * GAP_MAX:
            self._wanted.clear()
            return False
        for place in range(first, end):
            self._wanted[place] = (now + FIRST_AFTER_S, 0)
        return True

    def came(self, place: int) -> bool:
        """True where it had been missed."""
        return self._wanted.pop(place, None) is not None

    def due(self, now: float) -> list[int]:
        """What to ask for now; what was asked for too often is given up."""
        due: list[int] = []
        for place, (at, tries) in list(self._wanted.items()):
            if at > now:
                continue
            if tries >= NACK_TRIES_MAX:
                del self._wanted[place]
                continue
            if len(due) < NACKS_AT_ONCE_MAX:
                self._wanted[place] = (now + AGAIN_AFTER_S * (tries + 1), tries + 1)
                due.append(place)
        return sorted(due)


class RepairBudget:
    """Bytes of repairs to one viewer, in windows."""

    __slots__ = ("_spent", "_until")

    def __init__(self) -> None:
        self._until = 0.0
        self._spent = 0

    def take(self, size: int, now: float) -> bool:
        if now >= self._until:
            self._until, self._spent = now + REPAIR_WINDOW_S, 0
        if self._spent + size > REPAIR_BYTES_MAX:
            return False
        self._spent += size
        return True


def wrapped(places: Iterable[int]) -> list[int]:
    return [place & 0xFFFF for place in places]
