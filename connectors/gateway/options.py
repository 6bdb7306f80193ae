"""Every limit of the gateway by name, with its default. The settings may change each of them."""

from dataclasses import dataclass
from typing import Final

from schemas.fields import ATTACHMENT_BYTES_MAX, ATTACHMENTS_MAX
from schemas.topics import LARGE_BYTES_MAX

MEBIBYTE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request, one client and the whole gateway may take. Sizes in bytes, times in seconds."""

    body_bytes_max: int = 8 * MEBIBYTE
    events_max: int = 1_000
    attachments_max: int = ATTACHMENTS_MAX
    attachment_bytes_max: int = ATTACHMENT_BYTES_MAX
    record_bytes_max: int = LARGE_BYTES_MAX
    """An event as Kafka gets it, headers included; a topic's own limit may be smaller."""
    in_flight_bytes_max: int = 64 * MEBIBYTE
    """Bodies taken in and not yet acknowledged by Kafka; memory is at most about six times that."""
    client_bytes_max: int = 48 * MEBIBYTE
    """One client's share of it, so that one flood does not shut the others out."""
    body_timeout_s: float = 20.0
    publish_timeout_s: float = 10.0
    idle_timeout_s: float = 15.0
    """A connection that sends no complete request head for so long is closed."""
    pull_timeout_s: float = 5.0
    """GetBookingDetails, within the 10 s that an engagement index waits."""
    connections_max: int = 1_000
    requests_max: int = 256
    """Requests being worked on at once."""
    retry_after_s: int = 2
