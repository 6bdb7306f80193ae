"""Who may send what, as a table: client → event types, and for EHR systems kinds and units by their source row.

A client is the name a token or a certificate proves. An EHR client `ehr-NAME` has the rights of the settings'
`[sources.NAME]`; what no row allows is refused (403 `not-allowed`, with a pointer to the field that decides).
The worker checks the same of what comes to Kafka directly; here the sender hears of it at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from connectors.gateway.decoding import Submitted
from schemas.errors import FieldError
from schemas.events import AccountChanged, BookingChanged, DocumentSubmitted, TimeTypeChanged
from schemas.policy import Policy, Source

EHR_PREFIX: Final = "ehr-"
TYPES_OF_CLIENT: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "app": frozenset({"account.changed.v1", "agent.changed.v1", "document.read.v1", "delivery.answered.v1"}),
        "operator": frozenset({"person.changed.v1", "mailbox.changed.v1"}),
        "portal": frozenset(),
    }
)
"""Clients that are no EHR. `operator` stands for registers and mailboxes, in the sandbox above all."""
HUB_SOURCES: Final = "urn:care-hub:"
"""Whoever took the register connector's ids before it could silence a protection: an event is known by source and id."""
READS_ATTACHMENTS: Final = frozenset({"app"})
_NOT_YOURS: Final = "is no type of event that this client may send"


@dataclass(frozen=True, slots=True)
class Client:
    """Who a request comes from, once proved. `reader` is the resident a token was issued for, if it says so."""

    name: str
    reader: str | None = None


@dataclass(frozen=True, slots=True)
class Rights:
    """The table with the settings' sources, and which functions are active at which unit."""

    policy: Policy

    def source_of(self, client: Client) -> Source | None:
        """The source whose rights an EHR client has."""
        name = client.name.lower()
        return self.policy.source(name.removeprefix(EHR_PREFIX)) if name.startswith(EHR_PREFIX) else None

    def faults(self, client: Client, event: Submitted, via: str | None = None) -> list[FieldError]:
        """Why a client may not send an event; nothing if it may.

        `via` names the source that a protocol is of its own (RIV-TA): then both rows must allow it.
        """
        source = self.source_of(client)
        if event.envelope.source.lower().startswith(HUB_SOURCES):
            return [FieldError(f"{event.context}/source", "is the hub's own")]
        if source is None:
            allowed = event.envelope.type in TYPES_OF_CLIENT.get(client.name, frozenset())
            return [] if allowed else [FieldError(f"{event.context}/type", _NOT_YOURS)]
        kind, at = _kind(event)
        if kind is None:
            return [FieldError(at, _NOT_YOURS)]
        rows = [source] if via is None else [source, *filter(None, [self.policy.source(via)])]
        unit = getattr(event.model, "unit", "")
        found = []
        if any(kind not in row.kinds for row in rows):
            found.append(FieldError(at, "is not what this client may send"))
        if not all(row.covers(unit) for row in rows):
            found.append(FieldError(f"{event.at}/unit", "is no unit of this client's"))
        elif kind != "time_type" and kind not in self.policy.unit(unit).active:
            found.append(FieldError(f"{event.at}/unit", "has not activated this function"))
        found.extend(self._names_another(event, {row.name for row in rows}))
        return found

    def _names_another(self, event: Submitted, own: set[str]) -> list[FieldError]:
        """A client speaks for its own system: a source it names must be one of its own."""
        found = []
        named = event.envelope.source.lower()
        if not any(name in named for name in own) and any(name in named for name in self.policy.sources):
            found.append(FieldError(f"{event.context}/source", "names another client's source"))
        if isinstance(event.model, DocumentSubmitted) and event.model.source_system.lower() not in own:
            found.append(FieldError(f"{event.at}/source_system", "is no system of this client's"))
        return found


def _kind(event: Submitted) -> tuple[str | None, str]:
    """What the sources' `kinds` call an event, and where that is told."""
    match event.model:
        case BookingChanged():
            return "booking", f"{event.context}/type"
        case TimeTypeChanged():
            return "time_type", f"{event.context}/type"
        case DocumentSubmitted() as document:
            return document.kind, f"{event.at}/kind"
    return None, f"{event.context}/type"


def may_unblock(model: AccountChanged) -> bool:
    """P5: only care staff unblock, and state at which unit the patient is."""
    return model.by is not None and model.by.role == "staff" and model.present is not None
