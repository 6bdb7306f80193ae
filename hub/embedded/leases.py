"""Free ports, lent to one process at a time: whatever starts servers beside others (tests, benches, training) meets nobody.

Asking the kernel whether a port is free says nothing of the next moment. So the range below the ephemeral ports is cut into blocks,
and a process that wants ports holds a block by a file lock that goes with it, however it ends. Ports of programs that do
not know of this are seen by asking, and passed over.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from pathlib import Path
from typing import Final

from hub.embedded.listening import PortTaken, is_free

FIRST: Final = 20_000
END: Final = 32_000
"""Well below the ports that the kernel takes for outgoing connections (net.ipv4.ip_local_port_range begins at 32768)."""
BLOCK_PORTS: Final = 100
_OWN_BLOCKS_MAX: Final = 4

_held: list[int] = []
"""The locks' file descriptors, for as long as this process lives."""
_blocks: list[int] = []
_cursor = 0


def free_block() -> int:
    """The first of `BLOCK_PORTS` ports in a row that are this process's alone: a base for `hub up --port-base`. Raises `PortTaken`."""
    directory = Path(tempfile.gettempdir()) / f"nordic-care-hub-ports-{os.geteuid()}"
    directory.mkdir(mode=0o700, exist_ok=True)
    for base in range(FIRST, END, BLOCK_PORTS):
        lock = os.open(directory / str(base), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        if all(is_free(port) for port in range(base, base + BLOCK_PORTS)):
            _held.append(lock)
            return base
        os.close(lock)
    raise PortTaken("there are no free ports on this machine")


def free_ports(count: int) -> list[int]:
    """Ports of this process's blocks that nobody listens on. They come again only when all others have been given out."""
    global _cursor
    found: list[int] = []
    while len(found) < count:
        if _cursor == len(_blocks) * BLOCK_PORTS:
            if len(_blocks) < _OWN_BLOCKS_MAX:
                _blocks.append(free_block())
            else:
                _cursor = 0
        port = _blocks[_cursor // BLOCK_PORTS] + _cursor % BLOCK_PORTS
        _cursor += 1
        if is_free(port):
            found.append(port)
    return found
