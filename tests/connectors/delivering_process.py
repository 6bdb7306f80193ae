"""A delivery process that kills itself at a named point: `python -m tests.connectors.delivering_process DSN POINT FILE NOW DEDUPES`.

The peer is a file: what arrives there is written with one append, as a real peer would have it whatever becomes of the process.
"""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from connectors.channels import Operator, Sent
from pipelines.ledger.slots import Slot
from pipelines.points import arm, reach
from tests.connectors.delivering_support import FakeMailbox, desk_on, part


class FilePeer(FakeMailbox):
    """Appends one line for each request that arrives."""

    def __init__(self, file: Path, **more: Any) -> None:
        super().__init__("kivra", **more)
        self._file = file

    async def send(self, request: bytes, *, recipient: str, operator: Operator, delivery_id: Any) -> Sent:
        handle = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(handle, request + b"\n")
        os.close(handle)
        return Sent("ref")


async def main(dsn: str, point: str, file: str, now: str, dedupes: str) -> None:
    async with desk_on(dsn) as hub:
        hub.time = datetime.fromisoformat(now)
        slot = Slot("delivery-0", lambda _: None)
        await slot.hold(dsn)
        delivery = part(hub, FilePeer(Path(file), dedupes=dedupes == "yes"), reach=reach)
        await delivery.ledger.adopt(hub.time, with_own=True)
        arm(point)
        await delivery.rest()
        await slot.release()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
