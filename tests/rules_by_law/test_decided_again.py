"""R15: what is not settled is decided again, at once, with fresh facts; nothing is delivered twice, no hour is given again."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from tests.pipelines.desk import CHILD, MOTHER, START, Event, account, agent, answer, booking, kallelse, letter, mailbox, person, read
from tests.rules_by_law.law_desk import ADULT, FATHER, OTHER, STAFF, LawDesk, classes, of

MINUTE = timedelta(minutes=1)
LATER = START + MINUTE


async def test_a_blocked_account_after_delivery_counts_as_missing(hub: LawDesk) -> None:
    """R15: a kallelse at once, a letter at 48 hours from sending."""
    await hub.take(person(ADULT), account(ADULT), letter(ADULT), kallelse(ADULT))
    said = await hub.take(account(ADULT, "blocked", as_of=LATER))
    assert [(one["document_id"], one["reason"]) for one in of(said, "print.entered.v1")] == [("k1", "no_channel")]
    assert await hub.prints(hours=48) == ["no_account_48h"]


async def test_a_reader_of_a_blocked_account_is_no_recipient(hub: LawDesk) -> None:
    """R15: read while the account was blocked is no reading."""
    await hub.take(person(ADULT), account(ADULT), letter(ADULT), account(ADULT, "blocked", as_of=LATER))
    assert classes(await hub.take(read(ADULT, at=START + 5 * MINUTE))) == ["not_a_recipient"]


async def test_unblocking_opens_the_copy_again_without_a_second_delivery(hub: LawDesk) -> None:
    """R15: what was delivered is not delivered again; the 48 hours never start anew."""
    await hub.take(person(ADULT), account(ADULT), letter(ADULT))
    await hub.take(account(ADULT, "blocked", as_of=LATER))
    await hub.wait(hours=1)
    said = await hub.take(account(ADULT, as_of=hub.time, **STAFF))
    assert of(said, "notification.requested.v1") == []
    assert of(said, "document.delivered.v1") == []
    said = await hub.take(read(ADULT, at=hub.time + MINUTE))
    assert [one["outcome"] for one in of(said, "document.settled.v1")] == ["read"]


async def test_unblocking_does_not_give_new_48_hours(hub: LawDesk) -> None:
    """R15."""
    await hub.take(person(ADULT), account(ADULT), letter(ADULT), account(ADULT, "blocked", as_of=LATER))
    await hub.wait(hours=24)
    await hub.take(account(ADULT, as_of=hub.time, **STAFF))
    assert await hub.prints(hours=24) == ["unread_48h"]


async def test_a_letter_that_waited_while_blocked_is_delivered_on_unblocking(hub: LawDesk) -> None:
    """R15."""
    await hub.take(person(ADULT), account(ADULT), account(ADULT, "blocked", as_of=LATER), letter(ADULT))
    said = await hub.take(account(ADULT, as_of=LATER + MINUTE, **STAFF))
    assert len(of(said, "document.delivered.v1")) == len(of(said, "notification.requested.v1")) == 1


async def test_an_open_app_copy_is_enough(hub: LawDesk) -> None:
    """R15: no mailbox beside it later."""
    await hub.take(person(ADULT), account(ADULT), letter(ADULT))
    assert of(await hub.take(mailbox(ADULT)), "delivery.requested.v1") == []


async def test_a_mailbox_helps_when_the_app_copy_was_closed(hub: LawDesk) -> None:
    """R15, R9: not read in the app, which is closed; a mailbox that opens within 48 hours gets it."""
    await hub.take(person(ADULT), account(ADULT), letter(ADULT), account(ADULT, "blocked", as_of=LATER))
    assert len(of(await hub.take(mailbox(ADULT)), "delivery.requested.v1")) == 1


async def test_blocking_with_a_mailbox_asks_the_mailbox(hub: LawDesk) -> None:
    """R15, R9: the mailbox that came after the app copy takes its place when the account is blocked."""
    await hub.take(person(ADULT), account(ADULT), kallelse(ADULT))
    await hub.take(mailbox(ADULT))
    said = await hub.take(account(ADULT, "blocked", as_of=LATER))
    assert len(of(said, "delivery.requested.v1")) == 1 and of(said, "print.entered.v1") == []


async def test_a_mailbox_that_was_asked_is_not_asked_again(hub: LawDesk) -> None:
    """R15: what was delivered is not delivered again."""
    await hub.take(person(ADULT), mailbox(ADULT), letter(ADULT))
    news = [mailbox(ADULT, "billo", as_of=LATER), mailbox(ADULT, accepts=False, as_of=LATER), mailbox(ADULT, as_of=LATER + MINUTE)]
    said = await hub.take(*news)
    assert of(said, "delivery.requested.v1") == []


async def test_an_account_opened_while_the_mailbox_has_it_gets_the_app_copy(hub: LawDesk) -> None:
    """R15, R9: account opened; not settled yet."""
    await hub.take(person(ADULT), mailbox(ADULT), letter(ADULT))
    assert len(of(await hub.take(account(ADULT)), "document.delivered.v1")) == 1


async def test_nothing_is_decided_for_a_settled_document(hub: LawDesk) -> None:
    """R15: a document that is not settled."""
    await hub.take(person(ADULT), account(ADULT), letter(ADULT), read(ADULT))
    said = await hub.take(account(ADULT, "blocked", as_of=LATER), mailbox(ADULT, as_of=LATER))
    assert of(said, "print.entered.v1") == of(said, "delivery.requested.v1") == []


async def test_a_death_after_delivery_sends_it_to_manual_handling(hub: LawDesk) -> None:
    """R15, R2."""
    await hub.take(person(ADULT), account(ADULT), letter(ADULT), person(OTHER), letter(OTHER, "d2"))
    said = await hub.take(*(person(one, deceased=date(2026, 3, 1), as_of=LATER) for one in (ADULT, OTHER)))
    assert sorted((one["document_id"], one["reason"], one["manual_handling"]) for one in of(said, "print.entered.v1")) == [
        ("d1", "deceased", True), ("d2", "deceased", True),
    ]  # fmt: skip
    assert of(said, "notification.requested.v1") == []


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"protection": "skyddad_folkbokforing"}, ("protected_identity", "relay", True, False)),
        ({"protection": "sekretessmarkering"}, ("protected_identity", "ordinary", True, False)),
        ({"deceased": date(2026, 3, 1)}, ("deceased", "ordinary", True, True)),
    ],
)
async def test_an_entry_in_the_queue_becomes_what_the_person_became(hub: LawDesk, more: dict[str, Any], expected: tuple[Any, ...]) -> None:
    """R15: masked, marked, moved to its class, with the new reason; the same entry."""
    await hub.take(person(ADULT))
    (first,) = of(await hub.take(kallelse(ADULT)), "print.entered.v1")
    (again,) = of(await hub.take(person(ADULT, as_of=LATER, **more)), "print.entered.v1")
    assert (again["reason"], again["class"], again["manual_handling"], "title" in again) == expected
    assert (again["entry_id"], again["entered"]) == (first["entry_id"], first["entered"])


async def test_an_entry_of_a_protected_person_who_dies_has_the_new_reason(hub: LawDesk) -> None:
    """R15: a death becomes known."""
    await hub.take(person(ADULT, protection="sekretessmarkering"), kallelse(ADULT))
    said = await hub.take(person(ADULT, protection="sekretessmarkering", deceased=date(2026, 3, 1), as_of=LATER))
    assert [(one["reason"], "title" in one) for one in of(said, "print.entered.v1")] == [("deceased", False)]


async def test_a_protection_lifted_leaves_the_entry_as_it_is(hub: LawDesk) -> None:
    """R15: only a protection or a death that becomes known, or a confirmation."""
    await hub.take(person(ADULT, protection="sekretessmarkering"), account(ADULT), kallelse(ADULT))
    said = await hub.take(person(ADULT, as_of=LATER))
    assert of(said, "print.entered.v1") == of(said, "document.delivered.v1") == of(said, "print.settled.v1") == []


@pytest.mark.parametrize("fact", [lambda: account(ADULT), lambda: mailbox(ADULT), lambda: person(ADULT, as_of=LATER)])
async def test_an_entry_in_the_queue_is_not_decided_again_for_other_news(hub: LawDesk, fact: Any) -> None:
    """R15."""
    await hub.take(person(ADULT), kallelse(ADULT))
    assert {one.type for one in await hub.take(fact())} <= {"decision.made.v1"}


async def test_a_guardian_who_becomes_active_joins_and_alone_is_notified(hub: LawDesk) -> None:
    """R15: by a link or by an account."""
    await hub.take(person(CHILD), person(MOTHER), person(FATHER), account(MOTHER), agent(CHILD, MOTHER), letter(CHILD))
    await hub.take(account(FATHER))
    said = await hub.take(agent(CHILD, FATHER, as_of=LATER))
    assert [one["recipient"] for one in of(said, "notification.requested.v1")] == [FATHER]
    (delivered,) = of(said, "document.delivered.v1")
    assert sorted(one["id"] for one in delivered["recipients"]) == sorted([MOTHER, FATHER])


async def test_a_guardian_who_left_and_comes_back_is_not_notified_again(hub: LawDesk) -> None:
    """N3: never twice for the same event."""
    await hub.take(person(CHILD), person(MOTHER), account(MOTHER), agent(CHILD, MOTHER), letter(CHILD))
    await hub.take(agent(CHILD, MOTHER, state="inactive", as_of=LATER))
    said = await hub.take(agent(CHILD, MOTHER, as_of=LATER + MINUTE))
    assert of(said, "notification.requested.v1") == []
    said = await hub.take(read(CHILD, by=MOTHER, at=LATER + 5 * MINUTE))
    assert [one["outcome"] for one in of(said, "document.settled.v1")] == ["read"]


async def test_when_the_last_guardian_goes_a_kallelse_goes_to_print(hub: LawDesk) -> None:
    """R15, R7: agent links; also by the guardian's block, death or protection."""
    for place, last in enumerate(
        [
            agent(CHILD, MOTHER, state="inactive", as_of=LATER),
            account(MOTHER, "blocked", as_of=LATER),
            person(MOTHER, deceased=date(2026, 3, 1), as_of=LATER),
            person(MOTHER, protection="sekretessmarkering", as_of=LATER),
        ]
    ):
        async with fresh(hub) as desk:
            await desk.take(person(CHILD), person(MOTHER), account(MOTHER), agent(CHILD, MOTHER), kallelse(CHILD))
            assert await desk.prints(last) == ["no_channel"], place


