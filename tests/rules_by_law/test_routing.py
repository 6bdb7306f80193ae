"""Routing on arrival and at 48 hours: R1 to R12, in this order; the first that applies decides."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from schemas.persons import fictitious
from tests.pipelines.desk import CHILD, MOTHER, START, account, agent, answer, kallelse, letter, mailbox, person, read
from tests.rules_by_law.law_desk import (
    ADULT,
    FATHER,
    OTHER,
    POLICY,
    RESERVE,
    TEEN,
    LawDesk,
    attachment,
    classes,
    confirmation,
    law_desk,
    of,
    rule,
)

MINUTE = timedelta(minutes=1)
KINDS = [letter, kallelse, confirmation]
DEAD = {"deceased": date(2026, 2, 1)}
SEALED = {"protection": "skyddad_folkbokforing"}
MARKED = {"protection": "sekretessmarkering"}


# --- R2, R3 and the order -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize("more", [DEAD, {**DEAD, **SEALED}, {**DEAD, **MARKED}])
async def test_a_dead_persons_document_is_handled_by_hand(hub: LawDesk, make: Any, more: dict[str, Any]) -> None:
    """R2: print queue, manual, nothing sent, no notification; it comes before R3, whose masking holds all the same (P1)."""
    await hub.take(person(ADULT, **more), account(ADULT), mailbox(ADULT))
    said = await hub.take(make(ADULT, "x1", footer="", attachments=[attachment(e_brev=False)]))
    (entry,) = of(said, "print.entered.v1")
    assert (entry["reason"], entry["manual_handling"]) == ("deceased", True)
    assert ("title" in entry) == ("protection" not in more)
    assert rule(said) == ("R2", "print")
    assert {one.type for one in said} == {"print.entered.v1", "decision.made.v1"}


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize(("more", "print_class"), [(SEALED, "relay"), (MARKED, "ordinary")])
async def test_a_protected_identity_never_meets_a_digital_channel(hub: LawDesk, make: Any, more: dict[str, Any], print_class: str) -> None:
    """R3: before R5 and R6."""
    await hub.take(person(ADULT, **more), account(ADULT), mailbox(ADULT))
    said = await hub.take(make(ADULT, "x1", footer="", attachments=[attachment(e_brev=False)]))
    (entry,) = of(said, "print.entered.v1")
    assert (entry["reason"], entry["manual_handling"], entry["class"]) == ("protected_identity", True, print_class)
    assert rule(said) == ("R3", "print")


async def test_a_protected_child_is_protected_from_its_guardians_too(hub: LawDesk) -> None:
    """R3 before R7."""
    await hub.take(person(CHILD, **MARKED), person(MOTHER), account(MOTHER), agent(CHILD, MOTHER))
    assert await hub.prints(letter(CHILD)) == ["protected_identity"]


async def test_a_provider_may_open_the_app_for_sekretessmarkering_alone(law_dsn: str) -> None:
    """R3 (decision): the app, never a mailbox, never a notification; not for skyddad folkbokföring."""
    policy = POLICY
    limits = replace(policy.limits, open_app_for_sekretess=True)
    opened = replace(
        policy, limits=limits, units={key: replace(unit, limits=replace(unit.limits, open_app_for_sekretess=True))
                                      for key, unit in policy.units.items()},
    )  # fmt: skip
    async with law_desk(law_dsn, opened) as hub:
        await hub.take(person(ADULT, **MARKED), account(ADULT), mailbox(ADULT), person(OTHER, **SEALED), account(OTHER))
        said = await hub.take(letter(ADULT))
        assert len(of(said, "document.delivered.v1")) == 1
        assert of(said, "delivery.requested.v1") == of(said, "notification.requested.v1") == []
        assert await hub.prints(letter(OTHER, "d2")) == ["protected_identity"]


async def test_a_reserve_number_comes_before_code_and_attachment(hub: LawDesk) -> None:
    """R4 before R5 and R6."""
    assert await hub.prints(letter(RESERVE, footer="", attachments=[attachment(e_brev=False)])) == ["reserve_number"]


async def test_the_code_comes_before_the_attachment(hub: LawDesk) -> None:
    """R5 before R6."""
    await hub.take(person(ADULT), account(ADULT))
    assert await hub.prints(letter(ADULT, footer="", attachments=[attachment(e_brev=False)])) == ["control_code_missing"]


async def test_the_code_counts_for_children_and_for_those_without_channels(hub: LawDesk) -> None:
    """R5 before R7 and R10: at once, not after 48 hours."""
    await hub.take(person(CHILD), person(ADULT))
    assert await hub.prints(letter(CHILD, footer=""), letter(ADULT, "d2", footer="")) == ["control_code_missing"] * 2


# --- R7 -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", KINDS)
async def test_a_childs_document_goes_to_all_active_guardians(hub: LawDesk, make: Any) -> None:
    """R7, N1: all are recipients, all are notified, the child is neither; it needs no account of the child's."""
    await hub.take(person(CHILD), person(MOTHER), person(FATHER), account(MOTHER), account(FATHER), mailbox(CHILD))
    await hub.take(agent(CHILD, MOTHER), agent(CHILD, FATHER))
    said = await hub.take(make(CHILD, "x1"))
    (delivered,) = of(said, "document.delivered.v1")
    assert sorted((one["id"], one["role"]) for one in delivered["recipients"]) == sorted([(MOTHER, "guardian"), (FATHER, "guardian")])
    assert sorted(one["recipient"] for one in of(said, "notification.requested.v1")) == sorted([MOTHER, FATHER])
    assert of(said, "delivery.requested.v1") == []
    assert rule(said) == ("R7", "deliver")


