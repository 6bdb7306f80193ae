"""Who is who: protection, reserve numbers, old numbers, accounts, agents, the register (P1 to P10)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from pipelines.transport.outputs import Output
from schemas.persons import fictitious
from tests.pipelines.desk import (
    ANNA,
    CHILD,
    MOTHER,
    START,
    UNIT,
    account,
    agent,
    answer,
    booking,
    kallelse,
    letter,
    mailbox,
    person,
    read,
)
from tests.rules_by_law.law_desk import (
    ADULT,
    FATHER,
    HIDDEN,
    KEYS,
    NATIONAL,
    OTHER,
    RESERVE,
    STAFF,
    TEEN,
    LawDesk,
    classes,
    confirmation,
    of,
    rule,
    video,
)

MINUTE = timedelta(minutes=1)
PROTECTIONS = ("sekretessmarkering", "skyddad_folkbokforing")


# --- P1 -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protection", PROTECTIONS)
async def test_no_event_about_a_protected_person_names_what_the_document_is_called(hub: LawDesk, protection: str) -> None:
    """P1, R3: masked wherever it is shown."""
    await hub.take(person(ADULT, protection=protection), account(ADULT), mailbox(ADULT))
    said = await hub.take(letter(ADULT))
    assert [one["reason"] for one in of(said, "print.entered.v1")] == ["protected_identity"]
    assert {one.topic for one in said} == {"print.entries.v1", "decisions.v1"}
    assert all("title" not in one.data for one in said)


@pytest.mark.parametrize("protection", PROTECTIONS)
async def test_a_protected_person_is_never_asked_for_at_a_mailbox(hub: LawDesk, protection: str) -> None:
    """P1: neither FaR nor Kivra is asked about them; so no delivery is ever requested."""
    await hub.take(person(ADULT, protection=protection), mailbox(ADULT), letter(ADULT), kallelse(ADULT))
    said = await hub.take(mailbox(ADULT, "billo", as_of=START + MINUTE))
    assert of(hub.said + said, "delivery.requested.v1") == []


# --- P2 -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [RESERVE, NATIONAL])
@pytest.mark.parametrize("kind", [letter, kallelse, confirmation])
async def test_a_reserve_number_alone_has_no_digital_channel(hub: LawDesk, number: str, kind: object) -> None:
    """P2, R4, P8: paper at once, and no register is asked."""
    said = await hub.take(account(number), mailbox(number), kind(number, "x1"))  # type: ignore[operator]
    assert [one["reason"] for one in of(said, "print.entered.v1")] == ["reserve_number"]
    assert of(said, "document.delivered.v1") == of(said, "delivery.requested.v1") == []
    assert of(said, "print.entered.v1")[0]["manual_handling"] is False
    await hub.settle()
    assert hub.lookups == []


async def test_a_reserve_number_linked_by_the_register_is_handled_as_the_person(hub: LawDesk) -> None:
    """P2: one whose reserve number is linked to a personnummer is handled as that person."""
    await hub.take(person(ADULT, linked=[RESERVE]), account(ADULT))
    said = await hub.take(letter(RESERVE))
    (delivered,) = of(said, "document.delivered.v1")
    assert (delivered["patient"], delivered["recipients"]) == (ADULT, [{"id": ADULT, "role": "resident"}])


async def test_a_reserve_number_that_was_replaced_is_handled_as_the_person(hub: LawDesk) -> None:
    """P2, P4: the link may be told from the other side."""
    await hub.take(person(ADULT), account(ADULT), person(RESERVE, replaced_by=ADULT))
    said = await hub.take(letter(RESERVE))
    assert [one["patient"] for one in of(said, "document.delivered.v1")] == [ADULT]


async def test_a_booking_on_a_linked_reserve_number_is_the_persons(hub: LawDesk) -> None:
    """P2, B8."""
    await hub.take(person(ADULT, linked=[RESERVE]), account(ADULT))
    said = await hub.take(booking(RESERVE))
    assert [one["patient"] for one in of(said, "booking.shown.v1")] == [ADULT, ADULT]


async def test_a_link_that_comes_in_the_same_batch_counts(hub: LawDesk) -> None:
    """P2: facts before what is decided on them."""
    said = await hub.take(letter(RESERVE), account(ADULT), person(ADULT, linked=[RESERVE]))
    assert [one["patient"] for one in of(said, "document.delivered.v1")] == [ADULT]


# --- P4 -----------------------------------------------------------------------------------------------------------------------


async def test_events_under_an_old_number_are_the_current_persons(hub: LawDesk) -> None:
    """P4: documents, bookings, accounts and receipts alike; what the hub writes has the current number."""
    await hub.take(person(OTHER), person(ADULT, replaced_by=OTHER))
    await hub.take(account(ADULT))
    said = await hub.take(letter(ADULT), booking(ADULT))
    assert [one["patient"] for one in of(said, "document.delivered.v1") + of(said, "booking.shown.v1")] == [OTHER] * 3
    assert of(said, "document.delivered.v1")[0]["recipients"] == [{"id": OTHER, "role": "resident"}]
    said = await hub.take(read(ADULT, by=ADULT))
    assert [one["outcome"] for one in of(said, "document.settled.v1")] == ["read"]


async def test_what_was_open_under_the_old_number_is_decided_for_the_current_person(hub: LawDesk) -> None:
    """P4, R15: a waiting letter reaches the account of the current number."""
    await hub.take(person(ADULT), person(OTHER), account(OTHER))
    assert of(await hub.take(letter(ADULT)), "document.delivered.v1") == []
    said = await hub.take(person(ADULT, replaced_by=OTHER, as_of=START + MINUTE))
    assert [one["patient"] for one in of(said, "document.delivered.v1")] == [OTHER]


async def test_a_booking_stays_where_compacted_topics_have_it_when_its_person_gets_another_number(hub: LawDesk) -> None:
    """P4, CONTRACTS section 2: else what was last said of it under the old number would stand there for ever."""
    places: list[tuple[str, bytes | None]] = []
    check = hub._check

    def watch(output: Output) -> None:
        if output.topic in ("app.bookings.v1", "portal.bookings.v1"):
            places.append((output.topic, output.partition_key))
        check(output)

    hub._check = watch  # type: ignore[method-assign]
    await hub.take(person(ADULT), account(ADULT), booking(ADULT))
    await hub.take(person(OTHER), person(ADULT, replaced_by=OTHER, as_of=START + MINUTE))
    await hub.take(person(FATHER), person(OTHER, replaced_by=FATHER, as_of=START + MINUTE))
    said = await hub.take(booking(FATHER, version=2, description="Nytt"))
    assert {one["patient"] for one in of(said, "booking.shown.v1")} == {FATHER}
    said = await hub.take(booking(OTHER, version=3, status="cancelled"))
    assert of(said, "booking.hidden.v1") == [{"booking_id": "b1", "version": 3}]
    assert len(places) == 6
    assert len(set(places)) == 2


async def test_a_chain_of_old_numbers_ends_at_the_current_one(hub: LawDesk) -> None:
    """P4: a number may change twice."""
    await hub.take(person(FATHER), account(FATHER), person(OTHER, replaced_by=FATHER), person(ADULT, replaced_by=OTHER))
    said = await hub.take(letter(ADULT))
    assert [one["patient"] for one in of(said, "document.delivered.v1")] == [FATHER]


async def test_the_chain_may_be_told_in_the_other_order(hub: LawDesk) -> None:
    """P4."""
    await hub.take(person(ADULT, replaced_by=OTHER))
    await hub.take(person(OTHER, replaced_by=FATHER))
    await hub.take(person(FATHER), account(FATHER))
    said = await hub.take(letter(ADULT))
    assert [one["patient"] for one in of(said, "document.delivered.v1")] == [FATHER]


@pytest.mark.parametrize("known_before", [False, True])
async def test_a_number_that_the_register_links_to_the_current_one_is_that_person(hub: LawDesk, known_before: bool) -> None:
    """P4: `linked` of one whom nothing replaces are their old numbers; nobody need publish those once more with `replaced_by`."""
    await hub.take(*([person(OTHER)] if known_before else []), person(ADULT, linked=[OTHER], as_of=START + MINUTE))
    await hub.take(account(OTHER, as_of=START + MINUTE))
    said = await hub.take(letter(OTHER, "old"), letter(ADULT, "new"))
    assert {one["document_id"]: one["patient"] for one in of(said, "document.delivered.v1")} == {"old": ADULT, "new": ADULT}


async def test_numbers_that_link_each_other_are_one_person(hub: LawDesk) -> None:
    """P4: whoever was told of first is the current one; garbage from a register is no loop of ours."""
    await hub.take(person(ADULT, linked=[OTHER]), person(OTHER, linked=[ADULT]), account(ADULT))
    said = await hub.take(letter(OTHER, "old"), letter(ADULT, "new"))
    assert {one["document_id"]: one["patient"] for one in of(said, "document.delivered.v1")} == {"old": ADULT, "new": ADULT}


async def test_numbers_that_replace_each_other_stop_nobody(hub: LawDesk) -> None:
    """P4: garbage from a register is no loop of ours."""
    await hub.take(person(ADULT, replaced_by=OTHER), person(OTHER, replaced_by=ADULT))
    await hub.take(letter(ADULT), letter(OTHER, "d2"), account(ADULT), account(OTHER))
    await hub.wait(hours=49)
    assert {one["document_id"] for one in of(hub.said, "document.delivered.v1") + of(hub.said, "print.entered.v1")} == {"d1", "d2"}


@pytest.mark.parametrize("protected", [ADULT, OTHER])
async def test_fingerade_numbers_are_never_linked_when_either_is_protected(hub: LawDesk, protected: str) -> None:
    """P4: not shown, linked or logged together."""
    state = {ADULT: "none", OTHER: "none", protected: "skyddad_folkbokforing"}
    await hub.take(person(ADULT, replaced_by=OTHER, protection=state[ADULT]), person(OTHER, protection=state[OTHER]), account(OTHER))
    said = await hub.take(letter(ADULT, "old"), letter(OTHER, "new"))
    by = {one.data["document_id"]: one.key for one in said if one.topic == "print.entries.v1"}
    assert by == {"old": KEYS.key(ADULT), "new": KEYS.key(OTHER)}
    assert of(said, "document.delivered.v1") == []


async def test_a_protection_of_the_old_number_protects_the_current_one(hub: LawDesk) -> None:
    """P8: one on an old or linked number protects the current one."""
    await hub.take(person(OTHER), account(OTHER), person(ADULT, replaced_by=OTHER))
    await hub.take(letter(OTHER), booking(OTHER))
    said = await hub.take(person(ADULT, replaced_by=OTHER, protection="sekretessmarkering", as_of=START + MINUTE))
    assert len(of(said, "document.withdrawn.v1")) == 1
    assert len(of(said, "booking.hidden.v1")) == 2


async def test_a_protection_of_a_linked_number_protects_the_current_one(hub: LawDesk) -> None:
    """P8."""
    await hub.take(person(ADULT, linked=[RESERVE]), account(ADULT))
    await hub.take(letter(ADULT))
    said = await hub.take(person(RESERVE, protection="sekretessmarkering", as_of=START + MINUTE))
    assert len(of(said, "document.withdrawn.v1")) == 1
    assert [one["reason"] for one in of(said, "print.entered.v1")] == ["protected_identity"]


async def test_a_protection_known_before_the_link_protects_from_the_link_on(hub: LawDesk) -> None:
    """P8."""
    await hub.take(person(RESERVE, protection="sekretessmarkering"), person(ADULT), account(ADULT))
    await hub.take(letter(ADULT))
    said = await hub.take(person(ADULT, linked=[RESERVE], as_of=START + MINUTE))
    assert len(of(said, "document.withdrawn.v1")) == 1


# --- P5 -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["blocked", "none"])
async def test_a_blocked_or_deregistered_account_counts_as_missing(hub: LawDesk, state: str) -> None:
    """P5."""
    await hub.take(person(ADULT), account(ADULT))
    await hub.take(account(ADULT, state, as_of=START + MINUTE))
    assert await hub.prints(kallelse(ADULT)) == ["no_channel"]


async def test_deregistering_is_blocking_and_the_resident_cannot_undo_it(hub: LawDesk) -> None:
    """P5: neither in silence nor by saying that one is the resident, present or not."""
    await hub.take(person(ADULT), account(ADULT), letter(ADULT))
    await hub.take(account(ADULT, "none", as_of=START + MINUTE))
    by = {"by": {"id": ADULT, "role": "resident"}}
    for place, more in enumerate([{}, by, {**by, "present": UNIT}, {"by": STAFF["by"]}], start=2):
        said = await hub.take(account(ADULT, as_of=START + place * MINUTE, **more))
        assert classes(said) == ["not_allowed"], more
        assert len(said) == 1
    said = await hub.take(account(ADULT, as_of=START + 9 * MINUTE, **STAFF))
    assert classes(said) == []
    assert of(await hub.take(letter(ADULT, "d2")), "document.delivered.v1")


async def test_somebody_who_never_had_an_account_may_open_one(hub: LawDesk) -> None:
    """P5: `none` is a block only after `active`."""
    await hub.take(person(ADULT), account(ADULT, "none"))
    assert classes(await hub.take(account(ADULT, as_of=START + MINUTE, by={"id": ADULT, "role": "resident"}))) == []
    assert of(await hub.take(letter(ADULT)), "document.delivered.v1")


async def test_an_account_blocked_before_it_was_ever_active_needs_staff_too(hub: LawDesk) -> None:
    """P5."""
    await hub.take(person(ADULT), account(ADULT, "blocked"))
    assert classes(await hub.take(account(ADULT, as_of=START + MINUTE))) == ["not_allowed"]


async def test_a_blocked_account_cannot_be_emptied_to_none_and_opened_again(hub: LawDesk) -> None:
    """P5: blocked, then none, then active by the resident would be a way around."""
    await hub.take(person(ADULT), account(ADULT), account(ADULT, "blocked", as_of=START + MINUTE))
    await hub.take(account(ADULT, "none", as_of=START + 2 * MINUTE))
    assert classes(await hub.take(account(ADULT, as_of=START + 3 * MINUTE))) == ["not_allowed"]
    assert await hub.prints(kallelse(ADULT)) == ["no_channel"]


async def test_blocking_and_unblocking_in_one_batch_follow_their_order(hub: LawDesk) -> None:
    """P5: whatever the order of the events in the batch, `as_of` decides what came after what."""
    await hub.take(person(ADULT), account(ADULT))
    await hub.take(account(ADULT, "blocked", as_of=START + MINUTE), account(ADULT, as_of=START + 2 * MINUTE, **STAFF))
    assert of(await hub.take(letter(ADULT)), "document.delivered.v1")


async def test_blocking_sends_no_notification(hub: LawDesk) -> None:
    """P5, N3."""
    await hub.take(person(ADULT), account(ADULT, phone="+46701740605"), letter(ADULT), booking(ADULT))
    said = await hub.take(account(ADULT, "blocked", as_of=START + MINUTE))
    assert of(said, "notification.requested.v1") == []


async def test_unblocking_does_not_restore_agent_links(hub: LawDesk) -> None:
    """P5: they are deactivated and have to be added anew."""
    await hub.take(person(ADULT), person(OTHER), account(ADULT), account(OTHER), agent(ADULT, OTHER, relation="fullmakt"))
    await hub.take(account(ADULT, "blocked", as_of=START + MINUTE))
    await hub.take(account(ADULT, as_of=START + 2 * MINUTE, **STAFF))
    said = await hub.take(letter(ADULT))
    assert [one["recipients"] for one in of(said, "document.delivered.v1")] == [[{"id": ADULT, "role": "resident"}]]
    said = await hub.take(agent(ADULT, OTHER, relation="fullmakt", as_of=START + 3 * MINUTE), letter(ADULT, "d2"))
    roles = {one["document_id"]: [r["role"] for r in one["recipients"]] for one in of(said, "document.delivered.v1")}
    assert roles["d2"] == ["resident", "fullmakt"]


async def test_a_blocked_guardian_is_no_ombud_and_unblocking_does_not_make_one(hub: LawDesk) -> None:
    """P5, P7: the links of the account, also those to its children."""
    await hub.take(person(CHILD), person(MOTHER), account(MOTHER), agent(CHILD, MOTHER))
    await hub.take(account(MOTHER, "blocked", as_of=START + MINUTE))
    assert await hub.prints(kallelse(CHILD)) == ["no_channel"]
    await hub.take(account(MOTHER, as_of=START + 2 * MINUTE, **STAFF))
    assert await hub.prints(kallelse(CHILD, "k2")) == ["no_channel"]


async def test_an_ombud_that_was_blocked_stays_blocked(hub: LawDesk) -> None:
    """P5."""
    await hub.take(person(CHILD), person(MOTHER), account(MOTHER), agent(CHILD, MOTHER, state="blocked"))
    await hub.take(account(MOTHER, "blocked", as_of=START + MINUTE), account(MOTHER, as_of=START + 2 * MINUTE, **STAFF))
    assert await hub.prints(kallelse(CHILD)) == ["no_channel"]


async def test_older_account_news_is_ignored(hub: LawDesk) -> None:
    """CONTRACTS 3: an older `as_of` never overwrites a newer one."""
    await hub.take(person(ADULT), account(ADULT, as_of=START))
    said = await hub.take(account(ADULT, "blocked", as_of=START - MINUTE))
    assert said == []
    assert of(await hub.take(letter(ADULT)), "document.delivered.v1")


# --- P7 -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param([person(MOTHER), account(MOTHER), agent(CHILD, MOTHER, state="blocked")], id="the link is blocked"),
        pytest.param([person(MOTHER), account(MOTHER), agent(CHILD, MOTHER, state="inactive")], id="the link is inactive"),
        pytest.param([person(MOTHER), agent(CHILD, MOTHER)], id="no account"),
        pytest.param([person(MOTHER), account(MOTHER, "blocked"), agent(CHILD, MOTHER)], id="a blocked account"),
        pytest.param([person(MOTHER, deceased=date(2026, 1, 1)), account(MOTHER), agent(CHILD, MOTHER)], id="dead"),
        pytest.param([person(MOTHER, protection="sekretessmarkering"), account(MOTHER), agent(CHILD, MOTHER)], id="protected"),
        pytest.param([person(MOTHER), account(MOTHER), agent(CHILD, MOTHER, until=date(2026, 3, 1))], id="the link has ended"),
        pytest.param([person(MOTHER), account(MOTHER), agent(CHILD, MOTHER, relation="fullmakt")], id="fullmakt is no guardian"),
    ],
)  # fmt: skip
async def test_a_guardian_who_does_not_count_opens_no_channel(hub: LawDesk, facts: list[object]) -> None:
    """P7, R7."""
    await hub.take(person(CHILD), *facts)  # type: ignore[arg-type]
    said = await hub.take(kallelse(CHILD))
    assert [one["reason"] for one in of(said, "print.entered.v1")] == ["no_channel"]
    assert of(said, "document.delivered.v1") == of(said, "notification.requested.v1") == []


async def test_a_guardians_access_ends_on_the_13th_birthday(hub: LawDesk) -> None:
    """P7, B8, R15: the copy closes then; unread and with no account of the child's own, R10 applies."""
    child = fictitious(date(2013, 3, 4))
    await hub.take(person(child), person(MOTHER), account(MOTHER), agent(child, MOTHER))
    assert of(await hub.take(letter(child)), "document.delivered.v1")
    await hub.wait(until=datetime(2026, 3, 3, 23, 30, tzinfo=UTC))
    said = await hub.take(read(child, by=MOTHER, at=hub.time))
    assert of(said, "document.settled.v1") == []
    assert await hub.prints(hours=10) == ["no_account_48h"]


