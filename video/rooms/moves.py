"""Who may do what, where and when: one table. What no row wants is refused, and every refusal has a reason from one list.

A row says: this command, by a person of these roles who is in one of these places, under these conditions in this order, does
that. The first row of the command whose role and place fit is taken; its conditions then say yes or name the reason.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from video.rooms import deeds
from video.rooms.model import (
    CHAT_CHARS_MAX,
    LOBBY_MAX,
    PEOPLE_MAX,
    RECORDS_MAX,
    Admit,
    AskUnmute,
    Chat,
    Deny,
    End,
    Entitle,
    Hand,
    Knock,
    Leave,
    LineBroke,
    LowerHand,
    Meeting,
    MuteOther,
    Person,
    Place,
    Remove,
    Role,
    Sources,
)  # fmt: skip

REASONS: Final[Mapping[str, str]] = {
    "void": "The room is not valid: a new booking is needed (V4), or it was withdrawn (P10)",
    "closed": "The room is closed",
    "not_active": "The room is not active yet (V1)",
    "too_early": "The room opens 30 minutes before the start (V2)",
    "too_late": "Nobody joins after the room's window (V2)",
    "full": "The room has as many people as it takes (V8)",
    "lobby_full": "Too many wait in the lobby",
    "crowded": "Too many people have come to this meeting",
    "moved": "The meeting was moved: a new invitation is needed (V6)",
    "denied": "Staff did not admit this person",
    "removed": "Staff removed this person",
    "not_open": "The meeting is not open",
    "not_yours": "This role may not do that",
    "not_here": "Nobody of that name is there",
    "not_now": "That cannot be done from there",
    "too_long": "The text is empty or too long",
}

Condition = Callable[[Meeting, Any, datetime], str | None]
"""None, or why not."""


class Row(NamedTuple):
    command: type
    roles: frozenset[Role]
    places: frozenset[Place | None]
    """Where the person is; None: not known yet."""
    conditions: tuple[Condition, ...]
    does: Callable[[Meeting, Any, datetime], deeds.Done]


# --- conditions --------------------------------------------------------------------------------------------------------------------


def not_void(meeting: Meeting, _: Any, __: datetime) -> str | None:
    """V4, P10. A room that is closed by its time alone goes on for who is in it (V2)."""
    return "void" if meeting.room.state == "void" else None


def usable(meeting: Meeting, _: Any, __: datetime) -> str | None:
    """V1, V4, V6: the room stands."""
    room = meeting.room
    if room.state == "closed":
        return "too_late" if room.reason == "ended" else "closed"
    return "void" if room.state == "void" else None


def never(reason: str) -> Condition:
    """A row that always refuses, with this reason."""
    return lambda _meeting, _command, _now: reason


def active(meeting: Meeting, _: Any, now: datetime) -> str | None:
    """V1. The hub says `active` in time; its own moment counts too, so that a late record holds nobody up."""
    return "not_active" if meeting.room.state == "scheduled" and now < meeting.room.active_at else None


def in_window(meeting: Meeting, _: Any, now: datetime) -> str | None:
    """V2."""
    if now < meeting.room.opens_at:
        return "too_early"
    return "too_late" if now >= meeting.room.closes_at else None


def not_over(meeting: Meeting, _: Any, now: datetime) -> str | None:
    return "too_late" if now >= meeting.room.closes_at else None


def is_open(meeting: Meeting, _: Any, __: datetime) -> str | None:
    return None if meeting.opened_at is not None else "not_open"


def invitation_holds(meeting: Meeting, command: Knock, _: datetime) -> str | None:
    """V6: a guest was invited to this window and to no other."""
    return None if command.opens_at == meeting.room.opens_at else "moved"


def has_seat(meeting: Meeting, command: Any, _: datetime) -> str | None:
    """V8. Patients who wait have a seat; while no staff are inside, one seat is theirs, or nobody could open."""
    taken = [p for p in meeting.people.values() if p.place in ("inside", "waiting")]
    who = meeting.people.get(command.other) if isinstance(command, Admit) else None
    role = who.role if who is not None else command.role
    kept = 0 if role == "staff" or any(p.role == "staff" and p.place == "inside" for p in taken) else 1
    mine = sum(p.pid == command.pid for p in taken) if isinstance(command, Knock) else 0
    return "full" if len(taken) - mine + kept >= PEOPLE_MAX else None


def lobby_has_place(meeting: Meeting, command: Knock, _: datetime) -> str | None:
    waiting = [p for p in meeting.in_place("lobby") if p.pid != command.pid]
    return "lobby_full" if len(waiting) >= LOBBY_MAX else None


def is_remembered(meeting: Meeting, command: Knock, _: datetime) -> str | None:
    return "crowded" if command.pid not in meeting.people and len(meeting.people) >= RECORDS_MAX else None


def other_in(*places: Place) -> Condition:
    """The person that staff act on is there."""

    def condition(meeting: Meeting, command: Any, _: datetime) -> str | None:
        other = meeting.people.get(command.other)
        return None if other is not None and other.place in places else "not_here"

    return condition


def other_is_no_staff(meeting: Meeting, command: Any, _: datetime) -> str | None:
    other = meeting.people.get(command.other)
    return "not_yours" if other is None or other.role == "staff" else None


def text_fits(_: Meeting, command: Chat, __: datetime) -> str | None:
    return None if 0 < len(command.text.strip()) <= CHAT_CHARS_MAX else "too_long"


# --- the table ---------------------------------------------------------------------------------------------------------------------

STAFF: Final[frozenset[Role]] = frozenset({"staff"})
PATIENT: Final[frozenset[Role]] = frozenset({"patient"})
GUEST: Final[frozenset[Role]] = frozenset({"guest"})
ANYONE: Final[frozenset[Role]] = frozenset({"staff", "patient", "guest"})
INSIDE: Final[frozenset[Place | None]] = frozenset({"inside"})
OUTSIDE: Final[frozenset[Place | None]] = frozenset({None, "left"})
HERE: Final[frozenset[Place | None]] = frozenset({"inside", "waiting", "lobby"})
HERE_OR_LEFT: Final[frozenset[Place | None]] = HERE | {"left"}

MOVES: Final = (
    # A line that broke, or a reload: the seat is still there, also after the window (V2: who is in is not cut).
    Row(Knock, ANYONE, INSIDE, (not_void,), deeds.comes_back),
    Row(Knock, ANYONE, frozenset({"removed"}), (never("removed"),), deeds.nothing),
    Row(Knock, GUEST, frozenset({"denied"}), (never("denied"),), deeds.nothing),
    Row(Knock, STAFF, OUTSIDE, (usable, active, in_window, is_remembered, has_seat), deeds.staff_comes),
    Row(Knock, PATIENT, OUTSIDE | {"waiting"}, (usable, not_over, is_remembered, has_seat), deeds.patient_comes),
    Row(Knock, GUEST, OUTSIDE | {"lobby"}, (usable, invitation_holds, not_over, is_remembered, lobby_has_place), deeds.guest_comes),
    Row(Leave, ANYONE, HERE, (), deeds.leaves),
    Row(LineBroke, ANYONE, HERE, (), deeds.loses_line),
    Row(Hand, ANYONE, INSIDE, (), deeds.hand),
    Row(Sources, ANYONE, INSIDE, (), deeds.sources),
    Row(Entitle, STAFF, HERE_OR_LEFT, (), deeds.entitled),
    # V14: patients within the window, staff also afterwards; a guest only in the meeting.
    Row(Chat, STAFF, HERE_OR_LEFT, (not_void, text_fits), deeds.writes),
    Row(Chat, PATIENT, HERE, (usable, in_window, text_fits), deeds.writes),
    Row(Chat, GUEST, INSIDE, (usable, in_window, text_fits), deeds.writes),
    Row(Admit, STAFF, INSIDE, (usable, is_open, not_over, other_in("lobby"), has_seat), deeds.admits),
    Row(Deny, STAFF, INSIDE, (other_in("lobby"),), deeds.denies),
    Row(Remove, STAFF, INSIDE, (other_in("inside", "waiting", "lobby"), other_is_no_staff), deeds.removes),
    Row(MuteOther, STAFF, INSIDE, (other_in("inside"),), deeds.mutes),
    Row(AskUnmute, STAFF, INSIDE, (other_in("inside"),), deeds.asks_unmute),
    Row(LowerHand, STAFF, INSIDE, (other_in("inside"),), deeds.lowers_hand),
    Row(End, STAFF, INSIDE, (), deeds.ends),
)  # fmt: skip
"""In the order they are tried."""


def row_of(command: Any, person: Person | None) -> Row | str:
    """The row for a person's command, or why there is none."""
    role = command.role if person is None and isinstance(command, Knock) else person.role if person is not None else None
    if role is None:
        return "not_here"
    if isinstance(command, Knock) and command.role != role:
        return "not_yours"
    place = person.place if person is not None else None
    rows = [row for row in MOVES if row.command is type(command)]
    for row in rows:
        if role in row.roles and place in row.places:
            return row
    return "not_now" if any(role in row.roles for row in rows) else "not_yours"
