"""What the larger stand-ins read: bodies with the limit of their original, and the switches that an operator sets."""

from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from schemas.errors import Malformed
from schemas.events import malformed

Switches = TypeVar("Switches", bound=BaseModel)


async def whole(request: web.Request, bytes_max: int) -> bytes | None:
    """The body, or None where it is larger; then the rest of it is not read."""
    body = bytearray()
    while piece := await request.content.readany():
        body += piece
        if len(body) > bytes_max:
            return None
    return bytes(body)


def changed(before: Switches, given: Any) -> Switches:
    """The switches with what is given; the rest stays. Raises `Malformed`."""
    if not isinstance(given, dict):
        raise Malformed([("", "should be an object")])
    try:
        return type(before).model_validate({**before.model_dump(), **given})
    except ValidationError as fault:
        raise malformed(fault) from None
