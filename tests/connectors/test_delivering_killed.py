"""Killed at each named point: nothing is lost, nothing is sent twice to a peer that does not know repeats, doubt stands on the desk."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from pipelines.ledger import unknowns
from pipelines.ledger.slots import Slot
from tests.connectors.delivering_process import FilePeer
from tests.connectors.delivering_support import Part, emptied, part
from tests.pipelines.desk import ANNA, Desk, letter, mailbox, of_type, person

ROOT = Path(__file__).resolve().parents[2]


@pytest_asyncio.fixture
async def hub(ledger: str) -> AsyncIterator[Desk]:
    async with emptied(ledger) as made:
        await made.take(person(ANNA), mailbox(ANNA))
        yield made


async def _killed(hub: Desk, dsn: str, point: str, file: Path) -> None:
    """A process of slot 0 carries until it kills itself at `point`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.connectors.delivering_process", dsn, point, str(file), hub.time.isoformat(), "no", cwd=ROOT
    )
    assert await process.wait() == -signal.SIGKILL
    await _gone(hub)


async def _gone(hub: Desk) -> None:
    """PostgreSQL has noticed that the session is gone."""
    async with asyncio.timeout(60):
        while await hub.pool.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND granted"):
            await asyncio.sleep(0.02)


def _arrived(file: Path) -> list[bytes]:
    return file.read_bytes().splitlines() if file.exists() else []


async def _again(hub: Desk, file: Path, **more: Any) -> Part:
    """The next process of the same slot."""
    delivery = part(hub, FilePeer(file), **more)
    await delivery.ledger.adopt(hub.time, with_own=True)
    await delivery.rest()
    return delivery


@pytest.mark.parametrize(
    ("point", "arrived_before", "arrived_after", "state"),
    [
        ("before_claim", 0, 1, "accepted"),
        ("after_claim", 0, 1, "accepted"),
        ("inside_inflight", 0, 0, "unknown"),
        ("after_peer", 1, 1, "unknown"),
        ("after_recording", 1, 1, "accepted"),
    ],
)
async def test_killed_at_a_point_it_is_neither_lost_nor_sent_twice(
    hub: Desk, ledger: str, tmp_path: Path, point: str, arrived_before: int, arrived_after: int, state: str
) -> None:
    file = tmp_path / "peer"
    first = part(hub, FilePeer(file))
    await first.put(await hub.take(letter(ANNA)))
    await _killed(hub, ledger, point, file)
    assert len(_arrived(file)) == arrived_before
    if point == "before_claim":  # its lease must run out first
        hub.time = (await first.row())["due_at"]
    delivery = await _again(hub, file)
    assert (await delivery.state(), len(_arrived(file))) == (state, arrived_after)
    assert [one.id for one in await unknowns.unknowns(hub.pool)] == ([(await delivery.row())["send"]] if state == "unknown" else [])
    assert len(delivery.published) == 1, "what was not told is told now, and once"
    settled = of_type(await delivery.answer(), "document.settled.v1")
    assert [one["outcome"] for one in settled] == (["accepted"] if state == "accepted" else [])
    assert (await hub.pool.fetchval("SELECT mailbox FROM documents")) == {"accepted": 2, "unknown": 4}[state]


async def test_what_a_dead_process_left_is_found_by_one_that_lives_and_what_a_slow_one_has_is_not(hub: Desk, ledger: str) -> None:
    file = Path("unused")
    first, second = part(hub, FilePeer(file)), part(hub, FilePeer(file), slot="delivery-1")
    await first.put(await hub.take(*(letter(ANNA, f"d{number}", body=f"Brev {number}") for number in range(2))))
    alive = Slot("delivery-0", lambda _: None)
    await alive.hold(ledger)
    claimed, inflight = await first.ledger.take("kivra", hub.time, 2)
    for due in (claimed, inflight):
        assert await first.ledger.prepare(due.send, hub.time) is not None
        assert await first.ledger.rendered(due.send, str(due.send).encode(), hub.decoder.person(ANNA), hub.time)
    assert await first.ledger.launch(inflight.send, hub.time) is not None
    assert await second.ledger.adopt(hub.time) == (0, 0), "a process that lives keeps its rows, however slow it is"
    await alive.release()
    assert await second.ledger.adopt(hub.time) == (1, 1)
    states = dict(await hub.pool.fetch("SELECT send, state FROM sends"))
    assert states == {claimed.send: 2, inflight.send: 9}


async def test_told_twice_is_one_event(hub: Desk, tmp_path: Path) -> None:
    """A crash between telling and writing that down: the same id, so the pipelines take it once."""
    delivery = part(hub, FilePeer(tmp_path / "peer"))
    await delivery.put(await hub.take(letter(ANNA)))
    await delivery.rest()
    await hub.pool.execute("UPDATE sends SET told = 0")
    await delivery.telling.tell()
    assert len(delivery.published) == 2
    assert delivery.published[0].headers == delivery.published[1].headers
    assert [one["outcome"] for one in of_type(await delivery.answer(), "document.settled.v1")] == ["accepted"]
