"""What a run found: figures with their targets, as JSON for tools and as Markdown for docs/bench.md. Progress goes to stderr."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from bench.meters import steal_and_idle


def told(line: str) -> None:
    sys.stderr.write(f"bench: {line}\n")
    sys.stderr.flush()


@dataclass(slots=True)
class Part:
    """One benchmark. `figures` are what it is about; `rows` the sides it compared."""

    name: str
    figures: list[dict[str, Any]] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def figure(self, name: str, value: float, unit: str, *, target: str | None = None) -> None:
        met = None if target is None else _meets(value, target)
        self.figures.append({"name": name, "value": value, "unit": unit, "target": target, "met": met})
        told(f"{self.name}: {name} {_text(value)}{unit}" + ("" if met is None else f" (target {target}: {'met' if met else 'missed'})"))

    def row(self, **values: Any) -> None:
        self.rows.append(values)


@dataclass(slots=True)
class Report:
    """All parts of one run and the machine it ran on."""

    parts: list[Part] = field(default_factory=list)
    machine: dict[str, Any] = field(default_factory=lambda: machine())
    failed: list[str] = field(default_factory=list)
    """Parts that did not finish."""

    def part(self, name: str) -> Part:
        made = Part(name)
        self.parts.append(made)
        return made

    def json(self) -> bytes:
        found = {
            "machine": self.machine,
            "failed": self.failed,
            "parts": [{name: getattr(part, name) for name in Part.__slots__} for part in self.parts],
        }
        return orjson.dumps(found, option=orjson.OPT_INDENT_2)

    def markdown(self) -> str:
        lines = ["| part | figure | measured | target | met |", "|---|---|---:|---|---|"]
        for part in self.parts:
            for f in part.figures:
                met = {None: "", True: "yes", False: "no"}[f["met"]]
                lines.append(f"| {part.name} | {f['name']} | {_text(f['value'])} {f['unit']} | {f['target'] or ''} | {met} |")
        for part in self.parts:
            if part.rows:
                names = list(part.rows[0])
                lines += ["", f"**{part.name}**", "", f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
                lines += [f"| {' | '.join(_text(row.get(name)) for name in names)} |" for row in part.rows]
            lines += [f"\n{note}" for note in part.notes]
        if self.failed:
            lines += ["", f"Did not finish: {', '.join(self.failed)}."]
        about = ", ".join(f"{name} {value}" for name, value in self.machine.items())
        return f"Machine: {about}.\n\n" + "\n".join(lines) + "\n"


def machine() -> dict[str, Any]:
    """What the figures were measured on, and how busy it was before."""
    model = next(
        (line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "?"
    )
    stolen, _, total = steal_and_idle()
    return {
        "cores": os.cpu_count(), "cpu": model, "python": platform.python_version(), "kernel": platform.release(),
        "load before": " ".join(f"{value:.1f}" for value in os.getloadavg()), "CPU stolen since boot": f"{stolen / total:.1%}",
    }  # fmt: skip


def _meets(value: float, target: str) -> bool:
    sign, _, number = target.rpartition(" ")
    wanted = float(number)
    return {"": value == wanted, ">=": value >= wanted, "<=": value <= wanted, ">": value > wanted, "<": value < wanted}[sign]


def _text(value: Any) -> str:
    if not isinstance(value, float):
        return f"{value:,}" if isinstance(value, int) else str(value)
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"
