"""Events that come in (CONTRACTS.md section 3): frozen models, unknown fields ignored, known ones checked.

A field that the contract does not mark with `?` is required, but for texts and lists whose absence can mean
only one thing (`description`, `comment`, `footer`, `attachments`, `linked`) and `care_provider`, which the
settings know by the unit.
"""

from datetime import UTC, datetime
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from schemas import html
from schemas.fields import (
    ATTACHMENTS_MAX,
    LINKED_MAX,
    Base64,
    BirthDay,
    Body,
    Day,
    Description,
    DoubledHour,
    Flag,
    Footer,
    HsaId,
    Id,
    Instant,
    Kind,
    LocalInstant,
    Minutes,
    Name,
    OrgNumber,
    PersonId,
    Phone,
    Sha256Ref,
    Slug,
    Title,
    Version,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Inbound(BaseModel):
    """What all inbound events share. A model never shows its content when printed: logs take only ids."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, ser_json_inf_nan="null", validate_default=False)
    TYPE: ClassVar[str] = ""

    def __repr_args__(self) -> list[tuple[str | None, object]]:
        """Nothing: a body or personal number must not reach a log through `repr`."""
        return []


class TimeType(Inbound):
    """A booking's time type (tidstyp): hidden or not (B2), video or not (V1, V8)."""

    id: Id
    name: Name
    hidden: Flag
    video: Literal["none", "single", "group"]


class Named(Inbound):
    """An id with its name: a resource, a template."""

    id: Id
    name: Name


class BookingChanged(Inbound):
    """`booking.changed.v1`: a booking as it now stands in the EHR; `revision` decides (B6)."""

    TYPE: ClassVar[str] = "booking.changed.v1"

    booking_id: Id
    version: Version | None = None
    updated_at: LocalInstant | None = None
    status: Literal["booked", "rebooked", "cancelled", "arrived"]
    care_provider: HsaId | None = None
    unit: HsaId
    unit_name: Name
    patient: PersonId
    start: LocalInstant
    minutes: Minutes
    time_type: TimeType
    resource: Named
    description: Description = ""
    comment: Description = ""
    journal_blocked: Flag
    till_registered_at: LocalInstant | None = None
    phone: Phone | None = None

    @model_validator(mode="after")
    def _needs_an_order(self) -> Self:
        if self.version is None and self.updated_at is None:
            raise PydanticCustomError("order_missing", "needs version or updated_at")
        return self

    @property
    def revision(self) -> int:
        """What orders the states of one booking: `version`, else `updated_at` in microseconds since 1970."""
        if self.version is not None:
            return self.version
        assert self.updated_at is not None
        since = self.updated_at - _EPOCH
        return max(0, (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds)

    @property
    def start_doubled(self) -> bool:
        """The start named the doubled autumn hour without a zone; the earlier one was taken."""
        return isinstance(self.start, DoubledHour)


class TimeTypeChanged(Inbound):
    """`time_type.changed.v1`: a time type's settings changed; bookings already known are judged again (B2)."""

    TYPE: ClassVar[str] = "time_type.changed.v1"

    unit: HsaId
    time_type: TimeType
    as_of: LocalInstant


class Attachment(Inbound):
    """An attachment (C5): its bytes, or the SHA-256 of bytes that the hub has already."""

    name: Name
    content_type: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[\x20-\x7e]*$")]
    data: Base64 | None = None
    ref: Sha256Ref | None = None
    shared: Flag
    e_brev: Flag

    @model_validator(mode="after")
    def _one_content(self) -> Self:
        if (self.data is None) == (self.ref is None):
            raise PydanticCustomError("content", "needs exactly one of data and ref")
        return self


class DocumentSubmitted(Inbound):
    """`document.submitted.v1`: a kallelse, letter or referral confirmation to route (R1 to R15)."""

    TYPE: ClassVar[str] = "document.submitted.v1"

    document_id: Id
    kind: Kind
    care_provider: HsaId | None = None
    unit: HsaId
    unit_name: Name
    patient: PersonId
    title: Title
    created: LocalInstant
    dispatch: Literal["e-brev", "paper", "direct", "phone"]
    template: Named
    booking_id: Id | None = None
    body: Body
    body_format: Literal["text", "html"]
    footer: Footer = ""
    attachments: Annotated[tuple[Attachment, ...], Field(max_length=ATTACHMENTS_MAX)] = ()
    source_system: Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f]*$")]

    @model_validator(mode="after")
    def _can_be_cleaned(self) -> Self:
        if self.body_format == "html" and html.is_costly(self.body):
            raise PydanticCustomError("costly", "body has markup nested too deep or too much of it")
        return self


class Address(Inbound):
    """A person's address as the register writes it."""

    care_of: Name | None = None
    lines: Annotated[tuple[Name, ...], Field(min_length=1, max_length=2)]
    postal_code: Annotated[str, Field(max_length=20, pattern=r"^[^\x00-\x1f\x7f]*$")]
    city: Name
    country: Name | None = None


class PersonChanged(Inbound):
    """`person.changed.v1`: what the register knows (P1 to P4, P8)."""

    TYPE: ClassVar[str] = "person.changed.v1"

    patient: PersonId
    name: Name
    born: BirthDay | None = None
    protection: Literal["none", "sekretessmarkering", "skyddad_folkbokforing"]
    deceased: Day | None = None
    emigrated: Flag
    replaced_by: PersonId | None = None
    linked: Annotated[tuple[PersonId, ...], Field(max_length=LINKED_MAX)] = ()
    address: Address | None = None
    as_of: Instant


class Actor(Inbound):
    """Who changed an account, in which role (P5)."""

    id: Id
    role: Literal["resident", "staff"]


class AccountChanged(Inbound):
    """`account.changed.v1`: an account in the app opened, blocked, unblocked or closed (P5)."""

    TYPE: ClassVar[str] = "account.changed.v1"

    patient: PersonId
    account: Literal["none", "active", "blocked"]
    phone: Phone | None = None
    by: Actor | None = None
    present: HsaId | None = None
    as_of: Instant


class AgentChanged(Inbound):
    """`agent.changed.v1`: a guardian's or proxy's link to a resident (P7)."""

    TYPE: ClassVar[str] = "agent.changed.v1"

    patient: PersonId
    agent: PersonId
    relation: Literal["guardian", "fullmakt"]
    state: Literal["active", "inactive", "blocked"]
    until: Day | None = None
    as_of: Instant


class MailboxChanged(Inbound):
    """`mailbox.changed.v1`: whether a person's mailbox accepts mail from a sender (R9)."""

    TYPE: ClassVar[str] = "mailbox.changed.v1"

    patient: PersonId
    sender: OrgNumber
    operator: Literal["kivra", "billo", "minmyndighetspost", "fortnox"]
    accepts: Flag
    as_of: Instant


class DocumentRead(Inbound):
    """`document.read.v1`: somebody opened a document in the app (R11, R13)."""

    TYPE: ClassVar[str] = "document.read.v1"

    document_id: Id
    patient: PersonId
    read_by: PersonId
    read_at: Instant


class DeliveryAnswered(Inbound):
    """`delivery.answered.v1`: a channel's answer to a delivery (R11, R12)."""

    TYPE: ClassVar[str] = "delivery.answered.v1"

    delivery_id: Id
    channel: Slug
    outcome: Literal["accepted", "refused", "unknown"]
    code: Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")] | None = None
    at: Instant
