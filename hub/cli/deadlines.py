"""`hub deadlines`: what the timer will look at, the earliest first."""

from __future__ import annotations

import asyncio
from pathlib import Path

from hub.cli.connect import hub_clock, ledger
from hub.cli.running import settings_of
from hub.cli.screen import Screen
from hub.cli.spans import short, span
from pipelines.ledger import queries

_WHAT = {
    "print": "goes to print if nothing happens",
    "review": "is looked at again",
    "activate": "becomes active",
    "close": "closes",
}


def run(screen: Screen, directory: Path, unit: str | None, within: str) -> int:
    ahead = span(within)
    settings = settings_of(directory)
    now = hub_clock(settings).now()

    async def ask() -> list[queries.Due]:
        async with ledger(settings) as pool:
            return await queries.due(pool, now, ahead, unit)

    found = asyncio.run(ask())
    if screen.as_json:
        screen.data({"now": now, "items": found, "more": len(found) == queries.ROWS_MAX})
        return 0
    rows = [
        (one.at, ("in " if one.at > now else "overdue ") + short((one.at - now).total_seconds()), one.unit, one.subject,
         one.subject_id, one.rule, _WHAT[one.what])
        for one in found
    ]  # fmt: skip
    if rows:
        screen.table(("when", "", "unit", "what", "id", "rule", "then"), rows)
    else:
        screen.line(f"Nothing falls due within {within}.")
    if len(found) == queries.ROWS_MAX:
        screen.note(f"the first {queries.ROWS_MAX} are shown; a shorter --within or a --unit shows less")
    return 0
