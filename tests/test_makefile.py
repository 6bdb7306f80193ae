"""What the Makefile calls is there."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parent.parent / "Makefile"
MODULES = sorted({name for name in re.findall(r"-m ([\w.]+)", MAKEFILE.read_text()) if name not in ("venv", "pip")})


@pytest.mark.parametrize("module", MODULES)
def test_a_module_that_a_target_runs_can_be_run(module: str) -> None:
    found = find_spec(module)
    assert found is not None
    assert found.submodule_search_locations is None or find_spec(f"{module}.__main__") is not None
