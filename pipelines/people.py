"""News about people: register, accounts, agents and mailboxes, applied to the ledger's rows (P1-P8).

Each kind of news has its own order, `as_of`; an older one never overwrites a newer one, and is ignored whole. Few events change facts
and many read them, so this side loads rows, changes them in memory and puts them back, in the order in which the news came.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson

from pipelines.commands import AccountIn, AgentIn, MailboxIn, PersonIn
from pipelines.context import Context
from pipelines.ledger import Connection, rows
from pipelines.ledger.rows import AccountRow, AgentRow, MailboxRow, PersonRow
from pipelines.outputs import OPERATOR_OF
from pipelines.rules.model import AccountState, LinkState, Protection, Relation
from schemas import persons

PROTECTIONS: Final = {
    "none": Protection.NONE,
    "sekretessmarkering": Protection.SEKRETESSMARKERING,
    "skyddad_folkbokforing": Protection.SKYDDAD_FOLKBOKFORING,
}
RELATIONS: Final = {"guardian": Relation.GUARDIAN, "fullmakt": Relation.FULLMAKT}
LINKS: Final = {"inactive": LinkState.INACTIVE, "active": LinkState.ACTIVE, "blocked": LinkState.BLOCKED}

FactCommand = PersonIn | AccountIn | AgentIn | MailboxIn


class People:
    """The rows of the people whom this transaction's news is about."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.persons: dict[UUID, PersonRow] = {}
        self.accounts: dict[UUID, AccountRow] = {}
        self.agents: dict[tuple[UUID, UUID, int], AgentRow] = {}
        self.mailboxes: dict[tuple[UUID, str, int], MailboxRow] = {}
        self.changed: set[UUID] = set()
        self.moved: list[tuple[UUID, UUID]] = []
        self._dirty: set[tuple[str, Any]] = set()
        self._unlinked: set[UUID] = set()

    async def load(self, people: Collection[UUID]) -> None:
        """Everything about `people` that news may change. `people` is closed over aliases and agents."""
        wanted = list(people)
        fetch = self.context.connection.fetch
        for row in rows.PERSONS.rows(await fetch(f"{rows.PERSONS.select} WHERE person = ANY($1)", wanted)):
            self.persons[row.person] = row
        for row in rows.ACCOUNTS.rows(await fetch(f"{rows.ACCOUNTS.select} WHERE person = ANY($1)", wanted)):
            self.accounts[row.person] = row
        for row in rows.AGENTS.rows(
            await fetch(f"{rows.AGENTS.select} WHERE patient = ANY($1) OR agent = ANY($1)", wanted)
        ):
            self.agents[row.patient, row.agent, row.relation] = row
        for row in rows.MAILBOXES.rows(await fetch(f"{rows.MAILBOXES.select} WHERE person = ANY($1)", wanted)):
            self.mailboxes[row.person, row.sender, row.operator] = row

    def apply(self, command: FactCommand) -> None:
        match command:
            case PersonIn():
                self._person(command)
            case AccountIn():
                self._account(command)
            case AgentIn():
                self._agent(command)
            case MailboxIn():
                self._mailbox(command)

    async def save(self) -> None:
        """Write what changed, move what belonged to an old number, and forget links that protection forbids."""
        connection = self.context.connection
        for name, writer, table in (
            ("persons", rows.PERSONS, self.persons),
            ("accounts", rows.ACCOUNTS, self.accounts),
            ("agents", rows.AGENTS, self.agents),
            ("mailboxes", rows.MAILBOXES, self.mailboxes),
        ):
            await writer.put(connection, [table[key] for kind, key in self._dirty if kind == name])
        if self._unlinked:
            await connection.execute("DELETE FROM aliases WHERE old = ANY($1)", list(self._unlinked))
        for old, now in self.moved:
            await move(connection, old, now, self.context.keys.key(self.persons[old].pid))

    # --- the register ------------------------------------------------------------------------------------------------------

    def row(self, person: UUID, pid: str) -> PersonRow:
        """The person's row, made on first sight; somebody the register has to be asked about, unless a reserve number (P8)."""
        found = self.persons.get(person)
        if found is None:
            found = self.persons[person] = PersonRow(person, pid)
            self._dirty.add(("persons", person))
            if persons.kind(pid) != "reservnummer":
                self.context.look_ups.add(person)
        return found

    def _person(self, command: PersonIn) -> None:
        data, sent = command.data, command.origin.sent
        row = self.row(command.person, data.patient)
        if row.as_of is not None and data.as_of < row.as_of:
            # Old news says nothing new, and no newer news is to be had: for whoever waits, the register is silent.
            self.context.count("person", "P8", "ignored")
            row.silent_at = self.context.now
            self._note("persons", command.person)
            return
        protection = int(PROTECTIONS[data.protection])
        if data.as_of == row.as_of:
            protection = max(protection, row.protection)
        row.name, row.born, row.emigrated = data.name, data.born, data.emigrated
        row.protection, row.deceased, row.as_of = protection, data.deceased, data.as_of
        row.address = data.address.model_dump_json(exclude_none=True).encode() if data.address is not None else None
        row.confirmed_at = max(sent, row.confirmed_at) if row.confirmed_at is not None else sent
        row.silent_at = None
        self.context.look_ups.discard(command.person)
        self._note("persons", command.person)
        self._links(command, row)

    def _links(self, command: PersonIn, row: PersonRow) -> None:
        """P2, P4, P8: old and linked numbers. A protection on either goes to both and keeps them apart for good."""
        data = command.data
        pairs: list[tuple[PersonRow, PersonRow, bool]] = []
        if data.replaced_by is not None and data.replaced_by != data.patient:
            pairs.append((row, self.row(self.context.person_uid(data.replaced_by), data.replaced_by), True))
        mine = persons.kind(data.patient) == "reservnummer"
        for number in data.linked:
            if number == data.patient:
                continue
            other = self.row(self.context.person_uid(number), number)
            theirs = persons.kind(number) == "reservnummer"
            if mine and not theirs:
                pairs.append((row, other, True))
            else:
                pairs.append((other, row, not mine and (theirs or data.replaced_by is None)))
        for was in [old for old, now in self.context.current.items() if now == row.person]:
            if was in self.persons and not any(old.person == was for old, _, _ in pairs):
                pairs.append((self.persons[was], row, True))
        known = self.context.current.get(row.person)
        if known is not None and known in self.persons and not any(now.person == known for _, now, _ in pairs):
            pairs.append((row, self.persons[known], True))
        for old, now, same in pairs * 2:  # twice: what the last pair says, the first hears
            told_by_old = max(old.protection, self._heard(old, now) if same else 0)
            told_by_now = max(now.protection, self._heard(now, old) if same else 0)
            self._hear(now, old, told_by_old)
            self._hear(old, now, told_by_now)
            if not same:
                continue
            if told_by_old or told_by_now:
                self._unlinked.add(old.person)
                self.context.current.pop(old.person, None)
                self.moved = [(was, to) for was, to in self.moved if was != old.person]
            elif self.context.current.get(old.person) != now.person and now.person != old.person:
                self._link(old.person, now.person)

    def _heard(self, one: PersonRow, but: PersonRow) -> int:
        """The strongest protection that `one` inherits of other numbers than `but`: nobody inherits their own."""
        told = _told(one)
        told.pop(self._by(one, but), None)
        return max(told.values(), default=0)

    def _hear(self, one: PersonRow, other: PersonRow, protection: int) -> None:
        """P8: only the number that a protection is of may lower it; what others said of theirs stays."""
        told, by = _told(one), self._by(one, other)
        if told.get(by, 0) == protection:
            return
        told[by] = protection
        if not protection:
            del told[by]
        one.inherited, one.inherited_from = max(told.values(), default=0), orjson.dumps(told) if told else None
        self._note("persons", one.person)

    def _by(self, one: PersonRow, other: PersonRow) -> str:
        """Who told it, so that nobody can tell from two rows that they belong together (P4)."""
        return str(self.context.person_uid(f"{one.pid}<{other.pid}"))

    def _link(self, old: UUID, now: UUID) -> None:
        seen = {old}
        while now in self.context.current and now not in seen:
            seen.add(now)
            now = self.context.current[now]
        if now == old or now in seen:
            return
        self.context.current[old] = now
        for was, to in list(self.context.current.items()):
            if to == old:
                self.context.current[was] = now
        self._unlinked.discard(old)
        self.moved.append((old, now))
        self.changed.update((old, now))

    # --- account, agents, mailboxes ------------------------------------------------------------------------------------------

    def _account(self, command: AccountIn) -> None:
        """P5. Deregistering is the same as blocking; only staff who have the patient before them unblock."""
        data = command.data
        person = self.context.resolve(command.person)
        self.row(person, data.patient)
        row = self.accounts.get(person)
        if row is not None and data.as_of < row.as_of:
            self.context.count("account", "P5", "ignored")
            return None
        before = AccountState(row.state) if row is not None else AccountState.NONE
        wanted = {"none": AccountState.NONE, "active": AccountState.ACTIVE, "blocked": AccountState.BLOCKED}[data.account]
        if wanted is AccountState.NONE and before is not AccountState.NONE:
            wanted = AccountState.BLOCKED
        if before is AccountState.BLOCKED and wanted is AccountState.ACTIVE:
            if data.by is None or data.by.role != "staff":
                return self.context.refuse(command, "not_allowed", "/by/role: only staff may unblock an account (P5)")
            if data.present is None:
                return self.context.refuse(command, "not_allowed", "/present: the unit where the patient is (P5)")
        phone = data.phone if data.phone is not None or row is None else row.phone
        by_id, by_role = (data.by.id, data.by.role) if data.by is not None else (None, None)
        moved_at = command.origin.sent if row is None or wanted != before else row.changed_at
        self.accounts[person] = AccountRow(person, int(wanted), phone, by_id, by_role, moved_at, data.as_of)
        self._note("accounts", person)
        if wanted is AccountState.BLOCKED and before is AccountState.ACTIVE:
            self._drop_links(person, data.as_of)
        return None

    def _drop_links(self, person: UUID, as_of: datetime) -> None:
        """P5: a block deactivates the ombud links, both ways, and unblocking does not restore them."""
        for key, link in self.agents.items():
            if person in (link.patient, link.agent) and link.state == LinkState.ACTIVE:
                link.state, link.as_of = int(LinkState.INACTIVE), max(as_of, link.as_of)
                self._note("agents", key, link.patient)

    def _agent(self, command: AgentIn) -> None:
        data = command.data
        patient, agent = self.context.resolve(command.person), self.context.resolve(command.agent)
        self.row(patient, data.patient)
        self.row(agent, data.agent)
        key = (patient, agent, int(RELATIONS[data.relation]))
        row = self.agents.get(key)
        if row is not None and data.as_of < row.as_of:
            self.context.count("agent", "P7", "ignored")
            return
        self.agents[key] = AgentRow(patient, agent, key[2], int(LINKS[data.state]), data.until, data.as_of)
        self._note("agents", key, patient)

    def _mailbox(self, command: MailboxIn) -> None:
        data = command.data
        person = self.context.resolve(command.person)
        self.row(person, data.patient)
        key = (person, data.sender, int(OPERATOR_OF[data.operator]))
        row = self.mailboxes.get(key)
        if row is not None and data.as_of < row.as_of:
            self.context.count("mailbox", "R9", "ignored")
            return
        self.mailboxes[key] = MailboxRow(person, data.sender, key[2], data.accepts, data.as_of)
        self._note("mailboxes", key, person)

    def _note(self, kind: str, key: Any, person: UUID | None = None) -> None:
        self._dirty.add((kind, key))
        self.changed.add(self.context.resolve(person if person is not None else key))


