"""Texts to guests, and chat that nobody has read: see the SQL file of the same name."""

from __future__ import annotations

from pathlib import Path

from alembic import op
from sqlalchemy import text

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Statements one by one: the driver's extended protocol takes one each."""
    for statement in _statements(Path(__file__).with_suffix(".sql").read_text()):
        op.execute(text(statement.replace(":", "\\:")))


def _statements(script: str) -> list[str]:
    lines = [line.split("--", 1)[0] for line in script.splitlines()]
    return [statement for statement in "\n".join(lines).split(";") if statement.strip()]
