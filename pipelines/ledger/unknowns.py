"""The desk for unknown outcomes: deliveries that may have been made, and what a person rules on them (STYLE 6, R11).

Nothing here guesses. A ruling is one transaction: the new state, a line among the attempts with who gave it, and `access.logged.v1`
in the outbox (HSLF-FS 2016:40). An accepted or refused delivery is then told to the pipelines by the delivery part as a peer's answer
would be; `resend` sends the identical bytes once more.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, get_args
from uuid import UUID

from asyncpg import Pool, Record

from pipelines.ledger import Connection, outbox
from pipelines.ledger.sends import CHANNEL_NAMES, change
from pipelines.outputs import OPERATORS
from pipelines.rules.model import Operator, PrintCopy
from pipelines.rules.sending import Event, State, move
from pipelines.transport.outputs import Output
from schemas.cloudevents import headers_for, time_text, uid_text
from schemas.events import AccessLogged
from schemas.keys import PersonKeys

Ruling = Literal["accepted", "refused", "resend"]
RULINGS: Final[tuple[Ruling, ...]] = get_args(Ruling)
EVENTS: Final[dict[Ruling, Event]] = {"accepted": "ruled_accepted", "refused": "ruled_refused", "resend": "ruled_resend"}
ROWS_MAX: Final = 1_000
SLOT: Final = "desk"
SOURCE: Final = "urn:care-hub:desk"
ACTION: Final = "unknown.resolved"
RULED: Final = -1
"""Stands in `repeats` after the ruling to send again: the one try that it asks for waits for its peer however long that does nothing."""
UNIT_UNKNOWN: Final = "SE0000000000-UNKNOWN"
"""A notification about nothing that the ledger has names no unit; the access log needs one."""
RISKS: Final = {
    "kivra": "Kivra takes identical bytes once (in production); a resend of a letter that arrived is answered as done.",
    "mina_meddelanden": "Mina meddelanden has no check for repeats: if it arrived, a resend gives the recipient a second copy.",
    "sms": "If it arrived, a resend sends the same text a second time.",
}
"""What a repeat would risk, by channel."""


class Unresolvable(Exception):
    """The ruling cannot be given; the text says why."""


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt, or a ruling. `written`: whether the peer can have read the request; None: nobody knows."""

    number: int
    began: datetime
    by: str
    written: bool | None
    outcome: str | None
    code: str | None
    reference: str | None
    ended: datetime | None


@dataclass(frozen=True, slots=True)
class Unknown:
    """A send whose outcome nobody knows. It names nobody."""

    id: UUID
    channel: str
    operator: str | None
    kind: str
    about: str
    unit: str | None
    since: datetime
    code: str | None
    reference: str | None
    attempts: int
    deadline: datetime | None
    """When the document goes to print as `unknown_outcome` (R11); None: it has been there, or is no document."""
    printed: bool
    risk: str


_SELECT: Final = """
SELECT s.send, s.channel, s.operator, s.kind, s.about, s.changed_at, s.code, s.reference, s.attempts, s.state, s.kept,
       coalesce(d.unit, b.unit, r.unit) AS unit, CASE WHEN s.channel <> 3 AND d.print = 0 THEN d.deadline END AS deadline,
       coalesce(s.channel <> 3 AND d.print = $1, false) AS printed, p.pid
  FROM sends s LEFT JOIN documents d ON d.doc = s.subject LEFT JOIN bookings b ON b.booking = s.subject
       LEFT JOIN rooms r ON r.room = s.subject LEFT JOIN persons p ON p.person = s.person
"""


async def unknowns(pool: Pool[Any], *, limit: int = ROWS_MAX) -> list[Unknown]:
    """All of them, the oldest first."""
    found = await pool.fetch(f"{_SELECT} WHERE s.state = $2 ORDER BY s.changed_at LIMIT $3", _HANDLED, int(State.UNKNOWN), limit)
    return [_unknown(row) for row in found]


