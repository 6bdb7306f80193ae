"""Who calls the API: a bearer token of the issuer (RS256 by its JWKS). A machine client (the citizen app) or a member of staff.

Keys are fetched when first needed and again for a key id that is not known, but not more often than every few seconds.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import jwt

CLOCK_SKEW_S: Final = 30
REFRESH_S_MIN: Final = 2.0
KEYS_AGE_S_MAX: Final = 600.0
TOKEN_CHARS_MAX: Final = 8_192
RSA_BITS_MIN: Final = 2_048
ALGORITHMS: Final = ["RS256"]
"""Never the token's own word (RFC 8725 section 3.1)."""

Fetch = Callable[[], Awaitable[Mapping[str, Any]]]
"""The JWKS document; raises `OSError` or `TimeoutError` when the issuer is away."""


class NotProved(Exception):
    """The token proves nothing here."""


class NotStaff(NotProved):
    """The token proves somebody who has no business here: neither staff nor a machine."""


@dataclass(frozen=True, slots=True)
class Staff:
    """A member of staff who logged in."""

    hsa_id: str
    name: str
    units: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Machine:
    """A client of its own. `reader`: the opaque key of the resident that it acts for, where its token says so."""

    client: str
    reader: str | None = None


class Bearers:
    def __init__(self, fetch: Fetch, issuer: str, audience: str) -> None:
        self._fetch, self._issuer, self._audience = fetch, issuer, audience
        self._keys: dict[str, Any] = {}
        self._fetched_at = float("-inf")

    async def prove(self, token: str, *, audience: str | None = None) -> dict[str, Any]:
        """The claims of a token that verifies. Raises `NotProved`, or `OSError`/`TimeoutError` while the issuer is away."""
        if not self._issuer or len(token) > TOKEN_CHARS_MAX:
            raise NotProved
        try:
            kid = str(jwt.get_unverified_header(token).get("kid", ""))
            claims: dict[str, Any] = jwt.decode(
                token, await self._key(kid), algorithms=ALGORITHMS, issuer=self._issuer, audience=audience or self._audience,
                leeway=CLOCK_SKEW_S, options={"require": ["exp", "iss", "aud"]},
            )  # fmt: skip
        except jwt.InvalidTokenError:
            raise NotProved from None
        return claims

    async def caller(self, token: str) -> Staff | Machine:
        claims = await self.prove(token)
        client = claims.get("client_id", claims.get("azp"))
        if claims.get("role") == "staff":
            return staff_of(claims)
        if isinstance(client, str) and claims.get("sub") in (None, client, f"{client}@clients"):
            reader = claims.get("reader")
            return Machine(client, reader if isinstance(reader, str) else None)
        raise NotStaff

    async def _key(self, kid: str) -> Any:
        age = time.monotonic() - self._fetched_at
        if (kid not in self._keys and age >= REFRESH_S_MIN) or age >= KEYS_AGE_S_MAX:
            document = await self._fetch()
            self._fetched_at = time.monotonic()
            self._keys = {}
            for row in document.get("keys", []):
                if isinstance(row, dict) and row.get("kty") == "RSA" and row.get("use", "sig") == "sig":
                    key: Any = jwt.PyJWK(row, "RS256").key
                    if key.key_size >= RSA_BITS_MIN:
                        self._keys[str(row.get("kid", ""))] = key
        try:
            return self._keys[kid]
        except KeyError:
            raise NotProved from None


def staff_of(claims: Mapping[str, Any]) -> Staff:
    """Raises `NotProved` for somebody without the role, an id or units."""
    hsa_id, units = claims.get("employeeHsaId", claims.get("hsa_id")), claims.get("units")
    if claims.get("role") != "staff" or not isinstance(hsa_id, str) or not hsa_id or not isinstance(units, list):
        raise NotProved
    return Staff(hsa_id, str(claims.get("name", "")), tuple(unit for unit in units if isinstance(unit, str)))