async def test_one_of_two_guardians_who_goes_leaves_the_channel_open(hub: LawDesk) -> None:
    """R15."""
    await hub.take(person(CHILD), person(MOTHER), person(FATHER), account(MOTHER), account(FATHER))
    await hub.take(agent(CHILD, MOTHER), agent(CHILD, FATHER), kallelse(CHILD))
    assert await hub.prints(account(MOTHER, "blocked", as_of=LATER)) == []
    assert classes(await hub.take(read(CHILD, "k1", by=MOTHER, at=LATER + MINUTE))) == ["not_a_recipient"]


async def test_a_new_fullmakt_joins_without_notification(hub: LawDesk) -> None:
    """R15, P7."""
    await hub.take(person(ADULT), person(OTHER), account(ADULT), account(OTHER), letter(ADULT))
    said = await hub.take(agent(ADULT, OTHER, relation="fullmakt", as_of=LATER))
    assert of(said, "notification.requested.v1") == []
    assert [[r["id"] for r in one["recipients"]] for one in of(said, "document.delivered.v1")] == [[ADULT, OTHER]]
    assert classes(await hub.take(read(ADULT, by=OTHER, at=LATER + MINUTE))) == []


async def test_a_childs_block_closes_its_open_copies(hub: LawDesk) -> None:
    """R15, R7."""
    await hub.take(person(CHILD), person(MOTHER), account(MOTHER), agent(CHILD, MOTHER), kallelse(CHILD))
    assert await hub.prints(account(CHILD, "blocked", as_of=LATER)) == ["no_channel"]


