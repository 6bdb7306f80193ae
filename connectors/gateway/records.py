"""Checked events to Kafka records (CONTRACTS section 2): topic, key, partition, headers. Pure.

Keys are the person's opaque key; a partition always follows it, so one person's events keep their order.
"""

from typing import Final

from connectors.gateway.decoding import Submitted
from connectors.gateway.publishing import Output
from schemas.cloudevents import PersonKeys, headers_for, time_text
from schemas.errors import FieldError, Malformed, TooLarge
from schemas.events import DeliveryAnswered, TimeTypeChanged
from schemas.topics import TOPICS, inbound_topic, record_key

RECORD_OVERHEAD_BYTES: Final = 512
"""Of a record batch with one record: its own header, varints, and what compression may add."""


def record_of(event: Submitted, keys: PersonKeys, now_text: str, record_bytes_max: int) -> Output:
    """The record of one event. `now_text` is the time of an event that has none. Raises `TooLarge`."""
    envelope, model = event.envelope, event.model
    topic = inbound_topic(envelope.type, getattr(model, "kind", None))
    if topic is None:  # INBOUND and the table of topics are held together by a test
        raise Malformed([(f"{event.context}/type", "has no topic")])
    person = getattr(model, "patient", None)
    by = keys.key(person) if person is not None else _other(event)
    headers = headers_for(
        envelope.type,
        envelope.id,
        envelope.source,
        time_text(envelope.time) if envelope.time is not None else now_text,
        subject=envelope.subject,
        partitionkey=by,
        traceparent=envelope.traceparent,
        sequence=envelope.sequence,
    )
    record = Output(topic, record_key(envelope.type, model.__dict__, by, keys).encode(), event.data, headers, by.encode())
    limit = min(record_bytes_max, TOPICS[topic].bytes_max) - RECORD_OVERHEAD_BYTES
    if _size(record) > limit:
        raise TooLarge([FieldError(event.at, f"is larger than {limit} bytes as one record")])
    return record


def _size(record: Output) -> int:
    """Bytes of key, value and headers."""
    return len(record.key) + len(record.value) + sum(len(name) + len(value) for name, value in record.headers)


def _other(event: Submitted) -> str:
    """What stands for the person where an event is about none: the unit's time type, the delivery."""
    model = event.model
    if isinstance(model, TimeTypeChanged):
        return f"{model.unit}/{model.time_type.id}"
    if isinstance(model, DeliveryAnswered):
        return model.delivery_id
    return event.envelope.subject or event.envelope.id
