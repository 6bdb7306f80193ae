"""What a command shows: data on standard output, the rest on standard error; colours and tables only on a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

Advance = Callable[[int], None]
WIDE = 200


class Screen:
    """One command's way out. `json` is what the caller asked for: then nothing else is on standard output."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self.rich = not as_json and sys.stdout.isatty()

    def data(self, value: Any) -> None:
        """The answer as one JSON value."""
        sys.stdout.write(json.dumps(value, default=plain, ensure_ascii=False) + "\n")

    def line(self, text: str = "") -> None:
        sys.stdout.write(text + "\n")

    def note(self, text: str) -> None:
        """Something besides the answer."""
        sys.stderr.write(text + "\n")

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[Any]], title: str = "") -> None:
        """Rows with headings: a drawn table on a terminal, aligned columns elsewhere."""
        texts = [[_cell(value) for value in row] for row in rows]
        if self.rich:
            self._drawn(columns, texts, title)
            return
        if title:
            self.line(title)
        widths = [max(len(text) for text in column) for column in zip(columns, *texts, strict=True)]
        for row in ([*columns], *texts):
            self.line("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())

    def _drawn(self, columns: Sequence[str], rows: Sequence[Sequence[str]], title: str) -> None:
        from rich.box import SIMPLE_HEAD
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        drawn = Table(title=title or None, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
        for name in columns:
            drawn.add_column(name, overflow="fold")  # an id that is cut cannot be copied
        for row in rows:
            drawn.add_row(*(Text(text, style=_style(text)) for text in row))
        Console().print(drawn)

    @contextmanager
    def progress(self, what: str, total: int | None = None) -> Iterator[Advance]:
        """A bar on standard error while the block runs; nothing where that is no terminal."""
        if not sys.stderr.isatty():
            yield lambda count: None
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(what, total=total)
            yield lambda count: bar.advance(task, count)


def plain(value: Any) -> Any:
    """JSON for what JSON does not know."""
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, datetime):
        return utc_text(value)
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def utc_text(moment: datetime) -> str:
    """RFC 3339 in UTC."""
    from datetime import UTC

    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def local_text(moment: datetime) -> str:
    """The wall clock in Stockholm, to the minute: how staff and operators tell time."""
    from zoneinfo import ZoneInfo

    return moment.astimezone(ZoneInfo("Europe/Stockholm")).strftime("%Y-%m-%d %H:%M")


_STYLES = {
    "green": ("ready", "done", "ok", "yes"),
    "yellow": ("starting", "waiting", "behind", "backoff"),
    "red": ("not ready", "stopped", "stalled", "no member", "no"),
}


def _style(text: str) -> str:
    return next((style for style, texts in _STYLES.items() if text in texts), "")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return local_text(value)
    return str(value)
