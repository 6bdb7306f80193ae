"""R9: the hub asks the mailbox operators itself before a first delivery to an adult; nobody waits long for them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from pipelines.ledger import reachings
from pipelines.outputs import OPERATOR_OF
from tests.pipelines.desk import CHILD, MOTHER, START, Desk, Said, account, agent, kallelse, letter, mailbox, person
from tests.rules_by_law.law_desk import ADULT, OTHER, POLICY, RESERVE, TEEN, LawDesk, law_desk, of

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
NONE = {"kivra": False, "billo": False, "minmyndighetspost": False, "fortnox": False}
ASKING = replace(POLICY, asks_mailboxes=True)


@pytest_asyncio.fixture
async def hub(law_dsn: str) -> AsyncIterator[LawDesk]:
    async with law_desk(law_dsn, ASKING) as made:
        yield made


async def asked(hub: LawDesk) -> list[reachings.Reaching]:
    return await reachings.take(hub.pool, hub.work.sender, hub.decoder.policy.limits, hub.time, 100)


async def tell(hub: LawDesk, one: reachings.Reaching, boxes: Mapping[str, bool], *, complete: bool = True) -> list[Said]:
    """What the connector does with answers, and what the hub says to them, one event after the other."""
    await reachings.heard(hub.pool, one.person, one.asked_at, [int(OPERATOR_OF[name]) for name in boxes], complete=complete)  # type: ignore[index]
    said: list[Said] = []
    for name, accepts in boxes.items():
        said += await Desk.take(hub, mailbox(one.pid, name, accepts=accepts, as_of=one.asked_at))
    return said


def decisions(said: list[Said]) -> list[dict[str, Any]]:
    return of(said, "decision.made.v1")


async def test_an_adult_nobody_has_asked_about_is_asked_about_first(hub: LawDesk) -> None:
    """Nothing is said before the answers; then it is decided once, on all of them."""
    await hub.take(person(ADULT))
    assert await hub.take(letter(ADULT)) == []
    (one,) = await asked(hub)
    assert one.pid == ADULT
    hub.time += SECOND
    said = await tell(hub, one, NONE | {"billo": True})
    (decision,) = decisions(said)
    assert (decision["rule"], decision["channels"], decision["trigger"]) == ("R9", ["mailbox"], "arrival")
    assert of(said, "delivery.requested.v1")[0]["operator"] == "billo"


async def test_with_an_account_the_first_delivery_has_app_and_mailbox(hub: LawDesk) -> None:
    await hub.take(person(ADULT), account(ADULT))
    assert await hub.take(letter(ADULT)) == []
    (one,) = await asked(hub)
    said = await tell(hub, one, NONE | {"kivra": True})
    assert decisions(said)[0]["channels"] == ["app", "mailbox"]
    assert len(of(said, "document.delivered.v1")) == len(of(said, "notification.requested.v1")) == 1


async def test_a_kallelse_to_somebody_without_a_mailbox_goes_to_print_by_r10_when_all_have_answered(hub: LawDesk) -> None:
    await hub.take(person(ADULT))
    await hub.take(kallelse(ADULT))
    (one,) = await asked(hub)
    said = await tell(hub, one, NONE)
    (decision,) = decisions(said)
    assert (decision["rule"], decision["reason"], decision["trigger"]) == ("R10", "no_channel", "arrival")
    assert [step["rule"] for step in decision["trace"] if not step["applied"]][-1] == "R9"


async def test_between_two_answers_nothing_is_decided(hub: LawDesk) -> None:
    await hub.take(person(ADULT))
    await hub.take(kallelse(ADULT))
    (one,) = await asked(hub)
    operators = [int(OPERATOR_OF["kivra"]), int(OPERATOR_OF["billo"])]
    await reachings.heard(hub.pool, one.person, one.asked_at, operators, complete=True)
    assert await hub.take(mailbox(ADULT, "kivra", accepts=False, as_of=one.asked_at)) == []
    said = await hub.take(mailbox(ADULT, "billo", as_of=one.asked_at))
    assert decisions(said)[0]["channels"] == ["mailbox"]


async def test_the_48_hours_count_from_sent_all_the_same(hub: LawDesk) -> None:
    await hub.take(person(ADULT))
    await hub.take(letter(ADULT))
    (one,) = await asked(hub)
    hub.time += 10 * SECOND
    (decision,) = decisions(await tell(hub, one, NONE))
    assert (decision["rule"], decision["outcome"], decision["deadline"]) == ("R10", "wait", "2026-03-04T09:00:00Z")
    assert await hub.prints(hours=48) == ["no_account_48h"]


@pytest.mark.parametrize("known", [True, False])
async def test_with_silent_operators_what_is_known_serves_at_once(hub: LawDesk, known: bool) -> None:
    await hub.take(person(ADULT), *([mailbox(ADULT, as_of=START - 30 * HOUR)] if known else []))
    await hub.take(kallelse(ADULT))
    (one,) = await asked(hub)
    hub.time += SECOND
    await reachings.failed(hub.pool, [one.person], hub.time)
    (decision,) = decisions(await hub.tick())
    assert decision["rule"] == ("R9" if known else "R10")
    assert any(step["rule"] == "R9" and "silent" in step["because"] for step in decision["trace"])


async def test_with_a_connector_that_never_comes_nobody_waits_longer_than_twenty_seconds(hub: LawDesk) -> None:
    await hub.take(person(ADULT))
    await hub.take(kallelse(ADULT))
    assert await hub.prints(seconds=19) == []
    assert await hub.prints(seconds=2) == ["no_channel"]
    assert await hub.prints(kallelse(ADULT, "k2")) == ["no_channel"]


async def test_silence_about_one_path_lets_the_other_paths_answer_count(hub: LawDesk) -> None:
    await hub.take(person(ADULT))
    await hub.take(kallelse(ADULT))
    (one,) = await asked(hub)
    said = await tell(hub, one, {"kivra": True}, complete=False)
    assert decisions(said)[0]["channels"] == ["mailbox"]
    hub.time += timedelta(minutes=1)
    assert await asked(hub) == []  # nothing waits for the silent path any more


async def test_an_answer_after_the_silence_still_helps_a_letter_that_waits(hub: LawDesk) -> None:
    """R10, R15: it is asked again, and what opened gets it."""
    await hub.take(person(ADULT))
    await hub.take(letter(ADULT))
    (one,) = await asked(hub)
    await reachings.failed(hub.pool, [one.person], hub.time)
    assert decisions(await hub.tick())[0]["outcome"] == "wait"
    hub.time += timedelta(minutes=1)
    (again,) = await asked(hub)
    assert len(of(await tell(hub, again, NONE | {"kivra": True}), "delivery.requested.v1")) == 1


async def test_while_a_letter_waits_the_operators_are_asked_again(hub: LawDesk) -> None:
    """R10: a mailbox opened within 48 hours gets it, though nobody publishes that."""
    await hub.take(person(ADULT))
    await hub.take(letter(ADULT))
    (one,) = await asked(hub)
    await tell(hub, one, NONE)
    assert await asked(hub) == []
    await hub.wait(hours=7)
    (again,) = await asked(hub)
    said = await tell(hub, again, NONE | {"kivra": True})
    assert len(of(said, "delivery.requested.v1")) == 1
    await hub.wait(hours=7)
    assert await asked(hub) == []


async def test_they_are_asked_again_on_the_second_day_too(hub: LawDesk) -> None:
    """R10, P8: the register's facts are a day old by then, so the register is asked first; then the operators."""
    await hub.take(person(ADULT))
    await hub.take(letter(ADULT))
    for _ in range(5):
        (one,) = await asked(hub)
        await tell(hub, one, NONE)
        await hub.wait(hours=6)
    assert await asked(hub) == [], "nobody is asked about whom the register has not confirmed lately"
    await hub.wait(seconds=31)
    assert hub.lookups == [ADULT]
    (again,) = await asked(hub)
    assert len(of(await tell(hub, again, NONE | {"kivra": True}), "delivery.requested.v1")) == 1


