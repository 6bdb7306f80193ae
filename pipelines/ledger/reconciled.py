"""What the ledger and its inbox table know of the documents of a span, as `pipelines.reconcile` counts them. Plain SQL, no person."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final, TypeVar
from uuid import UUID

from asyncpg import Pool, Record

from pipelines import ids
from pipelines.ledger import Connection
from pipelines.outputs import OPERATORS
from pipelines.reconcile import APP, SMS, Carried, Entry, Inbox, Kept, Row, Span, Told
from pipelines.rules.model import AppCopy, MailboxCopy, Operator, PrintCopy, Settled
from pipelines.rules.sending import KEEPERS, State

CHUNK: Final = 5_000
PREFETCH_ROWS: Final = 2_000
Advance = Callable[[int], None]
Value = TypeVar("Value")

_ROWS: Final = """
SELECT document_id, sent, changed > 0 AS counted, app, app_since, print, settled, open, due_at FROM documents
"""
_DELIVERIES: Final = """
SELECT l.delivery, d.document_id, l.operator, l.state AS copy, s.state, l.requested_at,
       greatest(s.changed_at, l.answered_at, l.requested_at) AS changed_at,
       (SELECT max(a.began) FROM attempts a WHERE a.send = s.send AND a.outcome IS DISTINCT FROM 'ruled_accepted'
           AND a.outcome IS DISTINCT FROM 'ruled_refused' AND a.outcome IS DISTINCT FROM 'ruled_resend') AS tried_at,
       coalesce(s.told >= s.answers, true) AS all_told, s.due_at IS NOT NULL OR s.slot IS NOT NULL AS kept, s.reference
  FROM documents d JOIN deliveries l ON l.doc = d.doc LEFT JOIN sends s ON s.send = l.delivery
 WHERE d.sent >= $1 AND d.sent < $2
"""
_TEXTS: Final = """
SELECT s.send AS delivery, d.document_id, NULL::smallint AS operator, NULL::smallint AS copy, s.state, s.requested_at, s.changed_at,
       (SELECT max(a.began) FROM attempts a WHERE a.send = s.send) AS tried_at,
       true AS all_told, s.due_at IS NOT NULL OR s.slot IS NOT NULL AS kept, s.reference
  FROM documents d JOIN sends s ON s.subject = d.doc AND s.channel = 3 AND s.kind = 'document'
 WHERE d.sent >= $1 AND d.sent < $2
"""
_ENTRIES: Final = """
SELECT e.entry, d.document_id, e.entered FROM documents d JOIN print_entries e ON e.entry = ANY($1) AND e.doc = d.doc
"""
"""By the entries' own ids, which are made of the document's: there is no index by document."""


async def kept(pool: Pool[Any], told: Told, got: Mapping[str, Inbox], span: Span, advance: Advance = lambda count: None) -> Kept:
    """One snapshot. Read after the topics and the peers, so that the ledger is the newer."""
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        seen = await _seen(connection, told)
        dead = await _dead(connection, told)
        rows = await _rows(connection, told, span, advance)
        carried = [_carried(row) async for row in connection.cursor(_DELIVERIES, span.first, span.last, prefetch=PREFETCH_ROWS)]
        carried += [_carried(row) async for row in connection.cursor(_TEXTS, span.first, span.last, prefetch=PREFETCH_ROWS)]
        entries = await _entries(connection, rows)
        known = await _known(connection, got, span)
    return Kept(seen, dead, rows, tuple(carried), tuple(entries), known)


async def _seen(connection: Connection, told: Told) -> set[UUID]:
    found: set[UUID] = set()
    for part in _parts({came.event for came in told.came if came.event is not None}):
        found |= {row[0] for row in await connection.fetch("SELECT event FROM inbox WHERE event = ANY($1)", part)}
    return found


async def _dead(connection: Connection, told: Told) -> set[tuple[str, int, int]]:
    found: set[tuple[str, int, int]] = set()
    for part in _parts([came.place for came in told.came]):
        letters = [ids.uid("dead-letter", topic, str(partition), str(offset)) for topic, partition, offset in part]
        sql = 'SELECT topic, partition, "offset" FROM dead_letters WHERE letter = ANY($1)'
        found |= {(row[0], row[1], row[2]) for row in await connection.fetch(sql, letters)}
    return found


async def _rows(connection: Connection, told: Told, span: Span, advance: Advance) -> dict[str, Row]:
    """Those sent in the span, and those that a record of the span names though they came first before it."""
    found: dict[str, Row] = {}
    held: list[Record] = []
    async for row in connection.cursor(f"{_ROWS} WHERE sent >= $1 AND sent < $2", span.first, span.last, prefetch=PREFETCH_ROWS):
        held.append(row)
        advance(1)
    missing = {came.document_id for came in told.came if came.document_id is not None} - {row["document_id"] for row in held}
    for part in _parts(missing):
        held += await connection.fetch(f"{_ROWS} WHERE doc = ANY($1)", [ids.document(name) for name in part])
    for some in _parts(held):
        first = {ids.uid("decision", "document", row["document_id"], "1"): row["document_id"] for row in some if row["counted"]}
        there = await connection.fetch("SELECT decision FROM decisions WHERE decision = ANY($1)", list(first))
        decided = {first[row[0]] for row in there}
        for row in some:
            name = row["document_id"]
            found[name] = Row(
                name, row["sent"], name in decided, AppCopy(row["app"]), row["app_since"], PrintCopy(row["print"]), Settled(row["settled"]),
                row["open"], row["due_at"],
            )  # fmt: skip
    return found


async def _entries(connection: Connection, rows: Mapping[str, Row]) -> list[Entry]:
    found: list[Entry] = []
    for part in _parts([name for name, row in rows.items() if row.printed is not PrintCopy.NEVER]):
        found += [Entry(*row) for row in await connection.fetch(_ENTRIES, [ids.uid("print", name) for name in part])]
    return found


async def _known(connection: Connection, got: Mapping[str, Inbox], span: Span) -> set[str]:
    """Of what peers say arrived in the span: the ids and references that sends of ours have."""
    named = {about for name, inbox in got.items() if name != APP for about, first in inbox.firsts.items() if span.has(first)}
    found: set[str] = set()
    for part in _parts(named):
        own = [ident for ident in map(_uuid, part) if ident is not None]
        found |= {str(row[0]) for row in await connection.fetch("SELECT send FROM sends WHERE send = ANY($1)", own)}
        sql = "SELECT reference FROM sends WHERE reference = ANY($1) AND changed_at >= $2"
        found |= {row[0] for row in await connection.fetch(sql, part, span.first)}
    return found


def _carried(row: Record) -> Carried:
    state = None if row["state"] is None else State(row["state"])
    if row["copy"] is None:
        channel = inbox = SMS
    else:
        inbox = OPERATORS[Operator(row["operator"])]
        channel = "kivra" if inbox == "kivra" else "mina_meddelanden"
    kept_by = bool(row["kept"]) if state is not None and KEEPERS[state] in ("timer", "owner") else False
    return Carried(
        row["delivery"], row["document_id"], channel, inbox, None if row["copy"] is None else MailboxCopy(row["copy"]), state,
        row["requested_at"], row["changed_at"], row["tried_at"], row["all_told"], kept_by, row["reference"],
    )  # fmt: skip


def _parts(items: Iterable[Value]) -> Iterator[list[Value]]:
    rest = iter(items)
    while part := list(islice(rest, CHUNK)):
        yield part


def _uuid(text: str) -> UUID | None:
    try:
        return ids.of_text(text)
    except ValueError:
        return None
