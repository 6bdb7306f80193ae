"""Which slots live: each process of the pipelines holds an advisory lock for its slot, in a session of its own, as long as it lives.

PostgreSQL frees the lock when the session ends, however it ends. So "is the owner of this outbox row still there?" is a question with
an answer, and no row is taken from a process that is only slow: a broker that is away for minutes, or a process that the machine has
stopped, would otherwise have its old outputs published by others, and once more by itself when it goes on, after newer ones.

A process that loses its session ends: it can no longer say that it lives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import asyncpg

from pipelines.ledger import Connection

SPACE: Final = 0x68756273
"""Locks with two numbers are another space than those of people, which have one (`locks.py`)."""
_KEEPALIVE: Final = {"tcp_keepalives_idle": "5", "tcp_keepalives_interval": "2", "tcp_keepalives_count": "3"}
"""A machine that is gone without a word is known to be gone after about ten seconds."""


class SlotLost(Exception):
    """The session that held the slot has ended."""


class Slot:
    """A slot that is ours from `hold` to `release`. `on_loss` is called when the session ends in between."""

    def __init__(self, name: str, on_loss: Callable[[BaseException], None]) -> None:
        self.name = name
        self._on_loss = on_loss
        self._session: Connection | None = None

    async def hold(self, dsn: str) -> None:
        """Back when no other process has the slot."""
        settings = {"application_name": f"hub-{self.name}-slot", **_KEEPALIVE}
        session: Connection = await asyncpg.connect(dsn, server_settings=settings)
        await session.execute("SELECT pg_advisory_lock($1, hashtext($2))", SPACE, self.name)
        session.add_termination_listener(self._ended)
        self._session = session

    async def release(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _ended(self, _: Any) -> None:
        if self._session is not None:
            self._on_loss(SlotLost(self.name))


async def gone(connection: Connection, slots: list[str]) -> set[str]:
    """Those whose process is gone; while the transaction lasts, no new one can take its slot."""
    found = await connection.fetch(
        "SELECT slot FROM unnest($2::text[]) AS s(slot) WHERE pg_try_advisory_xact_lock($1, hashtext(slot))", SPACE, slots
    )
    return {row[0] for row in found}
