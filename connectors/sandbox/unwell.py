"""How a stand-in fails when an operator has set a fault for it (`POST /faults`): one way for all of them."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Final

from aiohttp import web

from connectors.sandbox.faults import Mode, System
from connectors.sandbox.state import SANDBOX

GARBAGE: Final = b'\x00\xff<html>{"what": '

Answer = Callable[[], Awaitable[web.StreamResponse]]


async def behave(
    request: web.Request,
    system: System,
    answer: Answer,
    refuse: Answer | None = None,
    garbage_type: str = "application/octet-stream",
    spares: Collection[Mode] = (),
) -> web.StreamResponse:
    """What `answer` gives, unless a fault is in force. Call it for each request that a fault may meet.

    `refuse` is the peer's own way of saying no to a delivery; without it (a question, reachability) that fault does not
    strike, and is not used up; nor do those that this kind of request `spares`. `lose_answer` and `garbage` do the work
    and then tell nothing of it.
    """
    faults, now = request.app[SANDBOX].faults, asyncio.get_running_loop().time()
    fault = faults.strike(system, now, sparing={*spares, "refuse"} if refuse is None else spares)
    match fault.mode if fault is not None else None:
        case "down":
            return cut(request)
        case "slow":
            assert fault is not None
            await asyncio.sleep(fault.delay_seconds)
        case "refuse":
            assert refuse is not None
            return await refuse()
        case "lose_answer":
            await answer()
            return cut(request)
        case "garbage":
            await answer()
            return web.Response(body=GARBAGE, content_type=garbage_type)
        case _:
            pass
    return await answer()


def cut(request: web.Request) -> web.Response:
    """End the connection without a word; the response is for nobody."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=503)
