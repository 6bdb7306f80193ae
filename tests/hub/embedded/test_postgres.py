"""The embedded PostgreSQL: real, durable, with a password, as a user of its own."""

import os
import signal
from pathlib import Path

import asyncpg
import pytest

from hub.embedded.account import own_account, reaches
from hub.embedded.postgres import prepare
from hub.embedded.running import PostgresServer, running_postgres


async def test_what_was_committed_survives_sigkill_and_a_second_start(server_dir: Path) -> None:
    with running_postgres(server_dir / "pg-crash") as server:
        session = await asyncpg.connect(server.dsn)
        await session.execute("CREATE TABLE t (n int); INSERT INTO t VALUES (1)")
        server.stop(signal.SIGKILL)
        assert (server.plan.dir / "data" / "postmaster.pid").exists()
        server.start()
        session = await asyncpg.connect(server.dsn)
        assert await session.fetchval("SELECT n FROM t") == 1
        await session.close()


def test_preparing_ends_a_server_that_a_killed_hub_left_behind(server_dir: Path) -> None:
    with running_postgres(server_dir / "pg-orphan") as server:
        assert server.process is not None
        prepare(server.plan)
        assert server.process.wait(10) == 0
        server.start()


def test_a_lock_file_that_names_somebody_else_does_not_stop_a_start(server_dir: Path) -> None:
    with running_postgres(server_dir / "pg-stale") as server:
        server.stop()
        lock = server.plan.dir / "data" / "postmaster.pid"
        lock.write_text(f"{os.getppid()}\n{lock.parent}\n")
        server.start()


async def test_a_wrong_password_is_refused(postgres_server: PostgresServer) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(postgres_server.dsn, password="wrong")


async def test_the_hubs_role_is_no_superuser_and_writes_are_synced(postgres: str) -> None:
    session = await asyncpg.connect(postgres)
    assert await session.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
    for name, value in (("fsync", "on"), ("synchronous_commit", "on"), ("jit", "off"), ("data_checksums", "on")):
        assert await session.fetchval("SELECT current_setting($1)", name) == value
    assert str(await session.fetchval("SHOW server_version")).startswith("18.")
    await session.close()


async def test_the_log_holds_no_statement_and_no_row(server_dir: Path) -> None:
    with running_postgres(server_dir / "pg-log") as server:
        session = await asyncpg.connect(server.dsn)
        await session.execute("CREATE TABLE t (pid text PRIMARY KEY)")
        await session.execute("INSERT INTO t VALUES ('seen-by-nobody')")
        with pytest.raises(asyncpg.UniqueViolationError):
            await session.execute("INSERT INTO t VALUES ($1)", "seen-by-nobody")
        with pytest.raises(asyncpg.InvalidTextRepresentationError, match="seen-by-nobody"):
            await session.execute("SELECT 'seen-by-nobody'::uuid")
        await session.close()
    log = (server_dir / "pg-log.log").read_text()
    assert "ready to accept connections" in log
    assert "Connection reset" not in log
    assert "seen-by-nobody" not in log
    assert "INSERT" not in log


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user runs the server as itself")
def test_started_by_root_it_runs_as_a_user_of_its_own(postgres_server: PostgresServer) -> None:
    account = own_account()
    assert account is not None
    assert Path(f"/proc/{postgres_server.pid}").stat().st_uid == account.uid != 0


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user runs the server as itself")
async def test_started_by_root_it_works_below_a_directory_that_nobody_else_may_enter(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    account = own_account()
    assert account is not None
    assert not reaches(account, closed / "postgres")
    with running_postgres(closed / "postgres") as server:
        session = await asyncpg.connect(server.dsn)
        assert await session.fetchval("SELECT 1") == 1
        await session.close()
        place = (closed / "postgres").resolve()
    assert closed.stat().st_mode & 0o777 == 0o700
    (closed / "postgres").unlink()
    from hub.embedded.account import sweep

    sweep(place.parent)
    assert not place.exists(), "data that no hub links to any more is removed"
