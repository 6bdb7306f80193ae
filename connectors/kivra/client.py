"""Kivra over HTTP: a token that is kept while it is good, the limit per recipient, and one exchange a request."""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from typing import Final, Self, TypeVar

from connectors.kivra.errors import token_ran_out
from connectors.kivra.limiter import Limiter
from connectors.kivra.wire import (
    MATCH_PEOPLE_MAX,
    Sender,
    content_call,
    decode_content,
    decode_match,
    decode_token,
    match_call,
    token_call,
)
from connectors.peer import Answer, Call, Limits, Peer
from schemas.errors import Rejected, Unavailable, Uncertain

LIMITS: Final = Limits(connect_s=3.0, silence_s=20.0, total_s=40.0, connections_max=16, answer_bytes_max=1024 * 1024)
TOKEN_MARGIN_S: Final = 60.0
"""A token is given up so long before its end: it must still be good when the letter has been uploaded."""

Meaning = TypeVar("Meaning")


class KivraClient:
    """One tenant's connection. Use as an async context manager."""

    def __init__(
        self, url: str, sender: Sender, *, tls: ssl.SSLContext | None = None, limits: Limits = LIMITS,
        monotonic: Callable[[], float] | None = None,
    ) -> None:  # fmt: skip
        self._sender = sender
        self._now = monotonic or asyncio.get_running_loop().time
        self._limiter = Limiter()
        self._token = ""
        self._good_until = 0.0
        self._fetching = asyncio.Lock()
        self.peer = Peer(url, limits, tls)

    async def __aenter__(self) -> Self:
        await self.peer.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.peer.__aexit__(None, None, None)

    async def send(self, request: bytes, recipient: str) -> str:
        """Hand a content over; its key at Kivra's. Raises the three failures."""
        wait = self._limiter.refuses_for_s(recipient, self._now())
        if wait:
            raise Unavailable("too_many_to_recipient", retry_after_s=wait)
        return await self._with_token(lambda token: content_call(request, self._sender, token), decode_content)

    async def match(self, people: Sequence[str]) -> frozenset[str]:
        """Those who take mail from this sender, of however many. Raises `Unavailable` and `Rejected`."""
        found: frozenset[str] = frozenset()
        for start in range(0, len(people), MATCH_PEOPLE_MAX):
            asked = people[start : start + MATCH_PEOPLE_MAX]
            try:
                found |= await self._match(asked)
            except Uncertain as lost:
                raise Unavailable(lost.code, lost.detail) from None  # a question did nothing
        return found

    async def _match(self, asked: Sequence[str]) -> frozenset[str]:
        return await self._with_token(lambda token: match_call(asked, self._sender, token), lambda answer: decode_match(asked, answer))

    async def _with_token(self, call: Callable[[str], Call], decode: Callable[[Answer], Meaning]) -> Meaning:
        """With the token at hand; where that one is not taken, once more with a new one (nothing was done before)."""
        token = await self._good_token()
        ran_out = False

        def read(answer: Answer) -> Meaning:
            nonlocal ran_out
            ran_out = token_ran_out(answer)
            return decode(answer)

        try:
            return await self.peer.exchange(call(token), read)
        except Unavailable:
            if not ran_out:
                raise
        self._give_up(token)
        token, ran_out = await self._good_token(), False
        try:
            return await self.peer.exchange(call(token), read)
        except Unavailable:
            if ran_out:
                self._give_up(token)
            raise

    async def _good_token(self) -> str:
        """The token at hand, or a new one: asked for once, however many wait. Without one nothing was done."""
        async with self._fetching:
            if not self._token or self._now() >= self._good_until:
                try:
                    fresh = await self.peer.exchange(token_call(self._sender), decode_token)
                except Unavailable as down:
                    raise Unavailable("no_token", down.code, down.retry_after_s) from None
                except (Rejected, Uncertain) as failure:
                    # Whatever became of the question: the letter was not sent, and is not to blame.
                    raise Unavailable("no_token", failure.code) from None
                self._token = fresh.text
                self._good_until = self._now() + max(fresh.seconds - TOKEN_MARGIN_S, fresh.seconds / 2)
            return self._token

    def _give_up(self, token: str) -> None:
        """Not again with this one; a newer one that somebody else fetched meanwhile stays."""
        if self._token == token:
            self._token = ""
