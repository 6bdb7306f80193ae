"""Lanes: what is merged, what is pipelined, when batches are acknowledged, and that a failure is told once and nothing follows it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from pipelines.lanes import Lanes
from pipelines.transport.batches import RecordBatch


@dataclass
class Ledger:
    """A handle that behaves: transactions and deliveries wait until they are let through."""

    handled: list[list[RecordBatch]] = field(default_factory=list)
    deliveries: list[asyncio.Future[None]] = field(default_factory=list)
    commits: asyncio.Event = field(default_factory=asyncio.Event)
    error: Exception | None = None

    async def handle(self, batches: list[RecordBatch]) -> Awaitable[None]:
        self.handled.append(batches)
        await self.commits.wait()
        if self.error is not None:
            raise self.error
        self.deliveries.append(asyncio.get_running_loop().create_future())
        return self.deliveries[-1]


def batch(partition: int, first: int, count: int, acknowledged: Callable[[Any], None] = lambda _: None) -> RecordBatch:
    records: Any = [SimpleNamespace(offset=first + n) for n in range(count)]
    return RecordBatch("letters", partition, records, lambda: acknowledged((partition, first)))


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def sizes(ledger: Ledger) -> list[list[int]]:
    return [[len(each) for each in batches] for batches in ledger.handled]


async def test_what_waits_becomes_one_transaction_in_the_order_it_came() -> None:
    ledger = Ledger()
    async with Lanes([ledger.handle], on_failure=lambda error: None) as lanes:
        await lanes.put(batch(0, 0, 1))
        await settle()
        for first in (1, 2, 3):
            await lanes.put(batch(first % 2, first, 1))
        ledger.commits.set()
        await settle()
    assert sizes(ledger) == [[1], [1, 1, 1]]
    assert [each.records[0].offset for each in ledger.handled[1]] == [1, 2, 3]


async def test_a_transaction_has_at_most_records_max_unless_one_batch_has_more() -> None:
    ledger = Ledger()
    ledger.commits.set()
    lanes = Lanes([ledger.handle], on_failure=lambda error: None, records_max=10)
    for first, count in ((0, 6), (6, 4), (10, 1), (11, 12)):
        await lanes.put(batch(0, first, count))
    async with lanes:
        await settle()
    assert sizes(ledger) == [[6, 4], [1], [12]]


async def test_partitions_are_divided_over_the_lanes() -> None:
    even, odd = Ledger(), Ledger()
    async with Lanes([even.handle, odd.handle], on_failure=lambda error: None) as lanes:
        for partition in range(4):
            await lanes.put(batch(partition, 0, 1))
        await settle()
        even.commits.set()
        odd.commits.set()
        await settle()
    assert {each.partition for batches in even.handled for each in batches} == {0, 2}
    assert {each.partition for batches in odd.handled for each in batches} == {1, 3}


async def test_the_next_transaction_begins_while_outputs_are_delivered() -> None:
    ledger, acknowledged = Ledger(), []
    ledger.commits.set()
    async with Lanes([ledger.handle], on_failure=lambda error: None, deliveries_max=2) as lanes:
        for first in range(3):
            await lanes.put(batch(0, first, 1, acknowledged.append))
            await settle()
        assert len(ledger.handled) == 2  # the third waits for a place
        ledger.deliveries[1].set_result(None)
        await settle()
        assert acknowledged == [(0, 1)]
        assert len(ledger.handled) == 3


async def test_batches_are_acknowledged_after_their_delivery_and_not_before() -> None:
    ledger, acknowledged = Ledger(), []
    ledger.commits.set()
    async with Lanes([ledger.handle], on_failure=lambda error: None) as lanes:
        await lanes.put(batch(0, 0, 2, acknowledged.append))
        await settle()
        assert acknowledged == []
        ledger.deliveries[0].set_result(None)
        await lanes.drain()
        assert acknowledged == [(0, 0)]


async def test_a_failed_transaction_is_told_once_and_nothing_is_acknowledged_or_handled_after_it() -> None:
    ledger, acknowledged, failures = Ledger(error=RuntimeError("no ledger")), [], []
    ledger.commits.set()
    async with Lanes([ledger.handle], on_failure=failures.append) as lanes:
        await lanes.put(batch(0, 0, 2, acknowledged.append))
        await settle()
        await lanes.put(batch(0, 2, 2, acknowledged.append))
        await settle()
    assert failures == [ledger.error]
    assert acknowledged == []
    assert len(ledger.handled) == 1


async def test_a_failed_delivery_is_told_and_its_batches_are_not_acknowledged() -> None:
    ledger, acknowledged, failures = Ledger(), [], []
    ledger.commits.set()
    async with Lanes([ledger.handle], on_failure=failures.append) as lanes:
        await lanes.put(batch(0, 0, 2, acknowledged.append))
        await settle()
        error = RuntimeError("no broker")
        ledger.deliveries[0].set_exception(error)
        await settle()
    assert failures == [error]
    assert acknowledged == []


async def test_a_cancellation_inside_a_handle_or_a_delivery_is_a_failure() -> None:
    ledger, failures = Ledger(), []
    ledger.commits.set()

    async def cancelled(batches: list[RecordBatch]) -> Awaitable[None]:
        raise asyncio.CancelledError

    for handle in (ledger.handle, cancelled):
        async with Lanes([handle], on_failure=failures.append) as lanes:
            await lanes.put(batch(0, 0, 1))
            await settle()
            for delivery in ledger.deliveries:
                delivery.cancel()
            await settle()
    assert [type(error) for error in failures] == [asyncio.CancelledError] * 2


async def test_a_full_lane_makes_its_feeder_wait() -> None:
    ledger = Ledger()
    async with Lanes([ledger.handle], on_failure=lambda error: None, queue_records_max=4, records_max=4) as lanes:
        await lanes.put(batch(0, 0, 1))
        await settle()
        await lanes.put(batch(0, 1, 4))
        waiting = asyncio.create_task(lanes.put(batch(0, 5, 1)))
        await settle()
        assert not waiting.done()
        ledger.commits.set()
        await waiting


async def test_draining_waits_for_everything_that_was_put() -> None:
    ledger, acknowledged = Ledger(), []
    async with Lanes([ledger.handle], on_failure=lambda error: None) as lanes:
        for first in range(3):
            await lanes.put(batch(0, first, 1, acknowledged.append))
        draining = asyncio.create_task(lanes.drain())
        await settle()
        assert not draining.done()
        ledger.commits.set()
        await settle()
        for delivery in ledger.deliveries:
            delivery.set_result(None)
        await settle()
        for delivery in ledger.deliveries[1:]:
            if not delivery.done():
                delivery.set_result(None)
        await draining
    assert acknowledged == [(0, 0), (0, 1), (0, 2)]
