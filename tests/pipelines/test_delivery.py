"""Outputs leave in the order of their rows and are forgotten in that order, whoever dies, is slow or comes back (real PostgreSQL)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import asyncpg
import pytest
import pytest_asyncio
from asyncpg import Pool

from pipelines.delivery import Delivery
from pipelines.ledger import migrate, outbox, pool
from pipelines.ledger.slots import Slot
from pipelines.transport.outputs import DeliveryFailed, Output, OutputProducer
from pipelines.work import Committed
from schemas.telemetry import NullMeter

pytestmark = pytest.mark.asyncio


@dataclass
class Producer:
    """Takes what it is given; Kafka's acknowledgement is the test's to give. `names` are what was sent, in order."""

    names: list[str] = field(default_factory=list)
    waiting: dict[str, asyncio.Future[None]] = field(default_factory=dict)
    at_once: bool = False

    def send_many(self, outputs: Sequence[Output]) -> asyncio.Future[None]:
        name = outputs[0].key.decode()
        self.names.append(name)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting[name] = done
        if self.at_once:
            done.set_result(None)
        return done


@dataclass
class Process:
    """One process of the pipelines as far as its deliveries go."""

    pool: Pool[Any]
    name: str
    slot: Slot
    producer: Producer
    failures: list[BaseException] = field(default_factory=list)
    delivery: Delivery = field(init=False)

    async def commit(self, name: str, after: bool = False) -> Committed:
        """A transaction with one output. `after`: it held somebody exclusively."""
        outputs = [_output(name)]
        async with self.pool.acquire() as connection, connection.transaction():
            earlier = await outbox.earlier(connection, self.name) if after else []
            batch = await outbox.put(connection, self.name, outbox.pack(outputs))
            self.delivery.expect(batch)
        return Committed(batch, outputs, earlier, 1)

    async def rows(self) -> list[str]:
        found = await self.pool.fetch("SELECT data FROM outbox ORDER BY batch")
        return [outbox.unpack(row[0])[0].key.decode() for row in found]

    async def die(self) -> None:
        """As SIGKILL: nothing is said to anybody; PostgreSQL sees the session end."""
        for task in self.delivery._tasks:
            task.cancel()
        await self.slot.release()


def _output(name: str) -> Output:
    return Output("app.documents.v1", name.encode(), b"{}", [("ce_id", name.encode())])


@pytest_asyncio.fixture
async def ledger(postgres: str) -> AsyncIterator[Pool[Any]]:
    await migrate.upgrade_now(postgres)
    made = await pool.connect(postgres, size=6, part="test")
    await made.execute("TRUNCATE outbox")
    yield made
    await made.close()


@pytest_asyncio.fixture
async def start(ledger: Pool[Any], postgres: str) -> AsyncIterator[Any]:
    made: list[Process] = []

    async def start_one(name: str, *, at_once: bool = False) -> Process:
        failures: list[BaseException] = []
        slot = Slot(name, failures.append)
        await slot.hold(postgres)
        producer = Producer(at_once=at_once)
        delivery = Delivery(ledger, lambda: cast(OutputProducer, producer), name, NullMeter(), failures.append)
        process = Process(ledger, name, slot, producer, failures)
        process.delivery = delivery
        made.append(process)
        return process

    yield start_one
    for process in made:
        await process.die()


async def _soon(condition: Any, timeout_s: float = 5.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not (await found if asyncio.iscoroutine(found := condition()) else found):
            await asyncio.sleep(0.01)


async def test_a_row_stays_until_all_before_it_are_delivered(start: Any) -> None:
    """Else a successor would publish the older one again, after the newer."""
    one = await start("worker-0")
    await one.delivery.start()
    for name in ("delivered", "withdrawn"):
        one.delivery.post(await one.commit(name))
    one.producer.waiting["withdrawn"].set_result(None)
    await asyncio.sleep(0.1)
    assert await one.rows() == ["delivered", "withdrawn"]
    one.producer.waiting["delivered"].set_result(None)

    async def empty() -> bool:
        return await one.rows() == []

    await _soon(empty)


async def test_outputs_leave_in_the_order_of_their_rows_whoever_comes_back_first_from_the_commit(start: Any) -> None:
    one = await start("worker-0")
    delivered = await one.commit("delivered")
    withdrawn = await one.commit("withdrawn")
    later = one.delivery.post(withdrawn)
    await asyncio.sleep(0.05)
    assert one.producer.names == []
    one.delivery.post(delivered)
    assert one.producer.names == ["delivered", "withdrawn"]
    assert not later.done()


async def test_a_transaction_that_was_rolled_back_holds_nobody_up(start: Any) -> None:
    one = await start("worker-0")
    rolled_back = await one.commit("never")
    one.delivery.post(await one.commit("next"))
    assert one.producer.names == []
    assert rolled_back.batch is not None
    one.delivery.unexpect(rolled_back.batch)
    assert one.producer.names == ["next"]


async def test_a_withdrawal_waits_for_the_delivery_that_another_process_still_has(start: Any) -> None:
    one, two = await start("worker-0"), await start("worker-1")
    await one.delivery.start()
    one.delivery.post(await one.commit("delivered"))
    two.delivery.post(await two.commit("withdrawn", after=True))
    two.delivery.post(await two.commit("later"))
    await asyncio.sleep(0.1)
    assert two.producer.names == []
    one.producer.waiting["delivered"].set_result(None)
    await _soon(lambda: two.producer.names == ["withdrawn", "later"])


async def test_a_successor_publishes_what_was_left_before_anything_else(start: Any, ledger: Pool[Any]) -> None:
    one = await start("worker-0")
    await one.commit("first")
    await one.commit("second")
    await one.die()
    again = await start("worker-0", at_once=True)
    await again.delivery.relay_own()
    assert again.producer.names == ["first", "second"]
    assert await again.rows() == []


async def test_two_that_die_together_come_back_in_the_order_of_their_rows(start: Any) -> None:
    """The withdrawal waited in memory for the delivery of the other; both are killed; whoever is up first, the delivery goes first."""
    one, two = await start("worker-0"), await start("timers-0")
    await one.commit("delivered")
    two.delivery.post(await two.commit("withdrawn", after=True))
    assert two.producer.names == []
    await asyncio.gather(one.die(), two.die())
    one_again, two_again = await start("worker-0", at_once=True), await start("timers-0", at_once=True)
    relaying = asyncio.create_task(two_again.delivery.relay_own())
    await asyncio.sleep(0.2)
    assert two_again.producer.names == []
    await one_again.delivery.relay_own()
    await relaying
    assert one_again.producer.names == ["delivered"]
    assert two_again.producer.names == ["withdrawn"]


async def test_a_successor_publishes_also_what_one_that_does_not_come_back_left_before(start: Any) -> None:
    one, two = await start("worker-0"), await start("timers-0")
    await one.commit("delivered")
    await two.commit("withdrawn", after=True)
    await asyncio.gather(one.die(), two.die())
    again = await start("timers-0", at_once=True)
    await asyncio.wait_for(again.delivery.relay_own(), 10)
    assert again.producer.names == ["delivered", "withdrawn"]


async def test_rows_of_a_living_process_are_left_to_it_however_old_they_are(start: Any, ledger: Pool[Any]) -> None:
    """A broker that is away for a minute, a process the machine has stopped: it will publish them itself, and after them newer ones."""
    one, two = await start("worker-0"), await start("worker-1", at_once=True)
    await one.commit("delivered")
    await ledger.execute("UPDATE outbox SET at = at - interval '1 hour'")
    await two.delivery.start()
    await asyncio.sleep(0.1)
    assert await two.delivery.adopt() == 0
    assert two.producer.names == []


async def test_rows_of_a_process_that_is_gone_are_published_by_another(start: Any) -> None:
    one, two = await start("worker-0"), await start("worker-1", at_once=True)
    await one.commit("first")
    await one.commit("second")
    await one.die()
    await two.delivery.start()
    await _soon(lambda: two.producer.names == ["first", "second"], 10)


async def test_a_slot_has_one_process_at_a_time(start: Any, postgres: str) -> None:
    one = await start("worker-0")
    second = asyncio.create_task(start("worker-0"))
    await asyncio.sleep(0.2)
    assert not second.done()
    await one.die()
    await asyncio.wait_for(second, 5)


async def test_a_process_whose_session_is_ended_fails(start: Any, postgres: str) -> None:
    one = await start("worker-0")
    admin = await asyncpg.connect(postgres)
    await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'hub-worker-0-slot'")
    await admin.close()
    await _soon(lambda: [type(failure).__name__ for failure in one.failures] == ["SlotLost"])


async def test_nothing_is_sent_after_a_failed_delivery(start: Any) -> None:
    one = await start("worker-0")
    first = one.delivery.post(await one.commit("first"))
    one.producer.waiting["first"].set_exception(DeliveryFailed("app.documents.v1"))
    await asyncio.sleep(0)
    one.delivery.post(await one.commit("second"))
    await asyncio.sleep(0.05)
    assert one.producer.names == ["first"]
    assert isinstance(first.exception(), DeliveryFailed)
    assert [type(failure).__name__ for failure in one.failures] == ["DeliveryFailed"]
    assert await one.rows() == ["first", "second"]


@pytest.mark.parametrize("value", [None, b"", b"{}", b"[1]", b"{\xe2\x28", b"[\xff", b"\x00\xff", bytes(range(256))])
async def test_the_outbox_gives_back_the_very_bytes(value: bytes | None) -> None:
    """A sealed dead letter may begin as JSON does."""
    output = Output("dead-letters.v1", b"key", value, [("dlq-id", b"1")], b"partition")
    assert outbox.unpack(outbox.pack([output])) == [output]
