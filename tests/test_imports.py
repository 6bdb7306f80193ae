"""The import table of ARCHITECTURE.md, and "one library, one door", read from the code itself."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OURS = ("schemas", "config", "pipelines", "connectors", "video", "console", "hub")
MAY_IMPORT = {
    "schemas": set(),
    "config": {"schemas"},
    "pipelines": {"schemas"},
    "connectors": {"schemas"},
    "video": {"schemas"},
    "console": {"schemas"},
    "hub": set(OURS),
}
DOORS = {
    "faust": ("pipelines/transport/", "pipelines/agents.py"),
    "mode": ("pipelines/transport/", "pipelines/agents.py"),
    "lxml": ("schemas/xml.py",),
    "zeep": ("connectors/soap.py",),
    "signxml": ("connectors/mina_meddelanden/signing.py",),
    "aiortc": ("video/",),
    "jgo": ("hub/embedded/jars.py",),
    "prometheus_client": ("config/telemetry.py",),
}
ONE_MODULE = ("zeep", "signxml", "aiortc")  # a door in a folder, but only one
NO_ENVIRONMENT = {"environ", "getenv", "environb"}


def modules() -> list[Path]:
    return sorted(p for folder in OURS for p in (ROOT / folder).rglob("*.py"))


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module or ""


def wrong_imports(path: Path, tree: ast.AST) -> list[str]:
    where = path.relative_to(ROOT).as_posix()
    package = where.split("/")[0]
    wrong = []
    for name in imported(tree):
        top = name.split(".")[0]
        if top in OURS and top != package and path.name != "__main__.py" and top not in MAY_IMPORT[package]:
            wrong.append(f"{where} imports {name}")
        if top in DOORS and not where.startswith(DOORS[top]):
            wrong.append(f"{where} imports {name}, whose door is {', '.join(DOORS[top])}")
    return wrong


def reads_environment(path: Path, tree: ast.AST) -> bool:
    return path != ROOT / "config/settings.py" and any(
        (isinstance(n, ast.Attribute) and n.attr in NO_ENVIRONMENT and isinstance(n.value, ast.Name) and n.value.id == "os")
        or (isinstance(n, ast.ImportFrom) and n.module == "os" and any(a.name in NO_ENVIRONMENT for a in n.names))
        for n in ast.walk(tree)
    )


@pytest.mark.parametrize("path", modules(), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_a_module_imports_what_the_table_allows_and_reads_no_environment(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert wrong_imports(path, tree) == []
    assert not reads_environment(path, tree), "environment variables are read in config/settings.py only"


@pytest.mark.parametrize("library", ONE_MODULE)
def test_a_library_has_one_door(library: str) -> None:
    doors = [p for p in modules() if any(n.split(".")[0] == library for n in imported(ast.parse(p.read_text())))]
    assert len(doors) <= 1, f"{library} is imported by {doors}"


@pytest.mark.parametrize(
    ("where", "code", "wrong"),
    [
        ("schemas/x.py", "import config.settings", 1),
        ("pipelines/x.py", "from connectors.gateway import y", 1),
        ("pipelines/__main__.py", "from config.settings import load", 0),
        ("connectors/x.py", "def f():\n    import lxml.etree", 1),
        ("hub/x.py", "import pipelines, connectors, config", 0),
    ],
)
def test_the_check_itself_sees_what_is_wrong(where: str, code: str, wrong: int) -> None:
    assert len(wrong_imports(ROOT / where, ast.parse(code))) == wrong


@pytest.mark.parametrize("code", ["import os\nos.environ['X']", "import os\nos.getenv('X')", "from os import environ"])
def test_the_check_itself_sees_who_reads_the_environment(code: str) -> None:
    assert reads_environment(ROOT / "hub/x.py", ast.parse(code))
