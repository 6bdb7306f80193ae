"""Dead letters: sealed, once a record however often it comes, and never more in a minute than the settings allow."""

from __future__ import annotations

from typing import Any

import pytest

from pipelines.deadletters import DeadLetters, LimitReached
from schemas.telemetry import NullMeter
from tests.pipelines.desk import ANNA, Desk, Event, desk, letter, person

MALFORMED = Event("document.submitted.v1", {"document_id": "x", "kind": "brev"})


def _commands(hub: Desk, count: int) -> list[Any]:
    return hub.decoder.decode(MALFORMED.topic, [hub._record(MALFORMED) for _ in range(count)])


async def test_a_record_that_comes_again_after_a_crash_says_nothing_more(postgres: str) -> None:
    """Sealing takes a nonce by chance: a second output of the same letter would have other bytes under the same id."""
    async with desk(postgres) as hub:
        commands = _commands(hub, 3)
        assert len((await hub.work.commands(commands)).outputs) == 3
        again = await hub.work.commands(commands)
        assert (again.batch, again.outputs) == (None, [])
        assert await hub.pool.fetchval("SELECT count(*) FROM dead_letters") == 3


async def test_above_the_limit_nothing_is_taken_and_the_good_neighbours_wait_too(postgres: str) -> None:
    async with desk(postgres, per_minute_max=2) as hub:
        await hub.take(person(ANNA))
        good = hub.decoder.decode("ehr.letters.v1", [hub._record(letter(ANNA))])
        with pytest.raises(LimitReached):
            await hub.work.commands([*_commands(hub, 3), *good])
        assert await hub.pool.fetchval("SELECT count(*) FROM documents") == 0
        assert await hub.pool.fetchval("SELECT count(*) FROM dead_letters") == 0


async def test_letters_that_are_known_already_do_not_count_against_the_limit(postgres: str) -> None:
    async with desk(postgres, per_minute_max=2) as hub:
        commands = _commands(hub, 2)
        await hub.work.commands(commands)
        assert (await hub.work.commands(commands)).done == 2
        hub.work.letters = DeadLetters(b"d" * 32, 1, NullMeter())  # a worker that starts again with a minute's letters behind it
        assert (await hub.work.commands(commands)).done == 2
