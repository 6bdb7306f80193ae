"""The ledger: PostgreSQL tables that hold what the hub knows, decided and still has to do (ARCHITECTURE decisions 1 and 4)."""

from __future__ import annotations

from typing import Any, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

Connection: TypeAlias = "asyncpg.Connection[Any] | PoolConnectionProxy[Any]"
"""A connection, taken from a pool or made alone."""
