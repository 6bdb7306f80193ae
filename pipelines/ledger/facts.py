"""People as the rules see them, read afresh inside the transaction that decides (CONTRACTS: "Cache-free truth").

Four short queries for any number of people. The caller holds their locks (`locks.py`), so what is read stays true until the commit.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from pipelines.ledger import Connection
from pipelines.rules.mailboxes import PATIENCE as MAILBOX_PATIENCE
from pipelines.rules.model import AccountState, AgentLink, Asked, LinkState, Mailbox, Operator, Person, Protection, Relation
from schemas import persons

PATIENCE: Final = timedelta(seconds=20)
"""How long the register may take to answer before known facts serve (P8); a failure that it reports ends the wait at once."""

SILENCE: Final = timedelta(hours=1)
"""How long the register's silence about somebody is taken for granted before it is asked again for a decision."""

_CURRENT: Final = "SELECT old, current FROM aliases WHERE old = ANY($1)"
_PEOPLE: Final = """
SELECT p.person, p.pid, p.born, greatest(p.protection, p.inherited), p.deceased IS NOT NULL, p.confirmed_at, p.silent_at,
       l.wanted_at, coalesce(a.state, 0), a.phone IS NOT NULL, r.wanted_at, r.silent_at, r.told_at
  FROM persons p LEFT JOIN accounts a USING (person) LEFT JOIN lookups l USING (person) LEFT JOIN reachings r USING (person)
 WHERE p.person = ANY($1)
"""
_MAILBOXES: Final = "SELECT person, operator, accepts, as_of FROM mailboxes WHERE person = ANY($1) AND sender = $2"
_AGENTS: Final = """
SELECT g.patient, g.agent, p.pid, g.relation, g.state, g.until, coalesce(a.state, 0), greatest(p.protection, p.inherited),
       p.deceased IS NOT NULL, p.confirmed_at IS NOT NULL, a.phone IS NOT NULL
  FROM agents g JOIN persons p ON p.person = g.agent LEFT JOIN accounts a ON a.person = g.agent
 WHERE g.patient = ANY($1)
 ORDER BY g.patient, g.agent
"""
WARDS: Final = "SELECT DISTINCT patient FROM agents WHERE agent = ANY($1)"


async def current(connection: Connection, people: Collection[UUID]) -> dict[UUID, UUID]:
    """Old and linked numbers among `people`, with the number each is handled as (P2, P4)."""
    return {row[0]: row[1] for row in await connection.fetch(_CURRENT, list(people))}


async def wards(connection: Connection, people: Collection[UUID]) -> set[UUID]:
    """Everybody whose decisions read facts of one of `people` (P7)."""
    return {row[0] for row in await connection.fetch(WARDS, list(people))}


async def load(
    connection: Connection, people: Collection[UUID], sender: str, now: datetime, *, asks_mailboxes: bool = False
) -> dict[UUID, Person]:
    """The facts of those of `people` that the ledger has a row of. `asks_mailboxes`: the policy's word on who asks operators."""
    wanted = list(people)
    mailboxes: dict[UUID, tuple[Mailbox, ...]] = {}
    for person, operator, accepts, as_of in await connection.fetch(_MAILBOXES, wanted, sender):
        mailboxes[person] = (*mailboxes.get(person, ()), Mailbox(Operator(operator), accepts, as_of))
    agents: dict[UUID, tuple[AgentLink, ...]] = {}
    for patient, agent, pid, relation, state, until, account, protection, dead, known, phone in await connection.fetch(
        _AGENTS, wanted
    ):
        link = AgentLink(
            agent, pid, Relation(relation), LinkState(state), until, AccountState(account), Protection(protection), dead,
            known, phone,
        )  # fmt: skip
        agents[patient] = (*agents.get(patient, ()), link)
    found: dict[UUID, Person] = {}
    for (
        person, pid, born, protection, dead, confirmed_at, silent_at, wanted_at, account, phone, reach_at, mute_at, told_at,
    ) in await connection.fetch(_PEOPLE, wanted):  # fmt: skip
        reserve = persons.kind(pid) == "reservnummer"
        found[person] = Person(
            person,
            pid,
            born or (None if reserve else persons.born(pid)),
            reserve,
            _PROTECTIONS[protection],
            dead,
            confirmed_at,
            (silent_at is not None and now - silent_at < SILENCE) or (wanted_at is not None and wanted_at + PATIENCE <= now),
            _ACCOUNTS[account],
            phone,
            mailboxes.get(person, ()),
            agents.get(person, ()),
            _asked(reach_at, mute_at, now) if asks_mailboxes else Asked.NOBODY,
            told_at if asks_mailboxes else None,
        )
    return found


def _asked(wanted_at: datetime | None, silent_at: datetime | None, now: datetime) -> Asked:
    """How far the last question to the mailbox operators has come; nobody waits longer than the rules' patience."""
    if wanted_at is not None:
        return Asked.SILENT if wanted_at + MAILBOX_PATIENCE <= now else Asked.UNDER_WAY
    return Asked.SILENT if silent_at is not None and now - silent_at < SILENCE else Asked.ANSWERED


_PROTECTIONS: Final = tuple(Protection)
_ACCOUNTS: Final = tuple(AccountState)
