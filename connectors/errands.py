"""The loop of whoever takes what is due from the ledger and does it, several at a time, until told to stop.

Nothing is held here that a crash could lose: what was taken and not told about comes due again there.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, NamedTuple

POLL_S: Final = 0.25


class Round(NamedTuple):
    """How one look at the ledger ended. `more`: there may be more at once. `full`: nothing begins before something is finished."""

    more: bool
    full: bool = False
    wait_s: float = POLL_S


class Errands:
    """What is under way. `wake` may be called at any time; `run` ends when `stop` is set and what was begun is finished."""

    def __init__(self) -> None:
        self._wanted = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._under_way)

    def wake(self, *_: object) -> None:
        """Something new may be due."""
        self._wanted.set()

    def begin(self, errand: Coroutine[Any, Any, None]) -> None:
        """Do it beside the others. A failure of it ends `run` with that failure."""
        self._under_way.add(asyncio.create_task(errand))

    async def run(self, stop: asyncio.Event, look: Callable[[], Awaitable[Round]]) -> None:
        """Look, again and again. A failure of ours ends it, once what is under way is finished."""
        ends = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                self._wanted.clear()
                found = await look()
                if not found.more:
                    await self._pause(ends, found)
                self._reap()
        finally:
            ends.cancel()
            if self._under_way:
                await asyncio.wait(self._under_way)
        self._reap()

    async def _pause(self, ends: asyncio.Task[bool], found: Round) -> None:
        """Until something is wanted, or a place is free where none was; time passes, or the end."""
        wanted = asyncio.create_task(self._wanted.wait())
        waits: set[asyncio.Task[Any]] = {ends, *self._under_way} if found.full else {ends, wanted}
        try:
            await asyncio.wait(waits, timeout=found.wait_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            wanted.cancel()

    def _reap(self) -> None:
        for task in [task for task in self._under_way if task.done()]:
            self._under_way.discard(task)
            task.result()
