"""What the clients of outside systems share: one HTTP exchange whose every failure is one of three (STYLE 6).

`Rejected`: the peer said no. `Unavailable`: it did nothing, repeat later. `Uncertain`: it may have done it. Which of
them a failure is depends on one question: can the request have reached the peer? Before its first byte was handed to
the socket nothing can have happened there; after that, only the peer's own answer tells. A peer whose answer changes
nothing (a question) is never dangerous to ask again, so there a lost answer does no harm.

The meaning of an answer's body belongs to each connector's `wire`; here are only the transport, and the meaning of a
bare HTTP status (RFC 9110 section 15) where the body says nothing that the connector knows.
"""

import asyncio
import io
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace, TracebackType
from typing import Final, Literal, NamedTuple, Self, TypeVar

import aiohttp

from connectors.register.breaker import Breaker
from schemas.errors import PeerFailure, Rejected, Unavailable, Uncertain

Failure = Literal["rejected", "unavailable", "uncertain"]
Meaning = TypeVar("Meaning")

RETRY_AFTER_S_MAX: Final = 300.0
CODE_CHARS_MAX: Final = 80
WHOLE_BYTES_MAX: Final = 256 * 1024
"""A larger body is written piece by piece, between which other exchanges get their turn."""


class Row(NamedTuple):
    """A row of a connector's error table: the peer's code, which failure it is, and why."""

    code: str
    failure: Failure
    because: str


@dataclass(frozen=True, slots=True)
class Limits:
    """What one peer may cost us. Time-outs are per phase; `total_s` bounds them all."""

    connect_s: float = 3.0
    """A free connection, name, TCP and TLS together."""
    silence_s: float = 10.0
    """Between two pieces of the answer, the first included."""
    total_s: float = 30.0
    idle_s: float = 5.0
    """A kept connection is closed after this. Only questions use kept ones: a letter that meets a connection the peer is just
    closing is lost in doubt, and a handshake costs less than a person at the desk for unknown outcomes."""
    connections_max: int = 8
    answer_bytes_max: int = 256 * 1024
    request_bytes_max: int = 10 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Call:
    """A request, ready to be sent as often as wanted: the body is bytes, made once. Not printed: it is personal data."""

    path: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    method: str = "POST"
    changes: bool = True
    """Whether it does something at the peer, so that a lost answer matters."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. Header names are lower case. Not printed: it is personal data."""

    status: int
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class Statuses(NamedTuple):
    """HTTP statuses, and what they mean for a question and for a request that changes something."""

    of: range | tuple[int, ...]
    question: Failure
    change: Failure
    because: str


STATUSES: Final = (
    Statuses((401, 403, 407), "unavailable", "unavailable", "our credentials: nothing was done, an operator mends it"),
    Statuses((404, 405, 421), "unavailable", "unavailable", "not the peer's own word: a wrong address or a proxy; nothing was done"),
    Statuses((408, 425, 429), "unavailable", "unavailable", "the peer did not take the request"),
    Statuses((413,), "rejected", "rejected", "too large, today and tomorrow"),
    Statuses(range(400, 500), "rejected", "rejected", "the peer finds fault with the request itself"),
    Statuses((501, 503, 505), "unavailable", "unavailable", "the peer says that it did not serve the request"),
    Statuses(range(500, 600), "unavailable", "uncertain", "a fault after the request had arrived: it may have been done"),
    Statuses(range(300, 400), "unavailable", "unavailable", "redirects are not followed: a letter goes where the settings say"),
    Statuses(range(200, 300), "rejected", "uncertain", "a success that cannot be read"),
    Statuses(range(100, 200), "unavailable", "uncertain", "no final answer"),
)
"""The first row that holds the status decides."""

_TYPES: Final[Mapping[Failure, type[PeerFailure]]] = {"rejected": Rejected, "unavailable": Unavailable, "uncertain": Uncertain}


def failed(failure: Failure, code: str, detail: str = "", retry_after_s: float | None = None) -> PeerFailure:
    """The exception of a row; `retry_after_s` is kept where repeating is what is left to do."""
    if failure == "unavailable":
        return Unavailable(code, detail, retry_after_s)
    return _TYPES[failure](code, detail)


def failed_status(answer: Answer, *, changes: bool, detail: str = "") -> PeerFailure:
    """The failure of an answer whose body says nothing that is known: by its status alone."""
    code = f"http_{answer.status}"
    for row in STATUSES:
        if answer.status in row.of:
            return failed(row.change if changes else row.question, code, detail, retry_after_s(answer.headers))
    return failed("uncertain" if changes else "rejected", "http_no_status", detail)


def unreadable(*, changes: bool, detail: str = "") -> PeerFailure:
    """A success whose content cannot be read: for a change nobody can tell what happened."""
    return Uncertain("unreadable", detail) if changes else Rejected("unreadable", detail)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """`Retry-After` in seconds (RFC 9110 section 10.2.3), bounded; a date is left to our own pauses."""
    text = headers.get("retry-after", "")
    return min(float(text), RETRY_AFTER_S_MAX) if text.isascii() and text.isdigit() and len(text) < 10 else None


