"""What the tests of connectors share."""

from __future__ import annotations

import asyncio

import pytest

from pipelines.ledger import migrate


@pytest.fixture(scope="module")
def ledger(postgres: str) -> str:
    """A migrated ledger for all tests of a module."""
    asyncio.run(migrate.upgrade_now(postgres))
    return postgres
