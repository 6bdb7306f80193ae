"""Bearer tokens: JWT (RFC 7519) signed by RS256 with a key of the issuer's JWKS (RFC 7517).

The keys are fetched when first needed, kept, and fetched again when a token names a key that is not among them
(a rotated key), but not more often than every few seconds: a flood of invented key ids must not become one of
requests. The gateway starts and stays ready without the issuer; only tokens it cannot check are answered 503.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import jwt
from jwt.algorithms import RSAAlgorithm

from connectors.gateway.refusals import Refused, not_authenticated, unavailable
from connectors.gateway.rights import Client

ALGORITHMS: Final = ["RS256"]
"""Never the token's own word: `none` and HMAC by the public key are the classic attacks (RFC 8725 section 3.1)."""
CLOCK_SKEW_S: Final = 30
REFRESH_S_MIN: Final = 2.0
KEYS_AGE_S_MAX: Final = 600.0
"""So long a key serves that the issuer may have taken back; while the issuer is away, longer."""
RENEW_S_MIN: Final = 30.0
"""Between two attempts to renew keys that still serve."""
TOKEN_CHARS_MAX: Final = 8_192
KEYS_MAX: Final = 50
CACHE_TOKENS_MAX: Final = 1_000
RSA_BITS_MIN: Final = 2_048

PERSON: Final = "(a person)"
"""The client of every token that somebody logged in for: it has no rights here, whatever it was logged in by."""

Fetch = Callable[[], Awaitable[Mapping[str, Any]]]
"""Gets the JWKS document; raises `OSError` or `TimeoutError` when the issuer cannot be reached."""


class Tokens:
    """Proves who a bearer token is of."""

    def __init__(self, fetch: Fetch, issuer: str, audience: str, retry_after_s: int = 2) -> None:
        self._fetch = fetch
        self._issuer = issuer
        self._audience = audience
        self._retry_after_s = retry_after_s
        self._keys: dict[str, Any] = {}
        self._fetched_at = self._tried_at = float("-inf")
        self._lock = asyncio.Lock()
        self._proved: dict[str, tuple[float, Client]] = {}

    async def client(self, token: str) -> Client:
        """The client a token proves. Raises `Refused`: 401, or 503 while the issuer's keys cannot be had."""
        if not self._issuer:
            raise not_authenticated("No issuer of tokens is set here")
        await self._renew()
        known = self._proved.get(token)
        if known is not None and known[0] > time.time():
            return known[1]
        if len(token) > TOKEN_CHARS_MAX:
            raise not_authenticated("The token is too long")
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError:
            raise not_authenticated("The token is no JWT") from None
        if header.get("alg") not in ALGORITHMS:
            raise not_authenticated("The token is not signed by RS256")
        claims = self._verified(token, await self._key(str(header.get("kid", ""))))
        client = Client(_client_name(claims), _reader(claims))
        if len(self._proved) >= CACHE_TOKENS_MAX:
            self._proved.clear()
        self._proved[token] = (float(claims["exp"]), client)
        return client

    def _verified(self, token: str, key: Any) -> dict[str, Any]:
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                issuer=self._issuer,
                audience=self._audience or None,
                leeway=CLOCK_SKEW_S,
                options={"require": ["exp", "iss"], "verify_aud": bool(self._audience)},
            )
        except jwt.ExpiredSignatureError:
            raise not_authenticated("The token has expired") from None
        except (jwt.InvalidIssuerError, jwt.InvalidAudienceError, jwt.MissingRequiredClaimError):
            raise not_authenticated("The token is not meant for this service") from None
        except jwt.InvalidTokenError:
            raise not_authenticated("The token does not verify") from None
        return claims

    async def _key(self, kid: str) -> Any:
        if kid not in self._keys:
            async with self._lock:
                if kid not in self._keys and time.monotonic() - self._fetched_at >= REFRESH_S_MIN:
                    await self._refresh()
        try:
            return self._keys[kid]
        except KeyError:
            raise not_authenticated("The token's key is not among the issuer's") from None

    async def _renew(self) -> None:
        """Ask for the keys again when they are old, so that one that was taken back is forgotten, with the tokens it proved."""
        now = time.monotonic()
        if self._keys and now - self._fetched_at >= KEYS_AGE_S_MAX and now - self._tried_at >= RENEW_S_MIN:
            self._tried_at = now
            with contextlib.suppress(Refused):
                async with self._lock:
                    await self._refresh()

    async def _refresh(self) -> None:
        try:
            document = await self._fetch()
        except (OSError, TimeoutError):
            raise unavailable("The token issuer cannot be reached", self._retry_after_s) from None
        self._keys = keys_of(document)
        self._proved.clear()
        self._fetched_at = time.monotonic()


def keys_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """The RSA signing keys of a JWKS by their id; keys for other uses, and weak ones, are left out."""
    found: dict[str, Any] = {}
    rows = document.get("keys") if isinstance(document, Mapping) else None
    for row in (rows if isinstance(rows, list) else [])[:KEYS_MAX]:
        if not isinstance(row, dict) or row.get("kty") != "RSA" or row.get("use", "sig") != "sig":
            continue
        try:
            key: Any = RSAAlgorithm.from_jwk(row)
        except (jwt.InvalidKeyError, ValueError):
            continue
        if key.key_size >= RSA_BITS_MIN:
            found[str(row.get("kid", ""))] = key
    return found


def _client_name(claims: Mapping[str, Any]) -> str:
    """The client: the first of these claims that is there decides, so a user's `sub` cannot name a client."""
    for name in ("client_id", "azp", "sub"):
        value = claims.get(name)
        if value is not None:
            if isinstance(value, str) and value:
                return value if _is_machines(value, claims) else PERSON
            break
    raise not_authenticated("The token names no client")


def _is_machines(client: str, claims: Mapping[str, Any]) -> bool:
    """Whether a token is the client's own, not of a person who logged in by it (RFC 9068 section 5: they must not be confused).

    The client's own has the client as its subject (section 2.2), or what Keycloak, Entra and Auth0 write in place of that.
    """
    return (
        claims.get("sub") in (None, client, f"{client}@clients")
        or claims.get("preferred_username") == f"service-account-{client}"
        or claims.get("idtyp") == "app"
        or claims.get("gty") == "client-credentials"
    )


def _reader(claims: Mapping[str, Any]) -> str | None:
    value = claims.get("reader")
    return value if isinstance(value, str) else None
