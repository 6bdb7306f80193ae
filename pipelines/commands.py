"""From Kafka's records to commands: what each record asks the ledger for, checked, with its keys worked out.

Pure. A record that cannot be understood becomes a `Refused` with class and cause; the rest of the batch goes on. Source rights are
judged here too (CONTRACTS section 3: class `not_allowed`), since whoever may write to `ehr.*` has passed no gateway.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import orjson

from pipelines import ids
from pipelines.rules import attachments as attachment_rule
from pipelines.rules import control_code
from pipelines.rules.model import AttachmentVerdict, BookingStatus, CodeVerdict, Kind, Video
from schemas import events, html
from schemas.cloudevents import Envelope, PersonKeys, decode_record
from schemas.errors import DeadLetterClass, Malformed
from schemas.fields import unflagged
from schemas.policy import Policy

KINDS: Final = {"kallelse": Kind.KALLELSE, "brev": Kind.BREV, "remissbekraftelse": Kind.REMISSBEKRAFTELSE}
KIND_NAMES: Final = {kind: name for name, kind in KINDS.items()}
VIDEOS: Final = {"none": Video.NONE, "single": Video.SINGLE, "group": Video.GROUP}
VIDEO_NAMES: Final = {video: name for name, video in VIDEOS.items()}
STATUSES: Final = {
    "booked": BookingStatus.BOOKED,
    "rebooked": BookingStatus.REBOOKED,
    "cancelled": BookingStatus.CANCELLED,
    "arrived": BookingStatus.ARRIVED,
}
STATUS_NAMES: Final = {status: name for name, status in STATUSES.items()}
PEOPLE_CACHED: Final = 16_384
ALLOWED_MAX: Final = 10_000
"""Answers kept to which source may send what for which unit: the settings do not change while a part runs."""
FUNCTION_OF: Final = {"time_type": "booking"}
"""Time types belong to the function that the settings call booking."""
PDF: Final = b"%PDF-"
"""Bytes that are only named by their hash are judged when they are known (`Documents.resolve_refs`)."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a command comes from. `sent` is Kafka's append time as hub time: a backlog delays no deadline (DOMAIN 3)."""

    topic: str
    partition: int
    offset: int
    sent: datetime
    event: UUID
    envelope: Envelope


@dataclass(frozen=True, slots=True)
class Refused:
    """A fault in the data. `record` is the original, to be kept encrypted."""

    topic: str
    partition: int
    offset: int
    kind: DeadLetterClass
    cause: str
    record: Any


@dataclass(frozen=True, slots=True)
class Blob:
    sha: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class Content:
    """What a document says: `data` is stored by its hash, `parts` are the same before they became bytes."""

    sha: bytes
    data: bytes
    parts: dict[str, Any]


@dataclass(slots=True)
class DocumentIn:
    """A submitted document, judged as far as its own content goes: control code (R5), attachments (R6), size (C10)."""

    origin: Origin
    record: Any
    doc: UUID
    document_id: str
    person: UUID
    pid: str
    unit: str
    kind: Kind
    source: str
    e_brev: bool
    booking: UUID | None
    digest: UUID
    code: CodeVerdict
    attachments: AttachmentVerdict
    size: int
    files: int
    content: Content | None
    blobs: tuple[Blob, ...]
    refs: tuple[bytes, ...]


@dataclass(slots=True)
class BookingIn:
    origin: Origin
    record: Any
    booking: UUID
    person: UUID
    pid: str
    data: events.BookingChanged
    digest: UUID
    content: bytes
    knows_time_types: bool = True
    """Its source may say what a time type is (B2). Others' flags count only where nothing is known of it."""


@dataclass(slots=True)
class TimeTypeIn:
    origin: Origin
    record: Any
    data: events.TimeTypeChanged


@dataclass(slots=True)
class PersonIn:
    origin: Origin
    record: Any
    person: UUID
    data: events.PersonChanged


