"""Who a request comes from: a bearer token, or a client certificate that TLS has verified (mutual TLS).

A certificate's common name is mapped to a client by the settings (`[auth.certificates]`); one that nothing maps
proves nothing. A request with a token is judged by the token.
"""

from collections.abc import Mapping
from typing import Any, Final, Protocol

from aiohttp import web

from connectors.gateway.refusals import not_authenticated
from connectors.gateway.rights import Client

SCHEME: Final = "bearer "


class Prover(Protocol):
    """What `Tokens` does."""

    async def client(self, token: str) -> Client: ...


class Authenticator:
    """Asks the token, then the certificate."""

    def __init__(self, tokens: Prover, client_of_name: Mapping[str, str]) -> None:
        self._tokens = tokens
        self._client_of_name = dict(client_of_name)

    async def client(self, request: web.Request) -> Client:
        """The client of a request. Raises `Refused` (401, or 503 while tokens cannot be checked)."""
        given = request.headers.getall("Authorization", [])
        if given:
            if len(given) > 1 or not given[0].lower().startswith(SCHEME):
                raise not_authenticated("The Authorization header should hold one bearer token")
            return await self._tokens.client(given[0][len(SCHEME) :].strip())
        transport = request.transport
        certificate = transport.get_extra_info("peercert") if transport is not None else None
        for name in common_names(certificate or {}):
            if name in self._client_of_name:
                return Client(self._client_of_name[name])
        raise not_authenticated("A bearer token or a known client certificate is needed")


def common_names(certificate: Mapping[str, Any]) -> list[str]:
    """The common names of a verified peer certificate, in the form that `ssl` gives it."""
    return [value for part in certificate.get("subject", ()) for name, value in part if name == "commonName"]
