"""Texts to guests (V9, N3): what staff's explicit act puts among the sends, for a number that belongs to nobody whom the ledger knows.

The row is made right here and not from a topic: no topic may hold a telephone number, and there is no person whose key a record would
have. It has the nil UUID for a person and the number, link and code in a sealed box: AES-256-GCM with a key of its own, which the
parts that make and send texts share, bound to the row's id. From then on it is a text as all others (`sends.py`): the same states,
desk and reports. When it is final its box and bytes go (`sends.change`); one that stays unknown loses them by retention.
"""

from __future__ import annotations

import os
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple
from uuid import UUID

import orjson
from asyncpg import Pool
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pipelines.ledger import locks
from pipelines.rules.sending import State

GUEST: Final = UUID(int=0)
"""Stands for whoever has the number: no person has this key."""
KIND: Final = "guest_invitation"
ROOM_MAX: Final = 40
"""Texts of one room, whatever became of them: twice as many as it takes people (V8)."""
_SMS: Final = 3
_NONCE_BYTES: Final = 12

Put = Literal["new", "known", "full"]


class Invitation(NamedTuple):
    """What a text says and to whom. `opens_at`: the window that the code is good for (V6)."""

    to: str
    url: str
    code: str
    opens_at: datetime

    def __repr__(self) -> str:
        """Without any of it."""
        return "Invitation()"


class Boxes:
    """Closes and opens boxes."""

    def __init__(self, key: bytes) -> None:
        self._key = AESGCM(key)

    def close(self, send: UUID, invitation: Invitation) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        content = invitation._replace(opens_at=invitation.opens_at.isoformat())._asdict()  # type: ignore[arg-type]
        return nonce + self._key.encrypt(nonce, orjson.dumps(content), send.bytes)

    def open(self, send: UUID, box: bytes) -> Invitation:
        """Raises `ValueError` for a box of another key or row."""
        try:
            content = orjson.loads(self._key.decrypt(box[:_NONCE_BYTES], box[_NONCE_BYTES:], send.bytes))
        except InvalidTag:
            raise ValueError("the box does not open") from None
        return Invitation(content["to"], content["url"], content["code"], datetime.fromisoformat(content["opens_at"]))


_SENT: Final = "SELECT send FROM sends WHERE subject = $1 AND kind = $2"
_PUT: Final = """
    INSERT INTO sends (send, person, about, subject, channel, kind, template, state, not_after, due_at, requested_at, changed_at, box)
    VALUES ($1, $2, $3, $4, $5, $6, $6, $7, $8, $9, $9, $9, $10)
    ON CONFLICT DO NOTHING
"""


async def put(pool: Pool[Any], send: UUID, room: UUID, box: bytes, not_after: datetime, now: datetime) -> Put:
    """One text to send, at once. `send` names the act: the same again finds it there, whatever its box says."""
    async with pool.acquire() as connection, connection.transaction():
        await locks.take(connection, (), {room})  # so that the count holds
        sent = {row[0] for row in await connection.fetch(_SENT, room, KIND)}
        if send in sent:
            return "known"
        if len(sent) >= ROOM_MAX:
            return "full"
        await connection.execute(_PUT, send, GUEST, str(room), room, _SMS, KIND, int(State.DECIDED), not_after, now, box)
    return "new"
