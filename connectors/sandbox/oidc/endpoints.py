"""The issuer's endpoints: discovery, keys, tokens, the login page, user info."""

import asyncio
from base64 import b64decode
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote_plus

import jwt
from aiohttp import web

from connectors.sandbox.answers import as_json
from connectors.sandbox.oidc.accounts import LOGIN_CLIENT, USERS, User, client_is_right, user_is_right
from connectors.sandbox.oidc.codes import PARAMETERS, Codes, LoginRequest, ReturnedFault, ShownFault, login_request
from connectors.sandbox.oidc.tokens import LIFETIME, SCOPE, Signer
from connectors.sandbox.pages.endpoints import SIGNER
from connectors.sandbox.pages.login import fault_page, login_page
from connectors.sandbox.state import SANDBOX

CODES: Final = web.AppKey("codes", Codes)


class Refused(Exception):
    """A token request that is refused (RFC 6749 section 5.2)."""

    def __init__(self, error: str, status: int = 400) -> None:
        super().__init__(error)
        self.error, self.status = error, status


async def discovery(request: web.Request) -> web.Response:
    """OpenID Connect Discovery 1.0 section 3."""
    issuer = request.app[SIGNER].issuer
    return as_json(
        {
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/token",
            "userinfo_endpoint": f"{issuer}/userinfo",
            "jwks_uri": f"{issuer}/jwks",
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "client_credentials", "password"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
            "code_challenge_methods_supported": ["S256"],
            "scopes_supported": ["openid", "profile", SCOPE],
            "claims_supported": ["sub", "name", "hsa_id", "role", "units", "permissions"],
        }
    )


async def jwks(request: web.Request) -> web.Response:
    return as_json(request.app[SIGNER].jwks)


async def token(request: web.Request) -> web.Response:
    """All three grants. A grant by password or code may come without a client secret: the portal is a browser too."""
    form = {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
    try:
        answer = _granted(request, form)
    except Refused as refused:
        challenge = {"WWW-Authenticate": "Basic"} if refused.status == 401 else {}
        answer_error = as_json({"error": refused.error}, refused.status)
        answer_error.headers.update(challenge)
        return answer_error
    return as_json({**answer, "token_type": "Bearer", "expires_in": int(LIFETIME.total_seconds()), "scope": SCOPE})


def _granted(request: web.Request, form: Mapping[str, str]) -> dict[str, Any]:
    signer, now = request.app[SIGNER], request.app[SANDBOX].wall()
    client, proved = _client(request, form)
    grant = form.get("grant_type")
    if grant == "client_credentials":
        if not proved:
            raise Refused("invalid_client", 401)
        return {"access_token": signer.access_token(client, now, reader=form.get("reader"))}
    if grant == "password":
        user = user_is_right(form.get("username", ""), form.get("password", ""))
        if user is None:
            raise Refused("invalid_grant")
        return _both(signer, client, user, now, None)
    if grant == "authorization_code":
        redeemed = request.app[CODES].redeem(
            form.get("code", ""), client, form.get("redirect_uri", ""), form.get("code_verifier", ""), _seconds()
        )
        if redeemed is None:
            raise Refused("invalid_grant")
        asked, login = redeemed
        return _both(signer, client, USERS[login], now, asked.nonce)
    raise Refused("unsupported_grant_type")


def _both(signer: Signer, client: str, user: User, now: Any, nonce: str | None) -> dict[str, Any]:
    return {
        "access_token": signer.access_token(client, now, user),
        "id_token": signer.id_token(client, now, user, nonce),
    }


def _client(request: web.Request, form: Mapping[str, str]) -> tuple[str, bool]:
    """The client and whether it proved itself, by header or form (RFC 6749 section 2.3.1). A wrong secret is refused."""
    header = request.headers.get("Authorization")
    if header is not None:
        client, secret = _basic(header)
    else:
        client, secret = form.get("client_id", LOGIN_CLIENT), form.get("client_secret", "")
        if not secret:
            return client, False
    if not client_is_right(client, secret):
        raise Refused("invalid_client", 401)
    return client, True


def _basic(header: str) -> tuple[str, str]:
    """Client and secret of a Basic header (RFC 7617), each form-encoded as RFC 6749 section 2.3.1 wants it."""
    scheme, _, encoded = header.partition(" ")
    try:
        login, colon, secret = b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        raise Refused("invalid_client", 401) from None
    if scheme.lower() != "basic" or not colon:
        raise Refused("invalid_client", 401)
    return unquote_plus(login), unquote_plus(secret)


async def authorize(request: web.Request) -> web.Response:
    """The login page (GET) and its form (POST)."""
    given = await request.post() if request.method == "POST" else request.query
    fields = {name: str(given[name]) for name in PARAMETERS if name in given}
    try:
        asked = login_request(fields)
    except ShownFault as fault:
        return _page(fault_page(str(fault)), 400)
    except ReturnedFault as fault:
        return _redirect(fault.location)
    if request.method == "GET":
        return _page(login_page(fields, failed=False, login=""))
    return _logged_in(request, asked, fields, str(given.get("username", "")), str(given.get("password", "")))


def _logged_in(
    request: web.Request, asked: LoginRequest, fields: Mapping[str, str], login: str, password: str
) -> web.Response:
    user = user_is_right(login.strip().lower(), password)
    if user is None:
        return _page(login_page(fields, failed=True, login=login), 401)
    return _redirect(asked.answer(code=request.app[CODES].give(asked, user.login, _seconds())))


async def userinfo(request: web.Request) -> web.Response:
    """The claims of the bearer (OIDC Core 5.3)."""
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    try:
        claims = request.app[SIGNER].read(bearer if scheme.lower() == "bearer" else "")
    except jwt.InvalidTokenError:
        answer = as_json({"error": "invalid_token"}, 401)
        answer.headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'
        return answer
    user = USERS.get(claims["sub"])
    return as_json({"sub": claims["sub"], **(user.claims() if user is not None else {})})


def routes() -> list[web.RouteDef]:
    """The table of these endpoints."""
    return [
        web.get("/oidc/.well-known/openid-configuration", discovery),
        web.get("/oidc/jwks", jwks),
        web.post("/oidc/token", token),
        web.get("/oidc/authorize", authorize),
        web.post("/oidc/authorize", authorize),
        web.get("/oidc/userinfo", userinfo),
    ]


def _page(text: str, status: int = 200) -> web.Response:
    return web.Response(text=text, status=status, content_type="text/html", charset="utf-8")


def _redirect(location: str) -> web.Response:
    return web.Response(status=303, headers={"Location": location})


def _seconds() -> float:
    return asyncio.get_running_loop().time()
