"""What the rules know and what they answer: facts in, a decision with its trace out.

Everything here is frozen data; what is made anew for every document is a NamedTuple, as that costs a fifth to make. The rules
(the other modules of this package) are pure functions over it: they read no clock, no network, no database (ARCHITECTURE
decision 3). The ledger loads these values from its rows, calls a rule and writes the answer back; a what-if replay and the
tests do the same without a ledger.

Person ids appear only where an output must name somebody (`pid`); a trace never holds one (DOMAIN 3, "no free text").
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import IntEnum
from typing import Any, Literal, NamedTuple
from uuid import UUID


class Protection(IntEnum):
    """P1. The larger value is the stronger protection, so `max` combines what several numbers say (P8)."""

    NONE = 0
    SEKRETESSMARKERING = 1
    SKYDDAD_FOLKBOKFORING = 2


class AccountState(IntEnum):
    """P5. Deregistering an active account is stored as BLOCKED."""

    NONE = 0
    ACTIVE = 1
    BLOCKED = 2


class Relation(IntEnum):
    GUARDIAN = 1
    FULLMAKT = 2


class LinkState(IntEnum):
    INACTIVE = 0
    ACTIVE = 1
    BLOCKED = 2


class Operator(IntEnum):
    """Mailbox operators. Kivra is reached by its own API, the others through Mina meddelanden (R9)."""

    KIVRA = 1
    BILLO = 2
    MINMYNDIGHETSPOST = 3
    FORTNOX = 4


class Asked(IntEnum):
    """Whether the mailbox operators were asked about somebody (R9). NOBODY: this hub has no channel that asks; what is known serves.

    UNDER_WAY: a question of the last seconds is not answered yet. SILENT: no answer came, and what is known serves.
    """

    NOBODY = 0
    ANSWERED = 1
    UNDER_WAY = 2
    SILENT = 3


class Kind(IntEnum):
    KALLELSE = 1
    BREV = 2
    REMISSBEKRAFTELSE = 3


class CodeVerdict(IntEnum):
    """R5: how the control code was judged at arrival (C1-C3, C9; the order stands in CONTRACTS section 3)."""

    NOT_NEEDED = 0
    RIGHT = 1
    MISSING = 2
    OTHER_KIND = 3
    OUTSIDE_FOOTER = 4
    MALFORMED = 5
    UNKNOWN = 6


class AttachmentVerdict(IntEnum):
    """R6 (C5): not-PDF comes first."""

    RIGHT = 0
    NOT_PDF = 1
    NOT_E_BREV = 2


class AppCopy(IntEnum):
    """The document in the citizen app. WITHDRAWN by P10; a closed channel leaves the copy OPEN but unreadable."""

    NEVER = 0
    OPEN = 1
    WITHDRAWN = 2


class MailboxCopy(IntEnum):
    """The one mailbox delivery of a document, as far as it is known."""

    NEVER = 0
    REQUESTED = 1
    ACCEPTED = 2
    REFUSED = 3
    UNKNOWN = 4
    WITHDRAWN = 5


class PrintCopy(IntEnum):
    """The print entry: OPEN is on the to-do list, SETTLED left it by R13, RELEASED by P8."""

    NEVER = 0
    OPEN = 1
    HANDLED = 2
    SETTLED = 3
    RELEASED = 4


class Settled(IntEnum):
    """The first outcome, published once as `document.settled.v1`."""

    NO = 0
    READ = 1
    ACCEPTED = 2
    RECORDED = 3


class Video(IntEnum):
    NONE = 0
    SINGLE = 1
    GROUP = 2


class BookingStatus(IntEnum):
    BOOKED = 1
    REBOOKED = 2
    CANCELLED = 3
    ARRIVED = 4


Reason = Literal[
    "deceased", "protected_identity", "reserve_number",
    "control_code_missing", "control_code_other_kind", "control_code_outside_footer", "control_code_malformed",
    "control_code_unknown", "attachment_not_pdf", "attachment_not_e_brev", "too_large", "no_channel", "no_account_48h",
    "unread_48h", "unread_early", "mailbox_refused", "unknown_outcome", "identity_unverified",
]  # fmt: skip
Trigger = Literal["arrival", "deadline", "answer", "receipt", "resident", "operator", "replay"]
Outcome = Literal["deliver", "wait", "print", "settle", "record", "drop"]
Role = Literal["resident", "guardian", "fullmakt"]
PrintClass = Literal["ordinary", "relay"]


class Mailbox(NamedTuple):
    """P9/R9: one operator's answer for our sender number."""

    operator: Operator
    accepts: bool
    as_of: datetime


