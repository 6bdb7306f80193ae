"""fan.c and take.c from Python: compiled where there is a C compiler (`make install`, `python -m video.plane.compiled`), found by their
sources' hash; and the memory they share with Python.

A packet that comes and goes to all its viewers costs the interpreter more than encryption and kernel together, and in a bridge of many
rooms each packet finds the caches cold (docs/bench.md). Without a compiler the same is done in Python, and the same numbers are kept in
plain objects that have the names of the structures' fields.
"""

import shutil
import subprocess
import sys
import sysconfig
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from cffi import FFI

from video.plane.limits import STREAMS_MAX
from video.plane.mmsg import AVAILABLE

_HERE: Final = Path(__file__).parent
HEADER: Final = _HERE / "compiled.h"
SOURCES: Final = (_HERE / "fan.c", _HERE / "take.c")
COMPILE_S_MAX: Final = 60.0
ffi: Final = FFI()


class CompileError(Exception):
    """There is no compiler, or it fails."""


def place() -> Path:
    """Where the library is: in the virtual environment, of these sources, for this machine."""
    sources = b"".join(path.read_bytes() for path in (HEADER, *SOURCES))
    return Path(sys.prefix) / "lib" / f"hub-plane-{sha256(sources).hexdigest()[:16]}-{sysconfig.get_platform()}.so"


def compiler() -> str | None:
    """This machine's."""
    return next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)


def build() -> Path:
    """Compile it, unless that was done. Raises `CompileError`."""
    path = place()
    if path.exists():
        return path
    found = compiler()
    if found is None or not AVAILABLE:
        raise CompileError("there is no C compiler (cc, gcc, clang)" if AVAILABLE else "only Linux has recvmmsg and sendmmsg")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as directory:
        made = Path(directory) / path.name
        # no fused multiplication: jitter is to be the same number as in Python
        flags = ["-O2", "-Wall", "-Wextra", "-Werror=implicit", "-ffp-contract=off", "-shared", "-fPIC"]
        command = [found, *flags, "-o", str(made), *(str(source) for source in SOURCES)]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=COMPILE_S_MAX)  # noqa: S603 - a fixed command
        except subprocess.CalledProcessError as error:
            raise CompileError(f"{found} fails: {error.stderr.strip()[-2_000:]}") from None
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CompileError(f"{found} fails: {type(error).__name__}") from None
        made.replace(path)
    return path


def load() -> Any:
    """The library; None where it has not been compiled."""
    path = place()
    return ffi.dlopen(str(path)) if path.exists() else None


ffi.cdef(HEADER.read_text())
library: Any = load()
epoch: Final[Any] = ffi.new("uint64_t *", 1)
"""Raised when any viewer's encryption or path changes: what was made for take.c before that is used no more."""


class _Stream:
    """`struct stream`, as far as Python reads and writes it."""

    __slots__ = ("bytes", "epoch", "fanned_to", "forwarded", "forwarded_octets", "highest", "jitter", "last_at", "newest", "newest_at",
                 "newest_picture", "newest_timestamp", "newest_tl0", "received", "refused", "since", "transit")  # fmt: skip

    def __init__(self) -> None:
        for name in self.__slots__:
            setattr(self, name, 0)


class _Sender:
    """`struct sender`, the same way. What take.c would have noted is never anything."""

    __slots__ = ("bytes", "came", "heard_at", "levels", "srtp")

    def __init__(self) -> None:
        for name in self.__slots__:
            setattr(self, name, 0)


def stream() -> Any:
    """The numbers of one SSRC that comes."""
    return _Stream() if library is None else ffi.new("struct stream *")


def sender() -> Any:
    """Those of one connection that publishes."""
    return _Sender() if library is None else ffi.new("struct sender *")


def at(address: int) -> Any:
    """A `void *`; 0 is NULL."""
    return ffi.cast("void *", address)


assert len(ffi.new("struct sender *").of) == STREAMS_MAX

if __name__ == "__main__":
    try:
        build()
    except CompileError as wrong:
        sys.exit(f"hub: {wrong}")