def loggable(code: object) -> str:
    """A peer's code if it has a form that may be logged, which no name, text or personal number has; else empty."""
    text = str(code) if isinstance(code, (str, int)) and not isinstance(code, bool) else ""
    plain = text.replace("_", "").replace("-", "").replace(".", "")
    if not plain.isascii() or not plain.isalnum() or len(text) > CODE_CHARS_MAX or sum(map(str.isdigit, text)) >= 10:
        return ""
    return text


_BY_CHANCE: Final = re.compile(r"[a-z]?[0-9a-f]{32,64}|[0-9A-Fa-f]{8}-([0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}")


def loggable_name(name: str) -> str:
    """A peer's own name of something: like a code, or made by chance (a UUID, 32 hexadecimal digits or more), whose digits are nobody's."""
    return name if _BY_CHANCE.fullmatch(name) and not name.isdigit() else loggable(name)


class Peer:
    """The connections to one outside system. Use as an async context manager."""

    def __init__(self, url: str, limits: Limits, tls: ssl.SSLContext | None = None, monotonic: Callable[[], float] | None = None) -> None:
        self._url = url.rstrip("/")
        self._limits = limits
        self._tls = tls
        self._now = monotonic or asyncio.get_running_loop().time
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        self.breaker = Breaker()

    async def __aenter__(self) -> Self:
        self._sessions = {changes: self._session(changes) for changes in (False, True)}
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for session in self._sessions.values():
            await session.close()

    def _session(self, changes: bool) -> aiohttp.ClientSession:
        limits = self._limits
        kept = {"force_close": True} if changes else {"keepalive_timeout": limits.idle_s}
        written = aiohttp.TraceConfig()
        written.on_request_headers_sent.append(_mark_written)
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=limits.connections_max, ssl=self._tls or True, **kept),
            timeout=aiohttp.ClientTimeout(
                total=limits.total_s, connect=limits.connect_s, sock_connect=limits.connect_s, sock_read=limits.silence_s
            ),
            headers={"Accept-Encoding": "identity"},
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            trace_configs=[written],
        )

    async def exchange(self, call: Call, decode: Callable[[Answer], Meaning]) -> Meaning:
        """Send once and give what `decode` makes of the answer. Raises the three failures and nothing else.

        The breaker counts the peer's silence, not its refusals: a peer that says no is well.
        """
        pause = self.breaker.refuses_for_s(self._now())
        if pause:
            raise Unavailable("breaker_open", retry_after_s=pause)
        try:
            meaning = decode(await self._send(call))
        except Rejected:
            self.breaker.succeeded()
            raise
        except (Unavailable, Uncertain):
            self.breaker.failed(self._now())
            raise
        self.breaker.succeeded()
        return meaning

    async def _send(self, call: Call) -> Answer:
        assert self._sessions, "not started"
        if len(call.body) > self._limits.request_bytes_max:
            raise Rejected("too_large")
        sent = SimpleNamespace(written=False)
        try:
            async with self._sessions[call.changes].request(
                call.method,
                self._url + call.path,
                data=_in_pieces(call.body),
                headers=call.headers,
                allow_redirects=False,
                trace_request_ctx=sent,
            ) as answer:
                body = bytearray()
                async for piece in answer.content.iter_any():
                    body += piece
                    if len(body) > self._limits.answer_bytes_max:
                        raise unreadable(changes=call.changes, detail="the answer is larger than any real one")
                return Answer(answer.status, bytes(body), {name.lower(): value for name, value in answer.headers.items()})
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise _lost(error, sent.written) from None


def _in_pieces(body: bytes) -> bytes | io.BytesIO:
    """A large body as a file, which aiohttp hands to the socket piece by piece instead of in one write."""
    return io.BytesIO(body) if len(body) > WHOLE_BYTES_MAX else body


async def _mark_written(session: aiohttp.ClientSession, context: SimpleNamespace, params: aiohttp.TraceRequestHeadersSentParams) -> None:
    context.trace_request_ctx.written = True


def _lost(error: Exception, written: bool) -> PeerFailure:
    """No answer: certain only where no byte can have been read. The error's name is told, its text never (it holds URLs)."""
    name = type(error).__name__
    if not written or isinstance(error, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)):
        return Unavailable("no_connection", name)
    if _refused_by_tls(error):
        return Unavailable("tls_refused", name)
    return Uncertain("timeout" if isinstance(error, TimeoutError) else "lost_answer", name)


_CERTIFICATE_ALERTS: Final = (
    "ALERT_CERTIFICATE",
    "ALERT_BAD_CERTIFICATE",
    "ALERT_UNSUPPORTED_CERTIFICATE",
    "ALERT_UNKNOWN_CA",
    "ALERT_HANDSHAKE",
)


def _refused_by_tls(error: BaseException | None) -> bool:
    """TLS 1.3 tells of a certificate it does not take only after our first bytes (RFC 8446 section 4.4.2.4), and reads none of
    them. Where the peer resets the connection before its alert is read, it stays a lost answer."""
    while error is not None:
        if isinstance(error, ssl.SSLError) and any(word in (error.reason or "") for word in _CERTIFICATE_ALERTS):
            return True
        error = error.__cause__ or error.__context__
    return False
