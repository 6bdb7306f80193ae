"""Bring the ledger's tables up to the newest numbered migration, forward only.

Alembic keeps the order and the record; each version is one plain SQL file beside a revision of the same number. A ledger that is at
the head already is recognised with one query, without loading Alembic: that is every start but the first.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final

import asyncpg

MIGRATIONS: Final = Path(__file__).parent / "migrations"
HEAD: Final = max(path.stem.split("_", 1)[0] for path in (MIGRATIONS / "versions").glob("*.sql"))
LOCKS_MIN: Final = 12_000
"""Two workers with two lanes hold up to 500 people each; a batch of news with many wards holds more."""


class UnfitLedger(Exception):
    """The PostgreSQL server's settings cannot carry the hub; the text names setting and value."""


async def version(dsn: str) -> str | None:
    """The newest migration that was applied, None on an empty database."""
    connection: Any = await asyncpg.connect(dsn)
    try:
        if await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
            return None
        return await connection.fetchval("SELECT version_num FROM alembic_version")  # type: ignore[no-any-return]
    finally:
        await connection.close()


async def check_server(dsn: str) -> None:
    """Refuse a server whose lock table is too small, before work begins rather than in the middle of it."""
    connection: Any = await asyncpg.connect(dsn)
    try:
        locks: int = await connection.fetchval(
            "SELECT current_setting('max_locks_per_transaction')::int * current_setting('max_connections')::int"
        )
    finally:
        await connection.close()
    if locks < LOCKS_MIN:
        raise UnfitLedger(
            f"max_locks_per_transaction x max_connections is {locks}; the hub needs {LOCKS_MIN}"
            " (set max_locks_per_transaction = 256 and restart PostgreSQL)"
        )


def upgrade(dsn: str) -> None:
    """Apply what is missing. Runs its own event loop (Alembic's environment does)."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["dsn"] = dsn
    command.upgrade(config, "head")


async def upgrade_now(dsn: str) -> None:
    """`upgrade` from inside a running loop."""
    await asyncio.to_thread(upgrade, dsn)
