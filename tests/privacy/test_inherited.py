"""P4, P8: a protection on one number of a person protects them under every other, until that number's own news lowers it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
import pytest

from tests.pipelines.desk import START, account, letter, person
from tests.rules_by_law.law_desk import ADULT, FATHER, KEYS, OTHER, RESERVE, LawDesk, of

MINUTE = timedelta(minutes=1)
HARD = "skyddad_folkbokforing"


async def _is_protected(hub: LawDesk, pid: str) -> bool:
    """A letter of now goes to the protected people's queue."""
    said = await hub.take(letter(pid, f"probe-{hub.time.isoformat()}-{len(hub.said)}"))
    return [one["reason"] for one in of(said, "print.entered.v1")] == ["protected_identity"]


async def test_news_that_names_another_number_does_not_lower_an_inherited_protection(hub: LawDesk) -> None:
    """The register's next word about the current number names its reserve number, and says nothing of the protected old one."""
    await hub.take(person(OTHER), account(OTHER), person(ADULT, replaced_by=OTHER, protection=HARD))
    assert await _is_protected(hub, OTHER)
    await hub.take(person(OTHER, linked=[RESERVE], as_of=START + MINUTE))
    assert await _is_protected(hub, OTHER)
    assert await _is_protected(hub, RESERVE)


async def test_of_two_old_numbers_the_unprotected_one_does_not_lower_the_other(hub: LawDesk) -> None:
    await hub.take(person(OTHER), account(OTHER), person(ADULT, replaced_by=OTHER, protection="sekretessmarkering"))
    await hub.take(person(FATHER, replaced_by=OTHER))
    assert await _is_protected(hub, OTHER)
    await hub.take(person(FATHER, replaced_by=OTHER, as_of=START + MINUTE))
    assert await _is_protected(hub, OTHER)


@pytest.mark.parametrize("first", ["near", "far"])
async def test_a_protected_number_two_changes_back_protects(hub: LawDesk, first: str) -> None:
    news = [person(ADULT, replaced_by=OTHER, protection=HARD), person(OTHER, replaced_by=FATHER)]
    await hub.take(person(FATHER), account(FATHER))
    for one in news if first == "far" else reversed(news):
        await hub.take(one)
    await hub.take(person(OTHER, replaced_by=FATHER, as_of=START + MINUTE))
    assert await _is_protected(hub, FATHER)


async def test_the_numbers_own_news_lowers_what_others_inherited_of_it(hub: LawDesk) -> None:
    await hub.take(person(OTHER), account(OTHER), person(ADULT, replaced_by=OTHER, protection=HARD))
    await hub.take(person(FATHER, replaced_by=OTHER, protection="sekretessmarkering"))
    await hub.take(person(ADULT, replaced_by=OTHER, as_of=START + MINUTE))
    assert await _is_protected(hub, OTHER)
    await hub.take(person(FATHER, replaced_by=OTHER, as_of=START + MINUTE))
    assert not await _is_protected(hub, OTHER)
    await hub.take(person(ADULT, replaced_by=OTHER, as_of=START + 2 * MINUTE))
    said = await hub.take(letter(ADULT, "after"))
    assert [one["patient"] for one in of(said, "document.delivered.v1")] == [OTHER]


async def test_a_number_under_which_nothing_is_known_yet_is_protected_from_its_first_event(hub: LawDesk) -> None:
    """The new number comes with its first letter, before the register has said anything of it but in the old one's news."""
    await hub.take(person(ADULT, replaced_by=OTHER, protection=HARD))
    said = await hub.take(account(OTHER), letter(OTHER))
    assert of(said, "document.delivered.v1") == []
    said = await hub.take(person(OTHER, as_of=START + MINUTE))
    assert of(said, "document.delivered.v1") == []
    assert await _is_protected(hub, OTHER)


async def test_what_protected_numbers_share_cannot_be_told_from_their_rows(hub: LawDesk) -> None:
    """P4: never linked. No value of one row stands in the other's, and none is a key of the other."""
    await hub.take(person(OTHER), person(ADULT, replaced_by=OTHER, protection=HARD))
    assert await hub.pool.fetchval("SELECT count(*) FROM aliases") == 0
    one, other = await hub.pool.fetch("SELECT person::text, inherited_from FROM persons ORDER BY pid")
    said: list[set[Any]] = [set(orjson.loads(row["inherited_from"] or b"{}")) for row in (one, other)]
    assert any(said)
    assert not said[0] & said[1]
    keys = {row["person"] for row in (one, other)} | {str(KEYS.uuid(pid)) for pid in (ADULT, OTHER)}
    assert not (said[0] | said[1]) & keys
