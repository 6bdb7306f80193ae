"""Deliveries and texts on their way to peers: the delivery process's part of the ledger.

Every change goes through the one table (`rules.sending.move`), on a row that is locked. A row is handed to one process at a time
(`take`, SKIP LOCKED); right before its request leaves, `launch` reads the facts afresh under the person's lock and sets it in flight in
the same transaction, so whoever makes a protection known either comes before (nothing is sent) or finds that it was sent. What a
process leaves behind when it dies is found by its slot's lock being gone (`slots.py`): what was claimed starts over, what was in
flight is unknown.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final, Literal
from uuid import UUID

import orjson
import structlog
from asyncpg import Pool, Record

from pipelines import ids
from pipelines.commands import KIND_NAMES
from pipelines.ledger import Connection, facts, invitations, locks, lookups, slots
from pipelines.ledger.invitations import GUEST, Boxes
from pipelines.outputs import OPERATORS
from pipelines.rules import clearance
from pipelines.rules.clearance import About, Clearance, Quiet, Wanted
from pipelines.rules.model import AppCopy, BookingStatus, Kind, MailboxCopy, Operator, Person, PrintCopy, RoomState
from pipelines.rules.sending import ANSWERS, KEEPERS, Event, NoSuchMove, State, move
from schemas.policy import Limits, Policy

CHANNELS: Final[Mapping[str, int]] = {"kivra": 1, "mina_meddelanden": 2, "sms": 3}
CHANNEL_NAMES: Final = {number: name for name, number in CHANNELS.items()}
OPERATOR_NUMBERS: Final = {name: int(operator) for operator, name in OPERATORS.items()}
SMS: Final = CHANNELS["sms"]
NO_CHANNEL: Final = "no_channel_configured"
RENDER_LEASE: Final = timedelta(minutes=1)
"""A row that is being rendered comes due again after this: its process died, or the machine is very slow; making it twice does no harm."""
LOOKS_MAX: Final = 5
"""How often `launch` may find that the person's number changed while it waited for the lock."""
_log = structlog.get_logger()
_WAITS: Final = (int(State.DECIDED), int(State.RENDERED), int(State.WAITING))


@dataclass(frozen=True, slots=True)
class NewSend:
    """A request as it stands on its topic."""

    send: UUID
    person: UUID
    about: str
    channel: str
    operator: str | None
    kind: str
    template: str | None
    not_after: datetime | None


@dataclass(frozen=True, slots=True)
class Due:
    """A row handed to this process. `ready`: its bytes are there, it is claimed; else it is to be prepared."""

    send: UUID
    channel: str
    ready: bool
    kind: str
    template: str | None
    attempts: int
    repeats: int
    in_doubt: bool
    requested_at: datetime


@dataclass(frozen=True, slots=True)
class File:
    name: str = field(repr=False)
    content_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class LetterContent:
    """What a mailbox delivery is made of."""

    person: UUID
    recipient: str = field(repr=False)
    operator: str
    kind: str
    title: str = field(repr=False)
    unit: str
    unit_name: str
    body: str = field(repr=False)
    body_format: Literal["text", "html"]
    footer: str = field(repr=False)
    files: tuple[File, ...]
    sent: datetime


@dataclass(frozen=True, slots=True)
class TextContent:
    """Whom a text goes to; its words follow from the template alone (N2). `filled`: link and code of a guest's."""

    person: UUID
    to: str = field(repr=False)
    filled: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Launched:
    """In flight: these bytes may be sent now, once."""

    number: int
    request: bytes = field(repr=False)
    recipient: str = field(repr=False)
    operator: str | None


@dataclass(frozen=True, slots=True)
class Untold:
    """An answer that the pipelines have not been told of."""

    send: UUID
    number: int
    channel: str
    outcome: str
    code: str | None
    at: datetime
    pid: str = field(repr=False)


_ROW: Final = "send, person, subject, channel, operator, kind, state, slot, attempts, in_doubt, request, not_after, box"


