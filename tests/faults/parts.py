"""The hub's parts as processes that are started again when they end, as the supervisor does, and that a test may hurt.

They are forked from the nursery, as in the product, so that a part that died is back at once. Nothing here is gentle by itself: `kill`
is SIGKILL, `send` any signal. What a part ended with is kept, so that a test can tell the fault it made from one it did not.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hub.nursery import Adopted, Nursery

ROOT: Final = Path(__file__).resolve().parents[2]
BACKOFF_S: Final = (0.0, 0.2, 0.4, 0.8, 1.6)
LOOK_S: Final = 0.02
HEALTHY_S: Final = 5.0


@dataclass
class Part:
    """One process of the hub and its successors. `exits` are exit codes, negative for a signal, in order."""

    name: str
    words: tuple[str, ...]
    port: int
    env: Mapping[str, str]
    log: Path
    nursery: Nursery
    exits: list[int] = field(default_factory=list)
    armed: list[bool] = field(default_factory=list)
    """By exit: whether that process was to kill itself at a named point."""
    die_at: str | None = None
    process: Adopted | None = None
    _keeping: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._keeping = asyncio.create_task(self._keep(), name=self.name)

    async def _keep(self) -> None:
        failures = 0
        while True:
            began = time.monotonic()
            armed = self._spawn()
            while self.process is not None and self.process.poll() is None:
                await asyncio.sleep(LOOK_S)
            assert self.process is not None
            self.armed.append(armed)
            self.exits.append(self.process.returncode)
            failures = 0 if time.monotonic() - began > HEALTHY_S else failures + 1
            await asyncio.sleep(BACKOFF_S[min(failures, len(BACKOFF_S) - 1)])

    def _spawn(self) -> bool:
        """Start the next process; whether it is to kill itself."""
        point, self.die_at = self.die_at, None
        words = [*self.words, "--die-at", point] if point is not None else list(self.words)
        with self.log.open("ab") as log:
            self.process = self.nursery.bear(words, self.env, log.fileno())
        return point is not None

    async def up(self, timeout_s: float = 60.0) -> None:
        """Until it says that it can take work."""
        until = time.monotonic() + timeout_s
        while not await self.answers("/readyz"):
            assert time.monotonic() < until, f"{self.name} is not ready: {self.tail()}"
            await asyncio.sleep(0.05)

    async def answers(self, path: str, timeout_s: float = 1.0) -> bool:
        """Whether GET on loopback says 200."""
        try:
            async with asyncio.timeout(timeout_s):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                try:
                    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
                    return (await reader.readline()).split()[1:2] == [b"200"]
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return False

    async def ended(self, since: int, timeout_s: float = 60.0) -> int:
        """The exit code of the process that is the `since`-th to end."""
        until = time.monotonic() + timeout_s
        while len(self.exits) <= since:
            assert time.monotonic() < until, f"{self.name} did not end: {self.tail()}"
            await asyncio.sleep(LOOK_S)
        return self.exits[since]

    def send(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, number)

    async def kill(self) -> None:
        """SIGKILL, as soon as there is a process; back when the kernel has it, not when the next one runs."""
        while self.process is None or self.process.poll() is not None:
            await asyncio.sleep(LOOK_S)
        before = len(self.exits)
        self.send(signal.SIGKILL)
        await self.ended(before)

    async def die(
        self, point: str, times: int = 1, timeout_s: float = 60.0, meanwhile: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """The next process kills itself the `times`-th time it passes `point`; back when it has.

        One that ends otherwise first (a server is not back yet) is followed by another with the same wish. `meanwhile` is awaited
        again and again while the point is not reached.
        """
        until = time.monotonic() + timeout_s
        seen = len(self.exits)
        self.die_at = f"{point}:{times}"
        self.send(signal.SIGKILL)
        while True:
            assert time.monotonic() < until, f"{self.name} did not come to {point}; exits {self.exits[-5:]}: {self.tail()}"
            while seen < len(self.exits):
                if self.armed[seen]:
                    if self.exits[seen] == -signal.SIGKILL:
                        return
                    self.die_at = f"{point}:{times}"
                    self.send(signal.SIGKILL)
                seen += 1
            if meanwhile is not None and await self.answers("/readyz"):
                await meanwhile()
            await asyncio.sleep(LOOK_S)

    async def stop(self, with_signal: signal.Signals = signal.SIGTERM, grace_s: float = 30.0) -> int:
        """End it and start no other; its exit code."""
        if self._keeping is not None:
            self._keeping.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeping
            self._keeping = None
        self.send(with_signal)
        self.send(signal.SIGCONT)
        until = time.monotonic() + grace_s
        while self.process is not None and self.process.poll() is None:
            if time.monotonic() > until:
                self.process.send_signal(signal.SIGKILL)
            await asyncio.sleep(LOOK_S)
        return 0 if self.process is None else self.process.returncode

    def tail(self, count: int = 1500) -> str:
        return self.log.read_text(errors="replace")[-count:] if self.log.exists() else ""
