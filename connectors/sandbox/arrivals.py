"""What really arrived, for whom, how often: the answers of `GET /inbox/{channel}` and `GET /inbox/{channel}/{person}`. Pure.

`times` counts deliveries: events of their own (`ce_id`) that brought a person this content. A topic may give one event
more than once and a consumer knows it by its id; `records` counts those too, so that nothing is hidden.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from heapq import nlargest
from types import MappingProxyType
from typing import Any, Final

import orjson

from schemas.cloudevents import time_text

JSON: Final = "application/json"
CHANNELS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "app": "delivered",
        "kivra": "received",
        "billo": "received",
        "minmyndighetspost": "received",
        "fortnox": "received",
        "sms": "received",
        "push": "requested",
    }
)
"""Channel → what an arrival there is. A push is what the topic asks for: no part of the hub carries it."""
NO_CONTENT: Final = frozenset({"recipients", "sent"})
"""Members of an event that are not part of what its reader gets."""


@dataclass(slots=True)
class Arrival:
    """One content for one person by one channel."""

    name: str
    about: str
    sha256: str
    size: int
    first_at: datetime
    last_at: datetime
    content_type: str = JSON
    times: int = 0
    records: int = 0
    attachments: Sequence[Mapping[str, Any]] = ()
    """A letter's, each with type, digest and size."""

    def shown(self, channel: str) -> dict[str, Any]:
        return {
            self.name: self.about,
            "sha256": self.sha256,
            "size": self.size,
            "content_type": self.content_type,
            "times": self.times,
            "first_at": time_text(self.first_at),
            "last_at": time_text(self.last_at),
            "records": self.records,
            "what": CHANNELS[channel],
            **({"attachments": list(self.attachments)} if self.attachments else {}),
        }


class Arrivals:
    """By channel and person."""

    def __init__(self) -> None:
        self._by_person: dict[tuple[str, str], dict[tuple[str, str], Arrival]] = {}
        self.noted = 0

    def note(
        self, channel: str, person: str, name: str, about: str, digest: str, size: int, at: datetime, *, repeated: bool,
        content_type: str = JSON, attachments: Sequence[Mapping[str, Any]] = (),
    ) -> None:  # fmt: skip
        """Something arrived; `repeated` says that it is a record of an event that came before."""
        self.noted += 1
        inbox = self._by_person.setdefault((channel, person), {})
        found = inbox.get((about, digest))
        if found is None:
            found = inbox[about, digest] = Arrival(name, about, digest, size, at, at, content_type, attachments=attachments)
        found.records += 1
        if not repeated:
            found.times += 1
            found.last_at = at

    def all_of(self, channel: str) -> list[dict[str, Any]]:
        """All that arrived by a channel, without for whom."""
        inboxes = (inbox for (by, _), inbox in self._by_person.items() if by == channel)
        return [arrival.shown(channel) for inbox in inboxes for arrival in inbox.values()]

    def newest(self, channel: str, count: int) -> list[tuple[str, Arrival]]:
        """The last to arrive by a channel, each with its person, the newest first."""
        rows = ((person, arrival) for (by, person), inbox in self._by_person.items() if by == channel for arrival in inbox.values())
        return nlargest(count, rows, key=lambda row: row[1].last_at)

    def count(self, channel: str) -> int:
        """How many contents arrived by a channel."""
        return sum(len(inbox) for (by, _), inbox in self._by_person.items() if by == channel)

    def of(self, channel: str, person: str) -> list[dict[str, Any]]:
        """What arrived for a person by a channel, the first first."""
        return [arrival.shown(channel) for arrival in self._by_person.get((channel, person), {}).values()]


def content_of(data: Mapping[str, Any]) -> tuple[str, int]:
    """SHA-256 and size of an event's content as JSON with sorted keys."""
    content = orjson.dumps({k: v for k, v in data.items() if k not in NO_CONTENT}, option=orjson.OPT_SORT_KEYS)
    return sha256(content).hexdigest(), len(content)
