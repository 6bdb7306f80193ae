"""axe-core in the pages' tests: the rules of WCAG 2.2 A and AA that a script can judge, as its npm package judges them.

The package is fetched once by the npm client and held to its SHA-256. It is MPL-2.0, belongs to the tests alone, and is served to nobody.
"""

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.async_api import Page

PACKAGE: Final = "axe-core@4.14.1"
SHA256: Final = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
"""Of `axe.min.js` in it."""
FETCH_S_MAX: Final = 300.0
TAGS: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
RUN: Final = """async (tags) => {
  const { violations } = await axe.run(document, { runOnly: { type: "tag", values: tags }, resultTypes: ["violations"], iframes: false });
  return violations.map(({ id, nodes }) => ({ id, nodes: nodes.map((n) => `${n.html.slice(0, 160)}: ${n.failureSummary}`) }));
}"""


def script(cache: Path) -> str:
    """The library's source. Fails the test where it cannot be had."""
    kept = cache / "tests" / f"{PACKAGE}.js"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(_fetched())
    content = kept.read_bytes()
    if hashlib.sha256(content).hexdigest() != SHA256:
        kept.unlink()
        pytest.fail(f"{PACKAGE} is not what its SHA-256 says: the accessibility of the pages cannot be judged", pytrace=False)
    return content.decode()


async def violations(page: Page, source: str) -> list[dict[str, Any]]:
    """What breaks a rule on the page as it stands: the rule's id, and each element with what is wrong."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(source)
    found: list[dict[str, Any]] = await page.evaluate(RUN, TAGS)
    return found


def _fetched() -> bytes:
    beside = Path(sys.executable).with_name("npm")
    npm = str(beside) if beside.exists() else shutil.which("npm") or "npm"
    with tempfile.TemporaryDirectory() as directory:
        command = [npm, "pack", "--silent", "--ignore-scripts", "--pack-destination", directory, PACKAGE]
        try:
            subprocess.run(command, cwd=directory, check=True, capture_output=True, timeout=FETCH_S_MAX)
        except (OSError, subprocess.SubprocessError) as error:
            why = f"{PACKAGE} cannot be fetched ({type(error).__name__}): the accessibility of the pages cannot be judged without it"
            pytest.fail(why, pytrace=False)
        (packed,) = Path(directory).glob("*.tgz")
        with tarfile.open(packed) as files:
            inner = files.extractfile("package/axe.min.js")
            assert inner is not None
            return inner.read()
