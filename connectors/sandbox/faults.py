"""Faults that an operator may set for a stand-in: which system fails, how, and for how long.

Pure: time comes in as `now`, seconds of a monotonic clock (wall seconds, whatever the hub's clock does).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

System = Literal["spar", "mm", "kivra", "sms", "takecare", "app"]
Mode = Literal["down", "slow", "refuse", "lose_answer", "garbage"]

MODES: Final[Mapping[Mode, str]] = MappingProxyType(
    {
        "down": "the connection is cut before anything is read",
        "slow": "answers after a delay",
        "refuse": "answers that it will not",
        "lose_answer": "does what it is asked, then cuts the connection",
        "garbage": "does what it is asked, then answers with bytes that mean nothing",
    }
)
APPLIED: Final[frozenset[System]] = frozenset({"spar", "mm", "kivra", "sms"})
"""Systems that stand in here; faults of others are kept and shown, and touch nothing."""
DELAY_S: Final = 3.0
DELAY_S_MAX: Final = 60.0


class Fault(BaseModel):
    """`POST /faults`. Without a limit it lasts until `DELETE /faults`."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    system: System
    mode: Mode
    for_seconds: float | None = Field(default=None, gt=0, le=86_400)
    for_requests: int | None = Field(default=None, gt=0, le=1_000_000)
    delay_seconds: float = Field(default=DELAY_S, ge=0, le=DELAY_S_MAX)

    @model_validator(mode="after")
    def _one_limit(self) -> "Fault":
        if self.for_seconds is not None and self.for_requests is not None:
            raise PydanticCustomError("limits", "takes one of for_seconds and for_requests")
        return self


@dataclass(slots=True)
class _Active:
    fault: Fault
    until: float | None
    left: int | None


class Faults:
    """The faults in force, at most one a system: a new one replaces the old."""

    def __init__(self) -> None:
        self._active: dict[System, _Active] = {}

    def set(self, fault: Fault, now: float) -> None:
        until = None if fault.for_seconds is None else now + fault.for_seconds
        self._active[fault.system] = _Active(fault, until, fault.for_requests)

    def clear(self, system: System | None = None) -> None:
        if system is None:
            self._active.clear()
        else:
            self._active.pop(system, None)

    def strike(self, system: System, now: float, sparing: Collection[Mode] = ()) -> Fault | None:
        """The fault that this request meets; it counts. A mode in `sparing` does not touch such requests."""
        self._forget(now)
        found = self._active.get(system)
        if found is None or found.fault.mode in sparing:
            return None
        if found.left is not None:
            found.left -= 1
            if found.left == 0:
                del self._active[system]
        return found.fault

    def shown(self, now: float) -> list[dict[str, Any]]:
        """What is in force, for people."""
        self._forget(now)
        return [
            {
                "system": system,
                "mode": row.fault.mode,
                "meaning": MODES[row.fault.mode],
                "seconds_left": None if row.until is None else round(row.until - now, 1),
                "requests_left": row.left,
                "applied": system in APPLIED,
            }
            for system, row in sorted(self._active.items())
        ]

    def _forget(self, now: float) -> None:
        for system in [s for s, row in self._active.items() if row.until is not None and row.until <= now]:
            del self._active[system]


assert set(MODES) == set(get_args(Mode))
