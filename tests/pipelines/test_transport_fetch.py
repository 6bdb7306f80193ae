"""What a fetch does with records: open them before anything else, or give them back (rule 1 of `pipelines/transport`)."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import ConsumerStoppedError
from aiokafka.structs import TopicPartition

from pipelines.transport.consumer import ConsumerThread
from pipelines.transport.progress import Progress

P = TopicPartition("letters", 3)


@dataclass
class Client:
    """aiokafka's consumer, as far as a fetch touches it."""

    arrived: list[int]
    assigned: set[TopicPartition] = field(default_factory=lambda: {P})
    sought: dict[TopicPartition, int] = field(default_factory=dict)
    _closed: bool = False

    @property
    def _fetcher(self) -> Any:
        subscriptions = SimpleNamespace(fetch_context=nullcontext)
        return SimpleNamespace(fetched_records=self.fetched_records, _subscriptions=subscriptions, _closed=False)

    async def fetched_records(self, partitions: Any, *, timeout: float, max_records: int) -> Any:
        return {P: [SimpleNamespace(offset=at, timestamp=at, serialized_value_size=7) for at in self.arrived]}

    def assignment(self) -> set[TopicPartition]:
        return self.assigned

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.sought[partition] = offset


def thread(client: Client, *, flow_active: bool = True) -> Any:
    made: Any = object.__new__(ConsumerThread)
    made._consumer = client
    made.consumer = SimpleNamespace(flow_active=flow_active, progress=Progress())
    return made


async def test_what_was_fetched_is_open_when_the_fetch_returns() -> None:
    fetching = thread(Client([5, 6, 9]))
    ((chunk, records),) = await fetching.fetch({P}, 500)
    assert fetching.consumer.progress.oldest(("letters", 3)) is chunk
    assert (chunk.start, chunk.end, chunk.records, chunk.size_bytes) == (5, 10, 3, 21)
    assert [record.offset for record in records] == [5, 6, 9]


async def test_a_long_fetch_is_cut_into_chunks_in_order() -> None:
    fetching = thread(Client(list(range(12))))
    chunks = await fetching.fetch({P}, 5)
    assert [(chunk.start, chunk.end) for chunk, _ in chunks] == [(0, 5), (5, 10), (10, 12)]


async def test_records_that_arrive_while_a_rebalance_holds_the_flow_are_given_back() -> None:
    client = Client([5, 6])
    fetching = thread(client, flow_active=False)
    assert await fetching.fetch({P}, 500) == []
    assert client.sought == {P: 5}
    assert fetching.consumer.progress.oldest(("letters", 3)) is None


async def test_records_of_a_partition_that_is_no_longer_ours_are_let_go() -> None:
    client = Client([5, 6], assigned=set())
    assert await thread(client, flow_active=False).fetch({P}, 500) == []
    assert client.sought == {}


async def test_a_closed_consumer_is_told_as_stopped() -> None:
    with pytest.raises(ConsumerStoppedError):
        await thread(Client([], _closed=True)).fetch({P}, 500)
