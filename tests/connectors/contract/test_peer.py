"""One exchange with a peer that misbehaves in each phase: what can have reached it decides which failure it is."""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from connectors.peer import Answer, Call, Limits, Peer, loggable
from connectors.register.breaker import FAILURES_MAX
from schemas.errors import PeerFailure, Rejected, Unavailable, Uncertain
from tests.connectors.contract.certificates import Certificates, certificates

LIMITS = Limits(connect_s=0.5, silence_s=0.3, total_s=2.0, answer_bytes_max=1000, request_bytes_max=5000)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Ref: 7\r\n\r\nok"
Behave = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Seen:
    """What reached the peer."""

    requests: list[bytes] = field(default_factory=list)


@asynccontextmanager
async def peer(behave: bytes | Behave, limits: Limits = LIMITS, tls: Certificates | None = None) -> AsyncIterator[tuple[Peer, Seen]]:
    """A server that reads one request a connection and then does as told."""
    seen = Seen()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0)
            seen.requests.append(head + await reader.readexactly(length))
            if callable(behave):
                await behave(reader, writer)
            else:
                writer.write(behave)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls.server if tls else None)
    port = server.sockets[0].getsockname()[1]
    scheme = "https" if tls else "http"
    try:
        async with Peer(f"{scheme}://localhost:{port}", limits, tls.client if tls else None) as client:
            yield client, seen
    finally:
        server.close()
        await server.wait_closed()


def text(answer: Answer) -> str:
    return f"{answer.status} {answer.body.decode()} {answer.headers.get('x-ref')}"


async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
    for _ in range(100):
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.1)


async def test_an_answer_is_given_to_its_decoder() -> None:
    async with peer(OK) as (client, seen):
        assert await client.exchange(Call("/send", b"hello", {"X-A": "b"}), text) == "200 ok 7"
    assert b"POST /send HTTP/1.1" in seen.requests[0] and seen.requests[0].endswith(b"\r\n\r\nhello")


@pytest.mark.parametrize(
    ("behave", "code"),
    [
        (close, "lost_answer"),
        (silence, "timeout"),
        (drip, "timeout"),
        (OK[:20], "lost_answer"),
        (OK[:-1], "lost_answer"),
        (b"\x15\x03\x03\x00\x02\x02\x28", "lost_answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"x" * 2000, "unreadable"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe", "lost_answer"),
    ],
    ids=["closed", "silent", "drip", "half a head", "a byte short", "no HTTP", "too large", "half a chunk"],
)
async def test_an_answer_lost_after_the_request_was_written_is_uncertain(behave: bytes | Behave, code: str) -> None:
    async with peer(behave) as (client, seen):
        with pytest.raises(Uncertain, match=code):
            await client.exchange(Call("", b"letter"), text)
    assert len(seen.requests) == 1


async def test_without_a_connection_nothing_was_done() -> None:
    async with Peer("http://localhost:9", LIMITS) as client:
        with pytest.raises(Unavailable, match="no_connection"):
            await client.exchange(Call("", b"letter"), text)


async def test_waiting_for_a_free_connection_is_no_doubt() -> None:
    async with peer(silence, Limits(connect_s=0.1, silence_s=1.0, total_s=2.0, connections_max=1)) as (client, seen):
        first = asyncio.create_task(client.exchange(Call("", b"1"), text))
        while not seen.requests:
            await asyncio.sleep(0.01)
        with pytest.raises(Unavailable, match="no_connection"):
            await client.exchange(Call("", b"2"), text)
        with pytest.raises(Uncertain):
            await first
    assert len(seen.requests) == 1


async def test_a_request_that_is_too_large_is_not_sent() -> None:
    async with peer(OK) as (client, seen):
        with pytest.raises(Rejected, match="too_large"):
            await client.exchange(Call("", b"x" * 5001), text)
    assert seen.requests == []


async def test_a_redirect_is_not_followed() -> None:
    async with peer(b"HTTP/1.1 307 Go\r\nLocation: http://localhost:1/\r\nContent-Length: 0\r\n\r\n") as (client, seen):
        assert await client.exchange(Call("", b"letter"), text) == "307  None"
    assert len(seen.requests) == 1


async def test_the_breaker_counts_silence_and_not_refusals() -> None:
    def refused(answer: Answer) -> None:
        raise Rejected("no")

    async with peer(OK) as (client, _seen):
        for _ in range(FAILURES_MAX + 1):
            with pytest.raises(Rejected):
                await client.exchange(Call("", b""), refused)
    async with Peer("http://localhost:9", LIMITS) as client:
        codes = []
        for _ in range(FAILURES_MAX + 1):
            with pytest.raises(PeerFailure) as caught:
                await client.exchange(Call("", b""), text)
            codes.append(caught.value.code)
    assert codes == ["no_connection"] * FAILURES_MAX + ["breaker_open"]


async def test_our_certificate_is_shown_and_theirs_is_checked(tmp_path: Path) -> None:
    made = certificates(tmp_path)
    async with peer(OK, tls=made) as (client, _):
        assert await client.exchange(Call("", b"letter"), text) == "200 ok 7"
    made.client = made.stranger_to_us
    async with peer(OK, tls=made) as (client, seen):
        with pytest.raises(Unavailable, match="no_connection"):
            await client.exchange(Call("", b"letter"), text)
    assert seen.requests == []


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_certificate_of_ours_that_is_not_taken_means_that_nothing_was_done(tmp_path: Path, version: ssl.TLSVersion) -> None:
    """TLS 1.2 tells in the handshake, 1.3 only after our first bytes, of which the peer has read none."""
    made = certificates(tmp_path)
    made.server.maximum_version = version
    listening = socket.create_server(("127.0.0.1", 0))

    def refuse() -> None:
        plain, _ = listening.accept()
        with made.server.wrap_socket(plain, server_side=True, do_handshake_on_connect=False) as secured:
            with pytest.raises(ssl.SSLError):
                secured.do_handshake()
            time.sleep(0.2)  # so that the alert is read before the reset

    serving = asyncio.create_task(asyncio.to_thread(refuse))
    async with Peer(f"https://localhost:{listening.getsockname()[1]}", LIMITS, made.without_certificate) as client:
        with pytest.raises(Unavailable, match="no_connection" if version is ssl.TLSVersion.TLSv1_2 else "tls_refused"):
            await client.exchange(Call("", b"letter"), text)
    await serving
    listening.close()


async def test_a_letter_never_meets_a_connection_that_was_used_before() -> None:
    """A kept connection may be closing; a question may be asked again, a letter may not."""
    async with peer(OK) as (client, seen):
        for _ in range(5):
            assert await client.exchange(Call("", b"letter"), text) == "200 ok 7"
    assert len(seen.requests) == 5


@pytest.mark.parametrize(("code", "kept"), [("40105", "40105"), (5014, "5014"), ("opt.out-1", "opt.out-1")])
def test_a_code_may_be_logged(code: object, kept: str) -> None:
    assert loggable(code) == kept


@pytest.mark.parametrize("code", ["198005179802", "19800517-9802", "Alva Almdal", "", None, True, 3.5, "x" * 81, "é", "a\nb"])
def test_what_may_be_a_person_or_a_text_is_not_logged(code: object) -> None:
    assert loggable(code) == ""
