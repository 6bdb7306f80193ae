"""The gateway put together from its ports: the same for the process, for tests and for benchmarks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from aiohttp import web

from connectors.gateway.admission import Admission
from connectors.gateway.attachments import AttachmentDoor, Find
from connectors.gateway.auth import Authenticator, Prover
from connectors.gateway.callbacks import SmsCallbackDoor
from connectors.gateway.events import EventsDoor
from connectors.gateway.intake import Ask, Intake
from connectors.gateway.options import Limits
from connectors.gateway.publishing import Producer, Publisher
from connectors.gateway.rights import Rights
from connectors.gateway.rivta import Rivta, Source
from connectors.gateway.soap import CONTRACTS, SoapDoor
from connectors.gateway.takecare import TakeCare
from connectors.gateway.web import application
from schemas.cloudevents import PersonKeys
from schemas.policy import Policy
from schemas.telemetry import Meter

_RIV = CONTRACTS / "riv"
DOCUMENTS = {
    "/takecare": {"wsdl": CONTRACTS / "takecare-events.wsdl", "takecare-events": CONTRACTS / "takecare-events.xsd"},
    "/riv/processnotification": {
        "wsdl": _RIV / "processnotification.wsdl",
        "processnotification": _RIV / "processnotification.xsd",
        "registry": _RIV / "registry.xsd",
        "engagementindex": _RIV / "engagementindex.xsd",
    },
    "/riv/processrequestconfirmation": {
        "wsdl": _RIV / "processrequestconfirmation.wsdl",
        "processrequestconfirmation": _RIV / "processrequestconfirmation.xsd",
        "registry": _RIV / "registry.xsd",
        "request": _RIV / "request.xsd",
        "request-codes": _RIV / "request-codes.xsd",
    },
}
"""The contracts that each SOAP endpoint gives out, by the name they are asked for."""


@dataclass(frozen=True)
class Ports:
    """All that the gateway needs from outside itself."""

    policy: Policy
    keys: PersonKeys
    limits: Limits
    meter: Meter
    now: Callable[[], datetime]
    tokens: Prover
    client_of_certificate: Mapping[str, str]
    producer: Callable[[], Producer]
    is_blocked: Ask
    find_attachment: Find
    booking_source: Source
    callback_secret: bytes = field(repr=False)


@dataclass(frozen=True)
class Assembled:
    """The application, the publisher to start before and stop after it, and what other listeners share with it."""

    app: web.Application
    publisher: Publisher
    intake: Intake
    admission: Admission


def assemble(ports: Ports) -> tuple[web.Application, Publisher]:
    """The application, and the publisher to start before and stop after it."""
    made = assemble_all(ports)
    return made.app, made.publisher


def assemble_all(ports: Ports) -> Assembled:
    """Everything, for whoever listens by more than HTTP."""
    limits = ports.limits
    publisher = Publisher(ports.producer, limits, ports.meter)
    admission = Admission(limits, lambda size: ports.meter.gauge("intake_bytes_in_flight", size))
    auth = Authenticator(ports.tokens, ports.client_of_certificate)
    intake = Intake(Rights(ports.policy), ports.keys, publisher, limits, ports.meter, ports.now, ports.is_blocked)
    rivta = Rivta(intake, ports.booking_source, limits, ports.now)
    operations = {
        "/takecare": TakeCare(intake, limits, ports.now).operate,
        "/riv/processnotification": rivta.notify,
        "/riv/processrequestconfirmation": rivta.confirm,
    }
    app = application(
        EventsDoor(auth, admission, intake, limits),
        {path: SoapDoor(auth, admission, limits, operate, DOCUMENTS[path]) for path, operate in operations.items()},
        AttachmentDoor(auth, ports.find_attachment, publisher, ports.keys, limits, ports.now),
        SmsCallbackDoor(ports.callback_secret, admission, publisher, ports.keys, limits, ports.meter, ports.now),
        ports.meter,
    )
    return Assembled(app, publisher, intake, admission)
