"""An attachment of a resident's document, fetched from the gateway as the app does: with a token for that reader."""

from typing import Final
from urllib.parse import quote

import aiohttp
from aiohttp import web

from connectors.sandbox.oidc.tokens import Signer
from connectors.sandbox.pages.citizen import documents_of
from connectors.sandbox.state import Sandbox

TIMEOUT: Final = aiohttp.ClientTimeout(total=10, sock_connect=2)
APP: Final = "app"


async def attachment_of(sandbox: Sandbox, signer: Signer, person: str, sha256: str) -> web.Response:
    """The file, to be saved; 404 unless a document that the person has now has it, 502 where the gateway has it not."""
    name = next(
        (each["name"] for document in documents_of(sandbox.world, person) for each in document.data["attachments"]
         if each["sha256"] == sha256),
        None,
    )  # fmt: skip
    if name is None:
        raise web.HTTPNotFound
    token = signer.access_token(APP, sandbox.wall(), reader=person)
    try:
        async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
            asked = session.get(
                f"{sandbox.gateway_url}/v1/attachments/{sha256}", headers={"Authorization": f"Bearer {token}"}
            )
            async with asked as answer:
                body, status, content_type = await answer.read(), answer.status, answer.content_type
    except (aiohttp.ClientError, TimeoutError):
        status = 0
    if status != 200:
        return web.Response(status=502, text="Bilagan kan inte hämtas just nu.\n")
    disposition = f"attachment; filename*=UTF-8''{quote(name)}"
    return web.Response(body=body, content_type=content_type, headers={"Content-Disposition": disposition})
