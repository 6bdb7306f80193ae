"""Which bridge a room lives in: a pure function of the room's id and the number of bridges, so that nobody has to agree on anything.

Rendezvous hashing (Thaler and Ravishankar, 1998): each bridge draws a number for the room, the highest has it. With one bridge more,
only the rooms that it wins move, one in so many; all others stay where they are. A lease table or Kafka's partitions would give
rooms away while a bridge is started again, and a room that moves is a meeting that blinks: a slot waits for its own process instead.
"""

from dataclasses import dataclass
from hashlib import blake2b


def owner(name: str, bridges: int) -> int:
    """The slot, from 0, of what has this name: a room's id, or anything else that must come to one and the same process."""
    return max(range(bridges), key=lambda slot: (blake2b(name.encode(), digest_size=8, salt=slot.to_bytes(2)).digest(), slot))


@dataclass(frozen=True, slots=True)
class Team:
    """A bridge among its peers. `urls`: where each listens on loopback, by slot; a bridge alone needs none."""

    slot: int = 0
    urls: tuple[str, ...] = ("",)

    def owner(self, name: str) -> int:
        return owner(name, len(self.urls)) if len(self.urls) > 1 else self.slot

    def owns(self, name: str) -> bool:
        return self.owner(name) == self.slot
