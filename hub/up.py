"""`hub up` without its terminal: everything runs until it is told to stop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable

from config.settings import Settings
from config.telemetry import set_up_logging
from hub.control import PART, Control
from hub.logs import open_log
from hub.parts import table
from hub.supervisor import Supervisor, supervise


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
        control = Control(settings, supervisor)
        await control.start()
        try:
            await supervisor.wait_ready()
            await control.status()  # opens its connections, so that the first who asks need not wait for that
            if when_ready is not None:
                await when_ready(supervisor)
            await asyncio.Event().wait()
        finally:
            await control.close()

    with os.fdopen(open_log(settings.log_dir, PART), "a") as log:
        set_up_logging(PART, settings.hub.log_level, log)  # the terminal is for what `say` says
        await supervise(settings, table(settings), say, beside)
