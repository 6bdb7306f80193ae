"""Who is logged in to the app: a cookie that means nothing outside this process. No address holds a person's number or key."""

import secrets
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from connectors.sandbox.oidc.tokens import Signer

COOKIE: Final = "resident"
SESSIONS_MAX: Final = 1_000


@dataclass(slots=True)
class Session:
    """`subject` is the person whose things are shown; `said` is told once, on the next page; `chats` are visits that have one."""

    person: str
    subject: str
    said: str | None = None
    chats: tuple[str, ...] = ()

    def take_said(self) -> str | None:
        said, self.said = self.said, None
        return said


Sessions = OrderedDict[str, Session]
SESSIONS: Final = web.AppKey("sessions", Sessions)
SIGNER: Final = web.AppKey("signer", Signer)


def session_of(request: web.Request) -> Session | None:
    return request.app[SESSIONS].get(request.cookies.get(COOKIE, ""))


def begin(request: web.Request, answer: web.Response, person: str) -> None:
    """Logs in; whoever was logged in with this browser is logged out."""
    sessions, name = request.app[SESSIONS], secrets.token_urlsafe(16)
    sessions.pop(request.cookies.get(COOKIE, ""), None)
    sessions[name] = Session(person, person)
    if len(sessions) > SESSIONS_MAX:
        sessions.popitem(last=False)
    answer.set_cookie(COOKIE, name, httponly=True, samesite="Strict", path="/app")


def end(request: web.Request, answer: web.Response) -> None:
    request.app[SESSIONS].pop(request.cookies.get(COOKIE, ""), None)
    answer.del_cookie(COOKIE, path="/app")
