"""The read side of the ledger: what the command line, the gateway and the console ask. Plain SQL, named results, no decisions.

Names and numbers of people stand only in the lists that staff work from (`print_list`, `ring_list`), and there not of protected or
unconfirmed people unless the caller says that whoever looks may see them (P1, P8).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

from asyncpg import Pool

from pipelines.commands import KIND_NAMES, KINDS
from pipelines.ledger import gateway
from pipelines.ledger.journey import Journey, document, journey
from pipelines.rules import deadline
from pipelines.rules.model import (
    AttachmentVerdict,
    BookingStatus,
    CodeVerdict,
    Document,
    Kind,
    MailboxCopy,
    PrintCopy,
    RoomState,
    Visit,
)
from schemas.policy import Limits, Policy

__all__ = [
    "Counts", "Due", "Journey", "PrintItem", "RingItem", "account_state", "attachment_for", "document", "due", "journey",
    "print_list", "ring_list", "status_counts",
]  # fmt: skip

ROWS_MAX: Final = 1_000
RING_AHEAD: Final = timedelta(days=60)
"""No paper lead of the settings is longer than this; visits further away are nobody's hurry."""

Status = Literal["open", "history", "all"]


async def account_state(pool: Pool[Any], person: UUID) -> int | None:
    """The account of the person, followed to the current number (P4); None where none was ever told."""
    return await pool.fetchval(  # type: ignore[no-any-return]
        "SELECT state FROM accounts WHERE person = coalesce((SELECT current FROM aliases WHERE old = $1), $1)", person
    )


async def attachment_for(pool: Pool[Any], reader: UUID, sha: bytes, policy: Policy, now: datetime) -> bytes | None:
    """The attachment, if the reader may read a document that has it now."""
    found = await gateway.attachment_for(pool, reader, sha, policy, now)
    return found.data if found is not None else None


# --- deadlines ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Due:
    """Something the timer will look at. `what`: `print` is the fallback of R10, R11 or R14, `review` another look."""

    at: datetime
    subject: Literal["document", "booking", "room"]
    subject_id: str
    unit: str
    what: Literal["print", "review", "activate", "close"]
    rule: str | None


_DUE: Final = """
SELECT * FROM (
    (SELECT due_at, 'document' AS subject, document_id AS id, unit,
            CASE WHEN due_at = deadline THEN 'print' ELSE 'review' END AS what, rule
       FROM documents WHERE due_at <= $1 AND ($2::text IS NULL OR unit = $2) ORDER BY due_at LIMIT $3)
    UNION ALL
    (SELECT due_at, 'booking', booking_id, unit, 'review', NULL
       FROM bookings WHERE due_at <= $1 AND ($2::text IS NULL OR unit = $2) ORDER BY due_at LIMIT $3)
    UNION ALL
    (SELECT due_at, 'room', room::text, unit, CASE WHEN state = $4 THEN 'activate' ELSE 'close' END, NULL
       FROM rooms WHERE due_at <= $1 AND ($2::text IS NULL OR unit = $2) ORDER BY due_at LIMIT $3)
) AS found ORDER BY due_at, id LIMIT $3
"""


async def due(pool: Pool[Any], now: datetime, within: timedelta, unit: str | None = None, limit: int = ROWS_MAX) -> list[Due]:
    """What falls due until `now + within`, the earliest first; what is overdue too."""
    return [Due(*row) for row in await pool.fetch(_DUE, now + within, unit, limit, int(RoomState.SCHEDULED))]


# --- one screen -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Counts:
    """What `hub status` shows of the ledger."""

    due_24h: int
    overdue: int
    next_due: datetime | None
    dead_letters: int
    unknown_outcomes: int
    print_open: int
    lookups: int
    outbox_rows: int
    outbox_age_s: float


_COUNTS: Final = """
SELECT (SELECT count(*) FROM documents WHERE due_at <= $1::timestamptz + interval '24 hours')
       + (SELECT count(*) FROM bookings WHERE due_at <= $1::timestamptz + interval '24 hours')
       + (SELECT count(*) FROM rooms WHERE due_at <= $1::timestamptz + interval '24 hours'),
       (SELECT count(*) FROM documents WHERE due_at <= $1) + (SELECT count(*) FROM bookings WHERE due_at <= $1)
       + (SELECT count(*) FROM rooms WHERE due_at <= $1),
       least((SELECT min(due_at) FROM documents WHERE due_at IS NOT NULL),
             (SELECT min(due_at) FROM bookings WHERE due_at IS NOT NULL),
             (SELECT min(due_at) FROM rooms WHERE due_at IS NOT NULL)),
       (SELECT count(*) FROM dead_letters WHERE state = 0),
       (SELECT count(*) FROM documents WHERE open AND mailbox = $2),
       (SELECT count(*) FROM print_entries WHERE state = $3),
       (SELECT count(*) FROM lookups),
       (SELECT count(*) FROM outbox),
       coalesce((SELECT extract(epoch FROM clock_timestamp() - min(at))::float8 FROM outbox), 0)
"""


