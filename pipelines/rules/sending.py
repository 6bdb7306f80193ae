"""How far a delivery or notification has come, and the only ways it moves on (ARCHITECTURE decision 5). One table.

        ┌──────────── waits ◄───────────┐
        ▼                               │
     WAITING ─► DECIDED ─► RENDERED ─► CLAIMED ─► INFLIGHT ─► ACCEPTED ─► READ
                                                     │
                                    REFUSED · WITHDRAWN · UNKNOWN (the desk)

A row in CLAIMED has sent nothing yet: whoever finds it without its owner starts over. A row in INFLIGHT may have been sent: whoever
finds it without its owner makes it UNKNOWN, and a person decides (STYLE 6). What the table does not hold is `NoSuchMove`: an error,
never a silent drop. Each state has a keeper: a timer, the process that owns it, the desk, or nobody because it is final.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final, Literal


class State(IntEnum):
    """Numbers stand in the ledger: never given to another state."""

    DECIDED = 1
    RENDERED = 2
    CLAIMED = 3
    INFLIGHT = 4
    ACCEPTED = 5
    READ = 6
    """More than accepted: the receiving side says that it arrived (an SMS's delivery report)."""
    WAITING = 7
    REFUSED = 8
    UNKNOWN = 9
    WITHDRAWN = 10


Event = Literal[
    "woken",  # a timer came due and nothing is rendered yet
    "rendered",  # the bytes to send are made and kept
    "taken",  # a process takes it to send it
    "cleared",  # the facts, read under the person's lock, let it go
    "outdated",  # the kept bytes are for an old number or phone: make them anew
    "waits",  # not now: a fact, quiet hours, the peer
    "withdrawn",  # nobody wants it any more; nothing was sent
    "sent",  # the peer took it
    "rejected",  # the peer (or the channel) does not take it
    "doubted",  # it may have been done
    "orphaned",  # its process is gone
    "arrived",  # a delivery report: it is there
    "failed",  # a delivery report: it is not
    "ruled_accepted",  # the desk's ruling
    "ruled_refused",
    "ruled_resend",
]

Keeper = Literal["timer", "owner", "desk", "nobody"]

KEEPERS: Final[Mapping[State, Keeper]] = {
    State.DECIDED: "timer",
    State.RENDERED: "timer",
    State.WAITING: "timer",
    State.CLAIMED: "owner",
    State.INFLIGHT: "owner",
    State.UNKNOWN: "desk",  # and the document's own deadline, which prints it (R11)
    State.ACCEPTED: "nobody",
    State.READ: "nobody",
    State.REFUSED: "nobody",
    State.WITHDRAWN: "nobody",
}
"""Who sees to it that a row goes on. The ledger's constraints say the same: a timer is `due_at`, an owner is `slot`."""

_S: Final = State
_DONE: Final = ("sent", "rejected", "doubted", "waits")

MOVES: Final[Mapping[tuple[State, Event], State]] = {
    (_S.DECIDED, "woken"): _S.DECIDED,
    (_S.DECIDED, "rendered"): _S.RENDERED,
    (_S.DECIDED, "waits"): _S.WAITING,
    (_S.DECIDED, "withdrawn"): _S.WITHDRAWN,
    (_S.DECIDED, "rejected"): _S.REFUSED,
    (_S.WAITING, "woken"): _S.DECIDED,
    (_S.WAITING, "taken"): _S.CLAIMED,
    (_S.RENDERED, "taken"): _S.CLAIMED,
    (_S.RENDERED, "waits"): _S.WAITING,
    (_S.CLAIMED, "cleared"): _S.INFLIGHT,
    (_S.CLAIMED, "outdated"): _S.DECIDED,
    (_S.CLAIMED, "waits"): _S.WAITING,
    (_S.CLAIMED, "withdrawn"): _S.WITHDRAWN,
    (_S.CLAIMED, "rejected"): _S.REFUSED,
    (_S.CLAIMED, "doubted"): _S.UNKNOWN,
    (_S.CLAIMED, "orphaned"): _S.RENDERED,
    (_S.INFLIGHT, "sent"): _S.ACCEPTED,
    (_S.INFLIGHT, "rejected"): _S.REFUSED,
    (_S.INFLIGHT, "waits"): _S.WAITING,
    (_S.INFLIGHT, "doubted"): _S.UNKNOWN,
    (_S.INFLIGHT, "orphaned"): _S.UNKNOWN,
    # A process that had lost its slot and yet saw the answer.
    (_S.UNKNOWN, "sent"): _S.ACCEPTED,
    (_S.UNKNOWN, "rejected"): _S.REFUSED,
    (_S.UNKNOWN, "doubted"): _S.UNKNOWN,
    (_S.UNKNOWN, "ruled_accepted"): _S.ACCEPTED,
    (_S.UNKNOWN, "ruled_refused"): _S.REFUSED,
    (_S.UNKNOWN, "ruled_resend"): _S.RENDERED,
    # Reports come out of order and more than once: late news that it arrived counts, late news that it did not is ignored.
    **{(state, "arrived"): _S.READ for state in (_S.INFLIGHT, _S.ACCEPTED, _S.REFUSED, _S.UNKNOWN, _S.READ)},
    **{(state, "failed"): _S.REFUSED for state in (_S.INFLIGHT, _S.ACCEPTED, _S.REFUSED, _S.UNKNOWN)},
    (_S.READ, "failed"): _S.READ,
    # A report that overtakes the answer to the request itself stands: the sending process tells afterwards what it saw.
    **{(state, event): state for state in (_S.READ, _S.REFUSED) for event in _DONE},
}  # fmt: skip
"""Every move there is."""

Answer = Literal["accepted", "refused", "unknown"]
ANSWERS: Final[Mapping[State, Answer]] = {_S.ACCEPTED: "accepted", _S.REFUSED: "refused", _S.UNKNOWN: "unknown"}
"""What a delivery's new state tells the pipelines (`delivery.answered.v1`); the other states tell them nothing."""


class NoSuchMove(Exception):
    """The table has no row for it: a bug of ours, or a message about something that cannot have happened."""


def move(state: State, event: Event) -> State:
    """The state that `event` leads to. Raises `NoSuchMove`."""
    found = MOVES.get((state, event))
    if found is None:
        raise NoSuchMove(f"{state.name.lower()} knows no {event}")
    return found
