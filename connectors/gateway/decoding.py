"""A request's body to checked events, all of it or none (CONTRACTS section 3): pure.

Faults of all events are told at once, by JSON Pointer into what was submitted: `/3/data/patient` in a batch,
`/data/patient` in one structured event, `/patient` where the body is the data itself (binary mode).
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple
from urllib.parse import unquote

import orjson

from connectors.gateway.options import Limits
from schemas import cloudevents
from schemas.cloudevents import BATCH, JSON, NDJSON, STRUCTURED, Envelope
from schemas.errors import FieldError, Malformed, TooLarge, UnknownType
from schemas.events import INBOUND, DocumentSubmitted, Inbound, decode_as

NDJSON_TYPES: Final = frozenset({NDJSON, "application/ndjson", "application/jsonl"})
CONTENT_TYPES: Final = (STRUCTURED, BATCH, NDJSON, JSON)
"""What `POST /v1/events` takes; plain JSON with `ce-` headers is CloudEvents' binary mode."""
FAULTS_MAX: Final = 200
_PERSON_FIELDS: Final = ("patient", "agent", "read_by", "replaced_by", "linked")
_PERSON_FIELDS_OF: Final = {model: tuple(name for name in _PERSON_FIELDS if name in model.model_fields) for model in INBOUND.values()}


class Submitted(NamedTuple):
    """One checked event. `at` is where its data stands in the request; `data` is what Kafka gets."""

    envelope: Envelope
    model: Inbound
    data: bytes
    at: str
    context: str
    """Where its attributes stand: `/3` or nothing; in binary mode they are headers."""


class Unsupported(ValueError):
    """A content type that is not taken (415)."""


def decode_request(content_type: str, headers: Mapping[str, str], body: bytes, limits: Limits) -> list[Submitted]:
    """The events of a request. Raises `Unsupported`, or `Malformed` with every fault found."""
    media, charset = _media(content_type)
    if charset not in ("", "utf-8", "us-ascii"):
        raise Unsupported("charset")
    if media in NDJSON_TYPES:
        return check(_numbered(_bounded(cloudevents.decode_ndjson(body), limits)), limits)
    if media == BATCH:
        return check(_numbered(_bounded(cloudevents.decode_batch(body), limits)), limits)
    if media == STRUCTURED:
        return check([(*cloudevents.decode_structured(body), "/data", "")], limits)
    if media == JSON and "ce-specversion" in headers:
        # Percent-encoded UTF-8 (CloudEvents HTTP binding, section 3.1.3.2).
        kafka_names = [
            (f"ce_{name[3:]}", unquote(text, errors="replace").encode()) for name, text in headers.items() if name.startswith("ce-")
        ]
        kafka_names.append(("content-type", JSON.encode()))
        if "traceparent" in headers:
            kafka_names.append(("traceparent", headers["traceparent"].encode()))
        return check([(*cloudevents.decode_record(kafka_names, body), "", "")], limits)
    if media == JSON:  # a client that knows JSON alone: an array is a batch, an object one event
        if body.lstrip()[:1] == b"[":
            return check(_numbered(_bounded(cloudevents.decode_batch(body), limits)), limits)
        return check([(*cloudevents.decode_structured(body), "/data", "")], limits)
    raise Unsupported("content type")


def check(events: Iterable[tuple[Envelope, bytes, str, str]], limits: Limits) -> list[Submitted]:
    """Envelopes with their data (and where both stand) to checked events. All faults, or all events."""
    checked: list[Submitted] = []
    faults: list[Malformed] = []
    for envelope, data, at, context in events:
        try:
            checked.append(_checked(envelope, data, at, context, limits))
        except Malformed as fault:
            faults.append(fault)
    if faults:
        raise together(faults)
    return checked


def together(faults: list[Malformed]) -> Malformed:
    """Many faults as one; of one class only where all are of that class (413, 422), else simply malformed."""
    errors = [error for fault in faults for error in fault.errors][:FAULTS_MAX]
    classes = {type(fault) for fault in faults}
    return classes.pop()(errors) if len(classes) == 1 else Malformed(errors)


def _checked(envelope: Envelope, data: bytes, at: str, context: str, limits: Limits) -> Submitted:
    model_type = INBOUND.get(envelope.type)
    if model_type is None:
        raise UnknownType([(f"{context}/type", "is of no event type that is taken here")])
    try:
        model = decode_as(model_type, data)
    except Malformed as fault:
        raise fault.under(at) from None
    if isinstance(model, DocumentSubmitted):
        _check_attachments(model, at, limits)
    return Submitted(envelope, model, _normalised(model, data), at, context)


def _check_attachments(model: DocumentSubmitted, at: str, limits: Limits) -> None:
    if len(model.attachments) > limits.attachments_max:
        raise TooLarge([(f"{at}/attachments", f"has more than {limits.attachments_max} items")])
    large = [
        FieldError(f"{at}/attachments/{place}/data", f"is larger than {limits.attachment_bytes_max} bytes")
        for place, attachment in enumerate(model.attachments)
        if attachment.data is not None and len(attachment.data) > limits.attachment_bytes_max
    ]
    if large:
        raise TooLarge(large)


def _normalised(model: Inbound, data: bytes) -> bytes:
    """The sender's own data with person ids in their normal form, and nothing else touched.

    Written anew from the model, a local time would lose that it had no zone, and with it the flag of the
    doubled autumn hour; the worker also counts unknown fields, which therefore go on.
    """
    ids = {name: getattr(model, name) for name in _PERSON_FIELDS_OF[type(model)]}
    given = {name: list(value) if isinstance(value, tuple) else value for name, value in ids.items() if value}
    if all(_stands(name, value, data) for name, value in given.items()):
        return data
    return orjson.dumps({**orjson.loads(data), **given})


def _stands(name: str, value: str | list[str], data: bytes) -> bool:
    """Whether compact JSON has this member once, and with this value (a quote within a text is escaped)."""
    key = f'"{name}":'.encode()
    return data.count(key) == 1 and key + orjson.dumps(value) in data


def _bounded(events: list[tuple[Envelope, bytes]], limits: Limits) -> list[tuple[Envelope, bytes]]:
    if len(events) > limits.events_max:
        raise TooLarge([("", f"has more than {limits.events_max} events")])
    return events


def _numbered(events: list[tuple[Envelope, bytes]]) -> list[tuple[Envelope, bytes, str, str]]:
    return [(envelope, data, f"/{place}/data", f"/{place}") for place, (envelope, data) in enumerate(events)]


def _media(content_type: str) -> tuple[str, str]:
    """The media type and its charset, both in lower case; other parameters mean nothing here."""
    media, *parameters = content_type.split(";")
    charset = ""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            charset = value.strip().strip('"').lower()
    return media.strip().lower(), charset
