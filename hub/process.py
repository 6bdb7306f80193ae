"""Processes we start and end: they do not outlive us, and we never end one that is not ours.

A child asks the kernel for a signal at its parent's death (prctl PR_SET_PDEATHSIG), so that a supervisor killed with
SIGKILL leaves no servers behind. Where that does not help, the next start ends the leftovers by pid *and* start time: a
pid alone may have been given to somebody else since.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

from hub.embedded.account import Account

_PR_SET_PDEATHSIG: Final = 1
_libc: Final = ctypes.CDLL(None, use_errno=True) if os.name == "posix" else None


def _dies_with_parent(parent: int, with_signal: signal.Signals) -> Callable[[], None]:
    """Runs in the child between fork and exec, after its user was changed (which would clear the wish)."""

    def ask() -> None:
        if _libc is not None and hasattr(_libc, "prctl"):
            _libc.prctl(_PR_SET_PDEATHSIG, int(with_signal), 0, 0, 0)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)

    return ask


def spawn(
    command: Sequence[str],
    *,
    output: IO[Any] | int,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    account: Account | None = None,
    stop: signal.Signals = signal.SIGTERM,
    gated: bool = False,
) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own (Ctrl-C reaches only us) that gets `stop` when we die.

    `gated`: its standard input is a pipe from us, see `hub.launch`; else it has none.

    Call it from the main thread: the kernel watches the thread that forked, not the process.
    """
    who: dict[str, Any] = {} if account is None else account.popen_arguments()
    return subprocess.Popen(  # noqa: S603
        list(command),
        stdin=subprocess.PIPE if gated else subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=None if env is None else dict(env),
        cwd=cwd,
        start_new_session=True,
        preexec_fn=_dies_with_parent(os.getpid(), stop),
        **who,
    )


def started_at(pid: int) -> str | None:
    """What tells this process from another with the same pid: its start time since boot; None when it is gone."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if after_name[0] in "ZX" else after_name[19]


def end(pid: int, start: str, stop: signal.Signals = signal.SIGTERM, grace_s: float = 10.0) -> bool:
    """End the process that started at `start`, kindly and then not; False when it was gone already."""
    if started_at(pid) != start:
        return False
    try:
        os.kill(pid, stop)
        until = time.monotonic() + grace_s
        while started_at(pid) == start:
            if time.monotonic() > until:
                os.kill(pid, signal.SIGKILL)
                until += grace_s
            time.sleep(0.02)
    except ProcessLookupError:
        pass
    return True
