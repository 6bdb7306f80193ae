"""What a round costs besides its time: CPU seconds, WAL bytes and memory, from the kernel and from PostgreSQL."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

import asyncpg

_TICK: Final = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int, *, family: bool = False) -> float:
    """CPU of a process; with `family` also of the children it has and has had (PostgreSQL's backends)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    ticks = int(fields[11]) + int(fields[12])
    if not family:
        return ticks / _TICK
    ticks += int(fields[13]) + int(fields[14])
    return ticks / _TICK + sum(cpu_seconds(child) for child in _children(pid))


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def rss_mib(pid: int) -> float:
    """Resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def steal_and_idle() -> tuple[float, float, float]:
    """(stolen, idle, all) CPU seconds of this machine since it started: how much of it others had."""
    fields = [int(text) / _TICK for text in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    return fields[7], fields[3] + fields[4], sum(fields[:8])


async def wal_bytes(connection: asyncpg.Connection[Any]) -> int:
    return int(await connection.fetchval("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn"))


@dataclass(frozen=True, slots=True)
class Used:
    """CPU seconds of one side's processes and of the two servers, and WAL bytes."""

    own: float
    kafka: float
    postgres: float
    wal: int
    others: float

    def minus(self, before: Used) -> Used:
        return Used(
            self.own - before.own, self.kafka - before.kafka, self.postgres - before.postgres, self.wal - before.wal,
            self.others - before.others,
        )  # fmt: skip


async def used(pids: Iterable[int], kafka: int, postgres: int, connection: asyncpg.Connection[Any]) -> Used:
    own = sum(cpu_seconds(pid) for pid in pids)
    at_kafka, at_postgres = cpu_seconds(kafka), cpu_seconds(postgres, family=True)
    _, idle, total = steal_and_idle()
    mine = own + at_kafka + at_postgres + cpu_seconds(os.getpid())
    return Used(own, at_kafka, at_postgres, await wal_bytes(connection), total - idle - mine)


def percentile(values: list[float], share: float) -> float:
    """Nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def spread(values: list[float]) -> float:
    """Half the range as a share of the median: how far the rounds lie apart."""
    return (max(values) - min(values)) / 2 / median(values) if values else 0.0
