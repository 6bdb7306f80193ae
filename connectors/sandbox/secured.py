"""The stand-ins as the hub meets them: TLS that demands its client certificate, one port for each outside system.

A port serves what the plain one serves below its own system's path, and nothing else: a client whose settings name another
system's port is told so at once. The plain port stays for operators, pages and tests.
"""

import ssl
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from connectors.sandbox.answers import Handler

SYSTEM_OF_PORT: Final = web.AppKey("system_of_port", Mapping[int, str])


@web.middleware
async def own_system_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """On a system's own port only that system answers."""
    place = request.transport.get_extra_info("sockname") if request.transport is not None else None
    system = request.app[SYSTEM_OF_PORT].get(place[1]) if place else None
    if system is not None and not f"{request.path}/".startswith(f"/{system}/"):
        raise web.HTTPNotFound
    return await handler(request)


async def listen(runner: web.AppRunner, host: str, ports: Mapping[int, str], tls: ssl.SSLContext) -> None:
    """The ports, each on behalf of its system; `ports` are also told to the application by `SYSTEM_OF_PORT`."""
    for port in ports:
        await web.TCPSite(runner, host, port, ssl_context=tls, reuse_address=True).start()
