"""Runs the parts: each a process of its own, started as early as it can be, started again when it dies, stopped in order.

A part that dies is started again at once; one that keeps dying waits 0.2 s, 0.4 s, … up to 10 s. A while of health makes
it a first time again. Stopping goes the other way round: first the parts, which finish the work they have, then Kafka
and PostgreSQL, which the parts need for that.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from config.settings import Settings
from hub import logs, state
from hub.embedded.listening import check_free
from hub.nursery import Nursery
from hub.parts import SERVERS, Launch, Part
from hub.process import Process, adopt_orphans, reap_strangers, spawn, started_at

State = Literal["waiting", "starting", "ready", "not ready", "done", "backoff", "stopped"]

PART: Final = "supervisor"
"""Its own name, in logs and metrics."""
BACKOFF_S: Final = (0.0, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0)
HEALTHY_S: Final = 30.0
PROBE_STARTING_S: Final = 0.1
"""Eight parts that are asked start on the cores that asking takes: at 0.03 s it was a core's third."""
NEEDS_LOOK_S: Final = 0.02
PROBE_READY_S: Final = 1.0
FROZEN_PROBES: Final = 6
"""So many unanswered questions in a row, of two times two seconds and a pause each: half a minute."""
HOUSEKEEPING_S: Final = 5.0
KILL_GRACE_S: Final = 5.0


@dataclass
class Child:
    """One part as it runs."""

    part: Part
    state: State = "waiting"
    process: Process | None = None
    start: str | None = None  # what tells the process from a later one with its pid
    restarts: int = 0
    failures: int = 0  # in a row, for the back-off
    ready_at: float | None = None
    first_ready: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def serves(self) -> bool:
        """Ready, and its end is not only unnoticed yet."""
        return self.state == "ready" and self.process is not None and self.process.poll() is None

    def row(self) -> dict[str, Any]:
        running = self.process is not None and self.process.poll() is None
        pid = self.process.pid if running and self.process is not None else None
        return {
            "name": self.part.name,
            "pid": pid,
            "state": self.state,
            "restarts": self.restarts,
            "ports": dict(self.part.ports),
        }


