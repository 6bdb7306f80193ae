"""The stand-in for SPAR's person search: `POST /spar`, SOAP as the original speaks it, with whatever fault an operator has set."""

from aiohttp import web

from connectors.sandbox import spar_wire as wire
from connectors.sandbox.state import SANDBOX
from connectors.sandbox.unwell import behave


async def search(request: web.Request) -> web.StreamResponse:
    """An answer with the person's post or none; a fault for what is no question, and while the topics are not read yet."""
    return await behave(request, "spar", lambda: _answer(request), lambda: _refuse(request), wire.CONTENT_TYPE)


async def _refuse(request: web.Request) -> web.Response:
    asked = wire.asked(await request.read())
    if asked is None:
        return _told(wire.fault("Client", "Unmarshalling Error"), 500)
    request.app[SANDBOX].world.register.look_up(asked.number)  # it was asked
    return _told(wire.exception(asked.number, "SP-17", "Uppdraget saknas"))


async def _answer(request: web.Request) -> web.Response:
    sandbox = request.app[SANDBOX]
    asked = wire.asked(await request.read())
    if asked is None:
        return _told(wire.fault("Client", "Unmarshalling Error"), 500)
    if not sandbox.ready():  # what it has not read yet is not "no such person"
        return _told(wire.fault("Server", "Not ready yet"), 500)
    if not asked.is_customer:
        return _told(wire.exception(asked.number, "SP-16", "Kundnumret saknas"))
    record = sandbox.world.register.look_up(asked.number)
    return _told(wire.nobody(asked.number) if record is None else wire.post(asked.number, record))


def _told(body: bytes, status: int = 200) -> web.Response:
    return web.Response(body=body, status=status, content_type=wire.CONTENT_TYPE, charset="utf-8")


def routes() -> list[web.RouteDef]:
    """The table of these endpoints."""
    return [web.post("/spar", search)]
