"""Connections to the ledger, set up for what it does: short transactions of many rows, never a silent wait."""

from __future__ import annotations

from typing import Any, Final

import asyncpg
from asyncpg import Pool

IDLE_IN_TRANSACTION_S_MAX: Final = 20
"""A process that the machine has stopped in the middle of a transaction holds its locks no longer than this."""


async def connect(dsn: str, *, size: int, part: str, statement_timeout_s: float = 60) -> Pool[Any]:
    """A pool of `size` connections at the most. `part` names them in `pg_stat_activity`."""
    pool: Pool[Any] = await asyncpg.create_pool(
        dsn,
        min_size=1,
        max_size=size,
        command_timeout=statement_timeout_s,
        server_settings={
            "application_name": f"hub-{part}",
            "jit": "off",
            "timezone": "UTC",
            "idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_S_MAX}s",
        },
    )
    return pool
