"""Where a sample goes: JSON lines that `hub publish` reads, or straight to Kafka."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import BinaryIO, Final

import orjson

from hub.sample.event import Event, Phase
from pipelines.transport.outputs import Output, OutputProducer
from schemas.cloudevents import Envelope, headers_for, structured, time_text
from schemas.keys import PersonKeys
from schemas.topics import record_key

BATCH_RECORDS: Final = 500
BATCHES_UNDER_WAY_MAX: Final = 8


def record(event: Event, keys: PersonKeys) -> Output:
    """The Kafka record of an event: binary mode, keyed by the person's opaque key (CONTRACTS.md section 2)."""
    by = keys.key(event.patient)
    headers = headers_for(event.type, event.id, event.source, time_text(event.time), partitionkey=by)
    key = record_key(event.type, event.data, by, keys)
    return Output(event.topic, key.encode(), orjson.dumps(event.data), headers, by.encode())


def line(event: Event) -> bytes:
    """The event as one line: a CloudEvent in structured mode. Which topic it belongs to follows from type and kind."""
    envelope = Envelope(event.id, event.source, event.type, event.time)
    return structured(envelope, orjson.dumps(event.data)) + b"\n"


def write_json_lines(events: Iterable[Event], out: BinaryIO) -> int:
    """Write every event as a line; how many there were."""
    count = 0
    for event in events:
        out.write(line(event))
        count += 1
    return count


async def publish(
    events: Iterable[Event],
    producer: OutputProducer,
    keys: PersonKeys,
    *,
    progress: Callable[[int], None] = lambda count: None,
    between: Callable[[Phase], Awaitable[None]] | None = None,
) -> int:
    """Publish every event and wait until Kafka has it; how many there were.

    `progress` is told how many more are acknowledged. `between` is awaited after each phase, when all of it is
    acknowledged: whoever gives it may wait there until the hub has taken the phase in.
    """
    under_way: deque[tuple[asyncio.Future[None], int]] = deque()
    batch: list[Output] = []
    total = 0
    phase: Phase | None = None

    async def ship(leave: int) -> None:
        if batch:
            under_way.append((producer.send_many(list(batch)), len(batch)))
            batch.clear()
        while len(under_way) > leave:
            delivery, size = under_way.popleft()
            await delivery
            progress(size)

    for event in events:
        if event.phase != phase:
            if phase is not None:
                await ship(0)
                if between is not None:
                    await between(phase)
            phase = event.phase
        batch.append(record(event, keys))
        total += 1
        if len(batch) >= BATCH_RECORDS:
            await ship(BATCHES_UNDER_WAY_MAX)
            await asyncio.sleep(0)
    await ship(0)
    if phase is not None and between is not None:
        await between(phase)
    return total
