"""A file for each part's output, DIR/log/NAME.log, kept below a size.

A part writes to its file directly, so that it loses nothing when the supervisor dies. A file that has grown too large
is copied aside and cut; the file is open for appending, so the part goes on at its new end. What a part writes between
the copy and the cut (well under a millisecond) is lost: these logs are for people, the audit is a topic.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Final

SIZE_MAX: Final = 10 * 1024 * 1024
KEPT: Final = 3
TAIL_BYTES: Final = 16_384
WORDS_MAX: Final = 300


def open_log(directory: Path, name: str) -> int:
    """A file descriptor to append to; the caller closes it."""
    directory.mkdir(parents=True, exist_ok=True)
    return os.open(directory / f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)


def rotate(directory: Path, size_max: int = SIZE_MAX) -> list[str]:
    """Cut every log that is too large; the names of those."""
    cut = []
    for path in directory.glob("*.log"):
        if path.stat().st_size <= size_max:
            continue
        for n in range(KEPT, 1, -1):
            older = path.with_name(f"{path.name}.{n - 1}")
            if older.exists():
                older.replace(path.with_name(f"{path.name}.{n}"))
        shutil.copy(path, path.with_name(f"{path.name}.1"))
        os.truncate(path, 0)
        cut.append(path.stem)
    return cut


def last_words(directory: Path, name: str) -> str:
    """The last line of a part's log, short: to show why it ended."""
    try:
        with (directory / f"{name}.log").open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - TAIL_BYTES))
            line = log.read().decode("utf-8", "replace").rstrip().rpartition("\n")[2]
    except FileNotFoundError:
        return ""
    return _short(line)[:WORDS_MAX]


def _short(line: str) -> str:
    """Of a line of ours (JSON) the event, and the exception that it is about."""
    try:
        said = json.loads(line)
        raised = said.get("exception") or []
        return ": ".join([said["event"], *(f"{e['exc_type']} {e['exc_value']}".strip() for e in raised[:1])])
    except (ValueError, KeyError, AttributeError, TypeError):
        return line
