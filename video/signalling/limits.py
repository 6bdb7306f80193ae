"""How much one line may say: a token bucket a kind of message. Time comes in as `now`, in monotonic seconds."""

from dataclasses import dataclass
from typing import Final

QUEUE_MAX: Final = 512
"""Messages to a page that does not read; then its line is closed, and it comes back."""
FAULTS_MAX: Final = 20
"""Unreadable messages on one line; then it is closed."""
HELLO_S_MAX: Final = 10.0
"""From the open line to its `hello`."""
LINES_MAX: Final = 2_000


@dataclass(frozen=True, slots=True)
class Rate:
    per_s: float
    burst: int


ANY: Final = Rate(20.0, 60)
RATES: Final[dict[str, Rate]] = {
    "chat": Rate(1.0, 10), "pub": Rate(0.5, 6), "sub": Rate(0.5, 6), "hand": Rate(2.0, 10), "sources": Rate(5.0, 20),
}  # fmt: skip


class Meterer:
    """The buckets of one line."""

    def __init__(self) -> None:
        self._full: dict[str, tuple[float, float]] = {}

    def allows(self, kind: str, now: float) -> bool:
        """Whether one more message of this kind may come now."""
        return self._take("", ANY, now) and (kind not in RATES or self._take(kind, RATES[kind], now))

    def _take(self, kind: str, rate: Rate, now: float) -> bool:
        left, at = self._full.get(kind, (float(rate.burst), now))
        left = min(rate.burst, left + (now - at) * rate.per_s)
        taken = left >= 1
        self._full[kind] = (left - 1 if taken else left, now)
        return taken
