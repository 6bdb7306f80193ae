"""A network with faults by rule, between the plane and its socket."""

import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from video.plane.shell import bound

Rule = Callable[[bytes], bool]
"""True: the datagram is lost."""


def nothing(data: bytes) -> bool:
    return False


def is_media(data: bytes) -> bool:
    """RTP, encrypted or not; not RTCP."""
    return len(data) > 1 and 127 < data[0] < 192 and not 192 <= data[1] <= 223


@dataclass
class Net:
    """`bind` for the plane; `lose_out` and `lose_in` may be changed at any time."""

    lose_out: Rule = nothing
    lose_in: Rule = nothing
    lost: int = 0
    sockets: list["Wire"] = field(default_factory=list)

    def bind(self, host: str, port: int) -> "Wire":
        wire = Wire(self, bound(host, port))
        self.sockets.append(wire)
        return wire


@dataclass
class Wire:
    net: Net
    inner: socket.socket

    def fileno(self) -> int:
        return self.inner.fileno()

    def recvfrom(self, size: int, /) -> tuple[bytes, Any]:
        while True:
            data, address = self.inner.recvfrom(size)
            if not self.net.lose_in(data):
                return data, address
            self.net.lost += 1

    def sendto(self, data: bytes, address: Any, /) -> int:
        if self.net.lose_out(data):
            self.net.lost += 1
            return len(data)
        return self.inner.sendto(data, address)

    def getsockname(self) -> Any:
        return self.inner.getsockname()

    def close(self) -> None:
        self.inner.close()


def every(share_of_100: int, of: Rule) -> Rule:
    """Lose a fixed share of what `of` picks, in an order without chance (and without a period that a frame could share)."""
    number = 0

    def rule(data: bytes) -> bool:
        nonlocal number
        if not of(data):
            return False
        number = (number + 37) % 101
        return number <= share_of_100

    return rule
