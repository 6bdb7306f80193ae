"""What all HTTP doors of the bridge share: who is asking (cookies, bearer tokens), where a script is from, headers of every answer."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, RootModel, ValidationError

from schemas.errors import PROBLEM_JSON, FieldError, Malformed, Problem
from schemas.events import malformed
from video.signalling.bearers import Bearers, Machine, NotProved, NotStaff, Staff
from video.signalling.tokens import LIFETIME_S, BadToken, JoinTokens, Pass, Purpose

BODY_BYTES_MAX: Final = 16_384
CSP: Final = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; media-src 'self' blob: mediastream:; "
    "connect-src 'self' {socket}; worker-src 'self'; form-action 'self' {issuer}; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final[Mapping[str, str]] = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(self), display-capture=(self), speaker-selection=(self), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}


class Body(BaseModel):
    """What the API takes: nothing unknown, nothing coerced."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Site:
    """This bridge as its visitors see it."""

    def __init__(self, public_url: str, tokens: JoinTokens, bearers: Bearers, more_origins: tuple[str, ...] = ()) -> None:
        self.url = public_url.rstrip("/")
        parts = urlsplit(self.url)
        self.origins = frozenset({f"{parts.scheme}://{parts.netloc}", *more_origins})
        self.is_secure = parts.scheme == "https"
        self.socket = f"{'wss' if self.is_secure else 'ws'}://{parts.netloc}"
        self._tokens, self._bearers = tokens, bearers

    def same_origin(self, request: web.Request) -> None:
        """A post of a page comes from a page of ours: `Origin` says so, and SameSite cookies stand behind it. Raises 403."""
        if request.headers.get("Origin") not in self.origins:
            fail("not-allowed", "The request comes from another site")

    def give(self, response: web.StreamResponse, who: Pass, purpose: Purpose, path: str = "/") -> None:
        """A cookie that a script cannot read."""
        response.set_cookie(
            purpose, self._tokens.give(who, purpose), path=path, max_age=LIFETIME_S[purpose], httponly=True, samesite="Lax",
            secure=self.is_secure,
        )  # fmt: skip

    def read(self, request: web.Request, purpose: Purpose, room_id: str | None = None) -> Pass | None:
        """Whom a cookie is of."""
        try:
            return self._tokens.take(request.cookies.get(purpose, ""), purpose, room_id)
        except BadToken:
            return None

    def staff(self, request: web.Request) -> Staff | None:
        """The member of staff that is logged in on a page."""
        who = self.read(request, "staff")
        return Staff(who.pid, who.name, tuple(who.kept.get("units", ()))) if who is not None else None

    async def caller(self, request: web.Request) -> Staff | Machine:
        """Who calls the API: a bearer token, or staff's own page. Raises 401, or 503 while the issuer is away."""
        header = request.headers.get("Authorization", "")
        if header.lower().startswith("bearer "):
            try:
                return await self._bearers.caller(header[7:].strip())
            except NotStaff:
                fail("not-allowed")
            except NotProved:
                fail("not-authenticated")
            except (OSError, TimeoutError):
                fail("unavailable", "The token issuer cannot be reached")
        if (staff := self.staff(request)) is not None:
            if request.method != "GET":
                self.same_origin(request)
            return staff
        return fail("not-authenticated")

    async def staff_caller(self, request: web.Request, unit: str | None = None) -> Staff:
        """Staff, of the unit. Raises 403 for others."""
        caller = await self.caller(request)
        if not isinstance(caller, Staff) or (unit is not None and unit not in caller.units):
            fail("not-allowed")
        return caller


class Refusal(Exception):
    """A request that is answered by a problem document (RFC 9457)."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.type.name)
        self.problem = problem


def fail(problem: str, detail: str = "") -> NoReturn:
    """End a request with a problem of the catalogue."""
    raise Refusal(Problem.of(problem, detail))


def refuse(pointer: str, reason: str) -> NoReturn:
    """End a request for a fault in its data."""
    raise Refusal(Problem.from_malformed(Malformed([(pointer, reason)])))


async def body(request: web.Request, model: type[Any]) -> Any:
    """The request's JSON as a model. Raises 400 or 413, with a JSON Pointer for every fault."""
    if (request.content_length or 0) > BODY_BYTES_MAX:
        fail("too-large")
    try:
        return model.model_validate_json(await request.read())
    except ValidationError as wrong:
        fault = malformed(wrong)
        if issubclass(model, RootModel):  # a choice: its place starts with the name of what was chosen
            fault = Malformed(
                FieldError(error.pointer[len(error.pointer[1:].partition("/")[0]) + 1 :], error.reason) for error in fault.errors
            )
        raise Refusal(Problem.of("malformed", fault.cause, fault.errors)) from None


def as_json(content: Any, status: int = 200) -> web.Response:
    text = orjson.dumps(content, option=orjson.OPT_UTC_Z)
    return web.Response(status=status, body=text, content_type="application/json", headers={"Cache-Control": "no-store"})


def as_page(text: str, status: int = 200) -> web.Response:
    return web.Response(status=status, text=text, content_type="text/html", charset="utf-8", headers={"Cache-Control": "no-store"})


OPEN_PATHS: Final = ("/healthz", "/readyz", "/metrics", "/static/")


def hardened(site: Site, issuer: str, ready: Callable[[], bool]) -> Any:
    """The headers of every answer, and problem documents for refusals. Before the rooms are known nobody is told that theirs is not."""
    parts = urlsplit(issuer)
    policy = CSP.format(socket=site.socket, issuer=f"{parts.scheme}://{parts.netloc}" if issuer else "").strip()

    @web.middleware
    async def harden(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
        try:
            if not ready() and not request.path.startswith(OPEN_PATHS):
                fail("unavailable")
            response = await handler(request)
        except Refusal as refused:
            problem = refused.problem
            response = web.Response(status=problem.status, body=problem.to_json(), headers={"Content-Type": PROBLEM_JSON})
            if problem.status == 503:
                response.headers["Retry-After"] = "1"
        except web.HTTPException as told:
            response = told
        if not response.prepared:
            response.headers.update(HEADERS)
            if request.path.startswith("/static/"):
                response.headers["Cache-Control"] = "no-cache"  # page and scripts are of one version: asked for each time, mostly a 304
            response.headers["Content-Security-Policy"] = policy
            if site.is_secure:
                response.headers["Strict-Transport-Security"] = "max-age=31536000"
        if isinstance(response, web.HTTPException):
            raise response
        return response

    return harden
