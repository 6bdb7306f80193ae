"""What an operator has decided, as data: limits, sources, units. Built and checked by `config.settings`.

Limits go from the hub to the provider to the unit (DOMAIN.md, "Every limit is configuration"); what a unit does not set
it inherits. Functions are activated by the local administration, per unit ("aktiveras av lokal förvaltning").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Literal

Function = Literal["kallelse", "brev", "remissbekraftelse", "booking", "video", "notification"]
FUNCTIONS: Final[frozenset[Function]] = frozenset(("kallelse", "brev", "remissbekraftelse", "booking", "video", "notification"))

SourceKind = Literal["booking", "time_type", "kallelse", "brev", "remissbekraftelse"]
SOURCE_KINDS: Final[frozenset[SourceKind]] = frozenset(("booking", "time_type", "kallelse", "brev", "remissbekraftelse"))


@dataclass(frozen=True, slots=True)
class Limits:
    """The rules' limits, with the defaults of DOMAIN.md. Field names are the keys of `[rules]`."""

    unread_hours: int = 48  # R10, R11
    child_age: int = 13  # R7, P7
    adult_age: int = 18  # R8, R9
    paper_lead_days: int = 4  # R14, Swedish working days
    early_print: bool = False  # R14
    room_delay_minutes: int = 10  # V1
    room_margin_minutes: int = 30  # V2
    room_people_max: int = 20  # V8
    reminder_minutes: int = 15  # V7
    register_fresh_hours: int = 24  # P8
    register_silent_days: int = 7  # P8
    open_app_for_sekretess: bool = False  # R3, the provider's option
    protected_escalation_hours: int = 24  # R3


@dataclass(frozen=True, slots=True)
class Source:
    """One sending system: what it may send, for which units, and whether its templates carry control codes (C9)."""

    name: str
    control_codes: bool
    kinds: frozenset[SourceKind]
    units: tuple[str, ...]  # HSA-ids, or patterns that end in `*`

    def may_send(self, kind: str, unit: str) -> bool:
        return kind in self.kinds and self.covers(unit)

    def covers(self, unit: str) -> bool:
        return any(unit.startswith(u[:-1]) if u.endswith("*") else unit == u for u in self.units)


@dataclass(frozen=True, slots=True)
class Unit:
    id: str  # HSA-id
    provider: str  # HSA-id of the care provider, empty when no row of the settings maps it
    name: str
    active: frozenset[Function]
    limits: Limits


@dataclass(frozen=True)
class Policy:
    """The effective settings the rules see. `version` stands in every decision (CONTRACTS.md, `config_version`)."""

    units: Mapping[str, Unit]
    providers: Mapping[str, str]  # HSA-id -> name
    sources: Mapping[str, Source]  # by name in lower case, as in `[sources.NAME]`
    limits: Limits
    version: str
    asks_mailboxes: bool = False  # a part of this hub asks the mailbox operators itself (R9); else what is published of them is all
    _strangers: dict[str, Unit] = field(default_factory=dict, compare=False, repr=False)

    def unit(self, hsa_id: str) -> Unit:
        """The unit, or one with the hub's defaults where no settings name it."""
        found = self.units.get(hsa_id)
        if found is not None:
            return found
        made = self._strangers.get(hsa_id)
        if made is None:
            made = Unit(hsa_id, "", hsa_id, FUNCTIONS, self.limits)
            if len(self._strangers) < STRANGERS_MAX:
                self._strangers[hsa_id] = made
        return made

    def source(self, name: str) -> Source | None:
        return self.sources.get(name.lower())

    @cached_property
    def by_provider(self) -> Mapping[str, tuple[Unit, ...]]:
        return {p: tuple(u for u in self.units.values() if u.provider == p) for p in self.providers}


STRANGERS_MAX: Final = 10_000  # units without settings kept in memory; more are made anew each time
