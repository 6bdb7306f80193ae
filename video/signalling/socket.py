"""`GET /ws?token=…`: one person's line. Thin: bytes in, typed messages to the desk, what the desk tells out again.

The token is taken (once) before the upgrade; a line that is refused is told why by its close reason, in a code of the 4000s
(RFC 6455 section 7.4.2), so that a page can say it in words.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import structlog
from aiohttp import WSMsgType, web

from schemas.errors import Malformed
from video.plane import port
from video.rooms.model import (
    Admit,
    AskUnmute,
    Chat,
    Deny,
    End,
    Entitle,
    Hand,
    Leave,
    LowerHand,
    MuteOther,
    Refused,
    Remove,
    Sources,
)  # fmt: skip
from video.signalling import messages as m
from video.signalling.desk import Desk
from video.signalling.limits import FAULTS_MAX, HELLO_S_MAX, LINES_MAX, QUEUE_MAX, Meterer
from video.signalling.tokens import BadToken, JoinTokens, Pass
from video.signalling.turn import ice_servers

HEARTBEAT_S: Final = 10.0
CLOSE_REFUSED: Final = 4000
CLOSE_TOKEN: Final = 4001
CLOSE_SLOW: Final = 4002
CLOSE_FAULTS: Final = 4003
CLOSE_EXIT: Final = 4004
_OTHERS: Final[Mapping[str, type]] = {
    "admit": Admit, "deny": Deny, "remove": Remove, "mute_other": MuteOther, "ask_unmute": AskUnmute, "lower_hand": LowerHand,
}  # fmt: skip
LOGGED: Final[Mapping[str, str]] = {
    "admit": "video.admitted", "deny": "video.denied", "remove": "video.removed", "mute_other": "video.muted", "end": "video.ended",
}  # fmt: skip
"""What goes to the access log (HSLF-FS 2016:40 4 kap. 9 §), by the message's type."""
Access = Callable[[str, str, str], None]
"""Action, room, and who of the staff."""
_log = structlog.get_logger()


class WebLine:
    """The desk's `Wire` on a WebSocket: a queue and the task that empties it."""

    def __init__(self, ws: web.WebSocketResponse) -> None:
        self.video_slots = 9
        self._ws = ws
        self._queue: asyncio.Queue[str | None] = asyncio.Queue(QUEUE_MAX)
        self._seq = 0
        self._ending: tuple[int, str] = (1000, "")
        self.over = False

    def tell(self, kind: str, content: Mapping[str, Any], re: int | None = None) -> None:
        if self.over:
            return
        self._seq += 1
        try:
            self._queue.put_nowait(m.write(self._seq, kind, content, re))
        except asyncio.QueueFull:
            self._end(CLOSE_SLOW, "slow")

    def close(self, why: str) -> None:
        self._end(CLOSE_EXIT, why)

    def _end(self, code: int, why: str) -> None:
        if self.over:
            return
        self.over, self._ending = True, (code, why)
        if self._queue.full():  # whoever does not read hears nothing more
            while not self._queue.empty():
                self._queue.get_nowait()
        self._queue.put_nowait(None)

    async def send(self) -> None:
        """Until the line ends."""
        with contextlib.suppress(ConnectionError):
            while (text := await self._queue.get()) is not None:
                await self._ws.send_str(text)
            code, why = self._ending
            await self._ws.close(code=code, message=why.encode())


