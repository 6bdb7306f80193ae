"""A Faust worker of ours: an app on the batch transport with everything else of Faust switched off, and a way to run
it that ends well or at once.

Faust's own `Worker` is not used: at log level WARN it puts a spinner on the root logger and everything to DEBUG, and
it waits seconds to close.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import faust
from faust.types import AgentT

from pipelines.transport.access import KafkaAccess
from pipelines.transport.batches import PartitionLag
from pipelines.transport.consumer import Consumer
from pipelines.transport.driver import BatchSchema, BatchStream, NoTables, Producer
from pipelines.transport.outputs import CONNECTIONS, MESSAGE_BYTES_MAX, OutputProducer

log = logging.getLogger("hub.transport")

EXIT_FAILED = 70
"""`EX_SOFTWARE`: the supervisor starts the worker again."""


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What a worker needs to know. `slot` is the worker's place (0, 1, …): one living process a slot."""

    access: KafkaAccess
    group: str
    slot: int
    datadir: Path
    """Faust wants a folder; nothing of ours is in it."""
    records_max: int = 500
    commit_interval_s: float = 0.05
    fetch_wait_ms: int = 100
    fetch_bytes_max: int = 8 * 1024 * 1024
    partition_fetch_bytes_max: int = 1024 * 1024
    topic_records_max: int = 4_000
    """Fetched and not acknowledged; a fetch in flight may overshoot by itself."""
    topic_bytes_max: int = 32 * 1024 * 1024
    message_bytes_max: int = MESSAGE_BYTES_MAX
    output_connections: int = CONNECTIONS
    session_s: float = 10.0
    rebalance_s: float = 30.0
    stall_s: float = 60.0
    stop_s_max: float = 30.0

    @property
    def client_id(self) -> str:
        """Also the static member id."""
        return f"{self.group}-{self.slot}"


class HubApp(faust.App):
    """A Faust app for agents that take batches: `@app.agent(app.batches("topic", …))`."""

    def batches(self, *topics: str) -> Any:
        """The channel of an agent that reads these topics, one `RecordBatch` an event."""
        return self.topic(*topics, schema=BatchSchema())

    @property
    def outputs(self) -> OutputProducer:
        """Publish here. There once the worker has started."""
        producer = self.producer
        assert isinstance(producer, Producer)
        return producer.outputs

    def lag(self) -> list[PartitionLag]:
        """Of the partitions this worker has now."""
        consumer = self.consumer
        assert isinstance(consumer, Consumer)
        return consumer.lag()

    def fail(self, error: BaseException) -> None:
        """The one way a failure of ours goes: end the process, at once, committing nothing more."""
        on_failure: Callable[[BaseException], None] = self.conf.hub_on_failure
        on_failure(error)

    def _crash(self, reason: BaseException) -> None:
        """Every service of Faust's that crashes comes by here, from any thread."""
        super()._crash(reason)
        self.fail(reason)

    async def _on_agent_error(self, agent: AgentT[Any], exc: BaseException) -> None:
        """Stock commits and starts the agent again, which loses what it held."""
        self.fail(exc)


def end_process(error: BaseException) -> NoReturn:
    """One line, then exit 70 without unwinding: an orderly shutdown after a fault would commit, wait and hang."""
    log.critical("worker_failed", extra={"cause": type(error).__name__}, exc_info=error)
    for handler in logging.getLogger().handlers:
        handler.flush()
    os._exit(EXIT_FAILED)


def make_app(settings: WorkerSettings, *, on_failure: Callable[[BaseException], None] = end_process) -> HubApp:
    """An app on `hub://`. Web server, tables, leader, topics of Faust's own, exactly-once: off."""
    settings.datadir.mkdir(parents=True, exist_ok=True)
    app = HubApp(
        settings.group,
        broker="hub://" + settings.access.bootstrap.split(",")[0],
        datadir=str(settings.datadir),
        version=1,
        autodiscover=False,
        web_enabled=False,
        store="memory://",
        table_standby_replicas=0,
        topic_allow_declare=False,
        topic_disable_leader=True,
        reply_create_topic=False,
        processing_guarantee="at_least_once",
        stream_wait_empty=True,
        stream_recovery_delay=0,
        stream_buffer_maxsize=65_536,
        worker_redirect_stdouts=False,
        producer_threaded=False,
        broker_client_id=settings.client_id,
        consumer_group_instance_id=settings.client_id,
        consumer_auto_offset_reset="earliest",
        broker_session_timeout=settings.session_s,
        broker_request_timeout=40.0,
        broker_rebalance_timeout=settings.rebalance_s,
        Stream=BatchStream,
        TableManager=NoTables,
    )
    app.conf.hub = settings
    app.conf.hub_on_failure = on_failure
    return app


async def serve(app: HubApp, *, ready: Callable[[], None] | None = None, stop: asyncio.Event | None = None) -> None:
    """Run until SIGTERM or SIGINT (or `stop`), then finish what was begun, commit, and go.

    `ready` is called once records can flow. Lanes must go on until this returns. The process ends with status 70 when
    the stop takes longer than `stop_s_max`.
    """
    stop = asyncio.Event() if stop is None else stop
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    stopping = asyncio.create_task(stop.wait())
    starting = asyncio.create_task(app.start())
    try:
        await asyncio.wait({stopping, starting}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            log.info("worker_ready")
            if ready is not None:
                ready()
            await stopping
    except BaseException as error:
        app.fail(error)
        raise
    finally:
        stopping.cancel()
    log.info("worker_stopping")
    try:
        async with asyncio.timeout(app.conf.hub.stop_s_max):
            await app.stop()
    except BaseException as error:
        app.fail(error)
        raise
    if not starting.done():
        starting.cancel()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(number)
    log.info("worker_stopped")
