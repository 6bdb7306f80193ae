"""One batch, one transaction: dedupe, lock, read the facts, decide by the rules, write state, deadlines, decisions and outbox.

This is the hub's heart and the only writer of its ledger; intake, timers and answers all come through it (ARCHITECTURE decision 1).
The order inside a transaction is always the same: news about people, then bookings, then new documents, then receipts and answers,
then everything those touched (R15, P10), then rooms. So a protection that arrives in the same batch as a letter is known to it.

    commands ─► seen before? ─► locks ─► people ─► bookings ─► documents ─► receipts ─► again: what was touched ─► rooms
                                                                                     │
                        commit ◄── rows, decisions, look-ups, dead letters, outbox ◄─┘

A transaction that finds, under its locks, that it should have locked more (`Moved`), or that meets another one's row (unique violation,
deadlock, serialisation), is rolled back and run again on the new state; anything else that raises ends the process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter
from typing import Any, Final
from uuid import UUID

import asyncpg
import structlog
from asyncpg import Pool

from pipelines import ids
from pipelines.bookings import Bookings, rooms_of
from pipelines.commands import (
    AccountIn,
    AgentIn,
    AnswerIn,
    BookingIn,
    Command,
    Decoder,
    DocumentIn,
    MailboxIn,
    PersonIn,
    ReadIn,
    Refused,
    ReportIn,
    SessionIn,
    TimeTypeIn,
)
from pipelines.context import Context, Decision
from pipelines.deadletters import DeadLetters
from pipelines.documents import ROLE_NAMES, Documents
from pipelines.ledger import Connection, deadlines, facts, kept, locks, lookups, outbox, reachings, rows, sends
from pipelines.ledger.rows import BookingRow, DeliveryRow, DocumentRow
from pipelines.outputs import Outbox
from pipelines.people import People
from pipelines.points import reach
from pipelines.rules.model import Person, Role
from pipelines.transport.outputs import Output
from schemas.telemetry import Meter

log = structlog.get_logger()
ATTEMPTS_MAX: Final = 8
PACKED_HERE_MAX: Final = 100
"""Outputs that are packed at once; more are worth the way to another thread and back."""
_AGAIN: Final = (
    asyncpg.UniqueViolationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
)
FACTS: Final = (PersonIn, AccountIn, AgentIn, MailboxIn)


class Moved(Exception):
    """What had to be locked changed between looking and locking."""


@dataclass(slots=True)
class Committed:
    """A committed transaction whose outputs are still to be delivered. `after`: rows of others that must be gone first."""

    batch: int | None
    outputs: list[Output]
    after: list[int]
    done: int
    """How many commands or due rows it decided."""


class Work:
    """Runs transactions. One per process; lanes and timers share it, each with a connection of the pool."""

    def __init__(
        self, pool: Pool[Any], decoder: Decoder, letters: DeadLetters, meter: Meter, now: Callable[[], datetime], *, slot: str,
        sender: str,
    ) -> None:  # fmt: skip
        self.pool = pool
        self.decoder = decoder
        self.letters = letters
        self.meter = meter
        self.now = now
        self.slot = slot
        self.sender = sender
        self.on_put: Callable[[int], None] = _nobody
        """Told the number of an outbox row before its transaction commits, and `on_rollback` when that did not come to be."""
        self.on_rollback: Callable[[int], None] = _nobody

    # --- entries -----------------------------------------------------------------------------------------------------------------

    async def commands(self, found: list[Command | Refused]) -> Committed:
        """Apply commands as one transaction."""
        return await self._repeat(lambda connection, context: self._apply(connection, context, found), "commands")

    async def due(self, limit: int) -> Committed:
        """Decide what is due, at most `limit` of each kind."""
        return await self._repeat(lambda connection, context: self._due(connection, context, limit), "timers")

    async def _repeat(
        self, run: Callable[[Connection, Context], Awaitable[tuple[int, list[int]]]], what: str
    ) -> Committed:
        for attempt in range(1, ATTEMPTS_MAX + 1):
            started = perf_counter()
            batch: int | None = None
            committed = False
            try:
                async with self.pool.acquire() as connection:
                    async with connection.transaction():
                        context = self._context(connection)
                        done, after = await run(connection, context)
                        batch = await self._write(connection, context)
                        if batch is not None:
                            self.on_put(batch)
                        reach("inside_commit")
                    committed = True
                for (subject, rule, outcome), number in context.counts.items():
                    self.meter.count("decisions", number, subject=subject, rule=rule, outcome=outcome)
                self.meter.observe("ledger_seconds", perf_counter() - started, step=what)
                return Committed(batch, context.out.items, after, done)
            except (Moved, *_AGAIN) as again:
                log.info("transaction_repeated", what=what, cause=type(again).__name__, attempt=attempt)
                if attempt == ATTEMPTS_MAX:
                    raise
                await asyncio.sleep(0.005 * attempt)
            finally:
                if batch is not None and not committed:
                    self.on_rollback(batch)
        raise AssertionError("unreachable")

    def _context(self, connection: Connection) -> Context:
        now, policy = self.now(), self.decoder.policy
        return Context(
            connection, now, policy, self.decoder.keys, self.decoder.person, Outbox(now, policy.version), self.sender
        )

    # --- commands ----------------------------------------------------------------------------------------------------------------

    async def _apply(
        self, connection: Connection, context: Context, found: list[Command | Refused]
    ) -> tuple[int, list[int]]:
        commands = await self._unseen(connection, context, found)
        if not commands:
            return len(found), []
        documents, bookings, people = Documents(context), Bookings(context), People(context)
        exclusive = await self._lock(connection, context, commands, bookings)
        after = await outbox.earlier(connection, self.slot) if exclusive else []

        news = [command for command in commands if isinstance(command, FACTS)]
        touched: set[UUID] = set()
        if news:
            await people.load(self._everybody(context, news) | set(context.current) | set(context.current.values()))
            for item in news:
                people.apply(item)
            await people.save()
            await lookups.applied(connection, {c.person for c in news if isinstance(c, PersonIn)})
            await reachings.applied(
                connection, {context.resolve(c.person) for c in news if isinstance(c, MailboxIn)}, self.sender, context.now
            )
            touched = {context.resolve(person) for person in people.changed}
            touched |= await facts.wards(connection, touched)
            if not touched <= exclusive:
                raise Moved
        await self._load_people(connection, context, commands, touched | {row.person for row in bookings.known.values()})

        for command in commands:
            if isinstance(command, TimeTypeIn):
                await bookings.time_type(command)
        await bookings.guess_time_types([command for command in commands if isinstance(command, BookingIn)])
        judged: set[UUID] = set()
        for command in commands:
            if isinstance(command, BookingIn) and (row := bookings.booking(command)) is not None:
                bookings.judge(row, "arrival", command.origin.envelope.traceparent, news=True)
                documents.see(row)
                judged.add(row.booking)
        await self._rooms_opened(connection, context, commands, bookings)

        submitted = [command for command in commands if isinstance(command, DocumentIn)]
        if submitted:
            await self._submit(connection, documents, submitted)
        await self._receipts(connection, context, documents, commands)

        if touched or judged:
            again = await documents.open_of(touched, judged)
            others = {document.person for document in again} - set(context.people)
            if not others <= exclusive:
                raise Moved
            context.people |= await self._facts(context, others) if others else {}
            await documents.attend(again)
            for document in again:
                if document.person in touched:
                    documents.lapse(document)
                documents.decide(document, "resident")
        for row in await bookings.load((), touched) if touched else ():
            if row.booking not in judged:
                bookings.judge(row, "resident")
        await bookings.judge_rooms()
        await documents.publish()
        return len(found), after

    async def _unseen(
        self, connection: Connection, context: Context, found: list[Command | Refused]
    ) -> list[Command]:
        """What is new. Repeats, also within the batch, ask for nothing; refusals become dead letters."""
        commands: list[Command] = []
        events: dict[UUID, Command] = {}
        for item in found:
            if isinstance(item, Refused):
                context.refused.append(item)
            elif item.origin.event not in events:
                events[item.origin.event] = item
                commands.append(item)
        seen = {
            row[0] for row in await connection.fetch("SELECT event FROM inbox WHERE event = ANY($1)", list(events))
        }
        context.events = [event for event in events if event not in seen]
        if seen:
            commands = [command for command in commands if command.origin.event not in seen]
        for event in seen:
            self.meter.count("events_repeated", 1, topic=events[event].origin.topic)
        return commands

    def _everybody(self, context: Context, commands: Iterable[Command]) -> set[UUID]:
        """All people that commands name, under the numbers they are named by and those they are handled as."""
        people: set[UUID] = set()
        for command in commands:
            match command:
                case DocumentIn() | BookingIn() | AccountIn() | MailboxIn():
                    people.add(command.person)
                case AgentIn():
                    people.update((command.person, command.agent))
                case ReadIn():
                    people.add(command.reader)
                case PersonIn():
                    people.add(command.person)
                    others = (command.data.replaced_by, *command.data.linked)
                    people.update(context.person_uid(pid) for pid in others if pid is not None)
                case _:
                    pass
        return people | {context.resolve(person) for person in people}

    async def _lock(
        self, connection: Connection, context: Context, commands: list[Command], bookings: Bookings
    ) -> set[UUID]:
        """Lock whom the commands are about and all that follows from them; see `ledger/locks.py`. Returns those held exclusively."""
        named = self._everybody(context, commands)
        context.current = await facts.current(connection, named)
        shared = {context.resolve(c.person) for c in commands if isinstance(c, DocumentIn)}
        changing = [c for c in commands if not isinstance(c, DocumentIn)]
        exclusive: set[UUID] = set()
        types: set[tuple[str, str]] = set()
        if changing:
            news = [c for c in changing if isinstance(c, FACTS)]
            about = self._everybody(context, news)
            if news:
                about |= {row[0] for row in await connection.fetch("SELECT old FROM aliases WHERE current = ANY($1)", list(about))}
                context.current |= await facts.current(connection, about)
                about |= {context.resolve(person) for person in about}
                about |= await facts.wards(connection, about)
            exclusive = about | self._everybody(context, [c for c in changing if isinstance(c, BookingIn)])
            exclusive |= await self._subjects(connection, changing)
            wanted = {c.booking for c in changing if isinstance(c, BookingIn)}
            if wanted:  # a kallelse may be somebody else's than its booking: the EHR corrects patients
                kallelser = "SELECT DISTINCT person FROM documents WHERE open AND booking = ANY($1)"
                exclusive.update(row[0] for row in await connection.fetch(kallelser, list(wanted)))
            for row in await connection.fetch(
                "SELECT room, unit, time_type, person, booking_id, start, resource FROM bookings"
                " WHERE booking = ANY($1) OR person = ANY($2)",
                list(wanted), list(about),
            ):  # fmt: skip
                exclusive.add(row["person"])
                types.add((row["unit"], row["time_type"]))
                exclusive.update(rooms_of(row["booking_id"], row["unit"], row["start"], row["resource"]))
                if row["room"] is not None:
                    exclusive.add(row["room"])
            for command in changing:
                match command:
                    case BookingIn():
                        data = command.data
                        types.add((data.unit, data.time_type.id))
                        exclusive.update(rooms_of(data.booking_id, data.unit, data.start, data.resource.id))
                    case TimeTypeIn():
                        exclusive.add(_type_lock(command.data.unit, command.data.time_type.id))
                        types.add((command.data.unit, command.data.time_type.id))
                    case SessionIn():
                        exclusive.add(command.room)
                    case _:
                        pass
            shared |= {_type_lock(*name) for name in types}
        await locks.take(connection, shared, exclusive)
        if named:  # also for new documents alone: an old number may have been linked while we waited
            again = await facts.current(connection, named | set(context.current))
            if any(context.current.get(old) != now for old, now in again.items()):
                raise Moved
        if changing:
            wanted = {c.booking for c in changing if isinstance(c, BookingIn)}
            loaded = await bookings.load(wanted, ())
            if any(row.person not in exclusive or (row.room is not None and row.room not in exclusive) for row in loaded):
                raise Moved
            await bookings.load_time_types(types)
        return exclusive

    async def _subjects(self, connection: Connection, commands: Sequence[Command]) -> set[UUID]:
        """Whose documents receipts and answers are about."""
        docs = {c.doc for c in commands if isinstance(c, ReadIn)}
        deliveries = {c.delivery for c in commands if isinstance(c, AnswerIn)}
        if not docs and not deliveries:
            return set()
        found = await connection.fetch(
            "SELECT person FROM documents WHERE doc = ANY($1)"
            " OR doc IN (SELECT doc FROM deliveries WHERE delivery = ANY($2))",
            list(docs), list(deliveries),
        )  # fmt: skip
        return {row[0] for row in found}

    async def _load_people(
        self, connection: Connection, context: Context, commands: list[Command], others: set[UUID]
    ) -> None:
        """Facts of everybody to be decided for, of `others` too; whoever is met for the first time gets a row and a look-up (P8)."""
        met = {
            context.resolve(c.person): c.pid for c in commands if isinstance(c, DocumentIn | BookingIn)
        }
        wanted = others | set(met) | await self._subjects(connection, commands)
        wanted |= {context.resolve(person) for person in wanted}
        context.people |= await self._facts(context, wanted)
        strangers = {person: pid for person, pid in met.items() if person not in context.people}
        if strangers:
            await connection.execute(
                "INSERT INTO persons (person, pid) SELECT * FROM unnest($1::uuid[], $2::text[]) AS n(person, pid)"
                " ORDER BY person ON CONFLICT DO NOTHING",
                list(strangers), list(strangers.values()),
            )  # fmt: skip
            context.people |= await self._facts(context, strangers)
        context.look_ups |= {person for person, known in context.people.items() if known.confirmed_at is None}

    async def _facts(self, context: Context, people: Collection[UUID]) -> dict[UUID, Person]:
        return await facts.load(
            context.connection, people, self.sender, context.now, asks_mailboxes=context.policy.asks_mailboxes
        )

    async def _rooms_opened(
        self, connection: Connection, context: Context, commands: list[Command], bookings: Bookings
    ) -> None:
        opened = [command for command in commands if isinstance(command, SessionIn)]
        if opened:
            found = await connection.fetch(f"{rows.ROOMS.select} WHERE room = ANY($1)", [c.room for c in opened])
            rooms = {row.room: row for row in rows.ROOMS.rows(found)}
            for command in opened:
                bookings.opened(command, rooms.get(command.room))

    async def _submit(self, connection: Connection, documents: Documents, submitted: list[DocumentIn]) -> None:
        found = await connection.fetch(
            "SELECT doc, digest FROM documents WHERE doc = ANY($1)", [command.doc for command in submitted]
        )
        digests: dict[UUID, UUID] = {row[0]: row[1] for row in found}
        await documents.visit({command.booking for command in submitted if command.booking is not None})
        for command in await documents.resolve_refs(submitted):
            documents.submit(command, digests)

    async def _receipts(
        self, connection: Connection, context: Context, documents: Documents, commands: list[Command]
    ) -> None:
        """Reads and answers, after the documents of this batch, which they may be about."""
        reads = [command for command in commands if isinstance(command, ReadIn)]
        answers = [command for command in commands if isinstance(command, AnswerIn | ReportIn)]
        if not reads and not answers:
            return
        reports = [answer for answer in answers if isinstance(answer, ReportIn)]
        if reports:
            await self._reports(connection, context, reports)
        await self._follow(connection, context, documents, reads, [answer for answer in answers if isinstance(answer, AnswerIn)])

    async def _reports(self, connection: Connection, context: Context, reports: list[ReportIn]) -> None:
        """Delivery reports of texts, twice and out of order; about nothing that was sent they are dead letters."""
        for report in sorted(reports, key=lambda report: report.send):
            data = report.data
            if not await sends.report(connection, report.send, data.outcome, data.code, context.now):
                context.refuse(report, "unknown_document", "/delivery_id: is no text that the hub has sent")

    async def _follow(
        self, connection: Connection, context: Context, documents: Documents, reads: list[ReadIn], answers: list[AnswerIn]
    ) -> None:
        deliveries: dict[UUID, DeliveryRow] = dict(context.deliveries.new)
        if answers:
            found = await connection.fetch(
                f"{rows.DELIVERIES.select} WHERE delivery = ANY($1)", [command.delivery for command in answers]
            )
            deliveries |= {row.delivery: row for row in rows.DELIVERIES.rows(found)}
        wanted = {command.doc for command in reads} | {row.doc for row in deliveries.values()}
        await documents.attend(await documents.by_id(wanted - set(context.documents.new)))
        known: dict[UUID, DocumentRow] = documents.known
        missing = {row.person for row in known.values()} - set(context.people)
        if missing:
            raise Moved
        given: dict[tuple[UUID, UUID], tuple[int, datetime, datetime | None]] = {}
        if reads:
            for doc, person, role, since, until in await connection.fetch(
                "SELECT doc, person, role, since, until FROM recipients WHERE doc = ANY($1)", [c.doc for c in reads]
            ):
                given[doc, person] = (role, since, until)
            for doc, person, number, since in context.recipients:
                given[doc, person] = (number, since, None)
        for read in reads:
            document = known.get(read.doc)
            documents.read(read, document, _role(context, read, document, given))
        for answer in answers:
            delivery = deliveries.get(answer.delivery)
            documents.answer(answer, delivery, known.get(delivery.doc) if delivery is not None else None)

    # --- timers ------------------------------------------------------------------------------------------------------------------

    async def _due(self, connection: Connection, context: Context, limit: int) -> tuple[int, list[int]]:
        now = context.now
        due = await deadlines.documents(connection, now, limit)
        due_bookings = await deadlines.bookings(connection, now, limit)
        due_rooms = await deadlines.rooms(connection, now, limit)
        if not due and not due_bookings and not due_rooms:
            return 0, []
        wanted = {row.person for row in due} | {row.person for row in due_bookings}
        for row in due_bookings:
            wanted.update(_needs(row))
        wanted |= {row.room for row in due_rooms}
        held = await locks.attempt(connection, wanted)
        due = [row for row in due if row.person in held]
        due_rooms = [row for row in due_rooms if row.room in held]
        due_bookings = [row for row in due_bookings if _needs(row) <= held]
        after = await outbox.earlier(connection, self.slot)
        # The rows were read before the locks were had: read them again, now that nobody else changes them.
        documents, bookings = Documents(context), Bookings(context)
        documents_due = [r for r in await documents.by_id([r.doc for r in due]) if r.due_at is not None and r.due_at <= now] if due else []
        bookings_due = [
            row
            for row in await bookings.load([row.booking for row in due_bookings], ())
            if row.due_at is not None and row.due_at <= now and _needs(row) <= held
        ]
        people = {row.person for row in documents_due} | {row.person for row in bookings_due}
        if not people <= held:
            raise Moved
        context.people |= await self._facts(context, people)
        if bookings_due:
            await bookings.load_time_types({(row.unit, row.time_type) for row in bookings_due})
        for booking in bookings_due:
            bookings.judge(booking, "deadline")
        if documents_due:
            await documents.attend(documents_due)
            for document in documents_due:
                documents.decide(document, "deadline")
        bookings.again((row.room for row in due_rooms), "deadline")
        await bookings.judge_rooms()
        await documents.publish()
        return len(documents_due) + len(bookings_due) + len(due_rooms), after

    # --- writing -----------------------------------------------------------------------------------------------------------------

    async def _write(self, connection: Connection, context: Context) -> int | None:
        """Everything the transaction decided, new rows by COPY, then the bytes to publish."""
        now = context.now
        if context.refused:
            context.out.items.extend(await self.letters.write(connection, context.refused))
        decisions, items = context.decisions, context.out.items
        packed: asyncio.Future[tuple[list[Decision], bytes]] | None = None
        if len(items) > PACKED_HERE_MAX:  # beside the rows that go in meanwhile: zstd needs no interpreter
            packed = asyncio.get_running_loop().run_in_executor(None, _packed, decisions, items)
        if context.contents:
            await self._contents(connection, context)
        await rows.DOCUMENTS.insert(connection, context.documents.new.values())
        await rows.DOCUMENTS.change(connection, context.documents.old.values())
        await rows.BOOKINGS.insert(connection, context.bookings.new.values())
        await rows.BOOKINGS.change(connection, context.bookings.old.values())
        await rows.ROOMS.insert(connection, context.rooms.new.values())
        await rows.ROOMS.change(connection, context.rooms.old.values())
        await rows.PRINTS.insert(connection, context.prints.new.values())
        await rows.PRINTS.put(connection, context.prints.old.values())
        await self._deliveries(connection, context)
        await rows.DELIVERIES.change(connection, context.deliveries.old.values())
        await self._recipients(connection, context)
        made, blob = _packed(decisions, items) if packed is None else await packed
        if made:
            await connection.copy_records_to_table(
                "decisions", records=made, columns=("decision", "subject", "at", "kind", "facts", "event")
            )
        if context.events:
            await connection.copy_records_to_table(
                "inbox", records=[(event, now) for event in sorted(context.events)], columns=("event", "at")
            )
        if context.look_ups:
            await lookups.want(connection, context.look_ups, now)
        if context.reach:
            await reachings.want(connection, context.reach, context.held_traces, now)
        return await outbox.put(connection, self.slot, blob) if items else None

    async def _deliveries(self, connection: Connection, context: Context) -> None:
        """By COPY for documents that are new themselves; another's delivery may be there from an earlier time."""
        new: list[DeliveryRow] = []
        known: list[DeliveryRow] = []
        for row in context.deliveries.new.values():
            (new if row.doc in context.documents.new else known).append(row)
        await rows.DELIVERIES.insert(connection, new)
        await rows.DELIVERIES.put(connection, known)

    async def _contents(self, connection: Connection, context: Context) -> None:
        """Bodies and attachments once by SHA-256. KEY SHARE keeps the retention job from a body that is being used again."""
        known = {
            row[0]
            for row in await connection.fetch(
                "SELECT sha FROM contents WHERE sha = ANY($1) FOR KEY SHARE", list(context.contents)
            )
        }
        fresh = sorted((sha, data, context.now) for sha, data in context.contents.items() if sha not in known)
        if fresh:
            await connection.copy_records_to_table("contents", records=fresh, columns=("sha", "data", "at"))
        if context.attachments:
            await connection.execute(
                "INSERT INTO attachments (doc, sha) SELECT * FROM unnest($1::uuid[], $2::bytea[]) ON CONFLICT DO NOTHING",
                *map(list, zip(*context.attachments, strict=True)),
            )

    async def _recipients(self, connection: Connection, context: Context) -> None:
        if context.lapsed:
            docs, people = zip(*context.lapsed, strict=True)
            await connection.execute(
                "UPDATE recipients SET until = $3 WHERE (doc, person) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[]))"
                " AND until IS NULL",
                list(docs), list(people), context.now,
            )  # fmt: skip
        if context.recipients:
            await connection.execute(
                "INSERT INTO recipients (doc, person, role, since)"
                " SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::int2[], $4::timestamptz[])"
                " ON CONFLICT (doc, person) DO UPDATE SET role = excluded.role, until = NULL",
                *map(list, zip(*dict.fromkeys(context.recipients), strict=True)),
            )


