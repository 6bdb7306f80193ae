"""Asks SPAR over mutual TLS, for the look-up loop of `connectors.register`."""

import ssl
from collections.abc import Callable
from datetime import datetime
from typing import Final, Self

import structlog

from connectors.peer import Limits, Peer
from connectors.spar.names import ANSWER_BYTES_MAX, HOPS_MAX
from connectors.spar.wire import Customer, Found, NotFound, decode, encode
from schemas.errors import PeerFailure, Rejected
from schemas.events import PersonChanged

LIMITS: Final = Limits(
    connect_s=3.0, silence_s=10.0, total_s=15.0, connections_max=8, answer_bytes_max=ANSWER_BYTES_MAX, request_bytes_max=8 * 1024
)
log = structlog.get_logger()


class SparClient:
    """One customer's connection to SPAR. `tls` carries the organisation's certificate; use as an async context manager."""

    def __init__(
        self, url: str, customer: Customer, now: Callable[[], datetime], *, tls: ssl.SSLContext | None = None, limits: Limits = LIMITS
    ) -> None:
        self._customer = customer
        self._now = now
        self.peer = Peer(url, limits, tls)

    async def __aenter__(self) -> Self:
        await self.peer.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.peer.__aexit__(None, None, None)

    async def ask(self, patient: str) -> PersonChanged | None:
        """What SPAR says of a normalised person id; None if it has no such person. Its news is as of the question.

        SPAR's own date of change has a day's precision: two changes on one day would look like one, and the ledger
        takes only news that is newer. Raises `Unavailable`, `Uncertain` (harmless: a question) and `Rejected`.
        """
        at = self._now()
        found = await self.peer.exchange(encode(patient, self._customer), lambda answer: decode(patient, answer, at))
        log.debug("spar_answered", reference=found.reference, found=isinstance(found, Found))
        return None if isinstance(found, NotFound) else found.person

    async def follow(self, patient: str) -> tuple[PersonChanged, ...]:
        """The news of a number and of every newer one it leads to (P4), the current one last.

        What was learnt is told, also where a newer number has no answer: the first may be protected (P8), and the ledger asks
        about the newer one by itself. Raises `Rejected` where numbers lead in a circle or never end.
        """
        news: list[PersonChanged] = []
        number: str | None = patient
        while number is not None:
            if any(person.patient == number for person in news):
                raise Rejected("reference_loop")
            if len(news) > HOPS_MAX:
                raise Rejected("reference_chain")
            try:
                person = await self.ask(number)
            except PeerFailure as failure:
                if not news:
                    raise
                log.warning("spar_reference_not_followed", code=failure.code)
                break
            if person is None:
                break
            news.append(person)
            number = person.replaced_by
        return tuple(news)
