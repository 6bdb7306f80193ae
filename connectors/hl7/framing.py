"""MLLP (HL7 v2 Transport, release 1): a message is VT, its bytes, FS, CR. Pure: bytes in, frames out, wherever the stream was cut.

Bytes between frames are noise and are passed over. A frame that grows beyond the limit, or begins anew within itself, is `Broken`:
nothing more can be known of that stream.
"""

from typing import Final

START: Final = b"\x0b"
END: Final = b"\x1c\r"
FRAME_BYTES_MAX: Final = 8 * 1024 * 1024
NOISE_BYTES_MAX: Final = 64 * 1024


class Broken(ValueError):
    """The stream keeps to no framing, or a frame is larger than is taken."""


class Frames:
    """The frames of one connection."""

    def __init__(self, frame_bytes_max: int = FRAME_BYTES_MAX) -> None:
        self._frame_bytes_max = frame_bytes_max
        self._buffer = bytearray()
        self._looked = 0
        self._noise = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that are complete with `data`. Raises `Broken`."""
        self._buffer += data
        found: list[bytes] = []
        while (frame := self._next()) is not None:
            found.append(frame)
        if len(self._buffer) > self._frame_bytes_max + len(END):
            raise Broken("frame too large")
        return found

    @property
    def waiting(self) -> int:
        """Bytes of a frame that has begun."""
        return len(self._buffer)

    def _next(self) -> bytes | None:
        if not self._buffer.startswith(START):
            begins = self._buffer.find(START)
            self._noise += len(self._buffer) if begins < 0 else begins
            if self._noise > NOISE_BYTES_MAX:
                raise Broken("no frames")
            del self._buffer[: len(self._buffer) if begins < 0 else begins]
            self._looked = 0
            if begins < 0:
                return None
        ends = self._buffer.find(END, max(1, self._looked - 1))
        if ends < 0:
            self._looked = len(self._buffer)
            return None
        frame = bytes(self._buffer[1:ends])
        del self._buffer[: ends + len(END)]
        self._looked = 0
        if len(frame) > self._frame_bytes_max:
            raise Broken("frame too large")
        if START in frame:
            raise Broken("a frame begins within a frame")
        return frame


def wrap(message: bytes) -> bytes:
    """A message as it goes on the wire."""
    return START + message + END
