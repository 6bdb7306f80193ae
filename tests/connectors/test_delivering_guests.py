"""Texts to guests on a real ledger (V9, N3): once for each act, at any hour, and nothing of the number stays when they are done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
import pytest_asyncio

from connectors.delivering.lane import Lane
from pipelines.ledger import invitations, retention, unknowns
from pipelines.ledger.invitations import Boxes, Invitation
from schemas.errors import Rejected, Unavailable, Uncertain
from schemas.keys import PersonKeys
from schemas.telemetry import NullMeter
from tests.connectors.delivering_support import GUESTS, FakePhones, Part, emptied, part
from tests.pipelines.desk import ANNA, START, Desk, answer, booking, person

PHONE = "+46701234567"
URL = "https://moten.region.example/m/"
CODE = "ABCDEFGHJK"
ROOM = uuid4()
CLOSES = START + timedelta(hours=2)
VIDEO = {"id": "v", "name": "Video", "hidden": False, "video": "single"}
WORDS = f"Du är inbjuden till ett videomöte. Öppna {URL}{CODE} Möteskod: {CODE}"


@pytest_asyncio.fixture
async def hub(ledger: str) -> AsyncIterator[Desk]:
    async with emptied(ledger) as made:
        yield made


async def _invite(hub: Desk, send: UUID | None = None, room: UUID = ROOM, opens_at: datetime = START) -> invitations.Put:
    send = send or uuid4()
    box = GUESTS.close(send, Invitation(PHONE, f"{URL}{CODE}", CODE, opens_at))
    return await invitations.put(hub.pool, send, room, box, CLOSES, hub.time)


async def _asked(hub: Desk, phones: FakePhones, **more: Any) -> Part:
    assert await _invite(hub) == "new"
    return part(hub, phones, **more)


async def _kept_anywhere(hub: Desk) -> int:
    """Rows that have the number, in the open or sealed."""
    contents: int = await hub.pool.fetchval("SELECT count(*) FROM contents WHERE position('701234567'::bytea IN data) > 0")
    boxes: int = await hub.pool.fetchval("SELECT count(*) FROM sends WHERE box IS NOT NULL")
    return contents + boxes


async def test_an_invitation_is_sent_once_with_its_words_and_its_number_is_forgotten(hub: Desk) -> None:
    phones = FakePhones()
    delivery = await _asked(hub, phones)
    assert "701234567" not in str(dict(await delivery.row())), "sealed"
    await delivery.rest()
    await delivery.rest()
    ((whom, request),) = phones.got
    assert (whom, orjson.loads(request)["words"]) == (PHONE, WORDS)
    row = await delivery.row()
    assert (await delivery.state(), row["reference"], row["about"]) == ("accepted", "ref-1", str(ROOM))
    assert (row["box"], row["kept"], await _kept_anywhere(hub)) == (None, False, 0) and row["request"] is not None
    assert delivery.published == [], "nobody's document waits for an answer"


async def test_the_same_act_again_finds_its_row_also_when_it_is_done_and_the_room_is_full(hub: Desk) -> None:
    phones, send = FakePhones(), uuid4()
    assert [await _invite(hub, send), await _invite(hub, send)] == ["new", "known"]
    await part(hub, phones).rest()
    assert len(phones.got) == 1
    results = await asyncio.gather(*(_invite(hub) for _ in range(invitations.ROOM_MAX + 3)))
    assert sorted(results) == ["full"] * 4 + ["new"] * (invitations.ROOM_MAX - 1)
    assert await _invite(hub, send) == "known"
    assert await _invite(hub, room=uuid4()) == "new", "each room has its own"


async def test_staffs_act_is_no_automatic_text_and_waits_for_no_morning(hub: Desk) -> None:
    hub.time = START.replace(hour=22)
    phones, send = FakePhones(), uuid4()
    box = GUESTS.close(send, Invitation(PHONE, f"{URL}{CODE}", CODE, hub.time))
    await invitations.put(hub.pool, send, ROOM, box, hub.time + timedelta(hours=1), hub.time)
    await part(hub, phones).rest()
    assert len(phones.got) == 1


async def test_an_invitation_that_has_lost_its_point_is_not_sent(hub: Desk) -> None:
    phones = FakePhones()
    phones.plan.append(Unavailable("http_503", "", 7_200.0))
    delivery = await _asked(hub, phones)
    await delivery.rest()
    assert (await delivery.state(), await _kept_anywhere(hub)) == ("waiting", 1), "the box only: its words are made anew"
    hub.time = CLOSES
    await delivery.rest()
    row = await delivery.row()
    assert (await delivery.state(), row["code"], phones.got) == ("withdrawn", "too_late", [])
    assert await _kept_anywhere(hub) == 0


@pytest.mark.parametrize("change", [{"start": START + timedelta(days=1)}, {"status": "cancelled"}])
async def test_a_room_that_was_moved_or_closed_meanwhile_invites_nobody(hub: Desk, change: dict[str, Any]) -> None:
    """V6, P10: the code in the text is dead."""
    start = START + timedelta(hours=1)
    await hub.take(person(ANNA))
    await hub.take(booking(ANNA, time_type=VIDEO, start=start))
    room = await hub.pool.fetchrow("SELECT room, opens_at FROM rooms")
    phones = FakePhones()
    await _invite(hub, room=room["room"], opens_at=room["opens_at"])
    await part(hub, phones).rest()
    assert len(phones.got) == 1, "so long as it stands"
    await _invite(hub, second := uuid4(), room=room["room"], opens_at=room["opens_at"])
    await hub.take(booking(ANNA, **{"version": 2, "time_type": VIDEO, "start": start, **change}))
    delivery = part(hub, phones)
    await delivery.rest()
    assert (await delivery.state(str(second)), len(phones.got)) == ("withdrawn", 1)


async def test_what_may_have_arrived_stands_on_the_desk_and_its_ruling_ends_it(hub: Desk) -> None:
    phones = FakePhones()
    phones.plan.append(Uncertain("timeout"))
    delivery = await _asked(hub, phones)
    for _ in range(2):
        await delivery.rest()
    (found,) = await unknowns.unknowns(hub.pool)
    assert (found.channel, found.kind, found.about) == ("sms", "guest_invitation", str(ROOM))
    assert await _kept_anywhere(hub) == 2, "box and bytes, for a ruling to send it again"
    keys = PersonKeys({1: b"k" * 32}, 1)
    await unknowns.resolve(hub.pool, found.id, "resend", "SE2321000016-O1", hub.time, keys)
    await delivery.rest()
    assert ([whom for whom, _ in phones.got], await delivery.state()) == ([PHONE], "accepted")
    assert await _kept_anywhere(hub) == 0


async def test_delivery_reports_count_as_for_all_texts(hub: Desk) -> None:
    delivery = await _asked(hub, FakePhones())
    await delivery.rest()
    send = str((await delivery.row())["send"])
    await hub.take(answer(send, "refused", channel="sms", code="expired"))
    assert await delivery.state() == "refused"
    await hub.take(answer(send, "accepted", channel="sms"))
    assert await delivery.state() == "read"


async def test_a_refusal_is_final_and_forgotten(hub: Desk) -> None:
    phones = FakePhones()
    phones.plan.append(Rejected("invalid_number"))
    delivery = await _asked(hub, phones)
    await delivery.rest()
    assert (await delivery.state(), (await delivery.row())["code"], await _kept_anywhere(hub)) == ("refused", "invalid_number", 0)


async def test_a_box_of_another_key_or_row_sends_nothing(hub: Desk) -> None:
    send, other = uuid4(), uuid4()
    invitation = Invitation(PHONE, f"{URL}{CODE}", CODE, START)
    for row, box in ((send, Boxes(b"x" * 32).close(send, invitation)), (other, GUESTS.close(send, invitation))):
        await invitations.put(hub.pool, row, ROOM, box, CLOSES, hub.time)
    phones = FakePhones()
    delivery = part(hub, phones)
    await delivery.rest()
    for row in (send, other):
        assert (await delivery.state(str(row)), (await delivery.row(str(row)))["code"]) == ("refused", "box_does_not_open")
    assert phones.got == []


class Died(Exception):
    """The process, at a point."""


@pytest.mark.parametrize(
    ("point", "state", "arrived"),
    [
        ("before_claim", "accepted", 1), ("after_claim", "accepted", 1), ("inside_inflight", "unknown", 0), ("after_peer", "unknown", 1),
        ("after_recording", "accepted", 1),
    ],
)  # fmt: skip
async def test_wherever_a_process_dies_the_text_is_sent_once_or_asked_about(hub: Desk, point: str, state: str, arrived: int) -> None:
    def reach(at: str) -> None:
        if at == point:
            raise Died

    phones = FakePhones()
    first = await _asked(hub, phones, reach=reach)
    lane: Lane = first.lanes["sms"]
    (due,) = await first.ledger.take("sms", hub.time, 1)
    with pytest.raises(Died):
        await lane._carry(due)
    next_ = part(hub, phones)
    await next_.ledger.adopt(hub.time, with_own=True)
    hub.time += timedelta(minutes=2)  # the lease of what was being made
    await next_.rest()
    assert (await next_.state(), len(phones.got)) == (state, arrived)


async def test_an_unknown_outcome_that_nobody_rules_on_loses_the_number_after_a_time(hub: Desk) -> None:
    phones = FakePhones()
    phones.plan.append(Uncertain("timeout"))
    delivery = await _asked(hub, phones)
    await delivery.rest()

    async def run(days: float) -> int:
        now = START + timedelta(days=days)
        await retention.run(hub.pool, now, {"requests_days": 30}, NullMeter(), keys=hub.decoder.keys)
        return await _kept_anywhere(hub)

    assert [await run(30), await run(31)] == [2, 0]
    assert await delivery.state() == "unknown"
