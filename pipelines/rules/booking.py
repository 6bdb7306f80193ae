"""Judges a booking (DOMAIN section 5): what the app and the portal show of it, whether it gives a room, whom to notify.

B1 comes first and erases. What the register has not confirmed freshly (P8) is not shown for the first time, but what is shown
already stays: an outage of the register must not empty the units' lists. The answer says what should be seen, not what is new.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from pipelines.rules import channels, identity, ombud
from pipelines.rules.calendar import age_at, day_of
from pipelines.rules.catalogue import said
from pipelines.rules.model import (
    Booking,
    BookingDecision,
    BookingStatus,
    Notify,
    Person,
    Recipient,
    Step,
    Video,
)
from pipelines.rules.notify import notify
from schemas.policy import Limits

_B1_NO: Final = said("B1.no", False)
_B1: Final = said("B1.protected", True)
_B2_NO: Final = said("B2.no", False)
_B2: Final = said("B2.hidden", True)
_B3_NO: Final = said("B3.no", False)
_B3: Final = said("B3.blocked", True)
_B4: Final = said("B4.shown", True)
_CANCELLED: Final = said("B4.cancelled", True)
DOUBLED: Final = said("B4.doubled", False)
"""The flag of a start without a zone in the doubled autumn hour (DOMAIN section 3, after the rules)."""
_B8_PAST: Final = said("B8.past", False)
_RULE: Final = _B8_PAST.rule
_VIDEO: Final = {
    Video.NONE: said("V5.none", False, video="none"),
    Video.SINGLE: said("V5.video", True, video="single"),
    Video.GROUP: said("V5.video", True, video="group"),
}
_BOOKED: Final = said("V7.booked", True)
_REMINDER: Final = said("V7.reminder", True)


def judge_booking(person: Person, booking: Booking, limits: Limits, now: datetime) -> BookingDecision:
    """What should be seen of the booking now, with the trace of every rule that was tried."""
    if person.protection:
        shown = booking.shown_app or booking.shown_portal
        return BookingDecision(_B1.rule, "drop", app=False, portal=False, room=Video.NONE, erase=True, withdrawn=shown, steps=(_B1,))
    steps = [_B1_NO]
    state = identity.register_state(person, now, limits)
    trusted = state == "fresh" or state == "not_needed"
    look_up = () if trusted else (person.uid,)
    patience = now + identity.LOOK_UP_PATIENCE if state == "stale" else None
    if trusted:
        steps.append(identity.passed(person, now, state))
    elif not (booking.shown_app or booking.shown_portal):
        steps.append(identity.STALE if state == "stale" else identity.UNVERIFIED)
        return BookingDecision(
            identity.STALE.rule, "wait", app=False, portal=False, room=Video.NONE, review_at=patience, look_up=look_up,
            steps=tuple(steps),
        )  # fmt: skip
    else:
        steps.append(identity.SHOWN)
    if booking.hidden:
        steps.append(_B2)
        return BookingDecision(_B2.rule, "record", app=False, portal=False, room=Video.NONE, steps=tuple(steps))
    steps.append(_B2_NO)
    if booking.blocked or booking.status is BookingStatus.CANCELLED:
        if not booking.blocked:
            steps.append(_B3_NO)
        steps.append(decides := _B3 if booking.blocked else _CANCELLED)
        return _guarded(
            BookingDecision(decides.rule, "deliver", app=False, portal=True, room=Video.NONE, look_up=look_up),
            booking, trusted, patience, steps,
        )  # fmt: skip
    steps.append(_B3_NO)
    steps.append(_B4)
    recipients, found, until = _app(person, now, limits, steps)
    app = bool(recipients)
    if app and not booking.shown_app and booking.start + timedelta(minutes=booking.minutes) <= now:
        steps.append(_B8_PAST)
        app = False
    steps.append(_VIDEO[booking.video])
    tried = len(steps)
    told, remind_at = _notifications(person, recipients if app else (), booking, limits, now, steps)
    if told and not trusted:
        # Nothing leaves for somebody who may have become protected: the register is asked, its answer decides again (P8, N3).
        steps[tried:] = [identity.HELD]
        told, remind_at = (), patience
    review_at = min((moment for moment in (until, remind_at) if moment is not None and moment > now), default=None)
    return _guarded(
        BookingDecision(
            _RULE if app else _B4.rule, "deliver", app=app, portal=True, room=booking.video, review_at=review_at,
            look_up=(*look_up, *found), notify=told,
        ),
        booking, trusted, patience, steps,
    )  # fmt: skip


def _app(
    person: Person, now: datetime, limits: Limits, steps: list[Step]
) -> tuple[tuple[Recipient, ...], tuple[UUID, ...], datetime | None]:
    """B8: the app's recipients by R7-R9 as of now (a 13th birthday changes them), whom to look up, and until when it holds."""
    age = None if person.born is None else age_at(person.born, now)
    recipients: tuple[Recipient, ...] = ()
    found = ombud.NOBODY
    if person.deceased or person.reserve_only:
        pass
    elif age is not None and age < limits.child_age:
        found = ombud.guardians(person, day_of(now), limits)
        recipients = found.recipients
    elif channels.app_is_open(person):
        recipients = (Recipient(person.uid, person.pid, "resident"),)
    steps.append(
        said("B8.open" if recipients else "B8.closed", bool(recipients), age=age, account=person.account.name.lower(),
             guardians=sum(one.role == "guardian" for one in recipients))
    )  # fmt: skip
    return recipients, found.look_up, found.until


def _notifications(
    person: Person, recipients: tuple[Recipient, ...], booking: Booking, limits: Limits, now: datetime, steps: list[Step]
) -> tuple[tuple[Notify, ...], datetime | None]:  # fmt: skip
    """V7: at booking once, and once before the start; only for a video visit that is seen in the app and has not begun.

    A booking that came when the reminder was due already is notified, not reminded too.
    """
    if not recipients or booking.video is Video.NONE or now >= booking.start:
        return (), None
    told: tuple[Notify, ...] = ()
    if not booking.notified:
        steps.append(_BOOKED)
        told = notify(person, recipients, "booking", booking.start, now)
    remind_at = booking.start - timedelta(minutes=limits.reminder_minutes)
    if booking.reminded or booking.video_since is None or booking.video_since > remind_at:
        return told, None
    if now < remind_at:
        return told, remind_at
    steps.append(_REMINDER)
    return told + notify(person, recipients, "reminder", booking.start, now), None


def _guarded(decision: BookingDecision, booking: Booking, trusted: bool, patience: datetime | None, steps: list[Step]) -> BookingDecision:
    """P8 for a booking that is shown somewhere: nothing is shown in a new place before the register has answered."""
    app = decision.app and (trusted or booking.shown_app)
    portal = decision.portal and (trusted or booking.shown_portal)
    room = decision.room if portal else Video.NONE
    held = (app, portal) != (decision.app, decision.portal)
    if held:
        steps.append(identity.HELD)
    times = [moment for moment in (decision.review_at, patience if held else None) if moment is not None]
    return BookingDecision(
        identity.HELD.rule if held else decision.rule,
        "wait" if held else decision.outcome,
        app=app, portal=portal, room=room, review_at=min(times, default=None), look_up=decision.look_up,
        notify=decision.notify if app else (), steps=tuple(steps),
    )  # fmt: skip
