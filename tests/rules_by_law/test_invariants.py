"""Whatever happens, in whatever order: what must hold all the same (Hypothesis, on the real ledger)."""

from __future__ import annotations

import asyncio
import random
from datetime import date, timedelta
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from schemas.persons import fictitious
from tests.pipelines.desk import CHILD, MOTHER, START, Event, account, agent, answer, booking, kallelse, letter, mailbox, person, read
from tests.rules_by_law.law_desk import (
    ADULT,
    GROUP,
    HIDDEN,
    RESERVE,
    STAFF,
    TEEN,
    VIDEO,
    VISIBLE,
    LawDesk,
    confirmation,
    law_desk,
    of,
    time_type,
)

SOON_13 = fictitious(date(2013, 3, 4))
PEOPLE = (ADULT, TEEN, CHILD, MOTHER, SOON_13)
PROTECTIONS = ("none", "none", "none", "sekretessmarkering", "skyddad_folkbokforing")
MINUTE = timedelta(minutes=1)
EXAMPLES = settings(
    max_examples=20, deadline=None, derandomize=True, database=None, phases=(Phase.generate,),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip

people = st.sampled_from(PEOPLE)
deaths = st.sampled_from([None, None, None, date(2026, 3, 1)])
links = st.sampled_from(["active", "inactive", "blocked"])
patients = st.sampled_from((*PEOPLE, RESERVE))
statuses = st.sampled_from(["booked", "rebooked", "cancelled", "arrived"])
kinds = st.sampled_from([VISIBLE, VIDEO, GROUP, HIDDEN])


def _facts() -> st.SearchStrategy[tuple[str, tuple[Any, ...]]]:
    return st.one_of(
        st.tuples(st.just("person"), st.tuples(people, st.sampled_from(PROTECTIONS), deaths)),
        st.tuples(st.just("account"), st.tuples(people, st.sampled_from(["active", "active", "blocked", "none"]), st.booleans())),
        st.tuples(st.just("mailbox"), st.tuples(people, st.sampled_from(["kivra", "billo"]), st.booleans())),
        st.tuples(
            st.just("agent"),
            st.tuples(people.filter(lambda pid: pid != MOTHER), st.just(MOTHER), st.sampled_from(["guardian", "fullmakt"]), links),
        ),
        st.tuples(st.just("time_type"), st.tuples(st.sampled_from([VISIBLE, {**VISIBLE, "hidden": True}, {**VISIBLE, "video": "single"}]))),
    )


def _things() -> st.SearchStrategy[tuple[str, tuple[Any, ...]]]:
    return st.one_of(
        st.tuples(
            st.sampled_from(["letter", "kallelse", "confirmation"]),
            st.tuples(patients, st.integers(0, 3), st.booleans()),
        ),
        st.tuples(
            st.just("booking"),
            st.tuples(
                patients, st.integers(0, 2), st.integers(1, 4), kinds, statuses, st.sampled_from([-1, 1, 3, 200]),
                st.booleans(), st.booleans(),
            ),
        ),
        st.tuples(st.just("read"), st.tuples(people, st.integers(0, 3), people)),
        st.tuples(st.just("answer"), st.tuples(st.integers(0, 5), st.sampled_from(["accepted", "refused", "unknown"]))),
    )  # fmt: skip


def make(what: str, args: tuple[Any, ...], hub: LawDesk) -> Event | None:
    """An event of now. Documents of one number have one content, so that repeats are repeats."""
    now = hub.time
    if what == "person":
        pid, protection, deceased = args
        return person(pid, protection=protection, as_of=now, **({"deceased": deceased} if deceased else {}))
    if what == "account":
        pid, state, staff = args
        return account(pid, state, as_of=now, **(STAFF if staff else {}))
    if what == "mailbox":
        return mailbox(args[0], args[1], accepts=args[2], as_of=now)
    if what == "agent":
        return agent(args[0], args[1], relation=args[2], state=args[3], as_of=now)
    if what == "time_type":
        return time_type(args[0], now)
    if what in ("letter", "kallelse", "confirmation"):
        pid, number, booked = args
        more = {"booking_id": f"b-{pid[-4:]}-0"} if booked and what == "kallelse" else {}
        return {"letter": letter, "kallelse": kallelse, "confirmation": confirmation}[what](pid, f"{what}-{pid[-4:]}-{number}", **more)
    if what == "booking":
        pid, number, version, kind, status, hours, blocked, till = args
        more = {"till_registered_at": START} if till and kind is VIDEO else {}
        return booking(
            pid, f"b-{pid[-4:]}-{number}", version=version, time_type=kind, status=status, start=START + timedelta(hours=hours),
            journal_blocked=blocked, **more,
        )  # fmt: skip
    if what == "read":
        pid, number, by = args
        return read(pid, f"letter-{pid[-4:]}-{number}", by=by, at=now)
    asked = of(hub.said, "delivery.requested.v1")
    return answer(asked[args[0] % len(asked)]["delivery_id"], args[1], at=now) if asked else None


moves = st.sampled_from([0, 0, 0, 1, 20, 600, 1500, 2880])
steps = st.lists(st.tuples(st.lists(st.one_of(_facts(), _things()), min_size=1, max_size=5), moves), min_size=3, max_size=10)
registers = st.sampled_from(["answers", "answers", "silent", "unknown"])
DIGITAL = {"document.delivered.v1", "delivery.requested.v1", "notification.requested.v1", "booking.shown.v1"}


@EXAMPLES
@given(first=st.lists(_facts(), max_size=12), then=steps, register=registers)
def test_whatever_happens_nothing_is_lost_and_nobody_protected_is_reached(law_dsn: str, first: Any, then: Any, register: Any) -> None:
    """P1, P8, P10, R15, Q6: on every path; and the same events again say nothing."""

    async def run() -> None:
        async with law_desk(law_dsn) as hub:
            hub.register = register
            await hub.take(*(event for what, args in first if (event := make(what, args, hub))))
            taken: list[Event] = []
            for batch, minutes in then:
                events = [event for what, args in batch if (event := make(what, args, hub))]
                events = [Event(e.type, e.data, f"{len(taken) + place}", "urn:h") for place, e in enumerate(events)]
                taken += events
                said = await hub.take(*events)
                await holds(hub, said)
                await holds(hub, await hub.wait(minutes=minutes))
            assert await hub.take(*taken) == []
            hub.register = "answers"
            for pid in PEOPLE:
                hub.people.setdefault(pid, person(pid).data)
            await holds(hub, await hub.wait(hours=60))
            await holds(hub, await hub.wait(hours=60))
            assert await hub.pool.fetchval("SELECT count(*) FROM documents WHERE settled = 0 AND print IN (0, 4)") == 0
            assert await hub.pool.fetchval("SELECT count(*) FROM outbox") == 0
            assert await hub.tick() == []

    asyncio.run(run())


async def holds(hub: LawDesk, said: Any) -> None:
    """What is true after every batch and after every stretch of time."""
    guarded = {pid for pid, news in hub.people.items() if news["protection"] != "none"}
    rows = await hub.pool.fetch("SELECT pid FROM persons WHERE protection > 0 OR inherited > 0")
    assert {row[0] for row in rows} == guarded & {row[0] for row in rows}
    protected = {row[0] for row in rows}
    dead = {row[0] for row in await hub.pool.fetch("SELECT pid FROM persons WHERE deceased IS NOT NULL")}
    batch_now = [one for one in said if one.type in DIGITAL]
    if protected or dead:
        last = {id(one) for one in batch_now}
        for one in batch_now:
            about = one.data.get("patient") or one.data.get("recipient")
            assert id(one) not in last or about not in protected or _changed_meanwhile(hub, about), one.type
    lost = "SELECT count(*) FROM documents WHERE settled = 0 AND print = 0 AND due_at IS NULL"
    assert await hub.pool.fetchval(lost) == 0, "a document without a terminal or timed state"
    both = "SELECT count(*) FROM documents WHERE settled IN (1, 2) AND print = 1"
    assert await hub.pool.fetchval(both) == 0, "settled, and on the to-do list"
    entries = "SELECT count(*) FROM documents d JOIN print_entries p USING (doc) WHERE (d.print = 1) <> (p.state = 1)"
    assert await hub.pool.fetchval(entries) == 0
    leaked = "SELECT count(*) FROM bookings b JOIN persons p USING (person) WHERE p.protection > 0"
    assert await hub.pool.fetchval(f"{leaked} AND (shown_app OR shown_portal OR wanted)") == 0, "a booking of somebody protected is shown"
    open_copies = "SELECT count(*) FROM documents d JOIN persons p USING (person) WHERE p.protection > 0 AND d.app = 1 AND d.settled <> 1"
    assert await hub.pool.fetchval(open_copies) == 0, "an unread copy of somebody protected is in the app"
    if hub.register == "unknown" or hub.register == "silent":
        known = set(hub.people)
        assert {one.data["patient"] for one in batch_now if "patient" in one.data} <= known | {RESERVE}


def _changed_meanwhile(hub: LawDesk, pid: str) -> bool:
    """Time has passed, and the register's last news of the person came within it."""
    return bool(hub.people[pid]["as_of"] == hub.time and len(hub.lookups) > 0)


facts_once = st.fixed_dictionaries(
    {
        "people": st.dictionaries(people, st.tuples(st.sampled_from(PROTECTIONS), st.booleans()), min_size=3),
        "accounts": st.sets(people),
        "mailboxes": st.sets(people),
        "links": st.sets(st.tuples(st.sampled_from((CHILD, TEEN, ADULT, SOON_13)), st.sampled_from(("guardian", "fullmakt")))),
        "things": st.lists(_things().filter(lambda one: one[0] not in ("read", "answer")), min_size=1, max_size=8),
        "seed": st.integers(0, 2**16),
    }
)


@EXAMPLES
@given(given_=facts_once)
def test_batches_orders_and_doubles_make_no_difference(law_dsn: str, given_: dict[str, Any]) -> None:
    """CONTRACTS 3, B6: the same facts and then the same documents and bookings, however they come."""
    chance = random.Random(given_["seed"])
    facts = [person(pid, protection=shield, **({"deceased": date(2026, 3, 1)} if dead and shield == "none" else {}))
             for pid, (shield, dead) in given_["people"].items()]  # fmt: skip
    facts += [account(pid) for pid in sorted(given_["accounts"])] + [mailbox(pid) for pid in sorted(given_["mailboxes"])]
    facts += [agent(pid, MOTHER, relation=relation) for pid, relation in sorted(given_["links"])]

    async def run(cut: int, doubled: bool, shuffled: bool) -> Any:
        async with law_desk(law_dsn) as hub:
            hub.register = "off"
            made = [event for what, args in given_["things"] if (event := make(what, args, hub))]
            things = list({(e.type, e.data.get("document_id") or f"{e.data['booking_id']} {e.data['version']}"): e for e in made}.values())
            for some in (facts, things):
                events = [Event(e.type, e.data, f"{e.type}{place}", "urn:h") for place, e in enumerate(some)]
                events = events * 2 if doubled else events
                if shuffled:
                    chance.shuffle(events)
                for start in range(0, len(events), cut):
                    await hub.take(*events[start : start + cut])
            return await final(hub)

    results = [asyncio.run(run(*how)) for how in ((100, False, False), (1, False, False), (2, True, True))]
    assert results[0] == results[1]
    assert results[0] == results[2]


async def final(hub: LawDesk) -> Any:
    documents = await hub.pool.fetch("SELECT document_id, app, mailbox, print, settled, reason, rule, deadline FROM documents ORDER BY 1")
    bookings = await hub.pool.fetch(
        "SELECT booking_id, version, status, start, shown_app, shown_portal, wanted, dropped FROM bookings ORDER BY 1"
    )
    rooms = await hub.pool.fetch("SELECT room, state, active_at, opens_at, closes_at FROM rooms WHERE state < 2 ORDER BY 1")
    shown: dict[tuple[str, str], Any] = {}
    for one in hub.said:
        if one.topic in ("app.bookings.v1", "portal.bookings.v1"):
            shown[one.topic, one.data["booking_id"]] = one.data if one.type == "booking.shown.v1" else None
    return [list(map(tuple, documents)), list(map(tuple, bookings)), list(map(tuple, rooms)), {k: v for k, v in shown.items() if v}]
