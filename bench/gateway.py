"""The gateway's door: documents as CloudEvents over HTTP, one at a time and in batches, until Kafka has them with acks=all."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
import jwt
import orjson
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from bench.meters import cpu_seconds, percentile, rss_mib
from bench.report import Report, told
from bench.servers import Ground
from bench.sides import HUB, ROOT
from bench.world import SOURCE
from hub.embedded.leases import free_ports
from hub.process import spawn

BATCH_EVENTS: Final = 1_000
CLIENTS: Final = 4
READY_S: Final = 60.0


async def run(ground: Ground, report: Report, events: int) -> None:
    part = report.part("gateway")
    async with _gateway(ground) as (session, url, pid):
        for size, count in ((BATCH_EVENTS, events), (1, events // 20)):
            bodies = [_body(ground, f"door-{size}", first, min(count, first + size)) for first in range(0, count, size)]
            told(f"gateway: {count:,} events in batches of {size:,}")
            cpu = cpu_seconds(pid)
            began = time.perf_counter()
            waits = await _post(session, url, bodies)
            took = time.perf_counter() - began
            name = f"batches of {size:,}" if size > 1 else "one at a time"
            part.figure(f"{name}: events taken in", count / took, "/s")
            part.figure(f"{name}: CPU an event", (cpu_seconds(pid) - cpu) / count * 1e6, "us")
            part.figure(f"{name}: request to 202, p99", percentile(waits, 0.99) * 1000, "ms")
        part.figure("memory at the end", rss_mib(pid), "MiB")
    part.notes.append(f"{CLIENTS} clients at the same time, each waiting for its 202 before it sends again; 1.4 kB a document.")


def _body(ground: Ground, name: str, first: int, last: int) -> bytes:
    events = [
        {
            "specversion": "1.0", "id": f"{name}-{first + number}", "source": SOURCE.decode(), "type": "document.submitted.v1",
            "data": orjson.loads(output.value or b""),
        }
        for number, output in enumerate(ground.world.documents("", name, first, last))
    ]  # fmt: skip
    return orjson.dumps(events)


async def _post(session: aiohttp.ClientSession, url: str, bodies: list[bytes]) -> list[float]:
    """Seconds from each request to its 202."""
    left, waits = iter(bodies), []

    async def client() -> None:
        for body in left:
            began = time.perf_counter()
            async with session.post(f"{url}/v1/events", data=body) as answer:
                if answer.status != 202:
                    raise RuntimeError(f"the gateway answered {answer.status}: {(await answer.text())[:500]}")
            waits.append(time.perf_counter() - began)

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return waits


@asynccontextmanager
async def _gateway(ground: Ground) -> AsyncIterator[tuple[aiohttp.ClientSession, str, int]]:
    """The process, with a token issuer beside it."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    keys = {"keys": [RSAAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": "bench", "use": "sig", "alg": "RS256"}]}
    app = web.Application()

    async def jwks(_: web.Request) -> web.Response:
        return web.json_response(keys)

    app.router.add_get("/jwks", jwks)
    runner = web.AppRunner(app)
    await runner.setup()
    (port,) = free_ports(1)
    await web.TCPSite(runner, "127.0.0.1", port).start()
    issuer = f"http://127.0.0.1:{port}"
    env = ground.environment(HUB) | {"HUB__AUTH__ISSUER": issuer, "HUB__AUTH__JWKS_URL": f"{issuer}/jwks"}
    claims: dict[str, Any] = {"iss": issuer, "aud": "hub", "client_id": "ehr-takecare", "exp": int(time.time()) + 3_600}
    headers = {
        "Authorization": f"Bearer {jwt.encode(claims, key, algorithm='RS256', headers={'kid': 'bench'})}",
        "Content-Type": "application/cloudevents-batch+json",
    }
    log = ground.dir / "gateway.log"
    with log.open("wb") as output:
        process = spawn([sys.executable, "-m", "connectors.gateway"], output=output, env=env, cwd=ROOT)
    url = f"http://127.0.0.1:{ground.settings.ports.gateway}"
    try:
        async with aiohttp.ClientSession(headers=headers) as session:
            async with asyncio.timeout(READY_S):
                while not await _ready(session, url):
                    if process.poll() is not None:
                        raise RuntimeError(f"the gateway ended: {log.read_text(errors='replace')[-2000:]}")
                    await asyncio.sleep(0.1)
            yield session, url, process.pid
    finally:
        process.terminate()
        process.wait()
        await runner.cleanup()


async def _ready(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(f"{url}/readyz") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False
