"""The pages' endpoints. A page carries the revision it was made from, so that asking for it again costs little.

A resident is logged in by a cookie that means nothing outside this process; no address holds a person's number.
"""

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Callable
from importlib.resources import files
from typing import Final

from aiohttp import web
from pydantic import BaseModel

from connectors.sandbox.oidc.tokens import Signer
from connectors.sandbox.pages.attachments import attachment_of
from connectors.sandbox.pages.citizen import app_page, choose_page, documents_of
from connectors.sandbox.pages.operators import front_page, why_page
from connectors.sandbox.state import SANDBOX, Sandbox
from schemas import persons
from schemas.events import AccountChanged, Actor, DocumentRead

COOKIE: Final = "resident"
SESSIONS_MAX: Final = 1_000
RESIDENTS_SHOWN: Final = 200
STATIC: Final = {"style.css": "text/css", "live.js": "text/javascript"}
MOVES: Final = {("none", "active"), ("active", "blocked")}
"""What a resident may do with the account alone (P5)."""

Sessions = OrderedDict[str, str]
SESSIONS: Final = web.AppKey("sessions", Sessions)
SIGNER: Final = web.AppKey("signer", Signer)


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


async def app(request: web.Request) -> web.Response:
    """The citizen app, or the choice of whom to be."""
    person = _resident(request)
    if person is None:
        return _html(choose_page(_residents(request.app[SANDBOX]), failed=False))
    return _page(request, "", lambda: app_page(request.app[SANDBOX].world, person))


async def log_in(request: web.Request) -> web.Response:
    """As somebody of the list (by opaque key) or by number."""
    sandbox, form = request.app[SANDBOX], await request.post()
    try:
        person = _chosen(sandbox, str(form["who"])) if "who" in form else persons.normalise(str(form.get("number", "")))
    except ValueError:
        return _html(choose_page(_residents(sandbox), failed=True), 400)
    sessions, session = request.app[SESSIONS], secrets.token_urlsafe(16)
    sessions[session] = person
    if len(sessions) > SESSIONS_MAX:
        sessions.popitem(last=False)
    answer = _to_app()
    answer.set_cookie(COOKIE, session, httponly=True, samesite="Strict", path="/app")
    return answer


async def log_out(request: web.Request) -> web.Response:
    request.app[SESSIONS].pop(request.cookies.get(COOKIE, ""), None)
    answer = _to_app()
    answer.del_cookie(COOKIE, path="/app")
    return answer


async def read(request: web.Request) -> web.Response:
    """Marks a document as read: a receipt, as the app sends it."""
    sandbox, person = request.app[SANDBOX], _resident(request)
    name = str((await request.post()).get("document", ""))
    document = sandbox.world.documents.get(name)
    if person is not None and document is not None and document in documents_of(sandbox.world, person):
        patient = document.data["patient"]
        now = sandbox.clock.now()
        await _publish(sandbox, patient, DocumentRead(document_id=name, patient=patient, read_by=person, read_at=now))
    return _to_app()


async def change_account(request: web.Request) -> web.Response:
    """Opens or blocks the resident's account."""
    sandbox, person = request.app[SANDBOX], _resident(request)
    wanted = str((await request.post()).get("account", ""))
    if person is not None and (sandbox.world.account(person), wanted) in MOVES:
        by = Actor(id=sandbox.publishing.keys.key(person), role="resident")
        since = sandbox.after(sandbox.world.accounts.get(person))
        changed = AccountChanged.model_validate({"patient": person, "account": wanted, "by": by, "as_of": since})
        await _publish(sandbox, person, changed)
    return _to_app()


async def attachment(request: web.Request) -> web.Response:
    """A file of one of the resident's documents."""
    person = _resident(request)
    if person is None:
        raise web.HTTPNotFound
    return await attachment_of(request.app[SANDBOX], request.app[SIGNER], person, request.match_info["sha256"])


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
        web.get("/app", app),
        web.post("/app/login", log_in),
        web.post("/app/logout", log_out),
        web.post("/app/read", read),
        web.post("/app/account", change_account),
        web.get("/app/attachments/{sha256:[0-9a-f]{64}}", attachment),
        web.get("/static/{name}", static),
    ]


async def _publish(sandbox: Sandbox, patient: str, model: BaseModel) -> None:
    """As the app: published, and known here at once."""
    for each in await sandbox.publishing.send([(patient, model)], sandbox.clock.now()):
        sandbox.world.apply(each.envelope, each.data, sandbox.clock.now())


def _resident(request: web.Request) -> str | None:
    return request.app[SESSIONS].get(request.cookies.get(COOKIE, ""))


def _residents(sandbox: Sandbox) -> list[tuple[str, str]]:
    """Some residents by opaque key and what tells them apart: name, birth year, account."""
    found = []
    for person, record in sandbox.world.register.people(RESIDENTS_SHOWN):
        if record["protection"] == "none" and not {"replaced_by", "deceased"} & record.keys():
            born = persons.born(person)
            account = {"active": "konto", "blocked": "spärrat konto", "none": "inget konto"}[sandbox.world.account(person)]
            found.append((sandbox.publishing.keys.key(person), f"{record['name']}, född {born.year if born else '–'}, {account}"))
    return sorted(found, key=lambda row: row[1])


def _chosen(sandbox: Sandbox, key: str) -> str:
    for person, _ in sandbox.world.register.people(RESIDENTS_SHOWN):
        if sandbox.publishing.keys.key(person) == key:
            return person
    raise ValueError("is nobody of the list")


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


def _to_app() -> web.Response:
    return web.Response(status=303, headers={"Location": "/app"})
