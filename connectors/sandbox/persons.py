"""`POST /people` as a pure step: from a few given fields to the events that make a test person known everywhere.

Everything but `patient` has a believable default; of a person known already the rest stays as it is. Not given is not
said: without `account` nothing is published about an account. `as_of` is the wall clock's now, but always newer than
what is known already: who changes a person means it.
"""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from connectors.sandbox.world import World
from schemas import persons
from schemas.cloudevents import time_text
from schemas.errors import FieldError, Malformed
from schemas.events import AccountChanged, AgentChanged, MailboxChanged, PersonChanged, malformed
from schemas.fields import parse_instant

NAME: Final = "Testa Testsson"
ADDRESS: Final[Mapping[str, Any]] = MappingProxyType(
    {"lines": ["Påhittsvägen 1"], "postal_code": "11111", "city": "Påhittsstad"}
)
BY: Final[Mapping[str, str]] = MappingProxyType({"id": "resident", "role": "resident"})
CHILD_AGE: Final = 13
_MOMENT: Final = timedelta(milliseconds=1)
_PERSON: Final = ("name", "born", "protection", "deceased", "emigrated", "replaced_by", "linked", "address")
_KNOWN: Final = frozenset(
    (*_PERSON, "patient", "as_of", "account", "phone", "by", "present", "mailbox", "mailboxes", "agents", "guardians")
)


def events_of(given: Any, world: World, wall: datetime, sender: str) -> list[tuple[str, BaseModel]]:
    """Each event with the person it is about. Raises `Malformed` with pointers into what was given."""
    if not isinstance(given, dict):
        raise Malformed([("", "should be an object")])
    patient = _patient(given)
    known = world.register.record(patient)
    as_of = given.get("as_of") or time_text(after(wall, known))
    made: list[tuple[str, BaseModel]] = [(patient, _model(PersonChanged, "", _person(given, patient, as_of, known)))]
    if given.get("account") is not None or given.get("phone") is not None:
        made.append((patient, _model(AccountChanged, "", _account(given, patient, world, wall))))
    for pointer, box in _listed(given, "mailbox", "mailboxes"):
        boxes = world.mailboxes.get(patient, {})
        since = time_text(after(wall, boxes.get(box.get("operator", "kivra"))))
        full = {"operator": "kivra", "accepts": True, "sender": sender, "as_of": given.get("as_of") or since, **box}
        made.append((patient, _model(MailboxChanged, pointer, {**full, "patient": patient})))
    for pointer, link in _links(given, patient, wall.date()):
        links = world.agents.get(patient, {})
        since = time_text(after(wall, links.get(f"{link.get('agent')}.{link['relation']}")))
        full = {"state": "active", "as_of": given.get("as_of") or since, **link, "patient": patient}
        made.append((patient, _model(AgentChanged, pointer, full)))
    return made


def ignored(given: Mapping[str, Any]) -> list[str]:
    """Members that mean nothing here: told to the caller rather than refused."""
    return sorted(set(given) - _KNOWN)


def _patient(given: Mapping[str, Any]) -> str:
    value = given.get("patient")
    if not isinstance(value, str):
        raise Malformed([("/patient", "is required")])
    try:
        return persons.normalise(value)
    except ValueError as fault:
        raise Malformed([("/patient", str(fault))]) from None


def _person(given: Mapping[str, Any], patient: str, as_of: str, known: Mapping[str, Any] | None) -> dict[str, Any]:
    """The whole record: what was given over what is known, else over the defaults. `null` takes a member away."""
    born = persons.born(patient)
    data: dict[str, Any] = dict(known or {"name": NAME, "protection": "none", "emigrated": False})
    if known is None and born is not None:
        data["born"] = born.isoformat()
    if known is None and given.get("protection") in (None, "none"):
        data["address"] = dict(ADDRESS)
    for name in _PERSON:
        if name in given:
            data[name] = given[name]
    return {name: value for name, value in data.items() if value is not None} | {"patient": patient, "as_of": as_of}


def _account(given: Mapping[str, Any], patient: str, world: World, wall: datetime) -> dict[str, Any]:
    account = given.get("account")
    data = dict(account) if isinstance(account, dict) else {"account": account or world.account(patient)}
    for name in ("phone", "by", "present"):
        if given.get(name) is not None:
            data.setdefault(name, given[name])
    since = time_text(after(wall, world.accounts.get(patient)))
    return {"by": dict(BY), "as_of": given.get("as_of") or since, **data, "patient": patient}


def _links(given: Mapping[str, Any], patient: str, today: date) -> Iterator[tuple[str, dict[str, Any]]]:
    """`guardians` are guardians; `agents` are what they say, else what the patient's age suggests."""
    born = persons.born(patient)
    child = born is not None and persons.age(born, today) < CHILD_AGE
    for name, relation in (("guardians", "guardian"), ("agents", "guardian" if child else "fullmakt")):
        for pointer, link in _listed(given, None, name, text="agent"):
            yield pointer, {"relation": relation, **link}


def _listed(
    given: Mapping[str, Any], one: str | None, many: str, text: str = "operator"
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The items of a list member, and the one of its singular; a plain string stands for its first field."""
    found = [(f"/{one}", given[one])] if one is not None and given.get(one) is not None else []
    rows = given[many] if given.get(many) is not None else []
    if not isinstance(rows, list):
        raise Malformed([(f"/{many}", "should be an array")])
    found += [(f"/{many}/{place}", row) for place, row in enumerate(rows)]
    for pointer, row in found:
        if isinstance(row, str):
            row = {text: row}
        if not isinstance(row, dict):
            raise Malformed([(pointer, "should be an object")])
        if text == "agent" and isinstance(row.get("agent"), str):
            row = {**row, "agent": _agent(row["agent"], f"{pointer}/agent")}
        yield pointer, row


def _agent(value: str, pointer: str) -> str:
    try:
        return persons.normalise(value)
    except ValueError as fault:
        raise Malformed([(pointer, str(fault))]) from None


def _model(model: type[BaseModel], pointer: str, data: dict[str, Any]) -> BaseModel:
    try:
        return model.model_validate(data)
    except ValidationError as fault:
        raise Malformed(FieldError(pointer + at, why) for at, why in malformed(fault).errors) from None


def after(wall: datetime, known: Mapping[str, Any] | None) -> datetime:
    """The wall clock's now, or a moment later than a known fact's `as_of`."""
    return wall if known is None else max(wall, parse_instant(known["as_of"]) + _MOMENT)
