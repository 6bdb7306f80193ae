"""What the stand-in register knows of people, and how often it was asked. Pure.

It knows whom `persons.v1` and `POST /people` told of. A record keeps its own `as_of`: an answer is no news, it confirms.
"""

from collections import Counter, OrderedDict
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

PEOPLE_MAX: Final = 500_000


class Register:
    """Person id → the newest record (the data of a `person.changed.v1`) and its `as_of`."""

    def __init__(self) -> None:
        self._records: OrderedDict[str, tuple[datetime, Mapping[str, Any]]] = OrderedDict()
        self.asked: Counter[str] = Counter()

    def learn(self, patient: str, as_of: datetime, data: Mapping[str, Any]) -> bool:
        """Take news in; older news is ignored whole, of equal age the later counts."""
        known = self._records.get(patient)
        if known is not None and as_of < known[0]:
            return False
        self._records[patient] = (as_of, data)
        if len(self._records) > PEOPLE_MAX:
            self._records.popitem(last=False)
        return True

    def look_up(self, patient: str) -> Mapping[str, Any] | None:
        """The record of a person, counting the question."""
        self.asked[patient] += 1
        return self.record(patient)

    def record(self, patient: str) -> Mapping[str, Any] | None:
        """The record of a person, for the stand-ins themselves."""
        found = self._records.get(patient)
        return None if found is None else found[1]

    def as_of(self, patient: str) -> datetime | None:
        """When the record is of."""
        found = self._records.get(patient)
        return None if found is None else found[0]

    def name(self, patient: str) -> str:
        """The name to show; of a protected person none (P1)."""
        record = self.record(patient)
        if record is None:
            return "–"
        return "Dold uppgift" if record["protection"] != "none" else str(record["name"])

    def people(self, count: int) -> list[tuple[str, Mapping[str, Any]]]:
        """The first `count` people with their records."""
        return [(patient, row[1]) for (patient, row), _ in zip(self._records.items(), range(count), strict=False)]

    def __contains__(self, patient: str) -> bool:
        return patient in self._records

    def __len__(self) -> int:
        return len(self._records)
