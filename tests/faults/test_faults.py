"""The spine under faults, the short form: each way to end at least once, then the account. The long form is `make faults`.

In a process of its own: what is killed there becomes its children, and clients whose broker was killed are left unclosed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.kinds import SHORT
from tests.faults.parts import ROOT

TIMEOUT_S = 400


@pytest.mark.slow
@pytest.mark.timeout(TIMEOUT_S + 20)
def test_whatever_ends_nothing_is_lost_doubled_or_overtaken(tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    command = [sys.executable, "-m", "tests.faults", "--short", "--no-report", "--result", str(result)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    said = done.stdout[-3_000:] + done.stderr[-3_000:]
    assert result.exists(), said
    facts = json.loads(result.read_text())
    assert facts["examples_of_what_is_broken"] == {}, said
    assert done.returncode == 0, said
    assert {row["kind"] for row in facts["kinds"]} == {name for step in SHORT for name in step}
    assert facts["account"]["documents published"] > 200
    assert facts["account"]["app copies (document.withdrawn.v1)"] > 0
    assert facts["account"]["print entries"] > 0
    assert facts["process_ends"]["worker -9"] >= 6
    assert facts["process_ends"]["timers -9"] >= 4
