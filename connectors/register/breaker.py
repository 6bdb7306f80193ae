"""A circuit breaker: after some failures in a row nobody is asked for a while, then one question tries.

Pure: time comes in as `now` in seconds of a monotonic clock. The pause doubles with each failed try, so a register that
is down costs one question now and then instead of 32 time-outs at once.
"""

from dataclasses import dataclass
from typing import Final

FAILURES_MAX: Final = 5
PAUSE_S_MIN: Final = 0.5
PAUSE_S_MAX: Final = 10.0
TRY_S_MAX: Final = 30.0
"""A try that never told how it ended stops counting as under way."""


@dataclass(slots=True)
class Breaker:
    """Closed while `failures` is below `FAILURES_MAX`; open until `opens_at`; then one try at a time."""

    failures: int = 0
    pause_s: float = PAUSE_S_MIN
    opens_at: float = 0.0
    tried_at: float | None = None

    def refuses_for_s(self, now: float) -> float:
        """0 if a question may go, and counts it as the try where only one may; else how long to wait."""
        if self.failures < FAILURES_MAX:
            return 0.0
        if now < self.opens_at:
            return self.opens_at - now
        if self.tried_at is not None and now < self.tried_at + TRY_S_MAX:
            return PAUSE_S_MIN
        self.tried_at = now
        return 0.0

    def succeeded(self) -> None:
        """The peer answered, whatever it said."""
        self.failures, self.pause_s, self.tried_at = 0, PAUSE_S_MIN, None

    def failed(self, now: float) -> None:
        """The peer did not answer."""
        self.failures += 1
        if self.failures >= FAILURES_MAX and (self.tried_at is not None or self.failures == FAILURES_MAX):
            self.opens_at = now + self.pause_s
            self.pause_s = min(self.pause_s * 2, PAUSE_S_MAX)
        self.tried_at = None
