"""The hot path's dicts and the models say the same, member by member, and are written the same."""

import typing
from datetime import date, datetime
from types import UnionType
from typing import Annotated, Any, Literal, NotRequired, get_args, get_origin, get_type_hints, is_typeddict

import orjson
import pytest
from pydantic import BaseModel

from schemas import events, wire
from schemas.samples import SAMPLES

PAIRS = {model.TYPE: (model, getattr(wire, f"{model.__name__}Dict")) for model in events.OUTBOUND.values()}
PLAIN = (str, int, bool, datetime)


def members_of_model(model: type[BaseModel]) -> dict[str, tuple[Any, bool]]:
    return {field.alias or name: (shape(field.annotation), field.is_required()) for name, field in model.model_fields.items()}


def members_of_dict(kind: Any) -> dict[str, tuple[Any, bool]]:
    hints = get_type_hints(kind, include_extras=True)
    return {name: (shape(hint), get_origin(hint) is not NotRequired) for name, hint in hints.items()}


def shape(annotation: Any) -> Any:
    """What an annotation says to a reader of JSON, the same for a model's field and a dict's member."""
    origin = get_origin(annotation)
    if origin in (Annotated, NotRequired):
        return shape(get_args(annotation)[0])
    if origin in (typing.Union, UnionType):
        inner = [part for part in get_args(annotation) if part is not type(None)]
        assert len(inner) == 1, annotation
        return shape(inner[0])
    if origin is Literal:
        return frozenset(get_args(annotation))
    if origin in (tuple, list):
        return [shape(get_args(annotation)[0])]
    if origin is dict:
        return dict
    if is_typeddict(annotation):
        return members_of_dict(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return members_of_model(annotation)
    assert annotation in PLAIN, annotation
    return annotation


@pytest.mark.parametrize("ce_type", PAIRS)
def test_a_dict_and_its_model_have_the_same_members(ce_type: str) -> None:
    model, kind = PAIRS[ce_type]
    assert members_of_dict(kind) == members_of_model(model)


@pytest.mark.parametrize("ce_type", PAIRS)
def test_a_dict_is_written_byte_for_byte_as_its_model_is(ce_type: str) -> None:
    model = events.decode(ce_type, orjson.dumps(SAMPLES[ce_type]))
    assert isinstance(model, events.Outbound)
    plain = model.model_dump(mode="python", by_alias=True, exclude_none=True)
    assert events.dump(plain) == model.to_json()


def test_times_are_written_in_utc_with_z() -> None:
    at = datetime.fromisoformat("2026-03-02T10:15:00.25+01:00")
    written = events.DocumentWithdrawn(document_id="d", at=at).to_json()
    assert orjson.loads(written)["at"] == "2026-03-02T09:15:00.250000Z"
    assert events.dump({"day": date(2026, 3, 2)}) == b'{"day":"2026-03-02"}'
