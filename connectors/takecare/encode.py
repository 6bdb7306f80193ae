"""Events to TakeCare's XML: what a source would send. For samples, tests and stand-ins; the inverse of `wire`."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from connectors.takecare.fields import ATTACHMENT, NAMESPACE, RESOURCE, Group, Row, local_time
from connectors.takecare.wire import CARE_UNIT_ID_TYPE, PERSON_RESOURCE, ROOT, group_of
from schemas import xml
from schemas.fields import STOCKHOLM, parse_instant


def encode(events: Iterable[tuple[str, Mapping[str, Any]]], *, time: str, system: str = "HUB") -> bytes:
    """A message that holds the events, all of one group: what a source would send. `time` is `yyyyMMddHHmmss`.

    The inverse of `decode_event` for times without a zone; used by samples, tests and the stand-in.
    """
    items = list(events)
    group = group_of(*items[0])
    root = xml.element(f"{{{NAMESPACE}}}{ROOT}", nsmap={None: NAMESPACE})
    root.attrib.update({"MsgType": "Event", "Time": time, "InvokingSystem": system})
    lists: dict[str, xml.Element] = {}
    for ce_type, data in items:
        if group_of(ce_type, data) is not group:
            raise ValueError("one message holds one kind of event")
        holder = lists.get(data["unit"])
        if holder is None:
            holder = lists[data["unit"]] = xml.child(root, f"{{{NAMESPACE}}}{group.element}")
            holder.attrib.update({"CareUnitIdType": CARE_UNIT_ID_TYPE, "CareUnitId": data["unit"]})
            if "unit_name" in data:
                holder.set("CareUnitName", data["unit_name"])
            if data.get("care_provider"):
                holder.set("CareProviderId", data["care_provider"])
        _write_item(xml.child(holder, f"{{{NAMESPACE}}}{group.item}"), group, data)
    return xml.serialise(root, declaration=False)


def _write_item(node: xml.Element, group: Group, data: Mapping[str, Any]) -> None:
    for row in group.rows:
        _write(node, row, data)
        if row.element == "StartTime":
            end = parse_instant(data["start"]).timestamp() + 60 * data["minutes"]
            xml.child(node, f"{{{NAMESPACE}}}EndTime", _stamp(datetime.fromtimestamp(end, STOCKHOLM).isoformat()))
        if row.element == "TimeTypeVideo" and group.item == "Booking":
            resource = xml.child(xml.child(node, f"{{{NAMESPACE}}}Resources"), f"{{{NAMESPACE}}}Resource")
            xml.child(resource, f"{{{NAMESPACE}}}ResourceType", PERSON_RESOURCE)
            for inner in RESOURCE:
                _write(resource, inner, data)
    if data.get("attachments"):
        holder = xml.child(node, f"{{{NAMESPACE}}}Attachments")
        for attachment in data["attachments"]:
            one = xml.child(holder, f"{{{NAMESPACE}}}Attachment")
            for row in ATTACHMENT:
                _write(one, row, attachment)


def _write(node: xml.Element, row: Row, data: Mapping[str, Any]) -> None:
    value: Any = data
    for step in row.pointer.strip("/").split("/"):
        value = value.get(step) if isinstance(value, Mapping) else None
    if value is None:
        return
    if row.codes is not None:
        value = next(code for code, meaning in row.codes.items() if meaning == value)
    elif row.read is local_time:
        value = _stamp(value)
    elif isinstance(value, bool):
        value = "1" if value else "0"
    xml.child(node, f"{{{NAMESPACE}}}{row.element}", str(value))


def _stamp(iso: str) -> str:
    """A time as TakeCare writes it: twelve digits of local time, fourteen where there are seconds."""
    at = datetime.fromisoformat(iso)
    if at.tzinfo is not None:
        at = at.astimezone(STOCKHOLM)
    return f"{at:%Y%m%d%H%M%S}" if at.second else f"{at:%Y%m%d%H%M}"
