"""The stand-in Kivra under `/kivra`: tokens that end, mailboxes as the topics tell of them, duplicate control, real codes.

Their own sandbox has no duplicate control and production has; here it is on, and `POST /kivra/settings` turns it off. Who
has a mailbox, and takes mail from the hub, is what `mailboxes.v1` says. What is delivered stands in `/inbox/kivra`.
"""

import asyncio
import secrets
from base64 import b64decode
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from connectors.sandbox.answers import as_json, json_of
from connectors.sandbox.faults import Mode
from connectors.sandbox.kivra_content import MESSAGES, PAYLOAD_BYTES_MAX, PDF, SSN, Content, Refusal, read_content
from connectors.sandbox.reading import changed, whole
from connectors.sandbox.state import SANDBOX
from connectors.sandbox.unwell import behave

CLIENT_ID: Final = "hub"
CLIENT_SECRET: Final = "sandbox-kivra"  # noqa: S105 - a stand-in's, for everybody to know
TENANT: Final = "tenant_16232100001600000000000000000000sandbox"
PER_RECIPIENT_MAX: Final = 50
WINDOW_S: Final = 60.0
TOKEN_SPARES: Final[tuple[Mode, ...]] = ("lose_answer", "garbage")
MATCH_SPARES: Final[tuple[Mode, ...]] = ("lose_answer",)
KEPT_MAX: Final = 100_000
"""Payloads that are recognised, recipients that are counted, tokens that are good: the oldest go."""


class Settings(BaseModel):
    """`POST /kivra/settings`: what is given changes, the rest stays. `token_seconds` ends every token given so far."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    duplicate_control: bool = True
    token_seconds: int = Field(default=28_800, ge=0, le=86_400)


@dataclass(slots=True)
class Kivra:
    """What it remembers. Times are seconds of the event loop's clock."""

    settings: Settings = field(default_factory=Settings)
    tokens: OrderedDict[str, float] = field(default_factory=OrderedDict)
    contents: OrderedDict[bytes, str] = field(default_factory=OrderedDict)
    sent: OrderedDict[str, deque[float]] = field(default_factory=OrderedDict)

    def new_token(self, now: float) -> str:
        token = secrets.token_urlsafe(24)
        self.tokens[token] = now + self.settings.token_seconds
        _bound(self.tokens)
        return token

    def knows(self, authorization: str, now: float) -> bool:
        """Whether a bearer token is one of ours and still good."""
        scheme, _, token = authorization.partition(" ")
        return scheme.lower() == "bearer" and now < self.tokens.get(token, 0.0)

    def too_many(self, ssn: str, now: float) -> bool:
        """Counts one more content for a recipient, unless that is more than 50 a minute."""
        times = self.sent.setdefault(ssn, deque())
        while times and times[0] <= now - WINDOW_S:
            times.popleft()
        if len(times) >= PER_RECIPIENT_MAX:
            return True
        times.append(now)
        self.sent.move_to_end(ssn)
        _bound(self.sent)
        return False

    def key_of(self, digest: bytes) -> tuple[str, bool]:
        """The key of a payload, and whether it was delivered before under this key."""
        found = self.contents.get(digest) if self.settings.duplicate_control else None
        if found is not None:
            return found, True
        self.contents[digest] = key = secrets.token_hex(21)
        _bound(self.contents)
        return key, False


KIVRA: Final = web.AppKey("kivra", Kivra)


async def give_token(request: web.Request) -> web.StreamResponse:
    """OAuth 2.0 client credentials. Tokens are asked for now and then, unseen: faults meant for a letter are not used up here."""
    return await behave(request, "kivra", lambda: _token(request), spares=TOKEN_SPARES)


async def match(request: web.Request) -> web.StreamResponse:
    """Those of a list who have a mailbox that takes mail from the hub. A lost answer does nothing here: kept for letters."""
    return await behave(request, "kivra", lambda: _match(request), garbage_type="application/json", spares=MATCH_SPARES)


async def send(request: web.Request) -> web.StreamResponse:
    """One content for one recipient."""
    return await behave(request, "kivra", lambda: _send(request), lambda: _refuse(request), "application/json")


async def settings(request: web.Request) -> web.Response:
    """What is switched how, after what the body changes."""
    peer = request.app[KIVRA]
    if request.method == "POST":
        given = await json_of(request)
        peer.settings = changed(peer.settings, given)
        if "token_seconds" in given:
            peer.tokens.clear()
    return as_json(peer.settings.model_dump())


