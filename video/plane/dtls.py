"""DTLS-SRTP (RFC 5764): the only module that knows aiortc, and it knows no more of it than `RTCDtlsTransport`.

aiortc has no public way to forward what it decrypts (it decodes), so its transport is fed with DTLS records through a queue, and its
two SRTP sessions are taken when the handshake is done. The private names are `_set_role`, `_rx_srtp`, `_tx_srtp`, `_task`, a certificate's
`_create_ssl_context` and what its ICE transport must have (`_recv`, `_send`, `role`); aiortc is pinned to 1.16, and
tests/video/plane/test_dtls.py says which of them broke.

Of pylibsrtp's session its buffer and handle are used directly, too, and its binding also works on memory that is filled by the kernel
(`mmsg.py`): then a packet is encrypted where it is sent from.

The bridge is always the server: a browser as client then takes AES-256-GCM.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, NamedTuple

import pylibsrtp
from aiortc.rtcdtlstransport import SRTP_PROFILES, RTCCertificate, RTCDtlsFingerprint, RTCDtlsParameters, RTCDtlsTransport
from OpenSSL import SSL
from pylibsrtp._binding import ffi, lib

from video.plane.limits import DTLS_QUEUE_MAX, DTLS_TIMEOUT_S

Protect = Callable[[bytes], bytes]
Refused: Final[type[Exception]] = pylibsrtp.Error
"""What `unprotect` raises at forged and replayed packets."""
BUFFER_BYTES: Final = 1_500
PLAIN_BYTES_MAX: Final = BUFFER_BYTES - 144  # of pylibsrtp's buffer, less what SRTP may add
PRIVATE_NAMES: Final = ("_set_role", "_rx_srtp", "_tx_srtp", "_task", "_create_ssl_context")


srtp_protect: Final[Callable[[Any, Any, Any], int]] = lib.srtp_protect
"""In place: a session's handle, a packet, its length. Not 0: refused."""
srtp_unprotect: Final[Callable[[Any, Any, Any], int]] = lib.srtp_unprotect
SRTP_PROTECT_ADDRESS: Final = int(ffi.cast("uintptr_t", ffi.addressof(lib, "srtp_protect")))
SRTP_UNPROTECT_ADDRESS: Final = int(ffi.cast("uintptr_t", ffi.addressof(lib, "srtp_unprotect")))
"""Of the same functions: for C."""
unpack: Final[Callable[[Any, int], bytes]] = ffi.unpack
"""A copy of so many bytes."""


class Block(NamedTuple):
    """Memory with an address."""

    pointer: Any
    buffer: Any
    """The same, to be sliced and packed into."""


def block(size: int) -> Block:
    pointer = ffi.new("char[]", size)
    return Block(pointer, ffi.buffer(pointer))


def address_of(pointer: Any) -> int:
    return int(ffi.cast("uintptr_t", pointer))


def int_at(address: int) -> Any:
    """A C `int` at an address; whoever owns the memory must outlive it."""
    return ffi.cast("int *", address)


def _direct(session: Any, work: Callable[[Any, Any, Any], int], bytes_max: int) -> Protect:
    """`session.protect` or `unprotect` without what it makes anew for each packet: less time where most of the time is spent."""
    buffer, data, inner = session._buffer, session._cdata, session._srtp[0]
    length = ffi.new("int *")

    def worked(packet: bytes, session: Any = session) -> bytes:
        # `session` is only held: it frees the memory when it goes
        size = len(packet)
        if size > bytes_max:
            raise ValueError("packet is too long")
        buffer[0:size] = packet
        length[0] = size
        if work(inner, data, length):
            raise Refused("refused by SRTP")
        found: bytes = buffer[0 : length[0]]
        return found

    return worked


class Certificate:
    """A self-signed certificate, its fingerprint in our descriptions; one for a process."""

    def __init__(self) -> None:
        self.inner: Any = RTCCertificate.generateCertificate()
        made = self.inner._create_ssl_context(srtp_profiles=SRTP_PROFILES)
        made.set_session_cache_mode(SSL.SESS_CACHE_OFF)  # handshakes share it, and nothing else
        self.inner._create_ssl_context = lambda srtp_profiles: made  # type: ignore[method-assign]  # half a millisecond, twice for each join
        self.fingerprint: str = next(each.value for each in self.inner.getFingerprints() if each.algorithm == "sha-256")


class _Path:
    """What aiortc takes for its ICE transport."""

    role = "controlled"

    def __init__(self, send: Callable[[bytes], object]) -> None:
        self.records: asyncio.Queue[bytes | None] = asyncio.Queue(DTLS_QUEUE_MAX)
        self.send = send

    async def _recv(self) -> bytes:
        record = await self.records.get()
        if record is None:
            raise ConnectionError
        return record

    async def _send(self, data: bytes) -> None:
        self.send(data)


class Secure:
    """One DTLS association. `protect` and the others exist once `run` has said True."""

    protect: Protect
    unprotect: Protect
    protect_rtcp: Protect
    unprotect_rtcp: Protect
    sends: Any
    """The handles for `srtp_protect` and `srtp_unprotect`; they live as long as this does."""
    receives: Any

    def __init__(
        self, certificate: Certificate, fingerprints: tuple[tuple[str, str], ...], send: Callable[[bytes], object], *, client: bool = False
    ) -> None:
        self.ready = False
        self.fingerprints = fingerprints
        self._over = asyncio.Event()
        self._path = _Path(send)
        self._transport: Any = RTCDtlsTransport(self._path, [certificate.inner])  # type: ignore[arg-type]  # it asks no more of it than `_Path` has
        self._transport._set_role("client" if client else "server")

    async def run(self, on_ready: Callable[[], None]) -> str:
        """Shake hands, call `on_ready`, and wait for the end: "closed" by the browser, or "failed"."""
        wanted = RTCDtlsParameters([RTCDtlsFingerprint(algorithm=name, value=value) for name, value in self.fingerprints])
        self._transport.on("statechange", lambda: self._over.set() if self._transport.state in ("closed", "failed") else None)
        with suppress(TimeoutError):
            async with asyncio.timeout(DTLS_TIMEOUT_S):
                await self._transport.start(wanted)
        if self._over.is_set() or self._transport.state != "connected":
            return "failed"
        received, sent = self._transport._rx_srtp, self._transport._tx_srtp
        self.protect, self.unprotect = _direct(sent, lib.srtp_protect, PLAIN_BYTES_MAX), _direct(received, lib.srtp_unprotect, BUFFER_BYTES)
        self.protect_rtcp, self.unprotect_rtcp = sent.protect_rtcp, received.unprotect_rtcp
        self.sends, self.receives = sent._srtp[0], received._srtp[0]
        self.ready = True
        on_ready()
        await self._over.wait()  # also set by `close`: a cancellation may get lost in aiortc's handshake
        self.ready = False
        return str(self._transport.state)

    def record(self, data: bytes) -> bool:
        """A DTLS record came; False where too many wait already."""
        if self._path.records.full():
            return False
        self._path.records.put_nowait(data)
        return True

    async def close(self, *, politely: bool = True) -> None:
        """Tell the browser (close_notify; impolitely: not even that) and stop."""
        self.ready = False
        self._over.set()
        with suppress(asyncio.QueueFull):
            self._path.records.put_nowait(None)
        reading = self._transport._task  # `stop` cancels it and forgets it
        if politely:
            await self._transport.stop()
        if reading is not None:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
