"""Is all that was taken in decided, and are its outputs published? Asked often, answered in milliseconds.

Three looks make one answer: at Kafka, at the ledger, at Kafka again with the same end of every topic. One look at each
would be fooled by an event that went from the one to the other in between: the register's answer, for example, is
published before the ledger calls the look-up answered.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import asyncpg
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from config.settings import Settings
from hub.topics import client_arguments
from pipelines.commands import TOPIC_TYPES
from pipelines.ledger.lookups import ANSWER_WITHIN
from pipelines.ledger.sends import NO_CHANNEL
from pipelines.rules.identity import LOOK_UP_PATIENCE, STALE
from pipelines.rules.mailboxes import PATIENCE
from pipelines.rules.model import AppCopy, MailboxCopy, PrintCopy
from pipelines.rules.sending import State
from schemas.topics import TOPICS

log = structlog.get_logger()

GROUP: Final = "hub-pipelines"
DELIVERY_GROUP: Final = "hub-delivery"
ASK_TIMEOUT_S: Final = 5.0
INBOUND: Final = tuple(TOPICS[name] for name in TOPIC_TYPES)
REQUESTS: Final = (TOPICS["mailbox.deliveries.v1"], TOPICS["notifications.v1"])
"""What the delivery part consumes."""

# Counts stop at a bound: beyond it the number says "many" and the answer stays quick.
COUNT_MAX: Final = 10_000
WAITS: Final = f"""(changed = 0 OR print NOT IN ({int(PrintCopy.OPEN)}, {int(PrintCopy.HANDLED)})
            AND (due_at < deadline OR rule = '{STALE.rule}' AND app = {int(AppCopy.OPEN)}))"""
"""Of a document that is due soon: nothing is said of it yet, or its next look is for an answer and not for its deadline. It counts also
where the question is older than anybody waits: each document's own patience runs from its own look."""
LEDGER_SQL: Final = f"""
SELECT (SELECT count(*) FROM (SELECT FROM outbox LIMIT {COUNT_MAX}) AS r)                                AS outbox,
       (SELECT count(*) FROM (SELECT FROM documents WHERE due_at <= $1 LIMIT {COUNT_MAX}) AS r)          AS documents_overdue,
       (SELECT count(*) FROM (SELECT FROM bookings WHERE due_at <= $1 LIMIT {COUNT_MAX}) AS r)           AS bookings_overdue,
       (SELECT count(*) FROM (SELECT FROM rooms WHERE due_at <= $1 LIMIT {COUNT_MAX}) AS r)              AS rooms_overdue,
       (SELECT count(*) FROM (SELECT FROM lookups WHERE attempts = 0
            OR (attempts = 1 AND due_at = asked_at + $2::interval) LIMIT {COUNT_MAX}) AS r)              AS lookups_untried,
       (SELECT count(*) FROM (SELECT FROM reachings WHERE wanted_at > $1::timestamptz - $3::interval
            LIMIT {COUNT_MAX}) AS r)                                                                     AS mailboxes_unasked,
       (SELECT count(*) FROM (SELECT FROM documents WHERE due_at <= $1::timestamptz + $4::interval AND {WAITS}
            LIMIT {COUNT_MAX}) AS r)                                                                     AS documents_waiting,
       (SELECT count(*) FROM (SELECT FROM bookings b WHERE due_at <= $1::timestamptz + $4::interval AND NOT dropped
            AND (NOT (shown_app OR shown_portal) OR EXISTS (SELECT FROM lookups l WHERE l.person = b.person))
            LIMIT {COUNT_MAX}) AS r)                                                                     AS bookings_waiting,
       (SELECT count(*) FROM (SELECT FROM sends WHERE slot IS NOT NULL LIMIT {COUNT_MAX}) AS r)
       + (SELECT count(*) FROM (SELECT FROM sends WHERE due_at IS NOT NULL AND (due_at <= $1 OR state = {int(State.DECIDED)})
            AND why IS DISTINCT FROM '{NO_CHANNEL}' LIMIT {COUNT_MAX}) AS r)                             AS sends_under_way,
       (SELECT count(*) FROM (SELECT FROM sends WHERE told < answers LIMIT {COUNT_MAX}) AS r)            AS sends_untold,
       (SELECT count(*) FROM (SELECT FROM documents WHERE due_at <= $1 + interval '24 hours'
            LIMIT {COUNT_MAX}) AS r)                                                                     AS documents_due_24h,
       (SELECT count(*) FROM (SELECT FROM documents WHERE open AND mailbox = {int(MailboxCopy.UNKNOWN)}
            LIMIT {COUNT_MAX}) AS r)                                                                     AS unknown_outcomes,
       (SELECT count(*) FROM (SELECT FROM dead_letters WHERE state = 0 LIMIT {COUNT_MAX}) AS r)          AS dead_letters_open
"""  # noqa: S608 - no value is put into the text but a constant
OPEN_WORK: Final = (
    "outbox", "documents_overdue", "bookings_overdue", "rooms_overdue", "lookups_untried", "mailboxes_unasked", "documents_waiting",
    "bookings_waiting", "sends_under_way", "sends_untold",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Lag:
    """What the hub's groups have not acknowledged yet, and where their topics end."""

    records: dict[str, int]  # by topic
    ends: dict[TopicPartition, int]

    @property
    def total(self) -> int:
        return sum(self.records.values())


class Quiet:
    """Live connections to Kafka and ledger, opened when first asked and anew after a failure."""

    def __init__(self, settings: Settings, group: str = GROUP, delivery: str | None = None) -> None:
        """`delivery`: the delivery part's group, where there is such a part."""
        self._settings = settings
        self._group = group
        self._groups = [(group, INBOUND), *([(delivery, REQUESTS)] if delivery is not None else [])]
        self._consumer: AIOKafkaConsumer | None = None
        self._admin: AIOKafkaAdminClient | None = None
        self._coordinators: dict[str, int] = {}
        self._ledger: asyncpg.Connection[Any] | None = None
        self._one_at_a_time = asyncio.Lock()

    async def look(self, now: datetime) -> dict[str, Any] | None:
        """`{"idle", "lag", "ledger"}`, or None where Kafka or the ledger does not answer."""
        async with self._one_at_a_time:
            try:
                async with asyncio.timeout(ASK_TIMEOUT_S):
                    before = await self.lag()
                    work = await self.open_work(now)
                    after = await self.lag()
            except Exception as failure:
                # whatever it was, the connections are suspect and "we do not know" is the answer
                log.warning("status_unknown", error=type(failure).__name__)
                await self.close()
                return None
        still = before.ends == after.ends and before.total == after.total == 0
        idle = still and not any(work[name] for name in OPEN_WORK)
        return {"idle": idle, "lag": {"records": after.total, "topics": after.records}, "ledger": work}

    async def lag(self) -> Lag:
        """Records between what each group has acknowledged and the end of its topics, by topic."""
        if self._consumer is None or self._admin is None:
            await self._connect_kafka()
        assert self._consumer is not None
        assert self._admin is not None
        committed: dict[TopicPartition, Any] = {}
        for group, topics in self._groups:
            if group not in self._coordinators:
                self._coordinators[group] = await self._admin.find_coordinator(group)
            names = {t.name for t in topics}
            of_group = await self._admin.list_consumer_group_offsets(group, self._coordinators[group])
            committed |= {p: at for p, at in of_group.items() if p.topic in names}
        read = [t for _, topics in self._groups for t in topics]
        partitions = [TopicPartition(t.name, n) for t in read for n in range(t.partitions)]
        ends = await self._consumer.end_offsets(partitions)
        unknown = [p for p in partitions if p not in committed and ends[p] > 0]
        begins = await self._consumer.beginning_offsets(unknown) if unknown else {}
        records = dict.fromkeys((t.name for t in read), 0)
        for partition in partitions:
            at = committed[partition].offset if partition in committed else begins.get(partition, 0)
            records[partition.topic] += max(0, ends[partition] - at)
        return Lag(records, ends)

    async def open_work(self, now: datetime) -> dict[str, int]:
        """What the ledger still has to do, by name; `OPEN_WORK` names what keeps the hub from being idle."""
        if self._ledger is None or self._ledger.is_closed():
            self._ledger = await asyncpg.connect(self._settings.postgres_dsn(), server_settings={"application_name": "hub-status"})
        row = await self._ledger.fetchrow(LEDGER_SQL, now, ANSWER_WITHIN, PATIENCE, max(PATIENCE, LOOK_UP_PATIENCE))
        assert row is not None
        return dict(row.items())

    async def _connect_kafka(self) -> None:
        arguments = client_arguments(self._settings)
        self._admin = AIOKafkaAdminClient(**arguments, client_id="hub-status")
        await self._admin.start()
        self._consumer = AIOKafkaConsumer(**arguments, client_id="hub-status", enable_auto_commit=False)
        await self._consumer.start()

    async def close(self) -> None:
        consumer, admin, ledger = self._consumer, self._admin, self._ledger
        self._consumer = self._admin = self._ledger = None
        self._coordinators.clear()
        for stop in (consumer and consumer.stop, admin and admin.close):
            if stop:
                await _quietly(stop())
        if ledger is not None:
            ledger.terminate()


async def _quietly(closing: Any) -> None:
    """aiokafka cancels a task of its own in `stop` and lets that out; it is no wish to cancel us."""
    task = asyncio.ensure_future(closing)
    await asyncio.wait([task], timeout=ASK_TIMEOUT_S)
    if task.done() and not task.cancelled():
        task.exception()
