"""One believable event of every type, for the published contracts, the portal developers' page and tests.

Persons are Skatteverket's test numbers (`persons.fictitious`), units those of the sandbox.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, Final

from schemas import persons
from schemas.cloudevents import Envelope, dataschema_of
from schemas.keys import uid_text

UNIT: Final = "SE2321000016-A1"
UNIT_NAME: Final = "Vårdcentralen Norr"
PROVIDER: Final = "SE2321000016-1000"
RESIDENT: Final = persons.fictitious(date(1979, 5, 17), 981)
CHILD: Final = persons.fictitious(date(2019, 8, 2), 982)
GUARDIAN: Final = persons.fictitious(date(1988, 2, 29), 984)
AT: Final = "2026-03-02T09:15:00Z"
DEADLINE: Final = "2026-03-04T09:15:00Z"
PDF_BASE64: Final = "JVBERi0xLjQKJSBzYW1wbGUKJSVFT0YK"
SHA256: Final = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

_TIME_TYPE: Final = {"id": "V1", "name": "Videobesök", "hidden": False, "video": "single"}
_RESOURCE: Final = {"id": "R7", "name": "Distriktssköterska"}
_LETTER: Final = {
    "document_id": "doc-2026-0001",
    "kind": "brev",
    "care_provider": PROVIDER,
    "unit": UNIT,
    "unit_name": UNIT_NAME,
    "patient": RESIDENT,
    "title": "Provsvar",
    "created": "2026-03-02T10:14:58+01:00",
    "dispatch": "e-brev",
    "template": {"id": "T12", "name": "Brev med provsvar"},
    "body": "<p>Hej! Dina prover ser bra ut. Läs mer på https://vard.example/prover.</p>",
    "body_format": "html",
    "footer": "Vårdcentralen Norr [4US:LPAT]",
    "attachments": [],
    "source_system": "TakeCare",
}

SAMPLES: Final[Mapping[str, dict[str, Any]]] = {
    "booking.changed.v1": {
        "booking_id": "bok-2026-0001",
        "version": 1,
        "status": "booked",
        "care_provider": PROVIDER,
        "unit": UNIT,
        "unit_name": UNIT_NAME,
        "patient": RESIDENT,
        "start": "2026-03-09T10:00:00+01:00",
        "minutes": 30,
        "time_type": _TIME_TYPE,
        "resource": _RESOURCE,
        "description": "Uppföljning",
        "comment": "",
        "journal_blocked": False,
        "phone": "+46700000000",
    },
    "time_type.changed.v1": {"unit": UNIT, "time_type": _TIME_TYPE, "as_of": AT},
    "document.submitted.v1": _LETTER,
    "document.submitted.v1.kallelse": _LETTER
    | {
        "document_id": "doc-2026-0002",
        "kind": "kallelse",
        "title": "Kallelse till besök",
        "template": {"id": "T1", "name": "Kallelse"},
        "booking_id": "bok-2026-0001",
        "body": "Du är kallad till besök den 9 mars klockan 10.00.",
        "body_format": "text",
        "footer": "Vårdcentralen Norr",
        "attachments": [
            {
                "name": "Vägbeskrivning.pdf",
                "content_type": "application/pdf",
                "data": PDF_BASE64,
                "shared": True,
                "e_brev": True,
            }
        ],
    },
    "document.submitted.v1.remissbekraftelse": _LETTER
    | {
        "document_id": "doc-2026-0003",
        "kind": "remissbekraftelse",
        "title": "Din remiss är mottagen",
        "template": {"id": "T30", "name": "Remissbekräftelse"},
        "body": "Vi har tagit emot din remiss.",
        "body_format": "text",
        "footer": "Vårdcentralen Norr [4US:RPAT]",
    },
    "person.changed.v1": {
        "patient": RESIDENT,
        "name": "Testa Testsson",
        "born": "1979-05-17",
        "protection": "none",
        "emigrated": False,
        "linked": [],
        "address": {"lines": ["Provgatan 1"], "postal_code": "11122", "city": "Stockholm"},
        "as_of": AT,
    },
    "account.changed.v1": {
        "patient": RESIDENT,
        "account": "active",
        "phone": "+46700000000",
        "by": {"id": RESIDENT, "role": "resident"},
        "as_of": AT,
    },
    "agent.changed.v1": {
        "patient": CHILD,
        "agent": GUARDIAN,
        "relation": "guardian",
        "state": "active",
        "until": "2032-08-02",
        "as_of": AT,
    },
    "mailbox.changed.v1": {
        "patient": RESIDENT,
        "sender": "162321000016",
        "operator": "kivra",
        "accepts": True,
        "as_of": AT,
    },
    "document.read.v1": {
        "document_id": "doc-2026-0001",
        "patient": RESIDENT,
        "read_by": RESIDENT,
        "read_at": "2026-03-02T17:40:11Z",
    },
    "delivery.answered.v1": {
        "delivery_id": uid_text("sample", "delivery"),
        "channel": "kivra",
        "outcome": "accepted",
        "at": "2026-03-02T09:15:03Z",
    },
    "document.delivered.v1": {
        "document_id": "doc-2026-0001",
        "kind": "brev",
        "patient": RESIDENT,
        "unit": UNIT,
        "unit_name": UNIT_NAME,
        "title": "Provsvar",
        "body": _LETTER["body"],
        "body_format": "html",
        "footer": "Vårdcentralen Norr [4US:LPAT]",
        "links": ["https://vard.example/prover"],
        "attachments": [{"name": "Provsvar.pdf", "content_type": "application/pdf", "sha256": SHA256, "size": 48213}],
        "sent": AT,
        "recipients": [{"id": RESIDENT, "role": "resident"}],
    },
    "document.withdrawn.v1": {"document_id": "doc-2026-0001", "at": AT},
    "document.settled.v1": {"document_id": "doc-2026-0001", "outcome": "read", "at": AT},
    "booking.shown.v1": {
        "booking_id": "bok-2026-0001",
        "version": 1,
        "status": "booked",
        "unit": UNIT,
        "unit_name": UNIT_NAME,
        "patient": RESIDENT,
        "start": "2026-03-09T09:00:00Z",
        "minutes": 30,
        "time_type": _TIME_TYPE,
        "resource": _RESOURCE,
        "description": "Uppföljning",
        "comment": "",
        "video": True,
    },
    "booking.hidden.v1": {"booking_id": "bok-2026-0001", "version": 2},
    "delivery.requested.v1": {
        "delivery_id": uid_text("sample", "delivery"),
        "document_id": "doc-2026-0001",
        "patient": RESIDENT,
        "channel": "kivra",
        "operator": "kivra",
        "kind": "brev",
        "title": "Provsvar",
        "unit": UNIT,
        "unit_name": UNIT_NAME,
    },
    "print.entered.v1": {
        "entry_id": uid_text("sample", "entry"),
        "document_id": "doc-2026-0004",
        "unit": UNIT,
        "kind": "brev",
        "title": "Provsvar",
        "reason": "control_code_missing",
        "entered": AT,
        "attachments": 0,
        "urgent": False,
        "manual_handling": False,
        "class": "ordinary",
    },
    "print.settled.v1": {
        "entry_id": uid_text("sample", "entry"),
        "document_id": "doc-2026-0004",
        "unit": UNIT,
        "outcome": "read_late",
        "at": AT,
    },
    "print.handled.v1": {
        "entry_id": uid_text("sample", "entry"),
        "document_id": "doc-2026-0004",
        "unit": UNIT,
        "action": "printed",
        "by": "SE2321000016-LISA",
        "at": AT,
    },
    "notification.requested.v1": {
        "notification_id": uid_text("sample", "notification"),
        "recipient": RESIDENT,
        "channel": "sms",
        "kind": "document",
        "template": "document",
        "about": "doc-2026-0001",
        "not_after": DEADLINE,
    },
    "session.changed.v1": {
        "room_id": uid_text("sample", "room"),
        "state": "joined",
        "participant": uid_text("sample", "participant"),
        "role": "patient",
        "at": AT,
    },
    "room.changed.v1": {
        "room_id": uid_text("sample", "room"),
        "state": "scheduled",
        "kind": "single",
        "booking_ids": ["bok-2026-0001"],
        "unit": UNIT,
        "resource": "R7",
        "active_at": "2026-03-02T09:25:00Z",
        "opens_at": "2026-03-09T08:30:00Z",
        "closes_at": "2026-03-09T10:00:00Z",
    },
    "decision.made.v1": {
        "decision_id": uid_text("sample", "decision"),
        "subject": "document",
        "subject_id": "doc-2026-0004",
        "unit": UNIT,
        "kind": "brev",
        "trigger": "arrival",
        "rule": "R5",
        "reason": "control_code_missing",
        "channels": ["print"],
        "outcome": "print",
        "trace": [
            {
                "rule": "R1",
                "applied": False,
                "because": "the document was sent as e-brev",
                "facts": {"dispatch": "e-brev"},
            },
            {
                "rule": "R5",
                "applied": True,
                "because": "the footer of the template has no control code",
                "facts": {"control_code": "missing"},
            },
        ],
        "config_version": "1",
    },
    "access.logged.v1": {
        "action": "print.list",
        "unit": UNIT,
        "at": AT,
        "user": "SE2321000016-LISA",
        "patient": RESIDENT,
    },
}
"""Data by event type; a suffix after the version names a variant."""


def type_of(name: str) -> str:
    """The event type of a sample: `document.submitted.v1.kallelse` is a `document.submitted.v1`."""
    parts = name.split(".")
    return ".".join(parts[:3])


def envelope_of(name: str) -> Envelope:
    """The context that stands around a sample."""
    ce_type = type_of(name)
    data = SAMPLES[name]
    subject = next((str(data[key]) for key in ("document_id", "booking_id", "room_id") if key in data), None)
    return Envelope(
        id=uid_text("sample", "event", name),
        source="/sample",
        type=ce_type,
        time=datetime(2026, 3, 2, 9, 15, tzinfo=UTC),
        subject=subject,
        dataschema=dataschema_of(ce_type),
    )
