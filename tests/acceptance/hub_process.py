"""A hub that runs as its users run it: `.venv/bin/hub up`, its command line, its HTTP ports. Nothing of its code is imported.

What the tests may know is written in DOMAIN.md and CONTRACTS.md; this file is the hands they work with.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tests.leash import leashed

HUB = Path(sys.executable).parent / "hub"

Found = TypeVar("Found")


@dataclass(frozen=True)
class Answer:
    """What HTTP answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class HubProcess:
    """One `hub up` with its own ports and directory."""

    base: int
    dir: Path
    env: dict[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ("--no-sample",)
    process: subprocess.Popen[bytes] | None = None

    def start(self, timeout_s: float = 240) -> HubProcess:
        self.dir.mkdir(parents=True, exist_ok=True)
        with (self.dir.parent / f"{self.dir.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                leashed(HUB, "up", *self.arguments, "--port-base", str(self.base), "--dir", self.dir),
                stdout=log,
                stderr=log,
                env=self.environment,
                start_new_session=True,
            )
        until(self.is_up, timeout_s, f"hub at {self.base} ready: {self.log[-2000:]}")
        return self

    @property
    def ready(self) -> bool:
        return self.cli("status", check=False).returncode == 0

    def is_up(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"hub up ended with {self.process.returncode}: {self.log[-2000:]}"
        return self.ready

    def stop(self, sign: signal.Signals = signal.SIGTERM, timeout_s: float = 120) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(sign)
        return self.process.wait(timeout_s)

    @property
    def environment(self) -> dict[str, str]:
        return {k: v for k, v in os.environ.items() if not k.startswith("HUB_")} | self.env

    @property
    def log(self) -> str:
        path = self.dir.parent / f"{self.dir.name}.log"
        return path.read_text() if path.exists() else ""

    @property
    def kafka(self) -> str:
        return f"127.0.0.1:{self.base + 30}"

    # the command line

    def cli(
        self, *words: str, check: bool = True, json_out: bool = False, stdin: bytes | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run(
            [HUB, *words, *(["--json"] if json_out else []), "--dir", str(self.dir)],
            input=stdin,
            capture_output=True,
            env=self.environment,
            timeout=120,
            check=False,
        )
        if check:
            assert done.returncode == 0, f"hub {' '.join(words)}: {done.returncode}\n{done.stdout.decode()}\n{done.stderr.decode()}"
        return done

    def ask(self, *words: str, check: bool = True) -> Any:
        return json.loads(self.cli(*words, check=check, json_out=True).stdout)

    @property
    def status(self) -> Any:
        """What it says; where nobody answers the command line in time, that nothing is ready."""
        said = self.cli("status", check=False, json_out=True).stdout
        return json.loads(said) if said.strip() else {"ready": False, "idle": False, "parts": []}

    def pid(self, part: str) -> int | None:
        return next((p["pid"] for p in self.status["parts"] if p["name"] == part), None)

    def idle(self, timeout_s: float = 120) -> None:
        def is_idle() -> bool:
            status = self.status
            return bool(status["ready"] and status["idle"])

        until(is_idle, timeout_s, "idle")

    def advance(self, span: str) -> None:
        self.cli("clock", "advance", span)

    # HTTP

    def url(self, offset: int, path: str) -> str:
        return f"http://127.0.0.1:{self.base + offset}{path}"

    def http(self, method: str, offset: int, path: str, body: Any = None, **headers: str) -> Answer:
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        named = {k.replace("_", "-"): v for k, v in headers.items()}
        if data is not None:
            named.setdefault("content-type", "application/json")
        request = urllib.request.Request(self.url(offset, path), data=data, method=method, headers=named)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return Answer(answer.status, dict(answer.headers.items()), answer.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, dict(error.headers.items()), error.read())

    def token(self, client: str) -> str:
        form = f"grant_type=client_credentials&client_id={client}&client_secret=sandbox-{client}".encode()
        answer = self.http("POST", 10, "/oidc/token", form, content_type="application/x-www-form-urlencoded")
        assert answer.status == 200, answer
        return str(answer.json["access_token"])

    def staff_token(self, user: str = "lisa") -> str:
        form = f"grant_type=password&client_id=portal&client_secret=sandbox-portal&username={user}&password=sandbox".encode()
        answer = self.http("POST", 10, "/oidc/token", form, content_type="application/x-www-form-urlencoded")
        assert answer.status == 200, answer
        return str(answer.json["access_token"])

    def post_events(self, client: str, body: Any, content_type: str = "application/cloudevents+json") -> Answer:
        return self.http("POST", 0, "/v1/events", body, content_type=content_type, authorization=f"Bearer {self.token(client)}")

    def post_people(self, **person: Any) -> Answer:
        return self.http("POST", 10, "/people", person)

    def inbox(self, channel: str, person: str) -> Any:
        answer = self.http("GET", 10, f"/inbox/{channel}/{person}")
        assert answer.status == 200, answer
        return answer.json


def until(look: Callable[[], Found | None], timeout_s: float, what: str, pause_s: float = 0.05) -> Found:
    """Look until something is found."""
    end = time.monotonic() + timeout_s
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < end, f"waited {timeout_s} s in vain: {what}"
        time.sleep(pause_s)
