"""The operator's endpoints: `/clock`, `/faults`, `/people`, `/inbox`."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from connectors.sandbox.answers import as_json, json_of
from connectors.sandbox.arrivals import CHANNELS
from connectors.sandbox.faults import Fault
from connectors.sandbox.persons import events_of, ignored
from connectors.sandbox.sms import owners
from connectors.sandbox.state import SANDBOX
from schemas import persons
from schemas.clock import SPEED_MAX, Clock
from schemas.cloudevents import time_text
from schemas.errors import Malformed
from schemas.events import malformed

ADVANCE_S_MAX: Final = 10 * 366 * 86_400.0
REGISTER: Final = "spar"
MAILBOX_REGISTER: Final = "mm"
ARRIVING: Final = ("app.documents.v1", "app.bookings.v1", "mailbox.deliveries.v1", "notifications.v1")
"""What an inbox tells is on these, or what it says of it."""

Model = TypeVar("Model", bound=BaseModel)


class Move(BaseModel):
    """`POST /clock`."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    advance_seconds: float | None = Field(default=None, ge=0, le=ADVANCE_S_MAX)
    speed: float | None = Field(default=None, gt=0, le=SPEED_MAX)

    @model_validator(mode="after")
    def _says_something(self) -> "Move":
        if self.advance_seconds is None and self.speed is None:
            raise PydanticCustomError("empty", "needs advance_seconds or speed")
        return self


async def show_clock(request: web.Request) -> web.Response:
    return as_json(_told(request.app[SANDBOX].clock))


async def move_clock(request: web.Request) -> web.Response:
    """Moves hub time for every part at once: all of them read one file."""
    move = _read(Move, await json_of(request))
    clock = request.app[SANDBOX].clock
    try:
        if move.speed is not None:
            clock.set_speed(move.speed)
        if move.advance_seconds:
            clock.advance(move.advance_seconds)
    except ValueError as fault:
        raise Malformed([("", str(fault))]) from None
    return as_json(_told(clock))


async def show_faults(request: web.Request) -> web.Response:
    return as_json({"faults": request.app[SANDBOX].faults.shown(asyncio.get_running_loop().time())})


async def set_fault(request: web.Request) -> web.Response:
    fault = _read(Fault, await json_of(request))
    request.app[SANDBOX].faults.set(fault, asyncio.get_running_loop().time())
    return await show_faults(request)


async def clear_faults(request: web.Request) -> web.Response:
    """All of them, or those of `?system=`."""
    request.app[SANDBOX].faults.clear(request.query.get("system"))  # type: ignore[arg-type]
    return await show_faults(request)


async def add_person(request: web.Request) -> web.Response:
    """A test person known to all stand-ins when the answer comes, and published for the hub."""
    sandbox = request.app[SANDBOX]
    given = await json_of(request)
    wall = max(sandbox.wall(), sandbox.clock.now())  # newer than an answer that the hub got a moment ago
    made = events_of(given, sandbox.world, wall, sandbox.sender)
    published = await sandbox.publishing.send(made, sandbox.clock.now())
    for each in published:
        sandbox.world.apply(each.envelope, each.data, sandbox.clock.now())
    first = published[0].data
    answer: dict[str, Any] = {
        "patient": first["patient"],
        "key": sandbox.publishing.keys.key(first["patient"]),
        "as_of": first["as_of"],
        "made": [{**each.shown(), "data": each.data} for each in published],
    }
    if left_out := ignored(given):
        answer["ignored"] = left_out
    return as_json(answer, 201)


async def inbox(request: web.Request) -> web.Response:
    """What really arrived for a test person by a channel, or of texts for a number: a guest's is nobody's (V9)."""
    channel, whose = request.match_info["channel"], request.match_info["person"]
    if channel not in CHANNELS:
        raise web.HTTPNotFound
    sandbox = request.app[SANDBOX]
    world = sandbox.world
    await sandbox.caught_up(ARRIVING)
    them = [whose, *owners(world, whose)] if channel == "sms" and whose.startswith("+") else [_person(request)]
    return as_json([_with_document(row, world.deliveries) for each in them for row in world.arrivals.of(channel, each)])


async def whole_inbox(request: web.Request) -> web.Response:
    """All that really arrived by a channel, without for whom. Mailboxes and phones forget when the sandbox ends: `since` is its start."""
    channel = request.match_info["channel"]
    if channel not in CHANNELS:
        raise web.HTTPNotFound
    sandbox = request.app[SANDBOX]
    await sandbox.caught_up(ARRIVING)
    items = [_with_document(row, sandbox.world.deliveries) for row in sandbox.world.arrivals.all_of(channel)]
    return as_json({"since": time_text(sandbox.clock.at(sandbox.began)), "items": items})


async def lookups(request: web.Request) -> web.Response:
    """How often each register was asked about a test person."""
    world, person = request.app[SANDBOX].world, _person(request)
    return as_json({REGISTER: world.register.asked[person], MAILBOX_REGISTER: world.far_asked[person]})


def routes() -> list[web.RouteDef]:
    """The table of these endpoints."""
    return [
        web.get("/clock", show_clock),
        web.post("/clock", move_clock),
        web.get("/faults", show_faults),
        web.post("/faults", set_fault),
        web.delete("/faults", clear_faults),
        web.post("/people", add_person),
        web.get("/inbox/lookups/{person}", lookups),
        web.get("/inbox/{channel}", whole_inbox),
        web.get("/inbox/{channel}/{person}", inbox),
    ]


def _person(request: web.Request) -> str:
    try:
        return persons.normalise(request.match_info["person"])
    except ValueError as fault:
        raise Malformed([("/person", str(fault))]) from None


def _with_document(row: dict[str, Any], deliveries: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A mailbox knows a delivery by our reference; whose document it was is known here from the hub's own event."""
    known = deliveries.get(row.get("delivery_id", ""))
    return {"document_id": known["document_id"], **row} if known is not None else row


def _told(clock: Clock) -> dict[str, Any]:
    return {"now": time_text(clock.now()), "speed": clock.speed}


def _read(model: type[Model], value: Any) -> Model:
    try:
        return model.model_validate(value)
    except ValidationError as fault:
        raise malformed(fault) from None