class AgentLink(NamedTuple):
    """P7: an ombud of the person, with the facts of the ombud that make the link count.

    `verified` is False for an ombud whom no register has confirmed (P8: counts as protected).
    """

    uid: UUID
    pid: str
    relation: Relation
    state: LinkState
    until: date | None
    account: AccountState
    protection: Protection
    deceased: bool
    verified: bool
    phone: bool


class Person(NamedTuple):
    """Everything the rules may know of the one a document or booking is for, read afresh for each decision.

    `protection` already combines old and linked numbers (P8). `confirmed_at` is the hub's time of the last news or answer of
    the register, None before the first. `silent` is True when the register was asked for this decision and did not answer.
    `reserve_only` is P2: a reserve number that is linked to nothing. `phone`: a number is known (SMS rather than push).
    `told_at` is when the mailbox operators last told everything to a question of ours.
    """

    uid: UUID
    pid: str
    born: date | None
    reserve_only: bool
    protection: Protection
    deceased: bool
    confirmed_at: datetime | None
    silent: bool
    account: AccountState
    phone: bool
    mailboxes: tuple[Mailbox, ...] = ()
    agents: tuple[AgentLink, ...] = ()
    asked: Asked = Asked.NOBODY
    told_at: datetime | None = None


class Visit(NamedTuple):
    """The booking a kallelse belongs to, as the document's rules see it (R14, C7)."""

    start: datetime
    status: BookingStatus
    rebooked: bool = False


class Document(NamedTuple):
    """A document and how far it has come.

    `size` is bytes of body, footer and decoded attachments. `sent` is Kafka's append time in hub time; `count_from` is `sent`,
    or the moment of release by P8 (R15's one exception). `given` are the agents (guardian, fullmakt) who are recipients now;
    the resident is one while `app` is OPEN, unless the document is a child's (R7). `app_until` is the moment of a withdrawal:
    what was read before it counts (R15). `handled_at`: when staff handled the print entry (R14's list to ring), if known.
    """

    kind: Kind
    e_brev: bool
    code: CodeVerdict
    attachments: AttachmentVerdict
    size: int
    sent: datetime
    count_from: datetime
    visit: Visit | None = None
    app: AppCopy = AppCopy.NEVER
    given: tuple[tuple[UUID, Role], ...] = ()
    mailbox: MailboxCopy = MailboxCopy.NEVER
    operator: Operator | None = None
    print: PrintCopy = PrintCopy.NEVER
    reason: Reason | None = None
    manual: bool = False
    print_class: PrintClass = "ordinary"
    settled: Settled = Settled.NO
    app_until: datetime | None = None
    handled_at: datetime | None = None


class Step(NamedTuple):
    """One rule that was tried. `because` is one English sentence without personal data, `facts` hold no free text."""

    rule: str
    applied: bool
    because: str
    facts: dict[str, Any]


class Recipient(NamedTuple):
    uid: UUID
    pid: str
    role: Role


