"""What became of one document, booking or room: its state, its decisions in order, its deliveries, its place in the print queue.

A subject's decisions are found without an index: their ids follow from the subject and its `changed` count. Nothing here names a
person: ids of documents, bookings and rooms, codes, states and times are all that a trace needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson
from asyncpg import Pool

from pipelines import ids
from pipelines.commands import KIND_NAMES, STATUS_NAMES, VIDEO_NAMES
from pipelines.ledger import kept, rows
from pipelines.ledger.sends import CHANNEL_NAMES
from pipelines.ledger.unknowns import Try, tries
from pipelines.outputs import OPERATORS, ROOM_STATES
from pipelines.rules import replay
from pipelines.rules.model import (
    AppCopy,
    BookingStatus,
    Kind,
    MailboxCopy,
    Operator,
    PrintCopy,
    RoomState,
    Settled,
    Video,
)
from pipelines.rules.sending import State

CHANNELS: Final = {1: "kivra", 2: "mina_meddelanden"}
SOURCE_NAMES: Final = {0: "other", 1: "takecare", 2: "sectra"}
ROLE_NAMES: Final = {0: "resident", 1: "guardian", 2: "fullmakt"}
DECISIONS_MAX: Final = 1_000
"""Of one subject; the latest are shown."""


@dataclass(frozen=True, slots=True)
class DocumentNow:
    """A document as it now stands."""

    document_id: str
    unit: str
    kind: str
    source: str
    e_brev: bool
    sent: datetime
    count_from: datetime
    deadline: datetime | None
    due_at: datetime | None
    open: bool
    rule: str
    reason: str | None
    app: str
    mailbox: str
    operator: str | None
    print: str
    settled: str
    manual: bool
    attachments: int
    app_since: datetime | None
    app_until: datetime | None
    changed: int
    booking: UUID | None


@dataclass(frozen=True, slots=True)
class BookingNow:
    """A booking as it now stands; of a dropped one (B1) nothing but that it was."""

    booking_id: str
    unit: str
    version: int
    status: str
    start: datetime | None
    minutes: int
    hidden: bool
    video: str
    blocked: bool
    shown_app: bool
    shown_portal: bool
    dropped: bool
    room: UUID | None
    due_at: datetime | None
    changed: int


@dataclass(frozen=True, slots=True)
class RoomNow:
    """A video room as it now stands."""

    room_id: str
    unit: str
    kind: str
    state: str
    active_at: datetime
    opens_at: datetime
    closes_at: datetime
    opened_at: datetime | None
    reason: str | None
    due_at: datetime | None
    changed: int


@dataclass(frozen=True, slots=True)
class Delivery:
    delivery_id: str
    channel: str
    operator: str
    state: str
    requested_at: datetime
    answered_at: datetime | None
    code: str | None
    carried: Carried | None = None


@dataclass(frozen=True, slots=True)
class Carried:
    """How far a delivery or text has come on its way to the peer, with every try. It names nobody."""

    id: str
    channel: str
    kind: str
    state: str
    why: str | None
    due_at: datetime | None
    code: str | None
    reference: str | None
    requested_at: datetime
    changed_at: datetime
    tries: tuple[Try, ...]


@dataclass(frozen=True, slots=True)
class PrintEntry:
    entry_id: str
    state: str
    reason: str
    entered: datetime
    attachments: int
    urgent: bool
    manual: bool
    relay: bool
    booking_state: str | None
    outcome: str | None
    closed_at: datetime | None
    by: str | None


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody besides the resident who was given the app copy; only their role is told."""

    role: str
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Decided:
    """One decision: `decision.made.v1` as published, and the facts it was made of."""

    at: datetime
    event: dict[str, Any]
    facts: bytes

    @property
    def thawed(self) -> replay.Facts | replay.RoomFacts:
        return replay.thaw(self.facts)


@dataclass(frozen=True, slots=True)
class Journey:
    """Everything about one subject. Exactly one of `document`, `booking`, `room` is given."""

    decisions: tuple[Decided, ...]
    document: DocumentNow | None = None
    booking: BookingNow | None = None
    room: RoomNow | None = None
    deliveries: tuple[Delivery, ...] = ()
    texts: tuple[Carried, ...] = ()
    print_entry: PrintEntry | None = None
    recipients: tuple[Recipient, ...] = ()
    booking_ids: tuple[str, ...] = ()


async def document(pool: Pool[Any], document_id: str) -> DocumentNow | None:
    """The document with this id."""
    found = await pool.fetchrow(f"{rows.DOCUMENTS.select} WHERE doc = $1", ids.document(document_id))
    if found is None:
        return None
    row: rows.DocumentRow = rows.DocumentRow(*found)
    return DocumentNow(
        row.document_id, row.unit, KIND_NAMES[Kind(row.kind)], SOURCE_NAMES[row.source], row.e_brev, row.sent, row.count_from,
        row.deadline, row.due_at, row.open, row.rule, row.reason, _name(AppCopy(row.app)), _name(MailboxCopy(row.mailbox)),
        None if row.operator is None else OPERATORS[Operator(row.operator)], _name(PrintCopy(row.print)),
        _name(Settled(row.settled)), row.manual, row.files, row.app_since, row.app_until, row.changed, row.booking,
    )  # fmt: skip


