"""From the settings' tables to the `schemas.policy.Policy` the rules read: limits go from hub to provider to unit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields, replace
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from schemas.policy import FUNCTIONS, Function, Limits, Policy, Source, SourceKind, Unit

HSA_ID: Final = r"^[A-Z0-9][A-Z0-9-]{2,30}$"
UNIT_PATTERN: Final = r"^[A-Z0-9][A-Z0-9-]{0,30}\*?$"
VERSION_CHARS: Final = 12

Hours = Annotated[int, Field(ge=0, le=24 * 365)]
Minutes = Annotated[int, Field(ge=0, le=24 * 60)]
Age = Annotated[int, Field(ge=0, le=120)]
Days = Annotated[int, Field(ge=0, le=365)]


class Table(BaseModel):
    """A table of the settings: frozen, and a key that is not in it is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class LimitKeys(Table):
    """The keys of `[rules]`; a provider or unit overrides those it names."""

    unread_hours: Hours | None = None
    child_age: Age | None = None
    adult_age: Age | None = None
    paper_lead_days: Days | None = None
    early_print: bool | None = None
    room_delay_minutes: Minutes | None = None
    room_margin_minutes: Minutes | None = None
    room_people_max: Annotated[int, Field(ge=1, le=1000)] | None = None
    reminder_minutes: Minutes | None = None
    register_fresh_hours: Hours | None = None
    register_silent_days: Days | None = None
    open_app_for_sekretess: bool | None = None
    protected_escalation_hours: Hours | None = None

    def over(self, limits: Limits) -> Limits:
        """`limits` with the keys that are set here."""
        given = {f.name: getattr(self, f.name) for f in fields(Limits)}
        made = replace(limits, **{k: v for k, v in given.items() if v is not None})
        if made.child_age > made.adult_age:
            raise ValueError(f"child_age {made.child_age} is above adult_age {made.adult_age}")
        return made


def _functions(value: object) -> object:
    """`active` is true, false or a list of functions."""
    if value is True:
        return FUNCTIONS
    if value is False:
        return frozenset()
    return value


Active = Annotated[frozenset[Function], BeforeValidator(_functions)]


class ProviderTable(LimitKeys):
    name: str = Field(min_length=1)
    active: Active | None = None


class UnitTable(LimitKeys):
    provider: Annotated[str, Field(pattern=HSA_ID)]
    name: str = Field(min_length=1)
    active: Active | None = None


class UnitsFile(Table):
    """`units.toml`."""

    providers: dict[Annotated[str, Field(pattern=HSA_ID)], ProviderTable] = Field(default_factory=dict)
    units: dict[Annotated[str, Field(pattern=HSA_ID)], UnitTable] = Field(default_factory=dict)


class SourceTable(Table):
    """`[sources.NAME]`."""

    control_codes: bool = False
    kinds: frozenset[Literal["booking", "time_type", "kallelse", "brev", "remissbekraftelse"]]
    units: tuple[Annotated[str, Field(pattern=UNIT_PATTERN)], ...]


def build(
    rules: LimitKeys, sources: Mapping[str, SourceTable], file: UnitsFile, *, asks_mailboxes: bool = False
) -> Policy:
    """The effective policy.

    Raises:
        ValueError: naming the unit or provider whose settings do not fit together.
    """
    limits = rules.over(Limits())
    units = {hsa: _unit(hsa, row, file, limits) for hsa, row in file.units.items()}
    providers = {hsa: row.name for hsa, row in file.providers.items()}
    made = {name: Source(name, s.control_codes, s.kinds, s.units) for name, s in sources.items()}
    return Policy(units, providers, made, limits, version_of(units.values(), providers, made.values(), limits), asks_mailboxes)


def _unit(hsa: str, row: UnitTable, file: UnitsFile, limits: Limits) -> Unit:
    provider = file.providers.get(row.provider)
    if provider is None:
        raise ValueError(f"units.{hsa}.provider: {row.provider} is not among [providers]")
    offered = FUNCTIONS if provider.active is None else provider.active
    chosen = offered if row.active is None else row.active
    if not chosen <= offered:
        wrong = ", ".join(sorted(chosen - offered))
        raise ValueError(f"units.{hsa}.active: {wrong} is not active at its provider {row.provider}")
    try:
        return Unit(hsa, row.provider, row.name, chosen, row.over(provider.over(limits)))
    except ValueError as wrong_limits:
        raise ValueError(f"units.{hsa}: {wrong_limits}") from None


def version_of(units: Iterable[Unit], providers: Mapping[str, str], sources: Iterable[Source], limits: Limits) -> str:
    """A short hash of what is in force: equal settings, equal version, however the files are written."""
    content: dict[str, Any] = {
        "limits": asdict(limits),
        "providers": dict(providers),
        "sources": {s.name: [s.control_codes, sorted(s.kinds), list(s.units)] for s in sources},
        "units": {u.id: [u.provider, u.name, sorted(u.active), asdict(u.limits)] for u in units},
    }
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:VERSION_CHARS]


assert set(LimitKeys.model_fields) == {f.name for f in fields(Limits)}  # one list of limits, in two forms
assert set(get_args(SourceKind)) == {"booking", "time_type", "kallelse", "brev", "remissbekraftelse"}
