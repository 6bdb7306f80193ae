"""What a lane needs: the ledger's rows (`pipelines.ledger.sends.Sends`), a renderer, and channels under one face."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple, Protocol
from uuid import UUID

from connectors.channels import Sent
from schemas.fields import Kind


class Due(Protocol):
    """A row handed to this process; `ready`: its bytes are kept and it is claimed, else it is to be made."""

    @property
    def send(self) -> UUID: ...
    @property
    def ready(self) -> bool: ...
    @property
    def kind(self) -> str: ...
    @property
    def template(self) -> str | None: ...
    @property
    def attempts(self) -> int: ...
    @property
    def repeats(self) -> int:
        """Tries in doubt that were made by themselves; below zero: the desk has ruled that it goes once more."""
        ...
    @property
    def in_doubt(self) -> bool: ...
    @property
    def requested_at(self) -> datetime: ...


class Launched(Protocol):
    """In flight: these bytes may be sent, once."""

    @property
    def number(self) -> int: ...
    @property
    def request(self) -> bytes: ...
    @property
    def recipient(self) -> str: ...
    @property
    def operator(self) -> str | None: ...


class Untold(Protocol):
    """An answer that the pipelines have not been told of; `number` counts the answers of one send."""

    @property
    def send(self) -> UUID: ...
    @property
    def number(self) -> int: ...
    @property
    def channel(self) -> str: ...
    @property
    def outcome(self) -> str: ...
    @property
    def code(self) -> str | None: ...
    @property
    def at(self) -> datetime: ...
    @property
    def pid(self) -> str: ...


class Ledger(Protocol):
    """See `pipelines.ledger.sends.Sends`, which is this."""

    async def take(self, channel: str, now: datetime, limit: int) -> Sequence[Due]: ...
    async def prepare(self, send: UUID, now: datetime) -> Any: ...
    async def rendered(self, send: UUID, request: bytes, person: UUID, now: datetime) -> bool: ...
    async def refuse(self, send: UUID, code: str, now: datetime) -> None: ...
    async def postpone(self, send: UUID, why: str, pause: timedelta, now: datetime) -> None: ...
    async def launch(self, send: UUID, now: datetime, to: str | None = None) -> Launched | None: ...
    async def record(
        self, send: UUID, number: int, event: Any, outcome: str, now: datetime, *, code: str | None, reference: str | None,
        written: bool | None, why: str | None, pause: timedelta, in_doubt: bool, repeat: bool,
    ) -> None: ...  # fmt: skip


class Content(NamedTuple):
    """A document to render. `sent`: the one time that stands in the letter."""

    kind: Kind
    title: str
    body: str
    body_format: Literal["text", "html"]
    footer: str
    unit_name: str
    sent: datetime

    def __repr__(self) -> str:
        """Without the words: they are personal data."""
        return f"Content(kind={self.kind!r})"


class Rendered(Protocol):
    """The same letter twice: a whole HTML document and PDF/A."""

    @property
    def html(self) -> str: ...
    @property
    def pdf(self) -> bytes: ...


Render = Callable[[Content], Rendered]
"""Costly: called outside the event loop. The same content gives the same bytes."""


@dataclass(frozen=True, slots=True)
class Made:
    """A request ready to keep, and whom it is for. `to`: the number that a text was written for."""

    request: bytes = field(repr=False)
    person: UUID
    to: str | None = field(default=None, repr=False)


class Carrier(Protocol):
    """One peer as a lane sees it: mailboxes and texts alike (`carriers.py`)."""

    @property
    def name(self) -> str: ...
    @property
    def dedupes(self) -> bool: ...
    def make(self, due: Due, prepared: Any) -> Made: ...
    async def send(self, due: Due, launched: Launched) -> Sent: ...