def _nobody(_: int) -> None:
    """Nobody sends what this process commits in an order (tools, tests)."""


def _role(
    context: Context, command: ReadIn, row: DocumentRow | None, given: dict[tuple[UUID, UUID], tuple[int, datetime, datetime | None]]
) -> Role | None:
    """In which role somebody could read a document at that time; None: they were no recipient (R15)."""
    if row is None:
        return None
    reader, read_at = context.resolve(command.reader), command.data.read_at
    if reader == row.person and row.app_since is not None:
        return "resident" if row.app_until is None or read_at < row.app_until else None
    role = given.get((row.doc, reader))
    if role is None or (role[2] is not None and read_at >= role[2]):
        return None
    return ROLE_NAMES[role[0]]


def _needs(row: BookingRow) -> set[UUID]:
    """Whose locks judging a booking takes: the person's, those of every room it may be in, its time type's."""
    needed = {row.person, _type_lock(row.unit, row.time_type)}
    needed.update(rooms_of(row.booking_id, row.unit, row.start, row.resource))
    if row.room is not None:
        needed.add(row.room)
    return needed


def _packed(decisions: list[Decision], items: list[Output]) -> tuple[list[Decision], bytes]:
    """The ledger's rows of decisions, their events compressed, and the outbox's blob."""
    return [(*decision[:5], kept.keep(decision[5])) for decision in decisions], outbox.pack(items) if items else b""


def _type_lock(unit: str, time_type: str) -> UUID:
    return ids.uid("time_type", unit, time_type)


