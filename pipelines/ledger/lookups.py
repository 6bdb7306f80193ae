"""Look-ups in the register as rows with a retry time (P8): nobody waits in memory.

The register connector takes due rows, asks, and says how it went. What waits for the answer (documents and bookings under rule P8) is
woken by the news itself (`persons.v1`), or here when the register is silent, so that known facts may serve.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from asyncpg import Pool

from pipelines.ledger import Connection, locks

CHANNEL: Final = "lookups"
"""What the ledger notifies when somebody is to be looked up."""
ANSWER_WITHIN: Final = timedelta(seconds=30)
RETRY_MIN: Final = timedelta(seconds=2)
RETRY_MAX: Final = timedelta(minutes=5)
UNKNOWN_AGAIN: Final = timedelta(minutes=30)
"""A person the register does not have yet (a newborn, a typing error): asked again now and then."""


@dataclass(frozen=True, slots=True)
class Lookup:
    person: UUID
    pid: str
    attempts: int


async def want(connection: Connection, people: Collection[UUID], now: datetime) -> None:
    """Ask for these people's news; somebody already asked for stays as they are. Reserve numbers are in no register (R4)."""
    if not people:
        return
    done = await connection.execute(
        "INSERT INTO lookups (person, pid, wanted_at, due_at) SELECT person, pid, $2, $2 FROM persons"
        " WHERE person = ANY($1) AND pid ~ '^[0-9]{12}$' AND pid !~ '^99' ORDER BY person ON CONFLICT (person) DO NOTHING",
        list(people),
        now,
    )
    if done != "INSERT 0 0":
        await connection.execute(f"NOTIFY {CHANNEL}")


async def take(pool: Pool[Any], now: datetime, limit: int) -> list[Lookup]:
    """Due look-ups, each handed to one caller; one that is not answered comes due again."""
    found = await pool.fetch(
        "UPDATE lookups SET asked_at = $1, attempts = attempts + 1, due_at = $1::timestamptz + $3::interval WHERE person IN"
        " (SELECT person FROM lookups WHERE due_at <= $1 ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED)"
        " RETURNING person, pid, attempts",
        now,
        limit,
        ANSWER_WITHIN,
    )
    return [Lookup(*row) for row in found]


async def answered(pool: Pool[Any], person: UUID, now: datetime) -> None:
    """The register's news is on its way through Kafka; the row waits for it and goes when it is applied (`applied`).

    It may be applied before this is said, and the person be wanted anew: a row that was never asked about is another question's.
    """
    await pool.execute(
        "UPDATE lookups SET due_at = $2::timestamptz + $3::interval WHERE person = $1 AND asked_at IS NOT NULL", person, now, ANSWER_WITHIN
    )


async def applied(connection: Connection, people: Collection[UUID]) -> None:
    """News of these people has come: nobody waits for them any more."""
    if people:
        await connection.execute("DELETE FROM lookups WHERE person = ANY($1)", list(people))


async def not_found(pool: Pool[Any], person: UUID, now: datetime) -> None:
    """The register has no such person. That confirms nobody (P8); they are asked for again later."""
    await _silent(pool, person, now, UNKNOWN_AGAIN)


async def failed(pool: Pool[Any], person: UUID, now: datetime) -> None:
    """The register did not answer. Known facts serve for some days (P8); it is asked again with growing pauses."""
    await _silent(pool, person, now, None)


async def _silent(pool: Pool[Any], person: UUID, now: datetime, pause: timedelta | None) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await locks.take(connection, (), (person,))
        await connection.execute(
            "UPDATE lookups SET due_at = $2::timestamptz"
            " + coalesce($3::interval, least($4::interval * 2 ^ least(attempts, 12), $5::interval)) WHERE person = $1",
            person, now, pause, RETRY_MIN, RETRY_MAX,
        )  # fmt: skip
        known = await connection.fetchval(
            "UPDATE persons SET silent_at = $2 WHERE person = $1 RETURNING confirmed_at", person, now
        )
        if known is not None:
            for table in ("documents", "bookings"):
                condition = "open AND rule = 'P8'" if table == "documents" else "NOT dropped"
                await connection.execute(f"UPDATE {table} SET due_at = $2 WHERE person = $1 AND {condition}", person, now)
