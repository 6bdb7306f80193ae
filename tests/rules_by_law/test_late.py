"""What comes late (R13), and visits that are nearer than paper needs (R14)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tests.pipelines.desk import CHILD, MOTHER, START, account, agent, answer, booking, kallelse, letter, mailbox, person, read
from tests.rules_by_law.law_desk import ADULT, EARLY_UNIT, LawDesk, classes, law_desk, of

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


# --- R13 ----------------------------------------------------------------------------------------------------------------------


async def test_read_late_settles_the_entry_and_the_document(hub: LawDesk) -> None:
    """R13."""
    await hub.take(person(ADULT), account(ADULT), letter(ADULT))
    (entry,) = of(await hub.wait(hours=48), "print.entered.v1")
    said = await hub.take(read(ADULT, at=hub.time))
    (settled,) = of(said, "print.settled.v1")
    assert (settled["entry_id"], settled["outcome"], settled["unit"]) == (entry["entry_id"], "read_late", entry["unit"])
    assert [one["outcome"] for one in of(said, "document.settled.v1")] == ["read"]


async def test_accepted_late_settles_the_entry_and_the_document(hub: LawDesk) -> None:
    """R13."""
    await hub.take(person(ADULT), mailbox(ADULT))
    (requested,) = of(await hub.take(letter(ADULT)), "delivery.requested.v1")
    await hub.wait(hours=50)
    said = await hub.take(answer(requested["delivery_id"], "accepted", at=hub.time))
    assert [one["outcome"] for one in of(said, "print.settled.v1")] == ["accepted_late"]
    assert [one["outcome"] for one in of(said, "document.settled.v1")] == ["accepted"]


async def test_a_second_late_reading_says_nothing(hub: LawDesk) -> None:
    """R13: the entry is settled once."""
    await hub.take(person(ADULT), account(ADULT), letter(ADULT))
    await hub.wait(hours=48)
    await hub.take(read(ADULT, at=hub.time))
    said = await hub.take(read(ADULT, at=hub.time + MINUTE))
    assert of(said, "print.settled.v1") == of(said, "document.settled.v1") == classes(said) == []


async def test_a_guardians_late_reading_settles_and_a_fullmakts_does_not(hub: LawDesk) -> None:
    """R13, P7."""
    await hub.take(person(CHILD), person(MOTHER), account(MOTHER), agent(CHILD, MOTHER), letter(CHILD))
    await hub.take(person(ADULT), account(ADULT), agent(ADULT, MOTHER, relation="fullmakt"), letter(ADULT, "d2"))
    assert await hub.prints(hours=48) == ["unread_48h"] * 2
    said = await hub.take(read(CHILD, by=MOTHER, at=hub.time), read(ADULT, "d2", by=MOTHER, at=hub.time))
    assert [one["document_id"] for one in of(said, "print.settled.v1")] == ["d1"]


async def test_an_acceptance_after_a_refused_kallelse_went_to_print_settles_it(hub: LawDesk) -> None:
    """R13: accepted by a mailbox after it went to the print queue."""
    await hub.take(person(ADULT), mailbox(ADULT))
    (requested,) = of(await hub.take(kallelse(ADULT)), "delivery.requested.v1")
    await hub.take(answer(requested["delivery_id"], "refused"))
    said = await hub.take(answer(requested["delivery_id"], "accepted", at=START + MINUTE))
    assert [one["outcome"] for one in of(said, "print.settled.v1")] == ["accepted_late"]


async def test_a_reading_counts_if_it_was_before_the_withdrawal(hub: LawDesk) -> None:
    """R15: a late receipt of a reading before the protection; after it, it is nobody's."""
    await hub.take(person(ADULT), account(ADULT), letter(ADULT), letter(ADULT, "d2"))
    await hub.wait(hours=2)
    await hub.take(person(ADULT, protection="sekretessmarkering", as_of=hub.time))
    said = await hub.take(read(ADULT, "d1", at=START + HOUR))
    assert [one["outcome"] for one in of(said, "document.settled.v1")] == ["read"]
    assert [one["outcome"] for one in of(said, "print.settled.v1")] == ["read_late"]
    said = await hub.take(read(ADULT, "d2", at=hub.time + MINUTE))
    assert of(said, "document.settled.v1") == of(said, "print.settled.v1") == []
    assert classes(said) == ["not_a_recipient"]


