"""Where our parts are born: one process that has imported all their code and forks each of them when it is wanted.

    python -m hub.nursery FD SUPERVISOR_PID MODULE …

Importing is most of a part's start: 0.6 s of processor time each, 4 s for all. Done once, while Kafka and PostgreSQL
start, and shared, it is 1 s; a part that died is back after 20 ms, and the parts share the memory of their code.

A request is one message on the socket FD: {"words": [MODULE, ARGUMENT …], "env": {…}} with the log's file descriptor.
The answer is {"pid": …}. The part is forked twice, so that it is orphaned at once and becomes a child of the supervisor
(which is a subreaper): this process may die without any part noticing. It never runs an event loop or a thread, and
leaves when the supervisor does.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from config.settings import take_environment
from hub.process import die_with_parent, name_process, spawn

MESSAGE_BYTES_MAX: Final = 256 * 1024
ADOPTED_WITHIN_S: Final = 5.0


class Adopted:
    """A part forked in the nursery: a child of ours, though not one that `subprocess` knows."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        return self._reap(os.WNOHANG)

    def wait(self) -> int:
        code = self._reap(0)
        assert code is not None
        return code

    def send_signal(self, sign: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, sign)

    def _reap(self, how: int) -> int | None:
        if self.returncode is None:
            try:
                pid, status = os.waitpid(self.pid, how)
            except ChildProcessError:  # somebody else asked after it: it is gone and its code with it
                self.returncode = 255
            else:
                if pid:
                    self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode


class Nursery:
    """The supervisor's side. `bear` asks for a part; OSError when the nursery is gone."""

    def __init__(self, modules: Sequence[str], log: int) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-m", "hub.nursery", str(theirs.fileno()), str(os.getpid()), *modules]
        self.process: subprocess.Popen[bytes] = spawn(command, output=log, pass_fds=(theirs.fileno(),))
        theirs.close()

    def bear(self, words: Sequence[str], env: Mapping[str, str], log: int) -> Adopted:
        """Fork a part. Blocks while the nursery is still importing."""
        socket.send_fds(self._socket, [json.dumps({"words": list(words), "env": dict(env)}).encode()], [log])
        answer = self._socket.recv(MESSAGE_BYTES_MAX)
        if not answer:
            raise ConnectionResetError("the nursery is gone")
        return Adopted(int(json.loads(answer)["pid"]))

    def close(self) -> None:
        self._socket.close()
        self.process.terminate()
        self.process.wait()


def preload(modules: Sequence[str]) -> None:
    """Import what `python -m MODULE` would run. One that cannot be imported says so itself, when it is started."""
    for module in modules:
        with contextlib.suppress(Exception):
            spec = find_spec(module)
            full = f"{module}.__main__" if spec is not None and spec.submodule_search_locations else module
            importlib.import_module(full)
            sys.modules.pop(full)  # it is run anew, as __main__; what it imported stays
    gc.collect()
    gc.freeze()  # imported code is never garbage: looking at it again would only copy its pages


def serve(control: socket.socket, supervisor: int) -> list[str] | None:
    """Fork what is asked for. Returns in each part, with its words; None here, when the supervisor is gone."""
    while True:
        message, fds, _flags, _address = socket.recv_fds(control, MESSAGE_BYTES_MAX, 1)
        if not message:
            return None
        (log,) = fds
        reading, writing = os.pipe()
        between = os.fork()
        if between == 0:
            part = os.fork()
            if part:
                os.write(writing, str(part).encode())
                os._exit(0)
            for fd in (reading, writing):
                os.close(fd)
            control.close()
            return _begin(json.loads(message), log, supervisor)
        os.close(log)
        os.close(writing)
        pid = os.read(reading, 32)
        os.close(reading)
        os.waitpid(between, 0)  # now the supervisor is the part's parent
        control.send(json.dumps({"pid": int(pid)}).encode())


def _begin(request: dict[str, Any], log: int, supervisor: int) -> list[str]:
    """The first steps of a part: its parent, its session, its output, its environment."""
    words: list[str] = request["words"]
    until = time.monotonic() + ADOPTED_WITHIN_S
    while os.getppid() != supervisor:
        if time.monotonic() > until:
            os._exit(1)
        time.sleep(0.0005)
    die_with_parent(supervisor, signal.SIGTERM)
    name_process(" ".join(words))
    os.setsid()
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
    for fd in (1, 2):
        os.dup2(log, fd)
    os.close(log)
    take_environment(request["env"])
    return words


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the supervisor's business
    preload(sys.argv[3:])
    words = serve(control, int(sys.argv[2]))
    if words is None:
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = list(words)
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