@dataclass(slots=True)
class AccountIn:
    origin: Origin
    record: Any
    person: UUID
    data: events.AccountChanged


@dataclass(slots=True)
class AgentIn:
    origin: Origin
    record: Any
    person: UUID
    agent: UUID
    data: events.AgentChanged


@dataclass(slots=True)
class MailboxIn:
    origin: Origin
    record: Any
    person: UUID
    data: events.MailboxChanged


@dataclass(slots=True)
class ReadIn:
    origin: Origin
    record: Any
    doc: UUID
    reader: UUID
    data: events.DocumentRead


@dataclass(slots=True)
class AnswerIn:
    origin: Origin
    record: Any
    delivery: UUID
    data: events.DeliveryAnswered


@dataclass(slots=True)
class ReportIn:
    """`delivery.answered.v1` of channel `sms`: a provider's delivery report about a notification."""

    origin: Origin
    record: Any
    send: UUID
    data: events.DeliveryAnswered


@dataclass(slots=True)
class SessionIn:
    """`session.changed.v1` with state `opened`: the room was opened (V4)."""

    origin: Origin
    record: Any
    room: UUID
    at: datetime


Command = (
    DocumentIn | BookingIn | TimeTypeIn | PersonIn | AccountIn | AgentIn | MailboxIn | ReadIn | AnswerIn | ReportIn | SessionIn
)

TOPIC_TYPES: Final[dict[str, frozenset[str]]] = {
    "ehr.bookings.v1": frozenset({"booking.changed.v1", "time_type.changed.v1"}),
    "ehr.letters.v1": frozenset({"document.submitted.v1"}),
    "ehr.referrals.v1": frozenset({"document.submitted.v1"}),
    "persons.v1": frozenset({"person.changed.v1"}),
    "accounts.v1": frozenset({"account.changed.v1"}),
    "agents.v1": frozenset({"agent.changed.v1"}),
    "mailboxes.v1": frozenset({"mailbox.changed.v1"}),
    "receipts.v1": frozenset({"document.read.v1", "delivery.answered.v1"}),
    "video.sessions.v1": frozenset({"session.changed.v1"}),
}
"""What the workers consume, and the event types each topic may hold."""

TOPIC_KINDS: Final = {
    "ehr.letters.v1": frozenset({"kallelse", "brev"}),
    "ehr.referrals.v1": frozenset({"remissbekraftelse"}),
}


