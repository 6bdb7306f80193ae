"""Counting with prometheus_client, logging with structlog: how the names of `schemas.telemetry` reach an operator.

A log line is JSON on standard error: a constant event name and fields. No part writes personal data into one; should
one try all the same, the last processor takes out whatever looks like a personal number before the line leaves.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
from collections.abc import Callable, MutableMapping
from types import TracebackType
from typing import Any, Final, TextIO

import orjson
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.openmetrics import exposition

from schemas.telemetry import BY_NAME, METRICS, Meter, Metric, MetricName

OPENMETRICS: Final = exposition.CONTENT_TYPE_LATEST
PERSONAL_NUMBER: Final = re.compile(
    r"(?<![0-9A-Fa-f-])(?:(?:18|19|20)\d{2}|\d{2})(?:0\d|1[0-2])(?:[0-2]\d|3[01]|[6-8]\d|9[01])[-+]?\d{4}(?![0-9A-Fa-f-])"
    r"|(?<![0-9A-Fa-f-])99\d{6}[-+]?\d{4}(?![0-9A-Fa-f-])"
)
"""A personnummer, samordningsnummer or reservnummer with 10 or 12 digits; not inside a hex id or a longer number."""
_openmetrics: Final[Callable[[CollectorRegistry], Any]] = exposition.generate_latest
REDACTED: Final = "[redacted]"
DEPTH_MAX: Final = 6

_TYPES: Final[dict[str, Callable[..., Any]]] = {"counter": Counter, "gauge": Gauge}


class PrometheusMeter:
    """The `Meter` of a part: the whole table registered at once, so that a metric is there, as 0, before it moves."""

    def __init__(self, part: str) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._made = {m.name: _make(m, self.registry) for m in METRICS}
        self._children: dict[tuple[Any, ...], Any] = {}
        self.gauge("part_up", 0, part=part)

    def count(self, name: MetricName, n: float = 1, **labels: str) -> None:
        self._child(name, labels).inc(n)

    def gauge(self, name: MetricName, value: float, **labels: str) -> None:
        self._child(name, labels).set(value)

    def observe(self, name: MetricName, value: float, **labels: str) -> None:
        self._child(name, labels).observe(value)

    def exposition(self) -> bytes:
        """OpenMetrics text; its content type is `OPENMETRICS`."""
        text: bytes = _openmetrics(self.registry)
        return text

    def _child(self, name: MetricName, labels: dict[str, str]) -> Any:
        key = (name, *labels.values())
        child = self._children.get(key)
        if child is None:
            wanted = BY_NAME[name].labels
            given = {k.rstrip("_"): v for k, v in labels.items()}
            if tuple(given) != wanted:
                raise ValueError(f"metric {name} has the labels {wanted}, in this order")
            child = self._children[key] = self._made[name].labels(**given) if wanted else self._made[name]
        return child


def _make(metric: Metric, registry: CollectorRegistry) -> Any:
    name = f"hub_{metric.name}"
    if metric.kind == "histogram":
        return Histogram(name, metric.help, metric.labels, registry=registry, buckets=metric.buckets)
    return _TYPES[metric.kind](name, metric.help, metric.labels, registry=registry)


def redact(value: Any, depth: int = 0) -> Any:
    """`value` with everything that looks like a personal number taken out, in keys and in what is nested too."""
    if isinstance(value, str):
        return PERSONAL_NUMBER.sub(REDACTED, value)
    if isinstance(value, bytes):
        return redact(value.decode("utf-8", "replace"))
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return REDACTED if PERSONAL_NUMBER.fullmatch(str(value)) else value
    if depth >= DEPTH_MAX:
        return "…"
    if isinstance(value, dict):
        return {redact(str(k)): redact(v, depth + 1) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(v, depth + 1) for v in value]
    return redact(str(value))


_trace: Final = structlog.tracebacks.ExceptionDictTransformer(show_locals=False, max_frames=12)


OUR_PACKAGES: Final = frozenset({"config", "schemas", "pipelines", "connectors", "video", "console", "hub", "aiokafka"})
_CONDITIONS: Final = frozenset({"08", "25", "28", "3D", "40", "53", "55", "57", "58"})
"""Classes of SQLSTATE that are about the server and the session, not about data (PostgreSQL manual, appendix A)."""


def told(error: BaseException) -> str:
    """An exception's text where it cannot quote data: ours, the system's, and what PostgreSQL says of itself.

    Others show what they could not take: `KeyError('…')`, "invalid input for query argument $1: '…'".
    """
    sqlstate = getattr(error, "sqlstate", None) or ""
    ours = type(error).__module__.partition(".")[0] in OUR_PACKAGES
    if ours or isinstance(error, OSError) or sqlstate[:2] in _CONDITIONS:
        return str(error).split("\n", 1)[0][:200]
    return f"SQLSTATE {sqlstate}" if sqlstate else ""


def _safe_trace(exc_info: tuple[type[BaseException], BaseException, TracebackType | None]) -> list[dict[str, Any]]:
    """The traceback without local variables and without texts that quote data."""
    stacks: list[dict[str, Any]] = _trace(exc_info)
    error: BaseException | None = exc_info[1]
    for stack in stacks:
        stack["exc_value"] = "" if error is None else told(error)
        stack["frames"] = [f"{f['filename']}:{f['lineno']} {f['name']}" for f in stack["frames"]]
        if error is not None:  # the order in which they are listed (structlog.tracebacks.extract)
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return [{k: s[k] for k in ("exc_type", "exc_value", "is_cause", "frames")} for s in stacks]


def _quote_nothing(record: logging.LogRecord) -> bool:
    """Of what libraries log: the first line, and of exceptions among the arguments their type alone."""
    if isinstance(record.args, tuple):
        record.args = tuple(type(arg).__name__ if isinstance(arg, BaseException) else arg for arg in record.args)
    record.msg = str(record.msg).split("\n", 1)[0]
    return True


def _redact_line(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    kept = {k: line[k] for k in ("timestamp", "level", "event") if k in line}
    cleaned: dict[str, Any] = redact({k: v for k, v in line.items() if k != "timestamp"})
    return {**kept, **cleaned}


def _to_json(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> str:
    return orjson.dumps(dict(line), default=str).decode()


def set_up_logging(part: str, level: str = "info", out: TextIO | None = None) -> None:
    """JSON lines on `out` (standard error) for structlog and for what libraries log by `logging`, both redacted.

    An exception that ends the process, or a thread, and one that nobody can be given, are such lines, too: the interpreter would write
    their whole text, and that of a `KeyError` is the key.
    """
    out = sys.stderr if out is None else out
    threshold = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.ExceptionRenderer(_safe_trace),
    ]
    structlog.configure(
        processors=[*shared, _redact_line, _to_json],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(part=part)
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _redact_line, _to_json],
        )
    )
    handler.addFilter(_quote_nothing)
    logging.basicConfig(handlers=[handler], level=max(threshold, logging.WARNING), force=True)
    logging.captureWarnings(True)

    def ends(event: str, error: BaseException | None) -> None:
        while isinstance(error, BaseExceptionGroup):  # of a group the first one that it is about
            error = error.exceptions[0]
        if not out.closed:
            structlog.get_logger().critical(event, part=part, exc_info=error)  # another thread has no bound variables

    sys.excepthook = lambda _kind, error, _trace: ends("part_failed", error)
    threading.excepthook = lambda thread: ends("thread_failed", thread.exc_value)
    sys.unraisablehook = lambda ignored: ends("exception_ignored", ignored.exc_value)


_conforms: type[Meter] = PrometheusMeter  # mypy: the meter keeps the protocol's word
