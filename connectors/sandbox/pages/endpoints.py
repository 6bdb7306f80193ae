"""The pages' endpoints. A page carries the revision it was made from, so that asking for it again costs little."""

import asyncio
from collections.abc import Callable
from importlib.resources import files
from typing import Final

from aiohttp import web

from connectors.sandbox.pages.app import endpoints as app
from connectors.sandbox.pages.app.sessions import SESSIONS as SESSIONS
from connectors.sandbox.pages.app.sessions import SIGNER as SIGNER
from connectors.sandbox.pages.app.sessions import Sessions as Sessions
from connectors.sandbox.pages.inboxes import inboxes_page
from connectors.sandbox.pages.operators import front_page, why_page
from connectors.sandbox.state import SANDBOX

STATIC: Final = {"style.css": "text/css", "app.css": "text/css", "live.js": "text/javascript"}


async def front(request: web.Request) -> web.Response:
    """The operators' page."""
    sandbox = request.app[SANDBOX]
    faults = sandbox.faults.shown(asyncio.get_running_loop().time())
    now, speed = sandbox.clock.now(), sandbox.clock.speed
    marks = "-".join(f"{each['system']}.{each['mode']}" for each in faults)
    return _page(request, f"{now:%d%H%M}{speed:g}{marks}", lambda: front_page(sandbox.world, faults, now, speed))


async def why(request: web.Request) -> web.Response:
    """The decisions about an id."""
    world = request.app[SANDBOX].world
    return _page(request, "", lambda: why_page(world, request.query.get("document", "").strip()))


async def inboxes(request: web.Request) -> web.Response:
    """What arrived at each stand-in, for whom."""
    sandbox = request.app[SANDBOX]
    return _page(request, "", lambda: inboxes_page(sandbox.world))


async def static(request: web.Request) -> web.Response:
    """Style and script, of this package."""
    name = request.match_info["name"]
    if name not in STATIC:
        raise web.HTTPNotFound
    text = (files("connectors.sandbox.pages") / "static" / name).read_text("utf-8")
    return web.Response(text=text, content_type=STATIC[name], charset="utf-8")


def routes() -> list[web.RouteDef]:
    """The table of these endpoints."""
    return [
        web.get("/", front),
        web.get("/why", why),
        web.get("/inboxes", inboxes),
        web.get("/static/{name}", static),
        *app.routes(),
    ]


def _page(request: web.Request, mark: str, made: Callable[[], str]) -> web.Response:
    """A page that tells which state it shows; 304 to who has it."""
    etag = f'"{request.app[SANDBOX].world.revision}.{mark}"'
    if request.headers.get("If-None-Match") == etag:
        return web.Response(status=304, headers={"ETag": etag})
    answer = _html(made())
    answer.headers["ETag"] = etag
    return answer


def _html(text: str, status: int = 200) -> web.Response:
    return web.Response(text=text, status=status, content_type="text/html", charset="utf-8")
