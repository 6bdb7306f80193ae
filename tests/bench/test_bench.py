"""The benchmarks run, and their report says what it should; the figures of so small a run mean nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_short_run_measures_every_side_and_reports_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--short", "--out", str(tmp_path)],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    report = orjson.loads((tmp_path / "bench.json").read_bytes())
    parts = {part["name"]: part for part in report["parts"]}
    assert set(parts) == {
        "pure code", "rendering", "startup", "throughput, 1 worker", "replay", "latency", "deadlines", "retention", "deliveries",
        "gateway", "video",
    }  # fmt: skip
    sides = {row["side"]: row for row in parts["throughput, 1 worker"]["rows"]}
    assert set(sides) == {"hub", "bare", "streams"}
    published = [row["outputs"] for row in sides.values()]
    assert max(published) - min(published) < 0.1, "a ratio would compare different work"
    assert all(figure["value"] >= 0 for part in parts.values() for figure in part["figures"])
    assert done.stdout == (tmp_path / "bench-figures.md").read_text()
