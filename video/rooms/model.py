"""What a room, the people in it and their messages are: frozen data, shared by the machine, the view and the shell (DOMAIN section 6)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Final, Literal

Role = Literal["staff", "patient", "guest"]
RoomState = Literal["scheduled", "active", "closed", "void"]
Kind = Literal["single", "group", "chat", "conference"]
Place = Literal["waiting", "lobby", "inside", "left", "removed", "denied"]
"""Where a person is. `waiting`: a patient before staff opened (V3); `lobby`: a guest before admission (V9)."""
Source = Literal["audio", "camera", "screen", "screen_audio"]

PEOPLE_MAX: Final = 20
"""V8: staff and guests counted."""
LOBBY_MAX: Final = 20
RECORDS_MAX: Final = 200
"""People of a meeting that are remembered (V15), whatever became of them."""
CHAT_LINES_MAX: Final = 500
CHAT_CHARS_MAX: Final = 2_000
NAME_CHARS_MAX: Final = 80
TITLE_CHARS_MAX: Final = 80
SEAT_S: Final = 30.0
"""So long somebody whose line broke keeps the seat; after a restart of the bridge likewise."""

PRESENT: Final[frozenset[Place]] = frozenset({"waiting", "lobby", "inside"})


@dataclass(frozen=True, slots=True)
class Room:
    """What the hub said of a room last (`room.changed.v1`)."""

    room_id: str
    kind: Kind
    state: RoomState
    unit: str
    resource: str
    active_at: datetime
    opens_at: datetime
    closes_at: datetime
    booking_ids: tuple[str, ...] = ()
    reason: str | None = None
    sequence: int = 0
    partition_by: str = ""
    """The opaque key its records are partitioned by; of a chat room, the key of the one patient it is for (V10)."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who came to the door. `name` and `title` are personal data: shown in the meeting, told to no topic."""

    pid: str
    role: Role
    name: str = field(repr=False)
    place: Place
    since: datetime
    title: str = field(default="", repr=False)
    joined_at: datetime | None = None
    left_at: datetime | None = None
    away_since: datetime | None = None
    """The line broke; the seat is kept for `SEAT_S`."""
    hand: bool = False
    hand_at: datetime | None = None
    muted: bool = False
    """By staff: only the person's own yes ends it (V12)."""
    asked: bool = False
    audio: bool = True
    camera: bool = True
    screen: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """A chat message of the meeting (V14)."""

    number: int
    pid: str
    role: Role
    name: str = field(repr=False)
    text: str = field(repr=False)
    at: datetime


@dataclass(frozen=True, slots=True)
class Meeting:
    """A room and what goes on in it."""

    room: Room
    opened_at: datetime | None = None
    """Since when it is open (V3); None before, and again when all have left or staff ended it."""
    people: Mapping[str, Person] = field(default_factory=lambda: MappingProxyType({}))
    chat: tuple[Line, ...] = ()
    lines: int = 0
    happened: int = 0
    """How many session events were made: they number the deterministic ids."""

    def inside(self) -> list[Person]:
        return [p for p in self.people.values() if p.place == "inside"]

    def in_place(self, place: Place) -> list[Person]:
        return [p for p in self.people.values() if p.place == place]


# --- what may be asked of a meeting (commands) -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RoomCame:
    """The hub says how the room now stands."""

    room: Room


@dataclass(frozen=True, slots=True)
class Knock:
    """Somebody with a join token is at the door; again after a break or a reload, with the same `pid`."""

    pid: str
    role: Role
    name: str = field(repr=False)
    title: str = field(default="", repr=False)
    opens_at: datetime | None = None
    """The window a guest was invited to (V6)."""


@dataclass(frozen=True, slots=True)
class Leave:
    pid: str


@dataclass(frozen=True, slots=True)
class LineBroke:
    pid: str


@dataclass(frozen=True, slots=True)
class Hand:
    pid: str
    up: bool


@dataclass(frozen=True, slots=True)
class Sources:
    """What a person sends now, by own choice."""

    pid: str
    audio: bool
    camera: bool
    screen: bool


@dataclass(frozen=True, slots=True)
class Chat:
    """`name`: of somebody who writes from outside the meeting (V14), whom an earlier run of the bridge let in."""

    pid: str
    text: str = field(repr=False)
    name: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Entitle:
    """A staff member's title or role for this meeting (V12)."""

    pid: str
    title: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Admit:
    pid: str
    other: str


@dataclass(frozen=True, slots=True)
class Deny:
    pid: str
    other: str


@dataclass(frozen=True, slots=True)
class Remove:
    pid: str
    other: str


@dataclass(frozen=True, slots=True)
class MuteOther:
    pid: str
    other: str


@dataclass(frozen=True, slots=True)
class AskUnmute:
    pid: str
    other: str


@dataclass(frozen=True, slots=True)
class LowerHand:
    pid: str
    other: str


@dataclass(frozen=True, slots=True)
class End:
    """Staff end the meeting for everybody."""

    pid: str


@dataclass(frozen=True, slots=True)
class Tick:
    """Time went on."""


Command = (
    RoomCame | Knock | Leave | LineBroke | Hand | Sources | Chat | Entitle | Admit | Deny | Remove | MuteOther | AskUnmute
    | LowerHand | End | Tick
)  # fmt: skip

# --- what the shell has to do ------------------------------------------------------------------------------------------------------

SessionState = Literal["opened", "waiting", "joined", "left", "admitted", "denied", "removed", "ended"]
Why = Literal["void", "closed", "denied", "removed", "ended", "left", "moved", "elsewhere", "timed_out"]


@dataclass(frozen=True, slots=True)
class Happened:
    """A `session.changed.v1` to publish. `number` makes its id."""

    number: int
    state: SessionState
    at: datetime
    pid: str | None = None
    role: Role | None = None


@dataclass(frozen=True, slots=True)
class Enter:
    """The person's media may come up now, and not before: who is not inside has no transport."""

    pid: str


@dataclass(frozen=True, slots=True)
class Exit:
    """The person's media and line end."""

    pid: str
    why: Why


@dataclass(frozen=True, slots=True)
class Silence:
    """The sources of a person that are forwarded to nobody."""

    pid: str
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """Staff ask a person to unmute; the person says yes or does nothing (V12)."""

    pid: str


@dataclass(frozen=True, slots=True)
class Wrote:
    line: Line


Effect = Happened | Enter | Exit | Silence | Asked | Wrote


class Refused(Exception):
    """What no row of the table wants. `reason` is one of `moves.REASONS`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
