"""Every event of the hub by its type, and the one way from bytes to a checked model.

`decode` parses and validates in one pass. Its `Malformed` names each fault by JSON Pointer and reason and
holds no value of the input, so it may be logged, answered and stored beside a dead letter.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeVar, get_args

import orjson
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from schemas.errors import FieldError, Malformed, TooLarge, UnknownType
from schemas.fields import DoubledHour
from schemas.inbound import (
    AccountChanged,
    Actor,
    Address,
    AgentChanged,
    Attachment,
    BookingChanged,
    DeliveryAnswered,
    DocumentRead,
    DocumentSubmitted,
    Inbound,
    MailboxChanged,
    Named,
    PersonChanged,
    TimeType,
    TimeTypeChanged,
)
from schemas.outbound import (
    AccessLogged,
    BookingHidden,
    BookingShown,
    DecisionMade,
    DeliveredAttachment,
    DeliveryRequested,
    DocumentDelivered,
    DocumentSettled,
    DocumentWithdrawn,
    NotificationRequested,
    Outbound,
    PrintEntered,
    PrintHandled,
    PrintReason,
    PrintSettled,
    Recipient,
    RoomChanged,
    SessionChanged,
    TraceStep,
)

__all__ = [
    "EVENTS", "INBOUND", "OUTBOUND", "AccessLogged", "AccountChanged", "Actor", "Address", "AgentChanged",
    "Attachment", "BookingChanged", "BookingHidden", "BookingShown", "DecisionMade", "DeliveredAttachment",
    "DeliveryAnswered", "DeliveryRequested", "DocumentDelivered", "DocumentRead", "DocumentSettled",
    "DocumentSubmitted", "DocumentWithdrawn", "DoubledHour", "FieldError", "Inbound", "MailboxChanged", "Malformed",
    "Named", "NotificationRequested", "Outbound", "PersonChanged", "PrintEntered", "PrintHandled", "PrintReason",
    "PrintSettled", "Recipient", "RoomChanged", "SessionChanged", "TimeType", "TimeTypeChanged", "TooLarge",
    "TraceStep", "UnknownType", "decode", "decode_as", "dump", "malformed", "unknown_fields",
]  # fmt: skip

INBOUND: Final[Mapping[str, type[Inbound]]] = MappingProxyType(
    {
        model.TYPE: model
        for model in (
            BookingChanged,
            TimeTypeChanged,
            DocumentSubmitted,
            PersonChanged,
            AccountChanged,
            AgentChanged,
            MailboxChanged,
            DocumentRead,
            DeliveryAnswered,
        )
    }
)
OUTBOUND: Final[Mapping[str, type[Outbound]]] = MappingProxyType(
    {
        model.TYPE: model
        for model in (
            DocumentDelivered,
            DocumentWithdrawn,
            DocumentSettled,
            BookingShown,
            BookingHidden,
            DeliveryRequested,
            PrintEntered,
            PrintSettled,
            PrintHandled,
            NotificationRequested,
            SessionChanged,
            RoomChanged,
            DecisionMade,
            AccessLogged,
        )
    }
)
EVENTS: Final[Mapping[str, type[BaseModel]]] = MappingProxyType({**INBOUND, **OUTBOUND})

Model = TypeVar("Model", bound=BaseModel)
_ERRORS_MAX: Final = 50
"""Faults told of one event; a list of a thousand wrong items needs no thousand lines."""


def decode(ce_type: str, data: bytes | str) -> Inbound | Outbound:
    """The checked model of an event's data. Raises `UnknownType` or `Malformed`."""
    model = EVENTS.get(ce_type)
    if model is None:
        raise UnknownType([("", "is of an event type that is not known here")])
    return decode_as(model, data)  # type: ignore[return-value]


def decode_as(model: type[Model], data: bytes | str) -> Model:
    """As `decode`, for a caller that knows which model it wants (and a type checker that does too)."""
    try:
        return model.__pydantic_validator__.validate_json(data)  # type: ignore[no-any-return]
    except ValidationError as fault:
        raise malformed(fault) from None


def malformed(fault: ValidationError) -> Malformed:
    """A pydantic error without the input it carries; `TooLarge` if sizes are all that is wrong."""
    details = fault.errors(include_url=False, include_input=False, include_context=False)
    errors = [FieldError(_pointer(detail), _reason(detail)) for detail in details[:_ERRORS_MAX]]
    sizes = all(detail["type"] in ("string_too_long", "bytes_too_long", "too_long", "too_large") for detail in details)
    return TooLarge(errors) if sizes else Malformed(errors)


def dump(data: Mapping[str, Any]) -> bytes:
    """An outbound event's plain dict as JSON bytes, as the models write it: UTC times with `Z`."""
    return orjson.dumps(data, option=orjson.OPT_UTC_Z)


def unknown_fields(model: type[BaseModel], raw: Mapping[str, Any] | bytes | str) -> list[str]:
    """JSON Pointers of what a sender wrote and the model ignores, to be counted (the names are not for metrics)."""
    value = raw if isinstance(raw, Mapping) else orjson.loads(raw)
    return list(_unknown(model, value, "")) if isinstance(value, Mapping) else []


def _unknown(model: type[BaseModel], raw: Mapping[str, Any], at: str) -> Iterator[str]:
    known = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
    for name, value in raw.items():
        pointer = f"{at}/{_escape(name)}"
        if name not in known:
            yield pointer
            continue
        inner = _model_in(known[name])
        if inner is None:
            continue
        if isinstance(value, Mapping):
            yield from _unknown(inner, value, pointer)
        elif isinstance(value, list):
            for place, item in enumerate(value):
                if isinstance(item, Mapping):
                    yield from _unknown(inner, item, f"{pointer}/{place}")


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model inside an annotation such as `Address | None` or `tuple[Attachment, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part)) is not None), None)


def _pointer(detail: ErrorDetails) -> str:
    return "".join(f"/{_escape(str(part))}" for part in detail["loc"])


def _escape(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")


_REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "missing": "is required",
        "extra_forbidden": "is not a known field",
        "string_type": "should be a string",
        "bool_type": "should be true or false",
        "int_type": "should be an integer",
        "string_pattern_mismatch": "has not the form it should have",
        "model_type": "should be an object",
        "tuple_type": "should be an array",
        "none_required": "should be null",
    }
)


def _reason(detail: ErrorDetails) -> str:
    """A short reason; pydantic's own texts are free of input once its context is left out, but for invalid JSON."""
    kind = detail["type"]
    if kind in _REASONS:
        return _REASONS[kind]
    if kind == "json_invalid":
        return "is not valid JSON"
    return detail["msg"].replace("Input should", "should").replace("String should", "should")
