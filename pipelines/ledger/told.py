"""What the topics told of documents, folded to what `pipelines.reconcile` counts: ids and outcomes, nothing of a content."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson

from pipelines import ids
from pipelines.reconcile import SMS, Came, Span, Told
from schemas.cloudevents import decode_record
from schemas.errors import Malformed
from schemas.topics import TOPICS as ALL_TOPICS

SUBMITTED: Final = ("ehr.letters.v1", "ehr.referrals.v1")
SAID: Final = ("app.documents.v1", "mailbox.deliveries.v1", "notifications.v1", "print.entries.v1", "receipts.v1")
TOPICS: Final = (*SUBMITTED, *SAID)
RETENTION_MS: Final = min(ALL_TOPICS[name].retention_ms or 0 for name in TOPICS)
"""What is older than this may be gone from one of them."""


class Telling:
    """Records in, one at a time; `told` is what they say. `at` maps an append time (epoch seconds) to hub time."""

    def __init__(self, full_since: datetime, span: Span, at: Callable[[float], datetime]) -> None:
        self.told = Told(full_since)
        self._span = span
        self._at = at

    def add_all(self, records: list[Any]) -> None:
        for record in records:
            if record.value is None:
                continue
            if record.topic in SUBMITTED:
                self._submitted(record)
            else:
                self._said(record)

    def _submitted(self, record: Any) -> None:
        at = self._at(record.timestamp / 1000)
        if not self._span.has(at):
            return
        event = document_id = None
        try:
            envelope, value = decode_record(record.headers, record.value)
            event = ids.fast(envelope.key)
            data = orjson.loads(value)
            document_id = data.get("document_id") if isinstance(data, dict) else None
        except (Malformed, orjson.JSONDecodeError):
            pass  # a dead letter, which is looked for by its place
        named = document_id if isinstance(document_id, str) else None
        self.told.came.append(Came((record.topic, record.partition, record.offset), at, event, named))

    def _said(self, record: Any) -> None:
        try:
            envelope, value = decode_record(record.headers, record.value)
            take = _TAKES.get(envelope.type)
            if take is not None:
                take(self.told, orjson.loads(value))
        except (Malformed, orjson.JSONDecodeError, KeyError, TypeError, ValueError):
            pass  # others write to receipts.v1 too: what is malformed there is a dead letter and says nothing here


def _requested(told: Told, data: Mapping[str, Any]) -> None:
    told.requested[UUID(data["delivery_id"])] = (data["document_id"], data["channel"])


def _notified(told: Told, data: Mapping[str, Any]) -> None:
    if data["channel"] == "sms" and data["kind"] == "document":
        told.requested[UUID(data["notification_id"])] = (data["about"], SMS)


_TAKES: Final[Mapping[str, Callable[[Told, Mapping[str, Any]], None]]] = {
    "document.delivered.v1": lambda told, data: told.delivered.add(data["document_id"]),
    "document.settled.v1": lambda told, data: told.settled.add(data["document_id"]),
    "delivery.requested.v1": _requested,
    "delivery.answered.v1": lambda told, data: told.answered.add((UUID(data["delivery_id"]), data["outcome"])),
    "notification.requested.v1": _notified,
    "print.entered.v1": lambda told, data: told.entered.add(UUID(data["entry_id"])),
}
