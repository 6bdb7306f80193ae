"""To Kafka and back: a request's records are published together, and its answer waits for all of them.

`send_many` (idempotent, acks=all) is given by whoever composes the gateway. Kafka has no transaction here
(ARCHITECTURE decision 1), so of a request that fails *in Kafka* a part may be in the log: its sender hears 503,
sends all of it again with the same ids, and the hub knows the ones it has. What fails *before* Kafka (a refused
event, a full gateway) leaves nothing.

While the oldest unanswered request is older than the time limit Kafka counts as away: new ones are answered 503
at once rather than piled up. A producer that failed is replaced by a new one, in the background.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, Protocol

import structlog

from connectors.gateway.options import Limits
from connectors.gateway.refusals import unavailable
from schemas.telemetry import Meter

RESTART_S_MIN: Final = 0.2
RESTART_S_MAX: Final = 5.0

_log = structlog.get_logger()


class Output(NamedTuple):
    """One record; its partition follows `partition_key` (Kafka's default partitioner), else `key`."""

    topic: str
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]
    partition_key: bytes | None = None

    def __repr__(self) -> str:
        """Without key and value: both are personal data."""
        return f"Output(topic={self.topic!r})"


class Producer(Protocol):
    """What publishes: started, used from one event loop, finished after its first failure."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def send_many(self, outputs: Sequence[Any]) -> asyncio.Future[None]: ...


class Publisher:
    """Publishes with the producer of the moment. `start` returns at once, with Kafka there or not."""

    def __init__(self, make: Callable[[], Producer], limits: Limits, meter: Meter) -> None:
        self._make = make
        self._limits = limits
        self._meter = meter
        self._producer: Producer | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._broken = asyncio.Event()
        self._pending: dict[asyncio.Future[None], float] = {}

    @property
    def ready(self) -> bool:
        """Whether Kafka can be expected to take something now."""
        return self._producer is not None and not self._stalled()

    def start(self) -> None:
        self._keeper = asyncio.create_task(self._keep(), name="gateway producer")

    async def stop(self) -> None:
        """Let what is under way arrive, for as long as a request would wait, then close."""
        if self._pending:
            await asyncio.wait(list(self._pending), timeout=self._limits.publish_timeout_s)
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait({self._keeper})
        await _close(self._producer)
        self._producer = None

    async def publish(self, outputs: Sequence[Output], keep: Callable[[], Callable[[], None]]) -> None:
        """Return when Kafka has all of them. Raises `Refused` (503) when it cannot be said that it has.

        `keep` is called when the records outlive this call, and its result when they no longer do.
        """
        producer = self._producer
        if producer is None or self._stalled():
            raise unavailable("The log cannot be reached", self._limits.retry_after_s)
        begun = time.monotonic()
        sent = producer.send_many(outputs)
        self._pending[sent] = begun
        sent.add_done_callback(self._arrived)
        try:
            await asyncio.wait_for(asyncio.shield(sent), self._limits.publish_timeout_s)
        except (TimeoutError, asyncio.CancelledError) as stopped:
            if not sent.done():
                give_back = keep()
                sent.add_done_callback(lambda _: give_back())
            if isinstance(stopped, asyncio.CancelledError):
                raise
            raise unavailable("The log did not answer in time; some of it may be there", self._limits.retry_after_s) from None
        except Exception as error:
            _log.warning("gateway_publish_failed", cause=type(error).__name__)
            raise unavailable("The log did not take it; some of it may be there", self._limits.retry_after_s) from None
        self._meter.observe("publish_seconds", time.monotonic() - begun)

    def _arrived(self, sent: asyncio.Future[None]) -> None:
        self._pending.pop(sent, None)
        if not sent.cancelled() and sent.exception() is not None:
            self._broken.set()

    def _stalled(self) -> bool:
        oldest = next(iter(self._pending.values()), None)
        return oldest is not None and time.monotonic() - oldest > self._limits.publish_timeout_s

    async def _keep(self) -> None:
        """Have a working producer, whatever happens to Kafka."""
        pause = RESTART_S_MIN
        while True:
            try:
                producer = self._make()
                await producer.start()
            except asyncio.CancelledError:
                raise
            except Exception as error:
                _log.warning("gateway_kafka_away", cause=type(error).__name__)
                await asyncio.sleep(pause)
                pause = min(pause * 2, RESTART_S_MAX)
                continue
            pause = RESTART_S_MIN
            self._producer = producer
            self._broken.clear()
            _log.info("gateway_kafka_connected")
            await self._broken.wait()
            self._producer = None
            _log.warning("gateway_producer_replaced")
            await _close(producer)


async def _close(producer: Producer | None) -> None:
    if producer is not None:
        with contextlib.suppress(Exception):
            await asyncio.wait_for(producer.stop(), RESTART_S_MAX)
