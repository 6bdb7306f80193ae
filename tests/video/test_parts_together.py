"""Two processes of the part on a real Kafka and a real ledger: one that is killed takes no other room with it, and none of the chat."""

import asyncio
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import asyncpg
import pytest

from config.secrets import secret
from config.settings import Settings, load
from hub.embedded.leases import free_block
from hub.embedded.running import KafkaServer
from hub.topics import provision
from pipelines.ledger.migrate import upgrade_now
from pipelines.transport.access import KafkaAccess
from tests.video.bridge_support import UNIT, Client
from tests.video.test_part import WAIT_S, part, publish
from video.rooms.model import Room
from video.signalling.tokens import JoinTokens, Pass
from video.team import owner

pytestmark = pytest.mark.slow


def room_of(slot: int) -> Room:
    """A room of a bridge's, open now."""
    ident = next(name for _ in range(1_000) if owner(name := str(uuid4()), 2) == slot)
    now = datetime.now(UTC)
    return Room(
        ident, "single", "active", UNIT, "Läkare 7", now, now - timedelta(minutes=5), now + timedelta(hours=2), ("b-1",), None, 1, "1-abc"
    )  # fmt: skip


class Visitors:
    """Pages without a browser: they come by a door, again and again until they are in, as pages do."""

    def __init__(self, http: aiohttp.ClientSession, settings: Settings) -> None:
        self._http, self._settings = http, settings
        self._tokens = JoinTokens(secret(settings.secrets_dir, "video"))

    async def come(self, room: Room, pid: str, slot: int = 0) -> Client:
        role: Any = "staff" if pid == "lisa" else "patient"
        kept = {"units": [UNIT]} if role == "staff" else {}
        who = Pass(pid, role, room.room_id, room.opens_at, pid.title(), kept)
        purpose: Any = "staff" if role == "staff" else "seat"
        door = f"http://127.0.0.1:{self._settings.ports.bridge(slot)}"
        headers = {"Origin": self._settings.video_url, "Cookie": f"{purpose}={self._tokens.give(who, purpose)}"}
        async with asyncio.timeout(WAIT_S):
            while True:
                try:
                    async with self._http.post(f"{door}/meet/{room.room_id}/token", headers=headers) as answer:
                        if answer.status == 200:
                            token = (await answer.json())["token"]
                            client = Client(await self._http.ws_connect(f"{door}/ws", params={"token": token}))
                            client.start()
                            await client.say("hello")
                            await client.state(lambda s: s["you"]["place"] == "inside")
                            return client
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.1)


async def both(visitors: Visitors, room: Room, slot: int = 0) -> tuple[Client, Client]:
    return await visitors.come(room, "lisa", slot), await visitors.come(room, "pat", slot)


async def written(settings: Settings, room: Room) -> None:
    """A line is shown first and written behind."""
    ledger = await asyncpg.connect(settings.postgres_dsn())
    try:
        async with asyncio.timeout(WAIT_S):
            while not await ledger.fetchval("SELECT count(*) FROM meeting_texts WHERE room = $1", UUID(room.room_id)):
                await asyncio.sleep(0.05)
    finally:
        await ledger.close()


@pytest.fixture
async def settings(kafka_server: KafkaServer, postgres: str, tmp_path: Path) -> tuple[Settings, dict[str, str]]:
    variables = {
        "HUB_KAFKA": kafka_server.bootstrap, "HUB_POSTGRES": postgres, "HUB_DIR": str(tmp_path), "HUB_PORT_BASE": str(free_block()),
        "HUB__VIDEO__BRIDGES": "2", "HUB__VIDEO__DRAIN_SECONDS": "120",
    }  # fmt: skip
    made = load(variables)
    await provision(made)
    await upgrade_now(postgres)
    return made, variables


async def test_a_killed_bridge_takes_only_its_own_rooms_and_brings_their_chat_back(settings: tuple[Settings, dict[str, str]]) -> None:
    made, variables = settings
    mine, theirs = room_of(0), room_of(1)
    async with part(made, variables), aiohttp.ClientSession() as http:
        visitors = Visitors(http, made)
        async with part(made, variables, 1) as other:
            await publish(KafkaAccess(made.kafka_bootstrap), mine, theirs)
            undisturbed, _ = await both(visitors, mine)
            lisa, pat = await both(visitors, theirs)
            await pat.say("chat", text="Hör du mig?")
            assert (await lisa.hears("chat"))["text"] == "Hör du mig?"
            await written(made, theirs)
            other.send_signal(signal.SIGKILL)
            assert (await pat.gone())[0] == 1012
            assert (await lisa.gone())[0] == 1012
            await other.wait()
        async with part(made, variables, 1):
            lisa, pat = await both(visitors, theirs)
            for each in (lisa, pat):
                assert [line["text"] for line in (await each.hears("history"))["lines"]] == ["Hör du mig?"]
            await lisa.say("chat", text="Ja, nu")
            assert (await pat.hears("chat"))["number"] == 2
            assert undisturbed.close is None and (await undisturbed.say("ping"))["type"] == "ok"


async def test_a_bridge_that_is_told_to_end_lets_its_meetings_end_first(settings: tuple[Settings, dict[str, str]]) -> None:
    made, variables = settings
    room = room_of(1)
    async with part(made, variables), part(made, variables, 1) as other, aiohttp.ClientSession() as http:
        visitors = Visitors(http, made)
        await publish(KafkaAccess(made.kafka_bootstrap), room)
        lisa, _ = await both(visitors, room)
        other.send_signal(signal.SIGTERM)
        async with asyncio.timeout(WAIT_S):
            while True:
                async with http.get(f"http://127.0.0.1:{made.ports.bridge(1)}/readyz") as answer:
                    if answer.status == 503:
                        break
                await asyncio.sleep(0.05)
        pat = await visitors.come(room, "pat")
        assert (await pat.say("ping"))["type"] == "ok", "who loads the page anew comes back in"
        assert other.returncode is None
        await lisa.say("end")
        async with asyncio.timeout(WAIT_S):
            assert await other.wait() == 0
