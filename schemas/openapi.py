"""The OpenAPI 3.1 document of the gateway (CONTRACTS.md section 4), made from the models and problem table."""

from typing import Any, Final

from schemas.callback import TOKEN_CHARS
from schemas.cloudevents import ATTRIBUTE_CHARS_MAX, BATCH, BATCH_EVENTS_MAX, JSON, NDJSON, SPEC_VERSION, STRUCTURED
from schemas.errors import PROBLEM_BASE, PROBLEM_JSON, PROBLEMS
from schemas.events import INBOUND
from schemas.jsonschema import components_of
from schemas.samples import SAMPLES, envelope_of

VERSION: Final = "1.0.0"
_REFS: Final = "#/components/schemas/{model}"
_XML: Final = "text/xml"


def document() -> dict[str, Any]:
    """The whole document as JSON values."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Care hub gateway",
            "version": VERSION,
            "description": (
                "Takes events in: 202 only after Kafka has all of them. Nothing of a refused batch is half taken. "
                "Faults are RFC 9457 problem documents whose `errors` name each field by JSON Pointer."
            ),
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"mutualTLS": []}],
        "paths": {
            "/v1/events": {"post": _events()},
            "/takecare": {"post": _soap("takecare", "TakeCare events after takecare-events.wsdl")},
            "/riv/processnotification": {"post": _soap("processNotification", "RIV-TA 2.1 ProcessNotification")},
            "/riv/processrequestconfirmation": {"post": _soap("processRequestConfirmation", "RIV-TA 2.1 ProcessRequestConfirmation")},
            "/v1/attachments/{sha256}": {"get": _attachment()},
            "/callbacks/sms/linkmobility": {"post": _link_callback()},
            "/callbacks/sms/{token}": {"post": _sms_callback()},
            "/healthz": {"get": _probe("healthz", "Whether the process is alive")},
            "/readyz": {"get": _probe("readyz", "Whether work can be taken")},
            "/metrics": {"get": _metrics()},
        },
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "mutualTLS": {"type": "mutualTLS"},
            },
            "schemas": components_of(INBOUND, _REFS) | {"CloudEvent": _cloud_event(), "Taken": _taken(), "Problem": _problem()},
            "responses": {
                name: {
                    "description": row.title,
                    "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
                }
                for name, row in PROBLEMS.items()
            },
        },
    }


def _problems(*names: str) -> dict[str, Any]:
    rows = {str(PROBLEMS[name].status): {"$ref": f"#/components/responses/{name}"} for name in names}
    return dict(sorted(rows.items()))


def _events() -> dict[str, Any]:
    reference = {"$ref": "#/components/schemas/CloudEvent"}
    return {
        "operationId": "publishEvents",
        "summary": "Publish one event, a batch, or newline-delimited events",
        "description": "Plain JSON with `ce-` headers is CloudEvents' binary mode (HTTP binding, section 3.1).",
        "parameters": [
            {
                "name": f"ce-{name}",
                "in": "header",
                "required": False,
                "description": "Binary mode: the CloudEvents attribute of that name",
                "schema": {"type": "string", "maxLength": ATTRIBUTE_CHARS_MAX},
            }
            for name in ("specversion", "id", "source", "type", "time", "subject", "dataschema", "partitionkey")
        ],
        "requestBody": {
            "required": True,
            "content": {
                STRUCTURED: {"schema": reference, "example": _example()},
                BATCH: {"schema": {"type": "array", "minItems": 1, "maxItems": BATCH_EVENTS_MAX, "items": reference}},
                NDJSON: {"schema": {"type": "string", "description": "One CloudEvent a line"}},
                JSON: {
                    "schema": {"anyOf": [{"$ref": _REFS.format(model=model.__name__)} for model in INBOUND.values()]}
                },
            },
        },
        "responses": {
            "202": {
                "description": "Kafka has all of it",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Taken"}}},
            },
        }
        | _problems(
            "malformed", "not-authenticated", "not-allowed", "not-acceptable", "timeout", "length-required",
            "too-large", "unsupported-media-type", "unknown-type", "too-many-requests", "headers-too-large", "internal",
            "unavailable",
        ),
    }  # fmt: skip


def _soap(operation: str, summary: str) -> dict[str, Any]:
    """SOAP 1.1 over HTTP (section 6.2): a fault about the message is a 500, what HTTP itself tells keeps its status."""
    envelope = {_XML: {"schema": {"type": "string", "description": "A SOAP 1.1 envelope"}}}
    faults = ("not-authenticated", "not-allowed", "timeout", "length-required", "too-large", "unsupported-media-type",
              "too-many-requests", "headers-too-large", "internal", "unavailable")  # fmt: skip
    return {
        "operationId": operation,
        "summary": summary,
        "requestBody": {"required": True, "content": envelope},
        "responses": {"200": {"description": "The contract's answer", "content": envelope}}
        | {
            str(PROBLEMS[name].status): {
                "description": f"A SOAP fault: {PROBLEMS[name].title}" if name != "internal" else "A SOAP fault",
                "content": envelope | {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            }
            for name in faults
        },
    }


def _attachment() -> dict[str, Any]:
    return {
        "operationId": "getAttachment",
        "summary": "The bytes of an attachment, for who may read its document",
        "parameters": [
            {
                "name": "sha256",
                "in": "path",
                "required": True,
                "schema": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
            },
            {
                "name": "X-Reader",
                "in": "header",
                "required": False,
                "description": "Who reads, as in `recipients` of the delivered document, where the token names nobody",
                "schema": {"type": "string", "maxLength": 32},
            },
        ],
        "responses": {
            "200": {"description": "The attachment", "content": {"application/pdf": {}, "application/octet-stream": {}}}
        }
        | _problems("not-authenticated", "not-allowed", "not-found", "internal", "unavailable"),
    }


def _sms_callback() -> dict[str, Any]:
    """The form of 46elks' delivery reports; who posts it proves itself by the URL alone."""
    return {
        "operationId": "smsReport",
        "summary": "A provider's delivery report of an SMS",
        "description": (
            "204 only after Kafka has it; anything else is to be repeated. Reports may come twice and in any order. "
            "The token in the path is the credential: it names one message, and is not to be logged."
        ),
        "security": [],
        "parameters": [
            {
                "name": "token",
                "in": "path",
                "required": True,
                "schema": {"type": "string", "minLength": TOKEN_CHARS, "maxLength": TOKEN_CHARS, "pattern": "^[0-9A-Za-z_-]+$"},
            }
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/x-www-form-urlencoded": {
                    "schema": {
                        "type": "object",
                        "required": ["id", "status"],
                        "properties": {
                            "id": {"type": "string", "pattern": "^[0-9A-Za-z_-]{1,64}$"},
                            "status": {"enum": ["sent", "delivered", "failed"]},
                            "delivered": {"type": "string", "description": "When, in UTC; with `delivered` alone, and then required"},
                        },
                    }
                }
            },
        },
        "responses": {"204": {"description": "Kafka has it, or it settles nothing"}}
        | _problems(
            "malformed", "not-found", "timeout", "length-required", "too-large", "unsupported-media-type", "too-many-requests",
            "headers-too-large", "internal", "unavailable",
        ),
    }  # fmt: skip


