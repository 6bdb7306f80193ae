"""fan.c from Python: compiled where there is a C compiler (`make install`, `python -m video.plane.fan`), found by its source's hash.

A packet that goes to all its viewers costs the interpreter more for each of them than encryption and kernel together, and in a room each
packet finds the caches cold (docs/bench.md). Without a compiler `forward.py` does the same in Python.
"""

import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from struct import Struct
from typing import Any, Final

from cffi import FFI

from video.plane.dtls import SRTP_PROTECT_ADDRESS
from video.plane.estimate import Sent
from video.plane.limits import HISTORY
from video.plane.mmsg import AVAILABLE, OUT_MAX, STRIDE, Outbox
from video.plane.payload import Vp8

_HERE: Final = Path(__file__).parent
_SOURCES: Final = (_HERE / "fan.h", _HERE / "fan.c")
COMPILE_S_MAX: Final = 60.0
_PACKET: Final = Struct("@qdI8i0q")  # `struct packet`
_NO_PICTURE: Final = (0, -1, 0, 0, -1)
_ffi: Final = FFI()


class FanError(Exception):
    """There is no compiler, or it fails."""


def place() -> Path:
    """Where the library is: in the virtual environment, of this source, for this machine."""
    sources = b"".join(path.read_bytes() for path in _SOURCES)
    return Path(sys.prefix) / "lib" / f"hub-fan-{sha256(sources).hexdigest()[:16]}-{sysconfig.get_platform()}.so"


def compiler() -> str | None:
    """This machine's."""
    return next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)


def build() -> Path:
    """Compile it, unless that was done. Raises `FanError`."""
    path = place()
    if path.exists():
        return path
    found = compiler()
    if found is None or not AVAILABLE:
        raise FanError("there is no C compiler (cc, gcc, clang)" if AVAILABLE else "only Linux has sendmmsg")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as directory:
        made = Path(directory) / path.name
        command = [found, "-O2", "-Wall", "-Wextra", "-Werror=implicit", "-shared", "-fPIC", "-o", str(made), str(_SOURCES[1])]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=COMPILE_S_MAX)  # noqa: S603 - a fixed command
        except subprocess.CalledProcessError as error:
            raise FanError(f"{found} fails: {error.stderr.strip()[-2_000:]}") from None
        except (OSError, subprocess.TimeoutExpired) as error:
            raise FanError(f"{found} fails: {type(error).__name__}") from None
        made.replace(path)
    return path


def load() -> Any:
    """The library; None where it has not been compiled."""
    path = place()
    return _ffi.dlopen(str(path)) if path.exists() else None


_ffi.cdef(_SOURCES[0].read_text())
assert _ffi.sizeof("struct packet") == _PACKET.size
library: Any = load()


class Fan:
    """A stream's viewers as fan.c reads them: made anew whenever one of them changes. Whoever is added must outlive it."""

    __slots__ = ("_buffer", "_count", "_kept", "_outbox", "_packet", "_to", "_viewers")

    def __init__(self, outbox: Outbox, places: int, number_id: int, level_id: int, overhead: int) -> None:
        """For at most so many viewers; then the first bytes of the two header extensions, and what a packet costs beside itself."""
        self._outbox, self._count = outbox, 0
        self._kept: list[Sent] = []
        self._viewers = _ffi.new("struct viewer[]", places)
        self._packet = _ffi.new("struct packet *")
        self._buffer = _ffi.buffer(self._packet)
        memory, messages, descriptor = self._outbox.addresses
        self._to = _ffi.new("struct outbox *", {
            "memory": _ffi.cast("uint8_t *", memory), "messages": _ffi.cast("void *", messages), "descriptor": descriptor,
            "stride": STRIDE, "places": OUT_MAX, "history": HISTORY, "number_id": number_id, "level_id": level_id, "overhead": overhead,
            "protect": _ffi.cast("int (*)(void *, void *, int *)", SRTP_PROTECT_ADDRESS),
        })  # fmt: skip

    def add(
        self, srtp: int, sent: Sent, name: bytes, pt: int, ssrc: int, offset: int, timestamp_by: int, picture_by: int, tl0_by: int
    ) -> None:
        viewer = self._viewers[self._count]
        viewer.srtp = _ffi.cast("void *", srtp)
        count, at, sizes = sent.addresses
        viewer.next, viewer.sent_at = _ffi.cast("uint64_t *", count), _ffi.cast("double *", at)
        viewer.sent_bytes = _ffi.cast("uint32_t *", sizes)
        viewer.pt, viewer.ssrc, viewer.offset, viewer.timestamp_by = pt, ssrc, offset, timestamp_by
        viewer.picture_by, viewer.tl0_by = picture_by, tl0_by
        _ffi.memmove(viewer.name, name, len(name))
        self._kept.append(sent)
        self._count += 1

    def send(self, place: int, now: float, timestamp: int, marker: int, level: int, payload: bytes, vp8: Vp8 | None) -> Sequence[int]:
        """Into the outbox for everybody; which of them encryption refused."""
        picture, picture_at, wide, tl0, tl0_at = _NO_PICTURE if vp8 is None else vp8[1:]
        size = len(payload)
        _PACKET.pack_into(self._buffer, 0, place, now, timestamp, marker, level, picture, picture_at, wide, tl0, tl0_at, size)
        outbox, count = self._outbox, self._count
        found = library.fan(self._viewers, count, self._packet, payload, self._to, outbox.used)
        outbox.used = found & 0xFF
        if found <= 0xFF:
            return ()
        outbox.dropped += found >> 16
        return [number for number in range(count) if self._viewers[number].refused]


if __name__ == "__main__":
    try:
        build()
    except FanError as wrong:
        sys.exit(f"hub: {wrong}")
