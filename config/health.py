"""/healthz, /readyz and /metrics of a part that has no HTTP server of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from aiohttp import web

from config.telemetry import OPENMETRICS, PrometheusMeter

LOOPBACK: Final = "127.0.0.1"
_PLAIN: Final = "text/plain; charset=utf-8"


def add_health(app: web.Application, meter: PrometheusMeter, part: str, ready: Callable[[], bool]) -> None:
    """The three routes on an application: alive (it answers), ready (it can take work), and its metrics."""

    async def healthz(_request: web.Request) -> web.Response:
        return web.Response(text="alive\n")

    async def readyz(_request: web.Request) -> web.Response:
        return web.Response(text="ready\n") if ready() else web.Response(status=503, text="not ready\n")

    async def metrics(_request: web.Request) -> web.Response:
        meter.gauge("part_up", float(ready()), part=part)
        return web.Response(body=meter.exposition(), headers={"Content-Type": OPENMETRICS})

    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)


async def serve_health(port: int, meter: PrometheusMeter, part: str, ready: Callable[[], bool], host: str = LOOPBACK) -> web.AppRunner:
    """Serve the three routes; the caller ends it with `await runner.cleanup()`.

    A part that the supervisor starts again finds its port free at once or a moment later, so a taken port is tried
    for two seconds before it is an error.
    """
    app = web.Application()
    add_health(app, meter, part, ready)
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    for left in range(20, -1, -1):
        try:
            await web.TCPSite(runner, host, port, reuse_address=True).start()
            break
        except OSError:
            if left == 0:
                await runner.cleanup()
                raise
            await asyncio.sleep(0.1)
    return runner
