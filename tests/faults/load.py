"""What is published while faults happen: sample days, and between their events news that takes back what was said.

A sample alone adds; order is only tried by what reverses: accounts that are blocked and opened again (R15, B8), and protections that
become known (P10), each right after documents of the same people.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count
from random import Random
from typing import Any

from hub.sample import Event, residents, residents_for, sample_day
from hub.sample.people import Resident, people
from schemas.clock import Clock

NEWS = "urn:sample:news"
EVERY = 6
"""So many events of the day to one piece of news."""
PROTECTED_SHARE = 0.1
UNIT = "SE2321000016-A1"


class Load:
    """Days of one seed after another; the same residents for all of them."""

    def __init__(self, seed: int, documents: int, clock: Clock) -> None:
        self.day = clock.now().date()
        self._seed = seed
        self._documents = documents
        self._clock = clock
        self._rng = Random(f"load {seed}")
        self._numbers = count()
        everybody = people(seed, residents_for(documents), self.day.year)
        self._app = [each for each in everybody if each.kind.name.startswith("app")]
        self._blocked: set[str] = set()
        self._receipts: list[Event] = []
        self._protected: set[str] = set()

    def residents(self) -> Iterator[Event]:
        """Publish these first, and wait until they are taken in."""
        return residents(self._seed, residents_for(self._documents), self.day.year)

    def events(self) -> Iterator[Event]:
        """A day with its news. Receipts are kept for `read_now`: one that overtakes its document would be a dead letter."""
        for number, event in enumerate(sample_day(self._seed, self._documents, self.day)):
            if event.phase == "receipts":
                self._receipts.append(event)
                continue
            yield event
            if number % EVERY == 0:
                yield from self._news()

    def read_now(self) -> Iterator[Event]:
        """The receipts of what was read, read at this moment of the hub's clock."""
        now = _text(self._clock.now())
        for event in self._receipts:
            yield event._replace(data=event.data | {"read_at": now})

    def _news(self) -> Iterator[Event]:
        who = self._app[int(self._rng.random() * len(self._app))]
        if who.pid in self._protected:
            return
        if self._rng.random() < PROTECTED_SHARE:
            self._protected.add(who.pid)
            yield self._event(who, "persons.v1", "person.changed.v1", _protected(who))
        elif who.pid in self._blocked:
            self._blocked.discard(who.pid)
            by = {"id": "SE2321000016-1001", "role": "staff"}
            data = {"patient": who.pid, "account": "active", "phone": who.phone, "by": by, "present": UNIT}
            yield self._event(who, "accounts.v1", "account.changed.v1", data)
        else:
            self._blocked.add(who.pid)
            data = {"patient": who.pid, "account": "blocked", "phone": who.phone, "by": {"id": "resident", "role": "resident"}}
            yield self._event(who, "accounts.v1", "account.changed.v1", data)

    def _event(self, who: Resident, topic: str, ce_type: str, data: dict[str, Any]) -> Event:
        now = self._clock.now() + timedelta(milliseconds=next(self._numbers))
        return Event(
            "day", topic, ce_type, f"news {self._seed} {next(self._numbers)}", NEWS, now, who.pid, data | {"as_of": _text(now)}
        )


def malformed(seed: int, number: int, now: datetime) -> Event:
    """A letter that says almost nothing."""
    data = {"document_id": f"malformed-{seed}-{number}", "kind": "brev"}
    return Event("day", "ehr.letters.v1", "document.submitted.v1", f"malformed {seed} {number}", "urn:sample:takecare", now, "x", data)


def _protected(who: Resident) -> dict[str, Any]:
    known: dict[str, Any] = {"patient": who.pid, "name": who.name, "protection": "sekretessmarkering", "deceased": None}
    return known | {"emigrated": False, "linked": [], "address": None}


def _text(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
