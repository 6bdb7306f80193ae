"""How every handler of the sandbox answers: problem documents for faults, headers that keep pages safe, no log of paths.

A path or body here may hold a test person's number, so nothing of a request is ever logged.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import orjson
import structlog
from aiohttp import web

from schemas.errors import PROBLEM_JSON, Malformed, Problem

BODY_BYTES_MAX: Final = 256 * 1024
SECURITY: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:;"
        " base-uri 'none'; frame-ancestors 'none'; form-action 'self' http://127.0.0.1:* http://localhost:*"
    ),
}
"""`no-referrer` would make browsers send `Origin: null` with our own forms. The form action names other ports of this
machine since a login's answer redirects there."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
log = structlog.get_logger()


def as_json(value: Any, status: int = 200) -> web.Response:
    """A JSON answer."""
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json")


def problem(found: Problem) -> web.Response:
    """An RFC 9457 answer."""
    return web.Response(body=found.to_json(), status=found.status, content_type=PROBLEM_JSON)


async def json_of(request: web.Request) -> Any:
    """The request's body as JSON, whatever its content type says. Raises `Malformed`."""
    try:
        return orjson.loads(await request.read())
    except orjson.JSONDecodeError:
        raise Malformed([("", "is not valid JSON")]) from None


@web.middleware
async def faults_as_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Malformed input is 400, an unknown path 404, and so on; a bug is 500 without its text."""
    try:
        return await handler(request)
    except Malformed as fault:
        return problem(Problem.from_malformed(fault))
    except web.HTTPRequestEntityTooLarge:
        return problem(Problem.of("too-large", "The body is larger than the sandbox takes"))
    except web.HTTPNotFound:
        return problem(Problem.of("not-found"))
    except web.HTTPMethodNotAllowed as fault:
        answer = problem(Problem.of("method-not-allowed"))
        answer.headers["Allow"] = ", ".join(sorted(fault.allowed_methods))
        return answer
    except web.HTTPException:
        raise
    except Exception as bug:
        log.exception("sandbox_failed", error=type(bug).__name__)
        return problem(Problem.of("internal"))


@web.middleware
async def from_here_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A page of another origin may not change anything here: no such form or script has our Origin (RFC 6454)."""
    origin = request.headers.get("Origin")
    if request.method in ("POST", "DELETE") and origin is not None and origin != f"http://{request.host}":
        return problem(Problem.of("not-allowed", "Requests from other origins change nothing here"))
    return await handler(request)


async def add_security_headers(request: web.Request, response: web.StreamResponse) -> None:
    """On every answer, unless its handler said otherwise."""
    for name, value in SECURITY.items():
        response.headers.setdefault(name, value)
