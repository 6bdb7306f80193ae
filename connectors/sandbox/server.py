"""The sandbox as one aiohttp application."""

from aiohttp import web

from connectors.sandbox import controls, spar, takecare
from connectors.sandbox.answers import BODY_BYTES_MAX, add_security_headers, faults_as_problems, from_here_only
from connectors.sandbox.oidc import endpoints as oidc
from connectors.sandbox.oidc.codes import Codes
from connectors.sandbox.oidc.tokens import Signer
from connectors.sandbox.pages import endpoints as pages
from connectors.sandbox.state import SANDBOX, Sandbox


def application(sandbox: Sandbox, signer: Signer) -> web.Application:
    """All endpoints over one sandbox."""
    app = web.Application(middlewares=[faults_as_problems, from_here_only], client_max_size=BODY_BYTES_MAX)
    app[SANDBOX] = sandbox
    app[pages.SIGNER] = signer
    app[oidc.CODES] = Codes()
    app[takecare.EHR] = takecare.Ehr()
    app[pages.SESSIONS] = pages.Sessions()
    app.on_response_prepare.append(add_security_headers)
    for routes in (controls.routes(), spar.routes(), takecare.routes(), oidc.routes(), pages.routes()):
        app.router.add_routes(routes)
    return app
