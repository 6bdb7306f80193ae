"""Doors that must stay shut: whose token it is, which issuer and register are believed, what lies on the disk for others to read."""

from __future__ import annotations

import io
import json
import logging
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import structlog

from config.settings import load
from config.telemetry import set_up_logging
from connectors.gateway import tokens
from connectors.gateway.decoding import Submitted
from connectors.gateway.rights import Client, Rights
from connectors.gateway.tokens import Tokens
from hub.embedded import kafka
from hub.embedded.kafka import KafkaPlan
from hub.logs import open_log, rotate
from hub.parts import table
from pipelines.deadletters import LimitReached
from schemas.cloudevents import Envelope, decode_record
from schemas.events import AccountChanged
from tests.connectors.test_gateway_tokens import ISSUER, OTHER, Issuer, jwk, status_of, token
from tests.pipelines.desk import ANNA, START
from tests.rules_by_law.law_desk import POLICY

# --- whose token ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("claims", [{"sub": "lisa"}, {"sub": "191212121212", "azp": "app"}, {"sub": "lisa", "preferred_username": "lisa"}])
async def test_a_persons_token_is_not_the_machine_they_logged_in_by(claims: dict[str, Any]) -> None:
    """Else everybody who logs in to the app could send as the app, and read as anybody (RFC 9068 section 5)."""
    client = await Tokens(Issuer(), ISSUER, "hub").client(token(**{"client_id": "app", **claims}))
    assert client.name not in ("app", "operator", "portal")
    event = AccountChanged.model_validate({"patient": ANNA, "account": "active", "as_of": START})
    submitted = Submitted(Envelope("1", "urn:x", event.TYPE), event, b"{}", "", "")
    assert Rights(POLICY).faults(client, submitted)


@pytest.mark.parametrize(
    "claims", [{}, {"sub": "app"}, {"sub": "8a7", "preferred_username": "service-account-app"}, {"sub": "8a7", "idtyp": "app"}]
)
async def test_a_machines_token_is_known_as_issuers_write_them(claims: dict[str, Any]) -> None:
    assert (await Tokens(Issuer(), ISSUER, "hub").client(token(**{"client_id": "app", **claims}))).name == "app"


async def test_a_key_that_the_issuer_took_back_is_not_believed_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stolen key is taken out of the issuer's keys; whoever knows its id must not be able to keep it alive."""
    issuer = Issuer()
    prover = Tokens(issuer, ISSUER, "hub")
    await prover.client(token())
    issuer.keys = [jwk(OTHER, "k2")]
    monkeypatch.setattr(tokens, "KEYS_AGE_S_MAX", 0.0)
    monkeypatch.setattr(tokens, "RENEW_S_MIN", 0.0)
    assert await status_of(prover, token(jti="another")) == 401
    assert await status_of(prover, token()) == 401, "nor a token that was proved before"


async def test_without_an_issuer_no_token_is_believed() -> None:
    assert await status_of(Tokens(Issuer(), "", "hub"), token(iss="")) == 401


def test_without_the_sandbox_nothing_on_loopback_is_taken_for_issuer_or_register() -> None:
    """Whoever listens on the sandbox's port would make tokens, and tell who is protected."""
    settings = load({"HUB__SANDBOX__ENABLED": "false"})
    assert (settings.oidc_issuer, settings.oidc_jwks_url, settings.peer("spar").url) == ("", "", "")
    assert "127.0.0.1" in load({}).oidc_issuer


def test_the_sandbox_sees_every_setting_that_names_a_real_issuer() -> None:
    assert load({"HUB__AUTH__JWKS_URL": "https://idp.example/jwks"}).real_peers == ("auth.jwks_url",)


# --- whose events -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["urn:care-hub:register", "URN:care-hub:pipelines"])
def test_nobody_speaks_in_the_hubs_own_name(source: str) -> None:
    """(source, id) is one event however often it comes: whoever takes the register's ids first would silence a protection."""
    event = AccountChanged.model_validate({"patient": ANNA, "account": "active", "as_of": START})
    submitted = Submitted(Envelope("1", source, event.TYPE), event, b"{}", "", "")
    assert [fault.pointer for fault in Rights(POLICY).faults(Client("app"), submitted)] == ["/source"]


@pytest.mark.parametrize("given", ["19121212-1212", "00-x", "00-" + "a" * 32 + "-" + "b" * 16 + "-01 Anna Andersson"])
def test_a_trace_parent_of_another_form_goes_no_further(given: str) -> None:
    """It is copied to the topics of others (W3C Trace Context: what cannot be parsed is ignored)."""
    headers = [("ce_id", b"1"), ("ce_source", b"s"), ("ce_type", b"t"), ("ce_specversion", b"1.0"), ("traceparent", given.encode())]
    assert decode_record(headers, b"{}")[0].traceparent is None
    right = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    assert decode_record([*headers[:4], ("traceparent", right.encode())], b"{}")[0].traceparent == right


