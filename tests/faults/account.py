"""The account of a run: what was promised against what stands on the topics and in the ledger, once everything is at rest.

Each promise of the spine is one check that returns what breaks it (ids, never a person). `lost` is against what Kafka had acknowledged
to the publisher. A repeat on a topic is allowed only byte for byte, and never so that the last word about a subject is an old one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg

from pipelines.ledger.kept import event_of
from schemas.clock import Clock
from schemas.keys import event_key
from schemas.topics import INBOUND_TOPICS, OUTBOUND_TOPICS
from tests.faults.stream import Published
from tests.faults.topics import Said, read_all

CLOSED_MEANS = "NOT open OR due_at IS NOT NULL OR print IN (1, 2) OR settled <> 0"


@dataclass
class Account:
    """Counts for the report, and violations, which must be none. `broken` maps a promise to examples."""

    counts: dict[str, int] = field(default_factory=dict)
    broken: dict[str, list[str]] = field(default_factory=dict)
    promises: list[str] = field(default_factory=list)

    def check(self, promise: str, against: Iterable[object]) -> None:
        found = [str(each) for each in against]
        self.promises.append(promise)
        self.counts[promise] = len(found)
        if found:
            self.broken[promise] = found[:5]


async def account(bootstrap: str, dsn: str, published: Published, clock: Clock) -> Account:
    """Everything read anew, from the first record of every topic."""
    topics = await read_all(bootstrap)
    ledger = await asyncpg.connect(dsn)
    try:
        made = Account()
        await _nothing_lost(made, topics, ledger, published)
        await _once_in_the_ledger(made, topics, ledger)
        _repeats_are_the_same(made, topics)
        _order(made, topics)
        await _topics_say_what_the_ledger_says(made, topics, ledger)
        await _protected_stay_protected(made, topics, ledger)
        await _at_rest(made, ledger, clock)
        return made
    finally:
        await ledger.close()


async def _nothing_lost(made: Account, topics: Mapping[str, list[Said]], ledger: Any, published: Published) -> None:
    on_topics = {said.id for name in INBOUND_TOPICS for said in topics[name]}
    made.counts["events published"] = len(published.events)
    made.counts["documents published"] = len(published.documents)
    made.check("acknowledged by Kafka and gone", published.events - on_topics)
    documents = {row[0] for row in await ledger.fetch("SELECT document_id FROM documents")}
    made.check("documents lost", published.documents - documents - await _refused(topics, ledger))
    decided = {said.subject for said in topics["decisions.v1"]}
    made.check("documents without their decision on decisions.v1", documents - decided)


async def _refused(topics: Mapping[str, list[Said]], ledger: Any) -> set[str]:
    """Documents that are dead letters: told, not lost."""
    places = {tuple(row) for row in await ledger.fetch('SELECT topic, partition, "offset" FROM dead_letters')}
    return {
        said.data["document_id"]
        for name in ("ehr.letters.v1", "ehr.referrals.v1")
        for said in topics[name]
        if (name, said.partition, said.offset) in places
    }


async def _once_in_the_ledger(made: Account, topics: Mapping[str, list[Said]], ledger: Any) -> None:
    twice = await ledger.fetch("SELECT document_id FROM documents GROUP BY 1 HAVING count(*) > 1")
    made.check("documents twice in the ledger", (row[0] for row in twice))
    counted = await ledger.fetch(
        "SELECT doc::text, changed, coalesce(made, 0) AS made FROM documents"
        " LEFT JOIN (SELECT subject, count(*) AS made FROM decisions GROUP BY subject) AS counted ON subject = doc"
    )
    made.counts["documents in the ledger"] = len(counted)
    made.check("documents whose decisions are not as many as their changes", (r["doc"] for r in counted if r["changed"] != r["made"]))
    letters = {tuple(row) for row in await ledger.fetch('SELECT topic, partition, "offset" FROM dead_letters')}
    taken = {s.id for n in INBOUND_TOPICS for s in topics[n] if (s.topic, s.partition, s.offset) not in letters}
    refused = {s.id for n in INBOUND_TOPICS for s in topics[n]} - taken
    inbox = {row[0] for row in await ledger.fetch("SELECT event FROM inbox")}
    made.counts["dead letters"] = len(letters)
    made.check("events taken and not in the inbox", {e for e in taken if UUID(bytes=event_key(*e)) not in inbox})
    made.check("events in the inbox that nobody sent", inbox - {UUID(bytes=event_key(*e)) for e in taken | refused})


def _repeats_are_the_same(made: Account, topics: Mapping[str, list[Said]]) -> None:
    first: dict[tuple[str, tuple[str, str]], Said] = {}
    other, repeats = [], Counter[str]()
    for name in OUTBOUND_TOPICS:
        for said in topics[name]:
            before = first.setdefault((name, said.id), said)
            if before is not said:
                repeats[name] += 1
                if before.content != said.content:
                    other.append(f"{name} {said.type} {said.id[1]}")
    made.counts["outputs"] = len(first)
    made.counts["repeats on topics, byte for byte the same"] = repeats.total() - len(other)
    made.check("repeats on topics with other bytes", other)


def _order(made: Account, topics: Mapping[str, list[Said]]) -> None:
    """Subjects stay in one partition, so the order of offsets is the order consumers see."""
    backwards, stale = [], []
    for name in OUTBOUND_TOPICS:
        newest: dict[tuple[int, str], int] = {}
        last: dict[tuple[int, str], Said] = {}
        seen: set[tuple[str, str]] = set()
        for said in topics[name]:
            if not said.subject:
                continue
            place = (said.partition, said.subject)
            if said.id not in seen:
                seen.add(said.id)
                if said.sequence < newest.get(place, 0):
                    backwards.append(f"{name} {said.subject} {said.sequence} after {newest[place]}")
            newest[place] = max(newest.get(place, 0), said.sequence)
            last[place] = said
        stale += [f"{name} {key[1]} ends with {s.sequence} of {newest[key]}" for key, s in last.items() if s.sequence < newest[key]]
    made.check("news about a subject that was overtaken by newer news", backwards)
    made.check("subjects whose last word is an old one", stale)


async def _topics_say_what_the_ledger_says(made: Account, topics: Mapping[str, list[Said]], ledger: Any) -> None:
    said = {s.headers["ce_id"]: s.value for s in topics["decisions.v1"]}
    kept = {str(row[0]): event_of(row[1]) for row in await ledger.fetch("SELECT decision, event FROM decisions")}
    made.counts["decisions"] = len(kept)
    made.check("decisions of the ledger that the topic does not have", kept.keys() - said.keys())
    made.check("decisions on the topic that the ledger does not have", said.keys() - kept.keys())
    made.check("decisions whose bytes differ", (i for i in kept.keys() & said.keys() if kept[i] != said[i]))

    copies = _last(topics["app.documents.v1"], ("document.delivered.v1", "document.withdrawn.v1"))
    for state, kind in ((1, "document.delivered.v1"), (2, "document.withdrawn.v1")):
        rows = await ledger.fetch("SELECT document_id FROM documents WHERE app = $1", state)
        made.counts[f"app copies ({kind})"] = len(rows)
        wrong = (r[0] for r in rows if r[0] not in copies or copies[r[0]].type != kind)
        made.check(f"app copies that the app does not have as {kind}", wrong)
    never = {r[0] for r in await ledger.fetch("SELECT document_id FROM documents WHERE app = 0")}
    made.check("app copies that the ledger knows nothing of", copies.keys() & never)

    asked = Counter(s.data["delivery_id"] for s in _once(topics["mailbox.deliveries.v1"]))
    wanted = {str(r[0]) for r in await ledger.fetch("SELECT delivery FROM deliveries")}
    made.counts["mailbox deliveries"] = len(wanted)
    made.check("mailbox deliveries not asked for", wanted - asked.keys())
    made.check("mailbox deliveries asked for twice, or unknown", [i for i, n in asked.items() if n > 1 or i not in wanted])

    entries = {s.data["entry_id"]: s for s in _newest(topics["print.entries.v1"]).values()}
    rows = await ledger.fetch("SELECT entry::text, state FROM print_entries")
    made.counts["print entries"] = len(rows)
    as_said = {1: "print.entered.v1", 3: "print.settled.v1", 4: "print.settled.v1"}
    made.check(
        "print entries that the topic has otherwise",
        (r["entry"] for r in rows if r["entry"] not in entries or entries[r["entry"]].type != as_said[r["state"]]),
    )
    for topic, column in (("app.bookings.v1", "shown_app"), ("portal.bookings.v1", "shown_portal")):
        shown = {b for b, s in _newest(topics[topic]).items() if s.type == "booking.shown.v1"}
        rows = await ledger.fetch(f"SELECT booking_id FROM bookings WHERE {column}")
        made.counts[f"bookings shown on {topic}"] = len(rows)
        made.check(f"bookings that {topic} has otherwise", shown ^ {r[0] for r in rows})
    states = {1: "scheduled", 2: "active", 3: "closed", 4: "void"}
    rooms = {s.data["room_id"]: s.data["state"] for s in topics["video.rooms.v1"] if s.value}
    rows = await ledger.fetch("SELECT room::text, state FROM rooms")
    made.counts["rooms"] = len(rows)
    made.check("rooms that the topic has otherwise", (r["room"] for r in rows if rooms.get(r["room"]) != states[r["state"]]))


async def _protected_stay_protected(made: Account, topics: Mapping[str, list[Said]], ledger: Any) -> None:
    """R3, P1: nothing about a person who was protected from the first news on ever goes out digitally. P10: what had gone is withdrawn."""
    hidden = "SELECT person FROM persons WHERE greatest(protection, inherited) > 0"
    late = {s.data["patient"] for s in topics["persons.v1"] if s.data["protection"] == "none"}
    rows = await ledger.fetch(
        "SELECT document_id AS subject, pid FROM documents JOIN persons USING (person) WHERE greatest(protection, inherited) > 0"
        " UNION ALL SELECT booking_id, pid FROM bookings JOIN persons USING (person) WHERE greatest(protection, inherited) > 0"
    )
    always = {r["subject"] for r in rows if r["pid"] not in late}
    made.counts["subjects of people protected from the start"] = len(always)
    made.counts["subjects of people protected meanwhile"] = len(rows) - len(always)
    digital = ("app.documents.v1", "mailbox.deliveries.v1", "notifications.v1", "app.bookings.v1", "portal.bookings.v1")
    made.check("protected people told about digitally", always & {s.subject for name in digital for s in topics[name]})
    unread = await ledger.fetch(f"SELECT document_id FROM documents WHERE person IN ({hidden}) AND app = 1 AND settled <> 1")
    made.check("unread documents of protected people that the app still has", (r[0] for r in unread))
    shown = await ledger.fetch(f"SELECT booking_id FROM bookings WHERE person IN ({hidden}) AND (shown_app OR shown_portal)")
    made.check("bookings of protected people that are still shown", (r[0] for r in shown))


async def _at_rest(made: Account, ledger: Any, clock: Clock) -> None:
    made.check("rows left in the outbox", (r[0] for r in await ledger.fetch("SELECT batch FROM outbox")))
    idle = await ledger.fetch(f"SELECT document_id FROM documents WHERE NOT ({CLOSED_MEANS})")
    made.check("documents neither terminal nor timed", (r[0] for r in idle))
    late = await ledger.fetch("SELECT document_id FROM documents WHERE due_at < $1::timestamptz - interval '5 seconds'", clock.now())
    made.check("deadlines missed", (r[0] for r in late))


def _once(records: Iterable[Said]) -> list[Said]:
    return list({said.id: said for said in records}.values())


def _last(records: Iterable[Said], types: tuple[str, ...]) -> dict[str, Said]:
    return _newest(said for said in records if said.type in types)


def _newest(records: Iterable[Said]) -> dict[str, Said]:
    """By subject, wherever it stands: what changes hands, or whose person gets another number, changes its partition too."""
    found: dict[str, Said] = {}
    for said in records:
        if said.value is not None and said.sequence >= found.get(said.subject, said).sequence:
            found[said.subject] = said
    return found
