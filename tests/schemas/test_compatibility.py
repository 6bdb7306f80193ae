"""The compatibility check, by twins: each change that breaks a reader beside one that does not."""

from typing import Any

import pytest

from schemas.compatibility import breaks
from schemas.events import EVENTS, OUTBOUND
from schemas.jsonschema import schema_of

OLD: dict[str, Any] = {
    "$defs": {"Inner": {"type": "object", "properties": {"id": {"type": "string", "maxLength": 10}}, "required": ["id"]}},
    "type": "object",
    "properties": {
        "id": {"type": "string", "maxLength": 10, "pattern": "^a"},
        "kind": {"type": "string", "enum": ["x", "y"]},
        "note": {"anyOf": [{"type": "string", "minLength": 1}, {"type": "null"}], "default": None},
        "free": {"type": "string"},
        "count": {"type": "integer", "minimum": 0, "maximum": 9},
        "inner": {"$ref": "#/$defs/Inner"},
        "many": {"type": "array", "items": {"$ref": "#/$defs/Inner"}, "maxItems": 3},
    },
    "required": ["id", "kind"],
}


def changed(at: str, value: Any) -> dict[str, Any]:
    """OLD with the member at a path set to a value, or taken out where the value is None."""
    copy: dict[str, Any] = _deep(OLD)
    *path, last = at.split(".")
    node: Any = copy
    for part in path:
        node = node[part]
    if value is None:
        del node[last]
    else:
        node[last] = value
    return copy


def _deep(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _deep(value) for key, value in node.items()}
    return [_deep(item) for item in node] if isinstance(node, list) else node


P = "properties."
BREAKS_EVERYBODY = [
    ("a field removed", P + "note", None, "/note: the field was removed"),
    ("a field now required", "required", ["id", "kind", "note"], "/note: is now required"),
    ("an enum value removed", P + "kind.enum", ["x"], "/kind: the value 'y' was removed"),
    ("a field limited to values", P + "free.enum", ["a"], "/free: is now limited to some values"),
    ("a field fixed to one value", P + "kind", {"type": "string", "const": "x"}, "/kind: the value 'y' was removed"),
    ("a type changed", P + "count.type", "string", "/count: the type changed from integer to string"),
    ("a maximum lowered", P + "count.maximum", 5, "/count: maximum is narrower than it was (9, now 5)"),
    ("a minimum raised", P + "count.minimum", 1, "/count: minimum is narrower than it was (0, now 1)"),
    ("a limit added", P + "free.maxLength", 5, "/free: maxLength is narrower than it was (none, now 5)"),
    ("a lower limit added", P + "free.minLength", 5, "/free: minLength is narrower than it was (none, now 5)"),
    ("a pattern changed", P + "id.pattern", "^b", "/id: pattern changed"),
    ("a pattern added", P + "free.pattern", "^b", "/free: pattern changed"),
    ("a format added", P + "free.format", "date", "/free: format changed"),
    ("null refused", P + "note", {"type": "string", "minLength": 1}, "/note: null is no longer taken"),
    ("fewer items", P + "many.maxItems", 2, "/many: maxItems is narrower than it was (3, now 2)"),
    ("a limit lowered inside", "$defs.Inner.properties.id.maxLength", 9, "/inner/id: maxLength is narrower"),
    ("a limit lowered in a list", "$defs.Inner.properties.id.maxLength", 9, "/many/*/id: maxLength is narrower"),
    ("a required field inside removed", "$defs.Inner.properties", {}, "/inner/id: the field was removed"),
    ("unknown fields refused", "additionalProperties", False, "(whole): unknown fields are no longer taken"),
]
BREAKS_READERS = [
    ("a field not always there", "required", ["id"], "/kind: is no longer always there"),
    ("a field may be null", P + "free", {"anyOf": [{"type": "string"}, {"type": "null"}]}, "/free: may now be null"),
    ("a longer text", P + "id.maxLength", 20, "/id: maxLength is wider than its readers know (10, now 20)"),
    ("no longest text", P + "id.maxLength", None, "/id: maxLength is wider than its readers know (10, now none)"),
    ("no pattern", P + "id.pattern", None, "/id: pattern changed"),
    ("any value", P + "kind.enum", None, "/kind: is no longer limited to some values"),
]
BREAKS_NOBODY = [
    ("a new optional field", P + "new", {"type": "string"}),
    ("a new optional field inside", "$defs.Inner.properties.new", {"type": "string"}),
    ("a new enum value", P + "kind.enum", ["x", "y", "z"]),
    ("another description", "description", "better words"),
    ("a definition written in place", P + "inner", OLD["$defs"]["Inner"]),
]


@pytest.mark.parametrize("written_by_hub", [True, False], ids=["outbound", "inbound"])
@pytest.mark.parametrize(("at", "value", "fault"), [row[1:] for row in BREAKS_EVERYBODY], ids=[row[0] for row in BREAKS_EVERYBODY])
def test_what_refuses_old_events_breaks_everybody(at: str, value: Any, fault: str, written_by_hub: bool) -> None:
    found = breaks(OLD, changed(at, value), written_by_hub=written_by_hub)
    assert any(each.startswith(fault) for each in found), found


@pytest.mark.parametrize(("at", "value", "fault"), [row[1:] for row in BREAKS_READERS], ids=[row[0] for row in BREAKS_READERS])
def test_what_readers_do_not_expect_breaks_what_the_hub_writes_alone(at: str, value: Any, fault: str) -> None:
    found = breaks(OLD, changed(at, value), written_by_hub=True)
    assert len(found) == 1
    assert found[0].startswith(fault)
    assert breaks(OLD, changed(at, value), written_by_hub=False) == []


@pytest.mark.parametrize("written_by_hub", [True, False], ids=["outbound", "inbound"])
@pytest.mark.parametrize(("at", "value"), [row[1:] for row in BREAKS_NOBODY], ids=[row[0] for row in BREAKS_NOBODY])
def test_what_everybody_ignores_breaks_nobody(at: str, value: Any, written_by_hub: bool) -> None:
    assert breaks(OLD, changed(at, value), written_by_hub=written_by_hub) == []


def test_a_new_field_that_is_required_breaks_everybody() -> None:
    new = changed("properties.new", {"type": "string"})
    new["required"] = [*new["required"], "new"]
    assert breaks(OLD, new, written_by_hub=True) == ["/new: a new field must be optional"]
    assert breaks(OLD, new, written_by_hub=False) == ["/new: a new field must be optional"]


@pytest.mark.parametrize("ce_type", EVENTS)
def test_every_schema_may_follow_itself(ce_type: str) -> None:
    schema = schema_of(ce_type)
    assert breaks(schema, schema, written_by_hub=ce_type in OUTBOUND) == []


@pytest.mark.parametrize("ce_type", EVENTS)
def test_a_field_taken_from_a_real_schema_is_missed(ce_type: str) -> None:
    schema = schema_of(ce_type)
    for name in schema["properties"]:
        new = {**schema, "properties": {key: value for key, value in schema["properties"].items() if key != name}}
        assert f"/{name}: the field was removed" in breaks(schema, new, written_by_hub=ce_type in OUTBOUND)