class Sends:
    """The rows as one process sees them. `slot` is held by it (`slots.Slot`) as long as it lives; `guests` opens their boxes."""

    def __init__(self, pool: Pool[Any], policy: Policy, *, slot: str, sender: str, quiet: Quiet, guests: Boxes) -> None:
        self._pool = pool
        self._policy = policy
        self._slot = slot
        self._sender = sender
        self._quiet = quiet
        self._guests = guests

    # --- coming in and being taken ---------------------------------------------------------------------------------------------

    async def put(self, new: Sequence[NewSend], configured: Collection[str], now: datetime) -> int:
        """Insert requests that are not known; how many were new. What no channel is there for waits for one."""
        if not new:
            return 0
        unique = {one.send: one for one in new}
        records = [
            (
                one.send, one.person, one.about, _subject_id(one), CHANNELS[one.channel],
                None if one.operator is None else OPERATOR_NUMBERS[one.operator], one.kind, one.template,
                int(State.DECIDED if one.channel in configured else State.WAITING), None if one.channel in configured else NO_CHANNEL,
                one.not_after,
            )
            for one in sorted(unique.values(), key=lambda one: one.send)
        ]  # fmt: skip
        done = await self._pool.execute(
            "INSERT INTO sends (send, person, about, subject, channel, operator, kind, template, state, why, not_after, due_at,"
            " requested_at, changed_at) SELECT *, $12::timestamptz, $12::timestamptz, $12::timestamptz"
            " FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::int2[], $6::int2[], $7::text[], $8::text[], $9::int2[],"
            " $10::text[], $11::timestamptz[])"
            " ON CONFLICT (send) DO NOTHING",
            *map(list, zip(*records, strict=True)), now,
        )  # fmt: skip
        return int(done.split()[-1])

    async def park(self, configured: Collection[str], now: datetime) -> int:
        """At the start: what came for a channel that is configured no more waits for it. What waited for one that is there now is due."""
        unset = [number for name, number in CHANNELS.items() if name not in configured]
        done = await self._pool.execute(
            "UPDATE sends SET state = $3, why = $4, due_at = $5, changed_at = $5 WHERE channel = ANY($1) AND state = ANY($2::int2[])",
            unset, [int(State.DECIDED), int(State.RENDERED)], int(State.WAITING), NO_CHANNEL, now,
        )  # fmt: skip
        return int(done.split()[-1])

    async def take(self, channel: str, now: datetime, limit: int) -> list[Due]:
        """Due rows of a channel, each handed to one process: claimed where its bytes are kept, else to be prepared within a lease."""
        async with self._pool.acquire() as connection, connection.transaction():
            found = await connection.fetch(
                "SELECT send, state, kept, kind, template, attempts, repeats, in_doubt, requested_at FROM sends"
                " WHERE channel = $1 AND due_at <= $2 AND state = ANY($3::int2[]) ORDER BY due_at LIMIT $4 FOR UPDATE SKIP LOCKED",
                CHANNELS[channel], now, list(_WAITS), limit,
            )  # fmt: skip
            if not found:
                return []
            moved = [(row["send"], int(move(State(row["state"]), "taken" if row["kept"] else "woken"))) for row in found]
            await connection.execute(
                "UPDATE sends s SET state = n.state, why = NULL, slot = CASE WHEN s.kept THEN $3 END,"
                " due_at = CASE WHEN s.kept THEN NULL ELSE $4::timestamptz END, changed_at = $5"
                " FROM unnest($1::uuid[], $2::int2[]) AS n(send, state) WHERE s.send = n.send",
                *map(list, zip(*moved, strict=True)), self._slot, now + RENDER_LEASE, now,
            )  # fmt: skip
        return [
            Due(r["send"], channel, r["kept"], r["kind"], r["template"], r["attempts"], r["repeats"], r["in_doubt"], r["requested_at"])
            for r in found
        ]

    # --- preparing ---------------------------------------------------------------------------------------------------------------

    async def prepare(self, send: UUID, now: datetime) -> LetterContent | TextContent | None:
        """What is to be rendered or written, or None: then the row was withdrawn, refused, or waits."""
        async with self._pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(f"SELECT {_ROW} FROM sends WHERE send = $1 FOR UPDATE", send)
            if row is None or row["state"] != State.DECIDED:
                return None
            asked = await self._ask(connection, row, now)
            if asked.clearance.ruling != "go":
                await self._hinder(connection, row, asked.clearance, asked.target, now)
                return None
            if row["channel"] == SMS:
                return TextContent(asked.target, asked.phone or "", asked.filled)
            return await self._content(connection, row, asked)

    async def _content(self, connection: Connection, row: Record, asked: _Asked) -> LetterContent:
        document = await connection.fetchrow(
            "SELECT d.unit, d.kind, d.sent, c.data FROM documents d JOIN contents c ON c.sha = d.content WHERE d.doc = $1", row["subject"]
        )
        assert document is not None, "a document that wants a mailbox keeps its content"
        parts = orjson.loads(document["data"])
        wanted = [bytes.fromhex(item["sha256"]) for item in parts["attachments"]]
        found = await connection.fetch("SELECT sha, data FROM contents WHERE sha = ANY($1)", wanted)
        known: dict[bytes, bytes] = {row["sha"]: row["data"] for row in found}
        files = tuple(File(item["name"], item["content_type"], known[sha]) for item, sha in zip(parts["attachments"], wanted, strict=True))
        assert asked.person is not None
        return LetterContent(
            asked.target, asked.person.pid, OPERATORS[Operator(row["operator"])], KIND_NAMES[Kind(document["kind"])], parts["title"],
            document["unit"], parts["unit_name"], parts["body"], parts["body_format"], parts["footer"], files, document["sent"],
        )  # fmt: skip

    async def rendered(self, send: UUID, request: bytes, person: UUID, now: datetime) -> bool:
        """Keep the bytes to send and claim the row; False where somebody else has it meanwhile."""
        sha = sha256(request).digest()
        async with self._pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow("SELECT state FROM sends WHERE send = $1 FOR UPDATE", send)
            if row is None or row["state"] != State.DECIDED:
                return False
            state = move(move(State.DECIDED, "rendered"), "taken")
            await connection.execute(  # the update keeps the retention job from bytes that are used again
                "INSERT INTO contents (sha, data, at) VALUES ($1, $2, $3) ON CONFLICT (sha) DO UPDATE SET at = excluded.at",
                sha, request, now,
            )  # fmt: skip
            await connection.execute(
                "UPDATE sends SET state = $2, request = $3, kept = true, slot = $4, due_at = NULL, changed_at = $5,"
                " person = $6 WHERE send = $1",
                send, int(state), sha, self._slot, now, person,
            )  # fmt: skip
        return True

    async def refuse(self, send: UUID, code: str, now: datetime) -> None:
        """It cannot be made for this channel (C10): the same as a refusal by the peer."""
        await self._move_one(send, "rejected", now, code=code)

    async def postpone(self, send: UUID, why: str, pause: timedelta, now: datetime) -> None:
        """A row that is not sent now: the peer is left alone, or we have a fault of our own with it."""
        await self._move_one(send, "waits", now, why=why, due_at=now + pause)

    # --- sending -----------------------------------------------------------------------------------------------------------------

    async def launch(self, send: UUID, now: datetime, to: str | None = None) -> Launched | None:
        """Under the person's lock: in flight if everything still lets it go, else withdrawn, refused or waiting.

        `to` is the number that a text was just written for; without one its bytes are from an earlier time and go only where the
        desk wants exactly them.
        """
        for _ in range(LOOKS_MAX):
            async with self._pool.acquire() as connection, connection.transaction():
                first = await connection.fetchrow(f"SELECT {_ROW} FROM sends WHERE send = $1", send)
                if first is None:
                    return None
                people = await self._people(connection, first)
                await locks.take(connection, people, ())
                if await self._people(connection, first) != people:
                    continue
                row = await connection.fetchrow(f"SELECT {_ROW} FROM sends WHERE send = $1 FOR UPDATE", send)
                if row is None or row["state"] != State.CLAIMED or row["slot"] != self._slot:
                    return None
                asked = await self._ask(connection, row, now)
                if asked.clearance.ruling != "go":
                    await self._hinder(connection, row, asked.clearance, asked.target, now)
                    return None
                if self._is_outdated(row, asked, to):
                    await self._outdate(connection, row, now)
                    return None
                return await self._go(connection, row, asked, now)
        raise RuntimeError("a person's number did not come to rest")

    def _is_outdated(self, row: Record, asked: _Asked, to: str | None) -> bool:
        if row["channel"] == SMS:
            return not row["in_doubt"] and to != asked.phone
        return bool(asked.target != row["person"])

    async def _outdate(self, connection: Connection, row: Record, now: datetime) -> None:
        """Bytes for an old number or phone: made anew, unless they may have been sent already; then a person decides."""
        if row["in_doubt"]:
            await self._change(connection, row["send"], row["channel"], move(State.CLAIMED, "doubted"), now, code="number_changed")
            return
        await self._change(connection, row["send"], row["channel"], move(State.CLAIMED, "outdated"), now, due_at=now, forget=True)

    async def _go(self, connection: Connection, row: Record, asked: _Asked, now: datetime) -> Launched:
        number = row["attempts"] + 1
        request = await connection.fetchval("SELECT data FROM contents WHERE sha = $1", row["request"])
        await connection.execute(
            "UPDATE sends SET state = $2, attempts = $3, changed_at = $4 WHERE send = $1",
            row["send"], int(move(State.CLAIMED, "cleared")), number, now,
        )  # fmt: skip
        await connection.execute(
            "INSERT INTO attempts (send, number, began, slot) VALUES ($1, $2, $3, $4)", row["send"], number, now, self._slot
        )
        operator = None if row["operator"] is None else OPERATORS[Operator(row["operator"])]
        return Launched(number, request, asked.person.pid if asked.person is not None else "", operator)

    async def record(
        self, send: UUID, number: int, event: Event, outcome: str, now: datetime, *, code: str | None = None, reference: str | None = None,
        written: bool | None = None, why: str | None = None, pause: timedelta = timedelta(), in_doubt: bool = False, repeat: bool = False,
    ) -> None:  # fmt: skip
        """How a try ended. A delivery report may have said more already; then it stands."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(
                "UPDATE attempts SET outcome = $3, code = $4, reference = $5, written = $6, ended = $7 WHERE send = $1 AND number = $2",
                send, number, outcome, code, reference, written, now,
            )  # fmt: skip
            row = await connection.fetchrow("SELECT state, channel, in_doubt FROM sends WHERE send = $1 FOR UPDATE", send)
            if row is None:
                return
            before = State(row["state"])
            after = move(before, event)
            await connection.execute(
                "UPDATE sends SET reference = coalesce(nullif($2, ''), reference), in_doubt = in_doubt OR $3,"
                " repeats = repeats + $4 WHERE send = $1",
                send, reference, in_doubt, int(repeat),
            )  # fmt: skip
            if after != before:
                due_at = now + pause if after is State.WAITING else None
                await self._change(
                    connection, send, row["channel"], after, now, code=code, why=why, due_at=due_at,
                    forget=after is State.WAITING and row["channel"] == SMS and not (in_doubt or row["in_doubt"]),
                )  # fmt: skip

    # --- telling -----------------------------------------------------------------------------------------------------------------

    async def untold(self, limit: int) -> list[Untold]:
        """Answers to be told, the oldest first."""
        found = await self._pool.fetch(
            "SELECT s.send, s.answers, s.channel, s.state, s.code, s.changed_at, p.pid FROM sends s JOIN persons p USING (person)"
            " WHERE s.told < s.answers ORDER BY s.changed_at LIMIT $1",
            limit,
        )
        return [
            Untold(r["send"], r["answers"], CHANNEL_NAMES[r["channel"]], ANSWERS[State(r["state"])], r["code"], r["changed_at"], r["pid"])
            for r in found
            if State(r["state"]) in ANSWERS  # an answer that was taken back meanwhile: its successor is told
        ]

    async def told(self, answers: Sequence[Untold]) -> None:
        """Kafka has them."""
        if answers:
            await self._pool.execute(
                "UPDATE sends s SET told = greatest(told, n.number) FROM unnest($1::uuid[], $2::int4[]) AS n(send, number)"
                " WHERE s.send = n.send",
                [one.send for one in answers], [one.number for one in answers],
            )  # fmt: skip

    # --- after a crash -------------------------------------------------------------------------------------------------------------

    async def adopt(self, now: datetime, *, with_own: bool = False) -> tuple[int, int]:
        """Rows whose process is gone (and, at the start, those of this slot): how many start over, how many are unknown now."""
        over = unknown = 0
        async with self._pool.acquire() as connection, connection.transaction():
            owners = [row[0] for row in await connection.fetch("SELECT DISTINCT slot FROM sends WHERE slot IS NOT NULL")]
            others = [slot for slot in owners if slot != self._slot]
            gone = await slots.gone(connection, others) if others else set()
            if with_own and self._slot in owners:
                gone.add(self._slot)
            if not gone:
                return 0, 0
            for row in await connection.fetch(
                "SELECT send, state, channel, attempts FROM sends WHERE slot = ANY($1) ORDER BY send FOR UPDATE", sorted(gone)
            ):
                after = move(State(row["state"]), "orphaned")
                if after is State.UNKNOWN:
                    unknown += 1
                    await connection.execute(
                        "UPDATE attempts SET outcome = 'orphaned', ended = $3 WHERE send = $1 AND number = $2",
                        row["send"], row["attempts"], now,
                    )  # fmt: skip
                    await connection.execute("UPDATE sends SET in_doubt = true WHERE send = $1", row["send"])
                    await self._change(connection, row["send"], row["channel"], after, now, code="process_lost")
                else:
                    over += 1
                    await self._change(connection, row["send"], row["channel"], after, now, due_at=now)
        return over, unknown

    # --- one row -------------------------------------------------------------------------------------------------------------------

    async def _move_one(
        self, send: UUID, event: Event, now: datetime, *, code: str | None = None, why: str | None = None, due_at: datetime | None = None
    ) -> None:  # fmt: skip
        async with self._pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow("SELECT state, channel FROM sends WHERE send = $1 FOR UPDATE", send)
            if row is not None:
                after = move(State(row["state"]), event)
                await self._change(connection, send, row["channel"], after, now, code=code, why=why, due_at=due_at)

    async def _hinder(self, connection: Connection, row: Record, found: Clearance, target: UUID, now: datetime) -> None:
        """Not now, or not at all. Where it may have been sent before, only the desk can say what became of it."""
        send, channel, state = row["send"], row["channel"], State(row["state"])
        if found.look_up:
            await lookups.want(connection, {target}, now)
        if found.ruling == "wait":
            forget = channel == SMS and not row["in_doubt"]
            await self._change(connection, send, channel, move(state, "waits"), now, why=found.code, due_at=found.until, forget=forget)
        elif row["in_doubt"]:
            await self._change(connection, send, channel, move(state, "doubted"), now, code=found.code)
        else:
            event: Event = "withdrawn" if found.ruling == "withdraw" else "rejected"
            await self._change(connection, send, channel, move(state, event), now, code=found.code)

    async def _change(
        self, connection: Connection, send: UUID, channel: int, state: State, now: datetime, *, code: str | None = None,
        why: str | None = None, due_at: datetime | None = None, forget: bool = False,
    ) -> None:  # fmt: skip
        await change(connection, send, channel, state, now, code=code, why=why, due_at=due_at, forget=forget)

    # --- facts ---------------------------------------------------------------------------------------------------------------------

    async def _people(self, connection: Connection, row: Record) -> set[UUID]:
        """Whose lock is needed: whom it goes to, and whose document or booking it is about, under their current numbers."""
        if row["kind"] == invitations.KIND:
            return set()
        named = {row["person"]}
        subject = await _subject(connection, row)
        if subject is not None:
            named.add(subject["person"])
        current = await facts.current(connection, named)
        return named | set(current.values())

    async def _ask(self, connection: Connection, row: Record, now: datetime) -> _Asked:
        """The facts of now, and what they say."""
        if row["kind"] == invitations.KIND:
            return await self._ask_guest(connection, row, now)
        subject = await _subject(connection, row)
        named = {row["person"]} | ({subject["person"]} if subject is not None else set())
        current = await facts.current(connection, named)
        whose = row["person"] if row["channel"] == SMS or subject is None else subject["person"]
        target = current.get(whose, whose)
        people = await facts.load(connection, {current.get(one, one) for one in named}, self._sender, now)
        person = people.get(target)
        limits = self._policy.unit(subject["unit"]).limits if subject is not None else self._policy.limits
        if person is None:
            return _Asked(Clearance("withdraw", clearance.NOT_WANTED), target, None)
        if row["channel"] != SMS:
            return _Asked(self._ask_letter(row, subject, person, limits, now), target, person)
        phone = await connection.fetchval("SELECT phone FROM accounts WHERE person = $1", target)
        about: About | None = None
        if subject is not None:
            owner = people.get(current.get(subject["person"], subject["person"]))
            if owner is None:
                return _Asked(Clearance("withdraw", clearance.NOT_WANTED), target, person)
            about = _about(row["kind"], owner, subject)
        elif row["kind"] in _SUBJECTS:
            return _Asked(Clearance("withdraw", clearance.NOT_WANTED), target, person)
        not_after = row["not_after"] or now
        found = clearance.text(person, about, row["kind"], not_after, phone is not None, self._quiet, limits, now)
        return _Asked(found, target, person, phone)

    async def _ask_guest(self, connection: Connection, row: Record, now: datetime) -> _Asked:
        """Nobody's facts: only whether the invitation still leads anywhere. The ledger has no row of the rooms that the bridge makes."""
        try:
            said = self._guests.open(row["send"], row["box"] or b"")
        except ValueError:
            _log.error("guest_box_does_not_open", send=str(row["send"]))  # the parts have different secrets
            return _Asked(Clearance("refuse", "box_does_not_open"), GUEST, None)
        room = await connection.fetchrow("SELECT state, opens_at FROM rooms WHERE room = $1", row["subject"])
        holds = room is None or (room["state"] not in _OVER and room["opens_at"] == said.opens_at)
        found = clearance.invitation(holds, row["not_after"], now)
        return _Asked(found, GUEST, None, said.to, {"url": said.url, "code": said.code})

    def _ask_letter(self, row: Record, subject: Record | None, person: Person, limits: Limits, now: datetime) -> Clearance:
        wanted = None
        if subject is not None and subject["delivery"] is not None:
            wanted = Wanted(MailboxCopy(subject["mailbox"]), MailboxCopy(subject["delivery"]), PrintCopy(subject["print"]), subject["sent"])
        return clearance.letter(person, wanted, Operator(row["operator"]), limits, now, in_doubt=row["in_doubt"])


