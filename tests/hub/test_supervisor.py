"""Parts are started in order, started again when they die, stopped in order, and never outlive their supervisor."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from config.settings import Settings, load
from hub import state
from hub.embedded.leases import free_block, free_ports
from hub.embedded.listening import PortTaken, answers, check_free
from hub.parts import Launch, Part, answers_ready
from hub.process import started_at
from hub.supervisor import Supervisor

FAKE = Path(__file__).with_name("fake_part.py")


def part(name: str, port: int, *how: str, needs: tuple[str, ...] = (), grace_s: float = 5) -> Part:
    command = [sys.executable, str(FAKE), str(port), *how]
    return Part(name, lambda: Launch(command), needs, {"http": port}, answers_ready(port), grace_s=grace_s)


def once(name: str, code: str) -> Part:
    return Part(name, lambda: Launch([sys.executable, "-c", code]))


@pytest.fixture(scope="module")
def port_base() -> int:
    return free_block()


@pytest.fixture
def settings(tmp_path: Path, port_base: int) -> Settings:
    return load({}, HUB_DIR=str(tmp_path / "hub"), HUB_PORT_BASE=str(port_base))


@asynccontextmanager
async def supervised(settings: Settings, *parts: Part) -> AsyncIterator[tuple[Supervisor, list[str]]]:
    said: list[str] = []
    settings.dir.mkdir(exist_ok=True)
    supervisor = Supervisor(settings, parts, said.append)
    running = asyncio.create_task(supervisor.run())
    try:
        yield supervisor, said
    finally:
        supervisor.stop()
        await running


async def until(holds: Callable[[], bool], within_s: float = 15) -> None:
    async with asyncio.timeout(within_s):
        while not holds():
            await asyncio.sleep(0.01)


async def test_a_part_starts_when_what_it_needs_is_ready(settings: Settings) -> None:
    (port,) = free_ports(1)
    first = once("first", f"import time; time.sleep(0.3); open({str(settings.dir / 'made')!r}, 'w')")
    second = part("second", port, needs=("first",))
    async with supervised(settings, first, second) as (supervisor, _):
        await asyncio.sleep(0.2)
        assert [c.state for c in supervisor.children.values()] == ["starting", "waiting"]
        assert not supervisor.ready
        await supervisor.wait_ready()
        assert (settings.dir / "made").exists()
        assert [row["state"] for row in supervisor.rows()] == ["done", "ready"]
        assert supervisor.ready


async def test_a_killed_part_is_back_and_others_are_left_alone(settings: Settings) -> None:
    a, b = free_ports(2)
    async with supervised(settings, part("a", a), part("b", b)) as (supervisor, said):
        await supervisor.wait_ready()
        before = {row["name"]: row["pid"] for row in supervisor.rows()}
        began = time.monotonic()
        os.kill(before["a"], signal.SIGKILL)
        child = supervisor.children["a"]
        await until(lambda: child.process is not None and child.process.pid != before["a"])
        assert "at once" in said[0] and time.monotonic() - began < 3, "15 ms on an idle machine"
        await until(lambda: supervisor.ready)
        after = {row["name"]: row["pid"] for row in supervisor.rows()}
        assert after["b"] == before["b"]
        assert [row["restarts"] for row in supervisor.rows()] == [1, 0]
        assert any("SIGKILL" in line for line in said)


async def test_a_part_that_fell_with_its_server_comes_back_after_it(settings: Settings) -> None:
    server_port, port = free_ports(2)
    server = part("postgres", server_port, "slow")
    async with supervised(settings, server, part("user", port, needs=("postgres",))) as (supervisor, _):
        await supervisor.wait_ready()
        before = {row["name"]: row["pid"] for row in supervisor.rows()}
        for pid in before.values():
            os.kill(pid, signal.SIGKILL)
        user = supervisor.children["user"]
        await until(lambda: user.state == "waiting")
        await until(lambda: supervisor.ready and all(r["pid"] != before[r["name"]] for r in supervisor.rows()))
        assert [row["restarts"] for row in supervisor.rows()] == [1, 1], "it did not start in vain"


async def test_our_parts_are_forked_with_their_words_environment_and_log(settings: Settings) -> None:
    settings.dir.mkdir()
    statement = "import os; print(os.environ['GIVEN'], os.getppid(), os.getsid(0) == os.getpid(), flush=True)"
    words = ("timeit", "-n1", "-r1", statement)
    never = [sys.executable, "-c", "raise SystemExit('started the slow way')"]
    made = Part("p", lambda: Launch(never, {"GIVEN": "yes"}, words=words), module="timeit")
    async with supervised(settings, made) as (supervisor, said):
        await supervisor.wait_ready()
        assert said == []
    assert (settings.log_dir / "p.log").read_text().splitlines()[0] == f"yes {os.getpid()} True"


async def test_without_its_nursery_a_part_starts_the_slow_way(settings: Settings) -> None:
    words = ("timeit", "-n1", "-r1", "pass")
    made = Part("p", lambda: Launch([sys.executable, "-m", *words], dict(os.environ), words=words), module="timeit")
    settings.dir.mkdir(exist_ok=True)
    supervisor = Supervisor(settings, [made], lambda _: None)
    supervisor._new_nursery()
    assert supervisor._nursery is not None
    supervisor._nursery.process.kill()
    running = asyncio.create_task(supervisor.run())
    await supervisor.wait_ready()
    supervisor.stop()
    await running


async def test_a_part_that_keeps_dying_waits_longer_each_time_and_says_why(settings: Settings) -> None:
    (port,) = free_ports(1)
    async with supervised(settings, part("bad", port, "exit-at-once")) as (supervisor, said):
        await until(lambda: supervisor.children["bad"].restarts >= 4)
    assert [next(w for w in ("at once", "in 0.2 s", "in 0.4 s", "in 0.8 s") if w in line) for line in said[:4]] == [
        "at once",
        "in 0.2 s",
        "in 0.4 s",
        "in 0.8 s",
    ]
    assert all("nothing to do" in line for line in said[:4])


async def test_a_part_that_ignores_the_wish_to_stop_is_killed(settings: Settings) -> None:
    (port,) = free_ports(1)
    async with supervised(settings, part("stubborn", port, "ignore-term", grace_s=0.3)) as (supervisor, _):
        await supervisor.wait_ready()
        pid = supervisor.rows()[0]["pid"]
    assert started_at(pid) is None


async def test_what_cannot_be_prepared_stops_the_start_with_its_reason(settings: Settings) -> None:
    def prepare() -> Launch:
        raise PortTaken("no way")

    (port,) = free_ports(1)
    supervisor = Supervisor(settings, [part("good", port), Part("bad", prepare)], lambda _: None)
    settings.dir.mkdir()
    with pytest.raises(PortTaken, match="no way"):
        await supervisor.run()
    assert not answers(port)


async def test_a_taken_port_is_told_before_anything_starts(settings: Settings) -> None:
    port, other = free_ports(2)
    ran: list[str] = []

    def prepare() -> Launch:
        ran.append("other")
        return Launch(["true"])

    settings.dir.mkdir()
    async with await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", port):
        supervisor = Supervisor(settings, [part("kafka", port), Part("other", prepare, ports={"http": other})], lambda _: None)
        with pytest.raises(PortTaken, match=rf"port {port}, wanted for kafka \(http\).*\n.*--port-base"):
            await supervisor.run()
    assert ran == []


def test_free_ports_are_no_error() -> None:
    check_free({"a": free_ports(1)[0]})


_MAIN = """
import asyncio, sys
sys.path.insert(0, {tests!r})
from config.settings import load
from hub.supervisor import supervise
import importlib.util
spec = importlib.util.spec_from_file_location("t", {this!r})
t = importlib.util.module_from_spec(spec); spec.loader.exec_module(t)
async def ready(supervisor):
    await supervisor.wait_ready(); print("ready", flush=True); await asyncio.Event().wait()
