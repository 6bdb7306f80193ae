"""The port to what the ledger alone knows: who is a patient of a room, and how somebody is named."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Patient:
    """Somebody whom the bridge may name to staff. Nobody protected or dead is one: fail closed (B1, P10)."""

    key: str
    """Opaque, the same for all numbers of a person."""
    partition: str
    name: str = field(repr=False)
    phone: str | None = field(default=None, repr=False)
    booking_id: str = ""


class People(Protocol):
    async def booked(self, room_id: str) -> Sequence[Patient]:
        """The patients of the room's bookings. Raises `OSError` or `TimeoutError` while the ledger is away."""
        ...

    async def person(self, patient: str) -> Patient | None:
        """A person by number; None for one who is unknown, protected or dead. `ValueError`: no possible number."""
        ...

    async def is_withdrawn(self, patient: Patient) -> bool:
        """P10: whether they have become protected, or have died, since they were named."""
        ...

    async def invited(self, patient: Patient, room_id: str, *, until: str) -> None:
        """V10: tell the patient of a chat invitation, without content."""
        ...
