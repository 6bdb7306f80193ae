"""A run: load while faults happen, rest, and the account."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random

from tests.faults.account import Account, account
from tests.faults.kinds import KINDS, Scene, without_limit
from tests.faults.load import Load
from tests.faults.rest import rest
from tests.faults.stream import Published, Stream
from tests.faults.world import World

DOCUMENTS = 400
"""Of one day of the load; when it is over, the next one begins."""

CALM_SHARE = 0.6
"""Of the faults, how many find everything up again; the others meet a hub that is still recovering from the one before."""


@dataclass
class Run:
    """What happened and what is left of it."""

    happened: Counter[str] = field(default_factory=Counter)
    seconds: Counter[str] = field(default_factory=Counter)
    exits: Counter[str] = field(default_factory=Counter)
    account: Account = field(default_factory=Account)
    published: Published = field(default_factory=Published)
    recovery_s: float = 0.0
    wall_s: float = 0.0


async def run(
    world: World, steps: Iterable[tuple[str, ...]], seed: int, rate: float, say: Callable[[str], None] = print, pause_s: float = 0.3
) -> Run:
    """Let every step happen under load, one after the other (what stands in one tuple at once); then rest, and account."""
    made, began = Run(), time.monotonic()
    stream = Stream(world, made.published)
    other = Stream(world, made.published)
    scene = Scene(world, other, Random(f"faults {seed}"))
    stopping = asyncio.Event()
    receipts: list[Load] = []

    async def days() -> None:
        for number in itertools.count():
            load = Load(seed * 1_000 + number, DOCUMENTS, world.clock)
            receipts.append(load)
            await stream.publish(load.residents())
            await asyncio.sleep(0.5)
            for event in load.events():
                if stopping.is_set():
                    return
                await stream.add(event, rate)

    publishing = asyncio.create_task(days())
    try:
        await asyncio.sleep(1.0)
        for names in steps:
            assert not publishing.done(), publishing.exception()
            if scene.rng.random() < CALM_SHARE:
                await world.up()
            started = time.monotonic()
            await asyncio.gather(*(KINDS[name](scene) for name in names))
            took = time.monotonic() - started
            for name in names:
                made.happened[name] += 1
                made.seconds[name] += took
            say(f"{time.monotonic() - began:6.1f} s  {', '.join(names)} ({took:.1f} s)")
            await asyncio.sleep(pause_s)
    finally:
        stopping.set()
        await publishing
    await stream.flush()
    made.recovery_s = await rest(world)
    await without_limit(world)  # who reads what was taken back, or through a blocked account, is a dead letter (R15)
    for load in receipts:
        await stream.publish(load.read_now())
    await rest(world)
    world.clock.advance(49 * 3600)
    await rest(world)
    await stream.close()
    await other.close()
    made.account = await account(world.kafka.bootstrap, world.postgres.dsn, made.published, world.clock)
    for part in world.parts.values():
        made.exits.update(f"{part.name.partition('-')[0]} {code}" for code in part.exits)
    made.wall_s = time.monotonic() - began
    return made