async def test_a_reading_while_one_was_a_recipient_counts_afterwards_and_a_later_one_does_not(hub: LawDesk) -> None:
    """R15: the receipt may come late."""
    await hub.take(person(CHILD), person(MOTHER), account(MOTHER), agent(CHILD, MOTHER), letter(CHILD), letter(CHILD, "d2"))
    await hub.wait(hours=2)
    await hub.take(agent(CHILD, MOTHER, state="inactive", as_of=hub.time))
    assert classes(await hub.take(read(CHILD, "d1", by=MOTHER, at=hub.time + HOUR))) == ["not_a_recipient"]
    said = await hub.take(read(CHILD, "d2", by=MOTHER, at=START + HOUR))
    assert [one["outcome"] for one in of(said, "document.settled.v1")] == ["read"]


async def test_a_reading_before_the_account_was_blocked_counts(hub: LawDesk) -> None:
    """R15: read before; the kallelse that went to print when it was blocked is settled."""
    await hub.take(person(ADULT), account(ADULT), kallelse(ADULT))
    await hub.wait(hours=2)
    assert await hub.prints(account(ADULT, "blocked", as_of=hub.time)) == ["no_channel"]
    said = await hub.take(read(ADULT, "k1", at=START + HOUR))
    assert [one["outcome"] for one in of(said, "print.settled.v1")] == ["read_late"]


# --- R14 ----------------------------------------------------------------------------------------------------------------------

MONDAY = START
"""2 March 2026, 10.00 in Stockholm. Paper printed then takes four working days: Tuesday to Friday."""
LEAD = [
    # visit, urgent when printed on Monday
    (datetime(2026, 3, 6, 8, 0, tzinfo=UTC), True),
    (datetime(2026, 3, 3, 8, 0, tzinfo=UTC), True),
    (datetime(2026, 3, 10, 8, 0, tzinfo=UTC), False),
    (datetime(2026, 3, 20, 8, 0, tzinfo=UTC), False),
    (datetime(2026, 3, 1, 8, 0, tzinfo=UTC), False),
]


@pytest.mark.parametrize(("visit", "urgent"), LEAD)
async def test_a_kallelse_printed_too_near_its_visit_is_urgent(hub: LawDesk, visit: datetime, urgent: bool) -> None:
    """R14: and not when the visit is past."""
    await hub.take(person(ADULT), booking(ADULT, start=visit))
    (entry,) = of(await hub.take(kallelse(ADULT, booking_id="b1")), "print.entered.v1")
    assert entry["urgent"] is urgent


@pytest.mark.parametrize(
    ("person_more", "kallelse_more"),
    [
        ({"deceased": date(2026, 2, 1)}, {}),
        ({}, {"attachments": [{"name": "a", "content_type": "text/plain", "data": "aGVq", "shared": True, "e_brev": True}]}),
    ],
)
async def test_it_is_urgent_whatever_its_reason(hub: LawDesk, person_more: dict[str, Any], kallelse_more: dict[str, Any]) -> None:
    """R14: a print entry of a kallelse made when its visit is that near."""
    await hub.take(person(ADULT), account(ADULT), booking(ADULT, start=START + timedelta(days=1)))
    await hub.take(person(ADULT, as_of=START + MINUTE, **person_more))
    (entry,) = of(await hub.take(kallelse(ADULT, booking_id="b1", **kallelse_more)), "print.entered.v1")
    assert entry["urgent"] is True


@pytest.mark.parametrize(("visit", "urgent"), LEAD)
async def test_a_booking_that_its_kallelse_overtook_makes_the_entry_urgent(hub: LawDesk, visit: datetime, urgent: bool) -> None:
    """R14, R15: topics have no common order, and the visit was that near when the entry was made."""
    await hub.take(person(ADULT))
    (first,) = of(await hub.take(kallelse(ADULT, booking_id="b1")), "print.entered.v1")
    last = (of(await hub.take(booking(ADULT, start=visit)), "print.entered.v1") or [first])[-1]
    assert (first["urgent"], last["entry_id"], last["urgent"]) == (False, first["entry_id"], urgent)


async def test_time_alone_makes_no_entry_urgent(hub: LawDesk) -> None:
    """R14: what counts is how near the visit was when the entry was made."""
    await hub.take(person(ADULT))
    await hub.take(kallelse(ADULT, booking_id="b1"), booking(ADULT, start=START + timedelta(days=30)))
    said = await hub.wait(days=28)
    said += await hub.take(booking(ADULT, start=START + timedelta(days=30), version=2, comment="Ta med ID"))
    assert [one["urgent"] for one in of(said, "print.entered.v1")] == []


