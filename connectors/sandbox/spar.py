"""The stand-in population register: `POST /spar/lookup`, with whatever fault an operator has set."""

import asyncio
from typing import Final

from aiohttp import web

from connectors.sandbox.answers import as_json, json_of
from connectors.sandbox.faults import Fault
from connectors.sandbox.state import SANDBOX
from schemas import persons

GARBAGE: Final = b"\x00\xff<html>{\"patient\": "


async def look_up(request: web.Request) -> web.StreamResponse:
    """200 with the data of a `person.changed.v1`, its `as_of` the record's own; 404 if there is no such person."""
    fault = request.app[SANDBOX].faults.strike("spar", asyncio.get_running_loop().time())
    mode = fault.mode if fault is not None else None
    if mode == "down":
        return _cut(request)
    if mode == "slow":
        assert isinstance(fault, Fault)
        await asyncio.sleep(fault.delay_seconds)
    answer = await _answer(request)
    if mode == "refuse":
        return as_json({"code": "refused", "message": "The register does not answer this question"}, 422)
    if mode == "lose_answer":
        return _cut(request)
    if mode == "garbage":
        return web.Response(body=GARBAGE, content_type="application/json")
    return answer


async def _answer(request: web.Request) -> web.Response:
    asked = await json_of(request)
    given = asked.get("patient") if isinstance(asked, dict) else None
    try:
        patient = persons.normalise(given if isinstance(given, str) else "")
    except ValueError as fault:
        return as_json({"code": "not_a_person_id", "message": str(fault)}, 400)
    if not request.app[SANDBOX].ready():  # what it has not read yet is not "no such person"
        return as_json({"code": "starting", "message": "The register is not ready yet"}, 503)
    record = request.app[SANDBOX].world.register.look_up(patient)
    if record is None:
        return as_json({"code": "no_such_person", "message": "The register has no such person"}, 404)
    return as_json(record)


def _cut(request: web.Request) -> web.Response:
    """End the connection without a word; the response is for nobody."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=503)


def routes() -> list[web.RouteDef]:
    """The table of these endpoints."""
    return [web.post("/spar/lookup", look_up)]
