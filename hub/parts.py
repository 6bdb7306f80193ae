"""Which processes make a hub: one table. What each needs before it may work, where it listens, how it is stopped.

A part of ours is `python -m MODULE`, forked from a process that has imported all of them already (`hub.nursery`) as
soon as what it needs is ready.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from config.ports import PEERS
from config.secrets import password
from config.settings import Settings, part_environment, server_environment
from hub.embedded import kafka, postgres
from hub.embedded.account import Account

SERVERS: Final = ("kafka", "postgres")
PROBE_TIMEOUT_S: Final = 2.0

Probe = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Launch:
    """How one process is started."""

    command: list[str]
    env: Mapping[str, str] | None = None
    cwd: Path | None = None
    account: Account | None = None
    words: tuple[str, ...] = ()  # MODULE ARGUMENT …: it may be forked in the nursery instead


@dataclass(frozen=True, slots=True)
class Part:
    """One row: `prepare` may take its time and says what to run; `ready` asks whether it can take work."""

    name: str
    prepare: Callable[[], Launch]
    needs: tuple[str, ...] = ()
    ports: Mapping[str, int] = field(default_factory=dict)
    ready: Probe | None = None  # None: it runs once, and is ready when it ended with 0
    module: str | None = None  # what the nursery shall import for it
    stop: signal.Signals = signal.SIGTERM
    grace_s: float = 15.0
    alive: Probe | None = None  # a part that does not answer this any more is frozen, and started again

    @property
    def runs_once(self) -> bool:
        return self.ready is None

    @property
    def is_server(self) -> bool:
        return self.name in SERVERS


def table(settings: Settings) -> tuple[Part, ...]:
    """The parts of a hub under these settings, in the order an operator wants to read them."""
    p = settings.ports
    ours = _Ours(settings)
    base = ("topics", "migrate")
    parts: list[Part] = []
    if settings.external_kafka is None:
        parts.append(_kafka(settings))
    if settings.external_postgres is None:
        parts.append(_postgres(settings))
    parts += [
        ours.once("migrate", "pipelines", "migrate", needs=("postgres",)),
        ours.once("topics", "hub.topics", needs=("kafka",)),
        ours.part("gateway", p.gateway, "connectors.gateway", needs=base),
        *(
            ours.part(f"worker-{slot}", p.worker(slot), "pipelines", "worker", "--slot", str(slot), needs=base)
            for slot in range(settings.workers.count)
        ),
        ours.part("timers", p.timers, "pipelines", "timers", "--slot", "0", needs=base),
        ours.part("register", p.register, "connectors.register", needs=base),
        replace(ours.part("delivery", p.delivery, "connectors.delivering", needs=base), grace_s=_delivery_grace_s(settings)),
        *(_bridge(ours, settings, slot, base) for slot in range(settings.video.bridges)),
    ]
    if settings.sandbox.enabled:
        sandbox = ours.part("sandbox", p.sandbox, "connectors.sandbox", needs=("topics",))
        parts.append(replace(sandbox, ports={**sandbox.ports, **{name: p.peer(name) for name in PEERS}}))
    present = {part.name for part in parts}
    return tuple(_with_needs(part, present) for part in parts)


def _bridge(ours: _Ours, settings: Settings, slot: int, needs: tuple[str, ...]) -> Part:
    """A process of the video part; it may wait for its meetings to end before it does."""
    p, name = settings.ports, f"video-{slot}" if slot else "video"
    words = ("--slot", str(slot)) if slot else ()
    part = ours.part(name, p.bridge(slot), "video", *words, needs=needs)
    return replace(part, ports={"http": p.bridge(slot), "media": p.media_of(slot)}, grace_s=part.grace_s + settings.video.drain_seconds)


def _delivery_grace_s(settings: Settings) -> float:
    """What is in flight when it is told to stop is waited for: killed, it would be an unknown outcome."""
    peers = (settings.delivery.kivra, settings.delivery.mina_meddelanden, settings.delivery.sms)
    return max(peer.total_seconds for peer in peers) + 5.0


def _with_needs(part: Part, present: set[str]) -> Part:
    """A server that somebody else runs (HUB_KAFKA, HUB_POSTGRES) needs no waiting here: the one-shot parts wait for it."""
    needs = tuple(n for n in part.needs if n in present)
    return replace(part, needs=needs)


@dataclass(frozen=True, slots=True)
class _Ours:
    """Rows of our own code: `python -m MODULE …`, with the same settings as the supervisor's."""

    settings: Settings

    def part(self, name: str, port: int, module: str, *arguments: str, needs: tuple[str, ...]) -> Part:
        launch, alive = self._launch(module, *arguments), answers_ready(port, "/healthz")
        return Part(name, launch, needs, {"http": port}, answers_ready(port), module, alive=alive)

    def once(self, name: str, module: str, *arguments: str, needs: tuple[str, ...]) -> Part:
        return Part(name, self._launch(module, *arguments), needs, module=module)

    def _launch(self, *words: str) -> Callable[[], Launch]:
        return lambda: Launch([sys.executable, "-m", *words], part_environment(self.settings), words=words)


def _kafka(settings: Settings) -> Part:
    p = settings.ports
    plan = kafka.KafkaPlan(
        dir=settings.dir / "kafka",
        port=p.kafka,
        controller=p.controller,
        sasl=p.sasl,
        cache=settings.cache_dir,
        durable=settings.kafka.durable,
        heap_mib=settings.kafka.heap_mib,
    )
    ports = {"kafka": p.kafka, "controller": p.controller, "sasl": p.sasl}

    async def ready() -> bool:
        return await asyncio.to_thread(kafka.is_up, plan)

    return Part("kafka", lambda: Launch(kafka.prepare(plan), server_environment()), (), ports, ready, grace_s=30.0)


def _postgres(settings: Settings) -> Part:
    port = settings.ports.postgres

    def prepare() -> Launch:
        secrets = settings.secrets_dir
        plan = postgres.PostgresPlan(settings.dir / "postgres", port, password(secrets, "postgres"), password(secrets, "postgres-admin"))
        made = postgres.prepare(plan)
        return Launch(made.command, server_environment(), cwd=made.data, account=made.account)

    async def ready() -> bool:
        return await asyncio.to_thread(postgres.is_up, port)

    # SIGINT is PostgreSQL's fast shutdown; SIGTERM would wait for every client to leave.
    return Part("postgres", prepare, (), {"postgres": port}, ready, stop=signal.SIGINT, grace_s=60.0)


def answers_ready(port: int, path: str = "/readyz") -> Probe:
    """GET of the path on loopback says 200."""

    async def ready() -> bool:
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                try:
                    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
                    return (await reader.readline()).split()[1:2] == [b"200"]
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return False

    return ready
