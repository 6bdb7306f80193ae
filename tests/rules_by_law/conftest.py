"""One database for the whole suite, emptied for every test: making the tables anew each time would take longer than the tests."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest
import pytest_asyncio

from hub.embedded.running import PostgresServer
from tests.rules_by_law.law_desk import LawDesk, law_desk


@pytest.fixture(scope="session")
def law_dsn(postgres_server: PostgresServer) -> Iterator[str]:
    name = f"law_{secrets.token_hex(6)}"
    asyncio.run(_execute(postgres_server.dsn, f"CREATE DATABASE {name}"))
    yield postgres_server.dsn_of(name)
    asyncio.run(_execute(postgres_server.dsn, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest_asyncio.fixture
async def hub(law_dsn: str) -> AsyncIterator[LawDesk]:
    async with law_desk(law_dsn) as made:
        yield made


async def _execute(dsn: str, statement: str) -> None:
    session = await asyncpg.connect(dsn)
    try:
        await session.execute(statement)
    finally:
        await session.close()
