"""HL7 v2 over MLLP: one message in, its acknowledgement out when Kafka has it. The same rights and the same way as every door."""

from collections.abc import Callable, Mapping
from datetime import datetime

import orjson
import structlog

from connectors.gateway.admission import Admission
from connectors.gateway.decoding import check
from connectors.gateway.intake import Intake
from connectors.gateway.options import Limits
from connectors.gateway.refusals import Refused
from connectors.gateway.rights import EHR_PREFIX, Client
from connectors.hl7.acknowledgement import encode
from connectors.hl7.events import SOURCE, decode, placed
from connectors.hl7.message import Unsupported, header_of
from schemas.cloudevents import Envelope
from schemas.errors import Malformed
from schemas.telemetry import Meter

VIA = "hl7"
_TRY_AGAIN = frozenset({401, 403, 429, 503})
"""Not about the content: AR. An interface engine keeps the message and sends it again."""
_log = structlog.get_logger()


class Hl7Door:
    """What `connectors.hl7.server` hands frames to. `needs_certificate`: a sender without a known one is nobody."""

    def __init__(
        self, intake: Intake, admission: Admission, limits: Limits, meter: Meter, now: Callable[[], datetime],
        certificates: Mapping[str, str], *, needs_certificate: bool,
    ) -> None:  # fmt: skip
        self._intake = intake
        self._admission = admission
        self._limits = limits
        self._meter = meter
        self._now = now
        self._certificates = certificates
        self._needs_certificate = needs_certificate

    async def handle(self, frame: bytes, certificate: str) -> bytes:
        """The acknowledgement, AA only when Kafka has the event. Never raises for what a frame holds."""
        header = header_of(frame)
        code, answer = await self._answer(frame, certificate)
        self._meter.count("intake_requests", endpoint="mllp", status=code)
        return encode(header, code, self._now(), *answer)  # type: ignore[arg-type]

    async def _answer(self, frame: bytes, certificate: str) -> tuple[str, tuple[object, ...]]:
        name = self._certificates.get(certificate, "") if certificate else ""
        if not name and self._needs_certificate:
            return "AR", ((), "the sender is not known here")
        client = Client(name or f"{EHR_PREFIX}{VIA}")
        try:
            with self._admission.enter(client.name) as share:
                share.take(len(frame))
                told = decode(frame)
                envelope = Envelope(told.ce_id, SOURCE, told.ce_type, told.time or self._now())
                events = check([(envelope, orjson.dumps(told.data), "", "")], self._limits)
                await self._intake.take(client, events, share, VIA)
        except Unsupported as fault:
            return "AR", (fault.errors,)
        except Malformed as fault:
            return "AE", ([placed(error) for error in fault.errors],)
        except Refused as refusal:
            problem = refusal.problem
            code = "AR" if problem.status in _TRY_AGAIN else "AE"
            return code, ([placed(error) for error in problem.errors], "" if problem.errors else problem.detail)
        except Exception:
            _log.exception("hl7_fault")
            return "AR", ((), "the hub failed; send it again")
        return "AA", ()
