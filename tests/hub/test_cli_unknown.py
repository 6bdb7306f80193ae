"""The desk for unknown outcomes on the command line, and what `hub trace` tells of a delivery's tries. Real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from pipelines.ledger import migrate, outbox
from schemas.errors import Unavailable, Uncertain
from tests.connectors.delivering_support import FakeMailbox, Part, desk_on, emptied, part
from tests.hub.cli_support import Cli, make_dir, set_clock
from tests.pipelines.desk import ANNA, START, Desk, letter, mailbox, of_type, person

Story = Callable[[Desk, FakeMailbox], Awaitable[Any]]


@pytest.fixture(scope="module")
def ledger(postgres: str) -> str:
    asyncio.run(migrate.upgrade_now(postgres))
    return postgres


@pytest.fixture
def cli(ledger: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Cli:
    """A hub in whose ledger one letter's outcome is unknown, after a try that did nothing."""
    directory = make_dir(tmp_path / "var", HUB_POSTGRES=ledger, HUB_KAFKA="127.0.0.1:25908")
    set_clock(directory, (START + timedelta(minutes=2)).timestamp())

    async def story() -> None:
        async with emptied(ledger) as hub:
            await hub.take(person(ANNA), mailbox(ANNA, "billo"))
            peer = FakeMailbox("mina_meddelanden")
            peer.plan.extend([Unavailable("http_503"), Uncertain("timeout", "arrived")])
            delivery = part(hub, peer)
            await delivery.put(await hub.take(letter(ANNA)))
            await delivery.rest()
            hub.time += timedelta(minutes=1)
            await delivery.rest()
            await delivery.answer()

    asyncio.run(story())
    return Cli(directory, capfd)


def _then(ledger: str, work: Callable[[Desk, Part, FakeMailbox], Awaitable[Any]]) -> Any:
    """The delivery part goes on, two minutes after it all began."""

    async def run() -> Any:
        async with desk_on(ledger) as hub:
            hub.time = START + timedelta(minutes=3)
            peer = FakeMailbox("mina_meddelanden")
            delivery = part(hub, peer)
            await delivery.rest()
            return await work(hub, delivery, peer)

    return asyncio.run(run())


def test_the_list_says_what_is_unknown_since_when_and_when_it_goes_to_print(cli: Cli) -> None:
    (item,) = cli.json("unknown", "list")["items"]
    assert (item["channel"], item["kind"], item["about"], item["code"], item["attempts"]) == (
        "mina_meddelanden",
        "brev",
        "d1",
        "timeout",
        2,
    )
    assert item["deadline"] == "2026-03-04T09:00:00Z"
    shown = cli.text("unknown", "list")
    assert str(item["id"])[:8] in shown and "timeout" in shown and "2026-03-04 10:00" in shown
    assert ANNA not in shown


def test_one_is_shown_with_every_try_and_what_a_repeat_would_risk(cli: Cli) -> None:
    (item,) = cli.json("unknown", "list")["items"]
    found = cli.json("unknown", "show", item["id"][:8])
    assert [(t["outcome"], t["code"], t["written"]) for t in found["tries"]] == [
        ("unavailable", "http_503", False), ("uncertain", "timeout", True),
    ]  # fmt: skip
    shown = cli.text("unknown", "show", item["id"])
    assert "second copy" in shown and "unknown_outcome at 2026-03-04 10:00" in shown
    assert ANNA not in shown and "Provsvar" not in shown


def test_a_ruling_counts_like_the_peers_answer_and_is_logged_with_who_gave_it(cli: Cli, ledger: str) -> None:
    (item,) = cli.json("unknown", "list")["items"]
    told = cli.json("unknown", "resolve", item["id"], "--outcome", "accepted", "--by", "SE-olle")
    assert (told["state"], told["by"]) == ("accepted", "SE-olle")
    assert cli.json("unknown", "list")["items"] == []

    async def look(hub: Desk, delivery: Part, peer: FakeMailbox) -> None:
        (audit,) = [o for row in await hub.pool.fetch("SELECT data FROM outbox WHERE slot = 'desk'") for o in outbox.unpack(row[0])]
        logged = orjson.loads(audit.value or b"")
        assert (audit.topic, logged["action"], logged["user"], logged["patient"]) == ("audit.v1", "unknown.resolved", "SE-olle", ANNA)
        assert audit.key == hub.decoder.keys.key(ANNA).encode()
        assert dict(audit.headers)["ce_subject"] == item["id"].encode()
        settled = of_type(await delivery.answer(), "document.settled.v1")
        assert [one["outcome"] for one in settled] == ["accepted"]
        assert peer.got == []

    _then(ledger, look)
    trace = cli.text("trace", "d1")
    assert "ruled: it arrived" in trace and "no answer, may have arrived (timeout)" in trace and "nothing was done (http_503)" in trace
    assert [t["outcome"] for t in cli.json("trace", "d1")["deliveries"][0]["carried"]["tries"]][-1] == "ruled_accepted"
    assert "beslut: den kom fram" in cli.text("trace", "d1", "--lang", "sv")


def test_a_refusal_by_ruling_is_decided_again_at_once(cli: Cli, ledger: str) -> None:
    (item,) = cli.json("unknown", "list")["items"]
    cli.text("unknown", "resolve", item["id"][:8], "--outcome", "refused", "--by", "olle")

    async def look(hub: Desk, delivery: Part, peer: FakeMailbox) -> int:
        await delivery.answer()
        return await hub.pool.fetchval("SELECT mailbox FROM documents")  # type: ignore[no-any-return]

    assert _then(ledger, look) == 3


def test_a_resend_sends_the_identical_bytes_once(cli: Cli, ledger: str) -> None:
    (item,) = cli.json("unknown", "list")["items"]
    cli.text("unknown", "resolve", item["id"], "--outcome", "resend", "--by", "olle")

    async def look(hub: Desk, delivery: Part, peer: FakeMailbox) -> None:
        row = await delivery.row()
        kept = await hub.pool.fetchval("SELECT data FROM contents WHERE sha = $1", row["request"])
        assert [request for _, request in peer.got] == [kept] and peer.made == []
        assert await delivery.state() == "accepted"
        await delivery.answer()
        assert await hub.pool.fetchval("SELECT mailbox FROM documents") == 2

    _then(ledger, look)


def test_what_was_handled_on_paper_is_not_sent_again(cli: Cli, ledger: str) -> None:
    (item,) = cli.json("unknown", "list")["items"]

    async def printed(hub: Desk, delivery: Part, peer: FakeMailbox) -> None:
        await hub.pool.execute("UPDATE documents SET print = 2")

    _then(ledger, printed)
    cli.text("unknown", "resolve", item["id"], "--outcome", "resend", code=1)
    assert "handled on paper" in cli.err


def test_a_second_ruling_and_a_wrong_word_are_refused(cli: Cli) -> None:
    (item,) = cli.json("unknown", "list")["items"]
    cli.text("unknown", "resolve", item["id"], "--outcome", "perhaps", code=2)
    cli.text("unknown", "resolve", "zzzz", "--outcome", "accepted", code=2)
    cli.text("unknown", "resolve", item["id"], "--outcome", "accepted", "--by", "x\n", code=2)
    cli.text("unknown", "resolve", item["id"], "--outcome", "accepted")
    cli.text("unknown", "resolve", item["id"], "--outcome", "refused", code=1)
    assert "not unknown: it is accepted" in cli.err
    cli.text("unknown", "show", item["id"], code=1)
