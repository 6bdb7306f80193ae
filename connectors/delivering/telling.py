"""Tells the pipelines what came of deliveries: `delivery.answered.v1` on `receipts.v1`, after the ledger has it and as often as it takes.

The id follows from the delivery and the number of its answer, so one that is told again after a crash is known as the same event.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple, Protocol

import orjson

from connectors.delivering.ports import Untold
from schemas.cloudevents import headers_for, time_text, uid_text
from schemas.events import DeliveryAnswered
from schemas.keys import PersonKeys

TOPIC: Final = "receipts.v1"
SOURCE: Final = "urn:care-hub:delivery"
AT_ONCE_MAX: Final = 500
POLL_S: Final = 1.0


class Record(NamedTuple):
    """One record for Kafka."""

    topic: str
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]

    def __repr__(self) -> str:
        """Without key and value."""
        return f"Record(topic={self.topic!r})"


class Ledger(Protocol):
    async def untold(self, limit: int) -> Sequence[Untold]: ...
    async def told(self, answers: Any) -> None: ...


def record(answer: Untold, keys: PersonKeys) -> Record:
    """An answer as it stands on the topic, keyed like everything else about the person."""
    key = keys.key(answer.pid)
    at = time_text(answer.at)
    data = {"delivery_id": str(answer.send), "channel": answer.channel, "outcome": answer.outcome, "at": at}
    if answer.code is not None and answer.outcome != "accepted":
        data["code"] = answer.code
    name = uid_text("delivery.answered", str(answer.send), str(answer.number))
    headers = headers_for(DeliveryAnswered.TYPE, name, SOURCE, at, subject=str(answer.send), partitionkey=key)
    return Record(TOPIC, key.encode(), orjson.dumps(data), headers)


class Telling:
    """The loop. `wake` when something is to be told; it looks by itself, too, for what an earlier process left."""

    def __init__(self, ledger: Ledger, publish: Callable[[list[Record]], Awaitable[None]], keys: PersonKeys) -> None:
        self._ledger = ledger
        self._publish = publish
        self._keys = keys
        self._wanted = asyncio.Event()

    def wake(self) -> None:
        self._wanted.set()

    async def tell(self) -> int:
        """Everything that is untold now; how many."""
        total = 0
        while answers := await self._ledger.untold(AT_ONCE_MAX):
            await self._publish([record(answer, self._keys) for answer in answers])
            await self._ledger.told(answers)
            total += len(answers)
            if len(answers) < AT_ONCE_MAX:
                break
        return total

    async def run(self, stop: asyncio.Event) -> None:
        """Tell until `stop`, and once more then."""
        ends = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                self._wanted.clear()
                await self.tell()
                wanted = asyncio.create_task(self._wanted.wait())
                try:
                    await asyncio.wait({wanted, ends}, timeout=POLL_S, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    wanted.cancel()
        finally:
            ends.cancel()
        await self.tell()