async def test_a_guardian_may_read_until_the_13th_birthday(hub: LawDesk) -> None:
    """P7: Stockholm's day decides."""
    child = fictitious(date(2013, 3, 4))
    await hub.take(person(child), person(MOTHER), account(MOTHER), agent(child, MOTHER))
    await hub.take(letter(child))
    await hub.wait(until=datetime(2026, 3, 3, 22, 30, tzinfo=UTC))
    said = await hub.take(read(child, by=MOTHER, at=hub.time))
    assert [one["outcome"] for one in of(said, "document.settled.v1")] == ["read"]


async def test_a_fullmakt_sees_the_document_without_notification_and_settles_nothing(hub: LawDesk) -> None:
    """P7 (decision): recipient, not notified; reading is recorded but settles nothing."""
    await hub.take(person(ADULT), person(OTHER), account(ADULT), account(OTHER), agent(ADULT, OTHER, relation="fullmakt"))
    said = await hub.take(letter(ADULT))
    assert [one["recipients"] for one in of(said, "document.delivered.v1")] == [
        [{"id": ADULT, "role": "resident"}, {"id": OTHER, "role": "fullmakt"}]
    ]
    assert [one["recipient"] for one in of(said, "notification.requested.v1")] == [ADULT]
    said = await hub.take(read(ADULT, by=OTHER))
    assert of(said, "document.settled.v1") == [] and classes(said) == []
    assert await hub.prints(hours=48) == ["unread_48h"]


