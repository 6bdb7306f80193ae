"""Asks TakeCare eXchange for a patient's bookings (B5)."""

import ssl
from collections.abc import Callable
from datetime import datetime
from typing import Final, Self

from connectors.peer import Limits, Peer
from connectors.takecare_exchange.wire import ANSWER_BYTES_MAX, Account, Booked, decode, encode

LIMITS: Final = Limits(
    connect_s=3.0, silence_s=15.0, total_s=20.0, connections_max=4, answer_bytes_max=ANSWER_BYTES_MAX, request_bytes_max=16 * 1024
)


class ExchangeClient:
    """One account's connection. `url` is the service's own address. Use as an async context manager."""

    def __init__(
        self, url: str, account: Account, now: Callable[[], datetime], *, tls: ssl.SSLContext | None = None, limits: Limits = LIMITS
    ) -> None:
        self._account = account
        self._now = now
        self.peer = Peer(url, limits, tls)

    async def __aenter__(self) -> Self:
        await self.peer.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.peer.__aexit__(None, None, None)

    async def bookings(self, patient: str | None, unit: str) -> tuple[Booked, ...]:
        """All bookings of a normalised person id (None: of everybody) at a unit. Raises the three failures; a question does no harm."""
        question = encode(patient, unit, self._account, self._now())
        return await self.peer.exchange(question, lambda answer: decode(patient, unit, answer))
