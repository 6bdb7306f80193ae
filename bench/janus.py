"""Debian's Janus as a side of `bench.video`: its VideoRoom, each person a publisher and one subscriber to all others.

Debian's build has libsrtp on NSS, which is slower than ours on OpenSSL, and Janus does bookkeeping of its own; `loops` is its
`event_loops` (0: a thread for each connection, as it comes). It is pinned to core 0 like the plane.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import shutil
import socket
import tempfile
from pathlib import Path
from typing import Any, Final

import aiohttp

from bench.calls import Caller
from bench.video import SERVER_CORE, Make, Side
from hub.embedded.running import free_ports

CONFIGURATION: Final = Path("/etc/janus")
PLUGINS: Final = Path("/usr/lib/x86_64-linux-gnu/janus")


def available() -> bool:
    return shutil.which("janus") is not None and CONFIGURATION.is_dir()


class JanusSide(Side):
    """Its HTTP transport, with a long poll for each session."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, url: str, directory: Path) -> None:
        super().__init__(name, process, url)
        self.host = _own_address()
        self._directory = directory
        self._rooms: set[str] = set()
        self._publishers: dict[str, list[int]] = {}
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._polls: list[asyncio.Task[None]] = []
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=90), connector=aiohttp.TCPConnector(limit=0))
        self._entered: list[tuple[Caller, str, int]] = []

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        async with self._http.post(f"{self.url}/janus{path}", json=body | {"transaction": secrets.token_hex(8)}) as answer:
            found: dict[str, Any] = await answer.json(content_type=None)
            return found

    async def _ask(self, handle: str, body: dict[str, Any], jsep: dict[str, str] | None = None) -> dict[str, Any]:
        """A message whose answer may come as an event."""
        transaction = secrets.token_hex(8)
        future = self._waiting[transaction] = asyncio.get_running_loop().create_future()
        message: dict[str, Any] = {"janus": "message", "body": body, "transaction": transaction} | ({"jsep": jsep} if jsep else {})
        async with self._http.post(f"{self.url}/janus{handle}", json=message) as answer:
            found: dict[str, Any] = await answer.json(content_type=None)
        if found["janus"] != "ack":
            return found
        async with asyncio.timeout(30):
            return await future

    async def _poll(self, session: str) -> None:
        while True:
            async with self._http.get(f"{self.url}/janus{session}", params={"maxev": "20"}) as answer:
                events = await answer.json(content_type=None)
            for event in events if isinstance(events, list) else [events]:
                future = self._waiting.pop(event.get("transaction", ""), None)
                if future is not None and not future.done():
                    future.set_result(event)

    async def enter(self, session: aiohttp.ClientSession, caller: Caller, room: str, peer: str, others: list[str]) -> None:
        number = int(re.sub(r"\D", "", room)) + 1
        name = "/" + str((await self._post("", {"janus": "create"}))["data"]["id"])
        self._polls.append(asyncio.create_task(self._poll(name)))
        attach = {"janus": "attach", "plugin": "janus.plugin.videoroom"}
        handle = f"{name}/{(await self._post(name, attach))['data']['id']}"
        if room not in self._rooms:
            self._rooms.add(room)
            await self._ask(handle, {"request": "create", "room": number, "publishers": 30, "bitrate": 0, "videocodec": "vp8"})
        joined = await self._ask(handle, {"request": "join", "ptype": "publisher", "room": number})
        self._publishers.setdefault(room, []).append(joined["plugindata"]["data"]["id"])
        answer = await self._ask(handle, {"request": "publish"}, {"type": "offer", "sdp": caller.offer()})
        await caller.publish.connect(answer["jsep"]["sdp"])
        caller.subscribe.arrivals = None
        self._entered.append((caller, name, number))
        if len(self._publishers[room]) == len(others) + 1:  # the room is full: everybody subscribes to all others
            mine = self._entered[-len(others) - 1 :]
            for (each, its_name, _), own in zip(mine, self._publishers[room], strict=True):
                await self._subscribe(each, its_name, number, [feed for feed in self._publishers[room] if feed != own])

    async def _subscribe(self, caller: Caller, name: str, room: int, feeds: list[int]) -> None:
        attach = {"janus": "attach", "plugin": "janus.plugin.videoroom"}
        handle = f"{name}/{(await self._post(name, attach))['data']['id']}"
        streams = [{"feed": feed} for feed in feeds]
        offered = await self._ask(handle, {"request": "join", "ptype": "subscriber", "room": room, "streams": streams})
        offer = offered["jsep"]["sdp"]
        await self._ask(handle, {"request": "start", "room": room}, {"type": "answer", "sdp": caller.answer(offer)})
        await caller.subscribe.connect(offer)

    async def close(self) -> None:
        for poll in self._polls:
            poll.cancel()
        await asyncio.gather(*self._polls, return_exceptions=True)
        await self._http.close()
        await super().close()
        shutil.rmtree(self._directory, ignore_errors=True)


def janus_side(loops: int) -> Make:
    """A Janus of its own, on free ports, in a directory of its own."""

    async def make() -> Side:
        directory = Path(tempfile.mkdtemp(prefix="bench-janus-"))
        (port,) = free_ports(1)
        address = _own_address()
        (directory / "janus.jcfg").write_text(
            f'general: {{ configs_folder = "{directory}" plugins_folder = "{PLUGINS}/plugins" transports_folder = "{PLUGINS}/transports"'
            f" debug_level = 2 session_timeout = 0 event_loops = {loops} }}\n"
            f'media: {{ rtp_port_range = "20000-29000" }}\nnat: {{ ice_lite = false ice_enforce_list = "{address}" }}\n'
            f"plugins: {{ disable = {_names('plugins', 'videoroom')} }}\ntransports: {{ disable = {_names('transports', 'http')} }}\n"
        )
        (directory / "janus.transport.http.jcfg").write_text(
            f'general: {{ json = "compact" base_path = "/janus" http = true port = {port} ip = "127.0.0.1" https = false }}\n'
            "admin: { admin_http = false }\n"
        )
        (directory / "janus.plugin.videoroom.jcfg").write_text("general: {}\n")
        command = ["taskset", "-c", str(SERVER_CORE), "janus", "-F", str(directory), "-C", str(directory / "janus.jcfg"), "-o"]
        log = (directory / "log").open("wb")
        process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
        log.close()
        side = JanusSide(f"janus, {loops} event loops" if loops else "janus, as it comes", process, f"http://127.0.0.1:{port}", directory)
        async with asyncio.timeout(30):
            while True:
                try:
                    await side._post("", {"janus": "info"})
                    return side
                except (OSError, aiohttp.ClientError):
                    await asyncio.sleep(0.1)

    return make


def _names(folder: str, but: str) -> str:
    """All of a folder's libraries except one, as Janus wants them named."""
    found = sorted(path.name for path in (PLUGINS / folder).glob("*.so") if but not in path.name)
    return f'"{",".join(found)}"'


def _own_address() -> str:
    """An address of this machine that is no loopback, which Janus leaves out: the kernel keeps packets to it on the loopback device."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing
        address: str = probe.getsockname()[0]
        return address
