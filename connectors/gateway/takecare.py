"""`POST /takecare`: TakeCare's events over SOAP 1.1, after `schemas/contracts/takecare-events.wsdl`."""

from collections.abc import Callable
from datetime import datetime

import orjson

from connectors.gateway.admission import Share
from connectors.gateway.decoding import check
from connectors.gateway.envelope import Opened, envelope
from connectors.gateway.intake import Intake
from connectors.gateway.options import Limits
from connectors.gateway.refusals import Refused, malformed
from connectors.gateway.rights import Client
from connectors.takecare.fields import GROUP_OF_OPERATION, NAMESPACE
from connectors.takecare.wire import SOURCE, Decoded, decode_element, field_path
from schemas import xml
from schemas.cloudevents import Envelope
from schemas.errors import FieldError, Malformed, Problem

_CONTEXT = "/~"
"""Marks a fault about the envelope rather than the data: the item as a whole is at fault."""


class TakeCare:
    """The operation behind the door."""

    def __init__(self, intake: Intake, limits: Limits, now: Callable[[], datetime]) -> None:
        self._intake = intake
        self._limits = limits
        self._now = now

    async def operate(self, client: Client, message: Opened, share: Share) -> bytes:
        """Take all events of a message. Raises `Refused` with faults named as the sender's XML names them."""
        name = xml.local_name(message.payload)
        if name not in GROUP_OF_OPERATION:
            raise Malformed([(f"/Envelope/Body/{name}", "is no operation of this service")])
        decoded = decode_element(message.payload)
        try:
            events = check(
                [
                    (
                        Envelope(event.id, SOURCE, event.ce_type, event.time or self._now()),
                        orjson.dumps(event.data),
                        f"/{place}",
                        f"/{place}{_CONTEXT}",
                    )
                    for place, event in enumerate(decoded)
                ],
                self._limits,
            )
            ids = await self._intake.take(client, events, share)
        except Malformed as fault:
            refusal = malformed(fault)
            raise _in_xml(refusal, decoded) from None
        except Refused as refusal:
            raise _in_xml(refusal, decoded) from None
        return envelope(_accepted(name, ids))


def _accepted(operation: str, ids: list[str]) -> xml.Element:
    node = xml.element(f"{{{NAMESPACE}}}{operation}Response", nsmap={None: NAMESPACE})
    xml.child(node, f"{{{NAMESPACE}}}Accepted", str(len(ids)))
    for event_id in ids:
        xml.child(node, f"{{{NAMESPACE}}}EventId", event_id)
    return node


def _in_xml(refusal: Refused, decoded: list[Decoded]) -> Refused:
    """The same refusal with each JSON pointer as the path of the element the sender wrote."""
    errors = [_translated(error, decoded) for error in refusal.problem.errors]
    problem = refusal.problem
    return Refused(Problem(problem.type, problem.detail, tuple(errors)), refusal.headers)


def _translated(error: FieldError, decoded: list[Decoded]) -> FieldError:
    place, _, rest = error.pointer.removeprefix("/").partition("/")
    event = decoded[int(place)]
    pointer = f"/{rest}" if rest else ""
    return FieldError(event.at if pointer.startswith(_CONTEXT) else field_path(event, pointer), error.reason)