def _told(row: PersonRow) -> dict[str, int]:
    told: dict[str, int] = orjson.loads(row.inherited_from) if row.inherited_from else {}
    return told


async def move(connection: Connection, old: UUID, now: UUID, key: str) -> None:
    """P4: from now on the old number's documents, bookings, account, links and mailboxes are the current person's.

    `key` is the old number's: what a compacted topic has of a booking stays where it was placed by it.
    """
    await connection.execute(
        "INSERT INTO aliases (old, current) VALUES ($1, $2) ON CONFLICT (old) DO UPDATE SET current = excluded.current",
        old,
        now,
    )
    for statement in (
        "UPDATE aliases SET current = $2 WHERE current = $1",
        "UPDATE documents SET person = $2 WHERE person = $1 AND open",
        "UPDATE accounts SET person = $2 WHERE person = $1 AND NOT EXISTS (SELECT FROM accounts WHERE person = $2)",
        "UPDATE mailboxes m SET person = $2 WHERE person = $1 AND NOT EXISTS (SELECT FROM mailboxes o WHERE o.person = $2"
        " AND o.sender = m.sender AND o.operator = m.operator)",
        "UPDATE agents m SET patient = $2 WHERE patient = $1 AND agent <> $2 AND NOT EXISTS (SELECT FROM agents o"
        " WHERE o.patient = $2 AND o.agent = m.agent AND o.relation = m.relation)",
        "UPDATE agents m SET agent = $2 WHERE agent = $1 AND patient <> $2 AND NOT EXISTS (SELECT FROM agents o"
        " WHERE o.agent = $2 AND o.patient = m.patient AND o.relation = m.relation)",
        "DELETE FROM lookups WHERE person = $1",
        "DELETE FROM reachings WHERE person = $1",
    ):
        args: Sequence[UUID] = (old, now) if "$2" in statement else (old,)
        await connection.execute(statement, *args)
    await connection.execute(
        "UPDATE bookings SET person = $2, partition_by = coalesce(partition_by, $3) WHERE person = $1", old, now, key
    )
