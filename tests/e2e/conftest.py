"""One hub for all of these tests, with a small sample day."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.embedded.leases import free_block
from tests.e2e.hub import Hub


@pytest.fixture(scope="session")
def hub() -> Iterator[Hub]:
    """`hub up`, with a sample day of 80 documents decided."""
    directory = Path(tempfile.mkdtemp(prefix="hub-e2e-"))
    directory.chmod(0o755)
    settings = {"HUB__SAMPLE__DOCUMENTS": "80", "HUB__KAFKA__DURABLE": "false", "HUB__VIDEO__BRIDGES": "2"}
    made = Hub(directory / "var", free_block(), settings)
    try:
        made.start()
        made.wait(lambda: "the sample day:" in made.log, 240)
        yield made
        code = made.stop()
        assert code == 0, made.log[-2000:]
    finally:
        if made.process is not None and made.process.poll() is None:
            made.process.kill()
        shutil.rmtree(directory, ignore_errors=True)
