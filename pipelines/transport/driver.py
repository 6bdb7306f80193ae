"""Faust's aiokafka driver on our consumer and producer: `Transport` answers to the URL scheme `hub://`.

Theory: `pipelines/transport/__init__.py`. Also the small parts an app needs around it: a schema that decodes nothing,
a stream that acknowledges nothing, and no tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar, cast

from faust import Schema, Stream
from faust.tables.manager import TableManager
from faust.transport.drivers import aiokafka as stock
from faust.types import AppT, EventT, Message

from pipelines.transport.batches import RecordBatch
from pipelines.transport.consumer import Consumer as BatchConsumer
from pipelines.transport.outputs import OutputProducer, producer_arguments


class BatchSchema(Schema):  # type: ignore[type-arg]
    """Decodes nothing: an event's value is the `RecordBatch`."""

    def compile(self, app: AppT, **callbacks: Any) -> Any:
        async def decode(message: Message, *, propagate: bool = False) -> EventT[Any]:
            acknowledge = partial(message.ack, app.consumer)
            batch = RecordBatch(message.topic, message.partition, cast(Any, message.value), cast(Any, acknowledge))
            return app.create_event(None, cast(Any, batch), None, message)

        return decode


class BatchStream(Stream):  # type: ignore[type-arg]
    """Never acknowledges by itself: Faust does so in a `finally`, whether or not the agent succeeded."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.enable_acks = False


class NoTables(TableManager):
    """Recovery, of no tables, is how Faust lets records flow. Tables are refused, and so is its second of waiting."""

    def add(self, table: Any) -> Any:
        raise RuntimeError("tables are off: what must survive is in the ledger")

    async def on_start(self) -> None:
        await self._update_channels()
        await self.recovery.start()


class Producer(stock.Producer):
    """Faust's producer is ours: `outputs.send_many`. Its own `send` has no user here, but is idempotent too."""

    outputs: OutputProducer

    def _settings_default(self) -> Mapping[str, Any]:
        settings = self.app.conf.hub
        arguments: dict[str, Any] = settings.access.client_arguments()
        return arguments | producer_arguments(settings.client_id, settings.message_bytes_max)

    def _settings_auth(self) -> Mapping[str, Any]:
        return {}

    async def on_start(self) -> None:
        await super().on_start()
        settings = self.app.conf.hub
        more = (self._new_producer() for _ in range(settings.output_connections - 1))
        self.outputs = OutputProducer(self._ensure_producer(), *more, message_bytes_max=settings.message_bytes_max)
        await self.outputs.begin()

    async def on_stop(self) -> None:
        await self.outputs.end()
        await super().on_stop()


class Transport(stock.Transport):
    """`hub://`."""

    Consumer: ClassVar[type[Any]] = BatchConsumer
    Producer: ClassVar[type[Any]] = Producer
