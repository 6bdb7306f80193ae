"""A user of its own for PostgreSQL, which refuses to run as root, and a place that user can reach.

Only when we are root. The clone may lie where no other user may look (under /root, in a directory of mode 0700); we
do not open such directories for anybody. Data and binaries then lie under /var/lib/nordic-care-hub, and `DIR/postgres`
is a link to them, so that removing DIR forgets the data as it would anywhere else: what nobody links to is removed.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ACCOUNT: Final = "care-hub"
LAST_RESORT: Final = "nobody"  # on images that have no useradd
ELSEWHERE: Final = Path("/var/lib/nordic-care-hub")
_OWNER_FILE: Final = "belongs-to"


@dataclass(frozen=True, slots=True)
class Account:
    name: str
    uid: int
    gid: int

    def popen_arguments(self) -> dict[str, Any]:
        """What makes `subprocess.Popen` run as this user, and in no group but its own."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def own_account() -> Account | None:
    """The user that a server shall run as, made on first use; None when we are an ordinary user ourselves."""
    if os.geteuid() != 0:
        return None
    for attempt in (False, True):
        try:
            found = pwd.getpwnam(ACCOUNT)
        except KeyError:
            if attempt or not _make_account():
                break
        else:
            return Account(found.pw_name, found.pw_uid, found.pw_gid)
    found = pwd.getpwnam(LAST_RESORT)
    return Account(found.pw_name, found.pw_uid, found.pw_gid)


def _make_account() -> bool:
    command = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if command is None:
        return False
    options = ["--system", "--no-create-home", "--user-group", "--shell", "/usr/sbin/nologin", ACCOUNT]
    return subprocess.run([command, *options], capture_output=True, check=False).returncode in (0, 9)  # noqa: S603


def reaches(account: Account, path: Path) -> bool:
    """Whether the account may go to `path`: every directory above it (or above where it will be) lets it through."""
    for directory in path.absolute().parents:
        try:
            about = directory.resolve().stat()
        except FileNotFoundError:
            continue  # will be made by us, with 0755
        if about.st_uid == account.uid:
            needed = 0o100
        elif about.st_gid == account.gid:
            needed = 0o010
        else:
            needed = 0o001
        if not about.st_mode & needed:
            return False
    return True


def settle(account: Account, home: Path, elsewhere: Path = ELSEWHERE) -> Path:
    """The directory behind `home`, owned by the account and reachable for it; `home` itself, or what it links to."""
    if home.is_symlink() and not home.exists():
        home.unlink()
    if not home.exists():
        home.parent.mkdir(parents=True, exist_ok=True)
        if reaches(account, home):
            home.mkdir(mode=0o700)
        else:
            sweep(elsewhere)
            place = elsewhere / f"data-{secrets.token_hex(6)}"
            place.mkdir(parents=True, mode=0o700)
            (place / _OWNER_FILE).write_text(f"{home.absolute()}\n")
            home.symlink_to(place)
    real = home.resolve()
    if real.stat().st_uid != account.uid:
        os.chown(real, account.uid, account.gid)
    return real


def sweep(elsewhere: Path) -> list[Path]:
    """Remove the data directories whose hub was removed: nothing links to them any more."""
    gone = [
        place
        for place in elsewhere.glob("data-*")
        if (note := place / _OWNER_FILE).is_file() and Path(note.read_text().strip()).resolve() != place.resolve()
    ]
    for place in gone:
        shutil.rmtree(place, ignore_errors=True)
    return gone


def reachable_copy(account: Account, tree: Path, name: str, elsewhere: Path = ELSEWHERE) -> Path:
    """`tree` itself, or a copy of it (made once) where the account can reach it."""
    if reaches(account, tree / "bin" / "x"):
        return tree
    copy = elsewhere / name
    if not copy.is_dir():
        elsewhere.mkdir(parents=True, exist_ok=True)
        fresh = elsewhere / f".{name}.{os.getpid()}"
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.copytree(tree, fresh, symlinks=True)
        try:
            fresh.rename(copy)
        except OSError:  # another hub was quicker
            shutil.rmtree(fresh, ignore_errors=True)
    return copy
