"""One transaction's world: what it may look at, and what it will write. Filled and emptied by `work.Work`.

The modules that apply commands (people, documents, bookings, rooms) get this and nothing else, so each can be read alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from pipelines.commands import Refused
from pipelines.ledger import Connection
from pipelines.outputs import Outbox
from pipelines.rules.model import Person
from schemas.cloudevents import PersonKeys
from schemas.policy import Limits, Policy

Decision = tuple[UUID, UUID, datetime, int, bytes, bytes]
"""A row to be: id, subject, time, the kind of subject, frozen facts, the event."""


@dataclass(slots=True)
class Change:
    """Rows of one kind that this transaction makes (`new`) or changes (`old`); a new row that changes again stays new."""

    new: dict[UUID, Any] = field(default_factory=dict)
    old: dict[UUID, Any] = field(default_factory=dict)

    def touch(self, key: UUID, row: Any) -> None:
        if key not in self.new:
            self.old[key] = row


@dataclass(slots=True)
class Context:
    """`now` is the hub's clock at the start; every decision of the transaction uses it."""

    connection: Connection
    now: datetime
    policy: Policy
    keys: PersonKeys
    person_uid: Callable[[str], UUID]
    out: Outbox
    sender: str
    people: dict[UUID, Person] = field(default_factory=dict)
    current: dict[UUID, UUID] = field(default_factory=dict)
    documents: Change = field(default_factory=Change)
    bookings: Change = field(default_factory=Change)
    rooms: Change = field(default_factory=Change)
    prints: Change = field(default_factory=Change)
    deliveries: Change = field(default_factory=Change)
    contents: dict[bytes, bytes] = field(default_factory=dict)
    attachments: list[tuple[UUID, bytes]] = field(default_factory=list)
    recipients: list[tuple[UUID, UUID, int, datetime]] = field(default_factory=list)
    lapsed: list[tuple[UUID, UUID]] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    events: list[UUID] = field(default_factory=list)
    look_ups: set[UUID] = field(default_factory=set)
    reach: set[UUID] = field(default_factory=set)
    held_traces: dict[UUID, str] = field(default_factory=dict)
    counts: dict[tuple[str, str, str], int] = field(default_factory=dict)
    _limits: dict[str, Limits] = field(default_factory=dict)

    def limits(self, unit: str) -> Limits:
        found = self._limits.get(unit)
        if found is None:
            found = self._limits[unit] = self.policy.unit(unit).limits
        return found

    def of(self, person: UUID) -> Person:
        """The facts of the one an event is about, under their current number (P2, P4)."""
        return self.people.get(self.current.get(person, person)) or self.people[person]

    def resolve(self, person: UUID) -> UUID:
        return self.current.get(person, person)

    def key(self, person: Person) -> str:
        return self.keys.key(person.pid)

    def refuse(self, command: Any, kind: Any, cause: str) -> None:
        origin = command.origin
        self.refused.append(Refused(origin.topic, origin.partition, origin.offset, kind, cause, command.record))

    def count(self, subject: str, rule: str, outcome: str) -> None:
        key = (subject, rule, outcome)
        self.counts[key] = self.counts.get(key, 0) + 1

