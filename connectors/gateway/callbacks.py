"""`POST /callbacks/sms/{token}`: what an SMS provider tells of a message, to `receipts.v1`; 204 when Kafka has it.

The provider holds no token of ours and signs nothing: the URL is the credential (`schemas.callback`), so a path is never
logged, counted or told back. LINK Mobility knows one URL for all reports, `/callbacks/sms/linkmobility`, and tells the token
in the body; it wants 200. Reports come late, twice and out of order. Each status of a message is one event with an id
of its own, whatever is repeated; `sent` says nothing that the hub waits for and is answered at once. `failed` has no time
in the report: its event has the hub's, and its id makes the first one stand.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

import orjson
from aiohttp import web

from connectors.gateway.admission import Admission, Share
from connectors.gateway.decoding import Submitted
from connectors.gateway.options import Limits
from connectors.gateway.publishing import Publisher
from connectors.gateway.reading import read_body
from connectors.gateway.records import record_of
from connectors.gateway.refusals import refused
from connectors.sms.reports import BODY_BYTES_MAX, Report, Status, read_link_report, read_report
from schemas.callback import read_token
from schemas.cloudevents import Envelope, PersonKeys, time_text, uid_text
from schemas.errors import Malformed
from schemas.events import DeliveryAnswered
from schemas.telemetry import Meter

FORM: Final = "application/x-www-form-urlencoded"
JSON: Final = "application/json"
CLIENT: Final = "sms-provider"
SOURCE: Final = "/callbacks/sms"
OUTCOMES: Final[dict[Status, str | None]] = {"sent": None, "delivered": "accepted", "failed": "refused"}


class SmsCallbackDoor:
    """The door of delivery reports."""

    def __init__(
        self, secret: bytes, admission: Admission, publisher: Publisher, keys: PersonKeys, limits: Limits, meter: Meter,
        now: Callable[[], datetime],
    ) -> None:  # fmt: skip
        self._secret = secret
        self._admission = admission
        self._publisher = publisher
        self._keys = keys
        self._limits = replace(limits, body_bytes_max=BODY_BYTES_MAX)
        self._record_bytes_max = limits.record_bytes_max
        self._meter = meter
        self._now = now

    async def post(self, request: web.Request) -> web.Response:
        """204, or a problem document: 404 for a token that is not ours, 400 for a report that cannot be read."""
        notification = self._named(request.match_info["token"])
        await self._take(request, FORM, lambda body: (notification, read_report(body)))
        return web.Response(status=204)

    async def post_of_link(self, request: web.Request) -> web.Response:
        """200, which LINK Mobility wants, or a problem document as above."""
        await self._take(request, JSON, self._read_of_link)
        return web.Response()

    async def _take(self, request: web.Request, content_type: str, read: Callable[[bytes], tuple[UUID, Report]]) -> None:
        with self._admission.enter(CLIENT) as share:
            if request.content_type != content_type:
                raise refused("unsupported-media-type", f"A report is {content_type}")
            answered = event_of(*read(await read_body(request, self._limits, share)), self._now())
            if answered is not None:
                await self._publish(answered, share)

    def _read_of_link(self, body: bytes) -> tuple[UUID, Report]:
        token, report = read_link_report(body)
        return self._named(token), report

    def _named(self, token: str) -> UUID:
        try:
            return read_token(token, self._secret)
        except Malformed:
            raise refused("not-found") from None

    async def _publish(self, answered: Submitted, share: Share) -> None:
        record = record_of(answered, self._keys, time_text(self._now()), self._record_bytes_max)
        await self._publisher.publish([record], share.keep)
        self._meter.count("intake_events", type=answered.envelope.type, source=CLIENT)


def event_of(notification: UUID, report: Report, now: datetime) -> Submitted | None:
    """The event of a report; None for one that settles nothing. The same status again gives the same id."""
    outcome = OUTCOMES[report.status]
    if outcome is None:
        return None
    model = DeliveryAnswered.model_validate(
        {
            "delivery_id": str(notification),
            "channel": "sms",
            "outcome": outcome,
            "code": report.status,
            "at": report.delivered or now,
        }
    )
    envelope = Envelope(uid_text("sms-report", str(notification), report.status), SOURCE, DeliveryAnswered.TYPE, now)
    data = orjson.dumps({**model.model_dump(exclude={"at"}), "at": time_text(model.at)})
    return Submitted(envelope, model, data, "", "")
