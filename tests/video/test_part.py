"""The part as a process on a real Kafka: rooms come in, sessions go out, and one that was killed knows what was open."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import orjson
import pytest
from aiokafka import AIOKafkaConsumer

from config.secrets import secret
from config.settings import Settings, load
from hub.embedded.leases import free_block
from hub.embedded.running import KafkaServer
from hub.topics import provision
from pipelines.transport.access import KafkaAccess
from pipelines.transport.outputs import Output, OutputProducer
from schemas.cloudevents import decode_record
from tests.video.bridge_support import UNIT, Client
from video.records import SESSIONS, room_record
from video.rooms.model import Room
from video.signalling.tokens import JoinTokens, Pass

pytestmark = pytest.mark.slow
WAIT_S = 60.0
ROOM = "2b0c1c52-6a0b-4a53-9d55-0c9d5f6a7a01"


@asynccontextmanager
async def part(settings: Settings, variables: dict[str, str], slot: int = 0) -> AsyncIterator[asyncio.subprocess.Process]:
    """`python -m video`, ready; killed at the end."""
    command = (sys.executable, "-m", "video", "--slot", str(slot))
    process = await asyncio.create_subprocess_exec(*command, env={**os.environ, **variables})
    try:
        async with asyncio.timeout(WAIT_S), aiohttp.ClientSession() as http:
            while True:
                try:
                    async with http.get(f"http://127.0.0.1:{settings.ports.bridge(slot)}/readyz") as answer:
                        if answer.status == 200:
                            break
                except aiohttp.ClientError:
                    pass
                assert process.returncode is None
                await asyncio.sleep(0.1)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def publish(access: KafkaAccess, *rooms: Room) -> None:
    async with OutputProducer.connected_to(access, client_id="test") as producer:
        await producer.send_many([Output(*room_record(room, datetime.now(UTC))) for room in rooms])


async def line(http: aiohttp.ClientSession, settings: Settings, tokens: JoinTokens, pid: str, role: str, room: Room) -> Client:
    """A line whose room the part has heard of."""
    async with asyncio.timeout(WAIT_S):
        while True:
            token = tokens.give(Pass(pid, role, room.room_id, room.opens_at, "Somebody"), "socket")  # type: ignore[arg-type]
            client = Client(await http.ws_connect(f"{settings.video_url}/ws", params={"token": token}))
            client.start()
            await client.say("hello")
            found = await client.until(lambda client=client: client.close or any(m["type"] == "state" for m in client.heard))
            if found is True:
                return client
            await asyncio.sleep(0.1)


async def sessions(access: KafkaAccess, number: int) -> list[tuple[str, str]]:
    """So many session events of the topic, with their ids."""
    consumer = AIOKafkaConsumer(SESSIONS, **access.client_arguments(), auto_offset_reset="earliest")
    await consumer.start()
    found = []
    try:
        async with asyncio.timeout(WAIT_S):
            while len(found) < number:
                record = await consumer.getone()
                envelope, data = decode_record(record.headers, record.value)
                if envelope.subject != ROOM:
                    continue  # of another test on the same broker
                assert b"Somebody" not in data
                found.append((envelope.id, orjson.loads(data)["state"]))
    finally:
        await consumer.stop()
    return found


async def test_a_bridge_that_was_killed_lets_people_back_into_the_open_room(kafka_server: KafkaServer, tmp_path: Path) -> None:
    variables = {"HUB_KAFKA": kafka_server.bootstrap, "HUB_DIR": str(tmp_path), "HUB_PORT_BASE": str(free_block())}
    settings, access = load(variables), KafkaAccess(kafka_server.bootstrap)
    await provision(settings)
    now = datetime.now(UTC)
    room = Room(
        ROOM, "single", "active", UNIT, "Läkare 7", now, now - timedelta(minutes=5),
        now + timedelta(hours=2), ("b-1",), None, 1, "1-abc",
    )  # fmt: skip
    await publish(access, room)
    async with aiohttp.ClientSession() as http:
        tokens = JoinTokens(secret(settings.secrets_dir, "video"))
        async with part(settings, variables):
            lisa = await line(http, settings, tokens, "lisa", "staff", room)
            pat = await line(http, settings, tokens, "pat", "patient", room)
            await pat.state(lambda s: s["you"]["place"] == "inside")
            assert {state for _, state in await sessions(access, 3)} == {"opened", "joined"}
            await lisa.state(lambda s: len(s["people"]) == 2)
        async with part(settings, variables):
            back = await line(http, settings, tokens, "pat", "patient", room)
            await back.state(lambda s: s["you"]["place"] == "inside")
            await publish(access, replace(room, state="void", reason="withdrawn", sequence=2))
            assert (await back.gone())[1] == "void"
            told = await sessions(access, 6)
            assert [state for _, state in told].count("ended") == 1
            assert len({ident for ident, _ in told}) == len(told)
