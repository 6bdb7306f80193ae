"""A real coturn, started as docker-compose.turn.yml starts it: who has the bridge's credentials comes through it, and nobody else does."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from aioice import stun, turn

from hub.embedded.leases import free_ports
from tests.video.bridge_support import PAT, Turn
from tests.video.test_pages_browser import DESKTOP, PHONE, SEEN, clinic, log_in, patient_at_the_door, section, until, visitor
from video.signalling.turn import LIFETIME_S, ice_servers

pytestmark = pytest.mark.slow

COMPOSE: Final = Path(__file__).resolve().parents[2] / "docker-compose.turn.yml"
SECRET: Final = "a secret of the TURN tests"
HERE: Final = {"${HUB_TURN_SECRET:?set HUB_TURN_SECRET}": SECRET, "${HUB_BRIDGE_IP:?set HUB_BRIDGE_IP}": "127.0.0.1"}
RELAY_ONLY: Final = """const Plain = RTCPeerConnection;
window.RTCPeerConnection = class extends Plain {
  constructor(options) { super({ ...options, iceTransportPolicy: "relay" }); (window.made ??= []).push(this); }
};"""
"""A network that lets nothing but the relay through, as a browser has it."""
WAYS: Final = """async () => {
  const ways = [];
  for (const each of window.made) {
    const found = await each.getStats();
    for (const each of found.values())
      if (each.type === "transport" && each.selectedCandidatePairId)
        ways.push(found.get(found.get(each.selectedCandidatePairId).localCandidateId).candidateType);
  }
  return ways;
}"""


def turnserver() -> str:
    """coturn's path. Installed where this is root on Debian; else the test fails and says what to install."""
    if shutil.which("turnserver") is None and os.geteuid() == 0 and shutil.which("apt-get"):
        for command in (["apt-get", "update", "-q"], ["apt-get", "install", "-qy", "--no-install-recommends", "coturn"]):
            subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    if (found := shutil.which("turnserver")) is None:
        pytest.fail("the tests of TURN need coturn: install the package coturn (apt-get install coturn)", pytrace=False)
    return found


def command(port: int) -> list[str]:
    """The compose file's own words, on a port of ours and on loopback."""
    words = [str(word) for word in yaml.safe_load(COMPOSE.read_text())["services"]["coturn"]["command"]]
    for name, value in HERE.items():
        words = [word.replace(name, value) for word in words]
    assert not any("${" in word for word in words)
    here = [f"--listening-port={port}", "--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1", "--allow-loopback-peers"]
    return [turnserver(), *(word for word in words if not word.startswith("--listening-port")), *here]


@asynccontextmanager
async def coturn(directory: Path) -> AsyncIterator[int]:
    """The port that it listens on."""
    (port,) = free_ports(1)
    server = await asyncio.create_subprocess_exec(
        *command(port), "-c", "/dev/null", f"--pidfile={directory / 'pid'}", f"--userdb={directory / 'db'}", cwd=directory,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert server.stdout is not None
    said = asyncio.create_task(server.stdout.read())
    try:
        async with asyncio.timeout(30):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    assert server.returncode is None, (await said).decode()
                    await asyncio.sleep(0.1)
                else:
                    writer.close()
                    break
        yield port
    finally:
        if server.returncode is None:
            server.kill()
        await server.wait()
        await said


def credentials(secret: str = SECRET, at: datetime | None = None) -> tuple[str, str]:
    """As the bridge makes them."""
    (given,) = ice_servers(["turn:x"], secret, "pat", at or datetime.now(UTC))
    return given["username"], given["credential"]


class Ear(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.came: asyncio.Queue[bytes] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.came.put_nowait(data)


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.transport.sendto(data + b" again", addr)


async def allocated(port: int, username: str, password: str) -> tuple[Any, Ear]:
    async with asyncio.timeout(20):
        return await turn.create_turn_endpoint(Ear, ("127.0.0.1", port), username, password)


async def test_credentials_that_are_wrong_or_over_get_no_relay_and_right_ones_reach_the_bridge_alone(tmp_path: Path) -> None:
    long_ago = datetime.now(UTC) - timedelta(seconds=LIFETIME_S + 60)
    name, password = credentials()
    over = credentials(at=long_ago)
    longer = f"{int(datetime.now(UTC).timestamp()) + 10 * LIFETIME_S}:pat"
    async with coturn(tmp_path) as port:
        for username, given in (credentials("another secret"), over, (longer, password), (longer, over[1]), ("pat", "")):
            with pytest.raises(stun.TransactionFailed) as refused:
                await allocated(port, username, given)
            assert refused.value.response.attributes["ERROR-CODE"][0] == 401, username
        transport, ear = await allocated(port, name, password)
        bridge, _ = await asyncio.get_running_loop().create_datagram_endpoint(Echo, local_addr=("127.0.0.1", 0))
        elsewhere = await asyncio.get_running_loop().create_datagram_endpoint(Ear, local_addr=("127.0.0.2", 0))
        transport.sendto(b"hello", bridge.get_extra_info("sockname"))
        async with asyncio.timeout(20):
            assert await ear.came.get() == b"hello again"
        with pytest.raises(stun.TransactionFailed) as refused:
            await transport._TurnTransport__inner_protocol.channel_bind(0x4001, elsewhere[0].get_extra_info("sockname"))
        assert refused.value.response.attributes["ERROR-CODE"][0] == 403, "no way into the network behind it"
        for each in (transport, bridge, elsewhere[0]):
            each.close()


async def test_a_patient_whose_network_lets_only_the_relay_through_meets(tmp_path: Path) -> None:
    faults: list[str] = []
    async with coturn(tmp_path) as port, clinic(turn=Turn(f"turn:127.0.0.1:{port}?transport=tcp", SECRET)) as (w, browser):
        w.room("room-1", PAT)
        pat, lisa = await visitor(browser, PHONE, faults), await visitor(browser, DESKTOP, faults)
        await pat.add_init_script(RELAY_ONLY)
        await patient_at_the_door(pat, w, "room-1", PAT)
        await log_in(lisa, w, "/meet/room-1")
        await lisa.click("#connect")
        for page in (lisa, pat):
            await section(page, "meet")
            await until(page, f"{SEEN} >= 2")
        async with asyncio.timeout(30):
            while len(ways := await pat.evaluate(WAYS)) < 2:
                await asyncio.sleep(0.1)
        assert ways == ["relay", "relay"]
    assert faults == []
