"""A hub as its users have it: `hub up` in a process of its own, its command line and its ports, nothing of its code."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.leash import leashed

ROOT: Final = Path(__file__).resolve().parents[2]
HUB: Final = Path(sys.executable).parent / "hub"
PARTITIONS: Final = 12


@dataclass
class Hub:
    """One hub, and what its users can ask it."""

    dir: Path
    base: int
    settings: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def kafka(self) -> str:
        return f"127.0.0.1:{self.base + 30}"

    @property
    def sasl(self) -> str:
        return f"127.0.0.1:{self.base + 32}"

    @property
    def environment(self) -> dict[str, str]:
        return {name: text for name, text in os.environ.items() if not name.startswith("HUB_")} | self.settings

    def start(self) -> None:
        with (self.dir.parent / "up.log").open("ab") as log:
            command = leashed(HUB, "--dir", self.dir, "up", "--port-base", str(self.base))
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=self.environment, cwd=ROOT, start_new_session=True)
        self.wait(lambda: self.look().get("idle"), 240)

    def stop(self) -> int:
        """Ctrl-C; the exit code."""
        if self.process is None:
            return 0
        self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    @property
    def log(self) -> str:
        return (self.dir.parent / "up.log").read_text(errors="replace")

    def wait(self, holds: Callable[[], Any], timeout_s: float) -> None:
        until = time.monotonic() + timeout_s
        while not holds():
            assert self.process is not None
            assert self.process.poll() is None, f"hub up ended: {self.log[-2000:]}"
            assert time.monotonic() < until, f"{self.look()}\n{self.log[-2000:]}"
            time.sleep(0.2)

    # --- command line ------------------------------------------------------------------------------------------------------------

    def run(self, *words: str, code: int = 0) -> str:
        """What a command prints. Its exit code has to be `code`."""
        command = [HUB, "--dir", self.dir, *words]
        done = subprocess.run(command, capture_output=True, text=True, env=self.environment, cwd=ROOT, timeout=120, check=False)
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def status(self) -> dict[str, Any]:
        """`hub status --json`, whatever it says; empty while nobody answers."""
        command = [HUB, "--json", "--dir", self.dir, "status"]
        done = subprocess.run(command, capture_output=True, text=True, env=self.environment, cwd=ROOT, timeout=60, check=False)
        found: dict[str, Any] = json.loads(done.stdout) if done.returncode in (0, 1) and done.stdout.strip() else {}
        assert not found or done.returncode == (0 if found["ready"] else 1)
        return found

    def look(self) -> dict[str, Any]:
        """The same from the supervisor's own port: what waits asks often, and a command line takes its time to start."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.base + 9}/status", timeout=15) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except OSError:
            return {}

    def pids(self) -> dict[str, int]:
        return {part["name"]: part["pid"] for part in self.look().get("parts", ()) if part["pid"]}

    def kill(self, name: str, within_s: float = 90) -> int:
        """SIGKILL to a part of a hub that is ready; the pid it had."""
        found: list[int] = []

        def is_ready() -> bool:
            now = self.look()
            found[:] = [part["pid"] for part in now.get("parts", ()) if part["name"] == name and part["pid"]]
            return bool(now.get("ready") and found)

        self.wait(is_ready, within_s)
        with suppress(ProcessLookupError):
            os.kill(found[0], signal.SIGKILL)
        return found[0]

    # --- HTTP and Kafka ----------------------------------------------------------------------------------------------------------

    def token(self, client: str) -> str:
        given = {"grant_type": "client_credentials", "client_id": client, "client_secret": f"sandbox-{client}"}
        url = f"http://127.0.0.1:{self.base + 10}/oidc/token"
        with urllib.request.urlopen(url, urllib.parse.urlencode(given).encode(), timeout=10) as answer:
            return str(json.load(answer)["access_token"])

    def post(self, token: str, events: list[dict[str, Any]]) -> int:
        """POST /v1/events as a batch; the status, 0 where nobody answered."""
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/cloudevents-batch+json"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.base}/v1/events", json.dumps(events).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=40) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as refused:
            return refused.code
        except OSError:
            return 0

    def records(self, topic: str) -> list[tuple[dict[str, str], Any]]:
        """Headers and data of all that stands on a topic."""
        return asyncio.run(_read(self.kafka, topic))


async def _read(bootstrap: str, topic: str) -> list[tuple[dict[str, str], Any]]:
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest") as consumer:
        partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        found = []
        while [tp for tp, end in ends.items() if await consumer.position(tp) < end]:
            for part in (await consumer.getmany(timeout_ms=300)).values():
                found += [({n: v.decode() for n, v in record.headers}, json.loads(record.value or b"null")) for record in part]
        return found


def letters(mark: str, numbers: Iterable[int], patient: str) -> list[dict[str, Any]]:
    """Letters with their code, as CloudEvents."""
    data = {
        "kind": "brev", "unit": "SE2321000016-A1", "unit_name": "Ortopedmottagningen", "patient": patient, "title": "Provsvar",
        "created": "2026-01-02T09:00:00", "dispatch": "e-brev", "template": {"id": "brev-17", "name": "Provsvar"},
        "body": "Hej! Dina prover ser bra ut.", "body_format": "text", "footer": "Plan 3 [4US:LPAT]", "attachments": [],
        "source_system": "TakeCare",
    }  # fmt: skip
    return [
        {
            "specversion": "1.0", "id": f"{mark}-{number}", "source": "urn:example:e2e", "type": "document.submitted.v1",
            "data": data | {"document_id": f"{mark}-{number}"},
        }
        for number in numbers
    ]  # fmt: skip
