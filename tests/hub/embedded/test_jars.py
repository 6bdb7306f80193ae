"""The broker's JARs are those of the lock and no others."""

from pathlib import Path

import pytest

from hub.embedded.jars import JarError, class_path, lock_key, locked, read_lock


def test_the_lock_names_each_jar_once_with_a_sha_256() -> None:
    jars = locked()
    assert len({(j.group, j.artifact) for j in jars}) == len(jars) > 40
    assert all(len(j.sha256) == 64 and int(j.sha256, 16) for j in jars)
    assert any(j.artifact == "kafka_2.13" and j.version.startswith("4.1.") for j in jars)


def test_every_cached_jar_is_as_locked(cache_dir: Path) -> None:
    assert [p.name for p in class_path(cache_dir)] == [j.path.name for j in locked()]


def test_a_jar_that_differs_is_refused_removed_and_named(tmp_path: Path) -> None:
    (jar,) = read_lock("org.example:thing:1.0 " + "0" * 64)
    path = tmp_path / "jars" / jar.path
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not what was locked")
    with pytest.raises(JarError, match=r"org\.example:thing:1\.0"):
        class_path(tmp_path, (jar,))
    assert not path.exists()


def test_other_jars_have_another_key() -> None:
    jars = locked()
    assert lock_key(jars) == lock_key(list(jars)) != lock_key(jars[1:])