async def journey(pool: Pool[Any], subject_id: str) -> Journey | None:
    """The journey of a document, else of a booking, else of a room with this id; None where there is none."""
    state = await document(pool, subject_id)
    if state is not None:
        return await _of_document(pool, state)
    return await _of_booking(pool, subject_id) or await _of_room(pool, subject_id)


async def _of_document(pool: Pool[Any], state: DocumentNow) -> Journey:
    doc = ids.document(state.document_id)
    deliveries = rows.DELIVERIES.rows(await pool.fetch(f"{rows.DELIVERIES.select} WHERE doc = $1 ORDER BY requested_at", doc))
    entry = await pool.fetchrow(f"{rows.PRINTS.select} WHERE entry = $1", ids.uid("print", state.document_id))
    carried = await _carried(pool, doc)
    given = await pool.fetch("SELECT role, since, until FROM recipients WHERE doc = $1 ORDER BY since", doc)
    return Journey(
        await _decisions(pool, "document", state.document_id, state.changed),
        document=state,
        deliveries=tuple(
            Delivery(
                str(d.delivery), CHANNELS[d.channel], OPERATORS[Operator(d.operator)], _name(MailboxCopy(d.state)), d.requested_at,
                d.answered_at, d.code, carried.get(str(d.delivery)),
            )
            for d in deliveries
        ),
        texts=tuple(one for one in carried.values() if one.channel == "sms"),
        print_entry=_entry(rows.PrintRow(*entry)) if entry is not None else None,
        recipients=tuple(Recipient(ROLE_NAMES[role], since, until) for role, since, until in given),
    )  # fmt: skip


async def _carried(pool: Pool[Any], subject: UUID) -> dict[str, Carried]:
    """By id, the first requested first."""
    found = await pool.fetch(
        "SELECT send, channel, kind, state, why, due_at, code, reference, requested_at, changed_at FROM sends"
        " WHERE subject = $1 ORDER BY requested_at, send",
        subject,
    )
    return {
        str(r["send"]): Carried(
            str(r["send"]), CHANNEL_NAMES[r["channel"]], r["kind"], State(r["state"]).name.lower(), r["why"], r["due_at"], r["code"],
            r["reference"], r["requested_at"], r["changed_at"], tuple(await tries(pool, r["send"])),
        )
        for r in found
    }  # fmt: skip


async def _of_booking(pool: Pool[Any], booking_id: str) -> Journey | None:
    found = await pool.fetchrow(f"{rows.BOOKINGS.select} WHERE booking = $1", ids.booking(booking_id))
    if found is None:
        return None
    row = rows.BookingRow(*found)
    state = BookingNow(
        row.booking_id, row.unit, row.version, STATUS_NAMES[BookingStatus(row.status)], None if row.dropped else row.start,
        row.minutes, row.hidden, VIDEO_NAMES[Video(row.video)], row.blocked, row.shown_app, row.shown_portal, row.dropped,
        row.room, row.due_at, row.changed,
    )  # fmt: skip
    texts = tuple((await _carried(pool, row.booking)).values())
    return Journey(await _decisions(pool, "booking", row.booking_id, row.changed), booking=state, texts=texts)


async def _of_room(pool: Pool[Any], room_id: str) -> Journey | None:
    try:
        room = UUID(room_id)
    except ValueError:
        return None
    found = await pool.fetchrow(f"{rows.ROOMS.select} WHERE room = $1", room)
    if found is None:
        return None
    row = rows.RoomRow(*found)
    state = RoomNow(
        str(row.room), row.unit, VIDEO_NAMES[Video(row.kind)], ROOM_STATES[RoomState(row.state)], row.active_at, row.opens_at,
        row.closes_at, row.opened_at, row.reason, row.due_at, row.changed,
    )  # fmt: skip
    members = await pool.fetch("SELECT booking_id FROM bookings WHERE room = $1 ORDER BY booking_id", room)
    decisions = await _decisions(pool, "room", str(row.room), row.changed)
    return Journey(decisions, room=state, booking_ids=tuple(member[0] for member in members))


async def _decisions(pool: Pool[Any], subject: str, subject_id: str, changed: int) -> tuple[Decided, ...]:
    """In the order in which they were made; a `changed` without a decision (a booking that changed hands) has none."""
    numbers = range(max(1, changed - DECISIONS_MAX + 1), changed + 1)
    wanted = [ids.uid("decision", subject, subject_id, str(number)) for number in numbers]
    found = {
        row[0]: Decided(row[1], orjson.loads(kept.event_of(row[3])), row[2])
        for row in await pool.fetch("SELECT decision, at, facts, event FROM decisions WHERE decision = ANY($1)", wanted)
    }
    return tuple(found[ident] for ident in wanted if ident in found)


def _entry(row: rows.PrintRow) -> PrintEntry:
    return PrintEntry(
        str(row.entry), _name(PrintCopy(row.state)), row.reason, row.entered, row.attachments, row.urgent, row.manual, row.relay,
        row.booking_state, row.outcome, row.closed_at, row.by_id,
    )  # fmt: skip


def _name(member: AppCopy | MailboxCopy | PrintCopy | Settled) -> str:
    return member.name.lower()
