"""How a viewer's downlink is, from its transport-wide reports: queueing delay, loss, and the rate that got through. Pure.

REMB, the older way, follows what is sent and starts near nothing: videos flapped on a perfect link (measured). One-way delay has an
unknown offset between two clocks; its minimum over the last 20 s stands for an empty queue, which also bears clocks that drift.
"""

from array import array
from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from video.plane.limits import HISTORY
from video.plane.twcc import Seen

HISTORY_MASK: Final = HISTORY - 1
MINIMUM_OVER_S: Final = 20.0
RATE_OVER_S: Final = 0.75
LOSS_OVER_S: Final = 1.5
QUEUE_CONGESTED_S: Final = 0.12
LOSS_CONGESTED: Final = 0.10
SUSTAINED_S: Final = 0.35
SILENT_S: Final = 1.5  # packets go out and no report comes back
_WRAP_S: Final = (1 << 24) * 0.064
_LOSS_PACKETS_MIN: Final = 20


class Sent:
    """Transport-wide numbers of what goes to one viewer, with when and how large; in memory that fan.c writes, too."""

    __slots__ = ("_next", "at", "bytes")

    def __init__(self) -> None:
        self._next = array("Q", [0])
        self.at = array("d", bytes(8 * HISTORY))
        self.bytes = array("I", bytes(4 * HISTORY))
        """0: nothing was sent under this number, or it is accounted for."""

    @property
    def next(self) -> int:
        return self._next[0]

    @property
    def addresses(self) -> tuple[int, int, int]:
        """Of the next number, the times and the sizes."""
        return self._next.buffer_info()[0], self.at.buffer_info()[0], self.bytes.buffer_info()[0]

    def number(self, size: int, now: float) -> int:
        place = self._next[0]
        self._next[0] = place + 1
        self.at[place & HISTORY_MASK], self.bytes[place & HISTORY_MASK] = now, size
        return place & 0xFFFF

    def account(self, seen: Sequence[Seen]) -> tuple[list[float], int, int]:
        """What a report says of these: the delays (with the offset of the clocks), bytes that came, packets that did not.

        What came is accounted for once, however often it is reported.
        """
        at, sizes, last = self.at, self.bytes, self._next[0] - 1
        delays: list[float] = []
        came = lost = 0
        for number, at_s in seen:
            if (last - number) & 0xFFFF >= HISTORY:
                continue
            slot = number & HISTORY_MASK
            size = sizes[slot]
            if not size:
                continue
            if at_s is None:
                lost += 1
                continue
            sizes[slot] = 0
            came += size
            delays.append(at_s - at[slot])
        return delays, came, lost


class Condition(NamedTuple):
    """The downlink now."""

    congested: bool
    acknowledged_bps: float
    queue_s: float
    loss: float


class Estimate:
    """Fed with reports; asked for its condition."""

    __slots__ = ("_bad_since", "_bytes", "_lost", "_minima", "_offset_s", "_reported_at", "queue_s")

    def __init__(self) -> None:
        self._minima: deque[tuple[float, float]] = deque()
        self._bytes: deque[tuple[float, int]] = deque()
        self._lost: deque[tuple[float, int, int]] = deque()
        self._bad_since: float | None = None
        self._offset_s: float | None = None
        """Between the two clocks, as the first packet showed it: what follows is near it, on either side, whatever wraps around."""
        self._reported_at: float | None = None
        self.queue_s = 0.0

    def report(self, seen: Sequence[Seen], sent: Sent, now: float) -> None:
        delays, size, lost = sent.account(seen)
        self._reported_at = now
        self._lost.append((now, lost, lost + len(delays)))
        if not delays:
            return
        if self._offset_s is None:
            self._offset_s = delays[0]
        offset_s, half = self._offset_s, _WRAP_S / 2
        least, most, mean = min(delays), max(delays), sum(delays) / len(delays)
        if -half <= least - offset_s and most - offset_s < half:  # nothing has wrapped around, as nearly always
            least, mean = least - offset_s, mean - offset_s
        else:
            delays = [(delay - offset_s + half) % _WRAP_S - half for delay in delays]
            least, mean = min(delays), sum(delays) / len(delays)
        self._bytes.append((now, size))
        self._delay(least, mean, now)

    def _delay(self, least: float, mean: float, now: float) -> None:
        minima = self._minima
        if minima and abs(least - minima[-1][1]) > 60.0:
            minima.clear()  # the reference time wrapped around, or a clock was set
        while minima and minima[-1][1] >= least:
            minima.pop()
        minima.append((now, least))
        while minima[0][0] < now - MINIMUM_OVER_S:
            minima.popleft()
        self.queue_s = mean - minima[0][1]

    def condition(self, sent_at: float | None, now: float) -> Condition:
        """`sent_at`: when the first packet went out that nothing has been reported since, or None."""
        for window, over_s in ((self._bytes, RATE_OVER_S), (self._lost, LOSS_OVER_S)):
            while window and window[0][0] < now - over_s:
                window.popleft()
        rate = sum(size for _, size in self._bytes) * 8 / RATE_OVER_S
        total = sum(entry[2] for entry in self._lost)
        loss = sum(entry[1] for entry in self._lost) / total if total >= _LOSS_PACKETS_MIN else 0.0
        reported_at = self._reported_at  # None: a browser that has never reported may not know how
        silent = sent_at is not None and reported_at is not None and now - max(sent_at, reported_at) > SILENT_S
        bad = silent or self.queue_s > QUEUE_CONGESTED_S or loss > LOSS_CONGESTED
        if not bad:
            self._bad_since = None
        elif self._bad_since is None:
            self._bad_since = now
        congested = bad and self._bad_since is not None and now - self._bad_since >= SUSTAINED_S
        return Condition(congested, rate, self.queue_s, loss)