async def test_a_kallelse_in_the_app_is_urgent_when_its_reader_becomes_protected(hub: LawDesk) -> None:
    """R14, R15: as long as the visit is known (B1 keeps nothing of a protected person's later ones)."""
    await hub.take(person(ADULT), account(ADULT), booking(ADULT, start=START + timedelta(days=1)), kallelse(ADULT, booking_id="b1"))
    said = await hub.take(person(ADULT, protection="sekretessmarkering", as_of=START + MINUTE))
    assert [one["urgent"] for one in of(said, "print.entered.v1")] == [True]


async def test_letters_are_never_urgent(hub: LawDesk) -> None:
    """R14 is about kallelser."""
    await hub.take(person(ADULT), booking(ADULT, start=START + timedelta(days=1)))
    (entry,) = of(await hub.take(letter(ADULT, footer="", booking_id="b1")), "print.entered.v1")
    assert entry["urgent"] is False


async def test_a_cancelled_visit_makes_nothing_urgent(hub: LawDesk) -> None:
    """R14, C7: there is no visit."""
    await hub.take(person(ADULT), booking(ADULT, start=START + timedelta(days=1), status="cancelled"))
    (entry,) = of(await hub.take(kallelse(ADULT, booking_id="b1")), "print.entered.v1")
    assert entry["urgent"] is False


async def early(hub: LawDesk, visit: datetime, **more: Any) -> None:
    await hub.take(person(ADULT, as_of=hub.time), account(ADULT, as_of=hub.time), booking(ADULT, unit=EARLY_UNIT, start=visit, **more))
    assert of(await hub.take(kallelse(ADULT, unit=EARLY_UNIT, booking_id="b1")), "document.delivered.v1")


async def first_print(hub: LawDesk, hours: int = 49) -> tuple[datetime, str]:
    for _ in range(hours * 2):
        found = await hub.prints(minutes=30)
        if found:
            return hub.time, found[0]
    raise AssertionError("nothing was printed")


EARLY = [
    # sent, visit, from when and to when paper must be started
    (MONDAY, datetime(2026, 3, 9, 12, 0, tzinfo=UTC), date(2026, 3, 3)),
    (MONDAY, datetime(2026, 3, 10, 12, 0, tzinfo=UTC), date(2026, 3, 4)),
]


@pytest.mark.parametrize(("sent", "visit", "day"), EARLY)
async def test_with_early_print_the_deadline_is_the_visit_less_the_paper_lead(
    law_dsn: str, sent: datetime, visit: datetime, day: date
) -> None:
    """R14: where that is after sent and before 48 hours; the reason is `unread_early`."""
    async with law_desk(law_dsn, time=sent) as hub:
        await early(hub, visit)
        at, reason = await first_print(hub)
        if at < sent + timedelta(hours=48):
            assert (at.date(), reason) == (day, "unread_early")
        else:
            assert reason == "unread_48h"


async def test_early_print_is_off_by_default(hub: LawDesk) -> None:
    """R14: the seed's 48 hours."""
    await hub.take(person(ADULT), account(ADULT), booking(ADULT, start=datetime(2026, 3, 9, 12, 0, tzinfo=UTC)))
    await hub.take(kallelse(ADULT, booking_id="b1"))
    assert await hub.prints(hours=47, minutes=59) == []
    assert await hub.prints(minutes=1) == ["unread_48h"]


async def test_a_visit_nearer_than_the_lead_at_sending_keeps_the_48_hours(hub: LawDesk) -> None:
    """R14: only where `visit − paper lead` is after sent; and then the entry is urgent if the visit is to come."""
    await early(hub, START + timedelta(hours=60))
    said = await hub.wait(hours=48)
    assert [(one["reason"], one["urgent"]) for one in of(said, "print.entered.v1")] == [("unread_48h", True)]


async def test_the_early_deadline_follows_the_bookings_current_start(hub: LawDesk) -> None:
    """R14, R15: rebooked nearer, the deadline is earlier; rebooked away, 48 hours again."""
    await early(hub, datetime(2026, 4, 20, 8, 0, tzinfo=UTC))
    assert await deadline(hub) == START + timedelta(hours=48)
    await hub.take(
        booking(ADULT, version=2, status="rebooked", unit=EARLY_UNIT, start=datetime(2026, 3, 9, 12, 0, tzinfo=UTC))
    )
    assert START < await deadline(hub) < START + timedelta(hours=48)
    await hub.take(
        booking(ADULT, version=3, status="rebooked", unit=EARLY_UNIT, start=datetime(2026, 4, 20, 8, 0, tzinfo=UTC))
    )
    assert await deadline(hub) == START + timedelta(hours=48)


