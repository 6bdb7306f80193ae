"""Whether a schema may follow one that was published: the check that CI runs against every published version.

The new schema must accept all that the old one accepted, as old events stay on the topics and are read again
(backward). What the hub *writes* must moreover be readable by those who hold the old schema (forward), but
for the two things that every reader has been told to ignore: new fields and new enum values (CONTRACTS.md
section 2). A breaking change is a new version of the event type and its topic.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

_UPPER: Final = ("maxLength", "maximum", "maxItems", "exclusiveMaximum", "maxProperties")
_LOWER: Final = ("minLength", "minimum", "minItems", "exclusiveMinimum", "minProperties")
_EXACT: Final = ("pattern", "format", "contentEncoding", "uniqueItems")

Schema = Mapping[str, Any]


def breaks(old: Schema, new: Schema, *, written_by_hub: bool) -> list[str]:
    """Why `new` may not follow `old`: one sentence a fault, each beginning with the field's JSON Pointer."""
    return list(_compare(_Side(old, old), _Side(new, new), "", written_by_hub))


class _Side:
    """A node of a schema together with the root its references are resolved in; `null` told apart."""

    def __init__(self, node: Any, root: Schema) -> None:
        self.root = root
        node = self._resolved(node)
        self.nullable = False
        if isinstance(node.get("anyOf"), list):
            choices = [self._resolved(choice) for choice in node["anyOf"]]
            others = [choice for choice in choices if choice.get("type") != "null"]
            self.nullable = len(others) < len(choices)
            rest = {key: value for key, value in node.items() if key != "anyOf"}
            node = {**rest, **others[0]} if len(others) == 1 else {**rest, "anyOf": others}
        self.node: dict[str, Any] = node

    def _resolved(self, node: Any) -> dict[str, Any]:
        if not isinstance(node, Mapping):
            return {}
        seen = dict(node)
        while isinstance(seen.get("$ref"), str):
            reference = seen.pop("$ref")
            target: Any = self.root
            for part in reference.removeprefix("#/").split("/"):
                target = target[part]
            seen = {**target, **seen}
        return seen

    def at(self, node: Any) -> "_Side":
        return _Side(node, self.root)

    @property
    def values(self) -> list[Any] | None:
        if "const" in self.node:
            return [self.node["const"]]
        values = self.node.get("enum")
        return values if isinstance(values, list) else None


def _compare(old: _Side, new: _Side, at: str, forward: bool) -> Iterator[str]:
    where = at or "(whole)"
    if old.node.get("type") != new.node.get("type"):
        yield f"{where}: the type changed from {old.node.get('type', 'any')} to {new.node.get('type', 'any')}"
        return
    if old.node.get("anyOf") != new.node.get("anyOf"):
        yield f"{where}: the alternatives changed"
    if old.nullable and not new.nullable:
        yield f"{where}: null is no longer taken"
    if forward and new.nullable and not old.nullable:
        yield f"{where}: may now be null, which its readers do not expect"
    yield from _values(old, new, where, forward)
    yield from _limits(old.node, new.node, where, forward)
    yield from _members(old, new, at, forward)
    if "items" in old.node or "items" in new.node:
        yield from _compare(old.at(old.node.get("items", {})), new.at(new.node.get("items", {})), f"{at}/*", forward)


def _values(old: _Side, new: _Side, where: str, forward: bool) -> Iterator[str]:
    if new.values is not None:
        if old.values is None:
            yield f"{where}: is now limited to some values"
            return
        for value in old.values:
            if value not in new.values:
                yield f"{where}: the value {value!r} was removed"
    elif old.values is not None and forward:
        yield f"{where}: is no longer limited to some values"


def _limits(old: Schema, new: Schema, where: str, forward: bool) -> Iterator[str]:
    for names, sign in ((_UPPER, 1), (_LOWER, -1)):
        for name in names:
            before, after = old.get(name), new.get(name)
            if before == after:
                continue
            narrower = before is None or (after is not None and sign * after < sign * before)
            if narrower:
                yield f"{where}: {name} is narrower than it was ({_or_none(before)}, now {_or_none(after)})"
            elif forward:
                yield f"{where}: {name} is wider than its readers know ({_or_none(before)}, now {_or_none(after)})"
    for name in _EXACT:
        if old.get(name) != new.get(name) and (name in new or forward):
            yield f"{where}: {name} changed"


def _members(old: _Side, new: _Side, at: str, forward: bool) -> Iterator[str]:
    before, after = old.node.get("properties", {}), new.node.get("properties", {})
    needed_before, needed_after = set(old.node.get("required", ())), set(new.node.get("required", ()))
    for name in before:
        pointer = f"{at}/{name}"
        if name not in after:
            yield f"{pointer}: the field was removed"
            continue
        if name in needed_after - needed_before:
            yield f"{pointer}: is now required"
        if forward and name in needed_before - needed_after:
            yield f"{pointer}: is no longer always there"
        yield from _compare(old.at(before[name]), new.at(after[name]), pointer, forward)
    for name in after:
        if name not in before and name in needed_after:
            yield f"{at}/{name}: a new field must be optional"
    if new.node.get("additionalProperties") is False and old.node.get("additionalProperties") is not False:
        yield f"{at or '(whole)'}: unknown fields are no longer taken"


def _or_none(limit: Any) -> str:
    return "none" if limit is None else str(limit)
