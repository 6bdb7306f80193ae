"""The ledger's hot rows as mutable records, and the statements that write them.

New rows go in by COPY in id order (deadlocks between workers), changed ones by one UPDATE over arrays. Column lists stand here
once; a test compares them with the migrated tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

from pipelines.ledger import Connection


@dataclass(slots=True)
class PersonRow:
    """P1-P4, P8: what the register said. `protection` is of this number, `inherited` the strongest of its old and linked ones.

    `inherited_from`: JSON, each of those by a keyed hash that only this row has (see `People._hear`).
    """

    person: UUID
    pid: str
    name: str | None = None
    born: date | None = None
    protection: int = 0
    inherited: int = 0
    deceased: date | None = None
    emigrated: bool = False
    address: bytes | None = None
    as_of: datetime | None = None
    confirmed_at: datetime | None = None
    silent_at: datetime | None = None
    inherited_from: bytes | None = None


@dataclass(slots=True)
class AccountRow:
    person: UUID
    state: int
    phone: str | None
    by_id: str | None
    by_role: str | None
    changed_at: datetime
    as_of: datetime


@dataclass(slots=True)
class AgentRow:
    patient: UUID
    agent: UUID
    relation: int
    state: int
    until: date | None
    as_of: datetime


@dataclass(slots=True)
class MailboxRow:
    person: UUID
    sender: str
    operator: int
    accepts: bool
    as_of: datetime


@dataclass(slots=True)
class DocumentRow:
    """One document. What each column means stands in the migration."""

    doc: UUID
    document_id: str
    person: UUID
    unit: str
    digest: UUID
    content: bytes | None
    booking: UUID | None
    sent: datetime
    count_from: datetime
    deadline: datetime | None
    due_at: datetime | None
    app_since: datetime | None
    app_until: datetime | None
    changed: int
    size: int
    kind: int
    source: int
    e_brev: bool
    code: int
    attachments: int
    files: int
    app: int
    mailbox: int
    operator: int | None
    print: int
    settled: int
    manual: bool
    relay: bool
    open: bool
    reason: str | None
    rule: str


@dataclass(slots=True)
class BookingRow:
    """One booking. What each column means stands in the migration."""

    booking: UUID
    booking_id: str
    person: UUID
    unit: str
    digest: UUID
    version: int
    status: int
    start: datetime
    minutes: int
    time_type: str
    resource: str
    hidden: bool
    video: int
    blocked: bool
    till_at: datetime | None
    video_since: datetime | None
    rebooked_at: datetime | None
    shown_app: bool
    shown_portal: bool
    notified: bool
    reminded: bool
    wanted: bool
    dropped: bool
    room: UUID | None
    due_at: datetime | None
    changed: int
    content: bytes | None
    partition_by: str | None = None


@dataclass(slots=True)
class RoomRow:
    room: UUID
    kind: int
    state: int
    unit: str
    resource: str
    partition_by: str
    active_at: datetime
    opens_at: datetime
    closes_at: datetime
    opened_at: datetime | None
    due_at: datetime | None
    changed: int
    reason: str | None


@dataclass(slots=True)
class PrintRow:
    entry: UUID
    doc: UUID
    unit: str
    kind: int
    reason: str
    entered: datetime
    state: int
    attachments: int
    urgent: bool
    manual: bool
    relay: bool
    booking_state: str | None
    outcome: str | None
    closed_at: datetime | None
    by_id: str | None
    escalated_at: datetime | None


@dataclass(slots=True)
class DeliveryRow:
    delivery: UUID
    doc: UUID
    channel: int
    operator: int
    state: int
    requested_at: datetime
    answered_at: datetime | None
    code: str | None


@dataclass(frozen=True, slots=True)
class Table:
    """How one kind of row is read, copied in and updated. `keys` are never updated."""

    name: str
    row: type
    keys: tuple[str, ...]
    types: tuple[str, ...]
    fixed: frozenset[str] = frozenset()

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(field.name for field in fields(self.row))


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


class Writer:
    """The three statements of one table, built once."""

    def __init__(self, table: Table) -> None:
        self.table = table
        columns = table.columns
        self._columns = columns
        self._values = attrgetter(*columns)
        self._key = attrgetter(*table.keys)
        self.select: Final = f"SELECT {_quoted(columns)} FROM {table.name}"
        moving = [name for name in columns if name not in table.keys and name not in table.fixed]
        kinds = dict(zip(columns, table.types, strict=True))
        self._update_values = attrgetter(*table.keys, *moving)
        arrays = ", ".join(f"${number}::{kinds[name]}[]" for number, name in enumerate((*table.keys, *moving), 1))
        settings = ", ".join(f'"{name}" = n."{name}"' for name in moving)
        matches = " AND ".join(f't."{name}" = n."{name}"' for name in table.keys)
        self.update: Final = (
            f"UPDATE {table.name} AS t SET {settings} FROM unnest({arrays}) AS n({_quoted((*table.keys, *moving))}) WHERE {matches}"
        )
        everything = ", ".join(f"${number}::{kind}[]" for number, kind in enumerate(table.types, 1))
        changing = [name for name in columns if name not in table.keys]
        self.upsert: Final = (
            f"INSERT INTO {table.name} ({_quoted(columns)}) SELECT * FROM unnest({everything}) "
            f"ON CONFLICT ({_quoted(table.keys)}) DO UPDATE SET "
            + ", ".join(f'"{name}" = excluded."{name}"' for name in changing)
        )

    def rows(self, records: Iterable[Sequence[Any]]) -> list[Any]:
        """Records of `select` as rows."""
        make = self.table.row
        return [make(*record) for record in records]

    async def insert(self, connection: Connection, rows: Iterable[Any]) -> None:
        """COPY new rows in key order; the ids must not be there yet."""
        ordered = sorted(rows, key=self._key)
        if ordered:
            await connection.copy_records_to_table(
                self.table.name, records=map(self._values, ordered), columns=self._columns
            )

    async def change(self, connection: Connection, rows: Iterable[Any]) -> None:
        """Write the moving columns of rows that are there."""
        ordered = sorted(rows, key=self._key)
        if ordered:
            await connection.execute(self.update, *map(list, zip(*map(self._update_values, ordered), strict=True)))

    async def put(self, connection: Connection, rows: Iterable[Any]) -> None:
        """Insert or replace rows of tables that few events change."""
        ordered = sorted(rows, key=self._key)
        if ordered:
            await connection.execute(self.upsert, *map(list, zip(*map(self._values, ordered), strict=True)))


def _types(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_T: Final = "timestamptz"
PERSONS: Final = Writer(
    Table("persons", PersonRow, ("person",), _types(f"uuid text text date int2 int2 date bool bytea {_T} {_T} {_T} bytea"))
)
ACCOUNTS: Final = Writer(Table("accounts", AccountRow, ("person",), _types(f"uuid int2 text text text {_T} {_T}")))
AGENTS: Final = Writer(
    Table("agents", AgentRow, ("patient", "agent", "relation"), _types(f"uuid uuid int2 int2 date {_T}"))
)
MAILBOXES: Final = Writer(
    Table("mailboxes", MailboxRow, ("person", "sender", "operator"), _types(f"uuid text int2 bool {_T}"))
)
DOCUMENTS: Final = Writer(
    Table(
        "documents",
        DocumentRow,
        ("doc",),
        _types(
            f"uuid text uuid text uuid bytea uuid {_T} {_T} {_T} {_T} {_T} {_T} int4 int4 int2 int2 bool int2 int2 int2 "
            "int2 int2 int2 int2 int2 bool bool bool text text"
        ),
        frozenset(
            {"document_id", "person", "unit", "digest", "content", "booking", "sent", "size", "kind", "source", "e_brev"}
            | {"code", "attachments", "files"}
        ),
    )
)
BOOKINGS: Final = Writer(
    Table(
        "bookings",
        BookingRow,
        ("booking",),
        _types(
            f"uuid text uuid text uuid int8 int2 {_T} int4 text text bool int2 bool {_T} {_T} {_T} bool bool bool bool "
            f"bool bool uuid {_T} int4 bytea text"
        ),
        frozenset({"booking_id"}),
    )
)
ROOMS: Final = Writer(
    Table("rooms", RoomRow, ("room",), _types(f"uuid int2 int2 text text text {_T} {_T} {_T} {_T} {_T} int4 text"))
)
PRINTS: Final = Writer(
    Table(
        "print_entries",
        PrintRow,
        ("entry",),
        _types(f"uuid uuid text int2 text {_T} int2 int2 bool bool bool text text {_T} text {_T}"),
    )
)
DELIVERIES: Final = Writer(
    Table("deliveries", DeliveryRow, ("delivery",), _types(f"uuid uuid int2 int2 int2 {_T} {_T} text"))
)
