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
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final, Protocol

from hub.embedded.account import Account

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NAME: Final = 15
_PR_SET_CHILD_SUBREAPER: Final = 36
_libc: Final = ctypes.CDLL(None, use_errno=True) if os.name == "posix" else None


class Process(Protocol):
    """A child of ours, however it was started."""

    pid: int

    def poll(self) -> int | None: ...

    def wait(self) -> int: ...

    def send_signal(self, sign: signal.Signals) -> None: ...


def die_with_parent(parent: int, with_signal: signal.Signals) -> None:
    """Ask the kernel for a signal to this process when its parent dies."""
    _prctl(_PR_SET_PDEATHSIG, int(with_signal))
    if os.getppid() != parent:  # it died before we asked
        os._exit(1)


def adopt_orphans() -> None:
    """From now on, processes below us whose parent dies become our children (a subreaper, prctl(2))."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def reap_strangers(known: Collection[int]) -> None:
    """Bury adopted processes that nobody waits for, as PostgreSQL's backends are when their postmaster was killed."""
    while True:
        try:
            dead = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if dead is None or dead.si_pid in known:
            return
        os.waitpid(dead.si_pid, 0)


def name_process(name: str) -> None:
    """What `ps` and `top` show as the command."""
    _prctl(_PR_SET_NAME, name.encode()[:15])


def _prctl(option: int, value: int | bytes) -> None:
    if _libc is not None and hasattr(_libc, "prctl"):
        _libc.prctl(option, value, 0, 0, 0)


def _in_child(parent: int, with_signal: signal.Signals) -> Callable[[], None]:
    """Runs between fork and exec, after the child's user was changed (which would clear the wish)."""
    return lambda: die_with_parent(parent, with_signal)


def spawn(
    command: Sequence[str],
    *,
    output: IO[Any] | int,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    account: Account | None = None,
    stop: signal.Signals = signal.SIGTERM,
    pass_fds: Collection[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own (Ctrl-C reaches only us) that gets `stop` when we die.

    Call it from the main thread: the kernel watches the thread that forked, not the process.
    """
    who: dict[str, Any] = {} if account is None else account.popen_arguments()
    return subprocess.Popen(  # noqa: S603
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=None if env is None else dict(env),
        cwd=cwd,
        start_new_session=True,
        preexec_fn=_in_child(os.getpid(), stop),
        pass_fds=tuple(pass_fds),
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
