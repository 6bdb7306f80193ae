"""What every version does: the SQL file of the same name."""

from __future__ import annotations

from pathlib import Path

from alembic import op
from sqlalchemy import text


def run_beside(version: str) -> None:
    """Run the SQL beside a version's file, statement by statement: the driver's extended protocol takes one each."""
    for statement in statements(Path(version).with_suffix(".sql").read_text()):
        op.execute(text(statement.replace(":", "\\:")))


def statements(script: str) -> list[str]:
    """The statements of a script, without its comments."""
    lines = [line.split("--", 1)[0] for line in script.splitlines()]
    return [statement for statement in "\n".join(lines).split(";") if statement.strip()]
