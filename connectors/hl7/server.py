"""The MLLP listener: frames in, acknowledgements out, one message of a connection at a time, so that their order holds."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import structlog

from connectors.gateway.admission import Admission
from connectors.gateway.refusals import Refused
from connectors.hl7.framing import FRAME_BYTES_MAX, Broken, Frames, wrap

CHUNK_BYTES: Final = 64 * 1024
log = structlog.get_logger()

Handle = Callable[[bytes, str], Awaitable[bytes]]
"""From a frame and the name of its sender's certificate (empty: none) to the acknowledgement."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one connection, and all of them, may take."""

    frame_bytes_max: int = FRAME_BYTES_MAX
    connections_max: int = 64
    idle_s: float = 600.0
    """An interface engine keeps its connection open between messages."""
    frame_s: float = 30.0
    """From a frame's first byte to its last."""
    write_s: float = 30.0


class MllpServer:
    """One listening port."""

    def __init__(self, handle: Handle, admission: Admission, limits: Limits) -> None:
        self._handle = handle
        self._admission = admission
        self._limits = limits
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        """Raises `OSError` where the port cannot be had."""
        self._server = await asyncio.start_server(self._connected, host, port, ssl=tls, limit=CHUNK_BYTES)

    async def stop(self, grace_s: float = 10.0) -> None:
        """Take no more, and let what is being answered be answered."""
        if self._server is None:
            return
        self._server.close()
        if self._open:
            _, late = await asyncio.wait(self._open, timeout=grace_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            if len(self._open) >= self._limits.connections_max:
                log.warning("hl7_too_many_connections", connections_max=self._limits.connections_max)
                return
            self._open.add(task)
            await self._serve(reader, writer)
        except (Broken, TimeoutError, OSError, Refused) as cause:
            log.info("hl7_connection_closed", cause=type(cause).__name__)
        finally:
            self._open.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frames = Frames(self._limits.frame_bytes_max)
        sender = _common_name(writer)
        counted = 0
        try:
            while self._server is not None and self._server.is_serving():
                async with asyncio.timeout(self._limits.frame_s if frames.waiting else self._limits.idle_s):
                    data = await reader.read(CHUNK_BYTES)
                if not data:
                    return
                found = frames.feed(data)
                # What waits here for its end counts as bytes in flight, as a request's body does.
                self._admission.give_back(sender or "mllp", counted)
                counted = 0
                for frame in found:
                    writer.write(wrap(await self._handle(frame, sender)))
                    async with asyncio.timeout(self._limits.write_s):
                        await writer.drain()
                self._admission.take(sender or "mllp", frames.waiting)
                counted = frames.waiting
        finally:
            self._admission.give_back(sender or "mllp", counted)


def _common_name(writer: asyncio.StreamWriter) -> str:
    """The subject's common name of a verified client certificate."""
    certificate = writer.get_extra_info("peercert") or {}
    names = [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
    return str(names[0]) if len(names) == 1 else ""
