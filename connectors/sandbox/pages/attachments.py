"""An attachment of a resident's document, fetched from the gateway as the app does: with a token for that reader."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

import aiohttp
from aiohttp import web

from connectors.sandbox.oidc.tokens import Signer
from connectors.sandbox.pages.app.access import documents_of, subjects
from connectors.sandbox.state import Sandbox
from connectors.sandbox.world import World

TIMEOUT: Final = aiohttp.ClientTimeout(total=10, sock_connect=2)
APP: Final = "app"
SHOWN: Final = "application/pdf"


async def attachment_of(sandbox: Sandbox, signer: Signer, reader: str, sha256: str, now: datetime, *, shown: bool) -> web.Response | None:
    """The file, to be saved (a PDF also to be looked at); 404 unless a document that the reader has opened has it, None where
    the gateway has it not."""
    name = next((each["name"] for each in _opened(sandbox.world, reader, now) if each["sha256"] == sha256), None)
    if name is None:
        raise web.HTTPNotFound
    token = signer.access_token(APP, sandbox.wall(), reader=reader)
    try:
        async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
            asked = session.get(f"{sandbox.gateway_url}/v1/attachments/{sha256}", headers={"Authorization": f"Bearer {token}"})
            async with asked as answer:
                body, status, content_type = await answer.read(), answer.status, answer.content_type
    except (aiohttp.ClientError, TimeoutError):
        return None
    if status != 200:
        return None
    how = "inline" if shown and content_type == SHOWN else "attachment"
    disposition = f"{how}; filename*=UTF-8''{quote(name)}"
    return web.Response(body=body, content_type=content_type, headers={"Content-Disposition": disposition})


def _opened(world: World, reader: str, now: datetime) -> Iterator[Any]:
    for subject in subjects(world, reader, now):
        for document in documents_of(world, reader, subject):
            if reader in document.read_by:
                yield from document.data["attachments"]
