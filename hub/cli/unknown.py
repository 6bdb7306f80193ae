"""`hub unknown`: deliveries that may have been made. List them, look at what is known, rule on one.

Nothing here names a person: ids, channels, codes, times. A ruling is about a patient's letter all the same, so it is written to
`audit.v1` with who gave it, in the transaction that gives it.
"""

from __future__ import annotations

import asyncio
import os
import pwd
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import UUID

from asyncpg import Pool

from config.settings import Settings
from hub.cli.connect import hub_clock, ledger, person_keys
from hub.cli.exits import CheckFailed, WrongUse
from hub.cli.running import settings_of
from hub.cli.screen import Screen, local_text
from pipelines.ledger import unknowns
from pipelines.ledger.unknowns import RULINGS, Try, Unknown, Unresolvable

PREFIX_CHARS_MIN: Final = 4
USER_CHARS_MAX: Final = 200
Answer = TypeVar("Answer")


def show_list(screen: Screen, directory: Path) -> int:
    found = _with_ledger(directory, lambda _, pool: unknowns.unknowns(pool))
    if screen.as_json:
        screen.data({"items": found, "more": len(found) == unknowns.ROWS_MAX})
        return 0
    if not found:
        screen.line("No unknown outcomes.")
        return 0
    rows = [(str(f.id)[:8], f.since, f.channel, f.kind, f.about, f.code, f.attempts, f.deadline) for f in found]
    screen.table(("id", "since", "channel", "kind", "about", "code", "tries", "prints at"), rows)
    return 0


def show(screen: Screen, directory: Path, ident: str) -> int:
    async def look(_: Settings, pool: Pool[Any]) -> tuple[Unknown, list[Try]]:
        found = await unknowns.unknown(pool, await _one(pool, ident))
        if found is None:
            raise CheckFailed(f"the outcome of {ident} is not unknown any more")
        return found

    found, tries = _with_ledger(directory, look)
    if screen.as_json:
        screen.data({**vars_of(found), "tries": tries})
        return 0
    operator = f" ({found.operator})" if found.operator else ""
    screen.line(f"{found.id}  {found.channel}{operator}  {found.kind} {found.about}  {found.unit or ''}".rstrip())
    screen.line(f"unknown since {local_text(found.since)}" + (f", because {found.code}" if found.code else ""))
    screen.line(f"the peer's reference: {found.reference or 'none'}")
    screen.table(
        ("try", "began", "ended", "by", "request written", "outcome", "code", "reference"),
        [(t.number, t.began, t.ended, t.by, _written(t.written), t.outcome, t.code, t.reference) for t in tries],
    )
    screen.line(f"a repeat: {found.risk}")
    if found.printed:
        screen.line("the document has been handled on paper")
    elif found.deadline is not None:
        screen.line(f"goes to the print queue as unknown_outcome at {local_text(found.deadline)}, unless it is resolved before")
    return 0


def resolve(screen: Screen, directory: Path, ident: str, outcome: str, user: str | None) -> int:
    if outcome not in RULINGS:
        raise WrongUse(f"--outcome is one of {', '.join(RULINGS)}")
    by = user or f"os:{pwd.getpwuid(os.getuid()).pw_name}"
    if not by.isprintable() or not 0 < len(by) <= USER_CHARS_MAX:
        raise WrongUse(f"--by must be an id of at most {USER_CHARS_MAX} visible characters")

    async def rule(settings: Settings, pool: Pool[Any]) -> tuple[UUID, str]:
        send = await _one(pool, ident)
        now = hub_clock(settings).now()
        try:
            state = await unknowns.resolve(pool, send, outcome, by, now, person_keys(settings))
        except Unresolvable as why:
            raise CheckFailed(f"{ident}: {why}") from None
        return send, state.name.lower()

    send, state = _with_ledger(directory, rule)
    screen.note("this ruling is logged on audit.v1")
    if screen.as_json:
        screen.data({"id": send, "outcome": outcome, "by": by, "state": state})
    else:
        screen.line(f"{send} {outcome}: it is {state} now" + (" and the identical bytes go out again" if outcome == "resend" else ""))
    return 0


def vars_of(found: Unknown) -> dict[str, Any]:
    """Its fields as a mapping (slots have no `vars`)."""
    return {name: getattr(found, name) for name in Unknown.__slots__}


async def _one(pool: Pool[Any], ident: str) -> UUID:
    """The send with this id or beginning of one. Raises `CheckFailed` where none, `WrongUse` where more than one has it."""
    if len(ident) < PREFIX_CHARS_MIN or not set(ident.lower()) <= set("0123456789abcdef-"):
        raise WrongUse(f"{ident!r} is no id of a delivery; give at least its first {PREFIX_CHARS_MIN} characters")
    found = await pool.fetch(
        "SELECT send FROM sends WHERE starts_with(send::text, $1) AND (state = 9 OR length($1) = 36) LIMIT 2", ident.lower()
    )
    if len(found) > 1:
        raise WrongUse(f"{ident!r} fits more than one delivery; give more of the id")
    if not found:
        raise CheckFailed(f"there is no unknown outcome {ident}")
    return UUID(str(found[0][0]))


def _with_ledger(directory: Path, work: Callable[[Settings, Pool[Any]], Awaitable[Answer]]) -> Answer:
    settings = settings_of(directory)

    async def run() -> Answer:
        async with ledger(settings) as pool:
            return await work(settings, pool)

    return asyncio.run(run())


def _written(written: bool | None) -> str:
    return {True: "yes", False: "no", None: "nobody knows"}[written]