@dataclass(frozen=True, slots=True)
class _Asked:
    clearance: Clearance
    target: UUID
    person: Person | None
    phone: str | None = field(default=None, repr=False)
    filled: Mapping[str, str] = field(default_factory=dict, repr=False)


_OVER: Final = (int(RoomState.CLOSED), int(RoomState.VOID))
_DOCUMENT: Final = """
SELECT d.person, d.unit, d.app, d.mailbox, d.print, d.sent, (SELECT l.state FROM deliveries l WHERE l.delivery = $2) AS delivery
  FROM documents d WHERE d.doc = $1
"""
_BOOKING: Final = "SELECT person, unit, status, shown_app AND NOT dropped AS shown FROM bookings WHERE booking = $1"
_SUBJECTS: Final = frozenset({"document", "booking", "reminder"})
"""Kinds of notification whose subject the ledger has; without it they have lost their point."""


def _subject_id(new: NewSend) -> UUID | None:
    if new.channel != "sms" or new.kind == "document":
        return ids.document(new.about)
    return ids.booking(new.about) if new.kind in _SUBJECTS else None


async def _subject(connection: Connection, row: Record) -> Record | None:
    if row["channel"] != SMS or row["kind"] == "document":
        return await connection.fetchrow(_DOCUMENT, row["subject"], row["send"])
    if row["kind"] in _SUBJECTS:
        return await connection.fetchrow(_BOOKING, row["subject"])
    return None


