"""What the forwarding plane uses of aiortc beyond its public names. If one of these fails after an upgrade, `video/plane/dtls.py` is
the one file to change; nothing else knows aiortc."""

import asyncio
import inspect
import re
from importlib.metadata import version

import pytest
from aiortc.rtcdtlstransport import RTCDtlsTransport

from video.plane.dtls import PRIVATE_NAMES, Certificate, Refused, Secure
from video.plane.rtp import packet


def test_aiortc_is_of_the_series_whose_private_names_are_known() -> None:
    assert version("aiortc").startswith("1.16."), "read rtcdtlstransport.py of the new version, then mend dtls.py and this test"


def test_the_private_names_are_there() -> None:
    source = inspect.getsource(RTCDtlsTransport)
    missing = [name for name in PRIVATE_NAMES if name not in source]
    assert missing == [], f"aiortc no longer has {missing}: its SRTP sessions must be taken another way"


def test_its_ice_transport_needs_no_more_than_a_path_has() -> None:
    source = inspect.getsource(RTCDtlsTransport)
    used = set(re.findall(r"self\.transport\.(\w+)", source))
    assert used <= {"_recv", "_send", "role"}, f"aiortc now also uses {used - {'_recv', '_send', 'role'}}"


async def pair(*, wrong: bool = False) -> tuple[Secure, Secure, str]:
    one, two = Certificate(), Certificate()
    server: Secure
    client = Secure(two, (("sha-256", one.fingerprint),), lambda data: server.record(data), client=True)
    trusted = one.fingerprint if wrong else two.fingerprint
    server = Secure(one, (("sha-256", trusted),), lambda data: client.record(data))
    ready = asyncio.Event()
    first, _second = asyncio.create_task(server.run(ready.set)), asyncio.create_task(client.run(lambda: None))
    waiting = asyncio.create_task(ready.wait())
    async with asyncio.timeout(30):
        await asyncio.wait({waiting, first}, return_when=asyncio.FIRST_COMPLETED)
        outcome = "ready"
        if not ready.is_set():
            outcome = first.result()
        while outcome == "ready" and not client.ready:
            await asyncio.sleep(0.01)
    waiting.cancel()
    return server, client, outcome


async def test_a_handshake_gives_encryption_both_ways_and_refuses_what_is_forged_or_replayed() -> None:
    server, client, outcome = await pair()
    assert outcome == "ready"
    plain = packet(96, 1, 2, 3, b"a picture")
    sent = server.protect(plain)
    assert b"picture" not in sent and client.unprotect(sent) == plain
    with pytest.raises(Refused):
        client.unprotect(sent)
    with pytest.raises(Refused):
        client.unprotect(client.protect(plain))
    report = bytes.fromhex("80c90001000000ff")
    assert server.unprotect_rtcp(client.protect_rtcp(report)) == report
    await server.close()
    await client.close()


async def test_another_certificate_than_was_announced_ends_the_handshake() -> None:
    server, client, outcome = await pair(wrong=True)
    assert outcome == "failed" and not server.ready
    await server.close()
    await client.close()


async def test_records_wait_in_a_queue_of_named_length() -> None:
    secure = Secure(Certificate(), (("sha-256", "00"),), lambda data: None)
    assert [secure.record(b"\x16") for _ in range(40)].count(True) == 32
