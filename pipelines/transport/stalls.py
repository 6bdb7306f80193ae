"""When a partition has stopped for no good reason.

Faust and aiokafka have known ways to stop fetching, or committing, without an error (faust-streaming issues 175, 596,
629, 640). The only cure is another process, and the only sign is that something is left to do and nothing moves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipelines.transport.progress import Partition


@dataclass(frozen=True, slots=True)
class Mark:
    """A partition as seen at one moment. All of `end`, `position`, `acknowledged`, `committed` are offsets."""

    end: int
    position: int
    acknowledged: int
    committed: int | None

    @property
    def behind(self) -> bool:
        """Not all fetched, not all acknowledged, or (once we commit at all) not all committed."""
        uncommitted = self.committed is not None and self.committed < self.acknowledged == self.end
        return self.position < self.end or self.acknowledged < self.position or uncommitted

    @property
    def progress(self) -> tuple[int, int, int | None]:
        """What moves when work is done. The end is no part of it: more work is no progress."""
        return self.position, self.acknowledged, self.committed


@dataclass(slots=True)
class Stalls:
    """Remembers since when each partition stands still."""

    stall_s: float
    _since: dict[Partition, tuple[Mark, float]] = field(default_factory=dict)

    def observe(self, marks: Mapping[Partition, Mark], now_s: float) -> list[Partition]:
        """The partitions that are behind and have not moved for `stall_s`."""
        stalled = []
        kept: dict[Partition, tuple[Mark, float]] = {}
        for partition, mark in marks.items():
            before, since = self._since.get(partition, (mark, now_s))
            if before.progress != mark.progress or not before.behind or not mark.behind:
                since = now_s
            kept[partition] = (mark, since)
            if now_s - since >= self.stall_s:
                stalled.append(partition)
        self._since = kept
        return stalled
