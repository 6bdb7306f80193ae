"""One embedded server for as long as a `with` block: for tests, benchmarks and tools. `hub up` has the supervisor."""

from __future__ import annotations

import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hub.embedded import kafka as _kafka
from hub.embedded import postgres as _postgres
from hub.embedded.kafka import KafkaPlan
from hub.embedded.leases import free_ports
from hub.embedded.postgres import PostgresPlan
from hub.process import spawn

START_TIMEOUT_S: Final = 60.0
STOP_TIMEOUT_S: Final = 30.0


@dataclass
class KafkaServer:
    plan: KafkaPlan
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.plan.port}"

    @property
    def sasl_bootstrap(self) -> str:
        return f"127.0.0.1:{self.plan.sasl}"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        command = _kafka.prepare(self.plan)
        with (self.plan.dir / "kafka.log").open("ab") as log:
            self.process = spawn(command, output=log)
        _wait_until_up(lambda: _kafka.is_up(self.plan), self.process, self.plan.dir / "kafka.log")

    def stop(self, with_signal: signal.Signals = signal.SIGTERM) -> int:
        """Its exit code. SIGKILL takes it down as a crash would."""
        return _stop(self.process, with_signal)


@dataclass
class PostgresServer:
    plan: PostgresPlan
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def dsn(self) -> str:
        return self.dsn_of(_postgres.DATABASE)

    def dsn_of(self, database: str) -> str:
        return f"postgresql://{_postgres.ROLE}:{self.plan.password}@127.0.0.1:{self.plan.port}/{database}"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        prepared = _postgres.prepare(self.plan)
        log_path = self.plan.dir.parent / f"{self.plan.dir.name}.log"
        with log_path.open("ab") as log:
            self.process = spawn(prepared.command, output=log, cwd=prepared.data, account=prepared.account, stop=signal.SIGINT)
        _wait_until_up(lambda: _postgres.is_up(self.plan.port), self.process, log_path)

    def stop(self, with_signal: signal.Signals = signal.SIGINT) -> int:
        """Its exit code. SIGINT ends the sessions; SIGKILL takes it down as a crash would."""
        return _stop(self.process, with_signal)


@contextmanager
def running_kafka(directory: Path, cache: Path, *, durable: bool = True, for_speed: bool = False) -> Iterator[KafkaServer]:
    """An embedded Kafka on free ports; up when the block begins, gone when it ends. Its data stay in `directory`."""
    port, controller, sasl = free_ports(3)
    heap = 512 if for_speed else 256
    server = KafkaServer(KafkaPlan(directory, port, controller, sasl, cache, durable, heap, for_speed))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@contextmanager
def running_postgres(directory: Path) -> Iterator[PostgresServer]:
    """An embedded PostgreSQL on a free port, with passwords of its own."""
    (port,) = free_ports(1)
    server = PostgresServer(PostgresPlan(directory, port, secrets.token_hex(12), secrets.token_hex(12)))
    try:
        server.start()
        yield server
    finally:
        server.stop()


def _wait_until_up(is_up: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_TIMEOUT_S
    while not is_up():
        if process.poll() is not None or time.monotonic() > until:
            _stop(process, signal.SIGKILL)
            raise RuntimeError(f"{log.stem} did not start: {log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.02)


def _stop(process: subprocess.Popen[bytes] | None, with_signal: signal.Signals) -> int:
    if process is None:
        return 0
    if process.poll() is None:
        process.send_signal(with_signal)
        process.send_signal(signal.SIGCONT)  # a stopped process takes its signals when it goes on
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()
