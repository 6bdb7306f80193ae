"""Outputs: where they go, in which order, and that an answer means delivered."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiokafka.errors import NotEnoughReplicasError
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import DefaultRecordBatch

from pipelines.transport.outputs import DeliveryFailed, Output, OutputProducer, OutputTooLarge, partition_of


@dataclass
class Broker:
    """aiokafka's producer, as far as it is used: real batches, delivered when the test says so."""

    partitions: int = 4
    batch_bytes: int = 16_384
    sent: list[tuple[str, int, list[bytes], asyncio.Future[None]]] = field(default_factory=list)
    running: bool = False

    async def partitions_for(self, topic: str) -> set[int]:
        return set(range(self.partitions))

    def create_batch(self) -> Any:
        return BatchBuilder(self.batch_bytes, 0)

    async def send_batch(self, batch: Any, topic: str, *, partition: int) -> asyncio.Future[None]:
        delivered = asyncio.get_running_loop().create_future()
        values = [record.value for record in DefaultRecordBatch(batch._build())]
        self.sent.append((topic, partition, values, delivered))
        return delivered

    async def start(self) -> None:
        self.running = True

    async def stop(self) -> None:
        self.running = False

    def deliver(self) -> None:
        for *_, delivered in self.sent:
            if not delivered.done():
                delivered.set_result(None)


def output(value: bytes, key: bytes = b"person", topic: str = "app", partition_key: bytes | None = None) -> Output:
    return Output(topic, key, value, [("ce_id", b"1")], partition_key)


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
async def broker() -> Broker:
    return Broker()


@pytest.fixture
async def producer(broker: Broker) -> Any:
    producer = OutputProducer(broker, message_bytes_max=10_000)
    await producer.begin()
    yield producer
    broker.deliver()
    await producer.end()


