"""A directory in which a hub runs, as the command line finds it, without its processes: files, and the tests' own servers."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from hub.cli import main

CONTROL = 25909


def make_dir(directory: Path, *, control: int = CONTROL, **environment: str) -> Path:
    """hub.json and settings.json, and the secrets that `tests.pipelines.desk` uses."""
    secrets = directory / "secrets"
    secrets.mkdir(parents=True)
    (secrets / "dead-letters").write_text((b"d" * 32).hex())
    (secrets / "person-key-1").write_text((b"k" * 32).hex())
    (directory / "hub.json").write_text(json.dumps({"control": control, "parts": []}))
    (directory / "settings.json").write_text(json.dumps(environment))
    return directory


class Cli:
    """Runs commands in this process, on one directory."""

    def __init__(self, directory: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self.dir = directory
        self._capfd = capfd
        self.err = ""

    def text(self, *words: str, code: int = 0) -> str:
        """Standard output of a command that ends with `code`."""
        self._capfd.readouterr()
        found = main([*words, "--dir", str(self.dir)])
        out, self.err = self._capfd.readouterr()
        assert found == code, f"exit {found}: {out}{self.err}"
        return out

    def json(self, *words: str, code: int = 0) -> Any:
        return json.loads(self.text(*words, "--json", code=code))


def lines(*events: dict[str, Any]) -> str:
    return "".join(json.dumps(event) + "\n" for event in events)


def set_clock(directory: Path, at: float) -> None:
    """From now on the hub's clock stands (nearly) at `at`, epoch seconds."""
    (directory / "clock.json").write_text(json.dumps([[time.time(), at, 1e-6]]))
