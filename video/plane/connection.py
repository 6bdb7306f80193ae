"""One PeerConnection: its credentials, its encryption and its paths; and what to do with what comes over them.

Media goes to the path that the browser nominated last: a phone that changes from Wi-Fi to mobile nominates anew, and nothing else needs
to happen. An ICE restart brings new credentials for the same encryption; the old ones end when the new ones are used.
"""

import asyncio
from collections.abc import Callable, Hashable
from typing import Any

from video.plane.compiled import at
from video.plane.dtls import Certificate, Refused, Secure, address_of, srtp_unprotect, unpack
from video.plane.forward import Counters
from video.plane.ice import Path, credentials
from video.plane.limits import DATAGRAM_BYTES_MAX

Plain = Callable[[bytes, float], None]


class Connection:
    """Member of a `Door`."""

    def __init__(
        self, certificate: Certificate, counters: Counters, on_state: Callable[[str], None], on_rtp: Plain, on_rtcp: Plain, hot: Any = None
    ) -> None:
        """`hot` is the `struct sender` of what comes, if any is to come."""
        self.hot = hot
        self.credentials: dict[str, str] = {}
        self.paths: list[Hashable] = []
        self.user = ""
        self.session = 1
        self._certificate, self._counters = certificate, counters
        self._on_state, self._on_rtp, self._on_rtcp = on_state, on_rtp, on_rtcp
        self.secure: Secure | None = None
        self.path: Path | None = None
        self.on_path: Callable[[Path], None] = lambda path: None
        self._heard_at: float | None = None
        self._running: asyncio.Task[None] | None = None

    @property
    def heard_at(self) -> float | None:
        """When anything authentic came last."""
        if self.hot is None or not self.hot.heard_at:
            return self._heard_at
        return max(self._heard_at or 0.0, float(self.hot.heard_at))

    def renew(self) -> tuple[str, str]:
        """New credentials, beside those in use until the browser uses them."""
        while len(self.credentials) >= 2:  # restarts that the browser never took up
            oldest = next(user for user in self.credentials if user != self.user)
            del self.credentials[oldest]
        user, password = credentials()
        self.credentials[user] = password
        return user, password

    def trust(self, fingerprints: tuple[tuple[str, str], ...]) -> None:
        """Begin to shake hands with whoever has this certificate."""
        assert self.secure is None
        self.secure = Secure(self._certificate, fingerprints, self.send)
        self._running = asyncio.get_running_loop().create_task(self._run(self.secure))

    async def _run(self, secure: Secure) -> None:
        state = await secure.run(lambda: self._ready(secure))
        self._silence()
        self._on_state(state)

    def _ready(self, secure: Secure) -> None:
        if self.hot is not None:
            self.hot.srtp = at(address_of(secure.receives))  # `secure` is kept here until `_silence`
        self._on_state("ready")

    def _silence(self) -> None:
        """From now on take.c takes nothing."""
        if self.hot is not None:
            self.hot.srtp = at(0)

    def send(self, data: bytes) -> None:
        """Over the nominated path; into nothing before there is one."""
        if self.path is not None:
            self.path.send(data)

    def send_rtcp(self, data: bytes) -> None:
        if self.secure is not None and self.secure.ready and self.path is not None:
            try:
                self.path.send(self.secure.protect_rtcp(data))
            except Refused:
                self._counters.refused += 1

    def nominated(self, path: Path, local: str, now: float) -> None:
        if self.path is None or path.key != self.path.key:
            self.path = path
            self.on_path(path)
        self.user = local

    def checked(self, now: float) -> None:
        self._heard_at = now

    def media(self, data: bytes, now: float) -> None:
        secure = self.secure
        if secure is None or not secure.ready:
            return
        try:
            plain = secure.unprotect(data)
        except (Refused, ValueError):  # forged, replayed, or longer than any of ours
            self._counters.refused += 1
            return
        self._heard_at = now
        self._counters.packets_in += 1
        self._counters.bytes_in += len(data)
        self._on_rtp(plain, now)

    def media_at(self, packet: Any, length: Any, now: float) -> None:
        secure = self.secure
        if secure is None or not secure.ready:
            return
        size = length[0]
        if size > DATAGRAM_BYTES_MAX or srtp_unprotect(secure.receives, packet, length):
            self._counters.refused += 1
            return
        self._heard_at = now
        self._counters.packets_in += 1
        self._counters.bytes_in += size
        self._on_rtp(unpack(packet, length[0]), now)

    def plain(self, data: bytes, now: float) -> None:
        self._on_rtp(data, now)

    def control(self, data: bytes, now: float) -> None:
        secure = self.secure
        if secure is None or not secure.ready:
            return
        try:
            plain = secure.unprotect_rtcp(data)
        except (Refused, ValueError):
            self._counters.refused += 1
            return
        self._heard_at = now
        self._on_rtcp(plain, now)

    def record(self, data: bytes, path: Path, now: float) -> None:
        if self.path is None:
            self.nominated(path, self.user, now)  # the browser may shake hands before it nominates; the path is authenticated
        if self.secure is not None and not self.secure.record(data):
            self._counters.refused += 1

    async def close(self) -> None:
        self._silence()
        if self.secure is not None:
            await self.secure.close()
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
