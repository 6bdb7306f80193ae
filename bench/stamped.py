"""Datagrams with the time at which the kernel had them (SO_TIMESTAMPNS), many in one system call.

A caller reads when it has time for it; what a packet waited is then still what the plane and the kernel made it wait, not the caller.
"""

from __future__ import annotations

import ctypes
import socket
from struct import Struct
from typing import Final

from video.plane.mmsg import IN_MAX, Inbox

SO_TIMESTAMPNS: Final = 35
CONTROL_BYTES: Final = 64
_TIME: Final = Struct("=16xqq")  # behind a cmsghdr: seconds and nanoseconds since 1970


class Stamped(Inbox):
    """For all sockets of one family that somebody reads in turns."""

    def __init__(self, family: int = socket.AF_INET) -> None:
        super().__init__(-1, family)
        self._control = bytearray(IN_MAX * CONTROL_BYTES)
        base = ctypes.addressof(ctypes.c_char.from_buffer(self._control))
        for number, message in enumerate(self._messages):
            message.header.control = base + number * CONTROL_BYTES
        self._headers = [message.header for message in self._messages]
        self._count = IN_MAX

    def enable(self, opened: socket.socket) -> None:
        opened.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)

    def receive_from(self, descriptor: int) -> int:
        for header in self._headers[: self._count]:
            header.control_length = CONTROL_BYTES  # the kernel writes how much it used
        self._descriptor = descriptor
        self._count = self.receive()
        return self._count

    def came_at(self, number: int) -> float:
        seconds, nanoseconds = _TIME.unpack_from(self._control, number * CONTROL_BYTES)
        return float(seconds + nanoseconds * 1e-9)
