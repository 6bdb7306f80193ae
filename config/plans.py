"""Plans that need what a channel cannot give (`schemas.capabilities`): refused when the settings load, by key and reason.

Only what an operator wrote is a plan; a default follows the channel. Large attachments are no such plan: a document that no channel can
take is printed (C10), and intake may take more than one channel carries.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from config.policy import LimitKeys
from schemas.capabilities import CHANNELS, MAILBOXES

if TYPE_CHECKING:
    from config.settings import Settings

REPEATS_MAX: Final = 3
"""Of a send in doubt, where nothing else is set and the peer recognises repeats."""


def impossible_tables(values: Mapping[str, Any]) -> Iterator[str]:
    """Before the tables are read: keys that no channel of that name can have."""
    delivery = values.get("delivery")
    for name, table in delivery.items() if isinstance(delivery, dict) else ():
        channel = CHANNELS.get(name)
        if channel is not None and not channel.quiet_hours and isinstance(table, dict):
            for key in table:
                if key.startswith("quiet_"):
                    yield f"delivery.{name}.{key}: {name} has no quiet hours: it wakes nobody"


def impossible(settings: Settings) -> Iterator[str]:
    """One line a plan that cannot be."""
    yield from _ages(settings)
    yield from _repeats(settings)


def recognises_repeats(settings: Settings, name: str) -> bool:
    """Whether a send in doubt may be made again by itself. Of Kivra it is the tenant's agreement that says so."""
    return CHANNELS[name].dedupes and (name != "kivra" or settings.peers.kivra.recognises_repeats)


def repeats_max(settings: Settings, name: str) -> int:
    """How often a send in doubt is made again by itself: as set, else by what the channel can."""
    given: int | None = getattr(settings.delivery, name).repeats_max
    if given is not None:
        return given
    return REPEATS_MAX if recognises_repeats(settings, name) else 0


def _ages(settings: Settings) -> Iterator[str]:
    """R8, R9: whom the rules call adults gets letters in mailboxes, which take nobody younger than they are for."""
    youngest = max((CHANNELS[name] for name in MAILBOXES), key=lambda channel: channel.age_min)
    for key, table in _limits(settings):
        if table.adult_age is not None and table.adult_age < youngest.age_min:
            yield f"{key}.adult_age: {table.adult_age} is below {youngest.age_min}, the youngest that {youngest.name} is for"


def _limits(settings: Settings) -> Iterable[tuple[str, LimitKeys]]:
    yield "rules", settings.rules
    for kind in ("providers", "units"):
        for hsa, table in getattr(settings.units_file, kind).items():
            yield f"{kind}.{hsa}", table


def _repeats(settings: Settings) -> Iterator[str]:
    for name in type(settings.delivery).model_fields:
        if name in CHANNELS and repeats_max(settings, name) > 0 and not recognises_repeats(settings, name):
            why = "peers.kivra.recognises_repeats is false" if CHANNELS[name].dedupes else f"{name} does not recognise repeats"
            yield f"delivery.{name}.repeats_max: {why}, so what is in doubt is never sent again by itself; only 0 can be"
