"""The published contracts, where their folder stands beside the project; a test that needs one is skipped without it."""

from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[4] / "shared" / "contracts"


def original(pattern: str) -> Path:
    """The first file of the originals that matches."""
    found = sorted(FOLDER.glob(pattern)) if FOLDER.is_dir() else []
    if not found:
        pytest.skip("the published contracts are not beside the project")
    return found[0]
