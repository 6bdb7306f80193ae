"""`hub lag`: how far the hub's groups (workers, delivery) are behind, by partition.

The broker tells a stopped worker at once by its growing lag, while the group still says `Stable`; so two looks are taken, and what
moved between them is part of the verdict. Ages are real time from Kafka's append, whatever the hub's clock says.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError

from config.settings import Settings
from hub.cli.connect import CLIENT, consumer
from hub.cli.exits import CODE_FAILED, NotReachable
from hub.cli.running import settings_of
from hub.cli.screen import Screen
from hub.cli.spans import short
from hub.topics import client_arguments
from pipelines.commands import TOPIC_TYPES
from schemas.topics import TOPICS

GROUP: Final = "hub-pipelines"
DELIVERY_GROUP: Final = "hub-delivery"
GROUP_OF: Final[Mapping[str, str]] = {
    **dict.fromkeys(sorted(TOPIC_TYPES), GROUP),
    **dict.fromkeys(("mailbox.deliveries.v1", "notifications.v1"), DELIVERY_GROUP),
}
"""Every topic that a part of the hub reads, and by which group. No topic is read by two."""
GROUPS: Final = tuple(dict.fromkeys(GROUP_OF.values()))
BETWEEN_LOOKS_S: Final = 1.0
OK_AGE_S: Final = 2.0
STALLED_AGE_S: Final = 15.0
READ_TIMEOUT_MS: Final = 5_000
COORDINATOR_TIMEOUT_S: Final = 10.0

Verdict = Literal["ok", "behind", "stalled", "no member"]


@dataclass(frozen=True, slots=True)
class Row:
    """One partition. `records` are those the group has not committed; `age_s` is of the oldest of them."""

    group: str
    topic: str
    partition: int
    member: str | None
    committed: int
    end: int
    records: int
    age_s: float | None
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Look:
    """One moment: what the groups have committed, and where the partitions begin and end."""

    committed: Mapping[TopicPartition, int]
    ends: Mapping[TopicPartition, int]


def run(screen: Screen, directory: Path, *, everything: bool) -> int:
    """0 when every partition is ok or on its way, 1 when one is stalled or nobody's."""
    settings = settings_of(directory)
    found = asyncio.run(rows(settings))
    bad = [row for row in found if row.verdict in ("stalled", "no member")]
    if screen.as_json:
        worst = "no member" if any(r.verdict == "no member" for r in found) else next((r.verdict for r in bad), None)
        behind = "behind" if any(row.verdict == "behind" for row in found) else "ok"
        total = sum(row.records for row in found)
        screen.data({"group": GROUP, "groups": GROUPS, "records": total, "verdict": worst or behind, "partitions": found})
        return CODE_FAILED if bad else 0
    shown = [row for row in found if everything or row.records or row.verdict != "ok"]
    if shown:
        table = [
            (row.topic, row.partition, row.member, row.records, "" if row.age_s is None else short(row.age_s), row.verdict) for row in shown
        ]
        screen.table(("topic", "partition", "member", "records", "oldest", "verdict"), table)
    for group in GROUPS:
        mine = [row for row in found if row.group == group]
        members = len({row.member for row in mine if row.member})
        screen.line(f"{group}: {sum(row.records for row in mine)} records behind in {len(mine)} partitions, {members} members")
    return CODE_FAILED if bad else 0


def verdict(records: int, age_s: float | None, *, moved: bool, member: bool) -> Verdict:
    """What to make of a partition: nobody has it, it is up to date, it is worked on, or it stands still."""
    if not member:
        return "no member"
    if records == 0 or (age_s is not None and age_s < OK_AGE_S):
        return "ok"
    if moved or age_s is None or age_s < STALLED_AGE_S:
        return "behind"
    return "stalled"


