"""How `decision.made.v1` is kept in `decisions.event`: compressed with a dictionary, since every trace says much the same.

Eight kilobytes of dictionary make 1,400 bytes 110, in two microseconds; without them most of what the ledger writes would be traces.
The first byte says which dictionary was used, so a dictionary file never changes and never goes: another one is another number. `{`
is an event that stands there as it is.

Trained by `zstandard.train_dictionary` on the decisions of a sample day (no decision holds personal data).
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Final

import zstandard

_LEVEL: Final = 1
_PLAIN: Final = b"{"[0]
_CURRENT: Final = 1
_DICTIONARIES: Final = {
    number: zstandard.ZstdCompressionDict(Path(__file__).with_name(f"decisions-{number}.dict").read_bytes()) for number in (1,)
}
_DICTIONARIES[_CURRENT].precompute_compress(level=_LEVEL)
_EVENT_BYTES_MAX: Final = 8 * 1024 * 1024
_threads: Final = threading.local()
"""A compressor serves one thread at a time."""


def keep(event: bytes) -> bytes:
    """An event as the ledger keeps it."""
    compressor: zstandard.ZstdCompressor | None = getattr(_threads, "compressor", None)
    if compressor is None:
        compressor = _threads.compressor = zstandard.ZstdCompressor(
            _LEVEL, dict_data=_DICTIONARIES[_CURRENT], write_checksum=False, write_dict_id=False
        )
    return b"%c%b" % (_CURRENT, compressor.compress(event))


def event_of(kept: bytes) -> bytes:
    """The event's own bytes. Raises `ValueError` for anything that `keep` does not make."""
    if not kept:
        raise ValueError("is no kept event")
    if kept[0] == _PLAIN:
        return kept
    dictionary = _DICTIONARIES.get(kept[0])
    if dictionary is None:
        raise ValueError(f"was kept with dictionary {kept[0]}, which this version does not have")
    try:
        return zstandard.ZstdDecompressor(dict_data=dictionary).decompress(kept[1:], max_output_size=_EVENT_BYTES_MAX)
    except zstandard.ZstdError:
        raise ValueError("is no kept event") from None
