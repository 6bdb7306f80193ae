"""Dead letters: what cannot be understood or is not allowed, kept encrypted with its cause, and never in anybody's way.

The original record is sealed with the hub's key (AES-256-GCM) before it leaves memory: once for the topic `dead-letters.v1`, once for
the ledger, from which operators list, show, replay and discard. Too many in a minute stop the worker rather than pour a whole topic
out (a sender's new release, a wrong key): the count is the ledger's, so a restart does not reset it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pipelines import ids
from pipelines.commands import Refused
from pipelines.ledger import Connection
from pipelines.transport.outputs import Output
from schemas.telemetry import Meter

TOPIC: Final = "dead-letters.v1"
NONCE_BYTES: Final = 12
CAUSE_CHARS_MAX: Final = 1_000


class LimitReached(Exception):
    """More dead letters in a minute than the settings allow: the worker stops, nothing is acknowledged."""


def seal(key: bytes, record: Any) -> bytes:
    """Key, headers and value of a record, encrypted; the topic is bound in, so a letter cannot be passed off as another's."""
    plain = orjson.dumps(
        {
            "key": None if record.key is None else record.key.hex(),
            "headers": [(name, None if value is None else value.hex()) for name, value in record.headers],
            "value": record.value.hex(),
        }
    )
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, record.topic.encode())


def unseal(key: bytes, topic: str, blob: bytes) -> tuple[bytes | None, list[tuple[str, bytes | None]], bytes]:
    """Key, headers and value of a sealed record. Raises `ValueError` when the key or the topic is another."""
    try:
        plain = AESGCM(key).decrypt(blob[:NONCE_BYTES], blob[NONCE_BYTES:], topic.encode())
    except InvalidTag:
        raise ValueError("the dead letter was sealed with another key") from None
    data = orjson.loads(plain)
    return (
        None if data["key"] is None else bytes.fromhex(data["key"]),
        [(name, None if value is None else bytes.fromhex(value)) for name, value in data["headers"]],
        bytes.fromhex(data["value"]),
    )


class DeadLetters:
    """Writes them, within the limit."""

    def __init__(self, key: bytes, per_minute_max: int, meter: Meter) -> None:
        self._key = key
        self._per_minute_max = per_minute_max
        self._meter = meter

    async def write(self, connection: Connection, refused: Sequence[Refused]) -> list[Output]:
        """Rows for the ledger, outputs for the topic. A record that comes again is the letter it was: its output is delivered, or in the
        outbox. Two workers that have the same record meet in the primary key, and the later one tries again."""
        letters = {ids.uid("dead-letter", item.topic, str(item.partition), str(item.offset)): item for item in refused}
        known = await connection.fetch("SELECT letter FROM dead_letters WHERE letter = ANY($1)", list(letters))
        for row in known:
            del letters[row[0]]
        if not letters:
            return []
        recent: int = await connection.fetchval(
            "SELECT count(*) FROM dead_letters WHERE at > clock_timestamp() - interval '1 minute'"
        )
        if recent + len(letters) > self._per_minute_max:
            raise LimitReached(f"{recent} dead letters in the last minute, {len(letters)} more; {self._per_minute_max} are allowed")
        now = datetime.now(UTC)
        outputs: list[Output] = []
        rows: list[tuple[UUID, datetime, str, int, int, str, str, bytes]] = []
        for letter, item in sorted(letters.items()):
            cause = item.cause[:CAUSE_CHARS_MAX]
            blob = seal(self._key, item.record)
            rows.append((letter, now, item.topic, item.partition, item.offset, item.kind, cause, blob))
            headers = {
                "dlq-id": str(letter),
                "dlq-topic": item.topic,
                "dlq-partition": str(item.partition),
                "dlq-offset": str(item.offset),
                "dlq-class": item.kind,
                "dlq-cause": cause,
                "dlq-time": now.isoformat().replace("+00:00", "Z"),
            }
            outputs.append(Output(TOPIC, str(letter).encode(), blob, [(name, text.encode()) for name, text in headers.items()]))
            self._meter.count("dead_letters", 1, topic=item.topic, class_=item.kind)
        await connection.executemany(
            'INSERT INTO dead_letters (letter, at, topic, partition, "offset", class, cause, data)'
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            rows,
        )
        return outputs
