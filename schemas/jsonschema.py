"""JSON Schemas (2020-12) of the events, made from the models, as others shall read them.

Two things differ from what pydantic says of a model. What the hub writes is strict for the hub but open for
its readers, who must ignore unknown fields (CONTRACTS.md section 2), so `additionalProperties: false` is not
published. And optional members of what the hub writes are left out, never null.
"""

from collections.abc import Iterable
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from schemas.cloudevents import dataschema_of
from schemas.events import EVENTS, OUTBOUND

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_MODE: Final[JsonSchemaMode] = "validation"


def schema_of(ce_type: str) -> dict[str, Any]:
    """The published schema of an event type's data; its `$id` is the `dataschema` of the envelope."""
    model = EVENTS[ce_type]
    schema = _published(model.model_json_schema(mode=_MODE, by_alias=True), outbound=ce_type in OUTBOUND)
    return {"$schema": DIALECT, "$id": dataschema_of(ce_type), **schema}


def components_of(ce_types: Iterable[str], ref_template: str) -> dict[str, Any]:
    """The schemas of many types with shared definitions, by model name, for an OpenAPI document."""
    models: list[tuple[type[BaseModel], JsonSchemaMode]] = [(EVENTS[ce_type], _MODE) for ce_type in ce_types]
    _, schema = models_json_schema(models, ref_template=ref_template)
    definitions: dict[str, Any] = _published(schema["$defs"], outbound=False)
    return definitions


def _published(node: Any, *, outbound: bool) -> Any:
    """A schema node as it is published: without titles of members, openness closed, or nulls never written."""
    if isinstance(node, list):
        return [_published(item, outbound=outbound) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: {name: _member(value, outbound=outbound) for name, value in node[key].items()}
        if key == "properties"
        else _published(value, outbound=outbound)
        for key, value in node.items()
        if not (key == "additionalProperties" and value is False)
    }


def _member(node: dict[str, Any], *, outbound: bool) -> Any:
    plain = {key: value for key, value in node.items() if key != "title"}
    if outbound and "anyOf" in plain:
        choices = [choice for choice in plain["anyOf"] if choice != {"type": "null"}]
        plain.pop("default", None)
        if len(choices) == 1:
            del plain["anyOf"]
            plain |= choices[0]
        else:
            plain["anyOf"] = choices
    return _published(plain, outbound=outbound)
