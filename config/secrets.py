"""Secrets the hub makes for itself on first use: DIR/secrets, mode 0700, one file each, mode 0600.

Made once and never replaced: the ledger's rows are found by keys made from them. Several parts may start at once, so a
file is written whole beside its place and linked into it; whoever comes second reads what the first one made.
"""

from __future__ import annotations

import os
import secrets as chance
from pathlib import Path
from typing import Final

PASSWORD_BYTES: Final = 24
KEY_BYTES: Final = 32


def secret(directory: Path, name: str, size: int = KEY_BYTES) -> bytes:
    """The bytes of a key, made on first use."""
    return bytes.fromhex(password(directory, name, size))


def password(directory: Path, name: str, size: int = PASSWORD_BYTES) -> str:
    """A password in hex digits, made on first use."""
    path = directory / name
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        pass
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = directory / f".{name}.{os.getpid()}.{chance.token_hex(4)}"
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as out:
        out.write(chance.token_hex(size) + "\n")
        out.flush()
        os.fsync(out.fileno())
    try:
        os.link(fresh, path)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    return path.read_text().strip()
