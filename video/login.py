"""Staff, and guests with an e-ID, log in by OpenID Connect: authorisation code with PKCE (OIDC Core 3.1, RFC 7636), state and nonce.

What a login needs until it comes back (verifier, nonce, where to go on) lies sealed in a cookie of ten minutes, good once. The
issuer's endpoints are read from its discovery document.
"""

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import aiohttp

from video.signalling.bearers import Bearers, NotProved
from video.signalling.tokens import BadToken, JoinTokens, Pass

TIMEOUT_S: Final = 5.0
NEXT_CHARS_MAX: Final = 300
NOBODY: Final = "login"


@dataclass(frozen=True, slots=True)
class Came:
    """Somebody the issuer knows, and where they were going."""

    claims: Mapping[str, Any]
    next: str
    as_guest: bool


class LoginFailed(Exception):
    """`reason`: `away` (the issuer does not answer) or `refused`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Login:
    def __init__(self, issuer: str, client: str, secret: str, callback: str, tokens: JoinTokens, bearers: Bearers) -> None:
        self._issuer, self._client, self._secret, self._callback = issuer.rstrip("/"), client, secret, callback
        self._tokens, self._bearers = tokens, bearers
        self._found: dict[str, str] = {}

    async def begin(self, next_: str, *, as_guest: bool) -> tuple[str, str]:
        """Where to send the browser, and the cookie to give it. Raises `LoginFailed`."""
        verifier, nonce, state = (secrets.token_urlsafe(32) for _ in range(3))
        kept = {"verifier": verifier, "nonce": nonce, "state": state, "next": local(next_), "as_guest": as_guest}
        cookie = self._tokens.give(Pass(NOBODY, "staff", NOBODY, kept=kept), "login")
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = urlencode(
            {"response_type": "code", "client_id": self._client, "redirect_uri": self._callback, "scope": "openid profile",
             "state": state, "nonce": nonce, "code_challenge": challenge, "code_challenge_method": "S256"}
        )  # fmt: skip
        return f"{(await self._endpoints())['authorization_endpoint']}?{query}", cookie

    async def end(self, query: Mapping[str, str], cookie: str) -> Came:
        """What the issuer's answer proves. Raises `LoginFailed`."""
        try:
            kept = self._tokens.take(cookie, "login").kept
        except BadToken:
            raise LoginFailed("refused") from None
        if "code" not in query or not secrets.compare_digest(query.get("state", ""), kept["state"]):
            raise LoginFailed("refused")
        form = {
            "grant_type": "authorization_code", "code": query["code"], "redirect_uri": self._callback, "client_id": self._client,
            "code_verifier": kept["verifier"], **({"client_secret": self._secret} if self._secret else {}),
        }  # fmt: skip
        answer = await self._ask("POST", (await self._endpoints())["token_endpoint"], form)
        try:
            claims = await self._bearers.prove(str(answer.get("id_token", "")), audience=self._client)
        except (OSError, TimeoutError):
            raise LoginFailed("away") from None
        except NotProved:
            raise LoginFailed("refused") from None
        if claims.get("nonce") != kept["nonce"]:
            raise LoginFailed("refused")
        return Came(claims, kept["next"], kept["as_guest"])

    async def _endpoints(self) -> Mapping[str, str]:
        if not self._issuer:
            raise LoginFailed("away")
        if not self._found:
            self._found = await self._ask("GET", f"{self._issuer}/.well-known/openid-configuration", None)
        return self._found

    async def _ask(self, method: str, url: str, form: Mapping[str, str] | None) -> dict[str, Any]:
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as session,
                session.request(method, url, data=form) as answer,
            ):
                if answer.status >= 500:
                    raise LoginFailed("away")
                if answer.status != 200:
                    raise LoginFailed("refused")
                found: dict[str, Any] = await answer.json(content_type=None)
                return found
        except (aiohttp.ClientError, TimeoutError, ValueError):
            raise LoginFailed("away") from None


def local(address: str) -> str:
    """Where to go on: a path of ours and nothing else (no open redirect)."""
    parts = urlsplit(address)
    right = address.startswith("/") and not address.startswith(("//", "/\\")) and not parts.netloc and len(address) <= NEXT_CHARS_MAX
    return address if right and address.isprintable() else "/"
