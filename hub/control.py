"""The supervisor's own HTTP server on loopback: `GET /status` for `hub status` and whoever waits for the hub.

    {"ready": bool, "idle": bool, "parts": [{"name", "pid", "state", "restarts", "ports"}],
     "lag": {"records", "topics"} | null, "ledger": {…} | null, "clock": {"now", "speed"}, "dir"}

`lag` and `ledger` are null while Kafka or the ledger does not answer; `idle` is false then. Beside it /healthz, /readyz
and /metrics (parts up and restarted, lag, outbox, overdue deadlines).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from config.health import LOOPBACK, add_health
from config.settings import Settings
from config.telemetry import PrometheusMeter
from hub.supervisor import PART, Supervisor
from schemas.clock import Clock

if TYPE_CHECKING:
    from hub.quiet import Quiet


class Control:
    """Serves the state of one supervisor until it is closed."""

    def __init__(self, settings: Settings, supervisor: Supervisor, quiet: Quiet | None = None) -> None:
        self._settings = settings
        self._supervisor = supervisor
        self._quiet = quiet
        self._clock = Clock(settings.clock_file)
        self._meter = PrometheusMeter(PART)
        self._restarts: dict[str, int] = {}
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application(middlewares=[self._counted])
        app.router.add_get("/status", self._status)
        add_health(app, self._meter, PART, lambda: self._supervisor.ready)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await self._runner.setup()
        await web.TCPSite(self._runner, LOOPBACK, self._settings.ports.control).start()

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        if self._quiet is not None:
            await self._quiet.close()

    async def status(self) -> dict[str, Any]:
        ready = self._supervisor.ready
        look = await (await self._looking()).look(self._clock.now()) if ready else None
        return {
            "ready": ready,
            "idle": bool(look and look["idle"]),
            "parts": self._supervisor.rows(),
            "lag": look and look["lag"],
            "ledger": look and look["ledger"],
            "clock": {"now": self._clock.now().isoformat(), "speed": self._clock.speed},
            "dir": str(self._settings.dir),
        }

    async def _looking(self) -> Quiet:
        """Made when it is first wanted: its imports cost as much as a part's start, on the cores that the parts start on."""
        if self._quiet is None:
            quiet = await asyncio.to_thread(_quiet, self._settings)
            self._quiet = quiet if self._quiet is None else self._quiet
        return self._quiet

    async def _status(self, _request: web.Request) -> web.Response:
        return web.Response(body=orjson.dumps(await self.status()), content_type="application/json")

    @web.middleware
    async def _counted(self, request: web.Request, handler: Callable[[web.Request], Any]) -> web.StreamResponse:
        """Fresh numbers before /metrics is answered."""
        if request.path == "/metrics":
            await self._measure()
        response: web.StreamResponse = await handler(request)
        return response

    async def _measure(self) -> None:
        status = await self.status()
        for row in status["parts"]:
            name = row["name"]
            self._meter.gauge("part_up", float(row["state"] in ("ready", "done")), part=name)
            self._meter.count("part_restarts", row["restarts"] - self._restarts.get(name, 0), part=name)
            self._restarts[name] = row["restarts"]
        if status["lag"]:
            from hub.quiet import DELIVERY_GROUP, GROUP, REQUESTS  # there already, or there would be no lag

            requests = {topic.name for topic in REQUESTS}
            for topic, records in status["lag"]["topics"].items():
                self._meter.gauge("lag_records", records, group=DELIVERY_GROUP if topic in requests else GROUP, topic=topic)
        if ledger := status["ledger"]:
            self._meter.gauge("outbox_rows", ledger["outbox"])
            self._meter.gauge("dead_letters_open", ledger["dead_letters_open"])
            for kind in ("documents", "bookings", "rooms"):
                self._meter.gauge("deadlines_overdue", ledger[f"{kind}_overdue"], kind=kind)


def _quiet(settings: Settings) -> Quiet:
    from hub.quiet import DELIVERY_GROUP, Quiet

    return Quiet(settings, delivery=DELIVERY_GROUP)
