"""`hub trace`: what became of one document, booking or room, and why, in words. It names nobody: ids, codes, states, times."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from hub.cli import journeys
from hub.cli.connect import hub_clock, ledger
from hub.cli.exits import CheckFailed, WrongUse
from hub.cli.running import settings_of
from hub.cli.screen import Screen
from hub.cli.words import LANGUAGES, Language, phrase
from pipelines.ledger.journey import Decided, Journey, journey


def run(screen: Screen, directory: Path, subject_id: str, lang: str) -> int:
    """0, or 1 with a clear word where the hub knows no such id."""
    if lang not in LANGUAGES:
        raise WrongUse(f"{lang!r} is no language of the trace; it speaks {' and '.join(LANGUAGES)}")
    settings = settings_of(directory)
    now = hub_clock(settings).now()

    async def ask() -> Journey | None:
        async with ledger(settings) as pool:
            return await journey(pool, subject_id)

    found = asyncio.run(ask())
    speaking = cast(Language, lang)
    if found is None:
        raise CheckFailed(phrase("unknown", speaking, id=subject_id))
    if screen.as_json:
        screen.data(as_data(found, now))
        return 0
    for line in journeys.lines(found, now, speaking):
        screen.line(line)
    return 0


def as_data(found: Journey, now: datetime) -> dict[str, Any]:
    """The journey as JSON values; facts with their age at the decision."""
    subject = "document" if found.document else "booking" if found.booking else "room"
    return {
        "subject": subject,
        "now": now,
        "state": found.document or found.booking or found.room,
        "decisions": [{"at": each.at, **each.event, "facts": _facts(each)} for each in found.decisions],
        "deliveries": list(found.deliveries),
        "texts": list(found.texts),
        "recipients": list(found.recipients),
        "print_entry": found.print_entry,
        "booking_ids": list(found.booking_ids),
    }


def _facts(decided: Decided) -> dict[str, Any] | None:
    """What was known of the person, and how old each fact was when it decided. None for a room."""
    known = journeys.person_facts(decided)
    return None if known is None else known.as_data()
