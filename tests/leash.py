"""`python -m tests.leash PARENT COMMAND…`: a hub that a test starts ends with the test, also where pytest is killed.

Becomes the command, with the wish that the kernel sends it SIGTERM when its parent dies (prctl(2) PR_SET_PDEATHSIG, kept over an exec).
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path
from typing import Final

PR_SET_PDEATHSIG: Final = 1


def leashed(*command: str | os.PathLike[str]) -> list[str]:
    """The command to start instead of this one."""
    return [sys.executable, str(Path(__file__)), str(os.getpid()), *map(os.fspath, command)]


if __name__ == "__main__":
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
        if os.getppid() != parent:  # it died before we asked
            sys.exit(1)
    os.execv(command[0], command)
