"""The gateway's own process on a real Kafka: 202 means it is there, a stopped broker means 503, memory is bounded.

What "nothing half taken" can mean: a batch is checked whole before any of it is sent, and each partition's share is
one atomic record batch; over several partitions Kafka without transactions (ARCHITECTURE decision 1) promises no more
than that a *repeated* request, with the same ids, completes it. So after a 503 the log may hold some of the batch, and
after the repeat it holds all of it, every event one event by `(ce_source, ce_id)`.
"""

import asyncio
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import jwt
import orjson
import pytest
from aiohttp import web
from aiokafka import AIOKafkaConsumer, TopicPartition
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from config.settings import load
from hub.embedded.leases import free_block, free_ports
from hub.embedded.running import KafkaServer, running_kafka
from hub.topics import provision
from schemas.topics import PARTITIONS
from tests.connectors.gateway_support import BATCH, EVENTS, Gateway, Log, event

pytestmark = pytest.mark.slow


class NotHere(Log):
    """The publisher is in another process."""


@pytest.fixture(scope="module")
def broker(server_dir: Path, cache_dir: Path) -> Iterator[KafkaServer]:
    """A broker of this module's own: it is stopped in the middle."""
    with running_kafka(server_dir / "gateway-kafka", cache_dir, durable=False) as server:
        yield server


@pytest.fixture
async def gateway(broker: KafkaServer, tmp_path: Path) -> AsyncIterator[tuple[Gateway, int]]:
    """The process, with a token issuer beside it; gives a client and the process id."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    jwk = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": "k1", "use": "sig", "alg": "RS256"}
    issuer_app = web.Application()

    async def jwks(_: web.Request) -> web.Response:
        return web.json_response({"keys": [jwk]})

    issuer_app.router.add_get("/jwks", jwks)
    runner = web.AppRunner(issuer_app)
    await runner.setup()
    base, (issuer_port,) = free_block(), free_ports(1)
    await web.TCPSite(runner, "127.0.0.1", issuer_port).start()
    issuer = f"http://127.0.0.1:{issuer_port}"
    given = {
        "HUB_KAFKA": broker.bootstrap,
        "HUB_DIR": str(tmp_path),
        "HUB_PORT_BASE": str(base),
        "HUB__AUTH__ISSUER": issuer,
        "HUB__AUTH__JWKS_URL": f"{issuer}/jwks",
        "HUB__INTAKE__KAFKA_TIMEOUT_SECONDS": "10",
    }
    await provision(load(given))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "connectors.gateway", env=os.environ | given, stderr=asyncio.subprocess.DEVNULL
    )
    claims = {"iss": issuer, "aud": "hub", "client_id": "ehr-takecare", "exp": int(time.time()) + 600}
    token = jwt.encode(claims, key, algorithm="RS256", headers={"kid": "k1"})
    async with aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{base}"
        try:
            await _ready(session, url)
            session.headers["Authorization"] = f"Bearer {token}"
            yield Gateway(url, session, NotHere(), None), process.pid  # type: ignore[arg-type]
        finally:
            process.terminate()
            assert await asyncio.wait_for(process.wait(), 20) == 0
            await runner.cleanup()


async def _ready(session: aiohttp.ClientSession, url: str) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                async with session.get(f"{url}/readyz") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.05)


async def _in_topic(bootstrap: str, topic: str) -> list[str]:
    """The ids in a topic, in the order of each partition, to its present end."""
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest") as consumer:
        partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        found: list[str] = []
        for partition in partitions:
            await consumer.seek_to_beginning(partition)
        while any([ends[each] > await consumer.position(each) for each in partitions]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found.extend(dict(record.headers)["ce_id"].decode() for record in records)
        return found


async def test_202_means_that_the_events_are_in_the_topic(gateway: tuple[Gateway, int], broker: KafkaServer) -> None:
    client, _ = gateway
    answer = await client.post(EVENTS, [event(event_id=f"a-{n}") for n in range(300)], BATCH, client="")
    assert answer.status == 202
    assert sorted(each for each in await _in_topic(broker.bootstrap, "ehr.letters.v1") if each.startswith("a-")) == sorted(
        answer.json["ids"]
    )


async def test_a_refused_batch_leaves_nothing_in_the_topic(gateway: tuple[Gateway, int], broker: KafkaServer) -> None:
    client, _ = gateway
    batch = [event(event_id=f"b-{n}") for n in range(50)] + [event(event_id="b-bad", patient="19")]
    assert (await client.post(EVENTS, batch, BATCH, client="")).status == 400
    assert not [each for each in await _in_topic(broker.bootstrap, "ehr.letters.v1") if each.startswith("b-")]


async def test_a_stopped_broker_is_503_and_the_repeat_completes_the_batch(gateway: tuple[Gateway, int], broker: KafkaServer) -> None:
    """SIGSTOP: the connection stays, nothing answers. The repeat with the same ids leaves every event, and only those."""
    client, _ = gateway
    batch = [event(event_id=f"c-{n}") for n in range(200)]
    os.kill(broker.pid, signal.SIGSTOP)
    try:
        begun = time.monotonic()
        answer = await client.post(EVENTS, batch, BATCH, client="")
        assert (answer.status, answer.problem) == (503, "unavailable")
        assert 9 < time.monotonic() - begun < 30
        begun = time.monotonic()
        assert (await client.post(EVENTS, batch, BATCH, client="")).status == 503
        assert time.monotonic() - begun < 5, "the first one's wait is not had again"
        assert (await client.get("/readyz", client="")).status == 503
        assert (await client.get("/healthz", client="")).status == 200
    finally:
        os.kill(broker.pid, signal.SIGCONT)
    await _ready(client.session, client.url)
    assert (await client.post(EVENTS, batch, BATCH, client="")).status == 202
    found = Counter(each for each in await _in_topic(broker.bootstrap, "ehr.letters.v1") if each.startswith("c-"))
    assert set(found) == {f"c-{n}" for n in range(200)}
    assert max(found.values()) <= 2


async def test_a_flood_of_large_batches_stays_within_the_memory_bound(gateway: tuple[Gateway, int]) -> None:
    """24 requests of 7 MB at once: what does not fit is refused, and the process grows by no more than six bodies' worth
    of `bytes_in_flight_max` (64 MiB)."""
    client, pid = gateway
    batch = orjson.dumps([event(event_id=f"m-{n}", body="x" * 7_000) for n in range(900)])
    before = _peak_mib(pid)
    answers = await asyncio.gather(*(client.post(EVENTS, batch, BATCH, client="") for _ in range(24)))
    statuses = Counter(answer.status for answer in answers)
    assert statuses[202] > 0
    assert set(statuses) <= {202, 429, 503}
    grown = _peak_mib(pid) - before
    print(f"flood of {24 * len(batch) >> 20} MiB: {dict(statuses)}, process grew by {grown} MiB")
    assert grown < 6 * 64


def _peak_mib(pid: int) -> int:
    """The most memory the process has had (VmHWM)."""
    line = next(row for row in Path(f"/proc/{pid}/status").read_text().splitlines() if row.startswith("VmHWM"))
    return int(line.split()[1]) // 1024
