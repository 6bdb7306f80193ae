"""`hub status`: one screen. Asks the supervisor alone, which asks the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hub.cli.exits import CODE_FAILED
from hub.cli.running import find, status
from hub.cli.screen import Screen

_COUNTS = {
    "documents_due_24h": "documents due within 24 h",
    "documents_overdue": "documents overdue",
    "bookings_overdue": "bookings overdue",
    "rooms_overdue": "rooms overdue",
    "outbox": "outputs not yet published",
    "lookups_untried": "people waiting for the register",
    "mailboxes_unasked": "people waiting for the mailbox operators",
    "documents_waiting": "documents waiting for an answer",
    "bookings_waiting": "bookings waiting for an answer",
    "dead_letters_open": "dead letters",
    "sends_under_way": "deliveries and texts due or under way",
    "sends_untold": "answers not yet told",
    "unknown_outcomes": "deliveries with unknown outcome",
    "print_open": "print entries to handle",
}
"""In this order; what the supervisor tells besides is shown after them by its own name."""


def run(screen: Screen, directory: Path) -> int:
    """0 when every part can take work, else 1."""
    found = status(find(directory))
    if screen.as_json:
        screen.data(found)
    else:
        _show(screen, found)
    return 0 if found.get("ready") else CODE_FAILED


def _show(screen: Screen, found: dict[str, Any]) -> None:
    rows = [
        (part["name"], part["state"], part["pid"], part["restarts"], " ".join(str(port) for port in part["ports"].values()))
        for part in found["parts"]
    ]
    screen.table(("part", "state", "process", "restarts", "ports"), rows)
    screen.line()
    lag, ledger, clock = found.get("lag"), found.get("ledger"), found.get("clock") or {}
    screen.line(f"ready    {_yes(found.get('ready'))}")
    screen.line(f"idle     {_yes(found.get('idle'))}")
    if clock:
        speed = clock.get("speed", 1)
        screen.line(f"clock    {clock.get('now')}" + ("" if speed == 1 else f", {speed:g} times as fast"))
    if lag is None:
        screen.line("lag      unknown: Kafka or the ledger does not answer")
    else:
        behind = ", ".join(f"{topic} {records}" for topic, records in lag["topics"].items() if records)
        screen.line(f"lag      {lag['records']} records" + (f" ({behind})" if behind else ""))
    for name in (*_COUNTS, *(ledger or {})):
        if ledger and name in ledger:
            screen.line(f"{ledger[name]:>8} {_COUNTS.get(name, name)}")
            ledger = {key: value for key, value in ledger.items() if key != name}


def _yes(value: Any) -> str:
    return "yes" if value else "no"