async def test_a_child_under_13_with_an_own_account_is_still_read_by_guardians(hub: LawDesk) -> None:
    """R7: the active guardians are the recipients."""
    await hub.take(person(CHILD), account(CHILD), person(MOTHER), account(MOTHER), agent(CHILD, MOTHER))
    (delivered,) = of(await hub.take(letter(CHILD)), "document.delivered.v1")
    assert [one["role"] for one in delivered["recipients"]] == ["guardian"]


async def test_a_blocked_account_of_the_child_closes_its_space(hub: LawDesk) -> None:
    """R7."""
    await hub.take(person(CHILD), account(CHILD, "blocked"), person(MOTHER), account(MOTHER), agent(CHILD, MOTHER))
    assert await hub.prints(kallelse(CHILD)) == ["no_channel"]


async def test_reading_by_any_guardian_counts(hub: LawDesk) -> None:
    """R7."""
    await hub.take(person(CHILD), person(MOTHER), person(FATHER), account(MOTHER), account(FATHER))
    await hub.take(agent(CHILD, MOTHER), agent(CHILD, FATHER), letter(CHILD))
    said = await hub.take(read(CHILD, by=FATHER), read(CHILD, by=MOTHER))
    assert [one["outcome"] for one in of(said, "document.settled.v1")] == ["read"]
    assert await hub.prints(hours=49) == []


async def test_a_child_without_an_active_guardian_is_as_r10(hub: LawDesk) -> None:
    """R7, R10: never a mailbox, not even the child's; the letter waits."""
    await hub.take(person(CHILD), mailbox(CHILD), account(CHILD))
    assert await hub.prints(kallelse(CHILD)) == ["no_channel"]
    said = await hub.take(letter(CHILD))
    assert of(said, "delivery.requested.v1") == of(said, "print.entered.v1") == []
    assert await hub.prints(hours=48) == ["no_account_48h"]


AGES = [
    # born, sent (UTC), which
    (date(2013, 3, 3), datetime(2026, 3, 2, 12, 0, tzinfo=UTC), "child"),
    (date(2013, 3, 3), datetime(2026, 3, 2, 22, 59, tzinfo=UTC), "child"),
    (date(2013, 3, 3), datetime(2026, 3, 2, 23, 0, tzinfo=UTC), "teen"),
    (date(2012, 2, 29), datetime(2025, 2, 28, 22, 59, tzinfo=UTC), "child"),
    (date(2012, 2, 29), datetime(2025, 2, 28, 23, 0, tzinfo=UTC), "teen"),
    (date(2008, 3, 3), datetime(2026, 3, 2, 22, 59, tzinfo=UTC), "teen"),
    (date(2008, 3, 3), datetime(2026, 3, 2, 23, 0, tzinfo=UTC), "adult"),
    (date(2008, 2, 29), datetime(2026, 2, 28, 22, 59, tzinfo=UTC), "teen"),
    (date(2008, 2, 29), datetime(2026, 2, 28, 23, 0, tzinfo=UTC), "adult"),
    (date(2008, 7, 3), datetime(2026, 7, 2, 21, 59, tzinfo=UTC), "teen"),
    (date(2008, 7, 3), datetime(2026, 7, 2, 22, 0, tzinfo=UTC), "adult"),
]