async def test_nothing_goes_to_an_ombuds_mailbox(hub: LawDesk) -> None:
    """P7, R7."""
    await hub.take(person(ADULT), person(OTHER), account(ADULT), account(OTHER), mailbox(OTHER), agent(ADULT, OTHER, relation="fullmakt"))
    await hub.take(person(CHILD), person(MOTHER), account(MOTHER), mailbox(MOTHER), mailbox(CHILD), agent(CHILD, MOTHER))
    said = await hub.take(letter(ADULT), letter(CHILD, "d2"))
    assert len(of(said, "document.delivered.v1")) == 2
    assert of(said, "delivery.requested.v1") == []


@pytest.mark.parametrize("more", [{"state": "inactive"}, {"until": date(2026, 3, 1)}])
async def test_a_fullmakt_that_ended_shows_nothing(hub: LawDesk, more: dict[str, object]) -> None:
    """P7."""
    await hub.take(person(ADULT), person(OTHER), account(ADULT), account(OTHER), agent(ADULT, OTHER, relation="fullmakt", **more))
    said = await hub.take(letter(ADULT))
    assert of(said, "document.delivered.v1")[0]["recipients"] == [{"id": ADULT, "role": "resident"}]
    assert classes(await hub.take(read(ADULT, by=OTHER))) == ["not_a_recipient"]


