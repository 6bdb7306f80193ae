"""Events that the hub writes (CONTRACTS.md section 3): strict models, the source of the published schemas.

The hot path builds plain dicts (`schemas.wire`) and dumps them by orjson; a test holds the two together.
Optional members (`?`) are left out when there is nothing to say, never written as null.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.fields import (
    ATTACHMENTS_MAX,
    Body,
    Count,
    Description,
    Flag,
    Footer,
    HsaId,
    Id,
    Instant,
    Kind,
    Minutes,
    Name,
    PersonKeyId,
    RuleId,
    Sha256,
    Slug,
    Title,
    Version,
)
from schemas.inbound import Named, TimeType

PrintReason = Literal[
    "deceased",
    "protected_identity",
    "reserve_number",
    "control_code_missing",
    "control_code_other_kind",
    "control_code_outside_footer",
    "control_code_malformed",
    "control_code_unknown",
    "attachment_not_pdf",
    "attachment_not_e_brev",
    "too_large",
    "no_channel",
    "no_account_48h",
    "unread_48h",
    "unread_early",
    "mailbox_refused",
    "unknown_outcome",
    "identity_unverified",
]
"""Why a document stands in the print queue (CONTRACTS.md, print reasons)."""

EntryId = Id


class Outbound(BaseModel):
    """What all outbound events share: nothing unknown, nothing coerced, nothing shown when printed."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    TYPE: ClassVar[str] = ""

    def __repr_args__(self) -> list[tuple[str | None, object]]:
        """Nothing: a body or personal number must not reach a log through `repr`."""
        return []

    def to_json(self) -> bytes:
        """The event's data as JSON bytes; optional members without a value are left out."""
        return self.__pydantic_serializer__.to_json(self, exclude_none=True)


class DeliveredAttachment(Outbound):
    """An attachment of a delivered document: fetched by its hash at the gateway."""

    name: Name
    content_type: Annotated[str, Field(min_length=1, max_length=200)]
    sha256: Sha256
    size: Count


class Recipient(Outbound):
    """Who may read a delivered document, in which role (R7, P7)."""

    id: PersonKeyId
    role: Literal["resident", "guardian", "fullmakt"]


class DocumentDelivered(Outbound):
    """`document.delivered.v1`: a document is in the app."""

    TYPE: ClassVar[str] = "document.delivered.v1"

    document_id: Id
    kind: Kind
    patient: PersonKeyId
    unit: HsaId
    unit_name: Name
    title: Title
    body: Body
    body_format: Literal["text", "html"]
    footer: Footer
    links: tuple[str, ...]
    attachments: Annotated[tuple[DeliveredAttachment, ...], Field(max_length=ATTACHMENTS_MAX)]
    booking_id: Id | None = None
    sent: Instant
    recipients: tuple[Recipient, ...]


class DocumentWithdrawn(Outbound):
    """`document.withdrawn.v1`: a document is no longer in the app (P10); it never says why."""

    TYPE: ClassVar[str] = "document.withdrawn.v1"

    document_id: Id
    at: Instant


class DocumentSettled(Outbound):
    """`document.settled.v1`: the first outcome of a document, once."""

    TYPE: ClassVar[str] = "document.settled.v1"

    document_id: Id
    outcome: Literal["read", "accepted", "recorded"]
    at: Instant


class ShownTimeType(TimeType):
    """A time type in a shown booking: nothing unknown."""

    model_config = ConfigDict(extra="forbid")


class ShownNamed(Named):
    """A resource in a shown booking: nothing unknown."""

    model_config = ConfigDict(extra="forbid")


class BookingShown(Outbound):
    """`booking.shown.v1`: a booking as app or portal shall show it (B2, B3, B8)."""

    TYPE: ClassVar[str] = "booking.shown.v1"

    booking_id: Id
    version: Version
    status: Literal["booked", "rebooked", "cancelled", "arrived"]
    unit: HsaId
    unit_name: Name
    patient: PersonKeyId
    start: Instant
    minutes: Minutes
    time_type: ShownTimeType
    resource: ShownNamed
    description: Description
    comment: Description
    video: Flag


class BookingHidden(Outbound):
    """`booking.hidden.v1`: a booking is no longer to be shown."""

    TYPE: ClassVar[str] = "booking.hidden.v1"

    booking_id: Id
    version: Version


