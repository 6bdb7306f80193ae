"""Records of the hub's own requests to what the ledger keeps of them. Pure.

`push` has no provider: the app reads `notifications.v1` itself and shows them, so no row is made of one; a row that nobody carries would
only stand there and claim a state that nobody knows.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeVar
from uuid import UUID

import structlog
from pydantic import BaseModel, ValidationError

from schemas.cloudevents import decode_record
from schemas.errors import Malformed
from schemas.events import DeliveryRequested, NotificationRequested

TOPICS: Final = ("mailbox.deliveries.v1", "notifications.v1")
Model = TypeVar("Model", bound=BaseModel)
log = structlog.get_logger()


class Request(NamedTuple):
    """One delivery or text to make. `recipient` is a person id."""

    send: UUID
    recipient: str
    about: str
    channel: str
    operator: str | None
    kind: str
    template: str | None
    not_after: datetime | None

    def __repr__(self) -> str:
        """Without the recipient."""
        return f"Request(send={self.send}, channel={self.channel!r})"


def requests(records: Iterable[Any]) -> list[Request]:
    """What records ask for. One that cannot be read is a bug of ours (only the hub writes these topics): told loudly, and left."""
    found: list[Request] = []
    for record in records:
        if record.value is None:
            continue
        try:
            made = _request(record)
        except (Malformed, ValidationError, ValueError) as fault:
            log.error(
                "request_unreadable", topic=record.topic, partition=record.partition, offset=record.offset, cause=type(fault).__name__
            )
            continue
        if made is not None:
            found.append(made)
    return found


def _request(record: Any) -> Request | None:
    envelope, data = decode_record(record.headers, record.value)
    if envelope.type == DeliveryRequested.TYPE:
        asked = _read(DeliveryRequested, data)
        ident = UUID(asked.delivery_id)
        return Request(ident, asked.patient, asked.document_id, asked.channel, asked.operator, asked.kind, None, None)
    if envelope.type == NotificationRequested.TYPE:
        told = _read(NotificationRequested, data)
        if told.channel != "sms":
            return None
        ident = UUID(told.notification_id)
        return Request(ident, told.recipient, told.about, "sms", None, told.kind, told.template, told.not_after)
    return None


def _read(model: type[Model], data: bytes) -> Model:
    return model.model_validate_json(data)
