"""How much may be on its way at once: back-pressure instead of memory growth.

Every body is counted from its first byte until Kafka has its events (or they are refused). When the whole
gateway is full the answer is 503, when one client has used its share 429, both with `Retry-After`. Bytes whose
fate is unknown (Kafka silent) stay counted until it is known: they are still in memory.
"""

from collections.abc import Callable
from types import TracebackType
from typing import Self

from connectors.gateway.options import Limits
from connectors.gateway.refusals import too_many, unavailable


class Admission:
    """The account of bytes and requests in flight."""

    def __init__(self, limits: Limits, changed: Callable[[int], None] = lambda _: None) -> None:
        self._limits = limits
        self._changed = changed
        self._by_client: dict[str, int] = {}
        self.bytes = 0
        self.requests = 0

    def enter(self, client: str) -> "Share":
        """A place for one request. Raises `Refused` (503)."""
        if self.requests >= self._limits.requests_max:
            raise unavailable("Too many requests are being worked on", self._limits.retry_after_s)
        self.requests += 1
        return Share(self, client)

    def take(self, client: str, size: int) -> None:
        """Count `size` bytes, or raise `Refused` and count nothing."""
        limits = self._limits
        own = self._by_client.get(client, 0) + size
        if self.bytes + size > limits.in_flight_bytes_max:
            raise unavailable("Too much is on its way to the log", limits.retry_after_s)
        if own > limits.client_bytes_max:
            raise too_many("Too much of this client's is on its way", limits.retry_after_s)
        self.bytes += size
        self._by_client[client] = own
        self._changed(self.bytes)

    def give_back(self, client: str, size: int) -> None:
        self.bytes -= size
        left = self._by_client.get(client, 0) - size
        if left > 0:
            self._by_client[client] = left
        else:
            self._by_client.pop(client, None)
        self._changed(self.bytes)


class Share:
    """One request's part. As a context manager it is given back at the end, unless it was kept longer."""

    def __init__(self, admission: Admission, client: str) -> None:
        self._admission = admission
        self._client = client
        self._size = 0
        self._kept = False

    def take(self, size: int) -> None:
        """Count that many more bytes. Raises `Refused`."""
        self._admission.take(self._client, size)
        self._size += size

    def keep(self) -> Callable[[], None]:
        """The bytes outlive the request; the caller gives them back by what is returned, once."""
        self._kept = True
        return self._give_back

    def _give_back(self) -> None:
        size, self._size = self._size, 0
        if size:
            self._admission.give_back(self._client, size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._admission.requests -= 1
        if not self._kept:
            self._give_back()