async def test_a_link_counts_through_its_last_day(hub: LawDesk) -> None:
    """P7: `until` is the last day."""
    await hub.take(person(CHILD), person(MOTHER), account(MOTHER), agent(CHILD, MOTHER, until=date(2026, 3, 2)))
    assert of(await hub.take(letter(CHILD)), "document.delivered.v1")


# --- P8 -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [letter, kallelse, confirmation])
async def test_a_person_never_heard_of_is_looked_up_and_the_document_waits(hub: LawDesk, kind: object) -> None:
    """P8: decided as soon as the register has answered; nothing is shown before."""
    hub.register = "off"
    said = await hub.take(account(ADULT), kind(ADULT, "x1"))  # type: ignore[operator]
    assert rule(said) == ("P8", "wait")
    assert of(said, "document.delivered.v1") == []
    hub.register, hub.people[ADULT] = "answers", person(ADULT).data
    said = await hub.settle()
    assert hub.lookups == [ADULT]
    assert len(of(said, "document.delivered.v1")) == 1


@pytest.mark.parametrize("behaviour", ["silent", "unknown"])
async def test_without_an_answer_the_document_waits_to_the_deadline_and_goes_to_print_masked(hub: LawDesk, behaviour: str) -> None:
    """P8: "no such person" is no confirmation."""
    hub.register = behaviour  # type: ignore[assignment]
    await hub.take(account(ADULT), mailbox(ADULT), kallelse(ADULT))
    assert of(await hub.wait(hours=47, minutes=59), "print.entered.v1") == []
    (entry,) = of(await hub.wait(minutes=1), "print.entered.v1")
    assert (entry["reason"], entry["manual_handling"], entry["class"], "title" in entry) == ("identity_unverified", True, "ordinary", False)
    assert of(hub.said, "document.delivered.v1") == of(hub.said, "notification.requested.v1") == []


