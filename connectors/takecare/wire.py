"""TakeCare's XML to events: pure functions, no I/O (ARCHITECTURE decision 6). The way back is `encode`.

A message is a `ProfdocHISMessage` with one list, `Bookings`, `TimeTypes`, `Letters` or `ReferralConfirmations`,
each of one care unit, as the public Booking contract answers them. Its elements may carry our namespace or
none: TakeCare's own interface sends payloads without (its adapter says so in seven places).

Faults are told all at once, by the path of the element and a reason that holds none of its content.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

import orjson

from connectors.takecare.fields import (
    ATTACHMENT,
    GROUP_OF_ELEMENT,
    GROUP_OF_OPERATION,
    GROUPS,
    NAMESPACE,
    RESOURCE,
    Group,
    Row,
    local_time,
)
from schemas import xml
from schemas.errors import FieldError, Malformed
from schemas.fields import DoubledHour, parse_instant
from schemas.keys import content_hash, uid_text

ROOT: Final = "ProfdocHISMessage"
SOURCE: Final = "/ehr/takecare"
SOURCE_SYSTEM: Final = "TakeCare"
CARE_UNIT_ID_TYPE: Final = "hsaid"
PERSON_RESOURCE: Final = "1"
"""`ResourceType` of a person; rooms and devices have others."""
ITEMS_MAX: Final = 1_000
RESOURCES_MAX: Final = 50


class Decoded(NamedTuple):
    """One event read from a message. `at` is the path of its element, for faults found later."""

    ce_type: str
    data: dict[str, Any]
    at: str
    time: datetime | None

    @property
    def id(self) -> str:
        """The same content has the same id, so a message that is sent again changes nothing."""
        return uid_text("takecare", self.ce_type, content_hash(orjson.dumps(self.data)).hex())


def decode_event(data: bytes) -> list[tuple[str, dict[str, Any]]]:
    """The events of a message, as type and data, from its XML bytes (with or without a SOAP envelope)."""
    return [(event.ce_type, event.data) for event in decode(data)]


def decode(data: bytes) -> list[Decoded]:
    """As `decode_event`, with ids, times and paths. Raises `Malformed`."""
    root = xml.parse(data)
    if xml.local_name(root) == "Envelope":
        bodies = [node for node in root if xml.local_name(node) == "Body"]
        if len(bodies) != 1 or len(bodies[0]) != 1:
            raise Malformed([("/Envelope/Body", "should hold one element")])
        root = bodies[0][0]
    return decode_element(root)


def decode_element(node: xml.Element) -> list[Decoded]:
    """The events of a message that is parsed already: the message itself, or the operation around it."""
    group: Group | None = None
    at = f"/{_name(node)}"
    if _name(node) in GROUP_OF_OPERATION:
        group = GROUP_OF_OPERATION[_name(node)]
        messages = _children(node)
        if len(messages) != 1:
            raise Malformed([(at, f"should hold one {ROOT}")])
        node = messages[0]
        at = f"{at}/{_name(node)}"
    if _name(node) != ROOT:
        raise Malformed([(at, f"should be a {ROOT}")])
    return _message(node, at, group)


def field_path(event: Decoded, pointer: str) -> str:
    """The path of the element behind a JSON pointer into an event's data: how a sender of XML names it."""
    group = group_of(event.ce_type, event.data)
    extra = {
        "/unit": "../@CareUnitId",
        "/unit_name": "../@CareUnitName",
        "/care_provider": "../@CareProviderId",
        "/minutes": "EndTime",
        "": "Version",
    }
    if pointer.startswith("/attachments/"):
        place, _, rest = pointer.removeprefix("/attachments/").partition("/")
        inner = next((row.element for row in ATTACHMENT if row.pointer == f"/{rest}"), "")
        return f"{event.at}/Attachments/Attachment[{int(place) + 1}]" + (f"/{inner}" if inner else "")
    names = {row.pointer: row.element for row in (*RESOURCE, *group.rows)} | extra
    return f"{event.at}/{names[pointer]}" if pointer in names else event.at


def _message(root: xml.Element, at: str, wanted: Group | None) -> list[Decoded]:
    faults: list[FieldError] = []
    events: list[Decoded] = []
    time = _message_time(root, at, faults)
    lists = _children(root)
    if not lists:
        faults.append(FieldError(at, "has no content"))
    counts: dict[str, int] = {}
    for node in lists:
        name = _name(node)
        counts[name] = counts.get(name, 0) + 1
        here = f"{at}/{name}" + (f"[{counts[name]}]" if sum(_name(each) == name for each in lists) > 1 else "")
        group = GROUP_OF_ELEMENT.get(name)
        if group is None or (wanted is not None and group is not wanted):
            faults.append(FieldError(here, "is not expected here"))
            continue
        events.extend(_list(node, here, group, time, faults))
    if len(events) > ITEMS_MAX:
        faults.append(FieldError(at, f"has more than {ITEMS_MAX} items"))
    if faults:
        raise Malformed(faults)
    return events


def _message_time(root: xml.Element, at: str, faults: list[FieldError]) -> datetime | None:
    stamp = root.get("Time")
    if not stamp:
        return None
    try:
        return parse_instant(local_time(stamp))
    except ValueError as fault:
        faults.append(FieldError(f"{at}/@Time", str(fault)))
        return None


