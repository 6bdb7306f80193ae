"""C7: what an open print entry of a kallelse says about its booking, and how a receipt or answer explains itself."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pipelines.rules.catalogue import said
from pipelines.rules.model import BookingStatus, Document, Step

BookingState = Literal["rebooked", "cancelled", "passed"]


def booking_state(document: Document, now: datetime) -> BookingState | None:
    """What became of the visit: cancelled before passed before rebooked; None while the kallelse still holds (C7)."""
    visit = document.visit
    if visit is None:
        return None
    if visit.status is BookingStatus.CANCELLED:
        return "cancelled"
    if visit.start <= now:
        return "passed"
    return "rebooked" if visit.rebooked else None


def settled_steps(rule: str, why: str) -> tuple[Step, ...]:
    """The trace of a settlement: R11 in time, R13 while it stood in the print queue."""
    return (said(f"{rule}.settled", True, by=why),)