async def test_a_fact_that_comes_with_the_document_is_known_whatever_the_order(hub: LawDesk) -> None:
    """CONTRACTS 3: topics have no common order."""
    events: list[Event] = [kallelse(ADULT), mailbox(ADULT), booking(ADULT), account(ADULT), person(ADULT)]
    said = await hub.take(*events)
    assert len(of(said, "document.delivered.v1")) == len(of(said, "delivery.requested.v1")) == 1
    assert of(said, "print.entered.v1") == []


async def test_a_receipt_in_the_same_batch_as_its_document_counts(hub: LawDesk) -> None:
    """CONTRACTS 3."""
    said = await hub.take(read(ADULT), letter(ADULT), account(ADULT), person(ADULT))
    assert [one["outcome"] for one in of(said, "document.settled.v1")] == ["read"]


async def test_the_answer_and_the_reading_in_one_batch_settle_once(hub: LawDesk) -> None:
    """CONTRACTS 3."""
    await hub.take(person(ADULT), account(ADULT), mailbox(ADULT), letter(ADULT))
    (requested,) = of(hub.said, "delivery.requested.v1")
    said = await hub.take(answer(requested["delivery_id"], "accepted"), read(ADULT))
    assert len(of(said, "document.settled.v1")) == 1


async def test_every_decision_again_says_so_in_order(hub: LawDesk) -> None:
    """CONTRACTS 3: decisions about one document have ids and sequences of their own."""
    await hub.take(person(ADULT), letter(ADULT))
    await hub.take(account(ADULT))
    await hub.wait(hours=48)
    decisions = [one for one in hub.said if one.type == "decision.made.v1"]
    assert len({one.data["decision_id"] for one in decisions}) == len(decisions)
    assert [one.sequence for one in decisions] == sorted({one.sequence for one in decisions})
    assert next(one.data["rule"] for one in decisions) == "R10" and decisions[-1].data["rule"] == "R11"


async def test_a_death_known_only_at_the_deadline_counts(hub: LawDesk) -> None:
    """CONTRACTS 3, cache-free truth: the facts are read afresh."""
    await hub.take(person(ADULT), account(ADULT), letter(ADULT))
    hub.people[ADULT] = person(ADULT, deceased=date(2026, 3, 3)).data
    assert await hub.prints(hours=48) == ["deceased"]


def fresh(hub: LawDesk) -> Any:
    """The same ledger emptied, and a desk that has heard nothing."""
    from contextlib import asynccontextmanager

    from tests.rules_by_law.law_desk import empty, made

    @asynccontextmanager
    async def desk() -> Any:
        await empty(hub.pool)
        yield made(hub.pool, time=datetime.fromtimestamp(START.timestamp(), START.tzinfo))

    return desk()
