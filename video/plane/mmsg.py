"""Many datagrams in one system call: Linux's `recvmmsg` and `sendmmsg` over memory that is made once. I/O and nothing else.

A packet is read, decrypted, written, encrypted and sent in the memory that the kernel fills and empties; its length is one number that
the kernel and libsrtp both write (`msg_len` of what comes, `iov_len` of what goes). Each place of the outbox has its own copy of the
address it goes to, so that a path which ends while a batch is being filled frees nothing that is still to be read.

Only for Linux: other systems have no such calls or other structures, and `shell.py` then takes datagrams one by one.
"""

import ctypes
import sys
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from struct import Struct
from typing import Any, Final

from video.plane.dtls import address_of, block, int_at
from video.plane.limits import DATAGRAM_BYTES_MAX

IN_MAX: Final = 64  # datagrams read before timers and signalling get their turn
OUT_MAX: Final = 32  # datagrams that wait for each other: more saves nothing measurable and adds to what the first one waits
NAME_BYTES: Final = 32  # holds a sockaddr of either family
STRIDE: Final = 2_048
"""A place: the address, then the packet with room for what SRTP adds."""

_IPV4: Final = Struct("=H2s4s8x")
_IPV6: Final = Struct("=H2s4x16sI")


class _Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):
    """`struct msghdr`."""

    _fields_ = (
        ("name", ctypes.c_void_p), ("name_length", ctypes.c_uint32), ("vectors", ctypes.c_void_p), ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p), ("control_length", ctypes.c_size_t), ("flags", ctypes.c_int),
    )  # fmt: skip


class _Message(ctypes.Structure):
    """`struct mmsghdr`: how many bytes came or went."""

    _fields_ = (("header", _Header), ("length", ctypes.c_uint))


_MESSAGE_BYTES: Final = ctypes.sizeof(_Message)
_LOW: Final = 0 if sys.byteorder == "little" else ctypes.sizeof(ctypes.c_size_t) - 4  # where a size_t has its lowest 32 bits


def _call(name: str, *more: Any) -> Any:
    function = getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
    if function is not None:
        function.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, *more)
    return function


_receive: Final = _call("recvmmsg", ctypes.c_void_p)
_send: Final = _call("sendmmsg")
AVAILABLE: Final = _receive is not None and _send is not None


def name_of(address: tuple[str, int]) -> bytes:
    """A `sockaddr_in` or `sockaddr_in6` as the kernel writes it."""
    port = address[1].to_bytes(2)
    if ":" in address[0]:
        return _IPV6.pack(AF_INET6, port, inet_pton(AF_INET6, address[0]), 0)
    return _IPV4.pack(AF_INET, port, inet_pton(AF_INET, address[0]))


def address_in(name: bytes) -> tuple[str, int]:
    """The other way round."""
    if len(name) == _IPV4.size:
        _, port, ip = _IPV4.unpack(name)
        return inet_ntop(AF_INET, ip), int.from_bytes(port)
    _, port, ip, _ = _IPV6.unpack(name)
    return inet_ntop(AF_INET6, ip), int.from_bytes(port)


class _Places:
    """Memory for `count` datagrams and the structures that point into it."""

    def __init__(self, descriptor: int, family: int, count: int, bytes_max: int) -> None:
        self._descriptor = descriptor
        self.name_bytes = _IPV6.size if family == AF_INET6 else _IPV4.size
        self._block = data = block(count * STRIDE)
        self.memory, base = data.buffer, address_of(data.pointer)
        self.starts = [number * STRIDE for number in range(count)]
        self.packets = [data.pointer + start + NAME_BYTES for start in self.starts]
        """For libsrtp."""
        self._vectors = (_Vector * count)(*(_Vector(base + start + NAME_BYTES, bytes_max) for start in self.starts))
        self._messages = (_Message * count)()
        self._address = ctypes.addressof(self._messages)
        self.addresses = base, self._address, descriptor
        """Of the places and of the kernel's structures, and the socket: for C."""
        for number, message in enumerate(self._messages):
            header = message.header
            header.name, header.name_length = base + self.starts[number], self.name_bytes
            header.vectors, header.vector_count = ctypes.addressof(self._vectors[number]), 1


class Inbox(_Places):
    """What comes. `lengths[n][0]` is the length of datagram n at `packets[n]`, which begins NAME_BYTES behind `starts[n]` in
    `memory` (`octets`: the same as numbers)."""

    def __init__(self, descriptor: int, family: int) -> None:
        super().__init__(descriptor, family, IN_MAX, DATAGRAM_BYTES_MAX + 1)
        self.octets = memoryview(self.memory)
        self.lengths = [int_at(self._address + number * _MESSAGE_BYTES + _Message.length.offset) for number in range(IN_MAX)]

    def receive(self) -> int:
        """How many datagrams came; they are there until the next call."""
        count: int = _receive(self._descriptor, self._address, IN_MAX, 0, None)
        return max(0, count)


class Outbox(_Places):
    """What goes: a place is filled at `used`, its length is set, and then `used` is raised; `flush` when it is OUT_MAX and in the end."""

    def __init__(self, descriptor: int, family: int) -> None:
        super().__init__(descriptor, family, OUT_MAX, 0)
        vectors = ctypes.addressof(self._vectors)
        self.lengths = [int_at(vectors + number * ctypes.sizeof(_Vector) + _Vector.length.offset + _LOW) for number in range(OUT_MAX)]
        self.used = 0
        self.shared: Any = None
        """What fan.c reads of it, and how many it has dropped; see fan.py."""
        self._dropped = 0

    @property
    def dropped(self) -> int:
        return self._dropped if self.shared is None else self._dropped + int(self.shared.dropped)

    def flush(self) -> None:
        """Send all; what the kernel refuses is as good as lost on the way, and what stands behind it goes all the same."""
        used, self.used = self.used, 0
        done = 0
        while done < used:
            sent = _send(self._descriptor, self._address + done * _MESSAGE_BYTES, used - done, 0)
            if sent > 0:
                done += sent
            else:
                self._dropped += 1
                done += 1
