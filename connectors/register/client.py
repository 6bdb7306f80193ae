"""Asks the register over HTTP: time limits for each phase, a breaker, and every failure as one of three."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import aiohttp

from connectors.register.breaker import Breaker
from connectors.register.wire import ANSWER_BYTES_MAX, JSON, PATH, decode, encode
from schemas.errors import Rejected, Unavailable, Uncertain
from schemas.events import PersonChanged

CONNECT_TIMEOUT_S: Final = 3.0
SILENCE_TIMEOUT_S: Final = 5.0
"""Between two pieces of an answer."""


class RegisterClient:
    """One register. Use as an async context manager."""

    def __init__(
        self, url: str, *, timeout_s: float, connections_max: int, monotonic: Callable[[], float] | None = None
    ) -> None:
        self._url = url.rstrip("/") + PATH if url else ""
        self._timeout = aiohttp.ClientTimeout(
            total=timeout_s,
            sock_connect=min(CONNECT_TIMEOUT_S, timeout_s),
            sock_read=min(SILENCE_TIMEOUT_S, timeout_s),
        )
        self._connections_max = connections_max
        self._now = monotonic or asyncio.get_running_loop().time
        self._session: aiohttp.ClientSession | None = None
        self.breaker = Breaker()

    async def __aenter__(self) -> "RegisterClient":
        connector = aiohttp.TCPConnector(limit=self._connections_max)
        self._session = aiohttp.ClientSession(
            connector=connector, timeout=self._timeout, headers={"Accept": JSON}, cookie_jar=aiohttp.DummyCookieJar()
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def ask(self, patient: str) -> PersonChanged | None:
        """What the register knows of a normalised person id; None if it has no such person.

        Raises `Unavailable` (nothing was asked, or no answer can be had now), `Uncertain` (it was asked and the answer
        was lost; harmless, as a question changes nothing) and `Rejected` (a refusal, or no answer to this question).
        """
        if not self._url:
            raise Unavailable("not_set")
        pause = self.breaker.refuses_for_s(self._now())
        if pause:
            raise Unavailable("breaker_open", retry_after_s=pause)
        try:
            status, headers, body = await self._post(encode(patient))
            answer = decode(patient, status, headers, body)
        except Rejected:
            self.breaker.succeeded()
            raise
        except (Unavailable, Uncertain):
            self.breaker.failed(self._now())
            raise
        self.breaker.succeeded()
        return answer

    async def _post(self, question: bytes) -> tuple[int, Mapping[str, str], bytes]:
        assert self._session is not None, "not started"
        try:
            async with self._session.post(
                self._url, data=question, headers={"Content-Type": JSON}, allow_redirects=False
            ) as answer:
                body = bytearray()
                async for piece in answer.content.iter_any():
                    body += piece
                    if len(body) > ANSWER_BYTES_MAX:
                        raise Rejected("answer_too_large")
                return answer.status, answer.headers, bytes(body)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise Unavailable("no_connection", type(error).__name__) from None
        except TimeoutError:
            raise Uncertain("timeout") from None
        except aiohttp.ClientError as error:
            raise Uncertain("lost_answer", type(error).__name__) from None