async def test_the_early_deadline_is_48_hours_again_when_the_visit_is_cancelled(hub: LawDesk) -> None:
    """R14."""
    await early(hub, datetime(2026, 3, 9, 12, 0, tzinfo=UTC))
    assert await deadline(hub) < START + timedelta(hours=48)
    await hub.take(booking(ADULT, version=2, status="cancelled", unit=EARLY_UNIT, start=datetime(2026, 3, 9, 12, 0, tzinfo=UTC)))
    assert await deadline(hub) == START + timedelta(hours=48)


async def test_a_booking_that_comes_after_its_kallelse_sets_the_early_deadline(hub: LawDesk) -> None:
    """R14, R15."""
    await hub.take(person(ADULT), account(ADULT), kallelse(ADULT, unit=EARLY_UNIT, booking_id="b1"))
    assert await deadline(hub) == START + timedelta(hours=48)
    await hub.take(booking(ADULT, unit=EARLY_UNIT, start=datetime(2026, 3, 9, 12, 0, tzinfo=UTC)))
    assert START < await deadline(hub) < START + timedelta(hours=48)


async def test_another_deadline_is_told_as_a_decision(hub: LawDesk) -> None:
    """R14, R15: decided again with the booking's start of now, and every decision is stored with its trace; a repeat tells nothing."""
    await early(hub, datetime(2026, 4, 20, 8, 0, tzinfo=UTC))
    near = booking(ADULT, version=2, status="rebooked", unit=EARLY_UNIT, start=datetime(2026, 3, 9, 12, 0, tzinfo=UTC))
    (decided,) = [one for one in of(await hub.take(near), "decision.made.v1") if one["subject"] == "document"]
    assert (decided["trigger"], decided["outcome"]) == ("resident", "deliver")
    assert datetime.fromisoformat(decided["deadline"]) == await deadline(hub)
    await hub.take(account(ADULT, as_of=START + MINUTE))
    assert [one["deadline"] for one in of(hub.said, "decision.made.v1") if one["subject"] == "document"][-1] == decided["deadline"]


async def test_a_rebooking_so_near_that_the_early_deadline_has_passed_prints_at_once(hub: LawDesk) -> None:
    """R14: the deadline follows the booking's current start."""
    await early(hub, datetime(2026, 4, 20, 8, 0, tzinfo=UTC))
    await hub.wait(hours=30)
    said = await hub.take(
        person(ADULT, as_of=hub.time),
        booking(ADULT, version=2, status="rebooked", unit=EARLY_UNIT, start=datetime(2026, 3, 9, 12, 0, tzinfo=UTC)),
    )
    said += await hub.settle()
    assert [one["reason"] for one in of(said, "print.entered.v1")] == ["unread_early"]


@pytest.mark.parametrize(
    ("sent", "visit", "days"),
    [
        # Four working days before, whatever stands between: an ordinary week, midsummer (the eve too), Christmas and New Year, Easter.
        (datetime(2026, 6, 17, 7, 0, tzinfo=UTC), datetime(2026, 6, 25, 12, 0, tzinfo=UTC), {date(2026, 6, 18), date(2026, 6, 19)}),
        (datetime(2026, 12, 21, 7, 0, tzinfo=UTC), datetime(2026, 12, 30, 12, 0, tzinfo=UTC), {date(2026, 12, 22), date(2026, 12, 23)}),
        (datetime(2026, 3, 30, 7, 0, tzinfo=UTC), datetime(2026, 4, 8, 12, 0, tzinfo=UTC), {date(2026, 3, 31), date(2026, 4, 1)}),
    ],
)
async def test_eves_and_holidays_are_no_working_days(law_dsn: str, sent: datetime, visit: datetime, days: set[date]) -> None:
    """R14: midsommarafton, julafton and nyårsafton are free in practice."""
    async with law_desk(law_dsn, time=sent) as hub:
        await early(hub, visit)
        assert (await deadline(hub)).date() in days


async def test_a_read_kallelse_is_not_printed_early(hub: LawDesk) -> None:
    """R14."""
    await early(hub, datetime(2026, 3, 9, 12, 0, tzinfo=UTC))
    await hub.take(read(ADULT, "k1", at=START + MINUTE))
    assert await hub.prints(hours=60) == []


async def deadline(hub: LawDesk) -> datetime:
    found: datetime = await hub.pool.fetchval("SELECT deadline FROM documents")
    return found