@pytest.mark.parametrize(
    ("key", "partition"),
    [(b"21", 1), (b"foobar", 8), (b"a-little-bit-long-string", 11), (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", 3)],
)
def test_partitions_are_those_of_javas_default_partitioner(key: bytes, partition: int) -> None:
    """Java's `Utils.murmur2` gives -973932308, -790332482, -985981536, -58897971 for these (UtilsTest)."""
    murmur2 = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536}
    expected = (murmur2.get(key, -58897971) & 0x7FFFFFFF) % 12
    assert partition_of(key, 12) == expected
    assert 0 <= partition < 12


async def test_calls_that_come_while_a_batch_is_under_way_leave_together_in_order(broker: Broker, producer: OutputProducer) -> None:
    calls = [producer.send_many([output(b"1")])]
    await settle()
    calls += [producer.send_many([output(b"2"), output(b"3")]), producer.send_many([output(b"4")])]
    await settle()
    assert [values for _, _, values, _ in broker.sent] == [[b"1"]]
    broker.deliver()
    await settle()
    assert [values for _, _, values, _ in broker.sent] == [[b"1"], [b"2", b"3", b"4"]]
    assert [call.done() for call in calls] == [True, False, False]
    broker.deliver()
    await asyncio.gather(*calls)


async def test_a_call_is_done_when_every_partition_has_its_part(broker: Broker, producer: OutputProducer) -> None:
    call = producer.send_many([output(b"1", b"a"), output(b"2", b"bb"), output(b"3", b"ccc"), output(b"4", b"dddd")])
    await settle()
    assert len(broker.sent) > 1
    for *_, delivered in broker.sent[:-1]:
        delivered.set_result(None)
    await settle()
    assert not call.done()
    broker.deliver()
    await call


async def test_topics_are_shared_out_among_connections_and_keep_their_order() -> None:
    """A request of one waits for no flush of another's topics."""
    brokers = [Broker(), Broker()]
    producer = OutputProducer(*brokers)
    await producer.start()
    calls = [producer.send_many([output(b"%s-%d" % (topic.encode(), number), topic=topic) for topic in "abc"]) for number in range(3)]
    for _ in range(3):
        await settle()
        for broker in brokers:
            broker.deliver()
    await asyncio.gather(*calls)
    seen = [{topic: [v for t, _, values, _ in broker.sent if t == topic for v in values] for topic in "abc"} for broker in brokers]
    expected = {topic: [b"%s-%d" % (topic.encode(), number) for number in range(3)] for topic in "abc"}
    assert seen == [{**expected, "b": []}, {**expected, "a": [], "c": []}]
    await producer.stop()
    assert [broker.running for broker in brokers] == [False, False]


async def test_the_partition_key_decides_before_the_key(broker: Broker, producer: OutputProducer) -> None:
    producer.send_many([output(b"1", b"booking-1", partition_key=b"person"), output(b"2", b"booking-2", partition_key=b"person")])
    await settle()
    assert [(partition, values) for _, partition, values, _ in broker.sent] == [(partition_of(b"person", 4), [b"1", b"2"])]


async def test_more_than_a_batch_holds_goes_in_several_in_order(broker: Broker, producer: OutputProducer) -> None:
    broker.batch_bytes = 350
    values = [bytes([65 + n]) * 100 for n in range(5)]
    call = producer.send_many([output(value) for value in values])
    while not call.done():
        await settle()
        broker.deliver()
    assert [len(sent) for _, _, sent, _ in broker.sent] == [2, 2, 1]
    assert [value for _, _, sent, _ in broker.sent for value in sent] == values


async def test_a_record_larger_than_a_batch_goes_alone(broker: Broker, producer: OutputProducer) -> None:
    broker.batch_bytes = 300
    call = producer.send_many([output(b"a"), output(b"b" * 5_000), output(b"c")])
    while not call.done():
        await settle()
        broker.deliver()
    assert [[len(value) for value in sent] for _, _, sent, _ in broker.sent] == [[1], [5_000], [1]]


async def test_a_record_larger_than_a_message_is_refused_and_nothing_of_its_call_is_sent(broker: Broker, producer: OutputProducer) -> None:
    with pytest.raises(OutputTooLarge, match=r"an output for app has 10[0-9]+ bytes; a message may have 10000"):
        await producer.send_many([output(b"a"), output(b"b" * 10_000)])
    assert broker.sent == []
    good = producer.send_many([output(b"c")])
    await settle()
    broker.deliver()
    await good


async def test_a_tombstone_is_sent(broker: Broker, producer: OutputProducer) -> None:
    producer.send_many([Output("app", b"booking", None, [])])
    await settle()
    assert broker.sent[0][2] == [None]


async def test_nothing_to_send_is_done_at_once(producer: OutputProducer) -> None:
    await producer.send_many([])


async def test_after_a_failed_delivery_every_open_and_later_call_fails(broker: Broker, producer: OutputProducer) -> None:
    first, second = producer.send_many([output(b"1")]), producer.send_many([output(b"2", topic="portal")])
    await settle()
    waiting = producer.send_many([output(b"3")])
    broker.sent[0][3].set_exception(NotEnoughReplicasError())
    await settle()
    for call in (first, second, waiting, producer.send_many([output(b"4")])):
        with pytest.raises(DeliveryFailed, match="app: NotEnoughReplicasError"):
            await call
    assert [values for _, _, values, _ in broker.sent] == [[b"1"], [b"2"]]


async def test_after_a_failure_at_one_connection_nothing_more_leaves_at_another() -> None:
    one, other = Broker(), Broker()
    producer = OutputProducer(one, other)
    await producer.start()
    calls = [producer.send_many([output(b"1")]), producer.send_many([output(b"2", topic="portal")])]
    await settle()
    calls.append(producer.send_many([output(b"3", topic="portal")]))
    await settle()
    one.sent[0][3].set_exception(NotEnoughReplicasError())
    await settle()
    other.deliver()
    await settle()
    assert [values for _, _, values, _ in other.sent] == [[b"2"]], "what waited behind it was told to have failed"
    for call in calls:
        with pytest.raises(DeliveryFailed):
            await call
    await producer.stop()


async def test_a_failure_to_reach_the_topic_fails_its_call(broker: Broker, producer: OutputProducer) -> None:
    async def unknown(topic: str) -> set[int]:
        raise NotEnoughReplicasError

    broker.partitions_for = unknown  # type: ignore[method-assign]
    with pytest.raises(DeliveryFailed):
        await producer.send_many([output(b"1")])


async def test_ending_waits_for_what_is_under_way(broker: Broker, producer: OutputProducer) -> None:
    call = producer.send_many([output(b"1")])
    ending = asyncio.create_task(producer.end())
    await settle()
    assert not ending.done()
    broker.deliver()
    await ending
    assert call.done()


def test_no_value_or_key_is_in_a_repr() -> None:
    assert "secret" not in repr(output(b"secret", b"secret"))