async def test_an_unverified_persons_entry_is_released_and_its_48_hours_count_from_then(hub: LawDesk) -> None:
    """P8, R15: the one exception."""
    hub.register = "silent"
    await hub.take(account(ADULT), letter(ADULT))
    await hub.wait(hours=60)
    said = await hub.take(person(ADULT, as_of=hub.time))
    assert [one["outcome"] for one in of(said, "print.settled.v1")] == ["released"]
    assert len(of(said, "document.delivered.v1")) == len(of(said, "notification.requested.v1")) == 1
    hub.register = "answers"
    assert await hub.prints(hours=47, minutes=59) == []
    assert await hub.prints(minutes=1) == ["unread_48h"]


async def test_an_unverified_persons_entry_becomes_protected_when_the_register_says_so(hub: LawDesk) -> None:
    """P8, R15: confirmed, and protected."""
    hub.register = "silent"
    await hub.take(kallelse(ADULT))
    await hub.wait(hours=49)
    said = await hub.take(person(ADULT, as_of=hub.time, protection="skyddad_folkbokforing"))
    last = of(said, "print.entered.v1")[-1]
    assert (last["reason"], last["class"], last["manual_handling"], "title" in last) == ("protected_identity", "relay", True, False)
    assert of(said, "document.delivered.v1") == []


