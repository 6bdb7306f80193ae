"""Asks DIGG's Recipient service and delivers to mailbox operators, over mutual TLS. Meaning is in `recipients` and `wire`."""

import ssl
from collections.abc import Collection, Iterable
from functools import partial
from typing import Final, Self

from connectors.mina_meddelanden import recipients, wire
from connectors.mina_meddelanden.names import ANSWER_BYTES_MAX, SOAP_BYTES_MAX
from connectors.mina_meddelanden.recipients import Reachability
from connectors.peer import Call, Limits, Peer
from schemas.errors import Unavailable

QUESTION_LIMITS: Final = Limits(
    connect_s=5.0, silence_s=15.0, total_s=20.0, connections_max=16, answer_bytes_max=ANSWER_BYTES_MAX, request_bytes_max=128 * 1024
)
DELIVERY_LIMITS: Final = Limits(
    connect_s=5.0, silence_s=60.0, total_s=90.0, connections_max=8, answer_bytes_max=ANSWER_BYTES_MAX, request_bytes_max=SOAP_BYTES_MAX
)
"""An operator may store two megabytes before it says a word; giving up early makes an unknown outcome."""
OPERATORS_MAX: Final = 16
"""Different addresses the Recipient service may name; more is a fault of theirs, or worse."""


class MailboxClient:
    """One mediator's connections. `tls` carries the organisation's certificate; use as an async context manager.

    `hosts` are those a letter may be sent to, whatever the Recipient service says.
    """

    def __init__(
        self,
        recipient_url: str,
        hosts: Collection[str],
        *,
        tls: ssl.SSLContext | None = None,
        questions: Limits = QUESTION_LIMITS,
        deliveries: Limits = DELIVERY_LIMITS,
    ) -> None:
        self._hosts = frozenset(host.lower() for host in hosts)
        self._tls = tls
        self._deliveries = deliveries
        self.recipients = Peer(recipient_url, questions, tls)
        self.operators: dict[str, Peer] = {}

    async def __aenter__(self) -> Self:
        await self.recipients.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        for peer in (self.recipients, *self.operators.values()):
            await peer.__aexit__(None, None, None)

    async def reachable(self, sender: str, people: Iterable[str]) -> dict[str, Reachability]:
        """What is known of each of the people who may be asked about; the others are left out. Questions go in chunks.

        Raises the three failures; an `Uncertain` one is harmless, as a question does nothing.
        """
        found: dict[str, Reachability] = {}
        for chunk in recipients.chunks(people):
            found |= await self.recipients.exchange(recipients.encode(sender, chunk), partial(recipients.decode, chunk, self._hosts))
        return found

    async def deliver(self, address: str, recipient: str, letter: Call) -> wire.Receipt:
        """Send the kept bytes of a letter to the address that `reachable` gave just before. Raises the three failures."""
        return await (await self._operator(address)).exchange(letter, partial(wire.decode, recipient))

    async def _operator(self, address: str) -> Peer:
        """An operator's own connections and breaker: one that is slow or down holds up nobody else."""
        peer = self.operators.get(address)
        if peer is None:
            if len(self.operators) >= OPERATORS_MAX:
                raise Unavailable("too_many_operators")
            peer = self.operators[address] = Peer(address, self._deliveries, self._tls)
            await peer.__aenter__()
        return peer
