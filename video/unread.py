"""N1: a patient who has not read what staff wrote in a meeting's chat is told so after a while, once until they have read.

What is unread stands in the ledger, written with the line itself (`texts.py`), so whoever starts after a bridge that died goes on from
there. A stretch is marked as told after Kafka has its notification; one that is published again has the same id, and is one text.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple, Protocol

import structlog

from video.records import Record, unread_record

EVERY_S: Final = 3.0
ROWS_MAX: Final = 1_000
POINTLESS_AFTER: Final = timedelta(hours=24)
"""From when it is due: `not_after` (N3)."""
_log = structlog.get_logger()


class Reader(NamedTuple):
    """The patient of a room that is made for one (V10). `person`: the ledger's key, as text."""

    room_id: str
    pid: str
    person: str
    at: datetime


class Missed(NamedTuple):
    """A line of staff's. `readers`: pid and person of the room's booked patients; `seen_by`: pids of who was there."""

    room_id: str
    number: int
    at: datetime
    seen_by: frozenset[str]
    readers: tuple[tuple[str, str], ...] = ()


class Read(NamedTuple):
    """Somebody has read up to a line."""

    room_id: str
    pid: str
    number: int


class Stretch(NamedTuple):
    """What one patient has not read, for as long as it takes. `recipient`: their number; None: nobody is to be told."""

    room_id: str
    pid: str
    number: int
    since: datetime
    recipient: str | None = None
    partition: str = ""
    has_phone: bool = False

    def __repr__(self) -> str:
        """Without the person."""
        return f"Stretch(room_id={self.room_id!r}, number={self.number})"


class Unread(Protocol):
    """The port to the ledger. Both raise `OSError` or `TimeoutError` while it is away."""

    async def due(self, since_max: datetime, rows_max: int) -> Sequence[Stretch]: ...

    async def told(self, stretches: Sequence[Stretch]) -> None: ...


class Reminding:
    """The loop of one bridge, for its own rooms. `publish` comes back when Kafka has it all."""

    def __init__(
        self, unread: Unread, publish: Callable[[list[Record]], Awaitable[None]], owns: Callable[[str], bool],
        now: Callable[[], datetime], after: timedelta,
    ) -> None:  # fmt: skip
        self._unread, self._publish, self._owns, self._now, self._after = unread, publish, owns, now, after

    async def remind(self) -> int:
        """Tell of everything that is due now; of how many stretches."""
        now = self._now()
        mine = [each for each in await self._unread.due(now - self._after, ROWS_MAX) if self._owns(each.room_id)]
        records = [
            unread_record(each.room_id, each.pid, each.number, each.recipient, each.partition, each.has_phone, until, now)
            for each in mine
            if each.recipient is not None and now < (until := each.since + self._after + POINTLESS_AFTER)
        ]
        if records:
            await self._publish(records)
        if mine:
            await self._unread.told(mine)
        return len(records)

    async def run(self) -> None:
        """Until cancelled. A ledger that is away is asked again."""
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self.remind()
            except (OSError, TimeoutError) as error:
                _log.warning("video_unread_waits_for_ledger", error=type(error).__name__)