async def test_a_released_kallelse_without_a_channel_goes_to_print_for_its_own_reason(hub: LawDesk) -> None:
    """P8, R10."""
    hub.register = "silent"
    await hub.take(kallelse(ADULT))
    await hub.wait(hours=49)
    said = await hub.take(person(ADULT, as_of=hub.time))
    assert [one["outcome"] for one in of(said, "print.settled.v1")] == ["released"]
    (entry,) = of(said, "print.entered.v1")
    assert (entry["reason"], entry["manual_handling"], "title" in entry) == ("no_channel", False, True)
    first = of(hub.said, "print.entered.v1")[0]
    assert first["reason"] == "identity_unverified"


async def test_bookings_of_an_unverified_person_wait(hub: LawDesk) -> None:
    """P8: shown to nobody, no room, until the register confirms."""
    hub.register = "off"
    said = await hub.take(account(ADULT), video(ADULT))
    assert {one.topic for one in said} <= {"decisions.v1"}
    said = await hub.take(person(ADULT))
    assert sorted(one.topic for one in said if one.type == "booking.shown.v1") == ["app.bookings.v1", "portal.bookings.v1"]
    assert len(of(said, "room.changed.v1")) == 1


async def test_news_with_an_older_as_of_is_ignored_whole(hub: LawDesk) -> None:
    """P8: also a protection in it; the newer news said none."""
    await hub.take(person(ADULT, as_of=START), account(ADULT))
    await hub.take(letter(ADULT))
    said = await hub.take(person(ADULT, as_of=START - MINUTE, protection="sekretessmarkering", deceased=date(2026, 1, 1)))
    assert said == []


async def test_a_protection_counts_for_the_next_event_also_in_the_same_batch(hub: LawDesk) -> None:
    """P8: a protection takes effect on the next event."""
    await hub.take(person(ADULT), account(ADULT))
    said = await hub.take(letter(ADULT), booking(ADULT), person(ADULT, protection="sekretessmarkering", as_of=START + MINUTE))
    assert of(said, "document.delivered.v1") == of(said, "booking.shown.v1") == of(said, "notification.requested.v1") == []


