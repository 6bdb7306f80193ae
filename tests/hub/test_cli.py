"""The command line's frame: common options anywhere, exit codes, what is read where, and that a short command is short."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, get_args
from uuid import UUID

import pytest

from hub.cli import hoisted, spans, words
from hub.cli.exits import WrongUse
from hub.cli.reconcile import _show
from hub.cli.running import find, remember, settings_of
from hub.cli.screen import Screen
from hub.cli.up import addresses, settings_for
from pipelines.reconcile import Account, Difference, Unknown
from pipelines.rules import room
from pipelines.rules.model import Outcome, Reason, Trigger
from schemas.outbound import NotificationRequested
from tests.hub.cli_support import Cli, make_dir

STATUS = {
    "ready": True, "idle": False, "clock": {"now": "2026-03-02T09:00:00+00:00", "speed": 1.0}, "dir": "var",
    "parts": [{"name": "kafka", "pid": 7, "state": "ready", "restarts": 1, "ports": {"kafka": 19092}}],
    "lag": {"records": 3, "topics": {"ehr.letters.v1": 3, "persons.v1": 0}},
    "ledger": {"outbox": 2, "documents_due_24h": 5, "something_new": 9},
}  # fmt: skip


@pytest.fixture
def supervisor() -> Iterator[dict[str, Any]]:
    """A control server that answers what is in the dict, with its port as `control`."""
    answer: dict[str, Any] = {"body": STATUS}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == "/status"
            body = json.dumps(answer["body"]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    answer["control"] = server.server_port
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield answer
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def cli(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Cli:
    return Cli(make_dir(tmp_path / "var"), capfd)


# --- frame ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["status", "--json"], ["--json", "status"]),
        (["dead-letters", "--dir", "d", "list"], ["--dir", "d", "dead-letters", "list"]),
        (["lag", "--dir=d", "--json"], ["--dir=d", "--json", "lag"]),
        (["publish", "--", "--json", "--dir"], ["publish", "--", "--json", "--dir"]),
        (["lag", "--dir"], ["--dir", "lag"]),
    ],
)
def test_common_options_may_stand_anywhere_before_two_dashes(given: list[str], expected: list[str]) -> None:
    assert hoisted(given) == expected


@pytest.mark.parametrize(
    "words_", [["nonsense"], ["trace"], ["publish"], ["clock", "advance"], ["up", "--port-base", "x"], ["whatif", "--from", "2026-01-01"]]
)
def test_wrong_use_is_2(words_: list[str], cli: Cli) -> None:
    cli.text(*words_, code=2)


@pytest.mark.parametrize("command", ["status", "clock", "lag", "deadlines", "verify", "trace x", "dead-letters list", "unknown list"])
def test_where_no_hub_ever_ran_is_3_and_leaves_no_file(command: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    nowhere = Cli(tmp_path / "nowhere", capfd)
    nowhere.text(*command.split(), code=3)
    assert "hub up" in nowhere.err
    assert not nowhere.dir.exists()


def test_a_hub_that_has_stopped_is_3(cli: Cli) -> None:
    cli.text("status", code=3)
    assert "does not answer" in cli.err


def test_a_ledger_that_is_away_is_3(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    away = Cli(make_dir(tmp_path / "var", HUB_KAFKA="127.0.0.1:25908", HUB_POSTGRES="postgresql://h:secret@127.0.0.1:25907/hub"), capfd)
    away.text("deadlines", code=3)
    assert "ledger" in away.err and "secret" not in away.err
    away.text("lag", code=3)
    assert "Kafka" in away.err


def test_a_short_command_imports_little(tmp_path: Path) -> None:
    """`hub clock` and `hub status` need no driver, no schema, no framework: what keeps them under 0.4 s."""
    directory = make_dir(tmp_path / "var")
    heavy = ["asyncpg", "aiokafka", "pydantic", "typer", "aiohttp", "faust", "rich", "orjson"]
    code = (
        f"import sys; from hub.cli import main; assert main(['clock', '--dir', {str(directory)!r}]) == 0; "
        f"assert main(['status', '--dir', {str(directory)!r}]) == 3; "
        f"loaded = sorted(m for m in {heavy!r} if m in sys.modules); assert not loaded, loaded"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# --- status -----------------------------------------------------------------------------------------------------------------


def test_status_passes_on_what_the_supervisor_says(supervisor: dict[str, Any], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    cli = Cli(make_dir(tmp_path / "var", control=supervisor["control"]), capfd)
    assert cli.json("status") == STATUS
    shown = cli.text("status")
    assert "kafka" in shown and "3 records (ehr.letters.v1 3)" in shown and "5 documents due" in shown and "9 something_new" in shown


def test_status_is_1_when_something_is_not_ready(supervisor: dict[str, Any], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    supervisor["body"] = {**STATUS, "ready": False, "lag": None, "ledger": None}
    cli = Cli(make_dir(tmp_path / "var", control=supervisor["control"]), capfd)
    assert cli.json("status", code=1)["ready"] is False
    assert "does not answer" in cli.text("status", code=1)


# --- clock ------------------------------------------------------------------------------------------------------------------


def test_the_clock_moves_ahead_for_every_part(cli: Cli) -> None:
    before = datetime.now(UTC)
    found = cli.json("clock", "advance", "2d12h")
    assert set(found) == {"now", "speed"}
    moved = datetime.fromisoformat(found["now"]) - before
    assert timedelta(days=2, hours=12) <= moved < timedelta(days=2, hours=12, minutes=1)
    assert json.loads((cli.dir / "clock.json").read_text())
    assert cli.json("clock", "speed", "60")["speed"] == 60
    assert cli.json("clock")["speed"] == 60
    assert "60 times as fast" in cli.text("clock", "show")


@pytest.mark.parametrize("words_", ["advance 48", "advance yesterday", "speed 0", "speed nan", "speed fast", "rewind", "show me"])
def test_what_a_clock_cannot_do_is_2_and_moves_nothing(words_: str, cli: Cli) -> None:
    cli.text("clock", *words_.split(), code=2)
    assert not (cli.dir / "clock.json").exists()


def test_with_real_peers_the_clock_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    cli = Cli(make_dir(tmp_path / "var", HUB__SANDBOX__ENABLED="false"), capfd)
    cli.text("clock", "advance", "48h", code=2)
    assert "--no-sandbox" in cli.err


# --- where the hub is -------------------------------------------------------------------------------------------------------


def test_settings_are_those_the_hub_was_started_with(tmp_path: Path) -> None:
    directory = make_dir(tmp_path / "var")
    remember(directory, {"HUB_PORT_BASE": "25100", "HUB__RULES__UNREAD_HOURS": "24", "PATH": "/bin", "HUB__SANDBOX__ENABLED": "false"})
    assert (directory / "settings.json").stat().st_mode & 0o777 == 0o600
    assert "PATH" not in (directory / "settings.json").read_text()
    settings = settings_of(directory)
    assert (settings.ports.kafka, settings.policy.limits.unread_hours, settings.dir) == (25130, 24, directory)
    assert not find(directory).sandbox


def test_without_remembered_settings_the_control_port_tells_the_others(tmp_path: Path) -> None:
    directory = make_dir(tmp_path / "var", control=25109)
    assert settings_of(directory).ports.kafka == 25130


def test_up_takes_ports_and_stand_ins_from_its_options(tmp_path: Path) -> None:
    with_stand_ins = settings_for(tmp_path, sandbox=True, port_base=25100)
    assert addresses(with_stand_ins)["sandbox"] == "http://127.0.0.1:25110/"
    real = settings_for(tmp_path, sandbox=False, port_base=None)
    assert "sandbox" not in addresses(real) and real.clock_file is None
    with pytest.raises(WrongUse, match="port_base"):
        settings_for(tmp_path, sandbox=True, port_base=80)


# --- words and spans --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"), [("48h", 172_800), ("90m", 5_400), ("90min", 5_400), ("1d12h", 129_600), ("1.5h", 5_400), ("2w", 1_209_600)]
)
def test_a_span_is_read(text: str, seconds: float) -> None:
    assert spans.span(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "48", "h", "-1h", "1h x", "9999999w", "1y"])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(WrongUse):
        spans.span(text)


def test_a_day_begins_in_stockholm() -> None:
    assert spans.moment("2026-07-01") == datetime(2026, 6, 30, 22, tzinfo=UTC)
    assert spans.moment("2026-01-01T12:00") == datetime(2026, 1, 1, 11, tzinfo=UTC)
    assert spans.moment("2026-01-01T12:00:00Z") == datetime(2026, 1, 1, 12, tzinfo=UTC)
    with pytest.raises(WrongUse):
        spans.moment("tomorrow")


@pytest.mark.parametrize(("seconds", "text"), [(0, "0 s"), (61, "1 min 1 s"), (-90_000, "1 d 1 h"), (3_600 * 47.5, "1 d 23 h")])
def test_a_span_is_told_in_two_units(seconds: float, text: str) -> None:
    assert spans.short(seconds) == text


@pytest.mark.parametrize(
    ("table", "codes"),
    [
        (words.REASONS, get_args(Reason)),
        (words.ROOM_REASONS, (room.CANCELLED, room.WITHDRAWN, room.TILL, room.ENDED, room.CROWDED)),
        (words.TEXTS, get_args(NotificationRequested.model_fields["kind"].annotation)),
        (words.TRIGGERS, get_args(Trigger)),
        (words.OUTCOMES, get_args(Outcome)),
    ],
    ids=["reasons", "room reasons", "texts", "triggers", "outcomes"],
)
def test_every_code_has_words_in_both_languages(table: words.Words, codes: tuple[str, ...]) -> None:
    assert set(table) == set(codes)
    assert all(english and swedish for english, swedish in table.values())


def test_phrases_take_the_same_values_in_both_languages() -> None:
    from string import Formatter

    def fields(text: str) -> set[str]:
        return {name for _, name, _, _ in Formatter().parse(text) if name}

    for name, (english, swedish) in words.PHRASES.items():
        assert fields(english) == fields(swedish), name


def test_an_account_in_words_has_only_the_numbers_that_are_there(capsys: pytest.CaptureFixture[str]) -> None:
    account = Account(unknown=[Unknown("d2", UUID(int=7), "kivra", 1)], unasked=3)
    account.count(datetime(2026, 3, 2, 9, 30, tzinfo=UTC), "kivra", "unknown")
    _show(Screen(), account, [])
    _show(Screen(), account, [Difference("sent_twice", "d1", "once at kivra", "2 times")])
    out = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "2026-03-02 10:00 kivra 1 1" in out and "d2 kivra 00000000-0000-0000-0000-000000000007 has it" in out
    assert "3 deliveries and texts whose peer cannot be asked about them." in out
    assert "Everything adds up." in out and "sent_twice d1 once at kivra 2 times" in out and "1 differences." in out
