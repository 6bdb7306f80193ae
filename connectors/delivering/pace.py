"""How fast one peer is fed, and what a failure of it means for the row: pure, time and chance come in."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal, NamedTuple

from connectors.channels import Sent
from connectors.delivering.ports import Due
from connectors.peer import loggable, loggable_name
from schemas.errors import PeerFailure, Rejected, Unavailable

Event = Literal["sent", "rejected", "waits", "doubted"]
Outcome = Literal["sent", "rejected", "unavailable", "uncertain"]
BREAKER: Final = "breaker_open"
OURS: Final = frozenset({BREAKER, "too_many_to_recipient"})
"""Codes by which our own client kept a request back: they say nothing about the peer's health."""


@dataclass(frozen=True, slots=True)
class PeerLimits:
    """What one peer may be asked. Time-outs are its connection's (`connectors.peer.Limits`)."""

    per_second: float = 10.0
    at_once_max: int = 8
    pause_s_min: float = 5.0
    pause_s_max: float = 900.0
    repeats_max: int = 3
    """Of identical bytes in doubt, where the peer recognises them."""
    gives_up_after: timedelta = timedelta(days=30)
    """A peer that did nothing for so long has refused; the document went to print long before (R11)."""


class Pace:
    """A token bucket of one second's worth: how many may begin now."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._burst = max(1.0, per_second)
        self._tokens = self._burst
        self._at: float | None = None

    def room(self, now: float) -> int:
        """Whole tokens there are at `now`, in seconds of a monotonic clock."""
        if self._at is not None:
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._per_second)
        self._at = now
        return int(self._tokens)

    def take(self, number: int) -> None:
        self._tokens -= number

    def next_s(self) -> float:
        """How long until there is one."""
        return max(0.0, (1.0 - self._tokens) / self._per_second)


class Result(NamedTuple):
    """What a try comes to. `written`: whether the peer can have read the request; None would be: nobody knows."""

    event: Event
    outcome: Outcome
    written: bool
    code: str | None = None
    reference: str | None = None
    why: str | None = None
    pause_s: float = 0.0
    in_doubt: bool = False
    repeat: bool = False


def took(sent: Sent) -> Result:
    """The peer took it."""
    return Result("sent", "sent", True, reference=loggable_name(sent.reference) or None)


def failed(failure: PeerFailure, due: Due, *, dedupes: bool, limits: PeerLimits, age: timedelta, chance: float) -> Result:
    """One of the three failures (STYLE 6). `chance` in [0, 1) spreads the pauses of many rows; `age` is since the request."""
    code = loggable(failure.code) or "unnamed"
    if isinstance(failure, Rejected):  # a no to the repeat says nothing of the try before
        return Result("doubted" if due.in_doubt else "rejected", "rejected", True, code)
    ruled = due.repeats < 0  # the desk wants it sent once more: while the peer does nothing, that is still to be done
    again = max(due.repeats, 0) < limits.repeats_max
    if isinstance(failure, Unavailable):
        if age > limits.gives_up_after:
            return Result("doubted" if due.in_doubt else "rejected", "unavailable", False, "gave_up")
        if due.in_doubt and not (again or ruled):
            return Result("doubted", "unavailable", False, code)
        pause = max(pause_s(due.attempts, limits, chance), failure.retry_after_s or 0.0)
        why = "breaker" if failure.code == BREAKER else "peer_unavailable"
        return Result("waits", "unavailable", False, code, why=why, pause_s=pause, repeat=due.in_doubt and not ruled)
    if dedupes and again:
        pause = pause_s(max(due.repeats, 0), limits, chance)
        return Result("waits", "uncertain", True, code, why="repeat", pause_s=pause, in_doubt=True, repeat=True)
    return Result("doubted", "uncertain", True, code, in_doubt=True)


def pause_s(tries: int, limits: PeerLimits, chance: float) -> float:
    """Twice as long after each try, up to a bound, half of it by chance (so that rows that failed together do not come together)."""
    whole = min(limits.pause_s_max, limits.pause_s_min * 2.0 ** min(tries, 30))
    return whole * (0.5 + chance / 2)
