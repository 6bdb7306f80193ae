"""The sides that are compared: how each is started, held still while its backlog is written, let go, and ended."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
import asyncpg

from bench import streams
from bench.servers import BARE_TOPIC, FACTS_TOPIC, STREAMS_TOPIC, Ground
from hub.process import spawn

ROOT: Final = Path(__file__).parent.parent
READY_S: Final = 90.0
HUB: Final = "hub"
BARE: Final = "bare"
STREAMS: Final = "streams"


@dataclass
class Side:
    """Started processes. `topic` is where its documents go, `ledger` the connection to look at what it wrote."""

    name: str
    topic: str
    ledger: asyncpg.Connection[Any]
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    logs: list[Path] = field(default_factory=list)

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self.processes]

    def hold(self) -> None:
        for process in self.processes:
            process.send_signal(signal.SIGSTOP)

    def go(self) -> None:
        for process in self.processes:
            process.send_signal(signal.SIGCONT)

    def check(self) -> None:
        """Raises when one of its processes has ended."""
        for process, log in zip(self.processes, self.logs, strict=True):
            if process.poll() is not None:
                raise RuntimeError(f"{self.name} ended with {process.returncode}: {log.read_text(errors='replace')[-2000:]}")

    def stop(self) -> None:
        for process in self.processes:
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in self.processes:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@asynccontextmanager
async def started(ground: Ground, name: str, workers: int = 1) -> AsyncIterator[Side]:
    """A side's processes, ready for records; ended afterwards."""
    commands, topic = _commands(ground, name, workers)
    ledger = await ground.ledger(HUB if name == STREAMS else name)
    side = Side(f"{name}-{workers}", topic, ledger)
    env = ground.environment(HUB if name == STREAMS else name)
    if name == STREAMS:
        await ground.publish_all(ground.world.facts(FACTS_TOPIC))
    try:
        for number, command in enumerate(commands):
            side.logs.append(ground.dir / f"{name}-{number}.log")
            with side.logs[-1].open("wb") as log:
                side.processes.append(spawn(command, output=log, env=env, cwd=ROOT))
        await _ready(ground, side, name)
        yield side
        side.check()
    finally:
        side.stop()


def _commands(ground: Ground, name: str, workers: int) -> tuple[list[list[str]], str]:
    if name == HUB:
        command = [sys.executable, "-m", "pipelines", "worker", "--slot"]
        return [[*command, str(slot)] for slot in range(workers)], "ehr.letters.v1"
    if name == BARE:
        return [[sys.executable, "-m", "bench.bare", "--number", str(number)] for number in range(workers)], BARE_TOPIC
    directory = ground.dir / "streams"
    arguments = (ground.kafka.bootstrap, str(directory / "state"), STREAMS_TOPIC, FACTS_TOPIC)
    return [streams.command(ground.settings.cache_dir, directory, *arguments)], STREAMS_TOPIC


async def _ready(ground: Ground, side: Side, name: str) -> None:
    async with aiohttp.ClientSession() as session, asyncio.timeout(READY_S):
        for slot, log in enumerate(side.logs):
            while not (await _answers(session, ground.settings.ports.worker(slot)) if name == HUB else b"ready" in log.read_bytes()):
                side.check()
                await asyncio.sleep(0.05)
    await asyncio.sleep(0.5)


async def _answers(session: aiohttp.ClientSession, port: int) -> bool:
    try:
        async with session.get(f"http://127.0.0.1:{port}/readyz") as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False
