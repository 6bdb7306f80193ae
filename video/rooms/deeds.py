"""What each move does: the meeting as it is afterwards, and what the shell has to do. Whether it may be done is `moves`' word."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from video.rooms.model import (
    CHAT_LINES_MAX,
    NAME_CHARS_MAX,
    PRESENT,
    SEAT_S,
    TITLE_CHARS_MAX,
    Asked,
    Effect,
    Enter,
    Exit,
    Happened,
    Knock,
    Line,
    Meeting,
    Person,
    Place,
    Room,
    SessionState,
    Silence,
    Source,
    Sources,
    Why,
    Wrote,
)  # fmt: skip


class Done(NamedTuple):
    meeting: Meeting
    effects: tuple[Effect, ...] = ()


Deed = Callable[[Meeting, Any, datetime], Done]


def nothing(meeting: Meeting, _: Any, __: datetime) -> Done:
    return Done(meeting)


# --- coming ------------------------------------------------------------------------------------------------------------------------


def comes_back(meeting: Meeting, command: Knock, now: datetime) -> Done:
    """The same person with a new line: the old one, if it is still there, gives way."""
    person = meeting.people[command.pid]
    same = _with(meeting, replace(person, away_since=None, name=_short(command.name) or person.name, title=command.title or person.title))
    return Done(same, (Exit(command.pid, "elsewhere"), Enter(command.pid), Silence(command.pid, _silent(same.people[command.pid]))))


def staff_comes(meeting: Meeting, command: Knock, now: datetime) -> Done:
    """V3: staff who come open the room, and those who waited come in."""
    done = Done(meeting)
    if meeting.opened_at is None:
        done = _tell(replace(meeting, opened_at=now), now, "opened", None)
    done = _then(done, _in, _newcomer(done.meeting, command, "inside", now), now)
    for person in done.meeting.in_place("waiting"):
        done = _then(done, _in, person, now)
    return done


def patient_comes(meeting: Meeting, command: Knock, now: datetime) -> Done:
    """V3: in when it is open, else waiting. No lobby (V9)."""
    if meeting.opened_at is not None and now >= meeting.room.opens_at:
        return _in(meeting, _newcomer(meeting, command, "inside", now), now)
    before = meeting.people.get(command.pid)
    person = _newcomer(meeting, command, "waiting", now)
    if before is not None and before.place == "waiting":
        return Done(_with(meeting, replace(person, since=before.since)), (Exit(command.pid, "elsewhere"),))
    return _tell(_with(meeting, person), now, "waiting", person)


def guest_comes(meeting: Meeting, command: Knock, now: datetime) -> Done:
    """V9: into the lobby, each time anew after having left."""
    before = meeting.people.get(command.pid)
    person = _newcomer(meeting, command, "lobby", now)
    if before is not None and before.place == "lobby":
        return Done(_with(meeting, replace(person, since=before.since)), (Exit(command.pid, "elsewhere"),))
    return _tell(_with(meeting, person), now, "waiting", person)


def admits(meeting: Meeting, command: Any, now: datetime) -> Done:
    person = meeting.people[command.other]
    return _then(_tell(meeting, now, "admitted", person), _in, person, now)


def denies(meeting: Meeting, command: Any, now: datetime) -> Done:
    return _out(meeting, meeting.people[command.other], "denied", "denied", "denied", now)


# --- going -------------------------------------------------------------------------------------------------------------------------


def leaves(meeting: Meeting, command: Any, now: datetime) -> Done:
    return settled(_out(meeting, meeting.people[command.pid], "left", "left", "left", now), now)


def loses_line(meeting: Meeting, command: Any, now: datetime) -> Done:
    person = meeting.people[command.pid]
    return Done(_with(meeting, replace(person, away_since=person.away_since or now, screen=False)))


def removes(meeting: Meeting, command: Any, now: datetime) -> Done:
    return _out(meeting, meeting.people[command.other], "removed", "removed", "removed", now)


def ends(meeting: Meeting, _: Any, now: datetime) -> Done:
    return everybody_out(meeting, "ended", now)


def everybody_out(meeting: Meeting, why: Why, now: datetime) -> Done:
    done = Done(meeting)
    for person in list(meeting.people.values()):
        if person.place in PRESENT:
            done = _then(done, _gone, person, why, now)
    return settled(done, now)


def settled(done: Done, now: datetime) -> Done:
    """A meeting that all have left is over: the next to come wait for staff again (V3)."""
    meeting = done.meeting
    if meeting.opened_at is None or meeting.inside():
        return done
    ended = _then(done, _tell, now, "ended", None)
    return Done(replace(ended.meeting, opened_at=None), ended.effects)


def ticks(meeting: Meeting, now: datetime) -> Done:
    """Seats of broken lines are kept for `SEAT_S`; who waits when nobody may join any more is told."""
    done, limit = Done(meeting), timedelta(seconds=SEAT_S)
    for person in list(meeting.people.values()):
        if person.place not in PRESENT:
            continue
        if person.away_since is not None and now - person.away_since >= limit:
            done = _then(done, _gone, person, "timed_out", now)
        elif person.place != "inside" and now >= meeting.room.closes_at:
            done = _then(done, _gone, person, "closed", now)
    return settled(done, now)


# --- the room --------------------------------------------------------------------------------------------------------------------


def room_came(meeting: Meeting, room: Room, now: datetime) -> Done:
    """What the hub says of the room. Void throws everybody out at once (P10, V4); a closing that is no end of its time likewise."""
    before, meeting = meeting.room, replace(meeting, room=room)
    if room.state == "void":
        return everybody_out(meeting, "void", now)
    if room.state == "closed" and room.reason != "ended":
        return everybody_out(meeting, "closed", now)
    done = Done(meeting)
    if before.opens_at != room.opens_at:  # V6: who waited as a guest was invited to another time
        for person in meeting.in_place("lobby"):
            done = _then(done, _gone, person, "moved", now)
    return done


# --- in the meeting ----------------------------------------------------------------------------------------------------------------


def hand(meeting: Meeting, command: Any, now: datetime) -> Done:
    person = meeting.people[command.pid]
    at = (person.hand_at or now) if command.up else None
    return Done(_with(meeting, replace(person, hand=command.up, hand_at=at)))


def lowers_hand(meeting: Meeting, command: Any, _: datetime) -> Done:
    return Done(_with(meeting, replace(meeting.people[command.other], hand=False, hand_at=None)))


def sources(meeting: Meeting, command: Sources, _: datetime) -> Done:
    """What the person sends. To turn the microphone on is the person's own yes, also to a mute by staff (V12)."""
    person = meeting.people[command.pid]
    muted = person.muted and not command.audio
    person = replace(
        person, audio=command.audio, camera=command.camera, screen=command.screen, muted=muted, asked=person.asked and not command.audio
    )  # fmt: skip
    return Done(_with(meeting, person), (Silence(person.pid, _silent(person)),))


