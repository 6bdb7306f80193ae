"""What the gateway asks the ledger before it answers: a person's account (P5), and who may read an attachment."""

from __future__ import annotations

from typing import Any, NamedTuple
from uuid import UUID

from asyncpg import Pool

from pipelines.rules.model import AccountState, AppCopy

_ACCOUNT = """
    SELECT state FROM accounts
    WHERE person = COALESCE((SELECT current FROM aliases WHERE old = $1), $1)
"""
# A resident reads an open copy of their own account; an agent one they were given and still have (R7, P7). The
# person asked about is followed to the current number (P4).
_ATTACHMENT = """
    WITH reader AS (SELECT COALESCE((SELECT current FROM aliases WHERE old = $1), $1) AS person)
    SELECT c.data, d.unit, p.pid, d.document_id
    FROM reader r
    JOIN attachments a ON a.sha = $2
    JOIN documents d ON d.doc = a.doc AND d.app = $3
    JOIN persons p ON p.person = d.person
    JOIN contents c ON c.sha = a.sha
    WHERE (d.person = r.person AND d.app_since IS NOT NULL AND d.app_until IS NULL)
       OR EXISTS (SELECT FROM recipients x WHERE x.doc = d.doc AND x.person = r.person AND x.until IS NULL)
    LIMIT 1
"""


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


async def attachment_for(pool: Pool[Any], reader: UUID, sha256: bytes) -> ReadableAttachment | None:
    """The attachment with this SHA-256, of a document with it that the reader may read now; else None."""
    row = await pool.fetchrow(_ATTACHMENT, reader, sha256, int(AppCopy.OPEN))
    return ReadableAttachment(*row) if row is not None else None
