"""`hub verify`: does what the topics hold agree with the ledger, and does the ledger agree with the rules?

From the ledger it is rebuilt what every topic should hold; what differs is told by check and id. Beside a running hub the two are never
looked at in the same instant, so what differs in one pass only is no finding: `confirmed` takes those that two passes agree on.

Topics forget by time (`retention`), the ledger keeps longer: what is missing on a topic counts only where it was said recently enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import orjson
from asyncpg import Pool

from pipelines import ids
from pipelines.ledger import Connection, kept
from pipelines.ledger.again import again, recorded, same
from pipelines.ledger.held import APP_BOOKINGS, PORTAL_BOOKINGS, Held
from pipelines.outputs import ROOM_STATES
from pipelines.rules import identity, replay
from pipelines.rules.model import AppCopy, Person, PrintCopy, RoomState, Settled
from schemas.topics import TOPICS

MARGIN: Final = timedelta(days=1)
"""Before a topic's retention ends nothing may be missing; how exactly it forgets is Kafka's business (segments)."""
OVERDUE: Final = timedelta(minutes=2)
PREFETCH_ROWS: Final = 2_000
SHOWN_AS: Final = {AppCopy.OPEN: "document.delivered.v1", AppCopy.WITHDRAWN: "document.withdrawn.v1"}

Advance = Callable[[int], None]


class Difference(NamedTuple):
    """One thing that is not as it should be. `id` is of a document, booking, room, entry or decision."""

    check: str
    id: str
    expected: str
    found: str


@dataclass(slots=True)
class Report:
    """How many things each check looked at, and what differed."""

    checked: dict[str, int] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)

    def look(self, check: str, ident: object, expected: str, found: str) -> None:
        self.checked[check] = self.checked.get(check, 0) + 1
        if expected != found:
            self.differences.append(Difference(check, str(ident), expected, found))


def confirmed(first: Report, second: Report) -> list[Difference]:
    """What both passes found: the rest was on its way."""
    before = {(one.check, one.id) for one in first.differences}
    return [one for one in second.differences if (one.check, one.id) in before]


async def verify(pool: Pool[Any], held: Held, now: datetime, advance: Advance = lambda count: None) -> Report:
    """One pass. `held` is what the topics hold now; it is read first, so that the ledger is the newer of the two."""
    report = Report()
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        await _documents(connection, held, now, report, advance)
        await _bookings(connection, held, report, advance)
        await _rooms(connection, held, report, advance)
        await _prints(connection, held, now, report, advance)
        await _decisions(connection, held, now, report, advance)
    return report


def _since(topic: str, now: datetime) -> datetime | None:
    """From when on a topic still has everything; None: compacted, for ever."""
    retention_ms = TOPICS[topic].retention_ms
    return None if retention_ms is None else now - timedelta(milliseconds=retention_ms) + MARGIN


async def _documents(connection: Connection, held: Held, now: datetime, report: Report, advance: Advance) -> None:
    """app.documents: each document's last state and its one settlement. And: every document is terminal, timed, or the staff's."""
    recent = _since("app.documents.v1", now)
    assert recent is not None
    sql = "SELECT document_id, app, settled, open, print, due_at, sent FROM documents"
    seen: set[str] = set()
    unsaid: list[str] = []
    async for ident, app, settled, is_open, printed, due_at, sent in connection.cursor(sql, prefetch=PREFETCH_ROWS):
        advance(1)
        seen.add(ident)
        said, outcome = held.documents.get(ident), held.settled.get(ident)
        if sent >= recent or said is not None:
            report.look("app.documents state", ident, SHOWN_AS.get(AppCopy(app), "nothing"), said.type if said else "nothing")
        if outcome is None and settled == Settled.RECORDED:
            if sent >= recent:
                unsaid.append(ident)
        elif sent >= recent or outcome is not None:
            expected = "nothing" if settled == Settled.NO else Settled(settled).name.lower()
            report.look("app.documents settlement", ident, expected, outcome.data["outcome"] if outcome else "nothing")
        waiting = is_open and settled == Settled.NO and printed not in (PrintCopy.OPEN, PrintCopy.HANDLED)
        report.look("documents are terminal or timed", ident, "a deadline" if waiting else "none needed",
                    "none needed" if not waiting else "a deadline" if due_at is not None else "no deadline")  # fmt: skip
        late = due_at is not None and due_at < now - OVERDUE
        report.look("documents are on time", ident, "in time", "overdue" if late else "in time")
    for ident in unsaid:
        if not await _was_veiled(connection, ident):
            report.look("app.documents settlement", ident, "recorded", "nothing")
    _strangers(report, "app.documents unknown", held.documents, seen)


async def _was_veiled(connection: Connection, document_id: str) -> bool:
    """Of a protected or unverified person it is told to nobody that something was recorded; true also where the decision is gone."""
    first = ids.uid("decision", "document", document_id, "1")
    facts = await connection.fetchval("SELECT facts FROM decisions WHERE decision = $1", first)
    if facts is None:
        return True
    thawed = replay.thaw(facts)
    if not isinstance(thawed[0], Person):
        return False
    person, _, limits, now = thawed
    return identity.veiled(person, now, limits)


async def _bookings(connection: Connection, held: Held, report: Report, advance: Advance) -> None:
    """app.bookings and portal.bookings: shown with the version that counts, or not shown."""
    sql = "SELECT booking_id, version, shown_app, shown_portal FROM bookings"
    seen: set[str] = set()
    async for ident, version, in_app, in_portal in connection.cursor(sql, prefetch=PREFETCH_ROWS):
        advance(1)
        seen.add(ident)
        for topic, shown in ((APP_BOOKINGS, in_app), (PORTAL_BOOKINGS, in_portal)):
            said = held.bookings.get((topic, ident))
            stands = f"shown {said.data['version']}" if said and said.type == "booking.shown.v1" else "not shown"
            report.look(topic.removesuffix(".v1"), ident, f"shown {version}" if shown else "not shown", stands)
    left = {key for (_topic, key), said in held.bookings.items() if said.type == "booking.shown.v1"}
    _strangers(report, "bookings unknown", left, seen)


_BRIDGES_KINDS: Final = ("chat", "conference")


async def _rooms(connection: Connection, held: Held, report: Report, advance: Advance) -> None:
    """video.rooms: each room's state and window. A room without a booking is the bridge's own (V10, V11): no row has it."""
    sql = "SELECT room::text, state, active_at, opens_at, closes_at FROM rooms"
    seen: set[str] = set()
    async for ident, state, *times in connection.cursor(sql, prefetch=PREFETCH_ROWS):
        advance(1)
        seen.add(ident)
        said = held.rooms.get(ident)
        expected = " ".join([ROOM_STATES[RoomState(state)], *(_text(at) for at in times)])
        found = "nothing"
        if said is not None:
            told = (said.data[name] for name in ("active_at", "opens_at", "closes_at"))
            found = " ".join([said.data["state"], *(_text(datetime.fromisoformat(at)) for at in told)])
        report.look("video.rooms", ident, expected, found)
    _strangers(report, "rooms unknown", [room for room, said in held.rooms.items() if said.data["kind"] not in _BRIDGES_KINDS], seen)


async def _prints(connection: Connection, held: Held, now: datetime, report: Report, advance: Advance) -> None:
    """print.entries: the to-do list, entry by entry, with its reason."""
    recent = _since("print.entries.v1", now)
    assert recent is not None
    seen: set[str] = set()
    sql = "SELECT entry::text, state, reason, entered FROM print_entries"
    async for ident, state, reason, entered in connection.cursor(sql, prefetch=PREFETCH_ROWS):
        advance(1)
        seen.add(ident)
        if entered < recent and ident not in held.prints:
            continue
        is_open = held.print_is_open(ident)
        found = f"open {held.prints[ident].data['reason']}" if is_open else "not open"
        report.look("print.entries", ident, f"open {reason}" if state == PrintCopy.OPEN else "not open", found)
    _strangers(report, "print entries unknown", [entry for entry in held.prints if held.print_is_open(entry)], seen)


async def _decisions(connection: Connection, held: Held, now: datetime, report: Report, advance: Advance) -> None:
    """decisions: all published, and each the same when the rules make it again from its facts."""
    recent = _since("decisions.v1", now)
    assert recent is not None
    left = set(held.decisions)
    async for ident, at, facts, event in connection.cursor("SELECT decision, at, facts, event FROM decisions", prefetch=PREFETCH_ROWS):
        advance(1)
        there = ident in left
        left.discard(ident)
        if at >= recent or there:
            report.look("decisions published", ident, "published", "published" if there else "missing")
        data = orjson.loads(kept.event_of(event))
        before = recorded(data)
        try:
            made = again(data, facts)
        except ValueError:
            report.look("decisions again", ident, before.name, "facts that cannot be read")
            continue
        report.look("decisions again", ident, before.name, before.name if same(before, made) else f"{made.name} (again)")
    report.checked["decisions unknown"] = len(left)
    report.differences += [Difference("decisions unknown", str(ident), "in the ledger", "on the topic only") for ident in left]


def _strangers(report: Report, check: str, held: Iterable[str], seen: set[str]) -> None:
    """What a topic holds of something that the ledger does not have: nobody keeps it up to date any more."""
    for ident in held:
        report.look(check, ident, "in the ledger", "in the ledger" if ident in seen else "on the topic only")


def _text(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")
