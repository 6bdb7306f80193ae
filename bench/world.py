"""What all sides are given: the same residents, the same documents, the same routing outcome.

Adults with an account (7 of 10, with a telephone number), a mailbox (4 of 10) or both: every document is delivered under R9, as
nearly all are on an ordinary day. So each asks for `document.delivered`, `notification.requested`, `delivery.requested` or several of
them, and a `decision.made`. Half are kallelser, half letters with their control code.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Any, Final

import asyncpg
import orjson

from pipelines.transport.outputs import Output
from schemas.keys import PersonKeys
from schemas.persons import check_digit

SENDER: Final = "162321000016"
UNIT: Final = "SE2321000016-A1"
SOURCE: Final = b"urn:bench:takecare"
PHONE: Final = "+46701740605"
_TEXT: Final = "Hej!\n\n" + "Välkommen till din undersökning. Ta med legitimation och den här kallelsen. " * 9


@dataclass(frozen=True)
class World:
    """Residents by number. `keys` are the hub's own, so that every side keys its rows and records alike."""

    keys: PersonKeys
    residents: int = 20_000

    @cached_property
    def people(self) -> list[str]:
        return [_pid(number) for number in range(self.residents)]

    async def settle(self, connection: asyncpg.Connection[Any]) -> None:
        """Write the residents into a ledger, as the register, the app and the mailboxes would have."""
        now = datetime.now(UTC)
        uuid = self.keys.uuid
        await connection.copy_records_to_table(
            "persons",
            records=[(uuid(pid), pid, "Namn", 0, 0, now, now) for pid in self.people],
            columns=["person", "pid", "name", "protection", "inherited", "as_of", "confirmed_at"],
        )
        await connection.copy_records_to_table(
            "accounts",
            records=[(uuid(pid), 1, now, now, PHONE) for number, pid in enumerate(self.people) if has_account(number)],
            columns=["person", "state", "changed_at", "as_of", "phone"],
        )
        await connection.copy_records_to_table(
            "mailboxes",
            records=[(uuid(pid), SENDER, 1, True, now) for number, pid in enumerate(self.people) if has_mailbox(number)],
            columns=["person", "sender", "operator", "accepts", "as_of"],
        )
        await connection.copy_records_to_table(  # the mailbox operators were asked about everybody today (R9)
            "reachings", records=[(uuid(pid), now) for pid in self.people], columns=["person", "told_at"]
        )
        await connection.execute("ANALYZE")

    def facts(self, topic: str) -> Iterator[Output]:
        """The same facts as records, for a side that keeps them in a state store."""
        for number, pid in enumerate(self.people):
            value = {"pid": pid, "account": has_account(number), "phone": has_account(number), "mailbox": has_mailbox(number)}
            yield Output(topic, self.keys.key(pid).encode(), orjson.dumps(value), [])

    def documents(self, topic: str, name: str, first: int, last: int) -> list[Output]:
        """Documents `first` to `last` of the series `name`; the same arguments give the same bytes."""
        chance = random.Random(f"{name}{first}")
        return [self._document(topic, f"{name}-{number:08d}", number, chance) for number in range(first, last)]

    def _document(self, topic: str, ident: str, number: int, chance: random.Random) -> Output:
        pid = self.people[chance.randrange(self.residents)]
        letter = bool(number % 2)
        data = {
            "document_id": ident, "kind": "brev" if letter else "kallelse", "unit": UNIT, "unit_name": "Ortopedmottagningen",
            "patient": pid, "title": "Kallelse till besök", "created": "2026-11-01T09:00:00Z", "dispatch": "e-brev",
            "template": {"id": "t-17", "name": "Kallelse ortoped"}, "body": _TEXT + ident, "body_format": "text",
            "footer": "Ortopedmottagningen, plan 3. [4US:LPAT]", "attachments": [], "source_system": "TakeCare",
        }  # fmt: skip
        return Output(topic, self.keys.key(pid).encode(), orjson.dumps(data), headers("document.submitted.v1", ident.encode()))


def has_account(number: int) -> bool:
    return number % 10 < 7


def has_mailbox(number: int) -> bool:
    return number % 10 > 5


def headers(ce_type: str, ident: bytes) -> list[tuple[str, bytes]]:
    return [
        ("ce_specversion", b"1.0"), ("ce_id", ident), ("ce_source", SOURCE), ("ce_type", ce_type.encode()),
        ("ce_time", b"2026-11-01T00:00:00Z"), ("content-type", b"application/json"),
    ]  # fmt: skip


def _pid(number: int) -> str:
    """Somebody born 1950 to 2004; the serial numbers 980 and on are given to nobody."""
    text = f"{date(1950, 1, 1) + timedelta(days=number):%Y%m%d}{980 + number % 20}"
    return text + str(check_digit(text[2:]))