# --- what lies about --------------------------------------------------------------------------------------------------------


def test_the_brokers_data_is_its_owners_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds every letter."""
    monkeypatch.setattr(kafka, "class_path", lambda cache: [])
    monkeypatch.setattr(kafka, "_format", lambda *_: None)
    directory = tmp_path / "kafka"
    for _ in range(2):
        kafka.prepare(KafkaPlan(directory, 1, 2, 3, tmp_path))
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        directory.chmod(0o755)


def test_servers_do_not_inherit_what_the_operators_shell_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL runs as another user, who may read its environment."""
    monkeypatch.setenv("SOME_TOKEN", "canary")
    monkeypatch.setattr(kafka, "prepare", lambda plan: ["java"])
    monkeypatch.setattr("hub.embedded.postgres.prepare", lambda plan: _Prepared())
    settings = load({"HUB_DIR": str(tmp_path)})
    for part in table(settings):
        if part.is_server:
            launch = part.prepare()
            assert launch.env is not None
            assert "SOME_TOKEN" not in launch.env


class _Prepared:
    command = ("postgres",)
    data = Path("/")
    account = None


# --- logs -------------------------------------------------------------------------------------------------------------------


def _raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


pytestmark = pytest.mark.usefixtures("own_hooks")

QUOTING = [
    asyncpg.DataError("invalid input for query argument $1: 'Canary Canarysson' (expected int)"),
    asyncpg.InvalidTextRepresentationError('invalid input syntax for type uuid: "Canary"'),
    asyncpg.UniqueViolationError("duplicate key\nDETAIL:  Key (name)=(Canary) already exists."),
    KeyError("Canary Canarysson"),
    ValueError("time data 'Canary' does not match"),
    TypeError("unhashable: Canary"),
    UnicodeEncodeError("ascii", "Canary å", 7, 8, "no"),
]


@pytest.mark.parametrize("error", QUOTING, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("by", ["structlog", "logging"])
def test_no_message_of_an_exception_that_may_quote_its_data_is_logged(error: BaseException, by: str) -> None:
    out = io.StringIO()
    set_up_logging("test", out=out)
    if by == "structlog":
        structlog.get_logger().error("failed", exc_info=_raised(error))
    else:
        logging.getLogger("library").error("failed", exc_info=_raised(error))
    assert "Canary" not in out.getvalue()
    assert type(error).__name__ in out.getvalue()


ENDS = {
    "part_failed": "raise_()",
    "thread_failed": "thread = threading.Thread(target=raise_); thread.start(); thread.join()",
    "exception_ignored": "Gone()",
}


@pytest.mark.parametrize("event", ENDS)
def test_what_ends_a_process_or_a_thread_is_a_line_that_quotes_nothing(event: str) -> None:
    """Not the interpreter's traceback: a `KeyError` on the way out would write whom it was about."""
    program = f"""
import asyncio, sys, threading
from config.telemetry import set_up_logging
set_up_logging("test")
async def fails():
    raise KeyError("Canary Canarysson")
async def group():
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(fails())
def raise_():
    asyncio.run(group())
class Gone:
    def __del__(self):
        raise KeyError("Canary Canarysson")
{ENDS[event]}
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == (1 if event == "part_failed" else 0)
    assert "Canary" not in done.stderr + done.stdout
    line = json.loads(done.stderr)
    assert (line["event"], line["part"], line["exception"][0]["exc_type"]) == (event, "test", "KeyError")
    assert any("fails" in frame or "__del__" in frame for frame in line["exception"][0]["frames"])


def test_what_we_say_ourselves_and_what_the_system_says_is_logged() -> None:
    out = io.StringIO()
    set_up_logging("test", out=out)
    for error in (
        LimitReached("500 in a minute"),
        ConnectionRefusedError(111, "Connection refused"),
        asyncpg.AdminShutdownError("terminating"),
    ):
        structlog.get_logger().error("failed", exc_info=_raised(error))
    assert all(text in out.getvalue() for text in ("500 in a minute", "Connection refused", "terminating"))
    assert all(json.loads(line)["event"] == "failed" for line in out.getvalue().splitlines())


def test_a_log_that_was_put_aside_is_for_no_more_eyes_than_before(tmp_path: Path) -> None:
    with os.fdopen(open_log(tmp_path, "part"), "w") as log:
        log.write("x" * 100)
    rotate(tmp_path, size_max=10)
    assert stat.S_IMODE((tmp_path / "part.log.1").stat().st_mode) == 0o640