settings = load({{}}, HUB_DIR={dir!r}, HUB_PORT_BASE={base!r})
asyncio.run(supervise(settings, [t.part("a", {port}), t.part("b", {port} + 1, "ignore-term", grace_s=0.5)], print, ready))
"""


def _start(settings: Settings, port: int) -> subprocess.Popen[str]:
    code = _MAIN.format(tests=str(FAKE.parent), this=__file__, dir=str(settings.dir), base=str(settings.port_base), port=port)
    made = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert made.stdout is not None
    seen = []
    while line := made.stdout.readline():
        seen.append(line)
        if line == "ready\n":
            return made
    raise AssertionError("".join(seen))


def _pids(settings: Settings) -> list[int]:
    content = state.read(settings.dir)
    assert content is not None
    return [row["pid"] for row in content["parts"] if row["pid"]]


def _wait_gone(pids: list[int], within_s: float = 10) -> bool:
    until_ = time.monotonic() + within_s
    while any(started_at(pid) for pid in pids) and time.monotonic() < until_:
        time.sleep(0.02)
    return not any(started_at(pid) for pid in pids)


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything(settings: Settings, sign: signal.Signals) -> None:
    port = free_ports(2)[0]
    hub = _start(settings, port)
    pids = _pids(settings)
    hub.send_signal(sign)
    hub.communicate(timeout=15)
    assert hub.returncode == 0
    assert len(pids) == 2
    assert _wait_gone(pids, 0.1)


def test_parts_do_not_outlive_a_killed_supervisor_and_a_second_start_ends_those_that_do(settings: Settings) -> None:
    port = free_ports(2)[0]
    hub = _start(settings, port)
    polite, stubborn = _pids(settings)
    hub.kill()
    hub.communicate()
    assert _wait_gone([polite]), "the kernel tells the parts that their supervisor died"
    assert started_at(stubborn) is not None
    again = _start(settings, port)
    assert started_at(stubborn) is None
    again.terminate()
    again.communicate(timeout=15)


def test_a_process_that_merely_has_a_recorded_pid_is_left_alone(tmp_path: Path) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        state.write(tmp_path, {"parts": [{"name": "x", "pid": stranger.pid, "start": "1", "stop": 15}]})
        assert state.end_leftovers(tmp_path, ()) == []
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_directory_has_one_hub(settings: Settings) -> None:
    with state.take(settings.dir), pytest.raises(state.AlreadyRunning, match=str(os.getpid())):
        state.take(settings.dir)
    state.take(settings.dir).close()


def test_half_written_state_is_no_state(tmp_path: Path) -> None:
    (tmp_path / state.STATE).write_text("{")
    assert state.read(tmp_path) is None
    state.write(tmp_path, {"parts": []})
    assert json.loads((tmp_path / state.STATE).read_text())["parts"] == []