class DeliveryRequested(Outbound):
    """`delivery.requested.v1`: a mailbox connector shall deliver a document (R9)."""

    TYPE: ClassVar[str] = "delivery.requested.v1"

    delivery_id: Id
    document_id: Id
    patient: PersonKeyId
    channel: Literal["kivra", "mina_meddelanden"]
    operator: Literal["kivra", "billo", "minmyndighetspost", "fortnox"]
    kind: Kind
    title: Title
    unit: HsaId
    unit_name: Name


class PrintEntered(Outbound):
    """`print.entered.v1`: an entry of the print queue; the same `entry_id` again is an update."""

    TYPE: ClassVar[str] = "print.entered.v1"
    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True, serialize_by_alias=True)

    entry_id: EntryId
    document_id: Id
    unit: HsaId
    kind: Kind
    title: Title | None = None
    reason: PrintReason
    entered: Instant
    attachments: Count
    urgent: Flag
    manual_handling: Flag
    print_class: Annotated[Literal["ordinary", "relay"], Field(alias="class")]
    booking_state: Literal["rebooked", "cancelled", "passed"] | None = None


class PrintSettled(Outbound):
    """`print.settled.v1`: an entry leaves the to-do list by itself (R13, R15)."""

    TYPE: ClassVar[str] = "print.settled.v1"

    entry_id: EntryId
    document_id: Id
    unit: HsaId
    outcome: Literal["read_late", "accepted_late", "released"]
    at: Instant


class PrintHandled(Outbound):
    """`print.handled.v1`: staff printed, handled or undid an entry (Q3)."""

    TYPE: ClassVar[str] = "print.handled.v1"

    entry_id: EntryId
    document_id: Id
    unit: HsaId
    action: Literal["printed", "handled", "undone"]
    by: HsaId
    at: Instant


class NotificationRequested(Outbound):
    """`notification.requested.v1`: an SMS or push without any content (N1 to N3)."""

    TYPE: ClassVar[str] = "notification.requested.v1"

    notification_id: Id
    recipient: PersonKeyId
    channel: Literal["sms", "push"]
    kind: Literal["document", "booking", "reminder", "invitation", "chat"]
    template: Slug
    about: Id
    not_after: Instant


class SessionChanged(Outbound):
    """`session.changed.v1`: what happened in a meeting (V15)."""

    TYPE: ClassVar[str] = "session.changed.v1"

    room_id: Id
    state: Literal["opened", "waiting", "joined", "left", "admitted", "denied", "removed", "ended"]
    participant: Id | None = None
    role: Literal["staff", "patient", "guest"] | None = None
    at: Instant


class RoomChanged(Outbound):
    """`room.changed.v1`: a video room as it now stands (V1, V2, V4, V6, V8)."""

    TYPE: ClassVar[str] = "room.changed.v1"

    room_id: Id
    state: Literal["scheduled", "active", "closed", "void"]
    kind: Literal["single", "group", "chat", "conference"]
    booking_ids: tuple[Id, ...]
    unit: HsaId
    resource: Annotated[str, Field(max_length=200)]
    active_at: Instant
    opens_at: Instant
    closes_at: Instant
    reason: Slug | None = None


class TraceStep(Outbound):
    """One rule tried: whether it applied, because of what, on which facts (no name, no free text)."""

    rule: RuleId
    applied: Flag
    because: Annotated[str, Field(max_length=300)]
    facts: dict[str, Any]


class DecisionMade(Outbound):
    """`decision.made.v1`: a decision with the trace that explains it."""

    TYPE: ClassVar[str] = "decision.made.v1"

    decision_id: Id
    subject: Literal["document", "booking", "room"]
    subject_id: Id
    unit: HsaId
    kind: Slug | None = None
    trigger: Literal["arrival", "deadline", "answer", "receipt", "resident", "operator", "replay"]
    rule: RuleId
    reason: Slug | None = None
    channels: tuple[Literal["app", "mailbox", "print"], ...]
    outcome: Literal["deliver", "wait", "print", "settle", "record", "drop"]
    deadline: Instant | None = None
    trace: tuple[TraceStep, ...]
    config_version: Annotated[str, Field(min_length=1, max_length=80)]


class AccessLogged(Outbound):
    """`access.logged.v1`: who did what with whose data, where and when (HSLF-FS 2016:40 4 kap. 9 §)."""

    TYPE: ClassVar[str] = "access.logged.v1"

    action: Slug
    unit: HsaId
    at: Instant
    user: Id
    patient: PersonKeyId | None = None
    about: Id | None = None
