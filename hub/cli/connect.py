"""Connections of a command: to the ledger and to Kafka, with the settings of the hub it was pointed at."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError
from asyncpg import Pool, PostgresError

from config.settings import Settings
from hub.cli.exits import NotReachable
from hub.topics import client_arguments
from pipelines.commands import Decoder
from pipelines.ledger import pool as ledger_pool
from pipelines.transport.outputs import producer_arguments
from schemas.clock import Clock
from schemas.keys import PersonKeys
from schemas.topics import PRODUCER_BYTES_MAX

CLIENT = "hub-cli"
STATEMENT_TIMEOUT_S = 600.0

logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # a broker that is away is told once, by us


@asynccontextmanager
async def ledger(settings: Settings) -> AsyncIterator[Pool[Any]]:
    """The ledger, or `NotReachable`."""
    try:
        pool = await ledger_pool.connect(settings.postgres_dsn(), size=4, part="cli", statement_timeout_s=STATEMENT_TIMEOUT_S)
    except (OSError, PostgresError, TimeoutError) as failure:
        raise NotReachable(f"the ledger (PostgreSQL) cannot be reached: {type(failure).__name__}") from None
    try:
        yield pool
    finally:
        await pool.close()


@asynccontextmanager
async def consumer(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer of no group: it reads where it is told and leaves no mark."""
    made = AIOKafkaConsumer(
        **client_arguments(settings), client_id=CLIENT, enable_auto_commit=False, auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 * 1024 * 1024,
    )  # fmt: skip
    await _started(made, settings)
    try:
        yield made
    finally:
        await made.stop()


@asynccontextmanager
async def producer(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    """Idempotent, acks=all."""
    made = AIOKafkaProducer(**client_arguments(settings) | producer_arguments(CLIENT, PRODUCER_BYTES_MAX))
    await _started(made, settings)
    try:
        yield made
    finally:
        await made.stop()


async def _started(client: Any, settings: Settings) -> None:
    try:
        await client.start()
    except (KafkaError, OSError) as failure:
        await client.stop()
        raise NotReachable(f"Kafka cannot be reached at {settings.kafka_bootstrap}: {type(failure).__name__}") from None


def person_keys(settings: Settings) -> PersonKeys:
    return PersonKeys(settings.person_key_secrets(), settings.hub.key_version)


def decoder(settings: Settings) -> Decoder:
    """Records to commands, as the workers of this hub do it."""
    return Decoder(person_keys(settings), settings.policy, hub_clock(settings).mapping)


def hub_clock(settings: Settings) -> Clock:
    return Clock(settings.clock_file)
