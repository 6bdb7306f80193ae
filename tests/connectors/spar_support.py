"""The stand-in SPAR behind its TLS port, and the hub's way to ask it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from config import certificates
from config.ports import PEERS
from config.settings import Settings, load
from connectors.peer import Answer
from connectors.sandbox import secured
from connectors.sandbox.server import application
from connectors.spar.wire import Customer, Found, NotFound, decode, encode
from hub.embedded.leases import free_block
from tests.connectors.sandbox_support import Running

CUSTOMER = Customer(500_243, 500_243, 637, "care-hub register look-up")


def settings_for(directory: Path, **more: str) -> Settings:
    """Settings of a hub whose peers' ports are free."""
    return load({"HUB_DIR": str(directory / "hub"), "HUB_PORT_BASE": str(_base())} | more)


@cache
def _base() -> int:
    """One block for this process: its tests come one after the other."""
    return free_block()


@asynccontextmanager
async def over_tls(it: Running, settings: Settings) -> AsyncIterator[None]:
    """The sandbox also on the ports of its peers."""
    systems = {settings.ports.peer(name): name for name in PEERS}
    runner = web.AppRunner(application(it.sandbox, it.signer, systems), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await secured.listen(runner, "127.0.0.1", systems, certificates.server_tls(certificates.kept(settings.secrets_dir)))
    try:
        yield
    finally:
        await runner.cleanup()


async def searched(url: str, patient: str) -> Any:
    """What `POST /spar` of the sandbox's plain port says of a person: the news, or None. Raises as `decode` does."""
    call = encode(patient, CUSTOMER)
    async with (
        asyncio.timeout(10),
        aiohttp.ClientSession() as session,
        session.post(f"{url}/spar", data=call.body, headers=dict(call.headers)) as got,
    ):
        answer = Answer(got.status, await got.read(), {name.lower(): value for name, value in got.headers.items()})
    found = decode(patient, answer, datetime.now(UTC))
    assert isinstance(found, Found | NotFound)
    return found.person if isinstance(found, Found) else None
