"""`POST /v1/events`: CloudEvents one by one, in a batch or line by line; 202 when Kafka has all of them."""

import orjson
from aiohttp import web

from connectors.gateway.admission import Admission
from connectors.gateway.auth import Authenticator
from connectors.gateway.decoding import CONTENT_TYPES, Unsupported, decode_request
from connectors.gateway.intake import Intake
from connectors.gateway.options import Limits
from connectors.gateway.reading import read_body
from connectors.gateway.refusals import malformed, refused
from schemas.errors import Malformed


class EventsDoor:
    """The JSON door."""

    def __init__(self, auth: Authenticator, admission: Admission, intake: Intake, limits: Limits) -> None:
        self._auth = auth
        self._admission = admission
        self._intake = intake
        self._limits = limits

    async def post(self, request: web.Request) -> web.Response:
        """202 `{"accepted": n, "ids": [...]}`, or a problem document and nothing taken."""
        client = await self._auth.client(request)
        with self._admission.enter(client.name) as share:
            body = await read_body(request, self._limits, share)
            headers = {name.lower(): value for name, value in request.headers.items()}
            try:
                events = decode_request(headers.get("content-type", ""), headers, body, self._limits)
            except Unsupported:
                taken = ", ".join(CONTENT_TYPES)
                raise refused("unsupported-media-type", f"Taken are {taken}, as UTF-8") from None
            except Malformed as fault:
                raise malformed(fault) from None
            del body
            ids = await self._intake.take(client, events, share)
        answer = orjson.dumps({"accepted": len(ids), "ids": ids})
        return web.Response(status=202, body=answer, content_type="application/json")
