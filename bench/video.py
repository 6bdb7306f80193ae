"""The forwarding plane under load: packets a second on one core, what they wait, what a join and a peer cost. Janus beside it, where it is.

    python -m bench.video serve PORT        the plane behind three POSTs, pinned to core 0; `run` starts it

The plane has core 0, the callers of `bench/calls.py` core 1, over loopback: real ICE, DTLS and SRTP both ways. What a packet
waited is read from every so many of them: decrypted, its last bytes name when it was sent, and the kernel says when it came. CPU is of
the plane's process, from the kernel. Packets are sent one by one, evenly; who receives is not woken for each but looks every few
milliseconds, so that core 1 carries more than core 0 and the plane does not pay for waking it. `core 1` says how full it was.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from time import monotonic, sleep, time
from typing import Any, Final

import aiohttp
import uvloop
from aiohttp import web

from bench.calls import Caller
from bench.meters import cpu_seconds, percentile, rss_mib
from bench.report import Part, Report, told
from bench.stamped import Stamped
from hub.embedded.running import free_ports
from video.plane.dtls import Certificate
from video.plane.plane import ForwardingPlane
from video.plane.port import Want

PLANE: Final = "plane"
FRAME_HZ: Final = 30
WARM_S: Final = 2.0
TAKE_EVERY_S: Final = 0.004
PAUSE_EVERY_S: Final = 0.001
SERVER_CORE: Final = min(os.sched_getaffinity(0))


@dataclass(frozen=True, slots=True)
class Load:
    """`rooms` of `people`; each shows `video_pps` packets of `video_bytes`, the first `speakers` of a room also speak (50 packets)."""

    name: str
    rooms: int
    people: int
    video_pps: int
    video_bytes: int
    speakers: int

    @property
    def forwarded_pps(self) -> float:
        return self.rooms * (self.people - 1) * (self.people * self.video_pps + self.speakers * 50)


ROOM: Final = Load("a room of 20", 1, 20, 30, 600, 3)
VISITS: Final = Load("50 visits of 2", 50, 2, 140, 1_000, 2)


def saturation(forwarded_pps: int) -> Load:
    return Load(f"{forwarded_pps:,} packets/s", 1, 20, round(forwarded_pps / 380), 1_100, 0)


# The side that serves


async def _serve(port: int) -> None:
    import gc

    plane = ForwardingPlane(lambda told: None)
    await plane.start()

    async def post(request: web.Request) -> web.Response:
        peer, text = request.query["peer"], await request.text()
        match request.path:
            case "/join":
                plane.join(request.query["room"], peer, video_slots=int(request.query["slots"]))
                plane.want(peer, [Want(name, "camera", "high") for name in text.split()])
                return web.Response()
            case "/publish":
                return web.Response(text=await plane.publish(peer, text))
            case "/subscribe":
                return web.Response(text=await plane.subscribe(peer))
            case "/subscribed":
                await plane.subscribed(peer, text)
            case "/figures":
                return web.json_response(dict(plane.figures()))
        return web.Response()

    app = web.Application()
    for path in ("/join", "/publish", "/subscribe", "/subscribed", "/figures"):
        app.router.add_post(path, post)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 50)
    print("ready", flush=True)
    await asyncio.Event().wait()


# The side that calls


@dataclass(slots=True)
class Meter:
    """What one subscriber saw. Waits are kept of every `every`th packet."""

    caller: Caller
    sent_at: dict[int, float]
    every: int
    waits: list[float] = field(default_factory=list)
    count: int = 0
    kept: bool = False

    def media(self, data: Any, now: float) -> None:
        self.count += 1
        if self.kept and self.count % self.every == 0:
            secure = self.caller.subscribe.secure
            assert secure is not None
            at = self.sent_at.get(int.from_bytes(secure.unprotect(bytes(data))[-4:]))
            if at is not None:
                self.waits.append(now - at)


@dataclass(frozen=True, slots=True)
class Measured:
    cpu: float
    kernel: float
    """Share of it that the kernel spent, for the process: system calls and what they set off."""
    core_1: float
    sent_pps: float
    forwarded_pps: float
    lost: float
    p50_ms: float
    p99_ms: float
    p999_ms: float


class Side:
    """A server to call: ours."""

    host = "127.0.0.1"

    def __init__(self, name: str, process: asyncio.subprocess.Process, url: str) -> None:
        self.name, self.process, self.url = name, process, url

    @property
    def pid(self) -> int:
        return self.process.pid

    async def enter(self, session: aiohttp.ClientSession, caller: Caller, room: str, peer: str, others: list[str]) -> None:
        async def post(path: str, text: str, **more: str) -> str:
            async with session.post(f"{self.url}/{path}", params={"peer": peer} | more, data=text) as answer:
                body = await answer.text()
                if answer.status != 200:
                    raise RuntimeError(f"{path}: {answer.status}")
                return body

        await post("join", " ".join(others), room=room, slots=str(max(1, len(others))))
        await caller.publish.connect(await post("publish", caller.offer()))
        offer = await post("subscribe", "")
        await post("subscribed", caller.answer(offer))
        await caller.subscribe.connect(offer)

    async def close(self) -> None:
        self.process.terminate()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                await self.process.wait()
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()


async def our_side() -> Side:
    (port,) = free_ports(1)
    command = ["taskset", "-c", str(SERVER_CORE), sys.executable, "-m", "bench.video", "serve", str(port)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    async with asyncio.timeout(60):
        await process.stdout.readline()
    return Side(PLANE, process, f"http://127.0.0.1:{port}")


class Crowd:
    """All callers of a load, entered and sending."""

    def __init__(self, side: Side, load: Load) -> None:
        self.side, self.load = side, load
        self.callers: list[Caller] = []
        self.meters: list[Meter] = []
        self.sent_at: dict[int, float] = {}
        self.sent = 0
        self.join_cpu_ms = self.peer_mib = 0.0
        self._keys: set[int] = set()

    async def enter(self) -> None:
        certificate = Certificate()
        load = self.load
        every = max(1, round(load.forwarded_pps / 2_000))
        cpu, memory = cpu_seconds(self.side.pid), rss_mib(self.side.pid)
        async with aiohttp.ClientSession() as session:
            for room in range(load.rooms):
                names = [f"r{room}p{number}" for number in range(load.people)]
                for name in names:
                    caller = Caller(certificate, host=self.side.host)
                    meter = Meter(caller, self.sent_at, every)
                    caller.subscribe.media = meter.media
                    place = len(self.callers)
                    caller.publish.control = partial(self._asked, place)
                    await self.side.enter(session, caller, f"room{room}", name, [other for other in names if other != name])
                    self.callers.append(caller)
                    self.meters.append(meter)
        people = len(self.callers)
        self.join_cpu_ms = (cpu_seconds(self.side.pid) - cpu) / people * 1_000
        self.peer_mib = (rss_mib(self.side.pid) - memory) / people

    def _asked(self, place: int, data: bytes, now: float) -> None:
        if len(data) >= 12 and data[1] == 206:
            self._keys.add(place)

    async def run(self, seconds: float) -> Measured:
        """Send evenly; measure after a warm-up in which slots find their key frames."""
        load, inbox = self.load, Stamped()
        for caller in self.callers:
            caller.subscribe.polled(inbox)
        take_at = pause_at = monotonic()
        callers, people = self.callers, len(self.callers)
        due_video, due_voice = [0.0] * people, [0.0] * people
        speakers = [place for place in range(people) if place % load.people < load.speakers]
        began = monotonic()
        for place in range(people):
            due_video[place] = began + place / people / max(1, load.video_pps)
            due_voice[place] = began + place / people / 50
        measure_from, stop_at = began + WARM_S, began + WARM_S + seconds
        before: tuple[float, float, int, int, float, float] | None = None
        number, sent_at = 0, self.sent_at
        while (now := monotonic()) < stop_at:
            if before is None and now >= measure_from:
                for meter in self.meters:
                    meter.kept = True
                received = sum(meter.count for meter in self.meters)
                before = (
                    cpu_seconds(self.side.pid),
                    os.times().user + os.times().system,
                    received,
                    self.sent,
                    now,
                    kernel_seconds(self.side.pid),
                )
            for place in range(people):
                if due_video[place] <= now:
                    number = number + 1 & 0xFFFFFF
                    sent_at[number] = time()
                    sent_at.pop(number - 60_000 & 0xFFFFFF, None)
                    key = place in self._keys or number <= people
                    self._keys.discard(place)
                    callers[place].show(number, load.video_bytes, key=key, picture=number, stamp=number.to_bytes(4))
                    due_video[place] += 1 / load.video_pps
                    self.sent += load.people - 1
            for place in speakers:
                if due_voice[place] <= now:
                    number = number + 1 & 0xFFFFFF
                    sent_at[number] = time()
                    callers[place].speak(number, stamp=number.to_bytes(4))
                    due_voice[place] += 1 / 50
                    self.sent += load.people - 1
            if now >= take_at:
                for caller in callers:
                    caller.subscribe.take()
                take_at = now + TAKE_EVERY_S
            if now >= pause_at:
                await asyncio.sleep(0)  # checks, reports, and what the plane says to senders
                pause_at = now + PAUSE_EVERY_S
            if (wait := min(due_video) - monotonic()) > 0:
                sleep(min(wait, PAUSE_EVERY_S))  # noqa: ASYNC251  # finer than the loop: packets come one by one, as from a network
        assert before is not None
        took = monotonic() - before[4]
        cpu, kernel = cpu_seconds(self.side.pid) - before[0], kernel_seconds(self.side.pid) - before[5]
        own = os.times().user + os.times().system - before[1]
        await asyncio.sleep(0.3)
        for caller in callers:
            caller.subscribe.take()
        received = sum(meter.count for meter in self.meters) - before[2]
        waits = [wait * 1_000 for meter in self.meters for wait in meter.waits] or [0.0]
        sent = self.sent - before[3]
        return Measured(
            cpu / took, kernel / max(1e-9, cpu), own / took, sent / took, received / took, max(0.0, 1 - received / max(1, sent)),
            percentile(waits, 0.5), percentile(waits, 0.99), percentile(waits, 0.999),
        )  # fmt: skip

    async def close(self) -> None:
        for caller in self.callers:
            await caller.close(politely=False)


Make = Callable[[], Awaitable[Side]]


async def measure(make: Make, load: Load, seconds: float) -> tuple[Measured, Crowd]:
    side = await make()
    crowd = Crowd(side, load)
    try:
        await crowd.enter()
        return await crowd.run(seconds), crowd
    finally:
        await crowd.close()
        await side.close()


def _row(part: Part, side: str, load: Load, found: Measured) -> None:
    row: dict[str, Any] = {"side": side, "load": load.name, "forwarded/s": round(found.forwarded_pps), "lost": f"{found.lost:.2%}"}
    row |= {
        "CPU of core 0": f"{found.cpu:.1%}",
        "of it kernel": f"{found.kernel:.0%}",
        "µs a packet": found.cpu / max(1.0, found.forwarded_pps) * 1e6,
    }
    row |= {"p50 ms": found.p50_ms, "p99 ms": found.p99_ms, "p99.9 ms": found.p999_ms}
    part.row(**row, **{"core 1": f"{found.core_1:.0%}", "machine load": f"{os.getloadavg()[0]:.1f}"})
    told(
        f"{side}, {load.name}: {found.forwarded_pps:,.0f}/s, lost {found.lost:.2%}, CPU {found.cpu:.1%} (kernel {found.kernel:.0%}),"
        f" p50 {found.p50_ms:.2f} p99 {found.p99_ms:.2f} ms, core 1 {found.core_1:.0%}"
    )


async def run(report: Report, seconds: float, rates: tuple[int, ...], visits: int = 50, *, beside: bool = True) -> None:
    """The room and the visits by every side in turn, then more and more on one core until the plane breaks."""
    from bench import janus  # it is a side of ours

    sides: list[tuple[str, Make]] = [(PLANE, our_side)]
    if beside and janus.available():
        sides += [("janus, 1 event loop", janus.janus_side(1)), ("janus, as it comes", janus.janus_side(0))]
    part = report.part("video")
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {_cores()[1]})
    try:
        for load in (ROOM, replace(VISITS, name=f"{visits} visits of 2", rooms=visits)):
            for name, make in sides:
                found, crowd = await measure(make, load, seconds)
                _row(part, name, load, found)
                if name == PLANE:
                    _figures(part, load, found, crowd)
        best = 0.0
        for rate in rates:
            for name, make in sides[:2]:
                found, _ = await measure(make, saturation(rate), seconds)
                _row(part, name, saturation(rate), found)
                if name == PLANE and found.lost < 0.001 and found.p99_ms <= 5:
                    best = max(best, found.forwarded_pps)
        part.figure("packets forwarded on one core, lost < 0.1 % and p99 <= 5 ms", best, "/s", target=">= 100000")
    finally:
        os.sched_setaffinity(0, before)
    if len(sides) == 1:
        part.notes.append("Janus was not measured beside it (Debian: the package janus).")
    else:
        part.notes.append("Janus is Debian's build (SRTP on NSS); its callers send no transport-wide reports, the plane's do.")


def _figures(part: Part, load: Load, found: Measured, crowd: Crowd) -> None:
    if load == ROOM:
        part.figure("room of 20: CPU of one core", found.cpu * 100, "%", target="<= 20")
        part.figure("room of 20: added wait, p50", found.p50_ms, "ms", target="<= 0.3")
        part.figure("room of 20: added wait, p99", found.p99_ms, "ms", target="<= 2")
        part.figure("join: CPU", crowd.join_cpu_ms, "ms a person (two connections)")
        part.figure("memory", crowd.peer_mib, "MiB a person (two connections)")
    else:
        part.figure(f"{load.name}: CPU of one core", found.cpu * 100, "%", target="<= 60")


def kernel_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[12]) / os.sysconf("SC_CLK_TCK")


def _cores() -> tuple[int, int]:
    """The server's and the callers'; the same one where there is but one."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[0], cores[-1]


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[2])))
