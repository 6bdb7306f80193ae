"""What the kernel dropped because a UDP port's receive queue was full: the first sign that a process carries too much.

No packet tells of it. Linux counts it for each socket (the last column of /proc/net/udp, `proc(5)`); other systems do not tell.
"""

import os
from pathlib import Path
from typing import Final

TABLES: Final = (Path("/proc/self/net/udp"), Path("/proc/self/net/udp6"))
_INODE, _DROPS = 9, -1


def of_socket(fileno: int) -> int:
    """Datagrams that were dropped since the socket was opened; 0 where the system does not say."""
    try:
        inode = os.fstat(fileno).st_ino
        return next((found for table in TABLES if (found := of_inode(table.read_text(), inode)) is not None), 0)
    except OSError:
        return 0


def of_inode(table: str, inode: int) -> int | None:
    """The count of one socket in a table as the kernel writes it; None if it is not there."""
    for line in table.splitlines()[1:]:
        columns = line.split()
        if len(columns) > _INODE and columns[_INODE] == str(inode):
            return int(columns[_DROPS])
    return None
