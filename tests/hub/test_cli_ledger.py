"""Commands that ask the ledger: trace, deadlines, what-if. Real PostgreSQL, real decisions; the commands run as a user runs them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.hub.cli_support import Cli, make_dir, set_clock
from tests.pipelines.desk import (
    ANNA,
    BERTIL,
    CHILD,
    MOTHER,
    START,
    UNIT,
    Desk,
    account,
    agent,
    answer,
    booking,
    desk,
    kallelse,
    letter,
    mailbox,
    of_type,
    person,
    read,
)

VIDEO = {"id": "v", "name": "Video", "hidden": False, "video": "single"}
PEOPLE = (ANNA, BERTIL, CHILD, MOTHER, "Test Testsson", "Provsvar", "Hej!")
Story = Callable[[Desk], Awaitable[None]]


@pytest.fixture
def cli(postgres: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Cli:
    """A directory whose ledger is the test's database and whose clock stands at the desk's time (and hardly moves)."""
    directory = make_dir(tmp_path / "var", HUB_POSTGRES=postgres, HUB_KAFKA="127.0.0.1:25908")
    set_clock(directory, START.timestamp())
    return Cli(directory, capfd)


def told(cli: Cli, dsn: str, story: Story) -> None:
    """Let a story happen to the hub; the clock stands where it ended."""

    async def run() -> float:
        async with desk(dsn) as hub:
            await story(hub)
            found: float = hub.time.timestamp()
            return found

    set_clock(cli.dir, asyncio.run(run()))


async def _unread(hub: Desk) -> None:
    await hub.take(person(ANNA), account(ANNA), mailbox(ANNA))
    said = await hub.take(letter(ANNA))
    await hub.take(answer(of_type(said, "delivery.requested.v1")[0]["delivery_id"], "refused", code="4711"))
    await hub.advance(hours=48)
    await hub.advance(minutes=1)
    await hub.take(read(ANNA, at=hub.time))


# --- trace ------------------------------------------------------------------------------------------------------------------


def test_a_trace_tells_why_a_letter_went_to_print(cli: Cli, postgres: str) -> None:
    async def story(hub: Desk) -> None:
        await hub.take(person(ANNA), account(ANNA))
        await hub.take(letter(ANNA, footer="Sidfot"))

    told(cli, postgres, story)
    english = cli.text("trace", "d1")
    assert "Letter d1 from TakeCare" in english
    assert "R5 print" in english and "the control code is missing" in english and "The control code is missing." in english
    assert "The unit's staff handle it" in english
    swedish = cli.text("trace", "d1", "--lang", "sv")
    assert "Brev d1 från TakeCare" in swedish and "styrkoden saknas i sidfoten" in swedish
    assert "Enhetens personal hanterar det på utskriftslistan." in swedish


def test_a_trace_tells_deliveries_facts_with_their_age_and_the_settlement(cli: Cli, postgres: str) -> None:
    told(cli, postgres, _unread)
    text = cli.text("trace", "d1")
    for expected in (
        "Kivra: asked for", "refused", "(4711)", "Kivra accepts (0 s old)", "register 2 d old", "account active", "App: from",
        "Print queue: entered", "not read in time", "read meanwhile", "Settled: read",
    ):  # fmt: skip
        assert expected in text, expected
    found = cli.json("trace", "d1")
    assert (found["decisions"][0]["rule"], found["decisions"][0]["outcome"]) == ("R9", "deliver")
    assert found["decisions"][0]["facts"]["register_age_s"] == 0
    assert found["state"]["settled"] == "read"


def test_a_trace_tells_what_lies_ahead(cli: Cli, postgres: str) -> None:
    async def story(hub: Desk) -> None:
        await hub.take(person(ANNA), account(ANNA))
        await hub.take(letter(ANNA))

    told(cli, postgres, story)
    assert "(in 2 d): goes to print unless it is read or accepted before." in cli.text("trace", "d1")
    assert "(om 2 dygn): läggs på utskriftslistan" in cli.text("trace", "d1", "--lang=sv")


def test_no_trace_names_anybody(cli: Cli, postgres: str) -> None:
    async def story(hub: Desk) -> None:
        await _unread(hub)
        await hub.take(person(MOTHER), account(MOTHER), person(CHILD), agent(CHILD, MOTHER))
        await hub.take(letter(CHILD, "d2"), booking(ANNA, time_type=VIDEO, start=hub.time + timedelta(days=1)))
        await hub.take(person(BERTIL, protection="skyddad_folkbokforing"))
        await hub.take(letter(BERTIL, "d3"))

    told(cli, postgres, story)
    for subject in ("d1", "d2", "d3", "b1"):
        for words in (("trace", subject), ("trace", subject, "--lang", "sv"), ("trace", subject, "--json")):
            text = cli.text(*words)
            assert not [name for name in PEOPLE if name in text], words
    assert "a guardian: from" in cli.text("trace", "d2")


def test_a_booking_and_its_room_have_a_trace_too(cli: Cli, postgres: str) -> None:
    async def story(hub: Desk) -> None:
        await hub.take(person(ANNA), account(ANNA))
        await hub.take(booking(ANNA, time_type=VIDEO))

    told(cli, postgres, story)
    found = cli.json("trace", "b1")
    assert "Shown in: the app, the portal." in cli.text("trace", "b1")
    room = cli.text("trace", found["state"]["room"], "--lang", "sv")
    assert "Videorum" in room and "planerat" in room and "Bokningar: b1." in room


def test_a_dropped_booking_keeps_nothing(cli: Cli, postgres: str) -> None:
    async def story(hub: Desk) -> None:
        await hub.take(person(ANNA, protection="sekretessmarkering"))
        await hub.take(booking(ANNA))

    told(cli, postgres, story)
    text = cli.text("trace", "b1")
    assert "Nothing of its content is kept (B1)." in text and "2026-03-09" not in text


def test_an_unknown_id_is_1_and_an_unknown_language_2(cli: Cli, postgres: str) -> None:
    told(cli, postgres, _unread)
    cli.text("trace", "nothing", code=1)
    assert "no document, booking or room with the id nothing" in cli.err
    cli.text("trace", "d1", "--lang", "fi", code=2)


# --- deadlines --------------------------------------------------------------------------------------------------------------


def test_deadlines_of_a_unit_within_a_span(cli: Cli, postgres: str) -> None:
    async def story(hub: Desk) -> None:
        await hub.take(person(ANNA), account(ANNA))
        await hub.take(letter(ANNA), letter(ANNA, "d2", unit="SE2321000016-B2"))

    told(cli, postgres, story)
    assert cli.json("deadlines")["items"] == []
    assert "Nothing falls due" in cli.text("deadlines")
    found = cli.json("deadlines", "--within", "48h", "--unit", UNIT)
    assert [(one["subject_id"], one["what"]) for one in found["items"]] == [("d1", "print")]
    assert "goes to print" in cli.text("deadlines", "--within", "3d")


# --- what-if ----------------------------------------------------------------------------------------------------------------


def _whatif(cli: Cli, file: Path, *more: str, code: int = 0) -> Any:
    return cli.json("whatif", "--config", str(file), "--from", "2026-03-01", "--to", "2026-03-10", *more, code=code)


def test_the_same_settings_change_nothing(cli: Cli, postgres: str, tmp_path: Path) -> None:
    told(cli, postgres, _unread)
    same = tmp_path / "same.toml"
    same.write_text(Path("config/units.toml").read_text())
    found = _whatif(cli, same)
    assert found["decisions"] > 3 and found["changed"] == 0


def test_a_shorter_time_to_read_moves_deadlines_of_that_unit(cli: Cli, postgres: str, tmp_path: Path) -> None:
    async def story(hub: Desk) -> None:
        await hub.take(person(ANNA), account(ANNA))
        await hub.take(letter(ANNA), letter(ANNA, "d2", unit="SE2321000016-B2"))

    told(cli, postgres, story)
    other = tmp_path / "other.toml"
    other.write_text(Path("config/units.toml").read_text().replace('name = "Ortopedmottagningen"', 'name = "O"\nunread_hours = 24'))
    found = _whatif(cli, other)
    assert [subject["id"] for subject in found["subjects"]] == ["d1"]
    before, after = found["subjects"][0]["before"]["deadline"], found["subjects"][0]["after"]["deadline"]
    assert (before, after) == ("2026-03-04T09:00:00Z", "2026-03-03T09:00:00Z")
    assert (found["changed"], found["deadline_only"]) == (1, 1)


def test_another_age_makes_another_decision(cli: Cli, postgres: str, tmp_path: Path) -> None:
    async def story(hub: Desk) -> None:
        await hub.take(person(MOTHER), account(MOTHER), person(CHILD), agent(CHILD, MOTHER))
        await hub.take(kallelse(CHILD))

    told(cli, postgres, story)
    other = tmp_path / "hub.toml"
    other.write_text(Path("config/hub.toml").read_text().replace("child_age = 13", "child_age = 5"))
    found = _whatif(cli, other)
    assert found["subjects"][0]["before"]["rule"] == "R7"
    assert found["subjects"][0]["after"]["reason"] == "no_channel"
    text = cli.text("whatif", "--config", str(other), "--from", "2026-03-01", "--to", "2026-03-10")
    assert "1 would be different" in text and "R7 deliver" in text


def test_what_if_refuses_what_it_cannot_use(cli: Cli, postgres: str, tmp_path: Path) -> None:
    told(cli, postgres, _unread)
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("[rules]\nunread_hors = 1\n")
    cli.text("whatif", "--config", str(wrong), "--from", "2026-03-01", "--to", "2026-03-10", code=2)
    assert "unread_hors" in cli.err
    cli.text("whatif", "--config", str(tmp_path / "none.toml"), "--from", "2026-03-01", "--to", "2026-03-10", code=2)
    cli.text("whatif", "--config", "config/hub.toml", "--from", "2026-03-10", "--to", "2026-03-01", code=2)
    cli.text("whatif", "--config", "config/hub.toml", "--from", "2025-01-01", "--to", "2025-02-01", code=1)
