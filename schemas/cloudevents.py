"""CloudEvents 1.0 on Kafka (binary and structured mode) and over HTTP (one, batch, NDJSON).

Binary mode puts the attributes in `ce_` headers and the data, untouched, in the value (CloudEvents Kafka
protocol binding 3.2); structured mode puts all of it in one JSON object (3.3). What the hub writes is
binary. Decoding checks the envelope; the data is only located, `schemas.events.decode` reads it.
"""

import binascii
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import orjson

from schemas.errors import FieldError, Malformed, TooLarge
from schemas.keys import PersonKeys, content_hash, event_key, uid, uid_text

__all__ = [
    "Envelope", "PersonKeys", "content_hash", "dataschema_of", "decode_batch", "decode_ndjson", "decode_one",
    "decode_record", "decode_structured", "event_key", "headers_for", "sequence_of", "structured", "time_text", "uid",
    "uid_text",
]  # fmt: skip

SPEC_VERSION: Final = "1.0"
JSON: Final = "application/json"
STRUCTURED: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"
NDJSON: Final = "application/x-ndjson"
SCHEMA_BASE: Final = "urn:care-hub:schema:"

ATTRIBUTE_CHARS_MAX: Final = 500
BATCH_EVENTS_MAX: Final = 1_000

Headers = Sequence[tuple[str, bytes | None]]


class Envelope(NamedTuple):
    """The context of one event. `(source, id)` is one event, however often it comes."""

    id: str
    source: str
    type: str
    time: datetime | None = None
    subject: str | None = None
    dataschema: str | None = None
    partitionkey: str | None = None
    traceparent: str | None = None
    sequence: str | None = None

    @property
    def key(self) -> bytes:
        """Sixteen bytes for the dedupe."""
        return event_key(self.source, self.id)