class Decision(NamedTuple):
    """What the rules want for a document now. `act` (progress.py) turns it into the next state and its effects.

    `deadline` is when the fallback of R10, R11 or R14 comes; `review_at` an earlier moment at which facts change by
    themselves (a 13th birthday, a visit that passes, the patience with a silent register). The timer waits for the earlier.
    `look_up` asks for the register's news of these people before the next irreversible step (P8). `reach` asks the mailbox
    operators about these people: such a wait gathers facts and decides nothing (R9).
    """

    rule: str
    outcome: Outcome
    channels: tuple[str, ...] = ()
    reason: Reason | None = None
    recipients: tuple[Recipient, ...] = ()
    operator: Operator | None = None
    deadline: datetime | None = None
    review_at: datetime | None = None
    manual: bool = False
    print_class: PrintClass = "ordinary"
    urgent: bool = False
    withdraw: bool = False
    release: bool = False
    look_up: tuple[UUID, ...] = ()
    steps: tuple[Step, ...] = ()
    reach: tuple[UUID, ...] = ()


class Notify(NamedTuple):
    """N1, V7: one notification to request. `about` and the recipient make its id, so it is never sent twice (N3)."""

    recipient: Recipient
    channel: Literal["sms", "push"]
    kind: Literal["document", "booking", "reminder"]
    template: str
    not_after: datetime


class Effects(NamedTuple):
    """What changes because of a decision, in the order in which it is published. None of it has happened yet.

    delivered: recipients newly given the app copy (full `document.delivered.v1` with all recipients is published when not empty).
    """

    delivered: tuple[Recipient, ...] = ()
    recipients: tuple[Recipient, ...] = ()
    withdrawn: bool = False
    delivery: Operator | None = None
    print_entered: bool = False
    print_updated: bool = False
    print_settled: Literal["read_late", "accepted_late", "released"] | None = None
    settled: Literal["read", "accepted", "recorded"] | None = None
    notify: tuple[Notify, ...] = ()


# --- Bookings and rooms ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Booking:
    """A booking and what was said of it to others. `hidden` and `video` are the time type's flags as now in force (B2, V5).

    `video_since` is V1's arrival: the append time of the first event that made it a video booking. `shown_app` and
    `shown_portal`: a `booking.shown` stands there now. `notified`/`reminded`: V7 was requested once already.
    """

    uid: UUID
    status: BookingStatus
    start: datetime
    minutes: int
    hidden: bool
    video: Video
    blocked: bool
    till_at: datetime | None
    video_since: datetime | None
    shown_app: bool = False
    shown_portal: bool = False
    notified: bool = False
    reminded: bool = False


@dataclass(frozen=True, slots=True)
class BookingDecision:
    """B1-B3, B8, P8, V7. `erase`: B1, none of the content is kept. `room`: the booking wants a room of this kind now.

    `review_at`: the next moment at which the answer may change by itself (13th birthday, reminder, patience, the visit's end).
    """

    rule: str
    outcome: Outcome
    app: bool
    portal: bool
    room: Video
    erase: bool = False
    withdrawn: bool = False
    review_at: datetime | None = None
    look_up: tuple[UUID, ...] = ()
    notify: tuple[Notify, ...] = ()
    steps: tuple[Step, ...] = ()


class RoomState(IntEnum):
    SCHEDULED = 1
    ACTIVE = 2
    CLOSED = 3
    VOID = 4


@dataclass(frozen=True, slots=True)
class Member:
    """One booking of a room. `wanted`: its BookingDecision wants a room and it is not cancelled. `leaving`: it is this news of this
    booking that the room is judged for; who left before has no say in how the room ends.
    """

    booking: UUID
    start: datetime
    minutes: int
    since: datetime
    wanted: bool
    cancelled: bool
    till_at: datetime | None
    leaving: bool = True


@dataclass(frozen=True, slots=True)
class Room:
    """A room as last published; `opened_at` is the first opening by staff (V4)."""

    state: RoomState
    active_at: datetime
    opens_at: datetime
    closes_at: datetime
    opened_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RoomDecision:
    """V1, V2, V4-V6, V8. `review_at`: activation or closing, whichever comes next. `crowded`: V8's limit is passed."""

    rule: str
    state: RoomState
    active_at: datetime
    opens_at: datetime
    closes_at: datetime
    members: tuple[UUID, ...]
    reason: str | None = None
    crowded: bool = False
    review_at: datetime | None = None
    steps: tuple[Step, ...] = ()
