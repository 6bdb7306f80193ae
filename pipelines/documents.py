"""Documents: from commands and due rows to decisions, new states and outputs (R1-R15, C7, C10, N1).

One function decides (`rules.routing.route`) and one turns a decision into a state (`rules.progress.act`), for a document that has just
come and for one whose facts changed. Here they are given rows, and what they answer is written into rows and outputs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import orjson
import structlog

from pipelines import ids
from pipelines.commands import KIND_NAMES, AnswerIn, Content, DocumentIn, ReadIn
from pipelines.context import Context
from pipelines.ledger import rows
from pipelines.ledger.rows import DeliveryRow, DocumentRow, PrintRow
from pipelines.rules import attachments, deadline, identity, marking, progress, replay, routing
from pipelines.rules.model import (
    AccountState,
    AppCopy,
    AttachmentVerdict,
    BookingStatus,
    CodeVerdict,
    Decision,
    Document,
    Effects,
    Kind,
    MailboxCopy,
    Operator,
    Person,
    PrintCopy,
    Protection,
    Role,
    Settled,
    Trigger,
    Visit,
)

log = structlog.get_logger()
KINDS: Final = {int(kind): kind for kind in Kind}
CODES: Final = {int(code): code for code in CodeVerdict}
VERDICTS: Final = {int(verdict): verdict for verdict in AttachmentVerdict}
APPS: Final = {int(app): app for app in AppCopy}
MAILBOXES: Final = {int(copy): copy for copy in MailboxCopy}
PRINTS: Final = {int(copy): copy for copy in PrintCopy}
SETTLED: Final = {int(settled): settled for settled in Settled}
OPERATORS: Final = {None: None} | {int(operator): operator for operator in Operator}
SOURCES: Final = {"takecare": 1, "sectra": 2}
ROLES: Final[dict[Role, int]] = {"resident": 0, "guardian": 1, "fullmakt": 2}
ROLE_NAMES: Final[dict[int, Role]] = {number: role for role, number in ROLES.items()}
SUBJECT: Final = 1


@dataclass(slots=True)
class _Pending:
    """A decision whose outputs may still need the document's content."""

    row: DocumentRow
    person: Person
    decision: Decision | None
    effects: Effects
    trigger: Trigger
    trace: str | None


