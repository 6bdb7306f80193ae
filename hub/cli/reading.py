"""Files of events to checked events: JSON lines or TakeCare XML, every fault told with file, line, JSON pointer and reason.

The checks are those of the gateway's door, so that what `hub publish` takes is what HTTP takes. A line may leave out `specversion`,
`id`, `time` and `source`: the id then follows from the file's content and the line, so that the same file published twice is the
same events.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from hashlib import sha256
from typing import IO, Any, Final, NamedTuple

import orjson

from connectors.gateway.decoding import Submitted, check
from connectors.gateway.options import Limits
from connectors.takecare import wire as takecare
from schemas.cloudevents import SPEC_VERSION, Envelope, decode_one
from schemas.errors import Malformed
from schemas.keys import uid_text

SOURCE: Final = "urn:care-hub:cli"
LINE_BYTES_MAX: Final = 16 * 1024 * 1024
XML_BYTES_MAX: Final = 32 * 1024 * 1024
_BOM: Final = b"\xef\xbb\xbf"


class Fault(NamedTuple):
    """One thing that is wrong in a file. `line` is 0 where it is about the whole."""

    file: str
    line: int
    pointer: str
    reason: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.pointer or '(whole)'}: {self.reason}"


class Faulty(Exception):
    """A line or a file that is not to be published."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__(f"{len(faults)} faults")
        self.faults = faults


def is_xml(source: IO[bytes]) -> bool:
    """Whether the first visible byte opens a tag."""
    head = source.read(4096).removeprefix(_BOM).lstrip()
    source.seek(0)
    return head.startswith(b"<")


def fingerprint(source: IO[bytes]) -> str:
    digest = sha256()
    while block := source.read(1 << 20):
        digest.update(block)
    source.seek(0)
    return digest.hexdigest()


def events(source: IO[bytes], name: str, mark: str, limits: Limits) -> Iterator[Submitted | Faulty]:
    """Every event of a file, or what is wrong with its line. `mark` is the file's `fingerprint`."""
    source.seek(0)
    if is_xml(source):
        yield from _xml(source, name, limits)
    else:
        yield from _lines(source, name, mark, limits)


def _lines(source: IO[bytes], name: str, mark: str, limits: Limits) -> Iterator[Submitted | Faulty]:
    for number, line in enumerate(iter(lambda: source.readline(LINE_BYTES_MAX + 1), b""), 1):
        if len(line) > LINE_BYTES_MAX:
            yield Faulty([Fault(name, number, "", f"is longer than {LINE_BYTES_MAX} bytes")])
            return
        text = line.removeprefix(_BOM).strip() if number == 1 else line.strip()
        if not text:
            continue
        try:
            envelope, data = decode_one(_completed(text, mark, number))
            yield from check([(envelope, data, "/data", "")], limits)
        except Malformed as wrong:
            yield Faulty([Fault(name, number, error.pointer, error.reason) for error in wrong.errors])


def _completed(text: bytes, mark: str, number: int) -> Any:
    try:
        event = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise Malformed([("", "is not valid JSON; a file has one event a line, or is TakeCare XML")]) from None
    if isinstance(event, dict):
        event.setdefault("specversion", SPEC_VERSION)
        event.setdefault("source", SOURCE)
        if "id" not in event:
            event["id"] = uid_text("cli", mark, str(number))
    return event


def _xml(source: IO[bytes], name: str, limits: Limits) -> Iterator[Submitted | Faulty]:
    """A whole file is one message with one or many events."""
    data = source.read(XML_BYTES_MAX + 1)
    if len(data) > XML_BYTES_MAX:
        yield Faulty([Fault(name, 0, "", f"is larger than {XML_BYTES_MAX} bytes")])
        return
    try:
        found = takecare.decode(data)
    except Malformed as wrong:
        yield Faulty([Fault(name, 0, error.pointer, error.reason) for error in wrong.errors])
        return
    for event in found:
        envelope = Envelope(event.id, takecare.SOURCE, event.ce_type, event.time)
        try:
            yield from check([(envelope, orjson.dumps(event.data), "", "")], limits)
        except Malformed as wrong:
            yield Faulty([Fault(name, 0, takecare.field_path(event, error.pointer), error.reason) for error in wrong.errors])


def spooled(stream: IO[bytes], into: IO[bytes]) -> IO[bytes]:
    """Standard input can be read only once; it is read twice here, so it goes to a file first."""
    while block := stream.read(io.DEFAULT_BUFFER_SIZE * 16):
        into.write(block)
    into.seek(0)
    return into