async def test_only_the_register_lowers_a_protection(hub: LawDesk) -> None:
    """P8: newer news without it does."""
    await hub.take(person(ADULT, protection="sekretessmarkering"), account(ADULT))
    await hub.take(person(ADULT, as_of=START + MINUTE))
    assert of(await hub.take(letter(ADULT)), "document.delivered.v1")


async def test_a_known_protection_needs_no_fresh_look_up(hub: LawDesk) -> None:
    """P8: fail closed; a stale or silent register never weakens it."""
    await hub.take(person(ADULT, protection="sekretessmarkering"), account(ADULT))
    hub.register = "silent"
    await hub.wait(days=30)
    assert await hub.prints(kallelse(ADULT)) == ["protected_identity"]


async def test_facts_older_than_a_day_are_refreshed_before_paper(hub: LawDesk) -> None:
    """P8: what the refreshed facts say, decides."""
    await hub.take(person(ADULT), account(ADULT))
    await hub.take(letter(ADULT))
    hub.people[ADULT] = person(ADULT, protection="sekretessmarkering").data
    assert await hub.prints(hours=48) == ["protected_identity"]
    assert hub.lookups == [ADULT]


async def test_facts_older_than_a_day_are_refreshed_before_a_delivery(hub: LawDesk) -> None:
    """P8: a delivery cannot be taken back either."""
    await hub.take(person(ADULT), account(ADULT), mailbox(ADULT))
    await hub.wait(hours=25)
    hub.people[ADULT] = person(ADULT, protection="sekretessmarkering").data
    said = await hub.take(letter(ADULT))
    assert of(said, "document.delivered.v1") == of(said, "delivery.requested.v1") == []
    said = await hub.settle()
    assert [one["reason"] for one in of(said, "print.entered.v1")] == ["protected_identity"]


async def test_an_answer_that_says_nothing_new_refreshes_all_the_same(hub: LawDesk) -> None:
    """P8: "the last news or answer"."""
    await hub.take(person(ADULT), account(ADULT))
    await hub.wait(hours=25)
    hub.register = "off"
    assert rule(await hub.take(letter(ADULT))) == ("P8", "wait")
    said = await hub.take(person(ADULT, as_of=START))
    assert len(of(said, "document.delivered.v1")) == 1


async def test_known_facts_serve_a_silent_register_for_seven_days(hub: LawDesk) -> None:
    """P8."""
    await hub.take(person(ADULT), account(ADULT))
    hub.register = "silent"
    await hub.wait(days=6, hours=12)
    await hub.take(letter(ADULT))
    said = await hub.wait(minutes=5)
    assert len(of(said, "document.delivered.v1")) == 1


async def test_after_seven_silent_days_the_person_counts_as_unverified(hub: LawDesk) -> None:
    """P8."""
    await hub.take(person(ADULT), account(ADULT))
    hub.register = "silent"
    await hub.wait(days=7, hours=1)
    assert rule(await hub.take(kallelse(ADULT))) == ("P8", "wait")
    assert of(await hub.wait(hours=47), "document.delivered.v1") == []
    assert await hub.prints(hours=1) == ["identity_unverified"]


async def test_a_dead_person_is_not_looked_up_again(hub: LawDesk) -> None:
    """R2: a death known is a death."""
    await hub.take(person(ADULT, deceased=date(2026, 2, 1)))
    hub.register = "silent"
    await hub.wait(days=30)
    assert await hub.prints(kallelse(ADULT)) == ["deceased"]


async def test_an_unverified_guardian_counts_for_nobody_until_confirmed(hub: LawDesk) -> None:
    """P7, P8: handled as protected until then; then they join at once."""
    hub.register = "off"
    await hub.take(person(CHILD), account(MOTHER), agent(CHILD, MOTHER))
    assert of(await hub.take(letter(CHILD)), "document.delivered.v1") == []
    hub.register, hub.people[MOTHER] = "answers", person(MOTHER).data
    said = await hub.settle()
    assert [one["recipients"] for one in of(said, "document.delivered.v1")] == [[{"id": MOTHER, "role": "guardian"}]]


# --- P10 ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protection", PROTECTIONS)
async def test_a_protection_withdraws_at_once_all_that_was_shown(hub: LawDesk, protection: str) -> None:
    """P10: bookings hidden, rooms void, unread documents withdrawn and decided again; nothing says why."""
    await hub.take(person(ADULT), account(ADULT), letter(ADULT), kallelse(ADULT), booking(ADULT), video(ADULT, "b2"))
    await hub.wait(minutes=20)
    said = await hub.take(person(ADULT, protection=protection, as_of=hub.time))
    assert sorted(one["document_id"] for one in of(said, "document.withdrawn.v1")) == ["d1", "k1"]
    assert sorted(one["reason"] for one in of(said, "print.entered.v1")) == ["protected_identity"] * 2
    for topic in ("app.bookings.v1", "portal.bookings.v1"):
        assert sorted(one["booking_id"] for one in of(said, "booking.hidden.v1", topic)) == ["b1", "b2"]
    (room,) = of(said, "room.changed.v1")
    assert room["state"] == "void" and "prot" not in room.get("reason", "") and "sekre" not in room.get("reason", "")
    assert of(said, "notification.requested.v1") == []


