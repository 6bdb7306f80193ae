"""Which offsets may be committed: the longest acknowledged prefix of each partition (theory:
`pipelines/transport/__init__.py`, rules 1–3).

Opened in the consumer's thread, acknowledged in the main one: hence the lock. Every operation costs O(1) a chunk.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

Partition: TypeAlias = tuple[str, int]


@dataclass(eq=False, slots=True)
class Chunk:
    """Records `start` up to and without `end` of a partition: fetched together, acknowledged together."""

    partition: Partition
    start: int
    end: int
    records: int
    size_bytes: int
    oldest_ms: int
    done: bool = field(default=False)
    stale: bool = field(default=False)


class Progress:
    """The open chunks of the partitions this worker has now."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[Partition, deque[Chunk]] = {}
        self._ready: dict[Partition, int] = {}
        self._records: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()

    def opened(self, chunk: Chunk) -> None:
        """The consumer's position has moved to the chunk's end."""
        topic = chunk.partition[0]
        with self._lock:
            self._open.setdefault(chunk.partition, deque()).append(chunk)
            self._records[topic] += chunk.records
            self._bytes[topic] += chunk.size_bytes

    def acknowledge(self, chunk: Chunk) -> bool:
        """Whether the chunk counted: it was neither acknowledged before nor revoked."""
        with self._lock:
            if chunk.done or chunk.stale:
                return False
            chunk.done = True
            self._release(chunk)
            waiting = self._open[chunk.partition]
            while waiting and waiting[0].done:
                self._ready[chunk.partition] = waiting.popleft().end
            return True

    def take(self) -> Mapping[Partition, int]:
        """The offsets to commit that no earlier call returned."""
        with self._lock:
            ready, self._ready = self._ready, {}
            return ready

    def forget(self, partitions: Iterable[Partition] | None = None) -> None:
        """Revoked, or to be read again from the commit (None: all): what is open is stale from now on."""
        with self._lock:
            for partition in list(self._open) if partitions is None else list(partitions):
                self._ready.pop(partition, None)
                for chunk in self._open.pop(partition, ()):
                    chunk.stale = True
                    if not chunk.done:
                        self._release(chunk)

    def has_ready(self) -> bool:
        return bool(self._ready)

    def oldest(self, partition: Partition) -> Chunk | None:
        """The first chunk that is not acknowledged."""
        with self._lock:
            waiting = self._open.get(partition)
            return waiting[0] if waiting else None

    def held(self, topic: str) -> tuple[int, int]:
        """Records and bytes of a topic that are fetched and not acknowledged."""
        with self._lock:
            return self._records[topic], self._bytes[topic]

    def _release(self, chunk: Chunk) -> None:
        topic = chunk.partition[0]
        self._records[topic] -= chunk.records
        self._bytes[topic] -= chunk.size_bytes
