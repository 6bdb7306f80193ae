"""From `hub up` to ready, with the JARs and the JVM's cache in place: in a new directory, and again in it, as a second `make run` does."""

from __future__ import annotations

import sys
import tempfile
import time
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from statistics import median
from typing import Final

from bench.report import Report
from bench.sides import ROOT
from config.ports import ports
from hub.embedded.leases import free_block
from hub.process import spawn

READY_S_MAX: Final = 120.0


def run(report: Report, starts: int) -> None:
    part = report.part("startup")
    first, second = zip(*(_twice() for _ in range(starts)), strict=True)
    part.figure("`hub up` to ready, a new directory", median(first), "s")
    part.figure("`hub up` to ready, the second time", median(second), "s", target="<= 5")


def _twice() -> tuple[float, float]:
    with tempfile.TemporaryDirectory(prefix="hub-bench-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        directory.chmod(0o755)
        base = free_block()
        return _once(directory, base), _once(directory, base)


def _once(directory: Path, base: int) -> float:
    hub = str(Path(sys.executable).with_name("hub"))
    log = directory / "up.log"
    began = time.perf_counter()
    with log.open("wb") as output:
        up = spawn([hub, "up", "--no-sample", "--port-base", str(base), "--dir", str(directory / "var")], output=output, cwd=ROOT)
    try:
        while not _is_ready(ports(base).control):
            if up.poll() is not None or time.perf_counter() - began > READY_S_MAX:
                raise RuntimeError(f"the hub did not come up: {log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.1)
        return time.perf_counter() - began
    finally:
        up.terminate()
        up.wait()


def _is_ready(control: int) -> bool:
    """As `hub up` says it. `hub status` would cost a start of Python each time, on the cores that the hub starts on."""
    connection = HTTPConnection("127.0.0.1", control, timeout=5.0)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
