"""The ledger's first shape: see the SQL file of the same name."""

from __future__ import annotations

from pipelines.ledger.migrations.script import run_beside

revision = "0001"
down_revision = None


def upgrade() -> None:
    run_beside(__file__)
