"""Whose an id is: person → ids of documents, bookings or links, so that a page asks for one person's alone. Pure."""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

PERSONS_MAX: Final = 100_000


class Owned:
    """Bounded: who was noted longest ago goes. An id may have gone elsewhere meanwhile; whoever asks looks it up."""

    def __init__(self, most: int = PERSONS_MAX) -> None:
        self._most = most
        self._ids: OrderedDict[str, dict[str, None]] = OrderedDict()

    def note(self, person: str, name: str) -> None:
        self._ids.setdefault(person, {})[name] = None
        self._ids.move_to_end(person)
        if len(self._ids) > self._most:
            self._ids.popitem(last=False)

    def of(self, person: str) -> Iterator[str]:
        """The ids, the last noted first."""
        return reversed(list(self._ids.get(person, ())))
