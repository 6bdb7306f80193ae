"""Which layer a viewer gets, and how its numbering goes on when that changes. Pure.

A layer is an encoder of its own at the sender: another SSRC, sequence and time. To the viewer it is one stream that never breaks, so a
switch happens at a key frame only, numbers are shifted, and what is not forwarded (packets of padding alone, with which browsers probe
the network) leaves no hole: a hole would be taken for loss.
"""

from collections.abc import Sequence
from math import inf
from typing import Final, NamedTuple

from video.plane.port import Layer

LEVELS: Final[dict[Layer, int]] = {"low": 0, "mid": 1, "high": 2}
OFF: Final = -1
TYPICAL_BPS: Final = (150_000.0, 500_000.0, 1_500_000.0)
"""What a layer is taken to cost before it has been measured."""
_MARKS_MAX: Final = 32


class Numbering:
    """Sequence numbers of a viewer's stream: unwrapped numbers of the source, less an offset that grows with each one left out."""

    __slots__ = ("_marks", "first", "newest", "offset")

    def __init__(self, first: int, number: int) -> None:
        """The source's packet `first` becomes `number`; what is older is not forwarded."""
        self.first = first
        self.newest = first - 1
        self.offset = first - number
        self._marks: list[tuple[int, int]] = [(first, self.offset)]

    def number(self, place: int) -> int | None:
        """The number of a packet. None for what precedes the switch, or was left out."""
        if place > self.newest:
            self.newest = place
            return place - self.offset
        return self.older(place)

    def older(self, place: int) -> int | None:
        if place >= self.first:
            for start, offset in reversed(self._marks):
                if place >= start:
                    return place - offset
        return None

    def leave_out(self, place: int) -> None:
        """A packet that is not forwarded. One that comes late has its number already: the hole stays, and is harmless."""
        if place <= self.newest:
            return
        self.newest = place
        self.offset += 1
        if self._marks[-1][0] == place:  # the one before it was left out, too
            self._marks[-1] = (place + 1, self.offset)
        else:
            self._marks.append((place + 1, self.offset))
        if len(self._marks) > _MARKS_MAX:
            del self._marks[0]
            self.first = self._marks[0][0]

    def place(self, number: int) -> int | None:
        """The source's packet that became `number`, for a viewer's NACK."""
        for start, offset in reversed(self._marks):
            if number + offset >= start:
                return number + offset if number + offset <= self.newest else None
        return None

    @property
    def last(self) -> int:
        """The highest number given."""
        return self.newest - self.offset


class Offer(NamedTuple):
    """What a viewer wants in one slot, and what there is: bits per second of each layer, 0 where it does not come."""

    most: int
    rates: tuple[float, float, float]


def best(offer: Offer, most: int) -> int:
    """The highest living layer up to `most`; else the lowest above it; OFF where nothing comes."""
    rates = offer.rates
    for level in range(most, -1, -1):
        if rates[level] > 0:
            return level
    for level in range(most + 1, 3):
        if rates[level] > 0:
            return level
    return OFF


def allocate(offers: Sequence[Offer], budget_bps: float) -> list[int]:
    """A level for each slot, in order of importance: first everybody's lowest, then step by step what the page would like.

    What does not fit is OFF; a less important slot may still fit where a more important one did not.
    """
    if budget_bps == inf:
        return [best(offer, offer.most) for offer in offers]
    levels = [OFF] * len(offers)
    left = budget_bps
    for most in (0, 1, 2):
        for place, offer in enumerate(offers):
            if most > offer.most and most > 0:
                continue
            level = best(offer, most)
            current = levels[place]
            if level <= current or (most > 0 and current == OFF):
                continue
            cost = offer.rates[level] - (offer.rates[current] if current != OFF else 0.0)
            if cost <= left:
                left -= cost
                levels[place] = level
    return levels


def cost(offers: Sequence[Offer], levels: Sequence[int]) -> float:
    return sum(offer.rates[level] for offer, level in zip(offers, levels, strict=True) if level != OFF)


def next_step(offers: Sequence[Offer], levels: Sequence[int]) -> float | None:
    """What one more step would cost in all: the cheapest of the steps that are left; None when everybody has what is wanted."""
    steps = []
    for offer, level in zip(offers, levels, strict=True):
        if level == OFF:
            wanted = best(offer, 0)
        else:
            wanted = next((up for up in range(level + 1, offer.most + 1) if offer.rates[up] > 0), OFF)
        if wanted != OFF:
            steps.append(offer.rates[wanted] - (offer.rates[level] if level != OFF else 0.0))
    return cost(offers, levels) + min(steps) if steps else None
