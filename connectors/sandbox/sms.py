"""The stand-in SMS provider under `/sms`: as 46elks, a form in, JSON out, delivery reports back to `whendelivered`; and as LINK
Mobility, JSON in and out, reports to the address of its one gate, which is the gateway's.

Reports are repeated until they are taken, as the original's are. `POST /sms/settings` makes them late, sends each twice,
turns their order round, or tells that a message failed after it was sent. What a phone got stands in `/inbox/sms`, by the
persons whose account has its number, or by the number itself; the words are the test's own and stand in no log.
"""

import asyncio
import re
import secrets
from base64 import b64decode
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import structlog
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from connectors.sandbox.answers import as_json, json_of
from connectors.sandbox.reading import changed, whole
from connectors.sandbox.state import SANDBOX, Sandbox
from connectors.sandbox.unwell import behave
from connectors.sandbox.world import World
from connectors.sms.wire import object_of

USERNAME: Final = "hub"
PASSWORD: Final = "sandbox-sms"  # noqa: S105 - a stand-in's, for everybody to know
PLATFORM, PARTNER, GATE = "SANDBOX", "4711", "sandbox-gate"
GATE_PATH: Final = "/callbacks/sms/linkmobility"
CODES: Final = {"sent": 1000, "delivered": 1001, "failed": 1006}
QUEUED: Final = 1005
TAKEN, TAKEN_OF_LINK = range(200, 205), range(200, 201)
"""By which answers each takes a report for received."""
REFUSED: Final = {"platformId": 106200, "platformPartnerId": 106201, "deliveryReportGates": 106301}
FORM_BYTES_MAX: Final = 64 * 1024
REPORT_TIMEOUT_S: Final = 10.0
RETRY_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""The pauses between tries of a report; after the last it is given up. (The original goes on for six hours.)"""
UNDER_WAY_MAX: Final = 10_000
HERE: Final = frozenset({"127.0.0.1", "localhost", "::1"})
"""Reports go to this machine only, wherever a message says."""
TEXT: Final = "text/plain"

_NUMBER: Final = re.compile(r"\+[1-9][0-9]{4,14}")
_SENDER: Final = re.compile(r"[A-Za-z0-9]{1,11}|\+[1-9][0-9]{4,14}")

log = structlog.get_logger()


class Settings(BaseModel):
    """`POST /sms/settings`: what is given changes, the rest stays."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    late_seconds: float = Field(default=0.1, ge=0, le=3_600)
    """Before a message's first report, in wall seconds."""
    doubled: bool = False
    reversed: bool = False
    failed_after_sent: bool = False


@dataclass(slots=True)
class Sms:
    """What it remembers, and the reports under way."""

    settings: Settings = field(default_factory=Settings)
    reporting: set[asyncio.Task[None]] = field(default_factory=set)
    session: aiohttp.ClientSession | None = None

    def report(self, url: str, words: Callable[[str], dict[str, Any]], taken: range) -> None:
        """Tell what became of a message, in a while: `words` gives what is posted for a status, until the answer is one of `taken`."""
        if len(self.reporting) < UNDER_WAY_MAX:
            task = asyncio.create_task(self._report(url, words, taken, self.settings))
            self.reporting.add(task)
            task.add_done_callback(self.reporting.discard)

    async def _report(self, url: str, words: Callable[[str], dict[str, Any]], taken: range, told: Settings) -> None:
        await asyncio.sleep(told.late_seconds)
        statuses = ["sent", "failed" if told.failed_after_sent else "delivered"]
        if told.reversed:
            statuses.reverse()
        for status in statuses:
            content = words(status)
            for _ in range(2 if told.doubled else 1):
                await self._post(url, content, status, taken)

    async def _post(self, url: str, content: dict[str, Any], status: str, taken: range) -> None:
        """Until it is taken, or nobody can say that it was not tried."""
        assert self.session is not None
        for pause in (*RETRY_S, None):
            try:
                async with self.session.post(url, **content, allow_redirects=False) as answer:
                    if answer.status in taken:
                        return
            except (aiohttp.ClientError, TimeoutError):
                pass
            if pause is not None:
                await asyncio.sleep(pause)
        log.warning("sandbox_gave_up_a_delivery_report", status=status)


SMS: Final = web.AppKey("sms", Sms)


async def connected(app: web.Application) -> AsyncIterator[None]:
    """The provider's own connection, for as long as the sandbox runs."""
    peer = app[SMS]
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=REPORT_TIMEOUT_S), trust_env=False) as peer.session:
        yield
        for task in peer.reporting:
            task.cancel()
        await asyncio.gather(*peer.reporting, return_exceptions=True)


async def send(request: web.Request) -> web.StreamResponse:
    """One message."""
    return await behave(request, "sms", lambda: _send(request), lambda: _refuse(request), "application/json")


async def send_as_link(request: web.Request) -> web.StreamResponse:
    """One message, as LINK Mobility takes it."""
    return await behave(request, "sms", lambda: _send_as_link(request), lambda: _refuse_as_link(request), "application/json")


async def settings(request: web.Request) -> web.Response:
    """What is switched how, after what the body changes."""
    peer = request.app[SMS]
    if request.method == "POST":
        peer.settings = changed(peer.settings, await json_of(request))
    return as_json(peer.settings.model_dump())


