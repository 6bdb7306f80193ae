"""Uppdatera nu (B5): asks the EHR for a patient's bookings and publishes what is news, handled as if it had been published.

The same for one patient at a person's wish, and for whole units where nothing is pushed, in a loop that is off by default.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol

import orjson
import structlog

from connectors.takecare_exchange.changes import Known, changes
from connectors.takecare_exchange.wire import Booked
from schemas.cloudevents import headers_for, time_text, uid_text
from schemas.errors import PeerFailure
from schemas.events import BookingChanged, decode_as
from schemas.keys import PersonKeys, content_hash

TOPIC: Final = "ehr.bookings.v1"
SOURCE: Final = "/ehr/exchange"
"""The row `[sources.exchange]` of the settings: bookings only, so that what they cannot say of a time type counts for nothing (B2)."""
log = structlog.get_logger()


class Record(NamedTuple):
    """One record for Kafka, keyed and partitioned by the person's opaque key."""

    topic: str
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]

    def __repr__(self) -> str:
        """Without key and value: both are personal data."""
        return f"Record(topic={self.topic!r})"


class Refreshed(NamedTuple):
    """What a refresh did: how many bookings the EHR has, how many events were published, how many differ and were left to the push."""

    found: int
    published: int
    differing: int


class Asks(Protocol):
    """`ExchangeClient`."""

    async def bookings(self, patient: str | None, unit: str) -> Sequence[Booked]: ...


class Ledger(Protocol):
    """What the hub has (`pipelines.ledger.booked`)."""

    async def known(self, booking_ids: Collection[str]) -> Mapping[str, Known]: ...
    async def coming(self, patient: str | None, unit: str, now: datetime) -> Mapping[str, Known]: ...


Publish = Callable[[Sequence[Record]], Awaitable[None]]


class Refresher:
    """Refreshes patients and units. `polled`: units where the EHR pushes nothing."""

    def __init__(
        self, client: Asks, ledger: Ledger, publish: Publish, keys: PersonKeys, now: Callable[[], datetime],
        polled: Collection[str] = (),
    ) -> None:  # fmt: skip
        self._client = client
        self._ledger = ledger
        self._publish = publish
        self._keys = keys
        self._now = now
        self._polled = frozenset(polled)

    async def refresh(self, patient: str | None, unit: str) -> Refreshed:
        """A normalised person id's (None: everybody's) bookings at a unit. Raises the client's failures; then nothing was published."""
        now = self._now()
        found = await self._client.bookings(patient, unit)
        polled = unit in self._polled
        known = dict(await self._ledger.known([booked.booking_id for booked in found]))
        if polled:
            known |= await self._ledger.coming(patient, unit, now)
        news = changes(found, known, now, polled=polled)
        if news.events:
            await self._publish([record(event, self._keys, now) for event in news.events])
        return Refreshed(len(found), len(news.events), news.differing)

    async def run(self, stop: asyncio.Event, every_s: float) -> None:
        """Poll the polled units until `stop`. A unit whose EHR fails is left for the next round; failures of ours end the loop."""
        while not stop.is_set():
            for unit in sorted(self._polled):
                try:
                    done = await self.refresh(None, unit)
                    log.info("bookings_polled", unit=unit, found=done.found, published=done.published)
                except PeerFailure as failure:
                    log.warning("bookings_poll_failed", unit=unit, failure=type(failure).__name__.lower(), code=failure.code)
            try:
                async with asyncio.timeout(every_s):
                    await stop.wait()
            except TimeoutError:
                pass


def record(data: Mapping[str, Any], keys: PersonKeys, now: datetime) -> Record:
    """The record of a booking that is news. Its id follows from its content, so that what is found twice is one event."""
    value = orjson.dumps(data)
    decode_as(BookingChanged, value)  # what we publish follows the contract, or it is a bug of ours
    by = keys.key(data["patient"])
    name = uid_text("exchange", BookingChanged.TYPE, content_hash(value).hex())
    return Record(TOPIC, by.encode(), value, headers_for(BookingChanged.TYPE, name, SOURCE, time_text(now), partitionkey=by))
