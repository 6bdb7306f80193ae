"""A link of its own rate between one browser and the bridge: a relay that queues, and drops what does not fit its queue."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

QUEUE_S: Final = 0.3
DELAY_S: Final = 0.01
UNLIMITED: Final = 1e9
THROUGH: Final = """const set = RTCPeerConnection.prototype.setRemoteDescription;
RTCPeerConnection.prototype.setRemoteDescription = function ({ type, sdp }) {
  const lines = sdp.split("\\r\\n").filter((line) => !/^a=candidate:.* tcp /i.test(line));
  return set.call(this, { type, sdp: lines.join("\\r\\n").replaceAll(/^(a=candidate:.* udp \\S+ \\S+) \\d+/gim, "$1 PORT") });
};"""
"""For a page: its media takes the relay's port, and TCP is no way around it."""


@dataclass
class Way:
    """One direction: `bps` may be changed at any time."""

    bps: float = UNLIMITED
    free_at: float = 0.0
    dropped: int = 0

    def carry(self, send: Any, data: bytes, now: float) -> None:
        self.free_at = max(self.free_at, now)
        if self.free_at - now > QUEUE_S:
            self.dropped += 1
            return
        self.free_at += len(data) * 8 / self.bps
        asyncio.get_running_loop().call_at(self.free_at + DELAY_S, send, data)


@dataclass
class Link:
    """Both directions, and the port that a page shall use."""

    port: int = 0
    up: Way = field(default_factory=Way)
    down: Way = field(default_factory=Way)

    @property
    def script(self) -> str:
        return THROUGH.replace("PORT", str(self.port))


class _Outer(asyncio.DatagramProtocol):
    """Where the browser sends to. Each of its addresses has a socket of its own towards the bridge."""

    def __init__(self, link: Link, bridge_port: int) -> None:
        self.link, self.bridge_port = link, bridge_port
        self.inner: dict[Any, asyncio.Task[asyncio.DatagramTransport]] = {}
        self.open: list[asyncio.DatagramTransport] = []

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        loop = asyncio.get_running_loop()
        task = self.inner.get(addr)
        if task is None:
            task = self.inner[addr] = loop.create_task(self._towards(addr))

        def send(data: bytes) -> None:
            if task.done() and not task.cancelled() and not task.result().is_closing():
                task.result().sendto(data)

        self.link.up.carry(send, data, loop.time())

    async def _towards(self, addr: Any) -> asyncio.DatagramTransport:
        def back(data: bytes) -> None:
            if not self.transport.is_closing():
                self.transport.sendto(data, addr)

        loop = asyncio.get_running_loop()
        inner, _ = await loop.create_datagram_endpoint(lambda: _Inner(self.link.down, back), remote_addr=("127.0.0.1", self.bridge_port))
        self.open.append(inner)
        return inner


class _Inner(asyncio.DatagramProtocol):
    def __init__(self, way: Way, back: Any) -> None:
        self.way, self.back = way, back

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.way.carry(self.back, data, asyncio.get_running_loop().time())


@asynccontextmanager
async def shaped(bridge_port: int) -> AsyncIterator[Link]:
    link = Link()
    transport, outer = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Outer(link, bridge_port), local_addr=("127.0.0.1", 0)
    )
    link.port = transport.get_extra_info("sockname")[1]
    try:
        yield link
    finally:
        transport.close()
        for each in outer.open:
            each.close()