def _list(node: xml.Element, at: str, group: Group, time: datetime | None, faults: list[FieldError]) -> Iterable[Decoded]:
    if node.get("CareUnitIdType", CARE_UNIT_ID_TYPE) != CARE_UNIT_ID_TYPE:
        faults.append(FieldError(f"{at}/@CareUnitIdType", f"should be {CARE_UNIT_ID_TYPE}"))
    unit = (node.get("CareUnitId") or "").strip()
    if not unit:
        faults.append(FieldError(f"{at}/@CareUnitId", "is required"))
    common: dict[str, Any] = {"unit": unit}
    if group.ce_type != "time_type.changed.v1":
        common["unit_name"] = node.get("CareUnitName") or ""
        if node.get("CareProviderId"):
            common["care_provider"] = node.get("CareProviderId")
    items = _children(node)
    if not items:
        faults.append(FieldError(at, f"has no {group.item}"))
    for place, item in enumerate(items, 1):
        here = f"{at}/{group.item}[{place}]"
        if _name(item) != group.item:
            faults.append(FieldError(f"{at}/{_name(item)}", "is not expected here"))
            continue
        data: dict[str, Any] = {**common, **group.fixed}
        _read(item, here, group.rows, data, faults)
        if group.ce_type == "booking.changed.v1":
            _booking(item, here, data, faults)
        elif group.ce_type == "document.submitted.v1":
            _document(item, here, data, faults)
        yield Decoded(group.ce_type, data, here, time)


def _booking(item: xml.Element, at: str, data: dict[str, Any], faults: list[FieldError]) -> None:
    end = _one(item, "EndTime", at, faults)
    if end is None:
        faults.append(FieldError(f"{at}/EndTime", "is required"))
    elif "start" in data:
        try:
            data["minutes"] = _minutes(data["start"], local_time(end.text or ""))
        except ValueError as fault:
            faults.append(FieldError(f"{at}/EndTime", str(fault)))
    resource = _resource(item)
    if resource is None:
        faults.append(FieldError(f"{at}/Resources/Resource", "is required"))
    else:
        _read(resource, f"{at}/Resources/Resource", RESOURCE, data, faults)


def _minutes(start: str, end: str) -> int:
    """Whole minutes of a visit. In the doubled hour the clock on the wall tells the length, as nobody books 90
    minutes by writing 02:30 to 03:00."""
    begins, ends = parse_instant(start), parse_instant(end)
    if isinstance(begins, DoubledHour):
        length = datetime.fromisoformat(end) - datetime.fromisoformat(start)
    else:
        length = ends - begins
    minutes = int(length.total_seconds() // 60)
    if minutes < 0:
        raise ValueError("is before StartTime")
    return minutes


def _resource(item: xml.Element) -> xml.Element | None:
    """The person of a booking, or its first resource where there is no person."""
    holders = [node for node in item if _name(node) == "Resources"]
    found = [node for holder in holders for node in holder if _name(node) == "Resource"][:RESOURCES_MAX]

    def is_person(node: xml.Element) -> bool:
        return any(_name(each) == "ResourceType" and (each.text or "").strip() == PERSON_RESOURCE for each in node)

    return next((node for node in found if is_person(node)), found[0] if found else None)


def _document(item: xml.Element, at: str, data: dict[str, Any], faults: list[FieldError]) -> None:
    data["source_system"] = SOURCE_SYSTEM
    data["attachments"] = attachments = []
    nodes = [node for holder in item if _name(holder) == "Attachments" for node in holder]
    for place, node in enumerate(nodes, 1):
        attachment: dict[str, Any] = {}
        _read(node, f"{at}/Attachments/Attachment[{place}]", ATTACHMENT, attachment, faults)
        attachments.append(attachment)


def _read(node: xml.Element, at: str, rows: Iterable[Row], into: dict[str, Any], faults: list[FieldError]) -> None:
    for row in rows:
        found = _one(node, row.element, at, faults)
        if found is None:
            if row.required:
                faults.append(FieldError(f"{at}/{row.element}", "is required"))
            continue
        if len(found):
            faults.append(FieldError(f"{at}/{row.element}", "should hold text alone"))
            continue
        value = found.text or ""
        if not row.required and not value.strip():
            continue
        try:
            _put(into, row.pointer, row.read(value))
        except ValueError as fault:
            faults.append(FieldError(f"{at}/{row.element}", str(fault)))


def _put(into: dict[str, Any], pointer: str, value: Any) -> None:
    *parents, last = pointer.strip("/").split("/")
    for parent in parents:
        into = into.setdefault(parent, {})
    into[last] = value


def _one(node: xml.Element, name: str, at: str, faults: list[FieldError]) -> xml.Element | None:
    found = [each for each in node if _name(each) == name]
    if len(found) > 1:
        faults.append(FieldError(f"{at}/{name}", "stands more than once"))
    return found[0] if found else None


def _children(node: xml.Element) -> list[xml.Element]:
    return list(node)


def _name(node: xml.Element) -> str:
    """The local name where the namespace is ours or none; a foreign element keeps its full, unmatchable name."""
    tag = str(node.tag)
    if tag.startswith(f"{{{NAMESPACE}}}"):
        return tag[len(NAMESPACE) + 2 :]
    return tag if not tag.startswith("{") else f"foreign:{xml.local_name(node)}"


def group_of(ce_type: str, data: Mapping[str, Any]) -> Group:
    for group in GROUPS:
        if group.ce_type == ce_type and all(data.get(name) == value for name, value in group.fixed.items()):
            if ce_type == "document.submitted.v1" and not group.fixed and data.get("kind") == "remissbekraftelse":
                continue
            return group
    raise ValueError("TakeCare has no message for this type of event")
