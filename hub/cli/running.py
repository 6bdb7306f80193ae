"""The hub that runs in a directory: what its supervisor wrote down there, and the settings it was started with.

DIR/hub.json has the parts and the control port (`hub.state`); DIR/settings.json has the HUB_ variables that were in force when it was
started (`remember`), so that `--dir` is all a command needs. It may hold a database's password: mode 0600.
"""

from __future__ import annotations

import http.client
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hub.cli.exits import NotReachable, WrongUse

if TYPE_CHECKING:
    from config.settings import Settings

STATE = "hub.json"
SETTINGS = "settings.json"
CONTROL_OFFSET = 9
DEFAULT_BASE = 8080
STATUS_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Running:
    """A hub's directory and what stands in it."""

    dir: Path
    control: int
    environment: dict[str, str]

    @property
    def sandbox(self) -> bool:
        return self.environment.get("HUB__SANDBOX__ENABLED", "true") == "true"


def find(directory: Path) -> Running:
    """The hub of this directory, running or not any more. Raises `NotReachable` where none ever was."""
    state = _read(directory / STATE)
    if state is None or not isinstance(state.get("control"), int):
        raise NotReachable(f"no hub runs in {directory} ({STATE} is not there); start one with `hub up`, or say where it is with --dir")
    control = state["control"]
    environment = _read(directory / SETTINGS) or {}
    if not environment and control != DEFAULT_BASE + CONTROL_OFFSET:
        environment["HUB_PORT_BASE"] = str(control - CONTROL_OFFSET)
    return Running(directory, control, {str(name): str(text) for name, text in environment.items()})


def status(running: Running) -> dict[str, Any]:
    """What the supervisor says now. Raises `NotReachable`."""
    connection = http.client.HTTPConnection("127.0.0.1", running.control, timeout=STATUS_TIMEOUT_S)
    try:
        connection.request("GET", "/status")
        found = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError):
        raise NotReachable(f"the hub of {running.dir} does not answer on port {running.control}; it has stopped or is starting") from None
    finally:
        connection.close()
    if not isinstance(found, dict) or "parts" not in found:
        raise NotReachable(f"something else than a hub answers on port {running.control}")
    return found


def remember(directory: Path, environment: Mapping[str, str]) -> None:
    """Write down the variables that a hub is started with."""
    directory.mkdir(parents=True, exist_ok=True)
    fresh = directory / f"{SETTINGS}.tmp"
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as out:
        json.dump({name: text for name, text in sorted(environment.items()) if name.startswith("HUB_")}, out, indent=1)
    fresh.replace(directory / SETTINGS)


def settings_of(directory: Path) -> Settings:
    """The settings of the hub in this directory; of none there, those in force here (parts that somebody else runs)."""
    from config.settings import SettingsError, load

    try:
        if (directory / STATE).exists():
            return load({**find(directory).environment, "HUB_DIR": str(directory)})
        settings = load(HUB_DIR=str(directory))
    except SettingsError as wrong:
        raise WrongUse(f"the settings do not stand:\n{wrong}") from None
    if settings.external_kafka is None or settings.external_postgres is None:
        find(directory)  # says that no hub runs there, before any secret is made for one
    return settings


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return content if isinstance(content, dict) else None
