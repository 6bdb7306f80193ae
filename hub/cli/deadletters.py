"""`hub dead-letters`: list them, look into one, replay or discard.

A list has no content. `show` decrypts a record, which may be about a patient: `access.logged.v1` goes to `audit.v1` *before* anything
is shown (HSLF-FS 2016:40), and what cannot be logged is not shown. `replay` publishes the original key, headers and bytes to the
partition they came from, with the same ids; an event that was refused only after it had been taken in is forgotten first, or the
dedupe would leave it out.
"""

from __future__ import annotations

import asyncio
import os
import pwd
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import UUID

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.structs import ConsumerRecord
from asyncpg import Pool
from pydantic import ValidationError

from config.settings import Settings
from hub.cli.connect import decoder, hub_clock, ledger, person_keys, producer
from hub.cli.exits import CheckFailed, WrongUse
from hub.cli.running import settings_of
from hub.cli.screen import Screen
from pipelines.commands import Decoder, Refused
from pipelines.deadletters import unseal
from schemas.cloudevents import decode_record, headers_for, time_text, uid_text
from schemas.errors import Malformed
from schemas.events import AccessLogged
from schemas.keys import PersonKeys

OPEN, REPLAYED, DISCARDED = 0, 1, 2
STATES: Final = {OPEN: "open", REPLAYED: "replayed", DISCARDED: "discarded"}
SOURCE: Final = "urn:care-hub:cli"
ACTION: Final = "dead_letter.shown"
UNIT_UNKNOWN: Final = "SE0000000000-UNKNOWN"
"""A record that cannot be read names no unit; the access log needs one."""
ROWS_MAX: Final = 1_000
PREFIX_CHARS_MIN: Final = 4
OF_LEDGER: Final = frozenset({"conflict", "not_allowed", "not_a_recipient", "unknown_document"})
"""The classes that are, or may be, of what the ledger knows; the others are of the record alone."""
CAUSE_CHARS_SHOWN: Final = 80
_COLUMNS: Final = 'letter, at, topic, partition, "offset", class, cause, state'
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Choice:
    """Which dead letters: by id (a beginning will do), or those open of a topic or class, or all open."""

    ids: tuple[str, ...] = ()
    topic: str | None = None
    of_class: str | None = None
    everything: bool = False

    @property
    def chosen(self) -> bool:
        return bool(self.ids or self.topic or self.of_class or self.everything)

    def check(self) -> None:
        if not self.chosen:
            raise WrongUse("say which: ids, --topic T, --class C, or --all")


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter without its content."""

    letter: UUID
    at: datetime
    topic: str
    partition: int
    offset: int
    of_class: str
    cause: str
    state: int

    def as_data(self) -> dict[str, Any]:
        return {
            "id": self.letter, "at": self.at, "topic": self.topic, "partition": self.partition, "offset": self.offset,
            "class": self.of_class, "cause": self.cause, "state": STATES[self.state],
        }  # fmt: skip


# --- list -------------------------------------------------------------------------------------------------------------------


def show_list(screen: Screen, directory: Path, topic: str | None, of_class: str | None, *, everything: bool) -> int:
    async def ask(_settings: Settings, pool: Pool[Any]) -> list[Letter]:
        return await listed(pool, topic, of_class, everything=everything)

    found = _with_ledger(directory, ask)
    if screen.as_json:
        screen.data({"items": [letter.as_data() for letter in found], "more": len(found) == ROWS_MAX})
        return 0
    if not found:
        screen.line("No dead letters.")
        return 0
    rows = [(str(f.letter)[:8], f.at, f.topic, f"{f.partition}/{f.offset}", f.of_class, STATES[f.state], _cut(f.cause)) for f in found]
    screen.table(("id", "at", "topic", "place", "class", "state", "cause"), rows)
    return 0


async def listed(pool: Pool[Any], topic: str | None, of_class: str | None, *, everything: bool = False) -> list[Letter]:
    found = await pool.fetch(
        f"SELECT {_COLUMNS} FROM dead_letters WHERE ($1::text IS NULL OR topic = $1) AND ($2::text IS NULL OR class = $2)"  # noqa: S608
        " AND ($3 OR state = 0) ORDER BY at, letter LIMIT $4",
        topic, of_class, everything, ROWS_MAX,
    )  # fmt: skip
    return [Letter(*row) for row in found]


# --- show -------------------------------------------------------------------------------------------------------------------


def show(screen: Screen, directory: Path, ident: str, user: str | None) -> int:
    async def look(settings: Settings, pool: Pool[Any]) -> tuple[Letter, dict[str, Any]]:
        (letter,) = await _chosen(pool, Choice((ident,)))
        key, headers, value = await _content(settings, pool, letter)
        logged = access(letter, headers, value, user or _system_user(), hub_clock(settings).now())
        async with producer(settings) as out:
            await _log(out, logged, person_keys(settings), letter)
        screen.note("this access is logged on audit.v1")
        return letter, content(key, headers, value)

    letter, found = _with_ledger(directory, look)
    if screen.as_json:
        screen.data({**letter.as_data(), **found})
        return 0
    screen.line(f"{letter.letter}  {letter.topic} {letter.partition}/{letter.offset}  {letter.of_class}")
    screen.line(f"cause: {letter.cause}")
    screen.line(f"key: {found['key']}")
    for name, text in found["headers"]:
        screen.line(f"{name}: {text}")
    screen.line()
    value = found["value"]
    screen.line(value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())
    return 0


def content(key: bytes | None, headers: list[tuple[str, bytes | None]], value: bytes) -> dict[str, Any]:
    """The record for people: JSON as JSON, other text as text, other bytes in hex."""
    try:
        shown: Any = orjson.loads(value)
    except orjson.JSONDecodeError:
        shown = _text(value)
    return {"key": _text(key), "headers": [[name, _text(raw)] for name, raw in headers], "value": shown}


def access(letter: Letter, headers: list[tuple[str, bytes | None]], value: bytes, user: str, now: datetime) -> AccessLogged:
    """Who looked at whose data. What the record does not tell in a readable form is left out."""
    try:
        data = orjson.loads(decode_record(headers, value)[1])
    except (Malformed, orjson.JSONDecodeError):
        data = None
    told: dict[str, Any] = data if isinstance(data, dict) else {}
    for patient, unit in ((told.get("patient"), told.get("unit")), (None, told.get("unit")), (told.get("patient"), None), (None, None)):
        try:
            return AccessLogged(action=ACTION, unit=unit or UNIT_UNKNOWN, at=now, user=user, patient=patient, about=str(letter.letter))
        except ValidationError:
            continue
    raise WrongUse("--by must be an id of at most 200 visible characters")


async def _log(out: AIOKafkaProducer, logged: AccessLogged, keys: PersonKeys, letter: Letter) -> None:
    at = time_text(logged.at)
    key = keys.key(logged.patient) if logged.patient is not None else str(letter.letter)
    about = str(letter.letter)
    headers = headers_for(AccessLogged.TYPE, uid_text(ACTION, logged.user, about, at), SOURCE, at, subject=about, partitionkey=key)
    await out.send_and_wait("audit.v1", logged.to_json(), key.encode(), headers=headers)


# --- replay and discard -----------------------------------------------------------------------------------------------------


def replay(screen: Screen, directory: Path, choice: Choice, *, dry_run: bool) -> int:
    """Publish again; with `dry_run` say what would come of it, of all that are open where nothing was chosen: it changes nothing."""
    if dry_run and not choice.chosen:
        choice = Choice(everything=True)
    choice.check()

    async def work(settings: Settings, pool: Pool[Any]) -> list[dict[str, Any]]:
        letters = await _chosen(pool, choice)
        reader = decoder(settings)
        told: list[dict[str, Any]] = []
        if dry_run:
            for letter in letters:
                told.append({**letter.as_data(), "would": would(reader, letter, *await _content(settings, pool, letter))})
            return told
        async with producer(settings) as out:
            with screen.progress("replaying", len(letters)) as advance:
                for letter in letters:
                    await _again(settings, pool, out, reader, letter)
                    told.append({**letter.as_data(), "state": STATES[REPLAYED]})
                    advance(1)
        return told

    told = _with_ledger(directory, work)
    if screen.as_json:
        screen.data({"dry_run": dry_run, "items": told})
    elif dry_run:
        screen.table(("id", "topic", "class", "would be"), [(str(t["id"])[:8], t["topic"], t["class"], _cut(t["would"])) for t in told])
        screen.line(f"{len(told)} would be published again; nothing was changed")
    else:
        screen.line(f"{len(told)} published again")
    return 0


def would(reader: Decoder, letter: Letter, key: bytes | None, headers: list[tuple[str, bytes | None]], value: bytes) -> str:
    """What a worker would make of it today, as far as the record and the settings tell: `taken in`, or refused again and why.

    What was refused by what the ledger knew then depends on what it knows now: a dry run asks no ledger, and says so.
    """
    refused = [item for item in reader.decode(letter.topic, [_record(letter, key, headers, value)]) if isinstance(item, Refused)]
    if refused:
        return f"refused again: {refused[0].kind}: {refused[0].cause}"
    return f"judged anew by what the ledger knows now: it was {letter.of_class}" if letter.of_class in OF_LEDGER else "taken in"


async def _again(settings: Settings, pool: Pool[Any], out: AIOKafkaProducer, reader: Decoder, letter: Letter) -> None:
    key, headers, value = await _content(settings, pool, letter)
    for item in reader.decode(letter.topic, [_record(letter, key, headers, value)]):
        if not isinstance(item, Refused):
            await pool.execute("DELETE FROM inbox WHERE event = $1", item.origin.event)
    await out.send_and_wait(letter.topic, value, key, partition=letter.partition, headers=headers)
    await pool.execute("UPDATE dead_letters SET state = $2 WHERE letter = $1", letter.letter, REPLAYED)


def discard(screen: Screen, directory: Path, choice: Choice) -> int:
    choice.check()

    async def work(_settings: Settings, pool: Pool[Any]) -> list[Letter]:
        letters = await _chosen(pool, choice)
        await pool.execute("UPDATE dead_letters SET state = $2 WHERE letter = ANY($1)", [one.letter for one in letters], DISCARDED)
        return letters

    found = _with_ledger(directory, work)
    if screen.as_json:
        screen.data({"items": [{**letter.as_data(), "state": STATES[DISCARDED]} for letter in found]})
    else:
        screen.line(f"{len(found)} discarded")
    return 0


# --- finding them -----------------------------------------------------------------------------------------------------------


async def _chosen(pool: Pool[Any], choice: Choice) -> list[Letter]:
    """Raises `CheckFailed` where an id fits none, `WrongUse` where it fits more than one."""
    if not choice.ids:
        return await listed(pool, choice.topic, choice.of_class)
    found: list[Letter] = []
    for ident in choice.ids:
        if len(ident) < PREFIX_CHARS_MIN or not set(ident.lower()) <= set("0123456789abcdef-"):
            raise WrongUse(f"{ident!r} is no id of a dead letter; give at least its first {PREFIX_CHARS_MIN} characters")
        rows = await pool.fetch(
            f"SELECT {_COLUMNS} FROM dead_letters WHERE starts_with(letter::text, $1) LIMIT 2", ident.lower()  # noqa: S608
        )
        if len(rows) > 1:
            raise WrongUse(f"{ident!r} fits more than one dead letter; give more of the id")
        if not rows:
            raise CheckFailed(f"there is no dead letter {ident}")
        found.append(Letter(*rows[0]))
    return list(dict.fromkeys(found))


async def _content(settings: Settings, pool: Pool[Any], letter: Letter) -> tuple[bytes | None, list[tuple[str, bytes | None]], bytes]:
    data = await pool.fetchval("SELECT data FROM dead_letters WHERE letter = $1", letter.letter)
    if data is None:
        raise CheckFailed(f"the dead letter {letter.letter} is gone")
    try:
        return unseal(settings.dead_letter_key(), letter.topic, data)
    except ValueError as wrong:
        raise CheckFailed(str(wrong)) from None


def _record(
    letter: Letter, key: bytes | None, headers: list[tuple[str, bytes | None]], value: bytes
) -> ConsumerRecord[Any, Any]:
    at = int(letter.at.timestamp() * 1000)
    place = (letter.topic, letter.partition, letter.offset)
    return ConsumerRecord(*place, at, 1, key, value, None, len(key or b""), len(value), tuple(headers))


def _with_ledger(directory: Path, work: Callable[[Settings, Pool[Any]], Awaitable[Answer]]) -> Answer:
    settings = settings_of(directory)

    async def run() -> Answer:
        async with ledger(settings) as pool:
            return await work(settings, pool)

    return asyncio.run(run())


def _system_user() -> str:
    return f"os:{pwd.getpwuid(os.getuid()).pw_name}"


def _text(raw: bytes | None) -> str | None:
    if raw is None:
        return None
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return f"hex:{raw.hex()}"


def _cut(text: str) -> str:
    return text if len(text) <= CAUSE_CHARS_SHOWN else text[: CAUSE_CHARS_SHOWN - 1] + "…"