async def test_a_document_that_was_read_is_not_withdrawn(hub: LawDesk) -> None:
    """P10: unread ones are; a settled one has reached its reader."""
    await hub.take(person(ADULT), account(ADULT), letter(ADULT))
    await hub.take(read(ADULT))
    said = await hub.take(person(ADULT, protection="sekretessmarkering", as_of=START + MINUTE))
    assert of(said, "document.withdrawn.v1") == of(said, "print.entered.v1") == []


async def test_a_copy_that_only_a_mailbox_took_leaves_the_app_and_stays_settled(hub: LawDesk) -> None:
    """P10: unread in the app, whatever the mailbox said; nothing goes to paper, for the recipient has it (R11)."""
    said = await hub.take(person(ADULT), account(ADULT), mailbox(ADULT), letter(ADULT))
    (request,) = of(said, "delivery.requested.v1")
    assert [one["outcome"] for one in of(await hub.take(answer(request["delivery_id"], "accepted")), "document.settled.v1")] == ["accepted"]
    said = await hub.take(person(ADULT, protection="sekretessmarkering", as_of=START + MINUTE))
    assert [one["document_id"] for one in of(said, "document.withdrawn.v1")] == ["d1"]
    assert of(said, "print.entered.v1") == of(said, "document.settled.v1") == []
    assert of(await hub.wait(hours=48), "print.entered.v1") == []


async def test_a_child_whose_protection_becomes_known_is_withdrawn_from_the_guardians(hub: LawDesk) -> None:
    """P10, R7."""
    await hub.take(person(CHILD), person(MOTHER), account(MOTHER), agent(CHILD, MOTHER), letter(CHILD))
    said = await hub.take(person(CHILD, protection="sekretessmarkering", as_of=START + MINUTE))
    assert len(of(said, "document.withdrawn.v1")) == 1
    assert classes(await hub.take(read(CHILD, by=MOTHER, at=START + 2 * MINUTE))) != []


async def test_what_was_in_the_print_queue_and_the_app_is_withdrawn_from_the_app(hub: LawDesk) -> None:
    """P10, R13, R15: an unread copy stays in the app after 48 hours; a protection takes it away and masks the entry."""
    await hub.take(person(ADULT), account(ADULT), letter(ADULT))
    assert await hub.prints(hours=48) == ["unread_48h"]
    said = await hub.take(person(ADULT, protection="skyddad_folkbokforing", as_of=hub.time))
    assert len(of(said, "document.withdrawn.v1")) == 1
    (entry,) = of(said, "print.entered.v1")
    assert (entry["reason"], entry["class"], entry["manual_handling"], "title" in entry) == ("protected_identity", "relay", True, False)
    assert entry["entry_id"] == of(hub.said, "print.entered.v1")[0]["entry_id"]


async def test_a_lowered_protection_shows_the_coming_bookings_that_the_ehr_sends_again(hub: LawDesk) -> None:
    """P8, B1: none of the content was kept, so only a new event can bring it back."""
    await hub.take(person(ADULT, protection="sekretessmarkering"), account(ADULT), booking(ADULT))
    assert of(await hub.take(person(ADULT, as_of=START + MINUTE)), "booking.shown.v1") == []
    said = await hub.take(booking(ADULT, version=2))
    assert len(of(said, "booking.shown.v1")) == 2


async def test_a_hidden_booking_of_a_newly_protected_person_says_nothing(hub: LawDesk) -> None:
    """P10, B2: what was not shown is not hidden."""
    await hub.take(person(ADULT), account(ADULT), booking(ADULT, time_type=HIDDEN))
    said = await hub.take(person(ADULT, protection="sekretessmarkering", as_of=START + MINUTE))
    assert of(said, "booking.hidden.v1") == []


async def test_a_teenager_with_an_account_reads_alone(hub: LawDesk) -> None:
    """P7, R8: from 13 on a guardian is no recipient."""
    await hub.take(person(TEEN), person(MOTHER), account(TEEN), account(MOTHER), agent(TEEN, MOTHER))
    said = await hub.take(letter(TEEN))
    assert of(said, "document.delivered.v1")[0]["recipients"] == [{"id": TEEN, "role": "resident"}]
    assert classes(await hub.take(read(TEEN, by=MOTHER))) == ["not_a_recipient"]
    assert ANNA not in str(said)
