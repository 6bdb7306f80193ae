"""Waiting until all that was taken in is decided and its outputs are published, and nothing moves any more."""

from __future__ import annotations

import asyncio
import time

from hub.quiet import Quiet
from tests.faults.world import World

LOOK_S = 0.2
STILL = 3
"""So many looks in a row that say idle."""


async def rest(world: World, timeout_s: float = 120.0) -> float:
    """How long it took to come to rest. Raises `AssertionError` with what is left when it does not."""
    quiet, began, still = Quiet(world.settings), time.monotonic(), 0
    look = None
    try:
        while still < STILL:
            if time.monotonic() - began > timeout_s:
                tails = "\n".join(f"--- {part.name} {part.exits[-5:]}\n{part.tail(800)}" for part in world.parts.values())
                raise AssertionError(f"not at rest after {timeout_s} s: {look}\n{tails}")
            look = await quiet.look(world.clock.now())
            still = still + 1 if look is not None and look["idle"] else 0
            await asyncio.sleep(LOOK_S)
        return time.monotonic() - began
    finally:
        await quiet.close()