def _about(kind: str, person: Person, subject: Record) -> About:
    if kind == "document":
        return About(person, app=AppCopy(subject["app"]))
    return About(person, booking=BookingStatus(subject["status"]), shown=subject["shown"])


async def change(
    connection: Connection, send: UUID, channel: int, state: State, now: datetime, *, code: str | None = None, why: str | None = None,
    due_at: datetime | None = None, forget: bool = False,
) -> None:  # fmt: skip
    """Write a state, with what belongs to it; a mailbox's answer is to be told. `forget`: the bytes are made anew (texts, old numbers).

    What is final has lost a guest's number: box and bytes. Their SHA-256 stays.
    """
    answers = state in ANSWERS and channel != SMS
    if forget and channel == SMS:  # nobody else can have the same bytes: each text has a token of its own
        await connection.execute("DELETE FROM contents WHERE sha = (SELECT request FROM sends WHERE send = $1 AND kept)", send)
    await connection.execute(
        "WITH gone AS (DELETE FROM contents WHERE $9 AND sha = (SELECT request FROM sends WHERE send = $1 AND kept AND box IS NOT NULL))"
        " UPDATE sends SET state = $2, why = $3, due_at = $4, slot = NULL, code = coalesce($5, code), changed_at = $6,"
        " answers = answers + $7, kept = kept AND NOT $8 AND NOT ($9 AND box IS NOT NULL),"
        " request = CASE WHEN $8 THEN NULL ELSE request END, box = CASE WHEN $9 THEN NULL ELSE box END WHERE send = $1",
        send, int(state), why, due_at, code, now, int(answers), forget, KEEPERS[state] == "nobody",
    )  # fmt: skip


async def report(connection: Connection, send: UUID, outcome: str, code: str | None, now: datetime) -> bool:
    """A delivery report of a text; False where there is no such send, or none that can have been sent. The same again changes nothing."""
    row = await connection.fetchrow("SELECT state, channel FROM sends WHERE send = $1 FOR UPDATE", send)
    if row is None or row["channel"] != SMS:
        return False
    if outcome == "unknown":  # the provider does not know either
        return True
    before = State(row["state"])
    try:
        after = move(before, "arrived" if outcome == "accepted" else "failed")
    except NoSuchMove:
        return False
    if after != before:
        await change(connection, send, row["channel"], after, now, code=code)
    return True