@pytest.mark.parametrize(("born", "sent", "which"), AGES)
@pytest.mark.parametrize("coordination", [False, True])
async def test_age_counts_on_the_day_of_sending_in_stockholm(
    law_dsn: str, born: date, sent: datetime, which: str, coordination: bool
) -> None:
    """R7 to R9: also for samordningsnummer; somebody born on 29 February is a year older on 1 March."""
    somebody = fictitious(born, coordination=coordination)
    async with law_desk(law_dsn, time=sent) as hub:
        await hub.take(*(person(one, as_of=sent) for one in (somebody, MOTHER)), account(MOTHER), account(somebody), mailbox(somebody))
        await hub.take(agent(somebody, MOTHER))
        said = await hub.take(letter(somebody))
        roles = [one["role"] for one in of(said, "document.delivered.v1")[0]["recipients"]]
        assert (roles, len(of(said, "delivery.requested.v1"))) == {
            "child": (["guardian"], 0), "teen": (["resident"], 0), "adult": (["resident"], 1),
        }[which]  # fmt: skip
        assert rule(said)[0] == {"child": "R7", "teen": "R8", "adult": "R9"}[which]


# --- R8, R9 -------------------------------------------------------------------------------------------------------------------


async def test_a_teenager_has_the_app_only(hub: LawDesk) -> None:
    """R8: otherwise as R10; a mailbox does not help."""
    await hub.take(person(TEEN), mailbox(TEEN))
    assert await hub.prints(kallelse(TEEN)) == ["no_channel"]
    said = await hub.take(account(TEEN), letter(TEEN))
    assert len(of(said, "document.delivered.v1")) == 1 and of(said, "delivery.requested.v1") == []


@pytest.mark.parametrize(
    ("operator", "channel"),
    [
        ("kivra", "kivra"),
        ("billo", "mina_meddelanden"),
        ("minmyndighetspost", "mina_meddelanden"),
        ("fortnox", "mina_meddelanden"),
    ],
)
async def test_an_adult_has_app_and_mailbox(hub: LawDesk, operator: str, channel: str) -> None:
    """R9: the app and the mailbox."""
    await hub.take(person(ADULT), account(ADULT), mailbox(ADULT, operator))
    said = await hub.take(letter(ADULT))
    assert len(of(said, "document.delivered.v1")) == 1
    (requested,) = of(said, "delivery.requested.v1")
    assert (requested["channel"], requested["operator"], requested["patient"], requested["title"]) == (channel, operator, ADULT, "Provsvar")
    assert rule(said) == ("R9", "deliver")
    assert of(said, "decision.made.v1")[0]["channels"] == ["app", "mailbox"]


async def test_one_mailbox_path_per_document(hub: LawDesk) -> None:
    """R9: Kivra direct or Mina meddelanden, never both."""
    await hub.take(person(ADULT), mailbox(ADULT, "kivra"), mailbox(ADULT, "minmyndighetspost"), mailbox(ADULT, "billo"))
    said = await hub.take(letter(ADULT))
    (requested,) = of(said, "delivery.requested.v1")
    assert of(await hub.take(answer(requested["delivery_id"], "refused", at=START + MINUTE)), "delivery.requested.v1") == []


@pytest.mark.parametrize("facts", [{"accepts": False}, {"sender": "165560000001"}])
async def test_a_mailbox_that_does_not_take_mail_from_this_sender_is_none(hub: LawDesk, facts: dict[str, Any]) -> None:
    """R9."""
    await hub.take(person(ADULT), mailbox(ADULT, **facts))
    assert await hub.prints(kallelse(ADULT)) == ["no_channel"]