class Documents:
    """The documents of one transaction."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.given: dict[UUID, list[tuple[UUID, Role]]] = {}
        self._told: dict[UUID, set[UUID]] = {}
        self._traces: dict[UUID, str] = {}
        self.visits: dict[UUID, tuple[UUID, Visit, datetime | None]] = {}
        self._bodies: dict[bytes, dict[str, Any]] = {}
        self._pending: list[_Pending] = []
        self._prints: dict[UUID, PrintRow] = {}
        self.known: dict[UUID, DocumentRow] = {}

    # --- reading -------------------------------------------------------------------------------------------------------------

    async def open_of(self, people: Collection[UUID], bookings: Collection[UUID]) -> list[DocumentRow]:
        """Documents that may be decided again because of these people or bookings (R15)."""
        found = await self.context.connection.fetch(
            f"{rows.DOCUMENTS.select} WHERE open AND person = ANY($1)", list(people)
        )
        if bookings:
            found += await self.context.connection.fetch(
                f"{rows.DOCUMENTS.select} WHERE open AND booking = ANY($1)", list(bookings)
            )
        return self._remember(rows.DOCUMENTS.rows(found))

    async def by_id(self, docs: Collection[UUID]) -> list[DocumentRow]:
        found = await self.context.connection.fetch(f"{rows.DOCUMENTS.select} WHERE doc = ANY($1)", list(docs))
        return self._remember(rows.DOCUMENTS.rows(found))

    def _remember(self, found: Iterable[DocumentRow]) -> list[DocumentRow]:
        """One object a document in a transaction, whichever query brought it."""
        kept = {row.doc: self.context.documents.new.get(row.doc) or self.known.setdefault(row.doc, row) for row in found}
        return list(kept.values())

    async def attend(self, found: Iterable[DocumentRow]) -> None:
        """Load what deciding again needs: agents who have the app copy, open print entries, visits."""
        listed = [row for row in found if row.doc not in self.context.documents.new]
        connection = self.context.connection
        shared = [row.doc for row in listed if row.app == AppCopy.OPEN and row.doc not in self.given]
        if shared:
            for doc in shared:
                self.given[doc], self._told[doc] = [], set()
            for doc, person, role, until in await connection.fetch(
                "SELECT doc, person, role, until FROM recipients WHERE doc = ANY($1)", shared
            ):
                self._told[doc].add(person)
                if until is None:
                    self.given[doc].append((person, ROLE_NAMES[role]))
        held = [row.doc for row in listed if row.changed == 0]
        if held:
            gone = await connection.fetch("DELETE FROM held_traces WHERE doc = ANY($1) RETURNING doc, trace", held)
            self._traces.update((doc, trace) for doc, trace in gone)
        printed = [row.doc for row in listed if row.print in (PrintCopy.OPEN, PrintCopy.HANDLED)]
        if printed:
            entries = [ids.uid("print", self.known[doc].document_id) for doc in printed if doc in self.known]
            for entry in rows.PRINTS.rows(await connection.fetch(f"{rows.PRINTS.select} WHERE entry = ANY($1)", entries)):
                self._prints.setdefault(entry.doc, entry)
        await self.visit({row.booking for row in listed if row.booking is not None})

    async def visit(self, bookings: Collection[UUID]) -> None:
        """The bookings that kallelser belong to, as far as they are known (R14, C7)."""
        missing = [booking for booking in bookings if booking not in self.visits]
        if missing:
            for booking, person, start, status, rebooked_at in await self.context.connection.fetch(
                "SELECT booking, person, start, status, rebooked_at FROM bookings WHERE booking = ANY($1) AND NOT dropped",
                missing,
            ):
                self.visits[booking] = (person, Visit(start, BookingStatus(status)), rebooked_at)

    def see(self, booking: rows.BookingRow) -> None:
        """A booking of this very transaction."""
        if not booking.dropped:
            visit = Visit(booking.start, BookingStatus(booking.status))
            self.visits[booking.booking] = (booking.person, visit, booking.rebooked_at)
        else:
            self.visits.pop(booking.booking, None)

    # --- deciding ------------------------------------------------------------------------------------------------------------

    def submit(self, command: DocumentIn, digests: dict[UUID, UUID]) -> None:
        """A document that comes for the first time; the same id with other content is a conflict (CONTRACTS section 3)."""
        known = digests.get(command.doc)
        if known is not None:
            if known != command.digest:
                self.context.refuse(command, "conflict", "/document_id: came before with other content; the first stands")
            return
        digests[command.doc] = command.digest
        sent = command.origin.sent
        content = command.content
        row = DocumentRow(
            command.doc, command.document_id, self.context.resolve(command.person), command.unit, command.digest,
            content.sha if content is not None else None, command.booking, sent, sent, None, None, None, None, 0,
            command.size, int(command.kind), SOURCES.get(command.source, 0), command.e_brev, int(command.code),
            int(command.attachments), command.files, 0, 0, None, 0, 0, False, False, True, None, "",
        )  # fmt: skip
        self.context.documents.new[row.doc] = row
        self.known[row.doc] = row
        if content is not None:
            self._bodies[content.sha] = content.parts
            self.context.contents[content.sha] = content.data
            for blob in command.blobs:
                self.context.contents[blob.sha] = blob.data
                self.context.attachments.append((row.doc, blob.sha))
            for sha in command.refs:
                self.context.attachments.append((row.doc, sha))
        self.decide(row, "arrival", command.origin.envelope.traceparent)

    def decide(self, row: DocumentRow, trigger: Trigger, trace: str | None = None) -> None:
        """Route a document on the facts of now; a second look that changes nothing leaves no mark."""
        person = self.context.of(row.person)
        limits = self.context.limits(row.unit)
        document = self.document(row)
        now = self.context.now
        decision = routing.route(person, document, limits, now)
        if decision.reach:
            self._hold(row, decision, trace)
            return
        if row.changed == 0:
            trigger, trace = "arrival", trace or self._traces.get(row.doc)  # it waited for facts, and is decided for the first time
        elif trigger == "resident" and document.print is PrintCopy.NEVER and deadline.due(document, limits)[0] <= now:
            trigger = "deadline"  # its time had come; it only waited for fresh facts (P8)
        after, effects = progress.act(document, person, decision, now)
        first = row.changed == 0
        if not first and after == document and not _says_more(effects) and decision.rule in (row.rule, "R15"):
            effects = self._mark(row, effects)
            if self._escalate(row):
                decision = decision._replace(rule="R3", steps=(*decision.steps, routing.ESCALATED))
            elif not effects.print_updated and not _moves(row.deadline, decision.deadline):
                due_at = self._due(row, decision)
                if due_at != row.due_at or decision.deadline != row.deadline:
                    row.due_at, row.deadline = due_at, decision.deadline
                    self.context.documents.touch(row.doc, row)
                self.context.look_ups.update(decision.look_up)
                return
        self.context.look_ups.update(decision.look_up)
        facts = replay.freeze(person, document, limits, now)
        self._become(row, person, document, after, effects)
        row.rule, row.deadline = decision.rule, decision.deadline
        row.changed += 1
        effects = self._mark(row, effects)
        self._enter(row, document, decision, effects)
        row.due_at = self._due(row, decision)
        ident, event = self.context.out.decision(
            "document", row.document_id, row.changed, self.context.key(person), row.unit, KIND_NAMES[KINDS[row.kind]],
            trigger, decision.rule, decision.outcome, decision.channels, decision.reason, decision.deadline,
            decision.steps, trace,
        )  # fmt: skip
        self.context.decisions.append((ident, row.doc, now, SUBJECT, facts, event))
        self.context.count("document", decision.rule, decision.outcome)
        self.context.documents.touch(row.doc, row)
        self._pending.append(_Pending(row, person, decision, effects, trigger, trace))

    def _hold(self, row: DocumentRow, decision: Decision, trace: str | None) -> None:
        """R9: the mailboxes are asked first. Nothing is decided yet, so nothing is said; the answers, or the timer, bring it back."""
        self.context.reach.update(decision.reach)
        review_at = decision.review_at
        assert review_at is not None
        if row.changed == 0:
            row.rule, row.deadline = decision.rule, decision.deadline
            if (trace := trace or self._traces.get(row.doc)) is not None:
                self.context.held_traces[row.doc] = trace
        if row.due_at is None or row.due_at <= self.context.now or row.due_at > review_at:
            row.due_at = review_at
        self.context.documents.touch(row.doc, row)

    def document(self, row: DocumentRow) -> Document:
        """A row as the rules see it."""
        visit = None
        if row.booking is not None and (known := self.visits.get(row.booking)) is not None and known[0] == row.person:
            _, visit, rebooked_at = known
            if rebooked_at is not None and rebooked_at > row.sent:
                visit = Visit(visit.start, visit.status, True)
        return Document(
            KINDS[row.kind], row.e_brev, CODES[row.code], VERDICTS[row.attachments], row.size, row.sent, row.count_from,
            visit, APPS[row.app], tuple(self.given.get(row.doc, ())), MAILBOXES[row.mailbox], OPERATORS[row.operator],
            PRINTS[row.print], row.reason, row.manual, "relay" if row.relay else "ordinary", SETTLED[row.settled],  # type: ignore[arg-type]
            row.app_until if row.app == AppCopy.WITHDRAWN else None,
        )  # fmt: skip

    def _become(self, row: DocumentRow, person: Person, before: Document, after: Document, effects: Effects) -> None:
        """Write a document's next state into its row."""
        now = self.context.now
        row.count_from = after.count_from
        row.app, row.mailbox = int(after.app), int(after.mailbox)
        row.operator = None if after.operator is None else int(after.operator)
        row.print, row.settled = int(after.print), int(after.settled)
        row.manual, row.relay, row.reason = after.manual, after.print_class == "relay", after.reason
        unread = after.app is AppCopy.OPEN and after.settled is not Settled.READ
        row.open = unread or (after.settled is Settled.NO and after.print is not PrintCopy.HANDLED)
        if effects.delivered and any(recipient.role == "resident" for recipient in effects.recipients):
            row.app_since, row.app_until = row.app_since or now, None
        if effects.withdrawn:
            row.app_until = now
            self.context.lapsed.extend((row.doc, agent) for agent, _ in before.given)
        if after.given != before.given:
            kept = {agent for agent, _ in after.given}
            had = {agent for agent, _ in before.given}
            self.context.recipients.extend(
                (row.doc, agent, ROLES[role], now) for agent, role in after.given if agent not in had
            )
            if not effects.withdrawn:
                self.context.lapsed.extend((row.doc, agent) for agent in had - kept)
            self.given[row.doc] = list(after.given)

    def _mark(self, row: DocumentRow, effects: Effects) -> Effects:
        """C7, R14: an open entry of a kallelse says what became of its booking, and is urgent if a booking that came later is that near."""
        entry = self._prints.get(row.doc)
        if entry is None or row.print != PrintCopy.OPEN or row.booking is None:
            return effects
        document = self.document(row)
        state = marking.booking_state(document, self.context.now)
        urgent = entry.urgent or (state is None and deadline.is_urgent(document, self.context.limits(row.unit), entry.entered))
        if (state, urgent) != (entry.booking_state, entry.urgent):
            entry.booking_state, entry.urgent = state, urgent
            self.context.prints.touch(entry.entry, entry)
            return _with_update(effects)
        return effects

    def _due(self, row: DocumentRow, decision: Decision) -> datetime | None:
        """When the timer looks again: at the deadline or review, when the visit of an open entry passes (C7), or nobody opened it (R3)."""
        if not row.open:
            return None
        moments = [decision.deadline, decision.review_at]
        entry = self._prints.get(row.doc)
        if entry is None and decision.review_at is None:
            return decision.deadline if decision.deadline is not None and decision.deadline > self.context.now else None
        if entry is not None and row.print == PrintCopy.OPEN:
            if row.booking is not None and (known := self.visits.get(row.booking)) is not None:
                moments.append(known[1].start)
            if entry.reason == "protected_identity" and entry.escalated_at is None:
                moments.append(entry.entered + timedelta(hours=self.context.limits(row.unit).protected_escalation_hours))
        return min((moment for moment in moments if moment is not None and moment > self.context.now), default=None)

    def _escalate(self, row: DocumentRow) -> bool:
        """R3: nobody with the permission opened a protected person's entry in the set time. Told once."""
        entry = self._prints.get(row.doc)
        if entry is None or row.print != PrintCopy.OPEN or entry.reason != "protected_identity" or entry.escalated_at is not None:
            return False
        if self.context.now < entry.entered + timedelta(hours=self.context.limits(row.unit).protected_escalation_hours):
            return False
        entry.escalated_at = self.context.now
        self.context.prints.touch(entry.entry, entry)
        log.warning("protected_entry_unopened", document=row.document_id, unit=row.unit)
        return True

    def _enter(self, row: DocumentRow, before: Document, decision: Decision, effects: Effects) -> None:
        """The print entry and the delivery that a decision asks for, as rows."""
        now = self.context.now
        entry = self._prints.get(row.doc)
        if effects.print_settled is not None and entry is not None:
            entry.state = int(PrintCopy.RELEASED if effects.print_settled == "released" else PrintCopy.SETTLED)
            entry.outcome, entry.closed_at = effects.print_settled, now
            self.context.prints.touch(entry.entry, entry)
        if effects.print_entered:
            ident = ids.uid("print", row.document_id)
            entry = PrintRow(
                ident, row.doc, row.unit, row.kind, row.reason or "", now, int(PrintCopy.OPEN), row.files,
                decision.urgent, row.manual, row.relay, marking.booking_state(self.document(row), now), None, None, None, None,
            )  # fmt: skip
            self._prints[row.doc] = entry
            if before.print is PrintCopy.NEVER:
                self.context.prints.new[ident] = entry
            else:
                self.context.prints.touch(ident, entry)
        elif effects.print_updated and entry is not None:
            entry.reason, entry.manual, entry.relay = row.reason or "", row.manual, row.relay
            entry.urgent = entry.urgent or decision.urgent
            self.context.prints.touch(entry.entry, entry)
        if effects.delivery is not None:
            ident = ids.uid("delivery", row.document_id, str(int(effects.delivery)))
            self.context.deliveries.new[ident] = DeliveryRow(
                ident, row.doc, 1 if effects.delivery is Operator.KIVRA else 2, int(effects.delivery),
                int(MailboxCopy.REQUESTED), now, None, None,
            )  # fmt: skip

    # --- receipts and answers --------------------------------------------------------------------------------------------------

    def read(self, command: ReadIn, row: DocumentRow | None, role: Role | None) -> None:
        """R11, R13, R15: a receipt counts if its reader was a recipient when it was read."""
        if row is None:
            return self.context.refuse(command, "unknown_document", "/document_id: is no document of the hub")
        if role is None:
            return self.context.refuse(command, "not_a_recipient", "/read_by: was no recipient of the document at that time")
        before = self.document(row)
        after, effects = progress.read(before, role, command.data.read_at, self.context.now)
        self._follow(row, before, after, effects, "receipt", command.origin.envelope.traceparent, f"read by {role}")
        return None

    def answer(self, command: AnswerIn, delivery: DeliveryRow | None, row: DocumentRow | None) -> None:
        """R11-R13: what a mailbox answered."""
        if delivery is None or row is None:
            return self.context.refuse(command, "unknown_document", "/delivery_id: is no delivery of the hub")
        outcome = command.data.outcome
        state = {"accepted": MailboxCopy.ACCEPTED, "refused": MailboxCopy.REFUSED, "unknown": MailboxCopy.UNKNOWN}[outcome]
        if delivery.state == MailboxCopy.ACCEPTED:
            return None
        delivery.state, delivery.answered_at, delivery.code = int(state), command.data.at, command.data.code
        self.context.deliveries.touch(delivery.delivery, delivery)
        before = self.document(row)
        after, effects = progress.answered(before, outcome, self.context.now)
        self._follow(row, before, after, effects, "answer", command.origin.envelope.traceparent, f"mailbox answered {outcome}")
        return None

    def _follow(
        self, row: DocumentRow, before: Document, after: Document, effects: Effects, trigger: Trigger, trace: str | None, why: str
    ) -> None:
        """A state that a receipt or an answer brought; what is still open is then routed again on it (R15)."""
        if after != before or _says_more(effects):
            person = self.context.of(row.person)
            self._become(row, person, before, after, effects)
            if not row.open:
                row.due_at = row.deadline = None
            entry = self._prints.get(row.doc)
            if effects.print_settled is not None and entry is not None:
                entry.state, entry.outcome, entry.closed_at = int(PrintCopy.SETTLED), effects.print_settled, self.context.now
                self.context.prints.touch(entry.entry, entry)
            self.context.documents.touch(row.doc, row)
            if after.settled is not before.settled or effects.print_settled is not None:
                self._settled(row, person, before, trigger, trace, why)
                self._pending.append(_Pending(row, person, None, effects, trigger, trace))
        if row.open:
            self.decide(row, trigger, trace)

    def _settled(self, row: DocumentRow, person: Person, before: Document, trigger: Trigger, trace: str | None, why: str) -> None:
        row.changed += 1
        rule = "R13" if before.print is PrintCopy.OPEN else "R11"
        row.rule = rule
        steps = marking.settled_steps(rule, why)
        ident, event = self.context.out.decision(
            "document", row.document_id, row.changed, self.context.key(person), row.unit, KIND_NAMES[KINDS[row.kind]],
            trigger, rule, "settle", (), None, None, steps, trace,
        )  # fmt: skip
        facts = replay.freeze(person, before, self.context.limits(row.unit), self.context.now)
        self.context.decisions.append((ident, row.doc, self.context.now, SUBJECT, facts, event))
        self.context.count("document", rule, "settle")

    def lapse(self, row: DocumentRow) -> None:
        """R15: nobody reads through a blocked account; when it is unblocked the copy can be read again."""
        person = self.context.of(row.person)
        if row.app_since is None or row.app != AppCopy.OPEN:
            return
        closed = person.account is not AccountState.ACTIVE
        if closed != (row.app_until is not None):
            row.app_until = self.context.now if closed else None
            self.context.documents.touch(row.doc, row)

    async def resolve_refs(self, submitted: Collection[DocumentIn]) -> list[DocumentIn]:
        """Attachments given by their SHA-256: known bytes are judged as if they had come along, unknown ones refuse the document."""
        wanted = {sha for command in submitted for sha in command.refs}
        if not wanted:
            return list(submitted)
        known: dict[bytes, tuple[bytes, int]] = {blob.sha: (blob.data[:8], len(blob.data)) for c in submitted for blob in c.blobs}
        for sha, head, size in await self.context.connection.fetch(
            "SELECT sha, substring(data FOR 8), length(data) FROM contents WHERE sha = ANY($1) FOR KEY SHARE", list(wanted)
        ):
            known[sha] = (head, size)
        kept: list[DocumentIn] = []
        for command in submitted:
            missing = [place for place, sha in enumerate(command.refs) if sha not in known]
            if missing:
                self.context.refuse(command, "malformed", "/attachments: has a ref to bytes that the hub does not have")
                continue
            kept.append(command)
            if command.refs:
                _judge_refs(command, known)
        return kept

    # --- saying it -----------------------------------------------------------------------------------------------------------

    async def publish(self) -> None:
        """The outputs of all decisions, in order, with the contents they need."""
        pending, self._pending = self._pending, []
        missing = {
            p.row.content
            for p in pending
            if p.row.content is not None
            and p.row.content not in self._bodies
            and (p.effects.delivered or p.effects.delivery is not None or p.effects.print_entered or p.effects.print_updated)
        }
        if missing:
            for sha, data in await self.context.connection.fetch(
                "SELECT sha, data FROM contents WHERE sha = ANY($1)", list(missing)
            ):
                self._bodies[sha] = orjson.loads(data)
        for item in pending:
            self._say(item)

    def _say(self, item: _Pending) -> None:
        row, person, effects, out = item.row, item.person, item.effects, self.context.out
        key = self.context.key(person)
        content = self._bodies.get(row.content) if row.content is not None else None
        if effects.withdrawn:
            out.withdrawn(row, key)
        if effects.delivered:
            assert content is not None
            out.delivered(row, key, person.pid, content, effects.recipients, item.trace)
        if effects.delivery is not None:
            assert content is not None
            delivery = ids.uid("delivery", row.document_id, str(int(effects.delivery)))
            out.delivery(row, key, person.pid, delivery, effects.delivery, content)
        entry = self._prints.get(row.doc)
        if effects.print_settled is not None:
            out.print_settled(row, ids.uid("print", row.document_id), key, effects.print_settled)
        if (effects.print_entered or effects.print_updated) and entry is not None:
            masked = person.protection is not Protection.NONE or entry.reason == "identity_unverified"
            out.print_entered(row, entry, key, None if masked or content is None else content["title"])
        veiled = identity.veiled(person, self.context.now, self.context.limits(row.unit))
        if effects.settled is not None and not (effects.settled == "recorded" and veiled):
            out.settled(row, key, effects.settled)
        if "notification" in self.context.policy.unit(row.unit).active:
            for notify in effects.notify:
                if notify.recipient.uid not in self._told.get(row.doc, ()):  # N3: never twice, also to a guardian who comes back
                    out.notification(notify, row.document_id, key, row.changed)


def _judge_refs(command: DocumentIn, known: dict[bytes, tuple[bytes, int]]) -> None:
    """R6 and C10 for a document whose attachments the hub had before."""
    assert command.content is not None
    content = command.content.parts
    judged = []
    for item in content["attachments"]:
        sha = bytes.fromhex(item["sha256"])
        head, size = known[sha] if sha in known else (b"", item["size"])
        command.size += size - item["size"]
        item["size"] = size
        judged.append(attachments.AttachmentFacts(item["content_type"], head, item["shared"], item["e_brev"]))
    command.attachments = attachments.judge(judged)
    data = orjson.dumps(content)
    command.content = Content(sha256(data).digest(), data, content)


def _says_more(effects: Effects) -> bool:
    return bool(
        effects.delivered
        or effects.withdrawn
        or effects.delivery is not None
        or effects.print_entered
        or effects.print_updated
        or effects.print_settled
        or effects.settled
        or effects.notify
    )


def _moves(deadline: datetime | None, to: datetime | None) -> bool:
    """R14: another deadline is another decision, and is told; that there is none any more follows from what settled it."""
    return deadline is not None and to is not None and deadline != to


def _with_update(effects: Effects) -> Effects:
    return effects if effects.print_entered else effects._replace(print_updated=True)
