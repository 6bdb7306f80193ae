"""The sockets: one UDP port, and TCP on the same number (ICE-TCP passive, RFC 6544, framed as in RFC 4571). I/O and nothing else.

A network that lets only TCP through still gets sound and picture; a TCP peer that reads too slowly loses packets, as it would on UDP,
instead of filling our memory.
"""

import asyncio
import socket
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from time import monotonic, sleep
from typing import Any, Final, Protocol

from video.plane import compiled
from video.plane.dtls import unpack
from video.plane.ice import Door, Send
from video.plane.limits import DATAGRAM_BYTES_MAX, TCP_CONNECTIONS_MAX, TCP_FIRST_FRAME_S, TCP_WRITE_BYTES_MAX
from video.plane.mmsg import AVAILABLE, NAME_BYTES, Inbox, Outbox, address_in
from video.plane.take import Taker

AT_ONCE_MAX: Final = 64  # datagrams read before timers and signalling get their turn
BUSY_S: Final = 0.000_15  # datagrams that come closer than this cost more to wake up for than to handle: then
PAUSE_S: Final = 0.000_2  # they are let gather, as network cards do; it adds no more than this to what they wait, and nothing when idle
PAUSE_AFTER: Final = 8  # such turns without a break: one room's burst is no load
PAUSE_BELOW: Final = 16
FREE_PORT_TRIES: Final = 20
BUFFER_BYTES: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Address:
    """A UDP path."""

    key: tuple[str, int]
    send: Send = field(compare=False)
    outbox = None
    name = b""

    @property
    def address(self) -> tuple[str, int]:
        return self.key


class Named:
    """A UDP path whose packets can be sent in batches. Its key is its address as the kernel writes it."""

    __slots__ = ("_udp", "name", "outbox")

    def __init__(self, udp: "Udp", outbox: Outbox, name: bytes) -> None:
        self._udp, self.outbox, self.name = udp, outbox, name

    @property
    def address(self) -> tuple[str, int]:
        return address_in(self.name)

    @property
    def key(self) -> bytes:
        return self.name

    def send(self, data: bytes) -> None:
        self._udp.send(data, self.address)


class Datagrams(Protocol):
    """What is needed of a socket: the seam at which tests lose, delay and forge."""

    def fileno(self) -> int: ...
    def recvfrom(self, size: int, /) -> tuple[bytes, Any]: ...
    def sendto(self, data: bytes, address: Any, /) -> int: ...
    def getsockname(self) -> Any: ...
    def close(self) -> None: ...


Bind = Callable[[str, int], Datagrams]


def bound(host: str, port: int) -> socket.socket:
    """A UDP socket with room for a burst of key frames."""
    opened = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    opened.setblocking(False)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
    opened.bind((host, port))
    return opened


class Udp:
    """The port. Datagrams come and go many at once where the system can do that with this socket, else one by one."""

    def __init__(self, door: Door, opened: Datagrams) -> None:
        self._door = door
        self._dropped = 0
        self._turned_at, self._close_turns = 0.0, 0
        self.socket = opened
        self.port: int = opened.getsockname()[1]
        self.inbox: Inbox | None = None
        self.outbox: Outbox | None = None
        self.taker: Taker | None = None
        if AVAILABLE and isinstance(opened, socket.socket):
            self.inbox, self.outbox = Inbox(opened.fileno(), opened.family), Outbox(opened.fileno(), opened.family)
            if compiled.library is not None:
                self.taker = Taker(self.inbox, self.outbox)
                door.on_path = self.taker.path

    @property
    def dropped(self) -> int:
        """What the kernel would not send."""
        return self._dropped + (self.outbox.dropped if self.outbox is not None else 0)

    def start(self) -> None:
        asyncio.get_running_loop().add_reader(self.socket, self._readable if self.inbox is None else self._many_readable)

    def flush(self) -> None:
        """Send what waits. To be called at the end of each turn in which anything was received."""
        if self.outbox is not None and self.outbox.used:
            self.outbox.flush()

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self.socket)
        self.socket.close()

    def _readable(self) -> None:
        receive, known = self.socket.recvfrom, self._door.members
        now = monotonic()
        for _ in range(AT_ONCE_MAX):
            try:
                data, address = receive(DATAGRAM_BYTES_MAX + 1)
            except (BlockingIOError, ConnectionError):
                return
            member = known.get(address)
            if member is not None and data and 127 < data[0] < 192 and not (len(data) > 1 and 192 <= data[1] <= 223):
                member.media(data, now)  # the hot path: no path object, no second look-up
            else:
                self.received(data, address[:2], now)

    def _many_readable(self) -> None:
        now = monotonic()
        count = self._many(now) if self.taker is None else self._taken(self.taker, now)
        self.flush()
        self._close_turns = self._close_turns + 1 if now - self._turned_at < BUSY_S else 0
        if self._close_turns >= PAUSE_AFTER and count < PAUSE_BELOW:
            sleep(PAUSE_S)
        self._turned_at = monotonic()

    def _taken(self, taker: Taker, now: float) -> int:
        """By take.c, and here what that leaves."""
        inbox, outbox, known = self.inbox, self.outbox, self._door.members
        assert inbox is not None and outbox is not None
        number = taker.take(now, False)
        while number >= 0:
            start, packet = inbox.starts[number], inbox.packets[number]
            name = inbox.memory[start : start + inbox.name_bytes]
            if size := taker.size:
                known[name].plain(unpack(packet, size), now)
            else:
                self._door.datagram(unpack(packet, inbox.lengths[number][0]), Named(self, outbox, name), now)
            number = taker.take(now, True)
        return taker.count

    def _many(self, now: float) -> int:
        """The same without it."""
        inbox, outbox, known = self.inbox, self.outbox, self._door.members
        assert inbox is not None and outbox is not None
        memory, octets, name_bytes = inbox.memory, inbox.octets, inbox.name_bytes
        starts, packets, lengths = inbox.starts, inbox.packets, inbox.lengths
        count = inbox.receive()
        for number in range(count):
            start = starts[number]
            name = memory[start : start + name_bytes]
            member = known.get(name)
            packet, length = packets[number], lengths[number]
            data = start + NAME_BYTES
            if member is not None and length[0] > 1 and 127 < octets[data] < 192 and not 192 <= octets[data + 1] <= 223:
                member.media_at(packet, length, now)  # the hot path: no path object, no second look-up
            else:
                self._door.datagram(unpack(packet, length[0]), Named(self, outbox, name), now)
        return count

    def received(self, data: bytes, address: tuple[str, int], now: float) -> bool:
        return self._door.datagram(data, Address(address, self._sender(address)), now)

    def _sender(self, address: tuple[str, int]) -> Send:
        return lambda data: self.send(data, address)

    def send(self, data: bytes, address: tuple[str, int]) -> None:
        try:
            self.socket.sendto(data, address)
        except OSError:  # full, or the peer's port is gone: as good as lost on the way
            self._dropped += 1


