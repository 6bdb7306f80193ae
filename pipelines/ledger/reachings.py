"""Questions to the mailbox operators as rows with a retry time (R9): nobody waits in memory.

The reaching connector takes due people, asks every path, says what it heard (`heard`) and publishes it; the row is done when the last
of it is applied (`applied`), so that a decision between two answers does not take the first for all. Silence wakes what waits, and
known facts serve. While a letter waits for a channel (R10) the operators are asked again every few hours: a mailbox opened within the
48 hours gets it. Whom to ask is judged by the rules under the facts of the moment of taking, and only while a document is for it:
nobody protected, no minor and no reserve number is ever asked about (P1, P2, R8).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from asyncpg import Pool

from pipelines.ledger import Connection, facts, locks, lookups
from pipelines.rules import identity, mailboxes
from schemas.policy import Limits

CHANNEL: Final = "reachings"
"""What the ledger notifies when somebody is to be asked about."""
ANSWER_WITHIN: Final = timedelta(seconds=30)
RETRY_MIN: Final = timedelta(seconds=2)
RETRY_MAX: Final = timedelta(minutes=15)
AGAIN: Final = timedelta(hours=6)
"""How long an answer stands for a letter that waits for a mailbox to open (R10)."""

_WANT: Final = """
INSERT INTO reachings AS r (person, wanted_at, due_at) SELECT person, $2, $2 FROM unnest($1::uuid[]) AS n(person) ORDER BY person
    ON CONFLICT (person) DO UPDATE SET wanted_at = $2, due_at = least(r.due_at, $2), attempts = 0 WHERE r.wanted_at IS NULL
"""
_DUE: Final = """
SELECT person, EXISTS (SELECT FROM documents d WHERE d.person = r.person AND d.open AND d.mailbox = 0
                          AND (d.print IN (0, 4) OR d.reason = 'identity_unverified')
                          AND (d.app = 0 OR r.wanted_at IS NOT NULL)) AS for_it
  FROM reachings r WHERE due_at <= $1 ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED
"""
_IDLE: Final = """
UPDATE reachings SET silent_at = s.at, due_at = s.at + $3::interval, wanted_at = NULL
  FROM (SELECT person AS who, CASE WHEN wanted_at IS NULL THEN silent_at ELSE $2::timestamptz END AS at
          FROM reachings WHERE person = ANY($1)) s
 WHERE person = s.who AND s.at > $2::timestamptz - $3::interval
"""
"""A silence is remembered for as long as it is taken for granted, so that the next letter does not wait for it anew. A question that
was wanted and is not asked after all is a silence, too: whatever still waits for it is decided on what is known."""
_APPLIED: Final = """
UPDATE reachings r
   SET wanted_at = NULL, operators = '{}',
       told_at = CASE WHEN complete THEN asked_at ELSE told_at END,
       silent_at = CASE WHEN complete THEN NULL ELSE $3::timestamptz END,
       due_at = $3::timestamptz + CASE WHEN complete THEN $6::interval ELSE least($4::interval * 2 ^ least(attempts, 12), $5::interval) END
 WHERE person = ANY($1) AND operators <> '{}'
   AND cardinality(operators) = (SELECT count(*) FROM mailboxes m WHERE m.person = r.person AND m.sender = $2
                                    AND m.operator = ANY(r.operators) AND m.as_of >= r.asked_at)
"""


@dataclass(frozen=True, slots=True)
class Reaching:
    """Somebody to ask about; `pid` is personal data. `asked_at` is the answers' `as_of`."""

    person: UUID
    pid: str
    asked_at: datetime


async def want(connection: Connection, people: Collection[UUID], traces: Mapping[UUID, str], now: datetime) -> None:
    """Ask about these people; somebody already asked for stays as they are. `traces`: of documents held for it."""
    if await connection.execute(_WANT, list(people), now) != "INSERT 0 0":
        await connection.execute(f"NOTIFY {CHANNEL}")
    if traces:
        await connection.execute(
            "INSERT INTO held_traces (doc, trace) SELECT * FROM unnest($1::uuid[], $2::text[]) ON CONFLICT (doc) DO NOTHING",
            list(traces), list(traces.values()),
        )  # fmt: skip


