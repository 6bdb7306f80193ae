"""Authorisation codes and what a login request must look like (RFC 6749 section 4.1, RFC 7636). Pure but for the codes.

A fault in client or address is shown to the user and sent nowhere; every other one goes back to the client's address.
"""

import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final
from urllib.parse import urlencode, urlsplit

from connectors.sandbox.oidc.accounts import CLIENTS

CODE_LIFETIME_S: Final = 60.0
CODES_MAX: Final = 1_000
LOCAL_HOSTS: Final = frozenset({"127.0.0.1", "localhost", "::1"})
PARAMETERS: Final = (
    "response_type", "client_id", "redirect_uri", "scope", "state", "nonce", "code_challenge", "code_challenge_method",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class LoginRequest:
    """A request to log in that was found good."""

    client: str
    redirect_uri: str
    state: str
    nonce: str | None
    challenge: str

    def answer(self, **parameters: str) -> str:
        """The address to send the browser to."""
        given = {**parameters, **({"state": self.state} if self.state else {})}
        joint = "&" if urlsplit(self.redirect_uri).query else "?"
        return f"{self.redirect_uri}{joint}{urlencode(given)}"


class ShownFault(ValueError):
    """A request that may not be answered by a redirect. Its text is for the user, in Swedish."""


class ReturnedFault(ValueError):
    """A request whose fault the client is told by redirect."""

    def __init__(self, request: LoginRequest, error: str) -> None:
        super().__init__(error)
        self.location = request.answer(error=error)


def login_request(given: Mapping[str, str]) -> LoginRequest:
    """Check an authorisation request. Only addresses of this machine are answered, and only with PKCE by S256."""
    if given.get("client_id") not in CLIENTS:
        raise ShownFault("Tjänsten som skickade dig hit är inte känd.")
    address = urlsplit(given.get("redirect_uri", ""))
    if address.scheme != "http" or address.hostname not in LOCAL_HOSTS or address.fragment:
        raise ShownFault("Adressen att återvända till är inte tillåten.")
    request = LoginRequest(
        given["client_id"],
        given["redirect_uri"],
        given.get("state", ""),
        given.get("nonce"),
        given.get("code_challenge", ""),
    )
    if given.get("response_type") != "code":
        raise ReturnedFault(request, "unsupported_response_type")
    if "openid" not in given.get("scope", "").split():
        raise ReturnedFault(request, "invalid_scope")
    if not request.challenge or given.get("code_challenge_method") != "S256":
        raise ReturnedFault(request, "invalid_request")
    return request


class Codes:
    """Codes given out: each good once, for a minute. Time comes in as `now`, in monotonic seconds."""

    def __init__(self) -> None:
        self._given: dict[str, tuple[float, LoginRequest, str]] = {}

    def give(self, request: LoginRequest, login: str, now: float) -> str:
        self._given = {code: row for code, row in self._given.items() if row[0] > now}
        if len(self._given) >= CODES_MAX:
            self._given.clear()
        code = secrets.token_urlsafe(32)
        self._given[code] = (now + CODE_LIFETIME_S, request, login)
        return code

    def redeem(self, code: str, client: str, redirect_uri: str, verifier: str, now: float) -> tuple[LoginRequest, str] | None:
        """The request and the login of a code, once, if client, address and verifier are those it was given for."""
        until, request, login = self._given.pop(code, (0.0, None, ""))
        if request is None or until <= now or client != request.client or redirect_uri != request.redirect_uri:
            return None
        return (request, login) if challenge_of(verifier) == request.challenge else None


def challenge_of(verifier: str) -> str:
    """The S256 challenge of a verifier (RFC 7636 section 4.2)."""
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
