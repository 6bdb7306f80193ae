"""What the command line, gateway and console ask of the ledger, on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from hashlib import sha256

import pytest_asyncio

from pipelines.ledger import queries
from pipelines.rules.model import AccountState
from schemas.policy import Limits
from tests.pipelines.desk import (
    ANNA,
    BERTIL,
    CHILD,
    MOTHER,
    START,
    UNIT,
    Desk,
    account,
    agent,
    answer,
    booking,
    desk,
    kallelse,
    letter,
    mailbox,
    of_type,
    person,
    read,
)


@pytest_asyncio.fixture
async def hub(postgres: str) -> AsyncIterator[Desk]:
    async with desk(postgres) as made:
        yield made


async def test_a_journey_tells_every_decision_in_order(hub: Desk) -> None:
    await hub.take(person(ANNA), account(ANNA))
    await hub.take(letter(ANNA))
    await hub.take(read(ANNA))
    found = await queries.journey(hub.pool, "d1")
    assert found is not None and found.document is not None
    assert [(d.event["rule"], d.event["outcome"]) for d in found.decisions] == [("R9", "deliver"), ("R11", "settle")]
    assert (found.document.app, found.document.settled, found.document.due_at) == ("open", "read", None)


async def test_a_journey_has_deliveries_and_the_print_entry(hub: Desk) -> None:
    await hub.take(person(ANNA), mailbox(ANNA))
    said = await hub.take(letter(ANNA))
    delivery = of_type(said, "delivery.requested.v1")[0]["delivery_id"]
    await hub.take(answer(delivery, "refused"))
    await hub.advance(hours=48)  # the register is asked again, and does not answer (P8)
    await hub.advance(minutes=1)
    found = await queries.journey(hub.pool, "d1")
    assert found is not None
    assert [(d.channel, d.state) for d in found.deliveries] == [("kivra", "refused")]
    assert found.print_entry is not None
    assert (found.print_entry.state, found.print_entry.reason) == ("open", "mailbox_refused")


async def test_the_journey_of_a_booking_and_of_its_room_are_found_by_their_ids(hub: Desk) -> None:
    await hub.take(person(ANNA), account(ANNA))
    await hub.take(booking(ANNA, time_type={"id": "v", "name": "Video", "hidden": False, "video": "single"}))
    found = await queries.journey(hub.pool, "b1")
    assert found is not None and found.booking is not None and found.booking.shown_app
    room = await queries.journey(hub.pool, str(found.booking.room))
    assert room is not None and room.room is not None
    assert (room.room.state, room.booking_ids) == ("scheduled", ("b1",))
    assert [d.event["subject"] for d in room.decisions] == ["room"]


async def test_nobody_has_a_journey_that_the_hub_does_not_know(hub: Desk) -> None:
    assert await queries.journey(hub.pool, "no such thing") is None


async def test_due_lists_the_earliest_first_and_says_what_will_happen(hub: Desk) -> None:
    await hub.take(person(ANNA), account(ANNA))
    await hub.take(letter(ANNA))
    await hub.take(booking(ANNA, time_type={"id": "v", "name": "Video", "hidden": False, "video": "single"}))
    found = await queries.due(hub.pool, START, timedelta(hours=48))
    assert [(d.subject, d.what) for d in found] == [("room", "activate"), ("document", "print")]
    assert found[1].at == START + timedelta(hours=48)
    assert await queries.due(hub.pool, START, timedelta(hours=48), "SE2321000016-B2") == []


async def test_counts_tell_what_is_open(hub: Desk) -> None:
    await hub.take(person(ANNA), account(ANNA))
    await hub.take(letter(ANNA), letter(ANNA, "d2", footer=""), read(ANNA, "unknown"))
    counts = await queries.status_counts(hub.pool, START + timedelta(hours=30))
    assert (counts.due_24h, counts.overdue, counts.print_open, counts.dead_letters) == (1, 0, 1, 1)
    assert counts.next_due == START + timedelta(hours=48)
    assert counts.outbox_rows == 0


async def test_an_unknown_outcome_is_counted_until_it_is_known(hub: Desk) -> None:
    await hub.take(person(ANNA), mailbox(ANNA))
    delivery = of_type(await hub.take(letter(ANNA)), "delivery.requested.v1")[0]["delivery_id"]
    await hub.take(answer(delivery, "unknown"))
    assert (await queries.status_counts(hub.pool, START)).unknown_outcomes == 1
    await hub.take(answer(delivery, "accepted"))
    assert (await queries.status_counts(hub.pool, START)).unknown_outcomes == 0


async def test_the_print_list_masks_a_protected_person(hub: Desk) -> None:
    await hub.take(person(ANNA, protection="sekretessmarkering"), person(BERTIL))
    await hub.take(letter(ANNA), letter(BERTIL, "d2", footer=""))
    shown = {item.document_id: item for item in await queries.print_list(hub.pool, UNIT)}
    assert (shown["d1"].masked, shown["d1"].name, shown["d1"].pid, shown["d1"].title) == (True, None, None, None)
    assert (shown["d2"].name, shown["d2"].pid, shown["d2"].title) == ("Test Testsson", BERTIL, "Provsvar")
    with_permission = {item.document_id: item for item in await queries.print_list(hub.pool, UNIT, unmask=True)}
    assert with_permission["d1"].pid == ANNA


async def test_the_print_list_keeps_history_apart(hub: Desk) -> None:
    await hub.take(person(ANNA), account(ANNA))
    await hub.take(letter(ANNA), letter(ANNA, "d2", footer=""))
    await hub.advance(hours=48)  # the register is asked again, and does not answer (P8)
    await hub.advance(minutes=1)
    await hub.take(read(ANNA))
    assert [item.document_id for item in await queries.print_list(hub.pool, UNIT)] == ["d2"]
    history = await queries.print_list(hub.pool, UNIT, "history")
    assert [(item.document_id, item.outcome) for item in history] == [("d1", "read_late")]
    assert len(await queries.print_list(hub.pool, UNIT, "all")) == 2
    assert await queries.print_list(hub.pool, UNIT, "all", "kallelse") == []


async def test_an_unread_kallelse_near_its_visit_is_on_the_ring_list(hub: Desk) -> None:
    await hub.take(person(ANNA), account(ANNA, phone="+46701740605"))
    await hub.take(booking(ANNA, start=START + timedelta(days=3)), kallelse(ANNA, booking_id="b1"))
    await hub.take(booking(ANNA, "b2", start=START + timedelta(days=30)), kallelse(ANNA, "k2", booking_id="b2"))
    found = await queries.ring_list(hub.pool, UNIT, START, Limits())
    assert [(item.document_id, item.phone) for item in found] == [("k1", "+46701740605")]
    await hub.take(read(ANNA, "k1"))
    assert await queries.ring_list(hub.pool, UNIT, START, Limits()) == []


async def test_an_attachment_is_for_recipients_alone(hub: Desk) -> None:
    pdf = b"%PDF-1.7 test"
    item = {
        "name": "a.pdf", "content_type": "application/pdf", "data": "JVBERi0xLjcgdGVzdA==", "shared": True, "e_brev": True,
    }  # fmt: skip
    await hub.take(person(MOTHER), account(MOTHER), person(CHILD), agent(CHILD, MOTHER), person(ANNA), account(ANNA))
    await hub.take(letter(CHILD, attachments=[item]))
    sha = sha256(pdf).digest()
    uid = hub.decoder.person
    assert await queries.attachment_for(hub.pool, uid(MOTHER), sha, hub.decoder.policy, hub.time) == pdf
    assert await queries.attachment_for(hub.pool, uid(ANNA), sha, hub.decoder.policy, hub.time) is None
    await hub.take(person(CHILD, protection="sekretessmarkering", as_of=START + timedelta(hours=1)))
    assert await queries.attachment_for(hub.pool, uid(MOTHER), sha, hub.decoder.policy, hub.time) is None


async def test_the_account_state_follows_the_current_number(hub: Desk) -> None:
    await hub.take(person(ANNA), account(ANNA, "blocked"))
    await hub.take(person(ANNA, replaced_by=BERTIL, as_of=START + timedelta(hours=1)), person(BERTIL))
    assert await queries.account_state(hub.pool, hub.decoder.person(ANNA)) == AccountState.BLOCKED
    assert await queries.account_state(hub.pool, hub.decoder.person(MOTHER)) is None