def mutes(meeting: Meeting, command: Any, _: datetime) -> Done:
    person = replace(meeting.people[command.other], muted=True, audio=False, asked=False)
    return Done(_with(meeting, person), (Silence(person.pid, _silent(person)),))


def asks_unmute(meeting: Meeting, command: Any, _: datetime) -> Done:
    person = meeting.people[command.other]
    if person.audio:
        return Done(meeting)
    return Done(_with(meeting, replace(person, asked=True)), (Asked(person.pid),))


def entitled(meeting: Meeting, command: Any, _: datetime) -> Done:
    person = meeting.people[command.pid]
    return Done(_with(meeting, replace(person, title=command.title.strip()[:TITLE_CHARS_MAX])))


def writes(meeting: Meeting, command: Any, now: datetime) -> Done:
    person = meeting.people[command.pid]
    line = Line(meeting.lines + 1, person.pid, person.role, person.name or _short(command.name), command.text.strip(), now)
    kept = (*meeting.chat, line)[-CHAT_LINES_MAX:]
    return Done(replace(meeting, chat=kept, lines=line.number), (Wrote(line),))


# --- parts -------------------------------------------------------------------------------------------------------------------------

_ENDS: Final[dict[Why, Place]] = {"removed": "removed", "denied": "denied"}


def _newcomer(meeting: Meeting, command: Knock, place: Place, now: datetime) -> Person:
    before = meeting.people.get(command.pid)
    title = command.title.strip()[:TITLE_CHARS_MAX] or (before.title if before is not None else "")
    joined_at = before.joined_at if before is not None else None
    return Person(command.pid, command.role, _short(command.name), place, now, title, joined_at)


def _in(meeting: Meeting, person: Person, now: datetime) -> Done:
    person = replace(person, place="inside", joined_at=person.joined_at or now, left_at=None)
    told = _tell(_with(meeting, person), now, "joined", person)
    return Done(told.meeting, (*told.effects, Enter(person.pid), Silence(person.pid, _silent(person))))


def _out(meeting: Meeting, person: Person, place: Place, state: SessionState, why: Why, now: datetime) -> Done:
    person = replace(
        person, place=place, left_at=now, away_since=None, hand=False, hand_at=None, asked=False, muted=False, screen=False
    )  # fmt: skip
    told = _tell(_with(meeting, person), now, state, person)
    return Done(told.meeting, (*told.effects, Exit(person.pid, why)))


def _gone(meeting: Meeting, person: Person, why: Why, now: datetime) -> Done:
    return _out(meeting, person, "left", "left", why, now)


def _tell(meeting: Meeting, now: datetime, state: SessionState, person: Person | None) -> Done:
    number = meeting.happened + 1
    who = (person.pid, person.role) if person is not None else (None, None)
    return Done(replace(meeting, happened=number), (Happened(number, state, now, *who),))


def _then(done: Done, deed: Callable[..., Done], *arguments: Any) -> Done:
    more = deed(done.meeting, *arguments)
    return Done(more.meeting, (*done.effects, *more.effects))


def _with(meeting: Meeting, person: Person) -> Meeting:
    return replace(meeting, people=MappingProxyType({**meeting.people, person.pid: person}))


def _silent(person: Person) -> tuple[Source, ...]:
    """What of a person is forwarded to nobody."""
    silent: list[Source] = []
    if person.muted or not person.audio:
        silent.append("audio")
    if not person.camera:
        silent.append("camera")
    if not person.screen:
        silent += ["screen", "screen_audio"]
    return tuple(silent)


def _short(name: str) -> str:
    return " ".join(name.split())[:NAME_CHARS_MAX]
