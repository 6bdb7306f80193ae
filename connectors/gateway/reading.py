"""A request's body, with a limit on its size, its time and its place in memory (HTTP side of the back-pressure)."""

import asyncio
from typing import Final

from aiohttp import web

from connectors.gateway.admission import Share
from connectors.gateway.options import Limits
from connectors.gateway.refusals import refused

IDENTITY: Final = ("", "identity")


async def read_body(request: web.Request, limits: Limits, share: Share) -> bytes:
    """The bytes of the body. Raises `Refused`: 408, 413, 415 (compressed), 429, 503.

    Nothing is read of a body whose announced length is too large. Compressed bodies are not taken: their size
    is known only when it is too late.
    """
    if request.headers.get("Content-Encoding", "").strip().lower() not in IDENTITY:
        raise refused("unsupported-media-type", "A compressed body is not taken")
    announced = request.content_length
    if announced is not None:
        if announced > limits.body_bytes_max:
            raise _too_large(limits)
        share.take(announced)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(limits.body_timeout_s):
            while part := await request.content.readany():
                size += len(part)
                if size > limits.body_bytes_max:
                    raise _too_large(limits)
                if announced is None:
                    share.take(len(part))
                parts.append(part)
    except TimeoutError:
        raise refused("timeout", f"The body did not come within {limits.body_timeout_s:g} s") from None
    except (web.RequestPayloadError, ConnectionError):
        raise refused("malformed", "The body ended before its length") from None
    return b"".join(parts)


def _too_large(limits: Limits) -> Exception:
    return refused("too-large", f"The body is larger than {limits.body_bytes_max} bytes")