async def test_the_newest_news_of_a_mailbox_counts(hub: LawDesk) -> None:
    """R9, CONTRACTS 3: an older `as_of` never overwrites."""
    await hub.take(person(ADULT), mailbox(ADULT, accepts=False), mailbox(ADULT, as_of=START - MINUTE))
    assert await hub.prints(kallelse(ADULT)) == ["no_channel"]


async def test_an_emigrated_adult_is_routed_as_any_other(hub: LawDesk) -> None:
    """P3: a marker only."""
    await hub.take(person(ADULT, emigrated=True), account(ADULT))
    assert len(of(await hub.take(letter(ADULT)), "document.delivered.v1")) == 1


# --- R10, R11, R12 ------------------------------------------------------------------------------------------------------------


async def test_a_kallelse_without_a_channel_goes_to_print_at_once(hub: LawDesk) -> None:
    """R10."""
    await hub.take(person(ADULT))
    said = await hub.take(kallelse(ADULT))
    (entry,) = of(said, "print.entered.v1")
    assert (entry["reason"], entry["manual_handling"], entry["urgent"], entry["class"]) == ("no_channel", False, False, "ordinary")
    assert (entry["title"], entry["kind"], entry["attachments"]) == ("Kallelse", "kallelse", 0)
    assert datetime.fromisoformat(entry["entered"]) == hub.time
    assert rule(said) == ("R10", "print")


@pytest.mark.parametrize("make", [letter, confirmation])
async def test_a_letter_without_a_channel_waits_48_hours_to_the_second(hub: LawDesk, make: Any) -> None:
    """R10."""
    await hub.take(person(ADULT))
    said = await hub.take(make(ADULT, "x1"))
    assert rule(said) == ("R10", "wait")
    assert datetime.fromisoformat(of(said, "decision.made.v1")[0]["deadline"]) == START + timedelta(hours=48)
    assert of(await hub.wait(hours=47, minutes=59, seconds=59), "print.entered.v1") == []
    assert await hub.prints(seconds=1) == ["no_account_48h"]


@pytest.mark.parametrize("fact", [account, mailbox])
async def test_a_channel_opened_within_48_hours_gets_the_letter_then(hub: LawDesk, fact: Any) -> None:
    """R10: and the 48 hours go on from sending (R15)."""
    await hub.take(person(ADULT), letter(ADULT))
    await hub.wait(hours=47)
    said = await hub.take(fact(ADULT, as_of=hub.time)) + await hub.settle()
    assert len(of(said, "document.delivered.v1") + of(said, "delivery.requested.v1")) == 1
    (reason,) = await hub.prints(hours=1)
    assert reason in (("unread_48h",) if fact is account else ("unread_48h", "unknown_outcome"))


async def test_a_channel_opened_after_48_hours_comes_too_late(hub: LawDesk) -> None:
    """R10, R15: what is in the print queue stays there."""
    await hub.take(person(ADULT), letter(ADULT))
    await hub.wait(hours=48)
    said = await hub.take(account(ADULT, as_of=hub.time), mailbox(ADULT, as_of=hub.time))
    assert of(said, "document.delivered.v1") == of(said, "delivery.requested.v1") == []


async def test_a_deadline_missed_by_a_stopped_hub_is_kept_on_its_own_facts(hub: LawDesk) -> None:
    """CONTRACTS 3, cache-free truth: whoever comes first after it, the timer or the fact, the letter is sent once."""
    await hub.take(person(ADULT), letter(ADULT))
    hub.time += timedelta(hours=50)
    await hub.take(account(ADULT, as_of=hub.time))
    await hub.settle()
    await hub.wait(hours=1)
    assert len(of(hub.said, "document.delivered.v1")) + len(of(hub.said, "print.entered.v1")) >= 1
    assert len(of(hub.said, "print.entered.v1")) <= 1


