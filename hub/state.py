"""What a running hub writes down in DIR, for `hub status`, for a second `hub up`, and for the start after a crash."""

from __future__ import annotations

import fcntl
import json
import os
import signal
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, Final

from hub.process import end, started_at

STATE: Final = "hub.json"
LOCK: Final = "hub.lock"
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")


class AlreadyRunning(Exception):
    """Another supervisor has this directory."""


def take(directory: Path) -> IO[str]:
    """The directory, for as long as the returned file is open; the kernel frees it however we end."""
    directory.mkdir(parents=True, exist_ok=True)
    lock = (directory / LOCK).open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        holder = lock.read().strip()
        lock.close()
        raise AlreadyRunning(
            f"a hub is running in {directory} already (process {holder or 'unknown'}); "
            "stop it, or give this one another place with --dir and --port-base"
        ) from None
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock


def write(directory: Path, content: Mapping[str, Any]) -> None:
    path = directory / STATE
    fresh = path.with_suffix(".tmp")
    fresh.write_text(json.dumps({"boot": _boot(), **content}, indent=1))
    fresh.replace(path)


def read(directory: Path) -> dict[str, Any] | None:
    """What the last supervisor wrote; None where there is nothing to be read."""
    try:
        content = json.loads((directory / STATE).read_text())
    except (FileNotFoundError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def end_leftovers(directory: Path, last: Iterable[str]) -> list[str]:
    """End the parts that a killed supervisor left behind, those named in `last` after the others; their names.

    A process is ours when pid, start time and boot are those that were written down.
    """
    content = read(directory)
    if content is None or content.get("boot") != _boot():
        return []
    rows = [r for r in content.get("parts", ()) if r.get("pid") and started_at(r["pid"]) == r.get("start")]
    later = set(last)

    def finish(row: Mapping[str, Any]) -> str:
        end(row["pid"], row["start"], signal.Signals(row.get("stop", signal.SIGTERM)), float(row.get("grace_s", 10)))
        return str(row["name"])

    ended: list[str] = []
    for group in ([r for r in rows if r["name"] not in later], [r for r in rows if r["name"] in later]):
        if group:
            with ThreadPoolExecutor(len(group)) as pool:
                ended += pool.map(finish, group)
    return ended


def _boot() -> str:
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""