class Supervisor:
    """The parts of one hub. `run` ends when `stop` was called, or when a part cannot even be prepared."""

    def __init__(self, settings: Settings, parts: Iterable[Part], say: Callable[[str], None]) -> None:
        self.settings = settings
        self.children = {part.name: Child(part) for part in parts}
        self._say = say
        self._stopping = asyncio.Event()
        self._failure: BaseException | None = None
        self._nursery: Nursery | None = None
        self._bearing = asyncio.Lock()
        self._began = time.time()

    @property
    def ready(self) -> bool:
        return all(c.state in ("ready", "done") for c in self.children.values())

    def rows(self) -> list[dict[str, Any]]:
        return [child.row() for child in self.children.values()]

    def stop(self) -> None:
        self._stopping.set()

    async def run(self, while_running: Callable[[], Awaitable[None]] | None = None) -> None:
        """Start everything, keep it running, stop everything.

        `while_running` is awaited beside the parts, from the first moment on; it is cancelled at the end.

        Raises:
            PortTaken: before anything was started.
            Exception: what `prepare` of a part raised, once everything is stopped again.
        """
        ports = {f"{c.part.name} ({n})": p for c in self.children.values() for n, p in c.part.ports.items()}
        check_free({**ports, "the control server": self.settings.ports.control})
        adopt_orphans()
        self._new_nursery()
        tasks = [asyncio.create_task(self._keep(child)) for child in self.children.values()]
        tasks.append(asyncio.create_task(self._housekeep()))
        beside = asyncio.create_task(self._beside(while_running)) if while_running is not None else None
        await self._stopping.wait()
        if beside is not None:
            beside.cancel()
            await asyncio.gather(beside, return_exceptions=True)
        await self._end(c for c in self.children.values() if not c.part.is_server)
        await self._end(c for c in self.children.values() if c.part.is_server)
        if self._nursery is not None:
            self._nursery.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._write()
        if self._failure is not None:
            raise self._failure

    async def wait_ready(self) -> None:
        await asyncio.gather(*(child.first_ready.wait() for child in self.children.values()))

    async def _beside(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception as failure:
            self._fail(failure)

    def _fail(self, failure: BaseException) -> None:
        self._failure = self._failure or failure
        self.stop()

    async def _keep(self, child: Child) -> None:
        """One part, from its first start until the hub stops."""
        part = child.part
        while not self._stopping.is_set():
            try:
                code = await self._once(child)
            except Exception as failure:
                if child.restarts == 0 and not child.first_ready.is_set():
                    self._fail(failure)  # it never ran: better said now than tried for ever
                    return
                self._say(f"{part.name} cannot be started: {failure}")
                code = -1
            if self._stopping.is_set():
                return
            if part.runs_once and code == 0:
                child.state = "done"
                child.first_ready.set()
                self._write()
                return
            was_healthy = child.ready_at is not None and time.monotonic() - child.ready_at > HEALTHY_S
            child.failures = 0 if was_healthy else child.failures
            delay = BACKOFF_S[min(child.failures, len(BACKOFF_S) - 1)]
            child.failures += 1
            child.restarts += 1
            child.state = "backoff"
            self._say(_ended(part.name, code, delay, "" if code < 0 else logs.last_words(self.settings.log_dir, part.name)))
            self._write()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay) if delay else None

    async def _once(self, child: Child) -> int:
        """Run the part's process once; its exit code."""
        part = child.part
        child.state, child.ready_at = "waiting", None
        await self._needs(part)
        launch = await asyncio.to_thread(part.prepare)
        if self._stopping.is_set():
            return 0
        child.process = process = await self._start(part, launch)
        child.start = started_at(process.pid)
        self._write()
        exited = asyncio.ensure_future(_exit_of(process))
        watching = asyncio.create_task(self._watch(child))
        try:
            return await exited
        finally:
            watching.cancel()

    async def _needs(self, part: Part) -> None:
        """What runs once must have run; a server must be ready now: a part that fell with it comes back after it."""
        for name in part.needs:
            child = self.children[name]
            await child.first_ready.wait()
            while child.part.is_server and not child.serves:  # noqa: ASYNC110 - states are looked at, not signalled
                await asyncio.sleep(NEEDS_LOOK_S)
            await self._needs(child.part)

    async def _start(self, part: Part, launch: Launch) -> Process:
        log = logs.open_log(self.settings.log_dir, part.name)
        try:
            if launch.words and self._nursery is not None:
                try:
                    async with self._bearing:
                        return await asyncio.to_thread(self._nursery.bear, launch.words, launch.env or {}, log)
                except OSError:
                    self._new_nursery()  # for the next one; this one starts the slow way
            return spawn(launch.command, output=log, env=launch.env, cwd=launch.cwd, account=launch.account, stop=part.stop)
        finally:
            os.close(log)

    def _new_nursery(self) -> None:
        """Nothing is lost without one: parts start slower."""
        if self._nursery is not None:
            self._nursery.close()
        modules = dict.fromkeys(c.part.module for c in self.children.values() if c.part.module)
        log = logs.open_log(self.settings.log_dir, "nursery")
        self._nursery = Nursery(tuple(modules), log) if modules else None
        os.close(log)

    async def _watch(self, child: Child) -> None:
        """Look whether a part is ready, often at first and calmly later. One that was ready and answers nothing any more is frozen:
        it holds its slot and what it has begun, and nobody may take them from it while it lives."""
        part, silent = child.part, 0
        child.state = "starting"
        while part.ready is not None:
            if await part.ready():
                if child.state != "ready":
                    child.state, child.ready_at = "ready", child.ready_at or time.monotonic()
                    child.first_ready.set()
                    self._write()
                silent = 0
                await asyncio.sleep(PROBE_READY_S)
            else:
                child.state = "not ready" if child.state in ("ready", "not ready") else "starting"
                silent = 0 if part.alive is None or child.state == "starting" or await part.alive() else silent + 1
                if silent >= FROZEN_PROBES and child.process is not None:
                    self._say(f"{part.name} has not answered for a while; it is ended and started again")
                    child.process.send_signal(signal.SIGKILL)
                await asyncio.sleep(PROBE_READY_S if silent else PROBE_STARTING_S)

    async def _end(self, children: Iterable[Child]) -> None:
        await asyncio.gather(*(self._end_one(child) for child in children))

    async def _end_one(self, child: Child) -> None:
        process = child.process
        if process is not None and process.poll() is None:
            for sign, grace_s in ((child.part.stop, child.part.grace_s), (signal.SIGKILL, KILL_GRACE_S)):
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(sign)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(_exit_of(process), grace_s)
                    break
                self._say(f"{child.part.name} did not stop within {grace_s:g} s")
        child.state = "stopped"

    async def _housekeep(self) -> None:
        while True:
            await asyncio.sleep(HOUSEKEEPING_S)
            reap_strangers({c.process.pid for c in self.children.values() if c.process is not None})
            await asyncio.to_thread(logs.rotate, self.settings.log_dir)

    def _write(self) -> None:
        parts = [
            {**child.row(), "start": child.start, "stop": int(child.part.stop), "grace_s": child.part.grace_s}
            for child in self.children.values()
        ]
        mine = {"pid": os.getpid(), "start": started_at(os.getpid())}
        content = {"supervisor": mine, "began": self._began, "control": self.settings.ports.control, "parts": parts}
        state.write(self.settings.dir, content)


async def _exit_of(process: Process) -> int:
    """The exit code of a process, without a thread: the kernel makes a pidfd readable when its process ends."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()
    try:
        watched = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return process.wait()
    loop.add_reader(watched, _done, ended)
    try:
        await ended
    finally:
        loop.remove_reader(watched)
        os.close(watched)
    return process.wait()


def _done(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _ended(name: str, code: int, delay: float, why: str) -> str:
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
    when = "at once" if delay == 0 else f"in {delay:g} s"
    return f"{name} {how}, starting again {when}" + (f": {why}" if why else "")


async def supervise(
    settings: Settings,
    parts: Iterable[Part],
    say: Callable[[str], None] = lambda line: print(line, file=sys.stderr),  # noqa: T201 - an operator's terminal
    while_running: Callable[[Supervisor], Awaitable[None]] | None = None,
) -> None:
    """What `hub up` does: take the directory, end leftovers, run the parts until SIGINT or SIGTERM.

    Raises:
        AlreadyRunning, PortTaken, and what a part's `prepare` raises, all in words for an operator.
    """
    directory = settings.dir
    directory.mkdir(parents=True, exist_ok=True)
    with state.take(directory):
        for name in await asyncio.to_thread(state.end_leftovers, directory, SERVERS):
            say(f"{name} was left behind by a hub that was killed; ended")
        supervisor = Supervisor(settings, parts, say)
        loop = asyncio.get_running_loop()
        for sign in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(sign, supervisor.stop)
        try:
            await supervisor.run(None if while_running is None else lambda: while_running(supervisor))
        finally:
            for sign in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(sign)
