"""The Kafka Streams side: a small Java program, compiled here with Eclipse's compiler, as the JVM at hand has none."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

from hub.embedded.jars import class_path, locked, read_lock
from hub.embedded.kafka import java

HERE: Final = Path(__file__).parent
MAIN: Final = "Letters"
_QUIET: Final = (
    "--enable-native-access=ALL-UNNAMED",
    "--sun-misc-unsafe-memory-access=allow",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
)


def command(cache: Path, directory: Path, *arguments: str, heap_mib: int = 1_024) -> list[str]:
    """Compile (a second) and return what starts it."""
    ours = read_lock((HERE / "jars.lock").read_text())
    paths = [str(path) for path in (*class_path(cache, ours), *class_path(cache, locked()))]
    classes = directory / "classes"
    classes.mkdir(parents=True, exist_ok=True)
    compiled = subprocess.run(
        [
            str(java()), "-cp", ":".join(paths), "org.eclipse.jdt.internal.compiler.batch.Main", "-21", "-nowarn", "-proc:none",
            "-cp", ":".join(paths), "-d", str(classes), str(HERE / f"{MAIN}.java"),
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if compiled.returncode:
        raise RuntimeError(f"{MAIN}.java does not compile:\n{compiled.stderr[-4000:]}{compiled.stdout[-2000:]}")
    flags = (f"-Xmx{heap_mib}m", f"-Xms{heap_mib}m", *_QUIET)
    return [str(java()), *flags, "-cp", ":".join((str(classes), *paths)), MAIN, *arguments]