@pytest.mark.parametrize(("age_h", "asks"), [(1, 0), (23, 0), (25, 1)])
async def test_facts_of_the_last_24_hours_serve_whoever_told_them(hub: LawDesk, age_h: int, asks: int) -> None:
    await hub.take(person(ADULT), mailbox(ADULT, as_of=START - age_h * HOUR))
    await hub.take(letter(ADULT))
    assert len(await asked(hub)) == asks


async def test_a_silence_is_remembered_for_an_hour_and_then_asked_into_again(hub: LawDesk) -> None:
    await hub.take(person(ADULT), account(ADULT), letter(ADULT))
    (one,) = await asked(hub)
    await reachings.failed(hub.pool, [one.person], hub.time)
    assert decisions(await hub.tick())[0]["channels"] == ["app"]
    hub.time += timedelta(minutes=5)
    assert await asked(hub) == []
    assert decisions(await hub.take(letter(ADULT, "d2")))[0]["channels"] == ["app"]
    hub.time += timedelta(minutes=56)
    assert await asked(hub) == []
    assert await hub.take(letter(ADULT, "d3")) == []
    assert len(await asked(hub)) == 1


async def test_what_was_asked_today_is_not_asked_again(hub: LawDesk) -> None:
    await hub.take(person(ADULT))
    await hub.take(letter(ADULT))
    (one,) = await asked(hub)
    await tell(hub, one, {"kivra": True})
    assert decisions(await hub.take(letter(ADULT, "d2")))[0]["channels"] == ["mailbox"]
    assert await asked(hub) == []


async def test_two_letters_ask_once(hub: LawDesk) -> None:
    await hub.take(person(ADULT))
    await hub.take(letter(ADULT), letter(ADULT, "d2"))
    await hub.take(letter(ADULT, "d3"))
    (one,) = await asked(hub)
    assert len(decisions(await tell(hub, one, NONE))) == 3