@pytest.mark.parametrize("make", KINDS)
async def test_not_read_and_not_accepted_goes_to_print_at_48_hours(hub: LawDesk, make: Any) -> None:
    """R11: it stays in the app (R13)."""
    await hub.take(person(ADULT), account(ADULT))
    await hub.take(make(ADULT, "x1"))
    assert of(await hub.wait(hours=47, minutes=59, seconds=59), "print.entered.v1") == []
    said = await hub.wait(seconds=1)
    assert [one["reason"] for one in of(said, "print.entered.v1")] == ["unread_48h"]
    assert [(d["rule"], d["trigger"]) for d in of(said, "decision.made.v1")][-1] == ("R11", "deadline")
    assert of(said, "document.withdrawn.v1") == []


async def test_reading_settles_and_the_48_hours_pass_in_silence(hub: LawDesk) -> None:
    """R11."""
    await hub.take(person(ADULT), account(ADULT), mailbox(ADULT), letter(ADULT))
    said = await hub.take(read(ADULT, at=START + MINUTE))
    assert [one["outcome"] for one in of(said, "document.settled.v1")] == ["read"]
    assert await hub.wait(hours=60) == []


async def test_one_working_channel_is_enough(hub: LawDesk) -> None:
    """R11 (decision): "and"; accepted by the mailbox, unread in the app."""
    await hub.take(person(ADULT), account(ADULT), mailbox(ADULT), letter(ADULT))
    (requested,) = of(hub.said, "delivery.requested.v1")
    said = await hub.take(answer(requested["delivery_id"], "accepted"))
    assert [one["outcome"] for one in of(said, "document.settled.v1")] == ["accepted"]
    assert of(await hub.wait(hours=60), "print.entered.v1") == []


async def test_the_first_outcome_is_the_only_one(hub: LawDesk) -> None:
    """CONTRACTS 3: settled once, at once, the first outcome."""
    await hub.take(person(ADULT), account(ADULT), mailbox(ADULT), letter(ADULT))
    (requested,) = of(hub.said, "delivery.requested.v1")
    said = await hub.take(read(ADULT))
    said += await hub.take(answer(requested["delivery_id"], "accepted"), read(ADULT, at=START + MINUTE))
    assert [one["outcome"] for one in of(said, "document.settled.v1")] == ["read"]


@pytest.mark.parametrize("with_app", [False, True])
async def test_an_unknown_outcome_at_48_hours_says_so(hub: LawDesk, with_app: bool) -> None:
    """R11."""
    await hub.take(person(ADULT), mailbox(ADULT), *([account(ADULT)] if with_app else []))
    (requested,) = of(await hub.take(letter(ADULT)), "delivery.requested.v1")
    assert of(await hub.take(answer(requested["delivery_id"], "unknown")), "print.entered.v1") == []
    assert await hub.prints(hours=48) == ["unknown_outcome"]


async def test_a_delivery_nobody_answered_goes_to_print_at_48_hours(hub: LawDesk) -> None:
    """R11: not accepted; the law leaves open whether no answer is an unknown outcome."""
    await hub.take(person(ADULT), mailbox(ADULT), kallelse(ADULT))
    (reason,) = await hub.prints(hours=48)
    assert reason in ("unread_48h", "unknown_outcome")


async def test_a_refused_kallelse_with_no_open_app_goes_to_print_then(hub: LawDesk) -> None:
    """R12."""
    await hub.take(person(ADULT), mailbox(ADULT))
    (requested,) = of(await hub.take(kallelse(ADULT)), "delivery.requested.v1")
    await hub.wait(hours=1)
    said = await hub.take(answer(requested["delivery_id"], "refused", at=hub.time))
    assert [one["reason"] for one in of(said, "print.entered.v1")] == ["mailbox_refused"]
    assert of(said, "decision.made.v1")[-1]["trigger"] == "answer"


async def test_a_refused_letter_waits_for_its_48_hours(hub: LawDesk) -> None:
    """R12, R10: an account opened meanwhile gets it."""
    await hub.take(person(ADULT), mailbox(ADULT))
    for number in ("d1", "d2"):
        (requested,) = of(await hub.take(letter(ADULT, number)), "delivery.requested.v1")
        assert of(await hub.take(answer(requested["delivery_id"], "refused")), "print.entered.v1") == []
    await hub.take(read(ADULT))
    assert await hub.prints(hours=48) == ["mailbox_refused", "mailbox_refused"]


