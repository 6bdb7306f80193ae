"""Back-pressure and time limits: a gateway that cannot hand on says so at once, and its memory stays bounded."""

import asyncio
import time

import aiohttp

from connectors.gateway.options import Limits
from tests.connectors.gateway_support import EVENTS, STRUCTURED, event, running, until


async def test_a_silent_log_is_503_and_what_it_has_after_all_is_counted_once() -> None:
    """503 means "repeat": the same ids again are the same events for whoever reads the log."""
    async with running() as gateway:
        gateway.log.silent = True
        answer = await gateway.post(EVENTS, event(event_id="e"))
        assert (answer.status, answer.problem) == (503, "unavailable")
        assert int(answer.headers["Retry-After"]) > 0
        gateway.log.wake()
        assert (await gateway.post(EVENTS, event(event_id="e"))).status == 202
        assert {dict(record.headers)["ce_id"] for record in gateway.log.records} == {b"e"}


async def test_while_the_log_is_away_requests_are_refused_at_once_and_ready_says_no() -> None:
    async with running() as gateway:
        gateway.log.silent = True
        await gateway.post(EVENTS, event())
        begun = time.monotonic()
        for _ in range(20):
            assert (await gateway.post(EVENTS, event())).status == 503
        assert time.monotonic() - begun < 5, "each would wait a second for the log"
        assert not gateway.publisher.ready
        assert len(gateway.log.waiting) == 1
        gateway.log.wake()
        await asyncio.sleep(0)
        assert gateway.publisher.ready


async def test_a_producer_that_failed_is_replaced() -> None:
    async with running() as gateway:
        gateway.log.failing = True
        assert (await gateway.post(EVENTS, event())).status == 503
        async with asyncio.timeout(5):
            while (await gateway.post(EVENTS, event())).status != 202:
                await asyncio.sleep(0.01)
        assert gateway.log.started == 2


async def test_bytes_in_flight_are_bounded_for_a_client_and_for_all() -> None:
    """A flood is answered 429 to who floods, 503 when the whole gateway is full; then it drains and takes again."""
    limits = Limits(body_bytes_max=40_000, client_bytes_max=50_000, in_flight_bytes_max=100_000, publish_timeout_s=30, idle_timeout_s=5)
    big = event(body="x" * 20_000)
    async with running(limits) as gateway:
        gateway.log.silent = True
        mine = [asyncio.create_task(gateway.post(EVENTS, big)) for _ in range(2)]
        await until(lambda: len(gateway.log.waiting) >= 2)
        flood = await gateway.post(EVENTS, big)
        assert (flood.status, flood.problem) == (429, "too-many-requests")
        sectra = event(body="x" * 20_000, source_system="Sectra", kind="kallelse") | {"source": "/ehr/sectra"}
        others = [asyncio.create_task(gateway.post(EVENTS, sectra, client="ehr-sectra")) for _ in range(2)]
        await until(lambda: len(gateway.log.waiting) >= 4)
        full = await gateway.post(EVENTS, event(body="x" * 20_000), client="app")
        assert (full.status, full.problem) == (503, "unavailable")
        gateway.log.wake()
        assert {(await task).status for task in mine + others} == {202}
        assert (await gateway.post(EVENTS, big)).status == 202


async def test_bytes_whose_fate_is_unknown_stay_counted() -> None:
    limits = Limits(body_bytes_max=40_000, client_bytes_max=25_000, publish_timeout_s=0.2, idle_timeout_s=5)
    seen: list[float] = []

    class Meter:
        def count(self, name: str, n: float = 1, **labels: str) -> None:
            return None

        def observe(self, name: str, value: float, **labels: str) -> None:
            return None

        def gauge(self, name: str, value: float, **labels: str) -> None:
            seen.append(value)

    async with running(limits, meter=Meter()) as gateway:
        gateway.log.silent = True
        assert (await gateway.post(EVENTS, event(body="x" * 20_000))).status == 503
        assert seen[-1] > 20_000
        gateway.log.wake()
        await asyncio.sleep(0)
        assert seen[-1] == 0


async def test_more_requests_than_places_are_503() -> None:
    async with running(Limits(requests_max=1, publish_timeout_s=30, idle_timeout_s=5)) as gateway:
        gateway.log.silent = True
        first = asyncio.create_task(gateway.post(EVENTS, event()))
        await until(lambda: bool(gateway.log.waiting))
        assert (await gateway.post(EVENTS, event())).status == 503
        gateway.log.wake()
        assert (await first).status == 202


async def test_a_body_that_drips_is_cut_off() -> None:
    async def drip():  # type: ignore[no-untyped-def]
        while True:
            yield b" "
            await asyncio.sleep(0.05)

    async with running(Limits(body_timeout_s=0.3, idle_timeout_s=5)) as gateway, aiohttp.ClientSession() as session:
        headers = {"Authorization": "Bearer ehr-takecare", "Content-Type": STRUCTURED}
        async with session.post(gateway.url + EVENTS, data=drip(), headers=headers) as response:
            assert response.status == 408
            assert (await response.json(content_type=None))["type"].endswith(":timeout")


async def test_a_connection_that_says_nothing_whole_is_closed() -> None:
    """Slow loris: half a request head holds a connection no longer than `idle_timeout_s`."""
    async with running(Limits(idle_timeout_s=0.3)) as gateway:
        port = int(gateway.url.rpartition(":")[2])
        for said in (b"", b"POST /v1/events HTTP/1.1\r\nHost: x\r\nX-A: "):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(said)
            async with asyncio.timeout(20):
                assert await reader.read() == b""
            writer.close()


async def test_more_connections_than_allowed_are_closed() -> None:
    async with running(Limits(connections_max=2, idle_timeout_s=60)) as gateway:
        port = int(gateway.url.rpartition(":")[2])
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        await asyncio.sleep(0.05)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(20):
            assert await reader.read() == b""
        for _, each in [*held, (reader, writer)]:
            each.close()


async def test_a_client_that_goes_away_leaves_its_bytes_counted_until_the_log_has_them() -> None:
    async with running(Limits(publish_timeout_s=5, idle_timeout_s=5)) as gateway:
        gateway.log.silent = True
        request = asyncio.create_task(gateway.post(EVENTS, event()))
        await until(lambda: bool(gateway.log.waiting))
        request.cancel()
        await asyncio.wait({request})
        gateway.log.wake()
        assert (await gateway.post(EVENTS, event())).status == 202
