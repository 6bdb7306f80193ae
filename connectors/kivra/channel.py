"""Kivra as a mailbox channel: the port of `connectors.channels` over the client."""

import ssl
from collections.abc import Mapping, Sequence
from typing import Self
from uuid import UUID

from connectors.channels import Letter, Operator, Sent
from connectors.kivra.client import LIMITS, KivraClient
from connectors.kivra.wire import Sender, content
from connectors.peer import Limits
from schemas.errors import Rejected


class Kivra:
    """A `MailboxChannel`. `dedupes` is what Kivra promises in production, and not in its own sandbox. Use as an async
    context manager."""

    name = "kivra"

    def __init__(
        self, url: str, sender: Sender, *, dedupes: bool = True, tls: ssl.SSLContext | None = None, limits: Limits = LIMITS
    ) -> None:
        self.client = KivraClient(url, sender, tls=tls, limits=limits)
        self._dedupes = dedupes

    async def __aenter__(self) -> Self:
        await self.client.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.__aexit__()

    @property
    def dedupes(self) -> bool:
        return self._dedupes

    def encode(self, letter: Letter) -> bytes:
        return content(letter)

    async def send(self, request: bytes, *, recipient: str, operator: Operator, delivery_id: UUID) -> Sent:
        if operator != "kivra":
            raise Rejected("another_operator")
        return Sent(await self.client.send(request, recipient))

    async def reach(self, people: Sequence[str]) -> Mapping[str, Mapping[Operator, bool]]:
        found = await self.client.match(people)
        return {person: {"kivra": person in found} for person in people}
