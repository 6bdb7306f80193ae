"""The Faust agents: a few lines each. They hand batches to the lanes; a lane decides, commits, publishes, and only then acknowledges.

One agent reads all topics of the same pace; the lane merges what waits, over topics and partitions, into one transaction. Nothing here
may fail softly: whatever raises ends the process, and Kafka brings again what was not acknowledged (notes on Faust in transport/).
"""

from __future__ import annotations

from collections.abc import Awaitable
from time import perf_counter
from typing import Any, Final

from pipelines.commands import TOPIC_TYPES, Command, Decoder, Refused
from pipelines.delivery import Delivery
from pipelines.lanes import Lanes
from pipelines.points import reach
from pipelines.transport.batches import RecordBatch
from pipelines.transport.worker import HubApp
from pipelines.work import Work
from schemas.telemetry import Meter

ORDER: Final = {
    topic: place
    for place, topic in enumerate(
        (
            "persons.v1", "accounts.v1", "agents.v1", "mailboxes.v1", "ehr.bookings.v1", "ehr.letters.v1",
            "ehr.referrals.v1", "receipts.v1", "video.sessions.v1",
        )
    )
}  # fmt: skip
"""Within a batch facts come before what is decided on them."""


class Intake:
    """A lane's handle: records to commands, commands to one transaction, outputs to Kafka."""

    def __init__(self, work: Work, decoder: Decoder, delivery: Delivery, meter: Meter) -> None:
        self._work = work
        self._decoder = decoder
        self._delivery = delivery
        self._meter = meter

    async def handle(self, batches: list[RecordBatch]) -> Awaitable[None]:
        """Returns when the ledger has committed; what is returned is done when the outputs are delivered."""
        started = perf_counter()
        commands: list[Command | Refused] = []
        for batch in sorted(batches, key=lambda batch: ORDER[batch.topic]):
            commands += self._decoder.decode(batch.topic, batch.records)
            self._meter.count("events", len(batch), topic=batch.topic, type="all")
        reach("before_commit")
        committed = await self._work.commands(commands)
        reach("after_commit")
        sent = self._delivery.post(committed)

        def finished(_: object) -> None:
            self._meter.observe("batch_seconds", perf_counter() - started, topic="all")
            reach("after_send")

        sent.add_done_callback(finished)
        self._meter.observe("batch_records", len(commands), topic="all")
        return sent


def add_agents(app: HubApp, lanes: Lanes) -> None:
    """One agent for all inbound topics."""

    @app.agent(app.batches(*TOPIC_TYPES))
    async def intake(stream: Any) -> None:
        async for batch in stream:
            await lanes.put(batch)
