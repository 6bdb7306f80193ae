"""The gateway's HTTP side: routes, every answer of ours a problem document, limits on connections and their time."""

import asyncio
import ssl
import time
from typing import Final

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from connectors.gateway.attachments import AttachmentDoor
from connectors.gateway.callbacks import SmsCallbackDoor
from connectors.gateway.events import EventsDoor
from connectors.gateway.options import Limits
from connectors.gateway.refusals import Refused, malformed
from connectors.gateway.soap import SoapDoor
from schemas.errors import PROBLEM_JSON, Malformed, Problem
from schemas.telemetry import Meter

PROBLEM_OF_STATUS: Final = {404: "not-found", 405: "method-not-allowed", 413: "too-large", 417: "malformed"}
"""What aiohttp's own answers are in the catalogue; any other 4xx is `malformed`."""
HEADER_BYTES_MAX: Final = 16_384
LISTEN_BACKLOG: Final = 256
SHUTDOWN_S: Final = 15.0

_log = structlog.get_logger()


def application(
    events: EventsDoor,
    soap: dict[str, SoapDoor],
    attachments: AttachmentDoor,
    sms_callbacks: SmsCallbackDoor,
    meter: Meter,
) -> web.Application:
    """The routes. Health and metrics are added by whoever composes the part."""
    app = web.Application(middlewares=[_counting(meter), _problems])
    app.router.add_post("/v1/events", events.post)
    app.router.add_get("/v1/attachments/{sha256}", attachments.get)
    app.router.add_post("/callbacks/sms/linkmobility", sms_callbacks.post_of_link)
    app.router.add_post("/callbacks/sms/{token}", sms_callbacks.post)
    for path, door in soap.items():
        app.router.add_post(path, door.post)
        app.router.add_get(path, door.get)
    return app


@web.middleware
async def _problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whatever goes wrong is told as RFC 9457; a fault of ours tells nothing of itself to the outside."""
    try:
        return await handler(request)
    except Refused as refusal:
        response = answer(refusal.problem)
        response.headers.update(refusal.headers)
    except Malformed as fault:
        response = answer(malformed(fault).problem)
    except web.HTTPException as told:
        if told.status < 400:
            raise
        response = answer(Problem.of(PROBLEM_OF_STATUS.get(told.status, "malformed" if told.status < 500 else "internal")))
        if "Allow" in told.headers:
            response.headers["Allow"] = told.headers["Allow"]
    except Exception:
        _log.exception("gateway_fault")
        response = answer(Problem.of("internal"))
    return response


def answer(problem: Problem) -> web.Response:
    """A problem document."""
    return web.Response(status=problem.status, body=problem.to_json(), headers={"Content-Type": PROBLEM_JSON})


def _counting(meter: Meter) -> Middleware:
    @web.middleware
    async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        endpoint = resource.canonical if resource is not None else "unknown"
        begun = time.monotonic()
        response = await handler(request)
        meter.count("intake_requests", endpoint=endpoint, status=str(response.status))
        meter.observe("intake_seconds", time.monotonic() - begun, endpoint=endpoint)
        return response

    return count


class _Refusing(asyncio.Protocol):
    """A connection too many: closed at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


class Server:
    """Listens, with at most so many connections, each of which must say something in time (slow loris)."""

    def __init__(self, app: web.Application, limits: Limits) -> None:
        self._limits = limits
        self._runner = web.AppRunner(
            app,
            access_log=None,
            handle_signals=False,
            keepalive_timeout=limits.idle_timeout_s,
            auto_decompress=False,
            max_field_size=HEADER_BYTES_MAX,
            shutdown_timeout=SHUTDOWN_S,
        )
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        await self._runner.setup()
        http = self._runner.server
        assert http is not None

        def connection() -> asyncio.Protocol:
            return http() if len(http.connections) < self._limits.connections_max else _Refusing()

        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(connection, host, port, ssl=tls, backlog=LISTEN_BACKLOG, reuse_address=True)

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Take no more, let what is under way be answered, then close."""
        if self._server is not None:
            self._server.close()
        await self._runner.cleanup()
