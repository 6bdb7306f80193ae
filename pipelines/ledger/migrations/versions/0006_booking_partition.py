"""Where a renumbered person's bookings are placed (P4): see the SQL file of the same name."""

from __future__ import annotations

from pipelines.ledger.migrations.script import run_beside

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    run_beside(__file__)
