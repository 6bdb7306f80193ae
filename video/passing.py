"""What is another bridge's is passed on to it, so that people and the app need one address only: requests whole, lines frame by frame.

A middleware in front of all doors. Whose a request is follows from the room in its address, the room of its line's token, the room of
its meeting code, or the login's `state`: single-use tokens and codes are so taken by one process alone. What is passed on carries a
secret header, and is never passed on again; a bridge that gets such a request for a room that it does not have (the settings of
two processes differ) refuses rather than have two processes hold one room. Media does not come this way: the owner's answer names
its own media port.
"""

import asyncio
import contextlib
import hmac
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import aiohttp
from aiohttp import WSMsgType, web
from multidict import CIMultiDict
from yarl import URL

from schemas.telemetry import Meter
from video.doors import BODY_BYTES_MAX, fail
from video.signalling.limits import LINES_MAX
from video.signalling.messages import MESSAGE_BYTES_MAX
from video.signalling.socket import HEARTBEAT_S
from video.signalling.tokens import JoinTokens, derived
from video.team import Team

HOP: Final = "X-Hub-Bridge"
CONNECT_S_MAX: Final = 2.0
ANSWER_S_MAX: Final = 20.0
GATHER_S_MAX: Final = 1.5
CLOSE_S_MAX: Final = 2.0
CLOSE_RESTART: Final = 1012
_NOT_PASSED: Final = frozenset(
    ("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade", "host",
     "content-length", HOP.lower())
)  # fmt: skip
"""RFC 9110 section 7.6.1, and what is about this connection's body."""
_OF_THE_HANDSHAKE: Final = "sec-websocket-"
_PAGE: Final = "/meet/{room}"
"""The page itself is the same from every bridge that has heard of the room: it is there also while the room's own is away, and tries
again by itself. Of a room that was made a moment ago only its own bridge may have heard."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Passing:
    """`middleware` for the application, `gather` for lists. `room_of_code` knows the room of a guest's meeting code; `knows` whether this
    bridge has heard of a room, if not as its own."""

    def __init__(
        self, team: Team, secret: bytes, tokens: JoinTokens, room_of_code: Callable[[str], str | None], knows: Callable[[str], bool],
        meter: Meter,
    ) -> None:  # fmt: skip
        self._team, self._tokens, self._room_of_code, self._knows, self._meter = team, tokens, room_of_code, knows, meter
        self._proof = derived(secret, "bridges").hex()
        self._session: aiohttp.ClientSession | None = None
        self._lines: set[web.WebSocketResponse] = set()

    async def open(self, _app: web.Application) -> AsyncIterator[None]:
        """For `cleanup_ctx`: connections to the others. None is kept, so none is found broken by the request that can least bear it."""
        timeout = aiohttp.ClientTimeout(total=ANSWER_S_MAX, sock_connect=CONNECT_S_MAX)
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        self._session = aiohttp.ClientSession(
            connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
        )  # fmt: skip
        yield
        await self._session.close()

    async def close(self, _app: web.Application) -> None:
        """For `on_shutdown`: pages come back by another way, or by this one when it is there again."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S_MAX):
                await asyncio.gather(*(each.close(code=CLOSE_RESTART, message=b"restart") for each in list(self._lines)))

    @property
    def middleware(self) -> Any:
        @web.middleware
        async def pass_on(request: web.Request, handler: Handler) -> web.StreamResponse:
            if len(self._team.urls) == 1:
                return await handler(request)
            name = self._name(request)
            if HOP in request.headers:
                if not self.is_peer(request):
                    fail("not-allowed")
                if name is not None and not self._team.owns(name) and not _makes_room(request):
                    fail("unavailable")
                return await handler(request)
            if name is None or self._team.owns(name):
                return await handler(request)
            slot = self._team.owner(name)
            return await (self._line(request, slot) if request.path == "/ws" else self._request(request, slot))

        return pass_on

    def is_peer(self, request: web.Request) -> bool:
        """Whether a request comes from another bridge."""
        return hmac.compare_digest(request.headers.get(HOP, "").encode(errors="surrogateescape"), self._proof.encode())

    async def gather(self, path: str, query: dict[str, str]) -> list[object]:
        """What the other bridges answer, as JSON; a bridge that is away is left out."""

        async def ask(url: str) -> object:
            async with self._client().get(url + path, params=query, headers={HOP: self._proof}) as answer:
                answer.raise_for_status()
                found: object = await answer.json()
                return found

        async def one(url: str) -> object:
            try:
                async with asyncio.timeout(GATHER_S_MAX):
                    return await ask(url)
            except (aiohttp.ClientError, TimeoutError, ValueError):
                return None

        others = [url for slot, url in enumerate(self._team.urls) if slot != self._team.slot]
        return [each for each in await asyncio.gather(*map(one, others)) if each is not None]

    def _name(self, request: web.Request) -> str | None:
        """By what the request belongs to a bridge; None: any bridge can answer it."""
        route = request.match_info.route.resource
        path = route.canonical if route is not None else ""
        if "room" in request.match_info:
            room = request.match_info["room"]
            return None if path == _PAGE and request.method == "GET" and self._knows(room) else room
        if path == "/ws":
            return self._tokens.room_of(request.query.get("token", ""), "socket")
        if path == "/m/{code}/login":
            return self._room_of_code(request.match_info["code"])
        if path == "/oidc/callback":
            return request.query.get("state") or None
        return secrets.token_hex(8) if _makes_room(request) else None  # spread; whoever makes a room makes it one of its own

    def _client(self) -> aiohttp.ClientSession:
        assert self._session is not None
        return self._session

    def _headers(self, request: web.Request) -> CIMultiDict[str]:
        kept = ((k, v) for k, v in request.headers.items() if k.lower() not in _NOT_PASSED and not k.lower().startswith(_OF_THE_HANDSHAKE))
        return CIMultiDict([*kept, (HOP, self._proof)])

    def _url(self, request: web.Request, slot: int) -> URL:
        """The path that was routed and its query, at another bridge; nothing else of a request's target can say where it goes."""
        there, target = URL(self._team.urls[slot]), request.rel_url
        return URL.build(
            scheme=there.scheme, host=there.host or "", port=there.port, path=target.raw_path, query_string=target.raw_query_string,
            encoded=True,
        )  # fmt: skip

    async def _request(self, request: web.Request, slot: int) -> web.Response:
        if (request.content_length or 0) > BODY_BYTES_MAX:
            fail("too-large")
        content = await request.read()
        try:
            async with self._client().request(
                request.method, self._url(request, slot), data=content or None, headers=self._headers(request), allow_redirects=False
            ) as answer:
                body = await answer.read()
        except (aiohttp.ClientError, TimeoutError):
            self._meter.count("video_passed", kind="request", outcome="away")
            fail("unavailable")
        self._meter.count("video_passed", kind="request", outcome="answered")
        headers = CIMultiDict([(name, value) for name, value in answer.headers.items() if name.lower() not in _NOT_PASSED])
        return web.Response(status=answer.status, body=body, headers=headers)

    async def _line(self, request: web.Request, slot: int) -> web.StreamResponse:
        """A WebSocket both ways, with the limits of one that ends here. What the owner sends waits where the page does not read."""
        if len(self._lines) >= LINES_MAX * (len(self._team.urls) - 1):
            fail("unavailable")
        url = self._url(request, slot)
        try:
            there = await self._client().ws_connect(url, headers=self._headers(request), max_msg_size=0, autoping=True)
        except aiohttp.WSServerHandshakeError as refused:
            return web.Response(status=refused.status, headers={"Retry-After": "2"} if refused.status == 503 else None)
        except (aiohttp.ClientError, TimeoutError):
            self._meter.count("video_passed", kind="line", outcome="away")
            fail("unavailable")
        async with there:
            here = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=MESSAGE_BYTES_MAX, compress=False)
            await here.prepare(request)
            self._lines.add(here)
            self._meter.count("video_passed", kind="line", outcome="answered")
            out, back = asyncio.create_task(_pump(here, there)), asyncio.create_task(_pump(there, here))
            try:
                await asyncio.wait((out, back), return_when=asyncio.FIRST_COMPLETED)
                if back.done():
                    code, why = back.result()
                    await here.close(code=code or CLOSE_RESTART, message=why)
            finally:
                self._lines.discard(here)
                for task in (out, back):
                    task.cancel()
                await asyncio.gather(out, back, return_exceptions=True)
        return here


Socket = web.WebSocketResponse | aiohttp.ClientWebSocketResponse


async def _pump(source: Socket, sink: Socket) -> tuple[int, bytes]:
    """Messages from one to the other until either ends; how it did: code and reason, 0 for an end without a word."""
    with contextlib.suppress(ConnectionError):
        while True:
            message = await source.receive()
            match message.type:
                case WSMsgType.TEXT:
                    await sink.send_str(message.data)
                case WSMsgType.BINARY:
                    await sink.send_bytes(message.data)
                case WSMsgType.CLOSE:
                    return int(message.data or 0), str(message.extra or "").encode()
                case _:
                    break
    return 0, b""


def _makes_room(request: web.Request) -> bool:
    return request.path == "/api/rooms" and request.method == "POST"
