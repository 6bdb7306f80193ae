"""What the hub says to others: each outbound event from the rows it is about, as bytes ready for Kafka.

The one place that knows topic, key and id of every outbound event. Ids are UUIDv5 of what caused them, and everything about one
subject carries its `ce_sequence` (the CloudEvents extension): however late a delivery comes, a consumer can tell old from new.
Nothing here decides anything; protected people's titles are left out because the caller gives none.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import orjson

from pipelines import ids
from pipelines.commands import KIND_NAMES, STATUS_NAMES, VIDEO_NAMES
from pipelines.ledger.rows import BookingRow, DocumentRow, PrintRow, RoomRow
from pipelines.rules.model import BookingStatus, Kind, Notify, Operator, Recipient, RoomState, Step, Video
from pipelines.transport.outputs import Output
from schemas import html, wire
from schemas.cloudevents import dataschema_of
from schemas.keys import uid_text

SOURCE: Final = "urn:care-hub:pipelines"
OPERATORS: Final = {
    Operator.KIVRA: "kivra",
    Operator.BILLO: "billo",
    Operator.MINMYNDIGHETSPOST: "minmyndighetspost",
    Operator.FORTNOX: "fortnox",
}
OPERATOR_OF: Final = {name: operator for operator, name in OPERATORS.items()}
ROOM_STATES: Final = {
    RoomState.SCHEDULED: "scheduled",
    RoomState.ACTIVE: "active",
    RoomState.CLOSED: "closed",
    RoomState.VOID: "void",
}
_OPTIONS: Final = orjson.OPT_UTC_Z


def _json(data: Any) -> bytes:
    return orjson.dumps(data, option=_OPTIONS)


STEPS_MAX: Final = 4_096
_STEPS: Final[dict[int, tuple[Step, bytes]]] = {}


def trace_json(steps: Sequence[Step]) -> orjson.Fragment:
    """A trace as JSON. Rules say the same few steps again and again (`rules.catalogue.said`): each object is rendered once.

    Kept by identity, together with the step, so that no other object can come to have the same one.
    """
    texts = []
    for step in steps:
        known = _STEPS.get(id(step))
        if known is None:
            if len(_STEPS) >= STEPS_MAX:
                _STEPS.clear()
            known = _STEPS[id(step)] = (step, _json(step._asdict()))
        texts.append(known[1])
    return orjson.Fragment(b"[" + b",".join(texts) + b"]")


_HEADERS: Final[dict[str, tuple[tuple[str, bytes], ...]]] = {}
_SOURCE_HEADER: Final = ("ce_source", SOURCE.encode())


@lru_cache(maxsize=256)
def _sequence(number: int) -> tuple[str, bytes]:
    return ("ce_sequence", b"%020d" % number)


def _constant(ce_type: str) -> tuple[tuple[str, bytes], ...]:
    found = _HEADERS.get(ce_type)
    if found is None:
        found = _HEADERS[ce_type] = (
            ("ce_specversion", b"1.0"),
            ("ce_type", ce_type.encode()),
            _SOURCE_HEADER,
            ("ce_dataschema", dataschema_of(ce_type).encode()),
            ("content-type", b"application/json"),
        )
    return found


class Outbox:
    """The outputs of one transaction, in order. `now` is the hub's clock, the `ce_time` of all of them."""

    def __init__(self, now: datetime, config_version: str) -> None:
        self.now = now
        self.items: list[Output] = []
        self._time = ("ce_time", now.isoformat().replace("+00:00", "Z").encode())
        self._config_version = config_version

    def _add(
        self,
        topic: str,
        ce_type: str,
        key: str,
        ident: str,
        subject: str,
        sequence: int,
        data: bytes,
        trace: str | None = None,
        partition: str | None = None,
    ) -> None:
        headers = [
            ("ce_id", ident.encode()),
            self._time,
            *_constant(ce_type),
            ("ce_subject", subject.encode()),
            _sequence(sequence),
        ]
        if trace:
            headers.append(("traceparent", trace.encode()))
        placed = None
        if partition is not None:
            placed = partition.encode()
            headers.append(("ce_partitionkey", placed))
        self.items.append(Output(topic, key.encode(), data, headers, placed))

    def delivered(
        self,
        row: DocumentRow,
        key: str,
        pid: str,
        content: dict[str, Any],
        recipients: Sequence[Recipient],
        trace: str | None,
    ) -> None:
        """The whole document for the app, with everybody who may read it now (C6: sanitised, links made clickable)."""
        body, links = html.deliverable(content["body"], content["footer"], content["body_format"])
        data: dict[str, Any] = {
            "document_id": row.document_id,
            "kind": KIND_NAMES[Kind(row.kind)],
            "patient": pid,
            "unit": row.unit,
            "unit_name": content["unit_name"],
            "title": content["title"],
            "body": body,
            "body_format": content["body_format"],
            "footer": content["footer"],
            "links": links,
            "attachments": [
                {"name": a["name"], "content_type": a["content_type"], "sha256": a["sha256"], "size": a["size"]}
                for a in content["attachments"]
            ],
            "sent": row.sent,
            "recipients": [{"id": recipient.pid, "role": recipient.role} for recipient in recipients],
        }
        if content["booking_id"] is not None:
            data["booking_id"] = content["booking_id"]
        ident = uid_text("document.delivered", row.document_id, str(row.changed))
        self._add("app.documents.v1", "document.delivered.v1", key, ident, row.document_id, row.changed, _json(data), trace)

    def withdrawn(self, row: DocumentRow, key: str) -> None:
        ident = uid_text("document.withdrawn", row.document_id, str(row.changed))
        data: wire.DocumentWithdrawnDict = {"document_id": row.document_id, "at": self.now}
        self._add("app.documents.v1", "document.withdrawn.v1", key, ident, row.document_id, row.changed, _json(data))

    def settled(self, row: DocumentRow, key: str, outcome: str) -> None:
        ident = uid_text("document.settled", row.document_id)
        data = {"document_id": row.document_id, "outcome": outcome, "at": self.now}
        self._add("app.documents.v1", "document.settled.v1", key, ident, row.document_id, row.changed, _json(data))

    def delivery(self, row: DocumentRow, key: str, pid: str, delivery: UUID, operator: Operator, content: dict[str, Any]) -> None:
        ident = uid_text("delivery.requested", str(delivery))
        data = {
            "delivery_id": str(delivery),
            "document_id": row.document_id,
            "patient": pid,
            "channel": "kivra" if operator is Operator.KIVRA else "mina_meddelanden",
            "operator": OPERATORS[operator],
            "kind": KIND_NAMES[Kind(row.kind)],
            "title": content["title"],
            "unit": row.unit,
            "unit_name": content["unit_name"],
        }
        self._add(
            "mailbox.deliveries.v1", "delivery.requested.v1", key, ident, row.document_id, row.changed, _json(data)
        )

    def print_entered(self, row: DocumentRow, entry: PrintRow, key: str, title: str | None) -> None:
        data: dict[str, Any] = {
            "entry_id": str(entry.entry),
            "document_id": row.document_id,
            "unit": row.unit,
            "kind": KIND_NAMES[Kind(row.kind)],
            "reason": entry.reason,
            "entered": entry.entered,
            "attachments": entry.attachments,
            "urgent": entry.urgent,
            "manual_handling": entry.manual,
            "class": "relay" if entry.relay else "ordinary",
        }
        if title is not None:
            data["title"] = title
        if entry.booking_state is not None:
            data["booking_state"] = entry.booking_state
        ident = uid_text("print.entered", row.document_id, str(row.changed))
        self._add("print.entries.v1", "print.entered.v1", key, ident, row.document_id, row.changed, _json(data))

    def print_settled(self, row: DocumentRow, entry: UUID, key: str, outcome: str) -> None:
        data = {
            "entry_id": str(entry),
            "document_id": row.document_id,
            "unit": row.unit,
            "outcome": outcome,
            "at": self.now,
        }
        ident = uid_text("print.settled", row.document_id, str(row.changed))
        self._add("print.entries.v1", "print.settled.v1", key, ident, row.document_id, row.changed, _json(data))

    def notification(self, notify: Notify, about: str, key: str, sequence: int) -> None:
        """V7: each time of a visit has a reminder of its own; of anything else nobody is told twice (N3)."""
        time = (notify.not_after.isoformat(),) if notify.kind == "reminder" else ()
        ident = uid_text("notification", about, notify.kind, notify.recipient.pid, *time)
        data = {
            "notification_id": ident,
            "recipient": notify.recipient.pid,
            "channel": notify.channel,
            "kind": notify.kind,
            "template": notify.template,
            "about": about,
            "not_after": notify.not_after,
        }
        self._add("notifications.v1", "notification.requested.v1", key, ident, about, sequence, _json(data))

    def booking_shown(self, topic: str, row: BookingRow, key: str, pid: str, content: dict[str, Any]) -> None:
        """One booking for the app or the portal; keyed by the booking, partitioned by the person."""
        data = {
            "booking_id": row.booking_id,
            "version": row.version,
            "status": STATUS_NAMES[BookingStatus(row.status)],
            "unit": row.unit,
            "unit_name": content["unit_name"],
            "patient": pid,
            "start": row.start,
            "minutes": row.minutes,
            "time_type": {
                **content["time_type"],
                "hidden": row.hidden,
                "video": VIDEO_NAMES[Video(row.video)],
            },
            "resource": content["resource"],
            "description": content["description"],
            "comment": content["comment"],
            "video": row.wanted,
        }
        ident = uid_text("booking.shown", topic, row.booking_id, str(row.changed))
        self._add(topic, "booking.shown.v1", row.booking_id, ident, row.booking_id, row.changed, _json(data), None, key)

    def booking_hidden(self, topic: str, row: BookingRow, key: str) -> None:
        ident = uid_text("booking.hidden", topic, row.booking_id, str(row.changed))
        data = _json({"booking_id": row.booking_id, "version": row.version})
        self._add(topic, "booking.hidden.v1", row.booking_id, ident, row.booking_id, row.changed, data, None, key)

    def room(self, row: RoomRow, key: str, booking_ids: Sequence[str]) -> None:
        data: dict[str, Any] = {
            "room_id": str(row.room),
            "state": ROOM_STATES[RoomState(row.state)],
            "kind": "group" if row.kind == Video.GROUP else "single",
            "booking_ids": list(booking_ids),
            "unit": row.unit,
            "resource": row.resource,
            "active_at": row.active_at,
            "opens_at": row.opens_at,
            "closes_at": row.closes_at,
        }
        if row.reason is not None:
            data["reason"] = row.reason
        ident = uid_text("room.changed", str(row.room), str(row.changed))
        self._add("video.rooms.v1", "room.changed.v1", str(row.room), ident, str(row.room), row.changed, _json(data), None, key)

    def decision(
        self,
        subject: str,
        subject_id: str,
        sequence: int,
        key: str,
        unit: str,
        kind: str | None,
        trigger: str,
        rule: str,
        outcome: str,
        channels: Sequence[str],
        reason: str | None,
        deadline: datetime | None,
        steps: Sequence[Step],
        trace: str | None = None,
    ) -> tuple[UUID, bytes]:
        """`decision.made.v1`; returns its id and its bytes, which the ledger keeps."""
        ident = uid_text("decision", subject, subject_id, str(sequence))
        data: dict[str, Any] = {
            "decision_id": ident,
            "subject": subject,
            "subject_id": subject_id,
            "unit": unit,
            "trigger": trigger,
            "rule": rule,
            "channels": channels,
            "outcome": outcome,
            "trace": trace_json(steps),
            "config_version": self._config_version,
        }
        if kind is not None:
            data["kind"] = kind
        if reason is not None:
            data["reason"] = reason
        if deadline is not None:
            data["deadline"] = deadline
        value = _json(data)
        self._add("decisions.v1", "decision.made.v1", key, ident, subject_id, sequence, value, trace)
        return ids.of_text(ident), value