class TcpPath:
    """One TCP connection."""

    outbox = None
    name = b""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        peer = writer.get_extra_info("peername") or ("0.0.0.0", 0)  # noqa: S104  # a name for one that is gone already, nothing is bound
        self.address: tuple[str, int] = (peer[0], peer[1])
        self.dropped = 0

    @property
    def key(self) -> Hashable:
        return self

    def send(self, data: bytes) -> None:
        transport = self._writer.transport
        if transport.is_closing() or transport.get_write_buffer_size() + len(data) > TCP_WRITE_BYTES_MAX:
            self.dropped += 1
            return
        self._writer.write(len(data).to_bytes(2) + data)


class Tcp:
    """The listener of the same number."""

    def __init__(self, door: Door, flush: Callable[[], None]) -> None:
        self._door, self._flush = door, flush
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def start(self, listening: socket.socket) -> None:
        self._server = await asyncio.start_server(self._connected, sock=listening, limit=64 * 1024)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        path = TcpPath(writer)
        try:
            if len(self._open) <= TCP_CONNECTIONS_MAX:
                await self._frames(reader, path)
        except (OSError, asyncio.IncompleteReadError, TimeoutError, asyncio.CancelledError):
            pass  # gone, silent, or we are closing: the same to the connection, which may have other paths
        finally:
            self._open.discard(task)
            self._door.close(path.key)
            writer.transport.abort()

    async def _frames(self, reader: asyncio.StreamReader, path: TcpPath) -> None:
        async with asyncio.timeout(TCP_FIRST_FRAME_S):
            if not self._door.datagram(await _frame(reader), path, monotonic()):
                return  # whoever cannot authenticate at once is no browser of ours
        while True:
            data = await _frame(reader)
            if data:
                self._door.datagram(data, path, monotonic())
                self._flush()


async def _frame(reader: asyncio.StreamReader) -> bytes:
    size = int.from_bytes(await reader.readexactly(2))
    if size > DATAGRAM_BYTES_MAX:
        raise OSError("a frame larger than any datagram")
    return await reader.readexactly(size)


class Shell:
    """Both sockets on one number."""

    def __init__(self, door: Door, host: str, port: int, bind: Bind = bound) -> None:
        opened, self._listening = _both(host, port, bind)
        self.udp = Udp(door, opened)
        self.tcp = Tcp(door, self.udp.flush)
        self.port = self.udp.port

    async def start(self) -> None:
        await self.tcp.start(self._listening)
        self.udp.start()

    async def close(self) -> None:
        await self.tcp.close()
        self._listening.close()
        self.udp.close()


def _both(host: str, port: int, bind: Bind) -> tuple[Datagrams, socket.socket]:
    """A UDP and a TCP socket of one number. With port 0 the number that UDP is given may be taken in TCP: then another."""
    for attempts_left in range(FREE_PORT_TRIES - 1, -1, -1):
        opened = bind(host, port)
        listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, opened.getsockname()[1]))
        except OSError:
            listening.close()
            opened.close()
            if port or not attempts_left:
                raise
        else:
            return opened, listening
    raise AssertionError("the last attempt returns or raises")
