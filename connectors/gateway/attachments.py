"""`GET /v1/attachments/{sha256}`: an attachment, for somebody who may read a document that has it.

The app asks, for a resident: named by the token's `reader` claim, else by the header `X-Reader`, with the id that
stands in `recipients` of the delivered document. (Not the opaque key: nobody outside the hub can compute it. A
header, as a person's id may stand in no URL.) Unknown and forbidden are the same 404. The access is logged on
`audit.v1` *before* the answer (HSLF-FS 2016:40); what cannot be logged is not shown.
"""

import re
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final, NamedTuple

import structlog
from aiohttp import web

from connectors.gateway.auth import Authenticator
from connectors.gateway.options import Limits
from connectors.gateway.publishing import Output, Publisher
from connectors.gateway.refusals import refused, unavailable
from connectors.gateway.rights import READS_ATTACHMENTS
from schemas.cloudevents import PersonKeys, headers_for, time_text, uid_text
from schemas.events import AccessLogged
from schemas.persons import normalise

READER_HEADER: Final = "X-Reader"
SOURCE: Final = "/hub/gateway"
ACTION: Final = "attachment.read"
TOPIC: Final = "audit.v1"
PDF: Final = b"%PDF-"
_SHA256: Final = re.compile(r"[0-9a-f]{64}")

_log = structlog.get_logger()


class Attachment(NamedTuple):
    """What the ledger gives: the bytes, and whose document at which unit they belong to."""

    data: bytes
    unit: str
    patient: str
    document_id: str


Find = Callable[[str, str], Awaitable[Attachment | None]]
"""`(reader, sha256)`: the attachment, if that reader may read a document that has it; raises if it cannot say."""


class AttachmentDoor:
    """The endpoint."""

    def __init__(
        self,
        auth: Authenticator,
        find: Find,
        publisher: Publisher,
        keys: PersonKeys,
        limits: Limits,
        now: Callable[[], datetime],
    ) -> None:
        self._auth = auth
        self._find = find
        self._publisher = publisher
        self._keys = keys
        self._limits = limits
        self._now = now

    async def get(self, request: web.Request) -> web.Response:
        """200 with the bytes; 401; 403 for a client that never may; 404; 503 when ledger or log cannot be reached."""
        client = await self._auth.client(request)
        if client.name not in READS_ATTACHMENTS:
            raise refused("not-allowed", "This client reads no attachments")
        sha256 = request.match_info["sha256"]
        reader = _reader(client.reader or request.headers.get(READER_HEADER) or "")
        if reader is None or not _SHA256.fullmatch(sha256):
            raise refused("not-found")
        try:
            found = await self._find(reader, sha256)
        except Exception as error:
            _log.warning("gateway_ledger_away", cause=type(error).__name__)
            raise unavailable("The ledger cannot be asked", self._limits.retry_after_s) from None
        if found is None:
            raise refused("not-found")
        await self._publisher.publish([self._access(reader, found)], lambda: lambda: None)
        is_pdf = found.data.startswith(PDF)
        return web.Response(
            body=found.data,
            content_type="application/pdf" if is_pdf else "application/octet-stream",
            headers={
                "Content-Disposition": "attachment",
                "Cache-Control": "private, no-store",
                "X-Content-Type-Options": "nosniff",
            },
        )

    def _access(self, reader: str, found: Attachment) -> Output:
        now = self._now()
        user = self._keys.key(reader)
        event = AccessLogged(action=ACTION, unit=found.unit, at=now, user=user, patient=found.patient, about=found.document_id)
        key = self._keys.key(found.patient)
        text = time_text(now)
        event_id = uid_text(ACTION, user, found.document_id, text)
        headers = headers_for(AccessLogged.TYPE, event_id, SOURCE, text, subject=found.document_id, partitionkey=key)
        return Output(TOPIC, key.encode(), event.to_json(), headers, key.encode())


def _reader(text: str) -> str | None:
    try:
        return normalise(text)
    except ValueError:
        return None