def routes() -> list[web.RouteDef]:
    """The table of these endpoints."""
    return [
        web.post("/sms/a1/sms", send), web.post("/sms/sms/send", send_as_link),
        web.get("/sms/settings", settings), web.post("/sms/settings", settings),
    ]  # fmt: skip


async def _send(request: web.Request) -> web.Response:
    if not _known(request):
        return _plain(401, "API access requires Basic HTTP authentication")
    body = await whole(request, FORM_BYTES_MAX)
    if body is None:
        return _plain(413, "Too large")
    try:
        form = dict(parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True))
    except ValueError:
        return _plain(400, "Not a form")
    for name in ("from", "to", "message"):
        if not form.get(name):
            return _plain(400, f"Missing key {name}")
    if not _NUMBER.fullmatch(form["to"]):
        return _plain(400, "Invalid to number")
    if not _SENDER.fullmatch(form["from"]):
        return _plain(400, "Invalid from")
    return as_json(_taken(request, form))


def _taken(request: web.Request, form: dict[str, str]) -> dict[str, Any]:
    sandbox, peer = request.app[SANDBOX], request.app[SMS]
    message, now = f"s{secrets.token_hex(16)}", sandbox.clock.now()
    _arrive(sandbox, message, form["to"], form["message"], now)

    def words(status: str) -> dict[str, Any]:
        at = {"delivered": sandbox.clock.now().replace(tzinfo=None).isoformat()} if status == "delivered" else {}
        return {"data": {"id": message, "status": status, **at}}

    url = form.get("whendelivered", "")
    if _is_here(url):
        peer.report(url, words, TAKEN)
    answer = {
        "id": message, "status": "created", "direction": "outgoing", "from": form["from"], "to": form["to"],
        "created": now.replace(tzinfo=None).isoformat(), "cost": 3500,
    }  # fmt: skip
    return answer if form.get("dontlog") == "message" else answer | {"message": form["message"]}


def owners(world: World, number: str) -> list[str]:
    """The persons whose account has a number."""
    return sorted(person for person, account in world.accounts.items() if account.get("phone") == number)


def _arrive(sandbox: Sandbox, message: str, to: str, text: str, now: datetime) -> None:
    """Whoever has the number finds the text in `/inbox/sms`; what goes to a number of nobody's (a guest's, V9) stands there under it."""
    words = text.encode()
    for person in owners(sandbox.world, to) or [to]:
        sandbox.world.arrivals.note(
            "sms", person, "sms_id", message, sha256(words).hexdigest(), len(words), now, repeated=False, content_type=TEXT
        )


async def _send_as_link(request: web.Request) -> web.Response:
    if not _known(request):
        return as_json({"resultCode": 106101, "description": "Access denied"}, status=401)
    body = await whole(request, FORM_BYTES_MAX)
    told = object_of(body or b"") or {}
    wants = told.get("useDeliveryReport", True)
    right = {"platformId": PLATFORM, "platformPartnerId": PARTNER} | ({"deliveryReportGates": [GATE]} if wants else {})
    for name, value in right.items():
        if told.get(name) != value:
            return as_json({"resultCode": REFUSED[name], "description": f"Invalid {name}", "messageId": ""})
    if not (_NUMBER.fullmatch(str(told.get("destination"))) and _SENDER.fullmatch(str(told.get("source"))) and told.get("userData")):
        return as_json({"resultCode": 4003, "description": "Invalid request", "messageId": ""}, status=400)
    sandbox, peer = request.app[SANDBOX], request.app[SMS]
    message = secrets.token_urlsafe(18)
    _arrive(sandbox, message, told["destination"], told["userData"], sandbox.clock.now())

    def words(status: str) -> dict[str, Any]:
        at = sandbox.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        return {
            "json": {
                "refId": told.get("refId"), "id": message, "operator": "se.stand-in", "sentTimestamp": at, "timestamp": at,
                "resultCode": CODES[status], "operatorResultCode": None, "segments": 1, "gateCustomParameters": {},
                "customParameters": {},
            }
        }  # fmt: skip

    if wants:
        peer.report(sandbox.gateway_url + GATE_PATH, words, TAKEN_OF_LINK)
    return as_json({"messageId": message, "resultCode": QUEUED, "description": "Queued"})


async def _refuse_as_link(request: web.Request) -> web.Response:
    await whole(request, FORM_BYTES_MAX)
    return as_json({"resultCode": 4003, "description": "Invalid request", "messageId": ""}, status=400)


async def _refuse(request: web.Request) -> web.Response:
    await whole(request, FORM_BYTES_MAX)
    return _plain(400, "Invalid to number") if _known(request) else _plain(401, "API access requires Basic HTTP authentication")


def _is_here(url: str) -> bool:
    try:
        return urlsplit(url).hostname in HERE
    except ValueError:
        return False


def _known(request: web.Request) -> bool:
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    try:
        return scheme.lower() == "basic" and b64decode(text, validate=True).decode() == f"{USERNAME}:{PASSWORD}"
    except ValueError:
        return False


def _plain(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=text)
