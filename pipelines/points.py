"""Named points at which a fault test stops a process, as SIGKILL would; nothing but a dictionary look-up otherwise.

`arm` is called by the composition root when the settings name a point (never in production: refused without the sandbox). The
process kills itself the n-th time it gets there: no handler, no flush, no goodbye.
"""

from __future__ import annotations

import os
import signal
from typing import Final

POINTS: Final = frozenset(
    {
        "before_commit",  # a batch is decoded; its transaction has not begun
        "inside_commit",  # all rows are written, the outbox row too; COMMIT is not sent
        "after_commit",  # nothing is sent yet
        "after_send",  # Kafka has the outputs; nothing is acknowledged
        "before_forget",  # delivered rows are still in the outbox
        "inside_relay",  # about to publish a row that another process left
        "inside_timer",  # due rows are decided and committed
        "before_timer_send",  # and their outputs are not sent
        "before_claim",  # a delivery's bytes are made and not kept
        "after_claim",  # they are kept, the row is ours, nothing is sent
        "inside_inflight",  # the row is in flight, nothing is sent
        "after_peer",  # the peer has answered, nothing is written down
        "after_recording",  # it is written down, nobody is told
    }
)
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
