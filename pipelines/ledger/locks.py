"""Who may decide for whom at the same time: advisory locks per person, room and time type, for one transaction.

Topics have no common order and EHR systems choose their own keys, so two workers can hold events of one person. The rule:

- who adds a document for P holds P *shared* (many may, side by side);
- who changes a fact of G holds G and everybody whose decisions read G's facts (wards) *exclusively*;
- who decides again what is there already (timers, receipts, bookings) holds P exclusively.

So a letter is either seen by the transaction that opens the account, or sees the account itself; never neither. Keys are taken in
order, hence no deadlock. Timers only *try*: a person somebody else is working on is left for the next round.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final
from uuid import UUID

from pipelines.ledger import Connection

_TAKE: Final = """
SELECT count(CASE WHEN x THEN pg_advisory_xact_lock(k)::text ELSE pg_advisory_xact_lock_shared(k)::text END)
  FROM unnest($1::int8[], $2::bool[]) AS wanted(k, x)
"""
_TRY: Final = "SELECT k FROM unnest($1::int8[]) AS wanted(k) WHERE pg_try_advisory_xact_lock(k)"


def key(ident: UUID) -> int:
    """A lock's number: the first eight bytes of an id. Two ids may share one; that only costs a wait."""
    return int.from_bytes(ident.bytes[:8], "big", signed=True)


async def take(connection: Connection, shared: Collection[UUID], exclusive: Collection[UUID]) -> None:
    """Wait for all of them, in the order of their numbers."""
    wanted = {key(ident): False for ident in shared}
    wanted.update((key(ident), True) for ident in exclusive)
    if wanted:
        ordered = sorted(wanted)
        await connection.execute(_TAKE, ordered, [wanted[number] for number in ordered])


async def attempt(connection: Connection, idents: Collection[UUID]) -> set[UUID]:
    """Those of `idents` that could be had exclusively without waiting."""
    by_key: dict[int, list[UUID]] = {}
    for ident in idents:
        by_key.setdefault(key(ident), []).append(ident)
    if not by_key:
        return set()
    return {ident for (number,) in await connection.fetch(_TRY, sorted(by_key)) for ident in by_key[number]}
