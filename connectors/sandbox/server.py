"""The sandbox as one aiohttp application."""

from collections.abc import Mapping

from aiohttp import web

from connectors.sandbox import controls, kivra, mm, sms, spar, takecare
from connectors.sandbox.answers import BODY_BYTES_MAX, add_security_headers, faults_as_problems, from_here_only
from connectors.sandbox.oidc import endpoints as oidc
from connectors.sandbox.oidc.codes import Codes
from connectors.sandbox.oidc.tokens import Signer
from connectors.sandbox.pages import endpoints as pages
from connectors.sandbox.secured import SYSTEM_OF_PORT, own_system_only
from connectors.sandbox.signers import Trust
from connectors.sandbox.state import SANDBOX, Sandbox


def application(
    sandbox: Sandbox, signer: Signer, system_of_port: Mapping[int, str] | None = None, *, trust: Trust | None = None
) -> web.Application:
    """All endpoints over one sandbox; on the ports of `system_of_port` that system's alone.

    `trust` is what its mailbox operators check letters by; without it there are none.
    """
    app = web.Application(middlewares=[faults_as_problems, own_system_only, from_here_only], client_max_size=BODY_BYTES_MAX)
    app[SANDBOX] = sandbox
    app[SYSTEM_OF_PORT] = system_of_port or {}
    app[pages.SIGNER] = signer
    app[oidc.CODES] = Codes()
    app[takecare.EHR] = takecare.Ehr()
    app[pages.SESSIONS] = pages.Sessions()
    app[kivra.KIVRA] = kivra.Kivra()
    app[sms.SMS] = sms.Sms()
    app.cleanup_ctx.append(sms.connected)
    app.on_response_prepare.append(add_security_headers)
    if trust is not None:
        app[mm.TRUST] = trust
        app.router.add_routes(mm.routes())
    systems = (spar.routes(), kivra.routes(), sms.routes(), takecare.routes())
    for routes in (controls.routes(), *systems, oidc.routes(), pages.routes()):
        app.router.add_routes(routes)
    return app
