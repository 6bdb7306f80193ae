"""Texts to guests, and chat that nobody has read: see the SQL file of the same name."""

from __future__ import annotations

from pipelines.ledger.migrations.script import run_beside

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    run_beside(__file__)
