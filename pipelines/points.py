"""Named points at which a fault test stops a process, as SIGKILL would; nothing but a dictionary look-up otherwise.

`arm` is called by the composition root when the settings name a point (never in production: refused without the sandbox). The
process kills itself the n-th time it gets there: no handler, no flush, no goodbye.
"""

from __future__ import annotations

import os
import signal
from typing import Final

POINTS: Final = frozenset({"before_commit", "after_commit", "after_send", "inside_timer", "before_timer_send"})
_armed: dict[str, int] = {}


def arm(point: str, times: int = 1) -> None:
    """Die the `times`-th time that `point` is reached. Raises `ValueError` for an unknown point."""
    if point not in POINTS:
        raise ValueError(f"no such point: {point}")
    _armed[point] = times


def reach(point: str) -> None:
    """A process passes here."""
    if point in _armed:
        _armed[point] -= 1
        if _armed[point] <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
