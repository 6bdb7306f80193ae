"""Where an inherited protection comes from (P8): see the SQL file of the same name."""

from __future__ import annotations

from pipelines.ledger.migrations.script import run_beside

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    run_beside(__file__)
