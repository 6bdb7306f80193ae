"""`POST /riv/processnotification` and `POST /riv/processrequestconfirmation` (RIVTABP2.1).

A notice is answered OK only when the booking it is about has been pulled *and* Kafka has it; until then the
engagement index keeps it. When source or Kafka cannot be reached the answer is a SOAP fault, a technical error,
which the index's own durable queue repeats (a logical ERROR it would not). So no second queue is needed here, and
nothing is lost between two queues; a repeated notice makes the same event, which the hub knows.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, Protocol

import orjson

from connectors.gateway.admission import Share
from connectors.gateway.decoding import Submitted, check
from connectors.gateway.envelope import Opened, envelope
from connectors.gateway.intake import Intake
from connectors.gateway.options import Limits
from connectors.gateway.refusals import Refused, unavailable
from connectors.gateway.rights import Client
from connectors.rivta import bookings, confirmations, notices
from connectors.rivta.bookings import Details
from connectors.rivta.notices import Notice
from schemas.cloudevents import Envelope, uid_text
from schemas.errors import FieldError, Malformed, Rejected, Unavailable
from schemas.keys import content_hash

SOURCE: Final = "/ehr/rivta"
VIA: Final = "rivta"
"""The row `[sources.rivta]` of the settings: its kinds, units and (no) control codes."""
COMMENT_CHARS_MAX: Final = 2_000


class Source(Protocol):
    """Where bookings are pulled from; raises `Rejected` or `Unavailable`."""

    async def get(self, unit: str, booking_id: str) -> Details: ...


class Rivta:
    """The two operations."""

    def __init__(self, intake: Intake, source: Source, limits: Limits, now: Callable[[], datetime]) -> None:
        self._intake = intake
        self._source = source
        self._limits = limits
        self._now = now

    async def notify(self, client: Client, message: Opened, share: Share) -> bytes:
        """ProcessNotification. Raises `Refused` (503) where the index shall repeat."""
        try:
            found, others = notices.decode_notification(message.payload)
        except Malformed as fault:
            return envelope(notices.encode_answer("ERROR", fault.cause[:COMMENT_CHARS_MAX]))
        pulled = await asyncio.gather(*(self._booking(notice) for notice in notices.in_order(found)))
        faults = [fault for _, fault in pulled if fault is not None]
        events: list[Submitted] = []
        for data, _ in pulled:
            if data is not None:
                try:
                    events.extend(self._submitted("booking.changed.v1", data))
                except Malformed as fault:
                    faults.extend(fault.errors)
        try:
            if events:
                await self._intake.take(client, events, share, VIA)
        except Refused as refusal:
            if refusal.problem.status != 403:
                raise
            faults.extend(refusal.problem.errors)
        if faults:
            return envelope(notices.encode_answer("ERROR", _told(faults)))
        if others:
            return envelope(notices.encode_answer("INFO", f"{others} notices are about what the hub does not take"))
        return envelope(notices.encode_answer("OK"))

    async def confirm(self, client: Client, message: Opened, share: Share) -> bytes:
        """ProcessRequestConfirmation."""
        try:
            code, data = confirmations.decode_confirmation(message.payload)
            if code != confirmations.RECEIVED:
                told = f"{code} is between care units and is not sent to the patient"
                return envelope(confirmations.encode_result("INFO", message=told))
            events = self._submitted("document.submitted.v1", data)
            await self._intake.take(client, events, share, VIA)
        except Malformed as fault:
            return _invalid(fault.errors)
        except Refused as refusal:
            if refusal.problem.status != 403:
                raise
            return _invalid(refusal.problem.errors)
        return envelope(confirmations.encode_result("OK"))

    async def _booking(self, notice: Notice) -> tuple[dict[str, Any] | None, FieldError | None]:
        """The event's data, or why there is none. Raises `Refused` where repeating helps."""
        try:
            details = await self._source.get(notice.logical_address, notice.booking_id)
            return bookings.changed(notice, details, self._now()), None
        except Unavailable:
            raise unavailable("The booking's source cannot be reached", self._limits.retry_after_s) from None
        except Rejected as refusal:
            if notice.deleted:
                return bookings.removed(notice, self._now()), None
            return None, FieldError(notice.at, f"could not be read from its source ({refusal.code})")
        except Malformed as fault:
            return None, FieldError(notice.at, fault.cause)

    def _submitted(self, ce_type: str, data: dict[str, Any]) -> list[Submitted]:
        """One checked event. Its id follows from its content, so a repeated message is the same event."""
        raw = orjson.dumps(data)
        event_id = uid_text(VIA, ce_type, content_hash(raw).hex())
        return check([(Envelope(event_id, SOURCE, ce_type, self._now()), raw, "", "")], self._limits)


def _invalid(errors: Sequence[FieldError]) -> bytes:
    named = [FieldError(error.pointer if _is_path(error) else confirmations.field_path(error.pointer), error.reason) for error in errors]
    return envelope(confirmations.encode_result("ERROR", "VALIDATION_ERROR", _told(named)))


def _is_path(error: FieldError) -> bool:
    return error.pointer.startswith(("/ProcessRequestConfirmation", "/Envelope"))


def _told(errors: Sequence[FieldError]) -> str:
    return "; ".join(f"{error.pointer or '(whole)'}: {error.reason}" for error in errors)[:COMMENT_CHARS_MAX]