async def test_a_refusal_with_an_open_app_changes_nothing_until_48_hours(hub: LawDesk) -> None:
    """R12, R11."""
    await hub.take(person(ADULT), account(ADULT), mailbox(ADULT))
    (requested,) = of(await hub.take(kallelse(ADULT)), "delivery.requested.v1")
    assert of(await hub.take(answer(requested["delivery_id"], "refused")), "print.entered.v1") == []
    assert await hub.prints(hours=48) == ["unread_48h"]


async def test_an_acceptance_after_an_unknown_outcome_counts(hub: LawDesk) -> None:
    """R11, R15: a mailbox answer."""
    await hub.take(person(ADULT), mailbox(ADULT))
    (requested,) = of(await hub.take(letter(ADULT)), "delivery.requested.v1")
    await hub.take(answer(requested["delivery_id"], "unknown"))
    said = await hub.take(answer(requested["delivery_id"], "accepted", at=START + MINUTE))
    assert [one["outcome"] for one in of(said, "document.settled.v1")] == ["accepted"]


async def test_an_unknown_outcome_after_an_acceptance_changes_nothing(hub: LawDesk) -> None:
    """CONTRACTS 3: settled once."""
    await hub.take(person(ADULT), mailbox(ADULT))
    (requested,) = of(await hub.take(letter(ADULT)), "delivery.requested.v1")
    await hub.take(answer(requested["delivery_id"], "accepted"))
    await hub.take(answer(requested["delivery_id"], "refused", at=START + MINUTE))
    assert of(await hub.wait(hours=49), "print.entered.v1") == []


async def test_an_answer_about_a_delivery_nobody_requested_is_a_dead_letter(hub: LawDesk) -> None:
    """CONTRACTS 3: nothing of it counts."""
    said = await hub.take(answer("6f1d7c1e-5f0e-5d0a-9a53-6f0f2f0b8c11", "accepted"))
    assert len(classes(said)) == 1 and len(said) == 1


# --- time ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [datetime(2026, 3, 28, 12, 0, tzinfo=UTC), datetime(2026, 10, 24, 12, 0, tzinfo=UTC)])
async def test_48_hours_are_elapsed_hours_over_the_changes_of_the_clock(law_dsn: str, sent: datetime) -> None:
    """R11, "48 hours counts elapsed time"."""
    async with law_desk(law_dsn, time=sent) as hub:
        await hub.take(person(ADULT, as_of=sent), account(ADULT), letter(ADULT))
        assert await hub.prints(hours=47, minutes=59, seconds=59) == []
        assert await hub.prints(seconds=1) == ["unread_48h"]


async def test_sent_is_when_kafka_took_it_whatever_the_event_says(hub: LawDesk) -> None:
    """R11: neither `created` nor `ce_time` counts."""
    await hub.take(person(ADULT), account(ADULT))
    event = letter(ADULT, created=START - timedelta(days=3))
    said = await hub.take(replace(event, time=START - timedelta(days=2)))
    (delivered,) = of(said, "document.delivered.v1")
    assert datetime.fromisoformat(delivered["sent"]) == START
    assert await hub.prints(hours=47) == []


async def test_a_backlog_delays_no_deadline(hub: LawDesk) -> None:
    """DOMAIN 3: sent is Kafka's append time, also when the hub reads it days later."""
    await hub.take(person(ADULT), person(OTHER), account(OTHER))
    commands = [*hub.decoder.decode("ehr.letters.v1", [hub._record(letter(ADULT)), hub._record(letter(OTHER, "d2"))])]
    hub.time += timedelta(hours=49)
    await hub.take(person(ADULT, as_of=hub.time), person(OTHER, as_of=hub.time))
    said = await hub._said(await hub.work.commands(commands)) + await hub.settle()
    assert [one["reason"] for one in of(said, "print.entered.v1") if one["document_id"] == "d1"] == ["no_account_48h"]
    assert classes(said) == []
    assert {one["document_id"] for one in of(said, "print.entered.v1")} | {
        one["document_id"] for one in of(said, "document.delivered.v1")
    } == {"d1", "d2"}
