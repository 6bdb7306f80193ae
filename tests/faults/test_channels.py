"""Peers that fail in every way, and parts that die, while documents go out by every channel. The long form is `make faults`."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.rules.sending import State
from tests.faults.cast import Somebody
from tests.faults.channels import MODES, SYSTEMS, VICTIMS, Channels, run
from tests.faults.delivered import expected

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
