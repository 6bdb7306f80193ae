"""`hub verify`: the topics and the ledger side by side (`pipelines.ledger.verify`), and what differs."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition

from config.settings import Settings
from hub.cli.connect import consumer, hub_clock, ledger
from hub.cli.exits import CODE_FAILED, NotReachable
from hub.cli.running import settings_of
from hub.cli.screen import Advance, Screen
from pipelines.ledger.held import TOPICS, Held
from pipelines.ledger.verify import Difference, Report, confirmed, verify
from schemas import topics

BETWEEN_PASSES_S: Final = 2.0
SILENT_MAX: Final = 20
READ_MS: Final = 500
SHOWN_MAX: Final = 50


class Listener(Protocol):
    """Who takes the records."""

    def add_all(self, records: list[Any]) -> None: ...


def run(screen: Screen, directory: Path) -> int:
    """0 when everything agrees, else 1."""
    settings = settings_of(directory)
    report, differences = asyncio.run(_compare(screen, settings))
    if screen.as_json:
        screen.data({"ok": not differences, "checked": report.checked, "differences": [each._asdict() for each in differences]})
    else:
        _show(screen, report, differences)
    return CODE_FAILED if differences else 0


async def _compare(screen: Screen, settings: Settings) -> tuple[Report, list[Difference]]:
    """Two passes where the first finds something: beside a running hub, what is on its way is no difference."""
    first = await _pass(screen, settings)
    if not first.differences:
        return first, []
    await asyncio.sleep(BETWEEN_PASSES_S)
    second = await _pass(screen, settings)
    return second, confirmed(first, second)


async def _pass(screen: Screen, settings: Settings) -> Report:
    held = Held()
    async with consumer(settings) as reader, ledger(settings) as pool:
        partitions = [TopicPartition(name, n) for name in TOPICS for n in range(topics.TOPICS[name].partitions)]
        begins, ends = await reader.beginning_offsets(partitions), await reader.end_offsets(partitions)
        with screen.progress("reading topics", sum(ends[p] - begins[p] for p in partitions)) as advance:
            await read(reader, begins, ends, held, advance)
        now: datetime = hub_clock(settings).now()
        with screen.progress("comparing") as advance:
            return await verify(pool, held, now, advance)


async def read(
    reader: AIOKafkaConsumer, begins: dict[TopicPartition, int], ends: dict[TopicPartition, int], held: Listener, advance: Advance
) -> None:
    """Everything from begin to end of each partition. A position may pass over offsets that compaction took."""
    waiting = {p for p, end in ends.items() if begins[p] < end}
    if not waiting:
        return
    reader.assign(sorted(waiting, key=str))
    for partition in waiting:
        reader.seek(partition, begins[partition])
    silent = 0
    while waiting:
        found: dict[Any, list[Any]] = await reader.getmany(*waiting, timeout_ms=READ_MS, max_records=2_000)
        for records in found.values():
            held.add_all(records)
            advance(len(records))
        for partition in [p for p in waiting if p in found or silent]:
            if await reader.position(partition) >= ends[partition]:
                waiting.discard(partition)
                reader.pause(partition)
        silent = 0 if found else silent + 1
        if silent > SILENT_MAX:
            raise NotReachable("Kafka gives no more records, though the topics have some")


def _show(screen: Screen, report: Report, differences: list[Difference]) -> None:
    wrong = Counter(each.check for each in differences)
    rows = [(check, number, wrong[check] or "none") for check, number in report.checked.items()]
    screen.table(("check", "looked at", "differ"), rows)
    if differences:
        screen.line()
        listed = [(each.check, each.id, each.expected, each.found) for each in differences[:SHOWN_MAX]]
        screen.table(("check", "id", "should be", "is"), listed)
        if len(differences) > SHOWN_MAX:
            screen.line(f"… and {len(differences) - SHOWN_MAX} more (--json has them)")
    screen.line()
    screen.line("Topics and ledger agree." if not differences else f"{len(differences)} differences.")