class SocketDoor:
    """The handler of `/ws`."""

    def __init__(
        self,
        desk: Desk,
        plane: port.Plane,
        tokens: JoinTokens,
        origins: frozenset[str],
        access: Access,
        kept: Callable[[], asyncio.Future[bool]],
        turn_urls: tuple[str, ...] = (),
        turn_secret: str = "",
    ) -> None:
        self._desk, self._plane, self._tokens, self._origins, self._access = desk, plane, tokens, origins, access
        self._kept = kept
        self._turn = (turn_urls, turn_secret)
        self._lines: set[WebLine] = set()

    async def get(self, request: web.Request) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        if origin is not None and origin not in self._origins:  # a browser always says where a script is from
            raise web.HTTPForbidden(text="origin")
        if len(self._lines) >= LINES_MAX:
            raise web.HTTPServiceUnavailable(text="busy", headers={"Retry-After": "2"})
        ws = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=m.MESSAGE_BYTES_MAX, compress=False)
        await ws.prepare(request)
        try:
            who = self._tokens.take(request.query.get("token", ""), "socket")
        except BadToken as bad:
            await ws.close(code=CLOSE_TOKEN, message=bad.reason.encode())
            return ws
        line = WebLine(ws)
        self._lines.add(line)
        sender = asyncio.create_task(line.send())
        try:
            await self._converse(ws, line, who)
        finally:
            self._lines.discard(line)
            self._desk.line_lost(who.pid, line)
            line.close("over")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2.0):
                    await sender
            sender.cancel()
        return ws

    async def close(self) -> None:
        """At the end of the process: pages come back to the next one by themselves."""
        for line in list(self._lines):
            line._end(1012, "restart")

    async def _converse(self, ws: web.WebSocketResponse, line: WebLine, who: Pass) -> None:
        meterer, faults, last, begun = Meterer(), 0, 0, time.monotonic()
        came = False
        while not line.over:
            try:
                async with asyncio.timeout(None if came else max(0.0, begun + HELLO_S_MAX - time.monotonic())):
                    received = await ws.receive()
            except TimeoutError:
                return
            if received.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                return
            try:
                said = m.read(received.data)
            except m.Unreadable as wrong:
                faults += 1
                line.tell("error", {"reason": "malformed", "where": str(wrong)})
                if faults >= FAULTS_MAX:
                    line._end(CLOSE_FAULTS, "malformed")
                continue
            if said.id <= last:
                line.tell("ok", {}, said.id)  # came before; it was done then
                continue
            last = said.id
            if not meterer.allows(said.type, time.monotonic()):
                line.tell("error", {"reason": "too_fast"}, said.id)
                continue
            if isinstance(said, m.Hello) == came:
                line.tell("error", {"reason": "not_now"}, said.id)
                continue
            try:
                if isinstance(said, m.Hello):
                    came = self._hello(line, who, said)
                else:
                    await self._hear(line, who, said)
            except Refused as refused:
                line.tell("error", {"reason": refused.reason}, said.id)
                if not came:
                    line._end(CLOSE_REFUSED, refused.reason)
            except (Malformed, ValueError):
                line.tell("error", {"reason": "malformed"}, said.id)
            except KeyError:  # the plane knows the person no more: removed while the answer was made
                line.tell("error", {"reason": "not_now"}, said.id)

    def _hello(self, line: WebLine, who: Pass, said: m.Hello) -> bool:
        line.video_slots = said.video_slots
        servers = ice_servers(*self._turn, who.pid, datetime.now(UTC))  # coturn's clock is the wall's
        line.tell("welcome", {"pid": who.pid, "role": who.role, "ice_servers": servers}, said.id)
        self._desk.enter(who, line, title=said.title if who.role == "staff" else "", resume=said.resume, last_chat=said.last_chat)
        return True

    async def _hear(self, line: WebLine, who: Pass, said: m.ClientMessage) -> None:
        pid, desk = who.pid, self._desk
        answer: tuple[str, dict[str, Any]] = ("ok", {})
        match said:
            case m.Publish():
                self._must_be_inside(pid)
                answer = ("answer", {"sdp": await self._plane.publish(pid, said.sdp)})
            case m.Subscribe():
                self._must_be_inside(pid)
                answer = ("offer", {"sdp": await self._plane.subscribe(pid, restart=said.restart)})
            case m.SubscribeAnswer():
                self._must_be_inside(pid)
                await self._plane.subscribed(pid, said.sdp)
            case m.WantMessage():
                self._must_be_inside(pid)
                desk.want(pid, [port.Want(each.pid, each.source, each.most) for each in said.wanted])
            case m.SourcesMessage():
                desk.command(Sources(pid, said.audio, said.camera, said.screen))
            case m.HandMessage():
                desk.command(Hand(pid, said.up))
            case m.ChatMessage():
                desk.command(Chat(pid, said.text))
                self._kept().add_done_callback(lambda _: line.tell(*answer, said.id))  # what is said next need not wait for it
                return
            case m.TitleMessage():
                desk.command(Entitle(pid, said.text))
            case m.Other():
                desk.command(_OTHERS[said.type](pid, said.pid))
                self._log(who, said.type)
            case m.Plain(type="leave"):
                desk.command(Leave(pid))
            case m.Plain(type="end"):
                desk.command(End(pid))
                self._log(who, "end")
            case _:
                pass
        line.tell(*answer, said.id)

    def _log(self, who: Pass, deed: str) -> None:
        """What staff did to somebody, once it is done."""
        if deed in LOGGED:
            self._access(LOGGED[deed], who.room_id, who.kept.get("staff", who.pid))

    def _must_be_inside(self, pid: str) -> None:
        if not self._desk.is_inside(pid):
            raise Refused("not_now")