@pytest.mark.parametrize(
    "facts",
    [
        (person(ADULT, protection="sekretessmarkering"),),
        (person(ADULT, protection="skyddad_folkbokforing"),),
        (person(ADULT, deceased="2026-01-01"),),
        (person(ADULT), person(OTHER, protection="sekretessmarkering", linked=[ADULT])),
        (),
    ],
)  # fmt: skip
async def test_nobody_is_asked_about_who_must_not_be(hub: LawDesk, facts: tuple[Any, ...]) -> None:
    """P1, P3, P8: protected (also by a linked number), dead, or confirmed by no register."""
    hub.register = "off"
    await hub.take(*facts)
    await hub.take(letter(ADULT), kallelse(ADULT))
    assert await asked(hub) == []
    assert await hub.pool.fetchval("SELECT count(*) FROM reachings") == 0


@pytest.mark.parametrize("patient", [TEEN, CHILD, RESERVE])
async def test_no_minor_and_no_reserve_number_is_asked_about(hub: LawDesk, patient: str) -> None:
    """P2, R7, R8."""
    if patient != RESERVE:
        await hub.take(person(patient), person(MOTHER), account(MOTHER), agent(patient, MOTHER))
    await hub.take(letter(patient), kallelse(patient))
    assert await hub.pool.fetchval("SELECT count(*) FROM reachings") == 0


@pytest.mark.parametrize("news", [{"protection": "sekretessmarkering"}, {"deceased": "2026-03-01"}])
async def test_a_protection_that_comes_before_the_question_stops_it(hub: LawDesk, news: dict[str, Any]) -> None:
    """P1, P10: the connector takes nobody whom the facts of that moment forbid."""
    await hub.take(person(ADULT))
    await hub.take(letter(ADULT))
    await hub.take(person(ADULT, as_of=START + SECOND, **news))
    assert await asked(hub) == []
    hub.time += timedelta(hours=2)
    assert await asked(hub) == []
    assert await hub.pool.fetchval("SELECT count(*) FROM reachings") == 0


async def test_somebody_no_letter_is_for_is_not_asked_about(hub: LawDesk) -> None:
    """Data minimisation: the wait was over before the connector came."""
    await hub.take(person(ADULT))
    await hub.take(kallelse(ADULT))
    await hub.wait(seconds=30)
    assert await asked(hub) == []
    await hub.wait(hours=2)
    assert await asked(hub) == []
    assert await hub.pool.fetchval("SELECT count(*) FROM reachings") == 0


@pytest.mark.parametrize("answers", [True, False])
async def test_somebody_confirmed_after_all_is_asked_about_and_released(hub: LawDesk, answers: bool) -> None:
    """P8, R15: the entry is released when the operators have answered, or have not for twenty seconds."""
    hub.register = "off"
    await hub.take(letter(ADULT))
    assert await hub.prints(hours=49) == ["identity_unverified"]
    assert of(await hub.take(person(ADULT, as_of=hub.time)), "print.settled.v1") == []
    (one,) = await asked(hub)
    said = await tell(hub, one, NONE | {"kivra": True}) if answers else await hub.wait(seconds=21)
    assert [entry["outcome"] for entry in of(said, "print.settled.v1")] == ["released"]
    assert [each["channels"] for each in decisions(said)] == ([["mailbox"]] if answers else [[]])


async def test_a_wanted_question_that_is_not_asked_after_all_holds_nothing_up(hub: LawDesk) -> None:
    await hub.take(person(ADULT))
    await hub.take(letter(ADULT))
    await hub.pool.execute("UPDATE documents SET mailbox = 3")
    assert await asked(hub) == []
    await hub.pool.execute("UPDATE documents SET mailbox = 0")
    assert [each["rule"] for each in decisions(await hub.wait(seconds=21))] == ["R10"]


async def test_the_trace_context_of_a_held_letter_reaches_its_outputs(hub: LawDesk) -> None:
    await hub.take(person(ADULT))
    await hub.take(letter(ADULT))
    await hub.pool.execute("INSERT INTO held_traces SELECT doc, '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' FROM documents")
    (one,) = await asked(hub)
    await reachings.heard(hub.pool, one.person, one.asked_at, [1], complete=True)
    found: list[bytes] = []
    work = hub.work.commands

    async def listening(commands: Any) -> Any:
        committed = await work(commands)
        found.extend(value for output in committed.outputs for name, value in output.headers if name == "traceparent")
        return committed

    hub.work.commands = listening  # type: ignore[method-assign]
    await Desk.take(hub, mailbox(one.pid, as_of=one.asked_at))
    assert found and all(b"0af7651916cd43dd8448eb211c80319c" in value for value in found)
    assert await hub.pool.fetchval("SELECT count(*) FROM held_traces") == 0


async def test_where_nobody_asks_nothing_waits(law_dsn: str) -> None:
    async with law_desk(law_dsn, replace(POLICY, asks_mailboxes=False)) as hub:
        await hub.take(person(ADULT))
        assert await hub.prints(kallelse(ADULT)) == ["no_channel"]
        assert await hub.pool.fetchval("SELECT count(*) FROM reachings") == 0
