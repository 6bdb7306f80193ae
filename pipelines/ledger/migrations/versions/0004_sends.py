"""What is carried to peers, and each try: see the SQL file of the same name."""

from __future__ import annotations

from pipelines.ledger.migrations.script import run_beside

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    run_beside(__file__)
