"""`hub up` without its terminal: everything runs until it is told to stop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from config.settings import Settings
from config.telemetry import set_up_logging
from hub.logs import open_log
from hub.parts import table
from hub.supervisor import PART, Supervisor, supervise

if TYPE_CHECKING:
    from hub.control import Control


def _control(settings: Settings, supervisor: Supervisor) -> Control:
    """Its imports take half a second of processor time, which Kafka's start need not wait for."""
    from hub.control import Control

    return Control(settings, supervisor)


async def up(
    settings: Settings,
    say: Callable[[str], None],
    when_ready: Callable[[Supervisor], Awaitable[None]] | None = None,
) -> None:
    """Run the whole hub until SIGINT or SIGTERM; `when_ready` once, when every part can take work.

    Raises:
        AlreadyRunning, PortTaken, JarError, KafkaFailure, PostgresFailure: in words for an operator.
    """

    async def beside(supervisor: Supervisor) -> None:
        control = await asyncio.to_thread(_control, settings, supervisor)
        await control.start()
        try:
            await supervisor.wait_ready()
            opening = asyncio.create_task(control.status())  # its connections, so that the first who asks need not wait for that
            if when_ready is not None:
                await when_ready(supervisor)
            await opening
            await asyncio.Event().wait()
        finally:
            await control.close()

    with os.fdopen(open_log(settings.log_dir, PART), "a") as log:
        set_up_logging(PART, settings.hub.log_level, log)  # the terminal is for what `say` says
        await supervise(settings, table(settings), say, beside)
