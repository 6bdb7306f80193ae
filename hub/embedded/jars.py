"""The broker's JARs: fetched once from Maven Central by jgo, each one checked against `jars.lock`.

The lock names every artifact with its SHA-256; whatever differs is refused and removed. The files lie in the user's
cache outside the repository, and are checked again before each start of the broker (0.05 s), as anyone who can write
there could otherwise run code in it.

    python -m hub.embedded.jars           fetch and check, and train the JVM's cache (part of `make install`)
    python -m hub.embedded.jars --lock    resolve the versions below and write the lock anew
"""

from __future__ import annotations

import hashlib
import logging
import sys
import warnings
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

LOCK: Final = Path(__file__).parent / "jars.lock"
ROOTS: Final = (("org.apache.kafka", "kafka_2.13", "4.1.2"), ("org.slf4j", "slf4j-simple", "1.7.36"))
FETCHES_MAX: Final = 8
TRIES: Final = 3


class JarError(Exception):
    """A JAR is not what the lock says, or cannot be had."""


@dataclass(frozen=True, slots=True)
class Jar:
    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def path(self) -> Path:
        """Below a Maven repository's root."""
        name = f"{self.artifact}-{self.version}.jar"
        return Path(*self.group.split("."), self.artifact, self.version, name)


def read_lock(text: str) -> tuple[Jar, ...]:
    """`group:artifact:version sha256`, one a line, in class path order."""
    rows = [line.replace(":", " ").split() for line in text.splitlines() if line and not line.startswith("#")]
    return tuple(Jar(group, artifact, version, sha256) for group, artifact, version, sha256 in rows)


def locked() -> tuple[Jar, ...]:
    return read_lock(LOCK.read_text())


def lock_key(jars: Iterable[Jar]) -> str:
    """A short name for one set of JARs."""
    return hashlib.sha256("".join(j.sha256 for j in jars).encode()).hexdigest()[:12]


def class_path(cache: Path, jars: tuple[Jar, ...] | None = None) -> list[Path]:
    """The JARs' paths, each checked; what is missing is fetched.

    Raises:
        JarError: naming the JAR that differs from the lock or cannot be fetched.
    """
    jars = locked() if jars is None else jars
    root = cache / "jars"
    with ThreadPoolExecutor(FETCHES_MAX) as pool:
        missing = [j for j in jars if not (root / j.path).is_file()]
        if missing:
            _fetch(missing, root, pool)
        wrong = [j for j, right in zip(jars, pool.map(lambda j: _is(root / j.path, j.sha256), jars), strict=True) if not right]
    if wrong:
        for jar in wrong:
            (root / jar.path).unlink(missing_ok=True)
        names = ", ".join(f"{j.group}:{j.artifact}:{j.version}" for j in wrong)
        raise JarError(f"the SHA-256 of {names} is not the one in {LOCK.name}; the file was removed, run `make install` again")
    return [root / j.path for j in jars]


def _is(path: Path, sha256: str) -> bool:
    with path.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest() == sha256


def _context(root: Path) -> Any:
    with warnings.catch_warnings(action="ignore"):  # of a library of its, about directories it does not use here
        from jgo.maven import MavenContext  # costs 0.3 s and is needed on a first start only

    logging.getLogger("jgo").setLevel(logging.ERROR)
    return MavenContext(repo_cache=root, timeout=60)


def _fetch(jars: list[Jar], root: Path, pool: ThreadPoolExecutor) -> None:
    maven = _context(root)

    def fetch(jar: Jar) -> None:
        for left in range(TRIES - 1, -1, -1):
            try:
                maven.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()
            except Exception as failure:
                if left == 0:
                    raise JarError(f"{jar.group}:{jar.artifact}:{jar.version} cannot be fetched: {failure}") from failure
            else:
                return

    list(pool.map(fetch, jars))


def resolve(root: Path) -> tuple[Jar, ...]:
    """The JARs of `ROOTS` with everything they need, as Maven resolves them now."""
    maven = _context(root)
    from jgo.maven import Dependency

    wanted = [Dependency(maven.project(g, a).at_version(v).artifact()) for g, a, v in ROOTS]
    inputs, needed = maven.resolver.resolve(wanted)
    artifacts = [dependency.artifact for dependency in (*inputs, *needed)]
    with ThreadPoolExecutor(FETCHES_MAX) as pool:
        paths = list(pool.map(lambda a: Path(a.resolve()), artifacts))
    return tuple(
        Jar(a.groupId, a.artifactId, str(a.version), hashlib.sha256(p.read_bytes()).hexdigest())
        for a, p in zip(artifacts, paths, strict=True)
    )


def main(arguments: list[str]) -> int:
    from config.settings import load  # this module is also imported where settings are given
    from hub.embedded.kafka import train  # kafka imports this module

    cache = load().cache_dir
    if arguments == ["--lock"]:
        rows = [f"{j.group}:{j.artifact}:{j.version} {j.sha256}" for j in resolve(cache / "jars")]
        LOCK.write_text("# Made by `python -m hub.embedded.jars --lock`. Class path order.\n" + "\n".join(rows) + "\n")
        return 0
    if arguments:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    try:
        paths = class_path(cache)
        train(cache, paths)
    except JarError as wrong:
        sys.stderr.write(f"hub: {wrong}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
