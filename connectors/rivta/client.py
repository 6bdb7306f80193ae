"""Pulls one booking from the unit that owns it: HTTP alone; what it means is in `booking_details`."""

import asyncio
import ssl
from collections.abc import Mapping
from typing import Final

import aiohttp

from connectors.rivta.booking_details import ACTION, ANSWER_BYTES_MAX, decode_answer, encode_question
from connectors.rivta.bookings import Details
from schemas.errors import Rejected, Unavailable

PULLS_MAX: Final = 8
"""At once, over all sources: a burst of notices must not become one on an EHR."""


class BookingSource:
    """The configured sources, by logical address. `tls` carries our own certificate where they want one."""

    def __init__(self, url_of: Mapping[str, str], timeout_s: float, tls: ssl.SSLContext | None = None) -> None:
        self._url_of = dict(url_of)
        self._timeout_s = timeout_s
        self._tls = tls
        self._places = asyncio.Semaphore(PULLS_MAX)
        self._session: aiohttp.ClientSession | None = None

    async def get(self, unit: str, booking_id: str) -> Details:
        """The booking as its source has it now. Raises `Rejected` or `Unavailable`: a question changes nothing."""
        url = self._url_of.get(unit)
        if url is None:
            raise Rejected("no_source", "no source is configured for the logical address")
        question = encode_question(unit, booking_id)
        async with self._places:
            return decode_answer(*await self._ask(url, question))

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _ask(self, url: str, question: bytes) -> tuple[int, bytes]:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=self._timeout_s, connect=min(self._timeout_s, 2.0))
            self._session = aiohttp.ClientSession(timeout=timeout, trust_env=False)
        headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": ACTION}
        try:
            async with self._session.post(url, data=question, headers=headers, ssl=self._tls or True, allow_redirects=False) as response:
                body = await response.content.read(ANSWER_BYTES_MAX + 1)
                while len(body) <= ANSWER_BYTES_MAX and (more := await response.content.read(ANSWER_BYTES_MAX)):
                    body += more
                return response.status, body
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable("no_answer", type(error).__name__) from None