class Decoder:
    """Records in, commands out. Holds what decoding needs to know: keys, rights, how append times become hub time."""

    def __init__(self, keys: PersonKeys, policy: Policy, mapping: Callable[[], Callable[[float], datetime]]) -> None:
        self.keys = keys
        self.policy = policy
        self._mapping = mapping
        self._allowed: set[tuple[str, str, str]] = set()
        self.person = lru_cache(maxsize=PEOPLE_CACHED)(self._person)
        self._makers: dict[str, Callable[[Origin, Any, Any], Command | None]] = {
            "document.submitted.v1": self._document,
            "booking.changed.v1": self._booking,
            "time_type.changed.v1": self._time_type,
            "person.changed.v1": lambda origin, record, data: PersonIn(origin, record, self.person(data.patient), data),
            "account.changed.v1": lambda origin, record, data: AccountIn(origin, record, self.person(data.patient), data),
            "agent.changed.v1": self._agent,
            "mailbox.changed.v1": lambda origin, record, data: MailboxIn(origin, record, self.person(data.patient), data),
            "document.read.v1": lambda origin, record, data: ReadIn(
                origin, record, ids.document(data.document_id), self.person(data.read_by), data
            ),
            "delivery.answered.v1": self._answer,
            "session.changed.v1": self._session,
        }

    def _person(self, pid: str) -> UUID:
        return ids.fast(self.keys.uuid(pid).bytes)

    def decode(self, topic: str, records: Iterable[Any]) -> list[Command | Refused]:
        """One command or refusal a record, in order; tombstones and events that ask for nothing give none."""
        found: list[Command | Refused] = []
        allowed = TOPIC_TYPES[topic]
        at = self._mapping()
        for record in records:
            if record.value is None:
                continue
            try:
                envelope, data = decode_record(record.headers, record.value)
                if envelope.type not in allowed:
                    raise _Refusal("unknown_type", f"/ce_type: is no event of {topic}")
                model = events.decode(envelope.type, data)
                origin = Origin(
                    topic,
                    record.partition,
                    record.offset,
                    at(record.timestamp / 1000),
                    ids.fast(envelope.key),
                    envelope,
                )
                command = self._makers[envelope.type](origin, record, model)
                if command is not None:
                    found.append(command)
            except _Refusal as refusal:
                found.append(Refused(topic, record.partition, record.offset, refusal.kind, refusal.cause, record))
            except Malformed as fault:
                found.append(Refused(topic, record.partition, record.offset, fault.dead_letter, fault.cause, record))
        return found

    def _rights(self, source_name: str, what: str, unit: str) -> None:
        """CONTRACTS section 3: a kind or unit that the settings give this source no right to is `not_allowed`."""
        if (source_name, what, unit) in self._allowed:
            return
        self._judge_rights(source_name, what, unit)
        if len(self._allowed) < ALLOWED_MAX:
            self._allowed.add((source_name, what, unit))

    def _judge_rights(self, source_name: str, what: str, unit: str) -> None:
        source = self.policy.sources.get(source_name)
        if source is None:
            raise _Refusal("not_allowed", "/source_system: is no source of the settings")
        if what not in source.kinds:
            raise _Refusal("not_allowed", f"/kind: {source_name} may not send {what}")
        if not source.covers(unit):
            raise _Refusal("not_allowed", f"/unit: is not a unit of {source_name}")
        if (function := FUNCTION_OF.get(what, what)) not in self.policy.unit(unit).active:
            raise _Refusal("not_allowed", f"/unit: {function} is not active for this unit")

    def _document(self, origin: Origin, record: Any, data: events.DocumentSubmitted) -> DocumentIn:
        kind = KINDS[data.kind]
        if data.kind not in TOPIC_KINDS[origin.topic]:
            raise _Refusal("malformed", f"/kind: {data.kind} does not belong on {origin.topic}")
        source = data.source_system.lower()
        self._rights(source, data.kind, data.unit)
        e_brev = data.dispatch == "e-brev"
        files = [
            {
                "name": item.name,
                "content_type": item.content_type,
                "sha256": (item.ref or "sha256:")[7:] if item.data is None else sha256(item.data).hexdigest(),
                "size": len(item.data or b""),
                "shared": item.shared,
                "e_brev": item.e_brev,
            }
            for item in data.attachments
        ]
        digest = ids.digest(
            orjson.dumps(
                (
                    data.kind, data.unit, data.patient, data.title, data.created, data.dispatch, data.template.id,
                    data.booking_id, data.body, data.body_format, data.footer, files,
                ),
                default=unflagged,
            )
        )  # fmt: skip
        size = len(data.body.encode()) + len(data.footer.encode()) + sum(len(item.data or b"") for item in data.attachments)
        content: Content | None = None
        blobs: tuple[Blob, ...] = ()
        refs: tuple[bytes, ...] = ()
        code, verdict = CodeVerdict.NOT_NEEDED, AttachmentVerdict.RIGHT
        if e_brev:
            source_rule = self.policy.sources[source]
            code = control_code.judge(kind, _words(kind, data), data.footer, source_rule.control_codes)
            if files:
                verdict = attachment_rule.judge(
                    [
                        attachment_rule.AttachmentFacts(
                            item.content_type, PDF if item.data is None else item.data[:8], item.shared, item.e_brev
                        )
                        for item in data.attachments
                    ]
                )
                blobs = tuple(
                    Blob(bytes.fromhex(str(known["sha256"])), item.data)
                    for item, known in zip(data.attachments, files, strict=True)
                    if item.data is not None
                )
                refs = tuple(
                    bytes.fromhex(str(known["sha256"]))
                    for item, known in zip(data.attachments, files, strict=True)
                    if item.data is None
                )
            parts = {
                "title": data.title,
                "unit_name": data.unit_name,
                "body": data.body,
                "body_format": data.body_format,
                "footer": data.footer,
                "booking_id": data.booking_id,
                "template": data.template.id,
                "attachments": files,
            }
            body = orjson.dumps(parts)
            content = Content(sha256(body).digest(), body, parts)
        return DocumentIn(
            origin, record, ids.document(data.document_id), data.document_id, self.person(data.patient), data.patient,
            data.unit, kind, source, e_brev, ids.booking(data.booking_id) if data.booking_id else None, digest, code,
            verdict, size, len(files), content, blobs, refs,
        )  # fmt: skip

    def _booking(self, origin: Origin, record: Any, data: events.BookingChanged) -> BookingIn:
        named = self._source_of(origin.envelope)
        self._rights(named, "booking", data.unit)
        source = self.policy.source(named)
        content = orjson.dumps(
            {
                "unit_name": data.unit_name,
                "time_type": {"id": data.time_type.id, "name": data.time_type.name},
                "resource": {"id": data.resource.id, "name": data.resource.name},
                "description": data.description,
                "comment": data.comment,
                "phone": data.phone,
                "version": data.version,
            }
        )
        digest = ids.digest(
            orjson.dumps(
                (
                    content.decode(), data.status, data.unit, data.patient, data.start, data.minutes,
                    data.time_type.hidden, data.time_type.video, data.journal_blocked, data.till_registered_at,
                ),
                default=unflagged,
            )
        )  # fmt: skip
        return BookingIn(
            origin, record, ids.booking(data.booking_id), self.person(data.patient), data.patient, data, digest, content,
            source is None or "time_type" in source.kinds,
        )  # fmt: skip

    def _time_type(self, origin: Origin, record: Any, data: events.TimeTypeChanged) -> TimeTypeIn:
        self._rights(self._source_of(origin.envelope), "time_type", data.unit)
        return TimeTypeIn(origin, record, data)

    def _agent(self, origin: Origin, record: Any, data: events.AgentChanged) -> AgentIn:
        if data.agent == data.patient:
            raise _Refusal("malformed", "/agent: is the patient")
        return AgentIn(origin, record, self.person(data.patient), self.person(data.agent), data)

    def _answer(self, origin: Origin, record: Any, data: events.DeliveryAnswered) -> AnswerIn | ReportIn:
        ident = _uuid(data.delivery_id, "/delivery_id")
        return ReportIn(origin, record, ident, data) if data.channel == "sms" else AnswerIn(origin, record, ident, data)

    def _session(self, origin: Origin, record: Any, data: Any) -> SessionIn | None:
        return SessionIn(origin, record, _uuid(data.room_id, "/room_id"), data.at) if data.state == "opened" else None

    def _source_of(self, envelope: Envelope) -> str:
        """Bookings name no system: the settings' source that `ce_source` names, else TakeCare."""
        lowered = envelope.source.lower()
        return next((name for name in self.policy.sources if name in lowered), "takecare")


class _Refusal(Exception):
    def __init__(self, kind: DeadLetterClass, cause: str) -> None:
        super().__init__(cause)
        self.kind: DeadLetterClass = kind
        self.cause = cause


def _words(kind: Kind, data: events.DocumentSubmitted) -> str:
    """The body as its reader sees it: a code may be cut by markup. Not needed when the footer has the right one (C1)."""
    if data.body_format == "text" or control_code.CODES.get(kind, "") in data.footer:
        return data.body
    return html.plain(data.body)


def _uuid(text: str, pointer: str) -> UUID:
    try:
        return ids.fast(UUID(text).bytes)
    except ValueError:
        raise _Refusal("unknown_document", f"{pointer}: is no id that the hub gave") from None
