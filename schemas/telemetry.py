"""Every metric of the hub, in one typed list. What is not here cannot be counted: mypy refuses the name.

Names follow Prometheus: `hub_` is put before, the unit stands last, counters end in `_total` when shown. Labels are few
and closed: never an id, a person, a free text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, Protocol

MetricName = Literal[
    "events",
    "events_repeated",
    "unknown_fields",
    "batch_seconds",
    "batch_records",
    "ledger_seconds",
    "decisions",
    "decision_seconds",
    "deadlines_open",
    "deadlines_overdue",
    "deadline_lateness_seconds",
    "outbox_rows",
    "outbox_age_seconds",
    "published",
    "publish_seconds",
    "lag_records",
    "lag_age_seconds",
    "dead_letters",
    "dead_letters_open",
    "lookups",
    "lookup_seconds",
    "lookups_waiting",
    "notifications",
    "sends",
    "send_seconds",
    "sends_waiting",
    "sends_due_age_seconds",
    "sends_unknown",
    "breaker_open",
    "print_open",
    "unknown_outcomes",
    "intake_requests",
    "intake_events",
    "intake_seconds",
    "intake_bytes_in_flight",
    "retention_rows",
    "retention_age_seconds",
    "part_up",
    "part_restarts",
    "clock_offset_seconds",
    "video_rooms_open",
    "video_people",
    "video_sessions",
    "video_refusals",
    "video_plane",
    "video_passed",
    "video_join_seconds",
    "video_texts_waiting",
]
Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Metric:
    name: MetricName
    kind: Kind
    labels: tuple[str, ...]
    help: str
    buckets: tuple[float, ...] = ()


SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
RECORDS: Final = (1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0)
LATENESS: Final = (0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0, 15.0, 60.0, 600.0, 3600.0)

METRICS: Final[tuple[Metric, ...]] = (
    Metric("events", "counter", ("topic", "type"), "Events taken from a topic and committed to the ledger"),
    Metric("events_repeated", "counter", ("topic",), "Events seen before and left out"),
    Metric("unknown_fields", "counter", ("type",), "Fields of inbound events that no model names, ignored"),
    Metric("batch_seconds", "histogram", ("topic",), "One record batch, from its arrival to its acknowledgement", SECONDS),
    Metric("batch_records", "histogram", ("topic",), "Records in one batch", RECORDS),
    Metric("ledger_seconds", "histogram", ("step",), "Ledger work of a batch by step: read, write, commit", SECONDS),
    Metric("decisions", "counter", ("subject", "rule", "outcome"), "Decisions by the rule that decided and its outcome"),
    Metric("decision_seconds", "histogram", (), "Rules alone, for one batch", SECONDS),
    Metric("deadlines_open", "gauge", ("kind",), "Rows with a deadline ahead"),
    Metric("deadlines_overdue", "gauge", ("kind",), "Rows whose deadline has passed and that nobody has taken"),
    Metric("deadline_lateness_seconds", "histogram", ("kind",), "From a deadline to its decision", LATENESS),
    Metric("outbox_rows", "gauge", (), "Outputs committed and not yet published"),
    Metric("outbox_age_seconds", "gauge", (), "Age of the oldest output not yet published"),
    Metric("published", "counter", ("topic",), "Records acknowledged by Kafka"),
    Metric(
        "publish_seconds",
        "histogram",
        (),
        "From handing a batch's outputs to Kafka until all are acknowledged",
        SECONDS,
    ),
    Metric("lag_records", "gauge", ("group", "topic"), "Records of a topic the group has not committed"),
    Metric("lag_age_seconds", "gauge", ("group", "topic"), "Age of the oldest record the group has not committed"),
    Metric("dead_letters", "counter", ("topic", "class"), "Dead letters written"),
    Metric("dead_letters_open", "gauge", (), "Dead letters neither replayed nor discarded"),
    Metric("lookups", "counter", ("register", "outcome"), "Register look-ups by outcome"),
    Metric("lookup_seconds", "histogram", ("register",), "One register look-up", SECONDS),
    Metric("lookups_waiting", "gauge", ("register",), "People waiting for the register"),
    Metric("notifications", "counter", ("channel", "kind"), "Notifications requested"),
    Metric("sends", "counter", ("channel", "outcome"), "Tries to carry something to a peer, by outcome"),
    Metric("send_seconds", "histogram", ("channel", "step"), "Making a request (make), and one exchange with the peer (send)", SECONDS),
    Metric("sends_waiting", "gauge", ("channel", "why"), "Deliveries and texts that wait, by what for"),
    Metric("sends_due_age_seconds", "gauge", ("channel",), "How long the oldest delivery or text has been due"),
    Metric("sends_unknown", "gauge", ("channel",), "Deliveries and texts whose outcome a person has to find out"),
    Metric("breaker_open", "gauge", ("channel",), "1 while a peer is left alone but for a try now and then"),
    Metric("print_open", "gauge", ("reason",), "Entries of the print queue that nobody has handled"),
    Metric("unknown_outcomes", "gauge", ("channel",), "Deliveries whose outcome nobody knows yet"),
    Metric("intake_requests", "counter", ("endpoint", "status"), "HTTP requests to the gateway by status"),
    Metric("intake_events", "counter", ("type", "source"), "Events taken in by the gateway and acknowledged by Kafka"),
    Metric("intake_seconds", "histogram", ("endpoint",), "One HTTP request to the gateway", SECONDS),
    Metric("intake_bytes_in_flight", "gauge", (), "Bytes taken in and not yet acknowledged by Kafka"),
    Metric("retention_rows", "counter", ("table",), "Rows removed after their retention"),
    Metric("retention_age_seconds", "gauge", ("table",), "Age of the oldest row past its retention"),
    Metric("part_up", "gauge", ("part",), "1 while the part is ready"),
    Metric("part_restarts", "counter", ("part",), "How often the supervisor started the part again"),
    Metric("clock_offset_seconds", "gauge", (), "Hub time ahead of wall time (sandbox only)"),
    Metric("video_rooms_open", "gauge", (), "Meetings that go on"),
    Metric("video_people", "gauge", (), "People in meetings, with media"),
    Metric("video_sessions", "counter", ("state",), "What happened in meetings, by session state"),
    Metric("video_refusals", "counter", ("reason",), "People and commands refused, by reason"),
    Metric("video_plane", "gauge", ("figure",), "The forwarding plane's figures since its start: rooms, peers, packets, bytes, losses"),
    Metric("video_passed", "counter", ("kind", "outcome"), "Requests and lines passed on to the bridge that has the room"),
    Metric("video_join_seconds", "histogram", (), "From a page's hello, or its admission, until its media is up", SECONDS),
    Metric("video_texts_waiting", "gauge", (), "Chat lines and subjects that the ledger does not have yet"),
)
BY_NAME: Final[dict[MetricName, Metric]] = {m.name: m for m in METRICS}


class Meter(Protocol):
    """Where a part counts. Labels are given by keyword, exactly those of the table (`class_` for `class`)."""

    def count(self, name: MetricName, n: float = 1, **labels: str) -> None: ...

    def gauge(self, name: MetricName, value: float, **labels: str) -> None: ...

    def observe(self, name: MetricName, value: float, **labels: str) -> None: ...


class NullMeter:
    """Counts nothing; for tests and tools."""

    def count(self, name: MetricName, n: float = 1, **labels: str) -> None:
        return None

    def gauge(self, name: MetricName, value: float, **labels: str) -> None:
        return None

    def observe(self, name: MetricName, value: float, **labels: str) -> None:
        return None