async def status_counts(pool: Pool[Any], now: datetime) -> Counts:
    """Due and overdue rows, dead letters, unknown outcomes, the print queue, who waits for the register, what is unpublished."""
    row = await pool.fetchrow(_COUNTS, now, int(MailboxCopy.UNKNOWN), int(PrintCopy.OPEN))
    assert row is not None
    return Counts(*row)


# --- lists that staff work from -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PrintItem:
    """Q1: one row of the print queue. A masked one has neither name nor number nor title (P1, P8)."""

    entry_id: str
    document_id: str
    unit: str
    kind: str
    masked: bool
    name: str | None
    pid: str | None
    title: str | None
    sent: datetime
    entered: datetime
    attachments: int
    reason: str
    urgent: bool
    manual: bool
    relay: bool
    booking_state: str | None
    state: str
    outcome: str | None
    closed_at: datetime | None
    by: str | None


_MASKED: Final = "(greatest(p.protection, p.inherited) > 0 OR p.confirmed_at IS NULL)"
_PRINTS: Final = f"""
SELECT e.entry::text, d.document_id, e.unit, e.kind, {_MASKED}, p.name, p.pid,
       convert_from(c.data, 'UTF8')::json ->> 'title',
       d.sent, e.entered, e.attachments, e.reason, e.urgent, e.manual, e.relay, e.booking_state, e.state, e.outcome, e.closed_at,
       e.by_id
  FROM print_entries e JOIN documents d USING (doc) JOIN persons p ON p.person = d.person
       LEFT JOIN contents c ON c.sha = d.content
 WHERE e.unit = $1 AND ($2::int2 IS NULL OR e.state = $2) AND ($3::int2 IS NULL OR e.state <> $3)
   AND ($4::int2 IS NULL OR e.kind = $4)
 ORDER BY e.urgent DESC, e.entered, e.entry LIMIT $5
"""


async def print_list(
    pool: Pool[Any], unit: str, status: Status = "open", kind: str | None = None, *, unmask: bool = False, limit: int = ROWS_MAX
) -> list[PrintItem]:
    """Q1, Q2: a unit's print queue. `unmask`: whoever looks has the permission for protected identities, and it is logged."""
    is_open = int(PrintCopy.OPEN)
    wanted = (is_open if status == "open" else None, is_open if status == "history" else None)
    found = await pool.fetch(_PRINTS, unit, *wanted, None if kind is None else int(KINDS[kind]), limit)
    items = []
    for entry, doc, of, number, masked, name, pid, title, *rest in found:
        shown = (name, pid, title) if unmask or not masked else (None, None, None)
        values = list(rest)
        values[8] = PrintCopy(values[8]).name.lower()
        items.append(PrintItem(entry, doc, of, KIND_NAMES[Kind(number)], masked, *shown, *values))
    return items


@dataclass(frozen=True, slots=True)
class RingItem:
    """R14: somebody to ring, as paper would come too late."""

    document_id: str
    booking_id: str
    unit: str
    start: datetime
    masked: bool
    name: str | None
    pid: str | None
    phone: str | None


_RING: Final = f"""
SELECT d.document_id, b.booking_id, d.unit, b.start, {_MASKED}, p.name, p.pid,
       coalesce(a.phone, convert_from(b.content, 'UTF8')::json ->> 'phone'),
       d.e_brev, d.sent, d.count_from, b.status, d.print, e.closed_at
  FROM documents d JOIN bookings b ON b.booking = d.booking AND b.person = d.person AND NOT b.dropped
       JOIN persons p ON p.person = d.person LEFT JOIN accounts a ON a.person = d.person
       LEFT JOIN print_entries e ON e.doc = d.doc
 WHERE d.unit = $1 AND d.kind = $2 AND d.settled = 0 AND d.e_brev AND p.deceased IS NULL
   AND d.booking IN (SELECT booking FROM bookings WHERE start > $3 AND start < $4 AND status <> $5)
   AND (d.open OR d.print = $6)
 ORDER BY b.start, d.document_id
"""


async def ring_list(
    pool: Pool[Any], unit: str, now: datetime, limits: Limits, *, unmask: bool = False, limit: int = ROWS_MAX
) -> list[RingItem]:
    """R14: kallelser that are neither read nor accepted and whose visit is nearer than paper needs. The rule decides, row by row."""
    found = await pool.fetch(
        _RING, unit, int(Kind.KALLELSE), now, now + RING_AHEAD, int(BookingStatus.CANCELLED), int(PrintCopy.HANDLED)
    )
    items: list[RingItem] = []
    for doc, booking, of, start, masked, name, pid, phone, e_brev, sent, count_from, status, printed, handled_at in found:
        facts = Document(
            Kind.KALLELSE, e_brev, CodeVerdict.NOT_NEEDED, AttachmentVerdict.RIGHT, 0, sent, count_from,
            Visit(start, BookingStatus(status)), print=PrintCopy(printed), handled_at=handled_at,
        )  # fmt: skip
        if deadline.rings(None, facts, limits, now):
            shown = (name, pid, phone) if unmask or not masked else (None, None, None)
            items.append(RingItem(doc, booking, of, start, masked, *shown))
    return items[:limit]