def _link_callback() -> dict[str, Any]:
    """LINK Mobility's delivery reports: one address for all, each report names its text by our token."""
    return {
        "operationId": "linkMobilityReport",
        "summary": "LINK Mobility's delivery report of an SMS",
        "description": (
            "200 only after Kafka has it; anything else is to be repeated. `refId` is the credential: it names one message, and is not "
            "to be logged. Fields that are not named here are left alone."
        ),
        "security": [],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": ["refId", "id", "resultCode"],
                        "properties": {
                            "refId": {"type": "string", "description": "The token that the text was sent with"},
                            "id": {"type": "string"},
                            "resultCode": {"type": "integer", "description": "SMS REST API 1.6, Result Codes"},
                            "timestamp": {"type": "string", "format": "date-time", "description": "In UTC; required if delivered"},
                        },
                    }
                }
            },
        },
        "responses": {"200": {"description": "Kafka has it, or it settles nothing"}}
        | _problems(
            "malformed", "not-found", "timeout", "length-required", "too-large", "unsupported-media-type", "too-many-requests",
            "headers-too-large", "internal", "unavailable",
        ),
    }  # fmt: skip


def _probe(operation: str, summary: str) -> dict[str, Any]:
    answer = {"text/plain": {"schema": {"type": "string"}}}
    return {
        "operationId": operation,
        "summary": summary,
        "security": [],
        "responses": {
            "200": {"description": "Yes", "content": answer},
            "503": {"description": "No", "content": answer},
        },
    }


def _metrics() -> dict[str, Any]:
    return {
        "operationId": "metrics",
        "summary": "OpenMetrics",
        "security": [],
        "responses": {
            "200": {
                "description": "The metrics",
                "content": {
                    "application/openmetrics-text": {"schema": {"type": "string"}},
                    "text/plain": {"schema": {"type": "string"}},
                },
            }
        },
    }


def _cloud_event() -> dict[str, Any]:
    """CloudEvents 1.0 JSON format, one alternative for each event type that may come in."""
    text = {"type": "string", "minLength": 1, "maxLength": ATTRIBUTE_CHARS_MAX}
    return {
        "type": "object",
        "required": ["specversion", "id", "source", "type", "data"],
        "properties": {
            "specversion": {"const": SPEC_VERSION},
            "id": text,
            "source": text,
            "type": {"enum": list(INBOUND)},
            "time": {"type": "string", "format": "date-time"},
            "subject": text,
            "dataschema": text,
            "datacontenttype": {"const": "application/json"},
            "partitionkey": text,
            "traceparent": text,
            "data": {"type": "object"},
        },
        "oneOf": [
            {
                "properties": {
                    "type": {"const": ce_type},
                    "data": {"$ref": f"#/components/schemas/{model.__name__}"},
                }
            }
            for ce_type, model in INBOUND.items()
        ],
    }


def _taken() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["accepted", "ids"],
        "properties": {
            "accepted": {"type": "integer", "minimum": 0},
            "ids": {"type": "array", "items": {"type": "string"}, "description": "The events' ids, in their order"},
        },
    }


def _problem() -> dict[str, Any]:
    return {
        "type": "object",
        "description": "RFC 9457",
        "required": ["type", "title", "status"],
        "properties": {
            "type": {"type": "string", "examples": [PROBLEM_BASE + name for name in PROBLEMS]},
            "title": {"type": "string"},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": {"type": "string"},
            "instance": {"type": "string"},
            "errors": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["pointer", "detail"],
                    "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
                },
            },
        },
    }


def _example() -> dict[str, Any]:
    name = "document.submitted.v1"
    envelope = envelope_of(name)
    return {
        "specversion": SPEC_VERSION,
        "id": envelope.id,
        "source": "/ehr/takecare",
        "type": name,
        "time": "2026-03-02T09:15:00Z",
        "datacontenttype": "application/json",
        "data": SAMPLES[name],
    }
