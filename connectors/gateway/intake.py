"""From checked events to Kafka: may this client send them, does the ledger agree, then all of them at once.

The same for every door (JSON, SOAP, RIV-TA). Nothing is published unless everything of a request may be.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

import structlog

from connectors.gateway.admission import Share
from connectors.gateway.decoding import Submitted, together
from connectors.gateway.options import Limits
from connectors.gateway.publishing import Output, Publisher
from connectors.gateway.records import record_of
from connectors.gateway.refusals import malformed, refused, unavailable
from connectors.gateway.rights import Client, Rights, may_unblock
from schemas.cloudevents import PersonKeys, time_text
from schemas.errors import FieldError, Malformed
from schemas.events import AccountChanged
from schemas.telemetry import Meter

Ask = Callable[[str], Awaitable[bool]]
"""A question about a person (by normalised id) to the ledger; raises when it cannot answer."""

FAULTS_MAX = 200
_log = structlog.get_logger()


class Intake:
    """What stands between a decoded request and its answer."""

    def __init__(
        self,
        rights: Rights,
        keys: PersonKeys,
        publisher: Publisher,
        limits: Limits,
        meter: Meter,
        now: Callable[[], datetime],
        is_blocked: Ask,
    ) -> None:
        self._rights = rights
        self._keys = keys
        self._publisher = publisher
        self._limits = limits
        self._meter = meter
        self._now = now
        self._is_blocked = is_blocked

    async def take(self, client: Client, events: list[Submitted], share: Share, via: str | None = None) -> list[str]:
        """The ids of the events, once Kafka has all of them. Raises `Refused`: 403, 413, 503.

        `events` is empty afterwards: what waits for Kafka is held once.
        """
        faults = [fault for event in events for fault in self._rights.faults(client, event, via)]
        if faults:
            raise refused("not-allowed", "The client may not send this", faults[:FAULTS_MAX])
        await self._check_unblocking(events)
        records = self._records(events)
        ids = [event.envelope.id for event in events]
        types = Counter(event.envelope.type for event in events)
        events.clear()  # the records are enough; models would double what waits for Kafka
        await self._publisher.publish(records, share.keep)
        for ce_type, number in types.items():
            self._meter.count("intake_events", number, type=ce_type, source=client.name)
        return ids

    def _records(self, events: Sequence[Submitted]) -> list[Output]:
        now_text = time_text(self._now())
        records: list[Output] = []
        faults: list[Malformed] = []
        for event in events:
            try:
                records.append(record_of(event, self._keys, now_text, self._limits.record_bytes_max))
            except Malformed as fault:
                faults.append(fault)
        if faults:
            raise malformed(together(faults))
        return records

    async def _check_unblocking(self, events: Sequence[Submitted]) -> None:
        """P5: an account that is blocked becomes active only by staff with the patient present."""
        doubtful = [
            (event, event.model.patient)
            for event in events
            if isinstance(event.model, AccountChanged) and event.model.account == "active" and not may_unblock(event.model)
        ]
        if not doubtful:
            return
        try:
            blocked = await asyncio.gather(*(self._is_blocked(patient) for _, patient in doubtful))
        except Exception as error:
            _log.warning("gateway_ledger_away", cause=type(error).__name__)
            raise unavailable("The ledger cannot be asked", self._limits.retry_after_s) from None
        faults = [
            FieldError(f"{event.at}/by", "a blocked account is opened by staff alone, with the patient present")
            for (event, _), is_blocked in zip(doubtful, blocked, strict=True)
            if is_blocked
        ]
        if faults:
            raise refused("not-allowed", "The account is blocked", faults)