async def unknown(pool: Pool[Any], send: UUID) -> tuple[Unknown, list[Try]] | None:
    """One of them with all that was tried, the first first. None where it is not, or no longer, unknown."""
    row = await pool.fetchrow(f"{_SELECT} WHERE s.send = $2 AND s.state = $3", _HANDLED, send, int(State.UNKNOWN))
    return None if row is None else (_unknown(row), await tries(pool, send))


async def tries(pool: Pool[Any], send: UUID) -> list[Try]:
    found = await pool.fetch(
        "SELECT number, began, slot, written, outcome, code, reference, ended FROM attempts WHERE send = $1 ORDER BY number", send
    )
    return [Try(*row) for row in found]


async def resolve(pool: Pool[Any], send: UUID, ruling: Ruling, by: str, now: datetime, keys: PersonKeys) -> State:
    """Give a ruling; the state it leads to. `by` is who gives it, an id of theirs. Raises `Unresolvable`."""
    async with pool.acquire() as connection, connection.transaction():
        locked = await connection.fetchrow("SELECT state FROM sends WHERE send = $1 FOR UPDATE", send)
        if locked is None:
            raise Unresolvable("there is no such delivery")
        if locked["state"] != State.UNKNOWN:
            raise Unresolvable(f"its outcome is not unknown: it is {State(locked['state']).name.lower()}")
        row = await connection.fetchrow(f"{_SELECT} WHERE s.send = $2", _HANDLED, send)
        assert row is not None
        if ruling == "resend" and not row["kept"]:
            raise Unresolvable("its bytes are not kept any more")
        if ruling == "resend" and row["printed"]:
            raise Unresolvable("the document has been handled on paper")
        after = move(State.UNKNOWN, EVENTS[ruling])
        await _rule(connection, row, ruling, after, by, now)
        await outbox.put(connection, SLOT, outbox.pack([_logged(row, by, now, keys)]))
    return after


async def _rule(connection: Connection, row: Record, ruling: Ruling, after: State, by: str, now: datetime) -> None:
    send, number = row["send"], row["attempts"] + 1
    await connection.execute(
        "INSERT INTO attempts (send, number, began, slot, outcome, ended) VALUES ($1, $2, $3, $4, $5, $3)",
        send, number, now, by, EVENTS[ruling],
    )  # fmt: skip
    again = ruling == "resend"
    await connection.execute(
        "UPDATE sends SET attempts = $2, repeats = $4, told = CASE WHEN $3 THEN answers ELSE told END WHERE send = $1",
        send, number, again, RULED if again else 0,
    )  # fmt: skip
    await change(connection, send, row["channel"], after, now, code=None if again else "ruled_by_operator", due_at=now if again else None)


def _logged(row: Record, by: str, now: datetime, keys: PersonKeys) -> Output:
    """`access.logged.v1` of a ruling."""
    about, at = str(row["send"]), time_text(now)
    logged = AccessLogged(action=ACTION, unit=row["unit"] or UNIT_UNKNOWN, at=now, user=by, patient=row["pid"], about=about)
    key = keys.key(row["pid"]) if row["pid"] is not None else about
    headers = headers_for(AccessLogged.TYPE, uid_text(ACTION, by, about, at), SOURCE, at, subject=about, partitionkey=key)
    return Output("audit.v1", key.encode(), logged.to_json(), headers)


def _unknown(row: Record) -> Unknown:
    channel = CHANNEL_NAMES[row["channel"]]
    operator = None if row["operator"] is None else OPERATORS[Operator(row["operator"])]
    return Unknown(
        row["send"], channel, operator, row["kind"], row["about"], row["unit"], row["changed_at"], row["code"], row["reference"],
        row["attempts"], row["deadline"], row["printed"], RISKS[channel],
    )  # fmt: skip


_HANDLED: Final = int(PrintCopy.HANDLED)
