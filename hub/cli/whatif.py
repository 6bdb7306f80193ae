"""`hub whatif`: the decisions of a past period made again from their stored facts under other settings, as a diff.

What another setting changes is what the rules read: the limits of `[rules]`, of providers and of units. What was judged when an event
came in (control codes by source, who may send) is a fact by now and stays as it was. Nothing is written.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson

from config import settings as configured
from config.settings import Settings, SettingsError, load
from hub.cli.connect import ledger
from hub.cli.exits import CheckFailed, WrongUse
from hub.cli.running import find, settings_of
from hub.cli.screen import Advance, Screen, local_text, utc_text
from hub.cli.spans import moment
from pipelines.ledger import kept
from pipelines.ledger.again import Verdict, again, recorded, same, timeless
from schemas.policy import Policy

SUBJECTS_SHOWN_MAX: Final = 30
SUBJECTS_KEPT_MAX: Final = 100_000
PREFETCH_ROWS: Final = 1_000
_SQL: Final = "SELECT facts, event FROM decisions WHERE at >= $1 AND at < $2 ORDER BY at, decision"


@dataclass(slots=True)
class Diff:
    """What another setting would have changed."""

    decisions: int = 0
    before: Counter[str] = field(default_factory=Counter)
    after: Counter[str] = field(default_factory=Counter)
    changed: list[tuple[str, str, Verdict, Verdict]] = field(default_factory=list)
    changed_count: int = 0
    deadline_only: int = 0

    def add(self, event: dict[str, Any], facts: bytes, policy: Policy) -> None:
        old = recorded(event)
        new = again(event, facts, policy.unit(event["unit"]).limits)
        self.decisions += 1
        self.before[old.name] += 1
        self.after[new.name] += 1
        if not same(old, new):
            self.changed_count += 1
            self.deadline_only += timeless(old) == timeless(new)
            if len(self.changed) < SUBJECTS_KEPT_MAX:
                self.changed.append((event["subject_id"], event["unit"], old, new))


def run(screen: Screen, directory: Path, file: Path, begin: str, end: str) -> int:
    first, last = moment(begin), moment(end)
    if first >= last:
        raise WrongUse("--from must be before --to")
    settings = settings_of(directory)
    other = settings_with(directory, file)
    diff = asyncio.run(_compare(screen, settings, other.policy, first, last))
    if diff.decisions == 0:
        raise CheckFailed(f"no decision was made from {utc_text(first)} to {utc_text(last)}")
    _tell(screen, diff, settings.policy.version, other.policy.version)
    return 0


def settings_with(directory: Path, file: Path) -> Settings:
    """The hub's settings with one file, or both, in the place of its own. Variables that override rules are left out."""
    try:
        environment = find(directory).environment if (directory / "hub.json").exists() else {}
        rest = {name: text for name, text in environment.items() if not name.startswith(("HUB__RULES__", "HUB_CONFIG"))}
        own = Path(environment.get("HUB_CONFIG") or Path(configured.__file__).parent)
        with tempfile.TemporaryDirectory() as made:
            for name in ("hub.toml", "units.toml"):
                shutil.copyfile(own / name, Path(made) / name)
            if file.is_dir():
                for name in ("hub.toml", "units.toml"):
                    shutil.copyfile(file / name, Path(made) / name)
            else:
                shutil.copyfile(file, Path(made) / _which(file))
            return load({**rest, "HUB_CONFIG": made, "HUB_DIR": str(directory)})
    except SettingsError as wrong:
        raise WrongUse(f"the other settings do not stand:\n{wrong}") from None
    except OSError as failure:
        raise WrongUse(f"{failure.filename or file}: {failure.strerror}") from None


def _which(file: Path) -> str:
    """A file with providers or units is a `units.toml`, whatever its name."""
    import tomllib

    try:
        tables = tomllib.loads(file.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as wrong:
        raise WrongUse(f"{file}: {wrong}") from None
    return "units.toml" if {"units", "providers"} & tables.keys() else "hub.toml"


async def _compare(screen: Screen, settings: Settings, policy: Policy, first: datetime, last: datetime) -> Diff:
    diff = Diff()
    async with ledger(settings) as pool, pool.acquire() as connection, connection.transaction(readonly=True):
        total = await connection.fetchval("SELECT count(*) FROM decisions WHERE at >= $1 AND at < $2", first, last)
        with screen.progress("deciding again", total) as advance:
            await _walk(connection, diff, policy, first, last, advance)
    return diff


async def _walk(connection: Any, diff: Diff, policy: Policy, first: datetime, last: datetime, advance: Advance) -> None:
    async for facts, event in connection.cursor(_SQL, first, last, prefetch=PREFETCH_ROWS):
        diff.add(orjson.loads(kept.event_of(event)), facts, policy)
        advance(1)


def _tell(screen: Screen, diff: Diff, version: str, other: str) -> None:
    names = sorted({*diff.before, *diff.after})
    if screen.as_json:
        screen.data(
            {
                "decisions": diff.decisions, "changed": diff.changed_count, "deadline_only": diff.deadline_only,
                "config_version": [version, other],
                "counts": {name: [diff.before[name], diff.after[name]] for name in names},
                "subjects": [
                    {"id": ident, "unit": unit, "before": _data(old), "after": _data(new)} for ident, unit, old, new in diff.changed
                ],
            }
        )  # fmt: skip
        return
    told = f", {diff.deadline_only} of them in their deadline alone" if diff.deadline_only else ""
    screen.line(f"{diff.decisions} decisions, {diff.changed_count} would be different{told} (settings {version} → {other})")
    rows = [(name, diff.before[name], diff.after[name], f"{diff.after[name] - diff.before[name]:+d}") for name in names
            if diff.before[name] != diff.after[name]]  # fmt: skip
    if rows:
        screen.line()
        screen.table(("decision", "was", "would be", ""), rows)
    if diff.changed:
        screen.line()
        shown = [(unit, old.subject, ident, _short(old, new), _short(new, old)) for ident, unit, old, new in diff.changed]
        screen.table(("unit", "what", "id", "was", "would be"), shown[:SUBJECTS_SHOWN_MAX])
        if diff.changed_count > SUBJECTS_SHOWN_MAX:
            screen.line(f"… and {diff.changed_count - SUBJECTS_SHOWN_MAX} more (--json has them)")


def _data(verdict: Verdict) -> dict[str, Any]:
    return {name: value for name, value in verdict._asdict().items() if name != "subject" and value is not None}


def _short(verdict: Verdict, beside: Verdict) -> str:
    """The verdict in a few words; its deadline where the two differ in it."""
    text = verdict.name.partition(" ")[2]
    if verdict.deadline != beside.deadline:
        text += f", until {local_text(verdict.deadline)}" if verdict.deadline is not None else ", no deadline"
    return text
