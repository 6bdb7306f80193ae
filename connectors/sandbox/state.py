"""What the handlers share."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import web

from connectors.sandbox.faults import Faults
from connectors.sandbox.persons import after
from connectors.sandbox.publishing import Publishing
from connectors.sandbox.world import World
from schemas.clock import Clock


def wall_now() -> datetime:
    """The wall clock, which the sandbox's clock does not move."""
    return datetime.now(UTC)


async def nothing_to_wait_for(_topics: Collection[str] = ()) -> bool:
    """A sandbox that reads no topics has always caught up."""
    return True


@dataclass(frozen=True, slots=True)
class Sandbox:
    """One sandbox: what it knows, what it may break, how it publishes, and the settings it needs."""

    world: World
    publishing: Publishing
    clock: Clock
    sender: str
    """The organisation number that mailboxes know the hub by."""
    faults: Faults
    ready: Callable[[], bool]
    gateway_url: str
    video_url: str = ""
    """Where the pages of video rooms are: `/meet/{room}`."""
    wall: Callable[[], datetime] = wall_now
    began: datetime = field(default_factory=wall_now)
    """Since when it takes things in, by the wall clock."""
    caught_up: Callable[..., Awaitable[bool]] = nothing_to_wait_for
    """What a peer awaits before it answers from what the topics told (`Learning.caught_up`); with topics, before it answers from those."""

    def after(self, known: Mapping[str, Any] | None) -> datetime:
        """The `as_of` of what somebody says now: the wall clock's, and newer than what is known."""
        return after(self.wall(), known)


SANDBOX: Final = web.AppKey("sandbox", Sandbox)
