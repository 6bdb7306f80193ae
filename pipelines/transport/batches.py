"""What an agent gets: the records of one partition that one fetch brought, as they came, with their acknowledgement.

The acknowledgement travels with the records, so that whoever finishes them needs to know nothing about Faust or
offsets. Records are aiokafka's `ConsumerRecord`: `topic, partition, offset, timestamp (ms), timestamp_type (0 create,
1 append), key, value, headers`, bytes undecoded. They are personal data: no `repr` here shows them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from aiokafka.structs import ConsumerRecord


def _nothing() -> None:
    """Records that did not come from Kafka (tests, what-if) have nothing to acknowledge."""


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """At most `records_max` records of one partition, in order of offset, never none."""

    topic: str
    partition: int
    records: Sequence[ConsumerRecord] = field(repr=False)
    acknowledge: Callable[[], None] = field(default=_nothing, repr=False, compare=False)
    """Say that all of it is decided, stored and delivered. Again, or for a revoked partition: nothing happens."""

    def __len__(self) -> int:
        return len(self.records)


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """How far a partition of ours is behind, for metrics and for the watchdog."""

    topic: str
    partition: int
    records: int
    """From the first record that is not acknowledged to the end of the partition."""
    oldest_ms: int | None
    """Kafka's time of the oldest record that was fetched and is not acknowledged; None when none is held."""
    committed: int | None
    """The last offset this process committed; None before the first."""