async def rows(settings: Settings) -> list[Row]:
    """Every partition the groups read. Raises `NotReachable`."""
    partitions: list[TopicPartition] = []
    async with consumer(settings) as reader:
        admin = AIOKafkaAdminClient(**client_arguments(settings), client_id=CLIENT)
        try:
            await admin.start()
            for topic in GROUP_OF:
                partitions += [TopicPartition(topic, number) for number in range(TOPICS[topic].partitions)]
            members = await _coordinated(admin)
            first = await _look(admin, reader, partitions)
            if any(first.ends[p] > first.committed[p] for p in partitions):
                await asyncio.sleep(BETWEEN_LOOKS_S)
            second = await _look(admin, reader, partitions)
            ages = await _ages(reader, {p: second.committed[p] for p in partitions if second.ends[p] > second.committed[p]})
        except KafkaError as failure:
            raise NotReachable(f"Kafka does not answer: {type(failure).__name__}") from None
        finally:
            await admin.close()
    return [_row(p, first, second, ages.get(p), members.get(p)) for p in partitions]


def _row(p: TopicPartition, first: Look, second: Look, age_s: float | None, member: str | None) -> Row:
    committed, end = second.committed[p], second.ends[p]
    records = max(0, end - committed)
    moved = committed > first.committed[p]
    found = verdict(records, age_s, moved=moved, member=member is not None)
    return Row(GROUP_OF[p.topic], p.topic, p.partition, member, committed, end, records, age_s, found)


async def _coordinated(admin: AIOKafkaAdminClient) -> dict[TopicPartition, str]:
    """The members, once the groups have a coordinator: the first question of all makes a broker's own topics."""
    until = time.monotonic() + COORDINATOR_TIMEOUT_S
    while True:
        try:
            return await _members(admin)
        except GroupCoordinatorNotAvailableError:
            if time.monotonic() > until:
                raise
            await asyncio.sleep(0.2)


async def _members(admin: AIOKafkaAdminClient) -> dict[TopicPartition, str]:
    """Who has which partition. Static members are named by their slot."""
    answers = [answer for name in GROUPS for answer in await admin.describe_consumer_groups([name])]
    found: dict[TopicPartition, str] = {}
    for group in (group for answer in answers for group in answer.groups):
        for member in group[5]:
            ident, instance = _names(member)
            assignment = member[-1]
            if not assignment:
                continue
            decoded = ConsumerProtocolMemberAssignment.decode(assignment)
            for topic, numbers in decoded.assignment:
                for number in numbers:
                    found[TopicPartition(topic, number)] = instance or ident
    return found


def _names(member: tuple[Any, ...]) -> tuple[str, str | None]:
    """Id and client id: the member's id has a random end, its client id tells the worker."""
    return member[0], member[1]


async def _look(admin: AIOKafkaAdminClient, reader: AIOKafkaConsumer, partitions: list[TopicPartition]) -> Look:
    offsets: dict[TopicPartition, Any] = {}
    for group in GROUPS:
        of_group = await admin.list_consumer_group_offsets(group)
        offsets |= {p: at for p, at in of_group.items() if GROUP_OF.get(p.topic) == group}
    ends = await reader.end_offsets(partitions)
    begins = await reader.beginning_offsets(partitions)
    committed = {p: max(offsets[p].offset, begins[p]) if p in offsets else begins[p] for p in partitions}
    return Look(committed, ends)


async def _ages(reader: AIOKafkaConsumer, oldest: Mapping[TopicPartition, int]) -> dict[TopicPartition, float]:
    """How old the first record from each offset is; a partition that gives none in time has no age."""
    ages: dict[TopicPartition, float] = {}
    if not oldest:
        return ages
    waiting = set(oldest)
    reader.assign(list(oldest))
    for partition, offset in oldest.items():
        reader.seek(partition, offset)
    until = time.monotonic() + READ_TIMEOUT_MS / 1000
    while waiting and time.monotonic() < until:
        for partition, records in (await reader.getmany(*waiting, timeout_ms=500)).items():
            if records:
                ages[partition] = max(0.0, time.time() - records[0].timestamp / 1000)
                waiting.discard(partition)
                reader.pause(partition)
    return ages
