"""Peers that fail in every way, and parts that die, while documents go out by every channel. The long form is `make faults`."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.rules.sending import State
from tests.faults.account import Account
from tests.faults.cast import Somebody
from tests.faults.channels import MODES, SYSTEMS, VICTIMS, Channels, run
from tests.faults.delivered import Send, _right_recipients, _what_the_hub_says_is_so, expected

DOCUMENTS = 300


@pytest.fixture(scope="module")
def made() -> Iterator[Channels]:
    directory = Path(tempfile.mkdtemp(prefix="hub-channels-"))
    directory.chmod(0o755)
    try:
        yield run(directory, DOCUMENTS)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_whatever_a_peer_does_no_document_is_lost_doubled_leaked_or_given_to_another(made: Channels) -> None:
    assert made.account.broken == {}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_faults_did_happen_and_every_outcome_came_about(made: Channels) -> None:
    """Or the account would mean nothing."""
    counts = made.account.counts
    assert len(made.of) == DOCUMENTS == counts["documents published"]
    assert set(made.met) == {f"{system} {mode}" for system in SYSTEMS for mode in MODES}
    assert [name for name, met in made.met.items() if not met] == []
    assert set(made.killed) == set(VICTIMS)
    for name in ("kivra accepted", "mina_meddelanden accepted", "kivra refused", "mina_meddelanden refused", "mina_meddelanden unknown"):
        assert counts.get(f"sends: {name}", 0) > 0, name
    for reason in ("unknown_outcome", "mailbox_refused", "unread_48h", "no_account_48h", "no_channel", "protected_identity", "deceased"):
        assert counts.get(f"on paper: {reason}", 0) > 0, reason
    assert counts["protected people"] > 10
    assert made.resent


@pytest.mark.parametrize(
    ("way", "kind", "delivery", "read", "reason"),
    [
        ("kivra", "brev", State.ACCEPTED, False, None),
        ("kivra", "brev", State.REFUSED, False, "mailbox_refused"),
        ("billo", "kallelse", State.UNKNOWN, False, "unknown_outcome"),
        ("both", "brev", State.REFUSED, False, "unread_48h"),
        ("both", "brev", State.UNKNOWN, True, None),
        ("app", "kallelse", None, False, "unread_48h"),
        ("nobody", "brev", None, False, "no_account_48h"),
        ("nobody", "kallelse", None, False, "no_channel"),
        ("sekretess", "brev", State.ACCEPTED, True, "protected_identity"),
    ],
)
def test_the_account_expects_what_the_rules_say(way: str, kind: str, delivery: State | None, read: bool, reason: str | None) -> None:
    assert expected(Somebody(way, 1), kind, delivery, read=read) == reason  # type: ignore[arg-type]


ANNA, BERTIL = Somebody("kivra", 1), Somebody("billo", 2)


def row(document: str, times: int = 1) -> dict[str, object]:
    return {"document_id": document, "times": times}


@pytest.mark.parametrize(
    ("channel", "pid", "document", "wrong"),
    [
        ("kivra", ANNA.pid, "a", False),
        ("kivra", ANNA.pid, "b", True),
        ("kivra", BERTIL.pid, "b", True),
        ("billo", BERTIL.pid, "nobody's", True),
        ("app", BERTIL.pid, "a", True),
    ],
)
def test_the_account_sees_a_document_at_a_wrong_recipient(channel: str, pid: str, document: str, wrong: bool) -> None:
    made = Account()
    _right_recipients(made, {"a": (ANNA, "brev"), "b": (BERTIL, "brev")}, {(channel, pid): [row(document)]})
    assert bool(made.broken) is wrong


@pytest.mark.parametrize(
    ("channel", "state", "times", "promise"),
    [
        ("kivra", State.ACCEPTED, 1, None),
        ("kivra", State.UNKNOWN, 1, None),
        ("kivra", State.UNKNOWN, 0, None),
        ("kivra", State.ACCEPTED, 2, "letters that arrived twice where repeats are recognised"),
        ("mina_meddelanden", State.ACCEPTED, 2, "letters that arrived twice and were not sent anew by an operator"),
        ("mina_meddelanden", State.ACCEPTED, 0, "letters called accepted that are not there"),
        ("kivra", State.REFUSED, 1, "letters called refused or withdrawn that are there"),
    ],
)
def test_the_account_sees_what_the_hub_has_otherwise(channel: str, state: State, times: int, promise: str | None) -> None:
    made = Channels(1, [ANNA])
    inbox = [row("a", times)] if times else []
    _what_the_hub_says_is_so(made, [Send("s", "a", channel, state)], {("kivra", ANNA.pid): inbox})
    assert list(made.account.broken) == ([promise] if promise else [])


def test_what_an_operator_sent_anew_may_be_there_twice() -> None:
    made = Channels(1, [ANNA], resent={"a"})
    _what_the_hub_says_is_so(made, [Send("s", "a", "mina_meddelanden", State.ACCEPTED)], {("billo", ANNA.pid): [row("a", 2)]})
    assert made.account.broken == {}
