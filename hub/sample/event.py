"""An event of the sample: what goes to which topic, before it has bytes, key and headers."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple, TypeVar

Phase = Literal["residents", "day", "receipts"]
"""What stands in one phase supposes that the phases before have been taken in.

Topics have no common order: a read receipt that overtakes its document would be a dead letter, rightly so.
"""

Row = TypeVar("Row")


class Event(NamedTuple):
    """One CloudEvent of the sample. `patient` is what its key is made from; the data is plain JSON values."""

    phase: Phase
    topic: str
    type: str
    id: str
    source: str
    time: datetime
    patient: str
    data: dict[str, Any]


def wheel(rows: Sequence[tuple[Row, float]], places: int = 1_000) -> tuple[Row, ...]:
    """A table of weights as a tuple to pick from with one random number; every row has a place at least."""
    total = sum(weight for _, weight in rows)
    return tuple(row for row, weight in rows for _ in range(max(1, round(weight / total * places))))
