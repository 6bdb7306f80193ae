"""What the SOAP doors share: a request read and opened, and every refusal told as a fault."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import structlog
from aiohttp import web

import schemas
from connectors.gateway.admission import Admission, Share
from connectors.gateway.auth import Authenticator
from connectors.gateway.envelope import CONTENT_TYPE, Opened, SoapFault, fault, fault_of, open_envelope
from connectors.gateway.options import Limits
from connectors.gateway.reading import read_body
from connectors.gateway.refusals import Refused, malformed, refused
from connectors.gateway.rights import Client
from schemas import xml
from schemas.errors import Malformed, Problem

XML_TYPES: Final = frozenset({"text/xml", "application/xml"})
CONTRACTS: Final = Path(schemas.__file__).parent / "contracts"

Operation = Callable[[Client, Opened, Share], Awaitable[bytes]]
"""From a message to the bytes of the answering envelope; raises `Refused`, `Malformed` or `SoapFault`."""

_log = structlog.get_logger()


class SoapDoor:
    """One SOAP endpoint."""

    def __init__(
        self,
        auth: Authenticator,
        admission: Admission,
        limits: Limits,
        operation: Operation,
        documents: dict[str, Path],
    ) -> None:
        self._auth = auth
        self._admission = admission
        self._limits = limits
        self._operation = operation
        self._documents = documents
        self._xml_limits = xml.Limits(body_bytes_max=limits.body_bytes_max)

    async def post(self, request: web.Request) -> web.Response:
        """The operation's answer, or a fault."""
        try:
            client = await self._auth.client(request)
            with self._admission.enter(client.name) as share:
                if request.content_type not in XML_TYPES:
                    raise refused("unsupported-media-type", "SOAP 1.1 is text/xml")
                body = await read_body(request, self._limits, share)
                answer = await self._operation(client, open_envelope(body, self._xml_limits), share)
            return _xml(200, answer)
        except SoapFault as told:
            return _xml(500, fault(told.code, told.reason))
        except Malformed as bad:
            return _refusal(malformed(bad))
        except Refused as refusal:
            return _refusal(refusal)
        except web.HTTPException:
            raise
        except Exception:
            _log.exception("gateway_fault")
            return _xml(*fault_of(Problem.of("internal")))

    async def get(self, request: web.Request) -> web.Response:
        """The contract: `?wsdl`, and what it imports by `?xsd=NAME`."""
        names = {name.lower(): value for name, value in request.query.items()}
        wanted = "wsdl" if "wsdl" in names else names.get("xsd", "")
        path = self._documents.get(wanted)
        if path is None:
            raise refused("not-found", "Ask for ?wsdl")
        text = path.read_text(encoding="utf-8")
        for name, file in self._documents.items():
            text = text.replace(f'schemaLocation="{file.name}"', f'schemaLocation="?xsd={name}"')
        if wanted == "wsdl":
            text = text.replace("http://localhost:8080", f"{request.scheme}://{request.host}")
        return _xml(200, text.encode())


def _refusal(refusal: Refused) -> web.Response:
    response = _xml(*fault_of(refusal.problem))
    response.headers.update(refusal.headers)
    return response


def _xml(status: int, body: bytes) -> web.Response:
    return web.Response(status=status, body=body, headers={"Content-Type": CONTENT_TYPE})
