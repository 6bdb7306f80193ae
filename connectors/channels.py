"""What a channel is to the process that delivers: it makes a request once, and sends the kept bytes as often as it must.

A mailbox connector gives a `MailboxChannel`, an SMS connector a `TextChannel`. `encode` is pure (keys and settings are the
channel's own, time comes with the letter), its bytes are kept in the ledger and are the same at every try (ARCHITECTURE
decision 5). `send` and `reach` move bytes; they raise the three failures of `schemas.errors` and nothing else:
`Rejected` (this channel does not take it, never repeat), `Unavailable` (nothing was done, repeat later), `Uncertain`
(it may have been done). What the rules need to know of a channel (sizes, ages, receipts) stands in
`schemas/capabilities.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple, Protocol
from uuid import UUID

from schemas.fields import Kind

Operator = Literal["kivra", "billo", "minmyndighetspost", "fortnox"]


@dataclass(frozen=True, slots=True)
class Enclosure:
    """An attachment as the EHR sent it; always PDF (C5)."""

    name: str = field(repr=False)
    content_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Letter:
    """A rendered document for one mailbox. Not printed: it is personal data."""

    delivery_id: UUID
    recipient: str = field(repr=False)
    """12 digits, the current number."""
    operator: Operator
    kind: Kind
    title: str = field(repr=False)
    """The document's own name, a care reason for all we know: inside the sealed letter only, never a subject."""
    html: str = field(repr=False)
    """Body and footer as sanitised HTML with clickable links (C6): a whole valid document, no foreign references."""
    pdf: bytes = field(repr=False)
    """The same as PDF/A."""
    enclosures: tuple[Enclosure, ...]
    unit: str
    unit_name: str
    sent: datetime
    """When the hub took the document in: the time that stands in the letter."""


class Sent(NamedTuple):
    """The peer took it. `reference` is the peer's own name of it, in a form that may be logged; empty: it gave none."""

    reference: str = ""


class MailboxChannel(Protocol):
    """One path to mailboxes."""

    @property
    def name(self) -> str:
        """`kivra` or `mina_meddelanden`, as in `delivery.requested.v1`."""
        ...

    @property
    def dedupes(self) -> bool:
        """Whether the peer recognises the same bytes and takes them once: only then is an `Uncertain` send repeated."""
        ...

    def encode(self, letter: Letter) -> bytes:
        """The request to keep. Costly where it signs: called outside the event loop. Raises `Rejected("too_large")`."""
        ...

    async def send(self, request: bytes, *, recipient: str, operator: Operator, delivery_id: UUID) -> Sent:
        """Hand the kept request over, once. `recipient` and `operator` say where it goes; they are in the request too."""
        ...

    async def reach(self, people: Sequence[str]) -> Mapping[str, Mapping[Operator, bool]]:
        """Which mailboxes of this path these people have: operator -> whether it accepts mail from our sender number.

        Every operator of the path is answered for everybody asked about, so "none" is told, too. Never called with a
        protected person (P1), a minor or a reserve number: the caller knows.
        """
        ...


@dataclass(frozen=True, slots=True)
class Text:
    """An SMS of fixed words (N2)."""

    notification_id: UUID
    to: str = field(repr=False)
    """E.164."""
    words: str
    callback_url: str = field(repr=False)
    """Where delivery reports go; its last part is a token of its own."""

    @property
    def report_token(self) -> str:
        """The token alone, for a provider that has one address for all reports and tells a reference of ours in each."""
        return self.callback_url.rpartition("/")[2]


class TextChannel(Protocol):
    """One SMS provider."""

    @property
    def name(self) -> str: ...

    def encode(self, text: Text) -> bytes: ...

    async def send(self, request: bytes, *, notification_id: UUID) -> Sent: ...
