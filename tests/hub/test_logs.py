"""Parts' logs stay below a size, are not lost to the part that writes, and say shortly why it ended."""

import os
from pathlib import Path

import pytest

from hub.logs import KEPT, last_words, open_log, rotate


def test_a_log_that_grows_is_cut_and_its_part_writes_on(tmp_path: Path) -> None:
    log = open_log(tmp_path, "gateway")
    for n in range(KEPT + 2):
        os.write(log, f"{n}".encode() * 100)
        assert rotate(tmp_path, size_max=50) == ["gateway"]
    os.write(log, b"after")
    os.close(log)
    assert rotate(tmp_path, size_max=50) == []
    assert (tmp_path / "gateway.log").read_text() == "after"
    kept = sorted(p.name for p in tmp_path.iterdir())
    assert kept == ["gateway.log", *(f"gateway.log.{n}" for n in range(1, KEPT + 1))]
    assert (tmp_path / "gateway.log.1").read_text().startswith("4")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a\nlast line\n", "last line"),
        ('{"event":"worker_failed","exception":[{"exc_type":"SlotLost","exc_value":"worker-1"}]}\n', "worker_failed: SlotLost worker-1"),
        ('{"event":"stopped"}\n', "stopped"),
        ("[1]\n", "[1]"),
        ("", ""),
    ],
)
def test_last_words_are_short(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "p.log").write_text(text)
    assert last_words(tmp_path, "p") == words


def test_a_part_that_said_nothing_has_no_last_words(tmp_path: Path) -> None:
    assert last_words(tmp_path, "p") == ""
