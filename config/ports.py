"""Which part listens where: one table, from one base (CONTRACTS.md section 1).

Without a base the well-known ports stand; with `--port-base N` everything moves together, so that several hubs (and
the tests) can run beside each other on one machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

BRIDGES_MAX: Final = 8  # video has N+2, its further processes N+33 and on
WORKERS_MAX: Final = 8  # worker-0 and worker-1 have N+3 and N+4, further ones N+13 and on
PEERS: Final = ("spar", "mm", "kivra", "sms", "takecare")
_DEFAULT_BASE: Final = 8080
_PEERS: Final = 50
_DEFAULT_PEERS: Final = 60  # 8140 and on: what well-known ports lie below belongs to others
_FURTHER_BRIDGES: Final = 32  # video-1 listens on N+33
_FURTHER_WORKERS: Final = 11  # worker-2 listens on N+13


@dataclass(frozen=True, slots=True)
class Ports:
    """Every port of one hub. `named()` is what `hub status` shows and what is checked before anything starts."""

    base: int
    kafka: int
    controller: int
    sasl: int
    postgres: int

    @property
    def gateway(self) -> int:
        return self.base

    @property
    def console(self) -> int:
        return self.base + 1

    @property
    def video(self) -> int:
        return self.bridge(0)

    def bridge(self, slot: int) -> int:
        """Where a process of the video part listens."""
        if not 0 <= slot < BRIDGES_MAX:
            raise ValueError(f"bridge slots are 0 to {BRIDGES_MAX - 1}")
        return self.base + (_FURTHER_BRIDGES + slot if slot else 2)

    @property
    def timers(self) -> int:
        return self.base + 5

    @property
    def register(self) -> int:
        return self.base + 6

    @property
    def delivery(self) -> int:
        return self.base + 7

    @property
    def control(self) -> int:
        return self.base + 9

    @property
    def sandbox(self) -> int:
        return self.base + 10

    @property
    def media(self) -> int:
        return self.media_of(0)

    def media_of(self, slot: int) -> int:
        """Where a bridge's media comes in, UDP and TCP: seven more than the first follow it."""
        return (self.base + 20 if self.base != _DEFAULT_BASE else 7300) + slot

    def peer(self, name: str) -> int:
        """Where the sandbox stands in for an outside system over TLS, with client certificates."""
        return self.base + (_PEERS if self.base != _DEFAULT_BASE else _DEFAULT_PEERS) + PEERS.index(name)

    @property
    def hl7(self) -> int:
        return self.base + 60 if self.base != _DEFAULT_BASE else 8150

    def worker(self, slot: int) -> int:
        if not 0 <= slot < WORKERS_MAX:
            raise ValueError(f"worker slots are 0 to {WORKERS_MAX - 1}")
        return self.base + (3 + slot if slot < 2 else _FURTHER_WORKERS + slot)


def ports(base: int | None) -> Ports:
    """The ports of a base, or the well-known ones."""
    if base is None:
        return Ports(_DEFAULT_BASE, kafka=19092, controller=19093, sasl=19094, postgres=15432)
    return Ports(base, kafka=base + 30, controller=base + 31, sasl=base + 32, postgres=base + 40)
