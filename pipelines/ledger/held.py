"""What the hub's topics hold, folded to the last state of each subject, as a consumer that follows CONTRACTS.md would have it.

Repeats change nothing and a later `ce_sequence` wins, whatever the order in which records come.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol
from uuid import UUID

import orjson

from schemas.cloudevents import decode_record

APP_DOCUMENTS: Final = "app.documents.v1"
APP_BOOKINGS: Final = "app.bookings.v1"
PORTAL_BOOKINGS: Final = "portal.bookings.v1"
ROOMS: Final = "video.rooms.v1"
PRINTS: Final = "print.entries.v1"
DECISIONS: Final = "decisions.v1"
TOPICS: Final = (APP_DOCUMENTS, APP_BOOKINGS, PORTAL_BOOKINGS, ROOMS, PRINTS, DECISIONS)


KEPT: Final = frozenset({"outcome", "version", "state", "kind", "active_at", "opens_at", "closes_at", "reason", "entered", "action", "at"})
"""Fields that are compared; the rest (bodies before all) is forgotten while reading."""


class Record(Protocol):
    """What Kafka gives, as far as it is needed."""

    @property
    def topic(self) -> str: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Any: ...


class Said(NamedTuple):
    """The last that was said of one thing: how late, which event, its data."""

    sequence: int
    type: str
    data: dict[str, Any]


@dataclass(slots=True)
class Held:
    """The folded topics. `documents` by document id, `settled` likewise, bookings by topic and key, rooms by id, prints by entry."""

    documents: dict[str, Said] = field(default_factory=dict)
    settled: dict[str, Said] = field(default_factory=dict)
    bookings: dict[tuple[str, str], Said] = field(default_factory=dict)
    rooms: dict[str, Said] = field(default_factory=dict)
    prints: dict[str, Said] = field(default_factory=dict)
    handled: dict[str, list[Said]] = field(default_factory=dict)
    decisions: set[UUID] = field(default_factory=set)
    records: int = 0

    def add(self, record: Record) -> None:
        """One record of one of `TOPICS`. Raises `Malformed` for what the hub never writes."""
        self.records += 1
        key = (record.key or b"").decode()
        if record.value is None:
            self.bookings.pop((record.topic, key), None)
            if record.topic == ROOMS:
                self.rooms.pop(key, None)
            return
        envelope, value = decode_record(record.headers, record.value)
        if record.topic == DECISIONS:
            self.decisions.add(UUID(envelope.id))
            return
        data = orjson.loads(value)
        said = Said(int(envelope.sequence or 0), envelope.type, {name: data[name] for name in KEPT & data.keys()})
        if record.topic == APP_DOCUMENTS:
            target = self.settled if envelope.type == "document.settled.v1" else self.documents
            _keep(target, data["document_id"], said)
        elif record.topic in (APP_BOOKINGS, PORTAL_BOOKINGS):
            _keep(self.bookings, (record.topic, key), said)
        elif record.topic == ROOMS:
            _keep(self.rooms, key, said)
        elif envelope.type == "print.handled.v1":
            self.handled.setdefault(data["entry_id"], []).append(said)
        else:
            _keep(self.prints, data["entry_id"], said)

    def add_all(self, records: Iterable[Record]) -> None:
        for record in records:
            self.add(record)

    def print_is_open(self, entry: str) -> bool:
        """Whether an entry stands on the to-do list: entered, not settled, and not handled (or that was undone)."""
        said = self.prints.get(entry)
        if said is None or said.type != "print.entered.v1":
            return False
        marks = sorted(self.handled.get(entry, ()), key=_when)
        return not marks or marks[-1].data["action"] == "undone" or _entered(said) > _when(marks[-1])


def _keep(into: dict[Any, Said], key: Any, said: Said) -> None:
    known = into.get(key)
    if known is None or said.sequence >= known.sequence:
        into[key] = said


def _when(said: Said) -> datetime:
    return datetime.fromisoformat(said.data["at"])


def _entered(said: Said) -> datetime:
    return datetime.fromisoformat(said.data["entered"])
