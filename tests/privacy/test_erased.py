"""B1 and P10: of a protected person's booking nothing is kept but that there was one, and whoever had it shown is told."""

from __future__ import annotations

from datetime import timedelta

import orjson

from tests.pipelines.desk import ANNA, BERTIL, START, account, booking, person
from tests.rules_by_law.law_desk import KEYS, LawDesk, of, video

MINUTE = timedelta(minutes=1)
VISIT = START + timedelta(days=7)


async def test_of_a_dropped_booking_no_time_is_kept_not_even_in_its_decisions(hub: LawDesk) -> None:
    """B1: it keeps none of its content; when somebody in hiding will be where is the last thing to keep."""
    await hub.take(person(ANNA, protection="sekretessmarkering"))
    await hub.take(video(ANNA))
    stamps = {str(VISIT.timestamp()), str(int(VISIT.timestamp())), VISIT.isoformat()[:16]}
    rows = await hub.pool.fetch("SELECT to_jsonb(b)::text AS row FROM bookings b")
    facts = [row["facts"].decode() for row in await hub.pool.fetch("SELECT facts FROM decisions")]
    assert facts
    for text in [row["row"] for row in rows] + facts:
        assert not any(stamp in text for stamp in stamps)


async def test_a_booking_that_the_ehr_gives_to_another_leaves_the_first_ones_partition(hub: LawDesk) -> None:
    """B6, B8: topics are partitioned by the person, so a record that is not taken back stays on theirs for ever."""
    await hub.take(person(ANNA), account(ANNA), person(BERTIL), account(BERTIL))
    await hub.take(booking(ANNA))
    said = await hub.take(booking(BERTIL, version=2))
    await hub.settle()
    assert len(of(said, "booking.hidden.v1")) == 2


async def test_a_booking_that_the_ehr_gives_to_a_protected_person_is_hidden_everywhere(hub: LawDesk) -> None:
    """B1, P10."""
    await hub.take(person(ANNA), account(ANNA), person(BERTIL, protection="skyddad_folkbokforing"))
    await hub.take(booking(ANNA))
    committed: list[str] = []
    said = await hub.take(booking(BERTIL, version=2))
    committed += [one.type for one in said if one.topic in ("app.bookings.v1", "portal.bookings.v1")]
    assert set(committed) == {"booking.hidden.v1"}
    assert not any(BERTIL in orjson.dumps(one.data).decode() for one in said)
    assert KEYS.key(BERTIL) not in {one.key for one in said if one.topic != "decisions.v1"}
