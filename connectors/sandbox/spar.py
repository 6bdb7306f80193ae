"""The stand-in population register: `POST /spar/lookup`, with whatever fault an operator has set."""

from aiohttp import web

from connectors.sandbox.answers import as_json, json_of
from connectors.sandbox.state import SANDBOX
from connectors.sandbox.unwell import behave
from schemas import persons


async def look_up(request: web.Request) -> web.StreamResponse:
    """200 with the data of a `person.changed.v1`, its `as_of` the record's own; 404 if there is no such person."""
    return await behave(request, "spar", lambda: _answer(request), lambda: _refuse(request), "application/json")


async def _refuse(request: web.Request) -> web.Response:
    await _answer(request)  # it was asked
    return as_json({"code": "refused", "message": "The register does not answer this question"}, 422)


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


def routes() -> list[web.RouteDef]:
    """The table of these endpoints."""
    return [web.post("/spar/lookup", look_up)]
