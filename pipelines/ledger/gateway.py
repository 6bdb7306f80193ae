"""What the gateway asks the ledger before it answers: a person's account (P5), and who may read an attachment."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from asyncpg import Pool

from pipelines.ledger import Connection, facts
from pipelines.rules import channels, ombud
from pipelines.rules.model import AccountState, AppCopy, Person
from schemas.policy import Limits, Policy

_NO_SENDER = ""
"""Mailboxes say nothing about who may read."""

_ACCOUNT = """
    SELECT state FROM accounts
    WHERE person = COALESCE((SELECT current FROM aliases WHERE old = $1), $1)
"""
# A resident reads an open copy of their own, an agent one they were given. The person asked about is followed to the
# current number (P4); what was closed under an old one has stayed there.
_CANDIDATES = """
    WITH reader AS (SELECT COALESCE((SELECT current FROM aliases WHERE old = $1), $1) AS person),
         numbers AS (SELECT person FROM reader UNION SELECT old FROM aliases WHERE current = (SELECT person FROM reader))
    SELECT d.doc, d.person, d.unit, d.document_id, d.sent, (SELECT person FROM reader),
           d.person IN (SELECT person FROM numbers) AND d.app_since IS NOT NULL AND d.app_until IS NULL AS own,
           EXISTS (SELECT FROM recipients x WHERE x.doc = d.doc AND x.person IN (SELECT person FROM numbers) AND x.until IS NULL) AS given
    FROM attachments a JOIN documents d ON d.doc = a.doc
    WHERE a.sha = $2 AND d.app = $3
      AND (d.person IN (SELECT person FROM numbers)
           OR d.doc IN (SELECT doc FROM recipients WHERE person IN (SELECT person FROM numbers) AND until IS NULL))
    ORDER BY d.sent DESC LIMIT $4
"""
CANDIDATES_MAX = 50
"""A reader's documents with one and the same attachment; the newest are looked at."""


class ReadableAttachment(NamedTuple):
    """Bytes, and whose document at which unit they belong to, for the access log."""

    data: bytes
    unit: str
    patient: str
    document_id: str


async def is_blocked(pool: Pool[Any], person: UUID) -> bool:
    """Whether the person's account is blocked; a deregistered one counts as blocked (P5)."""
    state: int | None = await pool.fetchval(_ACCOUNT, person)
    return state == AccountState.BLOCKED


async def attachment_for(
    pool: Pool[Any], reader: UUID, sha256: bytes, policy: Policy, now: datetime
) -> ReadableAttachment | None:
    """The attachment with this SHA-256, of a document with it that the reader may read now; else None.

    Judged on the facts of now: a document that was read is decided again by nothing, while accounts close, links end and children grow.
    """
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        for _, owner, unit, document_id, sent, who, own, given in await connection.fetch(
            _CANDIDATES, reader, sha256, int(AppCopy.OPEN), CANDIDATES_MAX
        ):
            person = await _facts(connection, owner, now)
            if person is None:
                continue
            if (own and _is_open_to_themselves(person)) or (given and _counts(person, who, sent, policy.unit(unit).limits, now)):
                data = await connection.fetchval("SELECT data FROM contents WHERE sha = $1", sha256)
                return ReadableAttachment(data, unit, person.pid, document_id) if data is not None else None
    return None


async def _facts(connection: Connection, person: UUID, now: datetime) -> Person | None:
    """The document's person under their current number."""
    current = (await facts.current(connection, [person])).get(person, person)
    return (await facts.load(connection, [current], _NO_SENDER, now)).get(current)


def _is_open_to_themselves(person: Person) -> bool:
    return channels.app_is_open(person) and not person.deceased


def _counts(person: Person, agent: UUID, sent: datetime, limits: Limits, now: datetime) -> bool:
    """P7. Not of a protected person: an agent may be whom they are protected from."""
    if person.protection or person.deceased:
        return False
    return any(one.uid == agent for one in ombud.of_document(person, sent, limits, now).recipients)
