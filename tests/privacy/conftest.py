"""The desks that these tests give events to: real ledger and rules, a database emptied for every test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.rules_by_law.conftest import law_dsn
from tests.rules_by_law.law_desk import LawDesk, law_desk

__all__ = ["law_dsn"]


@pytest_asyncio.fixture
async def hub(law_dsn: str) -> AsyncIterator[LawDesk]:
    async with law_desk(law_dsn) as made:
        yield made
