"""What is asked of mailbox operators (R9): see the SQL file of the same name."""

from __future__ import annotations

from pipelines.ledger.migrations.script import run_beside

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    run_beside(__file__)