_NAMES: Final = {f"ce_{name}": name for name in Envelope._fields} | {"traceparent": "traceparent"}
_TRACEPARENT: Final = re.compile("[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C Trace Context 3.2; one of another form is ignored, as it would go on to the topics of others."""
_REQUIRED: Final = ("id", "source", "type")


def dataschema_of(ce_type: str) -> str:
    """The `dataschema` of a type: the `$id` of its published JSON Schema."""
    return SCHEMA_BASE + ce_type


def time_text(at: datetime) -> str:
    """RFC 3339 in UTC with `Z`. `at` must be aware."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def sequence_of(number: int) -> str:
    """The value of the CloudEvents extension `sequence`: 20 digits, so that text order is number order."""
    return f"{number:020d}"


_CONSTANT: dict[str, list[tuple[str, bytes]]] = {}


def headers_for(
    ce_type: str,
    event_id: str,
    source: str,
    time: str,
    *,
    subject: str | None = None,
    partitionkey: str | None = None,
    traceparent: str | None = None,
    sequence: str | None = None,
) -> list[tuple[str, bytes]]:
    """The Kafka headers of an event that the hub writes (binary mode). `time` is text, see `time_text`."""
    constant = _CONSTANT.get(ce_type)
    if constant is None:
        constant = _CONSTANT[ce_type] = [
            ("ce_specversion", b"1.0"),
            ("ce_type", ce_type.encode()),
            ("ce_dataschema", dataschema_of(ce_type).encode()),
            ("content-type", JSON.encode()),
        ]
    headers = [("ce_id", event_id.encode()), ("ce_source", source.encode()), ("ce_time", time.encode()), *constant]
    if subject is not None:
        headers.append(("ce_subject", subject.encode()))
    if partitionkey is not None:
        headers.append(("ce_partitionkey", partitionkey.encode()))
    if traceparent is not None:
        headers.append(("traceparent", traceparent.encode()))
    if sequence is not None:
        headers.append(("ce_sequence", sequence.encode()))
    return headers


def decode_record(headers: Headers, value: bytes) -> tuple[Envelope, bytes]:
    """The envelope and the data bytes of a Kafka record, in either mode. Raises `Malformed`.

    A tombstone (null value) is no event; the caller sorts it out before.
    """
    found: dict[str, str] = {}
    content_type = ""
    version = None
    try:
        for name, raw in headers:
            if raw is None:
                continue
            if name == "content-type":
                content_type = raw.decode()
            elif name == "ce_specversion":
                version = raw.decode()
            elif (attribute := _NAMES.get(name)) is not None:
                found[attribute] = raw.decode()
    except UnicodeDecodeError:
        raise Malformed([(f"/{name}", "is not UTF-8")]) from None
    if content_type.startswith(STRUCTURED):
        return decode_structured(value)
    if version is None and not found:
        if b'"specversion"' in value:  # the binding asks for the content type; a plain client forgets it, and nothing else looks so
            return decode_structured(value)
        raise Malformed([("", "is no CloudEvent: neither ce_ headers nor structured content")])
    if content_type and not _is_json(content_type):
        raise Malformed([("/content-type", "should be application/json")])
    return _envelope(found, version, "/ce_"), value


def decode_structured(body: bytes) -> tuple[Envelope, bytes]:
    """One event in structured mode, from its JSON text. Raises `Malformed`."""
    return decode_one(_json(body))


def decode_one(event: Any) -> tuple[Envelope, bytes]:
    """One event in structured mode, already parsed. Its data is written again as compact JSON bytes."""
    if not isinstance(event, dict):
        raise Malformed([("", "should be an object: one CloudEvent")])
    strings: dict[str, str] = {}
    for name in Envelope._fields:
        value = event.get(name)
        if value is None:
            continue
        if not isinstance(value, str):
            raise Malformed([(f"/{name}", "should be a string")])
        strings[name] = value
    envelope = _envelope(strings, event.get("specversion"), "/")
    media = event.get("datacontenttype", JSON)
    if not isinstance(media, str) or not _is_json(media):
        raise Malformed([("/datacontenttype", "should be application/json")])
    return envelope, _data(event)


def decode_batch(body: bytes) -> list[tuple[Envelope, bytes]]:
    """All events of a JSON batch, or none: `Malformed` names every faulty one by its index."""
    events = _json(body)
    if not isinstance(events, list):
        raise Malformed([("", "should be an array of CloudEvents")])
    return _all(events)


def decode_ndjson(body: bytes) -> list[tuple[Envelope, bytes]]:
    """All events of newline-delimited JSON, or none; the index in a pointer counts the lines with content."""
    lines = [line for line in body.split(b"\n") if line.strip()]
    return _all(lines, parse=True)


def structured(envelope: Envelope, data: bytes) -> bytes:
    """An event in structured mode; `data` is JSON bytes and goes in as it is."""
    members: dict[str, Any] = {"specversion": SPEC_VERSION, "datacontenttype": JSON}
    for name, value in zip(Envelope._fields, envelope, strict=True):
        if value is not None:
            members[name] = time_text(value) if isinstance(value, datetime) else value
    members["data"] = orjson.Fragment(data)
    return orjson.dumps(members)


def _all(events: Iterable[Any], *, parse: bool = False) -> list[tuple[Envelope, bytes]]:
    decoded: list[tuple[Envelope, bytes]] = []
    faults: list[FieldError] = []
    for place, event in enumerate(events):
        if place >= BATCH_EVENTS_MAX:
            raise TooLarge([("", f"has more than {BATCH_EVENTS_MAX} events")])
        try:
            decoded.append(decode_one(_json(event) if parse else event))
        except Malformed as fault:
            faults.extend(fault.under(f"/{place}").errors)
    if faults:
        raise Malformed(faults)
    if not decoded:
        raise Malformed([("", "has no event")])
    return decoded


def _envelope(found: dict[str, str], version: Any, at: str) -> Envelope:
    faults: list[FieldError] = []
    if version != SPEC_VERSION:
        faults.append(FieldError(f"{at}specversion", "should be 1.0"))
    for name in _REQUIRED:
        if not found.get(name):
            faults.append(FieldError(at + name, "is required"))
    together = "".join(found.values())
    if len(together) > ATTRIBUTE_CHARS_MAX or not together.isprintable():  # seldom, so that few events pay for it
        faults += _attribute_faults(found, at)
    time = None
    text_of_time = found.pop("time", None)
    if text_of_time is not None:
        try:
            time = datetime.fromisoformat(text_of_time)
            if time.tzinfo is not UTC:
                if time.tzinfo is None:
                    raise ValueError
                time = time.astimezone(UTC)
        except (ValueError, OverflowError):
            faults.append(FieldError(f"{at}time", "is not an RFC 3339 time with a zone"))
    if faults:
        raise Malformed(faults)
    if "traceparent" in found and _TRACEPARENT.fullmatch(found["traceparent"]) is None:
        del found["traceparent"]
    return Envelope(time=time, **found)


def _attribute_faults(found: dict[str, str], at: str) -> Iterator[FieldError]:
    for name, text in found.items():
        if len(text) > ATTRIBUTE_CHARS_MAX:
            yield FieldError(at + name, f"is longer than {ATTRIBUTE_CHARS_MAX} characters")
        elif not text.isprintable():
            yield FieldError(at + name, "has control characters")


def _data(event: dict[str, Any]) -> bytes:
    if "data" in event:
        if "data_base64" in event:
            raise Malformed([("/data_base64", "cannot stand beside data")])
        try:
            return orjson.dumps(event["data"])
        except orjson.JSONEncodeError:  # it reads deeper than it writes
            raise Malformed([("/data", "is nested too deep")]) from None
    encoded = event.get("data_base64")
    if encoded is None:
        raise Malformed([("/data", "is required")])
    try:
        if not isinstance(encoded, str):
            raise ValueError
        return binascii.a2b_base64(encoded.encode("ascii"), strict_mode=True)
    except ValueError:
        raise Malformed([("/data_base64", "is not valid base64")]) from None


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Malformed([("", "is not valid JSON")]) from None


def _is_json(media: str) -> bool:
    base = media.split(";", 1)[0].strip().lower()
    return base == JSON or base.endswith("+json")
