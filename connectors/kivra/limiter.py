"""Kivra's limit of 50 contents a minute for one recipient, kept on our side. Pure: `now` comes in.

A limit that is met before the letter is on the wire costs nothing; the peer's own (42900) costs an exchange, and many of
them may cost the sender its good name. Other processes count for themselves, so 42900 is understood all the same.
"""

from collections import OrderedDict, deque
from typing import Final

PER_RECIPIENT_MAX: Final = 50
WINDOW_S: Final = 60.0
RECIPIENTS_MAX: Final = 100_000


class Limiter:
    """What was sent to whom within the window. Held in memory only: the keys are people."""

    def __init__(self, most: int = PER_RECIPIENT_MAX, window_s: float = WINDOW_S) -> None:
        self._most = most
        self._window_s = window_s
        self._sent: OrderedDict[str, deque[float]] = OrderedDict()

    def refuses_for_s(self, recipient: str, now: float) -> float:
        """0 if one more may go, and counts it; else the seconds until it may."""
        self._forget(now)
        times = self._sent.setdefault(recipient, deque())
        while times and times[0] <= now - self._window_s:
            times.popleft()
        if len(times) >= self._most:
            return times[0] + self._window_s - now
        times.append(now)
        self._sent.move_to_end(recipient)
        return 0.0

    def _forget(self, now: float) -> None:
        """The recipients whose last letter left the window, the oldest first; and the oldest where there are too many."""
        while self._sent:
            recipient, times = next(iter(self._sent.items()))
            if len(self._sent) <= RECIPIENTS_MAX and times and times[-1] > now - self._window_s:
                return
            del self._sent[recipient]
