"""The one door for zeep: a contract's WSDL writes requests and reads answers; no connection is ever opened by it.

zeep's own transport is synchronous `requests`, which cannot tell "nothing was sent" from "the answer was lost", and its
parser is not the hardened one: so `connectors.peer` moves the bytes, and what zeep reads has come through `schemas.xml`.
"""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import zeep
from zeep.exceptions import Error, Fault

from schemas import xml
from schemas.errors import Rejected


class Contract:
    """One operation of a WSDL file of ours. Loaded when first used."""

    def __init__(self, wsdl: Path, operation: str) -> None:
        self._wsdl = wsdl
        self._operation = operation

    @cached_property
    def _client(self) -> Any:
        return zeep.Client(str(self._wsdl), settings=zeep.Settings(strict=True, forbid_entities=True, forbid_external=True))  # type: ignore[no-untyped-call]

    def encode(self, fields: Mapping[str, Any], headers: Mapping[str, Any] | None = None) -> bytes:
        """The request's envelope. A field that the contract has not is a bug of ours, and raised as one."""
        client = self._client
        extra = {"_soapheaders": dict(headers)} if headers else {}
        return xml.serialise(client.create_message(client.service, self._operation, **fields, **extra))

    def read(self, status: int, document: xml.Element) -> Any:
        """The answer's content as the contract names it. Raises `Rejected` for a fault, and for what is not the contract."""
        client = self._client
        clean = xml.serialise(document)
        response = SimpleNamespace(status_code=status, content=clean, headers={"Content-Type": "text/xml"}, encoding="utf-8")
        try:
            return client.service._binding.process_reply(client, client.service._binding.get(self._operation), response)
        except Fault as fault:
            raise Rejected("soap_fault", str(fault.code or "")[:80]) from None
        except (Error, ValueError, TypeError, KeyError, AttributeError):
            raise Rejected("not_the_contract", f"the answer does not follow {self._operation}") from None