def routes() -> list[web.RouteDef]:
    """The table of these endpoints."""
    return [
        web.post("/kivra/v1/auth", give_token),
        web.post("/kivra/v2/tenant/{tenant}/usermatch/ssn", match),
        web.post("/kivra/v2/tenant/{tenant}/content", send),
        web.get("/kivra/settings", settings),
        web.post("/kivra/settings", settings),
    ]


async def _token(request: web.Request) -> web.Response:
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    try:
        given = b64decode(text, validate=True).decode() if scheme.lower() == "basic" else ""
    except ValueError:
        given = ""
    if given != f"{CLIENT_ID}:{CLIENT_SECRET}":
        return _error("40104")
    if (await request.post()).get("grant_type") != "client_credentials":
        return _error("40001")
    peer = request.app[KIVRA]
    token = peer.new_token(asyncio.get_running_loop().time())
    scope = f"kivra.v2.tenant.{TENANT}.*"
    return as_json({"state": "", "access_token": token, "expires_in": peer.settings.token_seconds, "scope": scope, "token_type": "bearer"})


async def _match(request: web.Request) -> web.Response:
    payload = await whole(request, PAYLOAD_BYTES_MAX)
    if (refusal := _stops(request, payload)) is not None:
        return refusal
    assert payload is not None
    try:
        given = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return _error("40008")
    asked = given.get("list") if isinstance(given, dict) else None
    if not isinstance(asked, list):
        return _error("40059")
    if not all(isinstance(each, str) and SSN.fullmatch(each) for each in asked):
        return _error("40009")
    if not await request.app[SANDBOX].caught_up():  # what it has not read yet is not "no mailbox"
        return web.Response(status=503)
    return as_json({"list": [each for each in asked if _accepts(request, each)]})


async def _send(request: web.Request) -> web.Response:
    payload = await whole(request, PAYLOAD_BYTES_MAX)
    if (refusal := _stops(request, payload)) is not None:
        return refusal
    assert payload is not None
    content = read_content(payload)
    if isinstance(content, Refusal):
        return _error(content.code)
    accepts = _accepts(request, content.ssn)
    if not accepts:
        return _error("40032" if accepts is None else "40105")
    peer = request.app[KIVRA]
    if peer.too_many(content.ssn, asyncio.get_running_loop().time()):
        return _error("42900")
    key, again = peer.key_of(content.digest)
    _arrived(request, content, key, again)
    answer = as_json({"subject": content.subject, "generated_at": content.generated_at, "type": content.type}, 201)
    answer.headers["kivra-objkey"] = key
    answer.headers["location"] = f"{request.path}/{key}"
    return answer


async def _refuse(request: web.Request) -> web.Response:
    """The recipient has opted out since the question."""
    refusal = _stops(request, await whole(request, PAYLOAD_BYTES_MAX))
    return refusal if refusal is not None else _error("40105")


def _stops(request: web.Request, payload: bytes | None) -> web.Response | None:
    """What stops a request whatever it says."""
    if not request.app[KIVRA].knows(request.headers.get("Authorization", ""), asyncio.get_running_loop().time()):
        return _error("40100")
    if request.match_info["tenant"] != TENANT:
        return _error("40400")
    if payload is None:
        return _error("41300")
    if not request.app[SANDBOX].ready():  # whom it has not read of yet is not "no such user"
        return _error("50301")
    return None


def _accepts(request: web.Request, ssn: str) -> bool | None:
    """Whether a person's mailbox takes mail from the hub; None for somebody without one."""
    box = request.app[SANDBOX].world.mailboxes.get(ssn, {}).get("kivra")
    return None if box is None else bool(box["accepts"])


def _arrived(request: web.Request, content: Content, key: str, again: bool) -> None:
    """A mailbox knows our reference, no document; a repeat that was recognised is no delivery of its own."""
    sandbox = request.app[SANDBOX]
    name, about = ("delivery_id", content.reference) if content.reference else ("objkey", key)
    sandbox.world.arrivals.note(
        "kivra", content.ssn, name, about, sha256(content.data).hexdigest(), len(content.data), sandbox.clock.now(),
        repeated=again, content_type=PDF, attachments=content.others,
    )  # fmt: skip


def _error(code: str) -> web.Response:
    short, long = MESSAGES[code]
    answer = as_json({"code": code, "short_message": short, "long_message": long}, int(code[:3]))
    answer.headers["x-error-code"] = code
    answer.headers["x-correlation-id"] = secrets.token_hex(8)
    if code == "42900":
        answer.headers["Retry-After"] = str(int(WINDOW_S))
    return answer


def _bound(kept: OrderedDict[str, float] | OrderedDict[bytes, str] | OrderedDict[str, deque[float]]) -> None:
    if len(kept) > KEPT_MAX:
        kept.popitem(last=False)