async def take(pool: Pool[Any], sender: str, limits: Limits, now: datetime, limit: int) -> list[Reaching]:
    """Due questions, each handed to one caller; one that is not answered comes due again.

    Whom the rules forbid to ask is not asked: what is known serves. Where only the register's facts are too old (P8) the register is
    asked, and the question to the operators comes due again after it. Of whom no document is for, the row goes: it is not kept without
    need.
    """
    async with pool.acquire() as connection:
        async with connection.transaction():
            asked, stale = await _take(connection, sender, limits, now, limit)
        if stale:
            # After the commit: workers write look-ups before questions, and would meet these rows the other way round. What a crash
            # leaves out here comes due again.
            await lookups.want(connection, stale, now)
    return asked


async def _take(connection: Connection, sender: str, limits: Limits, now: datetime, limit: int) -> tuple[list[Reaching], list[UUID]]:
    """What to ask now, and of whom the register's facts are too old."""
    due = {row[0]: row[1] for row in await connection.fetch(_DUE, now, limit)}
    if not due:
        return [], []
    people = await facts.load(connection, due, sender, now)
    fit = {
        person: people[person].pid
        for person, for_it in due.items()
        if for_it and person in people and mailboxes.may_ask(people[person], now, limits)
    }
    if idle := [person for person, for_it in due.items() if not for_it]:
        await connection.execute(_IDLE, idle, now, facts.SILENCE)
        await connection.execute("DELETE FROM reachings WHERE person = ANY($1) AND due_at <= $2", idle, now)
    barred = [person for person, for_it in due.items() if for_it and person not in fit]
    if stale := [p for p in barred if p in people and identity.register_state(people[p], now, limits) == "stale"]:
        waiting = await connection.fetch(
            "UPDATE reachings SET due_at = $2 WHERE person = ANY($1) AND wanted_at IS NULL RETURNING person",
            stale, now + ANSWER_WITHIN,
        )  # fmt: skip
        barred = [person for person in barred if person not in {row[0] for row in waiting}]
    if barred:
        await connection.execute(
            "UPDATE reachings SET wanted_at = NULL, due_at = NULL, silent_at = $2 WHERE person = ANY($1)", barred, now
        )
    asked_at = now.replace(microsecond=now.microsecond // 1000 * 1000)  # as events write it: an answer must not look older
    await connection.execute(
        "UPDATE reachings SET asked_at = $2, attempts = attempts + 1, due_at = $2::timestamptz + $3::interval, operators = '{}'"
        " WHERE person = ANY($1)",
        list(fit), asked_at, ANSWER_WITHIN,
    )  # fmt: skip
    return [Reaching(person, pid, asked_at) for person, pid in fit.items()], stale


async def heard(pool: Pool[Any], person: UUID, asked_at: datetime, operators: Collection[int], *, complete: bool) -> None:
    """These operators' answers to the question of `asked_at` are about to be published."""
    await pool.execute(
        "UPDATE reachings SET operators = $3, complete = $4 WHERE person = $1 AND asked_at = $2",
        person, asked_at, sorted(operators), complete,
    )  # fmt: skip


async def applied(connection: Connection, people: Collection[UUID], sender: str, now: datetime) -> None:
    """News of these people's mailboxes has come: where it was the last that was heard, nobody waits any more."""
    if people:
        await connection.execute(_APPLIED, list(people), sender, now, RETRY_MIN, RETRY_MAX, AGAIN)


async def failed(pool: Pool[Any], people: Collection[UUID], now: datetime) -> None:
    """No operator answered about these people: what is known serves, they are asked about again with growing pauses."""
    async with pool.acquire() as connection, connection.transaction():
        await locks.take(connection, (), people)
        await connection.execute(
            "UPDATE reachings SET wanted_at = NULL, silent_at = $2::timestamptz, operators = '{}',"
            " due_at = $2::timestamptz + least($3::interval * 2 ^ least(attempts, 12), $4::interval) WHERE person = ANY($1)",
            list(people), now, RETRY_MIN, RETRY_MAX,
        )  # fmt: skip
        await connection.execute(
            "UPDATE documents SET due_at = $2 WHERE person = ANY($1) AND open AND mailbox = 0 AND due_at > $2", list(people), now
        )
