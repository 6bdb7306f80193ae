"""The ports to what the ledger alone knows or does: who is a patient of a room, how somebody is named, texts to guests."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from video.rooms.model import Room


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

    async def withdrawn(self, chats: Collection[str]) -> set[str]:
        """Of these chat rooms those whose patient has become protected, or has died, since they were invited (P10)."""
        ...

    async def invited(self, patient: Patient, room_id: str, *, until: str) -> None:
        """V10: tell the patient of a chat invitation, without content."""
        ...


@dataclass(frozen=True, slots=True)
class Guest:
    """A text to somebody whom the hub does not know (V9, N3). `act` names what staff did: the same act again sends nothing more."""

    act: str
    phone: str = field(repr=False)
    """E.164."""
    url: str = field(repr=False)
    code: str = field(repr=False)


class Guests(Protocol):
    """Where an SMS provider is set."""

    async def invited(self, room: Room, guest: Guest, now: datetime) -> Literal["new", "known", "full"]:
        """Have it sent, at once. `full`: the room has had as many as it may. `OSError` or `TimeoutError`: the ledger is away."""
        ...
