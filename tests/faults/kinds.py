"""Every kind of fault: what happens, and what must be true before it counts as having happened.

A kind returns when the fault is over and what was hurt is running again, or is about to. It is told nothing about the load: events keep
coming while it happens.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Final

import asyncpg

from tests.faults.load import malformed
from tests.faults.parts import Part
from tests.faults.stream import Stream
from tests.faults.world import World

DAYS_2_S: Final = 49 * 3600.0
LIMIT: Final = 300
"""Dead letters a minute that the worlds of the fault tests allow."""


END_SESSIONS: Final = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE datname = 'hub' AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


@dataclass
class Scene:
    """What a kind may use. `session_s` is how long Kafka waits for a silent worker."""

    world: World
    stream: Stream
    rng: Random

    @property
    def worker(self) -> Part:
        return self.rng.choice(self.world.workers)

    @property
    def session_s(self) -> float:
        return float(self.world.settings.workers.session_seconds)


Kind = Callable[[Scene], Awaitable[None]]


def worker_dies(point: str) -> Kind:
    async def happen(scene: Scene) -> None:
        await scene.worker.die(point, scene.rng.randint(1, 3))

    return happen


async def worker_dies_relaying(scene: Scene) -> None:
    """One dies with its outputs unsent; the one that takes them over, or its successor, dies in the middle of that."""
    one, other = scene.rng.sample(scene.world.workers, 2)

    async def one_dies() -> None:
        await one.die("after_commit")
        await asyncio.sleep(1.5)

    await other.die("inside_relay", meanwhile=one_dies)


def timers_die(point: str) -> Kind:
    async def happen(scene: Scene) -> None:
        async def time_passes() -> None:
            scene.world.clock.advance(DAYS_2_S / 8)
            await asyncio.sleep(0.5)

        await scene.world.timers.die(point, scene.rng.randint(1, 3), meanwhile=time_passes)

    return happen


async def worker_killed(scene: Scene) -> None:
    await asyncio.sleep(scene.rng.random())
    await scene.worker.kill()


async def timers_killed(scene: Scene) -> None:
    scene.world.clock.advance(DAYS_2_S)
    await asyncio.sleep(scene.rng.random() * 0.3)
    await scene.world.timers.kill()


async def register_killed(scene: Scene) -> None:
    """While it is asked: two days on, all facts are stale and are refreshed before anything irreversible (P8)."""
    scene.world.clock.advance(DAYS_2_S)
    await asyncio.sleep(scene.rng.random() * 0.5)
    await scene.world.parts["register"].kill()


async def all_killed(scene: Scene) -> None:
    """As when the machine stops, but for the servers."""
    await asyncio.gather(*(part.kill() for part in (*scene.world.workers, scene.world.timers)))


async def everything_killed(scene: Scene) -> None:
    """As when the machine stops."""
    await asyncio.gather(
        *(part.kill() for part in (*scene.world.workers, scene.world.timers)),
        scene.world.broker_gone(signal.SIGKILL, 0.5),
        scene.world.ledger_gone(signal.SIGKILL, 0.5),
    )


def broker(with_signal: signal.Signals, for_s: float) -> Kind:
    async def happen(scene: Scene) -> None:
        await scene.world.broker_gone(with_signal, for_s)

    return happen


def ledger(with_signal: signal.Signals, for_s: float) -> Kind:
    async def happen(scene: Scene) -> None:
        await scene.world.ledger_gone(with_signal, for_s)

    return happen


async def ledger_sessions_ended(scene: Scene) -> None:
    """One backend of PostgreSQL dies: the server throws everybody out and recovers by itself."""
    while not (backends := [pid for pid in _children(scene.world.postgres.pid) if b"hub hub" in _command(pid)]):
        await asyncio.sleep(0.05)
    os.kill(scene.rng.choice(backends), signal.SIGKILL)
    await asyncio.sleep(1.0)


async def worker_leaves_and_joins(scene: Scene) -> None:
    """Away for longer than its session: the other takes its partitions, and gives them back."""
    part = scene.worker
    await part.stop()
    await asyncio.sleep(scene.session_s + 1.5)
    part.start()
    await part.up()


async def worker_frozen(scene: Scene) -> None:
    """A zombie: SIGSTOP for longer than its session, then it goes on with what it had in hand."""
    part = scene.worker
    part.send(signal.SIGSTOP)
    await asyncio.sleep(scene.session_s + 2.5)
    part.send(signal.SIGCONT)
    await asyncio.sleep(0.5)


async def timers_frozen(scene: Scene) -> None:
    scene.world.clock.advance(DAYS_2_S)
    await asyncio.sleep(0.05)
    scene.world.timers.send(signal.SIGSTOP)
    await asyncio.sleep(4)
    scene.world.timers.send(signal.SIGCONT)


async def broker_frozen(scene: Scene) -> None:
    """Kafka does not answer and does not refuse."""
    scene.world.kafka.process.send_signal(signal.SIGSTOP)  # type: ignore[union-attr]
    await asyncio.sleep(3)
    scene.world.kafka.process.send_signal(signal.SIGCONT)  # type: ignore[union-attr]


async def ledger_read_only(scene: Scene) -> None:
    """As managed servers do when their disk is full, and as a replica is after a failover: sessions are ended, new ones may only read."""
    session = await asyncpg.connect(scene.world.postgres.dsn)
    try:
        await session.execute("ALTER DATABASE hub SET default_transaction_read_only = on")
        await session.execute(END_SESSIONS)
        await asyncio.sleep(3)
        await session.execute("ALTER DATABASE hub RESET default_transaction_read_only")
        await session.execute(END_SESSIONS)
    finally:
        await session.close()


async def broker_disk_full(scene: Scene) -> None:
    """No segment of Kafka may grow: it gives up its only log directory and ends. Then there is room again."""
    server = scene.world.kafka
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (4_096, resource.RLIM_INFINITY))
    for _ in range(100):
        if server.process is None or server.process.poll() is not None:
            break
        await asyncio.sleep(0.1)
    await asyncio.to_thread(server.stop, signal.SIGKILL)
    await asyncio.to_thread(server.start)


async def dead_letter_limit(scene: Scene) -> None:
    """A sender pours out malformed letters: the workers stop rather than follow. An operator raises the limit, and it goes on."""
    before = {part.name: len(part.exits) for part in scene.world.workers}
    known = await _dead_letters(scene)
    now, mark = datetime.now(UTC), scene.rng.getrandbits(40)
    await scene.stream.publish(malformed(mark, number, now) for number in range(2 * LIMIT))
    until = asyncio.get_running_loop().time() + 30
    while not any(70 in part.exits[before[part.name] :] for part in scene.world.workers):
        assert asyncio.get_running_loop().time() < until, "no worker stopped at the limit"
        await asyncio.sleep(0.1)
    await without_limit(scene.world)
    while await _dead_letters(scene) < known + 2 * LIMIT:
        await asyncio.sleep(0.2)
    for part in scene.world.workers:
        part.env = scene.world.env
    await asyncio.gather(*(part.kill() for part in scene.world.workers))


async def without_limit(world: World) -> None:
    """As an operator who has looked at the dead letters does."""
    for part in world.workers:
        part.env = {**world.env, "HUB__DEAD_LETTERS__PER_MINUTE_MAX": "100000"}
    await asyncio.gather(*(part.kill() for part in world.workers))


async def _dead_letters(scene: Scene) -> int:
    session = await asyncpg.connect(scene.world.postgres.dsn)
    try:
        return await session.fetchval("SELECT count(*) FROM dead_letters")  # type: ignore[no-any-return]
    finally:
        await session.close()


def _children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


KINDS: Final[dict[str, Kind]] = {
    "worker dies before its transaction": worker_dies("before_commit"),
    "worker dies with all rows written, before COMMIT": worker_dies("inside_commit"),
    "worker dies after COMMIT, before sending": worker_dies("after_commit"),
    "worker dies after sending, before acknowledging": worker_dies("after_send"),
    "worker dies before it forgets delivered rows": worker_dies("before_forget"),
    "worker dies, and another while it relays": worker_dies_relaying,
    "worker killed at random": worker_killed,
    "worker leaves, and joins after its session": worker_leaves_and_joins,
    "worker frozen beyond its session, then goes on": worker_frozen,
    "timers die with due rows decided": timers_die("inside_timer"),
    "timers die before sending": timers_die("before_timer_send"),
    "timers die before they forget delivered rows": timers_die("before_forget"),
    "timers killed at random": timers_killed,
    "timers frozen, then go on": timers_frozen,
    "register connector killed": register_killed,
    "both workers and the timers killed at once": all_killed,
    "broker killed": broker(signal.SIGKILL, 0.5),
    "broker restarted in order": broker(signal.SIGTERM, 0.0),
    "broker frozen": broker_frozen,
    "broker's disk full": broker_disk_full,
    "ledger killed": ledger(signal.SIGKILL, 0.5),
    "ledger shut down immediately": ledger(signal.SIGQUIT, 0.5),
    "ledger restarted in order": ledger(signal.SIGINT, 0.0),
    "one ledger session killed": ledger_sessions_ended,
    "ledger read-only": ledger_read_only,
    "parts, broker and ledger killed at once": everything_killed,
    "limit of dead letters reached": dead_letter_limit,
}

SHORT: Final[tuple[tuple[str, ...], ...]] = (
    ("worker dies with all rows written, before COMMIT", "timers die with due rows decided"),
    ("worker dies after COMMIT, before sending", "timers die before sending"),
    ("worker dies after sending, before acknowledging",),
    ("broker killed",),
    ("worker dies before it forgets delivered rows", "register connector killed"),
    ("worker frozen beyond its session, then goes on", "timers killed at random"),
    ("ledger killed",),
    ("worker dies before its transaction",),
    ("both workers and the timers killed at once",),
    ("ledger shut down immediately",),
    ("worker leaves, and joins after its session", "timers frozen, then go on"),
    ("broker restarted in order",),
    ("limit of dead letters reached",),
    ("ledger read-only",),
)
"""The short form: each way to end at least once, what does not disturb the other at once."""
