"""Judges a video room from its bookings (DOMAIN section 6): active when, open from when to when, closed or void why.

A room is only ever its bookings' shadow: nothing is kept of it but what was published and the first opening (V4). So a booking
that wants a room again after it was closed or void brings the room back; a registration at the till alone is final.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from pipelines.rules.catalogue import said
from pipelines.rules.model import Member, Room, RoomDecision, RoomState, Step, Video
from schemas.policy import Limits

CANCELLED: Final = "cancelled"
WITHDRAWN: Final = "withdrawn"
"""One word for B1-B3 and V5: no reason tells why (P10)."""
TILL: Final = "till_registered"
ENDED: Final = "ended"
CROWDED: Final = "crowded"
"""V8: more bookings than a room takes people; the unit is told by its room's reason."""

_WITHDRAWN: Final = said("V1.withdrawn", True)
_CANCELLED: Final = said("V6.cancelled", True)
_TILL: Final = said("V4.void", True)


def judge_room(kind: Video, members: Sequence[Member], room: Room | None, limits: Limits, now: datetime) -> RoomDecision:
    """The room these bookings make now. `members` are all that belong to it, wanted or not; `room` as last published.

    A decision CLOSED or VOID with `room` None means that there is nothing to publish. Raises `ValueError` without both.
    """
    order = sorted(members, key=_first)
    live = [m for m in order if m.wanted and not m.cancelled and not _is_barred(m, room)]
    barred = [m for m in order if m.wanted and not m.cancelled and _is_barred(m, room)]
    if not live:
        return _without_bookings(order, barred, room, limits, now)
    margin = timedelta(minutes=limits.room_margin_minutes)
    opens_at, closes_at = _window(live, margin)
    since = min(m.since for m in live)
    active_at = max(since, min(since + timedelta(minutes=limits.room_delay_minutes), opens_at))
    crowded = len(live) > limits.room_people_max
    steps: list[Step] = []
    if kind is Video.GROUP:
        steps.append(said("V8.crowded" if crowded else "V8.fits", crowded, bookings=len(live), people_max=limits.room_people_max))
    reason, review_at = CROWDED if crowded and kind is Video.GROUP else None, None
    if now >= closes_at:
        state, reason, step = RoomState.CLOSED, ENDED, said("V2.over", True, closes_at=closes_at.isoformat())
    elif now >= active_at or (room is not None and room.state is RoomState.ACTIVE):
        state, review_at, step = RoomState.ACTIVE, closes_at, said("V1.active", True, active_at=active_at.isoformat())
    else:
        state, review_at, step = (
            RoomState.SCHEDULED,
            active_at,
            said("V1.scheduled", True, active_at=active_at.isoformat()),
        )
    steps.append(step)
    return RoomDecision(
        step.rule, state, active_at, opens_at, closes_at, tuple(m.booking for m in live), reason, crowded, review_at,
        tuple(steps),
    )  # fmt: skip


def _without_bookings(order: list[Member], barred: list[Member], room: Room | None, limits: Limits, now: datetime) -> RoomDecision:
    """No booking uses the room: the last that left says how it ends. Closed where they were cancelled (V6) or moved to another room, or
    its time is over; void for the till (V4) or a withdrawal.

    It goes on naming the bookings it was for: that is how a consumer finds the room of a booking that was cancelled. One that was
    withdrawn before is named no more (B1).
    """
    last = [m for m in order if m.leaving and m not in barred]
    margin = timedelta(minutes=limits.room_margin_minutes)
    if room is not None:
        active_at, opens_at, closes_at = room.active_at, room.opens_at, room.closes_at
    elif order:
        (opens_at, closes_at), active_at = _window(order, margin), min(m.since for m in order)
    else:
        raise ValueError("a room has bookings or was published before")
    state, reason, step = RoomState.CLOSED, CANCELLED, _CANCELLED
    if barred and (not last or any(m.leaving for m in barred)):
        state, reason, step = RoomState.VOID, TILL, _TILL
        if room is not None and room.state is RoomState.CLOSED and now >= _window(barred, margin)[1]:
            state, reason, step = RoomState.CLOSED, ENDED, said("V2.over", True, closes_at=closes_at.isoformat())
    elif any(not m.cancelled for m in last) or (not last and room is not None and room.state is RoomState.VOID):
        state, reason, step = RoomState.VOID, WITHDRAWN, _WITHDRAWN
    named = tuple(m.booking for m in order if m.cancelled or m.leaving or m in barred)
    return RoomDecision(step.rule, state, active_at, opens_at, closes_at, named, reason, steps=(step,))


def _is_barred(member: Member, room: Room | None) -> bool:
    """V4: registered at the till before the room was first opened."""
    if member.till_at is None:
        return False
    return room is None or room.opened_at is None or member.till_at < room.opened_at


def _window(members: Sequence[Member], margin: timedelta) -> tuple[datetime, datetime]:
    """V2, V8: from before the first start until after the last end."""
    ends = max(m.start + timedelta(minutes=m.minutes) for m in members)
    return min(m.start for m in members) - margin, ends + margin


def _first(member: Member) -> tuple[datetime, int]:
    return member.since, member.booking.int
