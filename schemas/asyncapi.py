"""The AsyncAPI 3.0 document of the hub's topics, made from the topic, principal and event tables.

Operations are the hub's: it *sends* what it writes and *receives* what comes in. Payloads point at the JSON
Schemas beside the document, keys and topic settings stand in the Kafka bindings (0.5.0).
"""

from typing import Any, Final

from schemas.cloudevents import JSON, SPEC_VERSION, dataschema_of
from schemas.errors import DEAD_LETTER_CLASSES
from schemas.events import EVENTS
from schemas.principals import PRINCIPALS, may_read, may_write
from schemas.topics import TOPICS, Topic

VERSION: Final = "1.0.0"
_BINDING: Final = "0.5.0"
_PERSON_KEY: Final = {
    "type": "string",
    "pattern": "^[0-9]+-[0-9a-f]{32}$",
    "description": "The person's opaque key, key version first. Personal data all the same.",
}
_KEYS: Final[dict[str, dict[str, Any]]] = {
    "person": _PERSON_KEY,
    "person_key": _PERSON_KEY,
    "link": {"type": "string", "description": "Opaque keys of person and agent, and their relation; partitioned by the person's."},
    "mailbox": {"type": "string", "description": "The person's opaque key, sender and operator; partitioned by the person's key."},
    "booking_id": {"type": "string", "description": "The booking's id; partitioned by `ce_partitionkey`."},
    "room_id": {"type": "string", "description": "The room's id; partitioned by `ce_partitionkey`."},
    "origin": {"type": "string", "description": "The letter's own id: the key of the record that could not be handled may hold anything."},
}


def document() -> dict[str, Any]:
    """The whole document as JSON values."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Care hub topics",
            "version": VERSION,
            "description": (
                "CloudEvents 1.0 on Kafka in binary mode (structured mode is accepted too). One event is one "
                "`(ce_source, ce_id)`, however often it comes. Consumers ignore unknown fields and unknown enum "
                "values; schemas change only compatibly, a breaking change is a new topic version beside the old one."
            ),
        },
        "defaultContentType": JSON,
        "servers": {
            "broker": {
                "host": "localhost:19092",
                "protocol": "kafka",
                "description": "The embedded broker's default; each installation has its own.",
                "security": [{"$ref": "#/components/securitySchemes/scram"}],
            }
        },
        "channels": {channel_id(topic.name): _channel(topic) for topic in TOPICS.values()},
        "operations": {f"{_verb(topic)}.{channel_id(topic.name)}": _operation(topic) for topic in TOPICS.values()},
        "components": {
            "securitySchemes": {
                "scram": {
                    "type": "scramSha512",
                    "description": "SASL/SCRAM-SHA-512; each principal reads and writes the topics its ACLs name.",
                }
            },
            "messages": {message_id(each): _message(each) for each in EVENTS} | {"deadLetter": _dead_letter()},
            "messageTraits": {"cloudEvent": {"headers": _headers()}},
        },
    }


def channel_id(topic: str) -> str:
    """A topic's name as a key that references can hold."""
    return topic.replace(".", "_").replace("-", "_")


def message_id(ce_type: str) -> str:
    """An event type as a key that references can hold."""
    return ce_type.replace(".", "_")


def _verb(topic: Topic) -> str:
    return "send" if topic.direction == "outbound" else "receive"


def _messages(topic: Topic) -> list[str]:
    return [message_id(ce_type) for ce_type in topic.types] or ["deadLetter"]


def _channel(topic: Topic) -> dict[str, Any]:
    settings = topic.config
    configuration: dict[str, Any] = {"cleanup.policy": [topic.cleanup], "max.message.bytes": topic.bytes_max}
    if topic.retention_ms is not None:
        configuration["retention.ms"] = topic.retention_ms
    if "delete.retention.ms" in settings:
        configuration["delete.retention.ms"] = int(settings["delete.retention.ms"])
    return {
        "address": topic.name,
        "title": topic.name,
        "description": f"{topic.meaning}. {_access(topic)}",
        "messages": {each: {"$ref": f"#/components/messages/{each}"} for each in _messages(topic)},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": configuration,
                "bindingVersion": _BINDING,
            }
        },
        "x-key": _KEYS[topic.keyed],
    }


def _access(topic: Topic) -> str:
    others = [name for name in PRINCIPALS if name not in ("hub", "operator")]
    readers = [name for name in others if may_read(name, topic.name)]
    writers = [name for name in others if may_write(name, topic.name)]
    text = f"Readers beside the hub and its operators: {', '.join(readers) or 'none'}."
    return f"{text} Writers beside the hub: {', '.join(writers)}." if writers else text


def _operation(topic: Topic) -> dict[str, Any]:
    channel = f"#/channels/{channel_id(topic.name)}"
    return {
        "action": _verb(topic),
        "channel": {"$ref": channel},
        "summary": topic.meaning,
        "messages": [{"$ref": f"{channel}/messages/{each}"} for each in _messages(topic)],
        "bindings": {"kafka": {"bindingVersion": _BINDING}},
    }


def _message(ce_type: str) -> dict[str, Any]:
    keyed = next(topic.keyed for topic in TOPICS.values() if ce_type in topic.types)
    return {
        "name": ce_type,
        "title": ce_type,
        "summary": (EVENTS[ce_type].__doc__ or "").strip().splitlines()[0],
        "contentType": JSON,
        "traits": [{"$ref": "#/components/messageTraits/cloudEvent"}],
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-2020-12",
            "schema": {"$ref": f"./schemas/{ce_type}.json"},
        },
        "bindings": {"kafka": {"key": _KEYS[keyed], "bindingVersion": _BINDING}},
    }


def _headers() -> dict[str, Any]:
    text = {"type": "string", "maxLength": 500}
    return {
        "type": "object",
        "required": ["ce_specversion", "ce_id", "ce_source", "ce_type", "content-type"],
        "properties": {
            "ce_specversion": {"const": SPEC_VERSION},
            "ce_id": text | {"description": "Deterministic (UUIDv5) in what the hub writes."},
            "ce_source": text,
            "ce_type": text,
            "ce_time": {"type": "string", "format": "date-time", "description": "The hub's clock."},
            "ce_subject": text,
            "ce_dataschema": text | {"examples": [dataschema_of("document.delivered.v1")]},
            "ce_partitionkey": _PERSON_KEY,
            "ce_sequence": {"type": "string", "pattern": "^[0-9]{20}$", "description": "Order of one key's events."},
            "traceparent": {"type": "string", "description": "W3C Trace Context"},
            "content-type": {"const": JSON},
        },
    }


def _dead_letter() -> dict[str, Any]:
    text = {"type": "string"}
    return {
        "name": "dead-letter",
        "title": "Dead letter",
        "summary": "The original bytes of an event that could not be handled, encrypted with the hub's key.",
        "contentType": "application/octet-stream",
        "headers": {
            "type": "object",
            "required": ["dlq-topic", "dlq-partition", "dlq-offset", "dlq-class", "dlq-cause", "dlq-time"],
            "properties": {
                "dlq-topic": text,
                "dlq-partition": text,
                "dlq-offset": text,
                "dlq-class": {"enum": list(DEAD_LETTER_CLASSES)},
                "dlq-cause": text | {"description": "Field and reason; never a value."},
                "dlq-time": {"type": "string", "format": "date-time"},
            },
        },
        "payload": {"schemaFormat": "application/schema+json;version=draft-2020-12", "schema": {}},
        "bindings": {"kafka": {"key": _KEYS["origin"], "bindingVersion": _BINDING}},
    }
