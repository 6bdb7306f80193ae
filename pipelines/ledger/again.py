"""A stored decision made again from its frozen facts: under the settings it was made with, or under others (what-if).

What the rules decide is compared by rule, outcome, reason, channels and deadline. A settlement by a receipt or an answer is no routing:
its rule follows from where the document stood (R13 in the print queue, else R11).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from pipelines.rules import booking, replay, room, routing
from pipelines.rules.model import Booking, Document, Person, PrintCopy, RoomState
from schemas.policy import Limits

SETTLING: Final = frozenset({"R11", "R13"})
_OPEN_ROOM: Final = (RoomState.SCHEDULED, RoomState.ACTIVE)


class Verdict(NamedTuple):
    """What a decision says, as far as two of them can be compared."""

    subject: str
    rule: str
    outcome: str
    reason: str | None = None
    channels: tuple[str, ...] = ()
    deadline: datetime | None = None

    @property
    def name(self) -> str:
        """For counting: `document R5 print control_code_missing`."""
        return " ".join(part for part in (self.subject, self.rule, self.outcome, self.reason) if part)


def recorded(event: Mapping[str, Any]) -> Verdict:
    """What `decision.made.v1` says was decided."""
    deadline = event.get("deadline")
    return Verdict(
        event["subject"], event["rule"], event["outcome"], event.get("reason"), tuple(event["channels"]),
        datetime.fromisoformat(deadline) if deadline else None,
    )  # fmt: skip


def again(event: Mapping[str, Any], facts: bytes, limits: Limits | None = None) -> Verdict:
    """The decision that the rules make of the same facts, with other `limits` if given. Raises `ValueError` for facts that do not thaw."""
    thawed = replay.thaw(facts)
    if isinstance(thawed[0], Person):
        person, subject, frozen, now = thawed
        used = frozen if limits is None else limits
        if isinstance(subject, Document):
            return _document(event, person, subject, used, now)
        return _booking(person, subject, used, now)
    kind, members, before, kept, at = thawed
    decision = room.judge_room(kind, members, before, kept if limits is None else limits, at)
    return Verdict("room", decision.rule, "deliver" if decision.state in _OPEN_ROOM else "settle", decision.reason)


def _document(event: Mapping[str, Any], person: Person, document: Document, limits: Limits, now: datetime) -> Verdict:
    if event["outcome"] == "settle" and event["rule"] in SETTLING and event["trigger"] in ("receipt", "answer"):
        return Verdict("document", "R13" if document.print is PrintCopy.OPEN else "R11", "settle")
    decision = routing.route(person, document, limits, now)
    made = Verdict("document", decision.rule, decision.outcome, decision.reason, decision.channels, decision.deadline)
    trace = event["trace"]
    if trace and trace[-1]["because"] == routing.ESCALATED.because:  # R3: told beside what was decided
        return made._replace(rule=routing.ESCALATED.rule)
    return made


def _booking(person: Person, subject: Booking, limits: Limits, now: datetime) -> Verdict:
    decision = booking.judge_booking(person, subject, limits, now)
    return Verdict("booking", decision.rule, decision.outcome, None, ("app",) if decision.app else ())


def same(one: Verdict, other: Verdict) -> bool:
    """Deadlines are stored to the microsecond; anything else must be equal."""
    if (one.deadline is None) != (other.deadline is None):
        return False
    near = one.deadline is None or other.deadline is None or abs((one.deadline - other.deadline).total_seconds()) < 0.001
    return near and timeless(one) == timeless(other)


def timeless(verdict: Verdict) -> Verdict:
    """The verdict without its time."""
    return verdict._replace(deadline=None)
