"""The stand-in for Mina meddelanden: DIGG's Recipient service `POST /mm/far`, and mailbox operators `POST /mm/service/{operator}`.

Real SOAP. Who has which mailbox is what the topics and `POST /people` said before the question; a letter that is taken
shows in `GET /inbox/{operator}/{person}`, and one that comes again is there twice, as no operator recognises it.
"""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

import structlog
from aiohttp import web

from connectors.mina_meddelanden.names import SOAP_BYTES_MAX
from connectors.sandbox import mm_soap
from connectors.sandbox.faults import Mode
from connectors.sandbox.mm_letter import Received, received
from connectors.sandbox.mm_soap import SUPPLIERS, UNKNOWN_SENDER, Box, Refused
from connectors.sandbox.signers import Trust
from connectors.sandbox.state import SANDBOX, Sandbox
from connectors.sandbox.unwell import behave
from schemas.fields import parse_instant

TRUST: Final = web.AppKey("mm_trust", Trust)
XML: Final = "text/xml"
QUESTION_BYTES_MAX: Final = 1024 * 1024
OPERATORS: Final = ("billo", "minmyndighetspost", "fortnox")
"""Who is reached here. Kivra has an address in the real register, too; the sandbox's Kivra is its own stand-in."""
SPARED: Final[tuple[Mode, ...]] = ("lose_answer",)
log = structlog.get_logger()


async def ask(request: web.Request) -> web.StreamResponse:
    """Recipient v3 `isReachable`. A question whose answer is lost does nothing, so that fault is kept for deliveries."""
    return await behave(request, "mm", lambda: _told(request), garbage_type=XML, spares=SPARED)


async def deliver(request: web.Request) -> web.StreamResponse:
    """Service v3 `deliverSecure`."""
    return await behave(request, "mm", lambda: _taken(request), lambda: _taken(request, refuse=True), XML)


async def _told(request: web.Request) -> web.Response:
    sandbox = request.app[SANDBOX]
    body = await _body(request, QUESTION_BYTES_MAX)
    if not sandbox.ready():  # what it has not read yet is not "no mailbox"
        return web.Response(status=503)
    try:
        asked = mm_soap.question(body)
        if asked.sender != sandbox.sender:
            raise Refused(UNKNOWN_SENDER, "The sender is not known here")
    except Refused as refused:
        return _fault(refused)
    sandbox.world.far_asked.update(asked.people)
    if not await sandbox.caught_up():
        return web.Response(status=503)
    origin = str(request.url.origin())
    return _answer(mm_soap.reachability(box(sandbox.world.mailboxes.get(person, {}), person, origin) for person in asked.people))


def box(known: Mapping[str, Mapping[str, Any]], person: str, origin: str) -> Box:
    """Somebody's one mailbox: the newest that takes mail, else the newest; operators reached here go before Kivra."""
    if not known:
        return Box(person)
    rank = list(SUPPLIERS)

    def better(operator: str) -> tuple[bool, bool, datetime, int]:
        said = known[operator]
        return bool(said["accepts"]), operator in OPERATORS, parse_instant(said["as_of"]), -rank.index(operator)

    best = max(known, key=better)
    return Box(person, best, f"{origin}/mm/service/{best}", bool(known[best]["accepts"]))


async def _taken(request: web.Request, *, refuse: bool = False) -> web.Response:
    operator = request.match_info["operator"]
    if operator not in OPERATORS:
        raise web.HTTPNotFound
    sandbox = request.app[SANDBOX]
    body = await _body(request, SOAP_BYTES_MAX)
    if not sandbox.ready():
        return web.Response(status=503)
    now = sandbox.clock.now()
    try:
        letter = await asyncio.to_thread(received, body, sandbox.sender, request.app[TRUST], now)
    except Refused as refused:
        log.info("stand_in_mailbox_refused", operator=operator, code=refused.code)
        return _fault(refused)
    known = sandbox.world.mailboxes.get(letter.recipient, {}).get(operator)
    delivered = not refuse and known is not None and bool(known["accepts"])
    if delivered:
        _keep(sandbox, operator, letter, now)
    return _answer(mm_soap.receipt(letter.recipient, delivered=delivered))


def _keep(sandbox: Sandbox, operator: str, letter: Received, now: datetime) -> None:
    """A mailbox knows our reference, no document; the same letter once more is once more in it."""
    body = letter.body
    sandbox.world.arrivals.note(
        operator, letter.recipient, "delivery_id", letter.reference, sha256(body.data).hexdigest(), len(body.data), now,
        repeated=False, content_type=body.content_type, attachments=[each.shown() for each in letter.attachments],
    )  # fmt: skip


async def _body(request: web.Request, most: int) -> bytes:
    """Beyond the limit it is 400, as other operators answer."""
    body = bytearray()
    async for piece in request.content.iter_any():
        body += piece
        if len(body) > most:
            raise web.HTTPBadRequest
    return bytes(body)


def _answer(body: bytes) -> web.Response:
    return web.Response(body=body, content_type=XML, charset="utf-8")


def _fault(refused: Refused) -> web.Response:
    return web.Response(body=mm_soap.fault(refused), status=500, content_type=XML, charset="utf-8")


def routes() -> list[web.RouteDef]:
    """The table of these endpoints. They need `app[TRUST]`."""
    return [web.post("/mm/far", ask), web.post("/mm/service/{operator}", deliver)]
