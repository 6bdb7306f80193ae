"""The two SMS channels over HTTP, one exchange a text: `Elks46` and `LinkMobility`, both a `TextChannel`.

Neither provider recognises repeats: a text whose answer was lost is `Uncertain` and stays so. One too few is a nuisance,
two at night are a fault (N3).
"""

import ssl
from types import TracebackType
from typing import Final, Self
from uuid import UUID

from connectors.channels import Sent, Text
from connectors.peer import Limits, Peer
from connectors.sms import elks, linkmobility
from connectors.sms.wire import Sender

LIMITS: Final = Limits(
    connect_s=3.0, silence_s=10.0, total_s=20.0, connections_max=8, answer_bytes_max=64 * 1024, request_bytes_max=16 * 1024
)


class _Connected:
    """What both hold: a sender and a connection. Use as an async context manager."""

    def __init__(self, url: str, sender: Sender, *, tls: ssl.SSLContext | None = None, limits: Limits = LIMITS) -> None:
        self._sender = sender
        self.peer = Peer(url, limits, tls)

    async def __aenter__(self) -> Self:
        await self.peer.__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.peer.__aexit__(kind, error, trace)


class Elks46(_Connected):
    """46elks, with delivery reports to the text's callback URL."""

    name = "46elks"

    def encode(self, text: Text) -> bytes:
        return elks.content(text, self._sender)

    async def send(self, request: bytes, *, notification_id: UUID) -> Sent:
        return Sent(await self.peer.exchange(elks.call(request, self._sender), elks.decode))


class LinkMobility(_Connected):
    """LINK Mobility, with delivery reports where it has a gate for them."""

    name = "linkmobility"

    def __init__(
        self, url: str, sender: Sender, *, platform: str, partner: str, gate: str = "", tls: ssl.SSLContext | None = None,
        limits: Limits = LIMITS,
    ) -> None:  # fmt: skip
        super().__init__(url, sender, tls=tls, limits=limits)
        self._platform = platform
        self._partner = partner
        self._gate = gate

    def encode(self, text: Text) -> bytes:
        return linkmobility.content(text, self._sender, self._platform, self._partner, self._gate)

    async def send(self, request: bytes, *, notification_id: UUID) -> Sent:
        return Sent(await self.peer.exchange(linkmobility.call(request, self._sender), linkmobility.decode))
