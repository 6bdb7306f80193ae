"""A frame's bytes as an HL7 v2 message, with the library `hl7` behind one door. Pure.

MSH-18 names the character set (HL7 table 0211). Where it is empty the bytes tell: valid UTF-8 is that, anything else is ISO 8859-1, as
Swedish senders that leave it out have it. Delimiters are those of MSH-1 and MSH-2; escapes are resolved.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import hl7

from schemas.errors import Malformed

CHARSETS: Final[Mapping[str, str]] = {
    "UNICODE UTF-8": "utf-8",
    "UTF-8": "utf-8",
    "8859/1": "iso8859-1",
    "8859/15": "iso8859-15",
    "ASCII": "utf-8",
}
VERSIONS: Final = ("2.2", "2.3", "2.4", "2.5", "2.6", "2.7", "2.8")
SEGMENTS_MAX: Final = 1_000
HEAD_BYTES_MAX: Final = 2_000


class Unsupported(Malformed):
    """A message of a kind, version or character set that this door does not take (AR: no repeat helps)."""


class Header(NamedTuple):
    """MSH as far as an acknowledgement needs it; empty where the message has no readable one."""

    application: str = ""
    facility: str = ""
    to_application: str = ""
    to_facility: str = ""
    time: str = ""
    code: str = ""
    trigger: str = ""
    control_id: str = ""
    processing: str = "P"
    version: str = "2.5"
    charset: str = ""

    @property
    def codec(self) -> str:
        """In which an answer is written."""
        return CHARSETS.get(self.charset.upper(), "utf-8")


class Message:
    """One parsed message. Positions are HL7's own: `text("PID", 3, 1)` is PID-3.1 of the first repetition."""

    def __init__(self, parsed: Any, header: Header) -> None:
        self._parsed = parsed
        self.header = header

    def segments(self, name: str) -> list[Any]:
        return [segment for segment in self._parsed if str(segment[0]) == name]

    def first(self, name: str) -> Any | None:
        """The first segment of that name."""
        return next(iter(self.segments(name)), None)

    def text(self, segment: Any | None, field: int, component: int = 1, part: int = 1) -> str:
        """A component of a field's first repetition, unescaped; empty where it is not there or is HL7's null."""
        return next((self._text(each, component, part) for each in self._repetitions(segment, field)), "")

    def repetitions(self, segment: Any | None, field: int) -> Iterator["Repetition"]:
        for each in self._repetitions(segment, field):
            yield Repetition(self, each)

    def _repetitions(self, segment: Any | None, field: int) -> list[Any]:
        return list(segment[field]) if segment is not None and len(segment) > field else []

    def _text(self, repetition: Any, component: int, part: int) -> str:
        if isinstance(repetition, str):
            found: Any = repetition if component == part == 1 else ""
        else:
            found = repetition[component - 1] if len(repetition) >= component else ""
        if not isinstance(found, str):
            found = found[part - 1] if len(found) >= part else ""
        text = str(found)
        if "\\" in text:
            text = str(self._parsed.unescape(text))
        return "" if text == '""' else text.strip()


class Repetition(NamedTuple):
    """One repetition of a field."""

    message: Message
    value: Any

    def text(self, component: int, part: int = 1) -> str:
        return self.message._text(self.value, component, part)


def read(frame: bytes) -> Message:
    """A message with its header. Raises `Malformed` or `Unsupported`; `header_of` still tells whom to answer."""
    header = header_of(frame)
    if not header.code:
        raise Malformed([("MSH", "is no readable message header")])
    if header.charset and header.charset.upper() not in CHARSETS:
        raise Unsupported([("MSH-18", "is a character set that is not taken")])
    if not header.version.startswith(VERSIONS):
        raise Unsupported([("MSH-12", "is a version that is not taken")])
    if not header.control_id:
        raise Malformed([("MSH-10", "is required")])
    text = _text(frame, header.charset)
    if text.count("\r") > SEGMENTS_MAX:
        raise Malformed([("", f"has more than {SEGMENTS_MAX} segments")])
    try:
        parsed = hl7.parse(text)
    except (hl7.HL7Exception, IndexError, ValueError, KeyError, AssertionError):  # the last: separators that are no separators
        raise Malformed([("", "is not readable as HL7 version 2")]) from None
    return Message(parsed, header)


def header_of(frame: bytes) -> Header:
    """As much of MSH as can be read; never raises."""
    line = frame.partition(b"\r")[0].partition(b"\n")[0][:HEAD_BYTES_MAX].decode("utf-8", "replace")
    if not line.startswith("MSH") or len(line) < 8:
        return Header()
    fields = ["MSH", line[3], *line.split(line[3])[1:]]  # MSH-1 is the separator itself
    component = line[4]

    def field(number: int, part: int = 1) -> str:
        parts = fields[number].split(component) if len(fields) > number else [""]
        return _plain(parts[part - 1]) if len(parts) >= part else ""

    return Header(
        field(3), field(4), field(5), field(6), field(7), field(9), field(9, 2), field(10), field(11) or "P", field(12) or "2.5",
        field(18),
    )  # fmt: skip


def _plain(text: str) -> str:
    """Visible characters only, and few: it goes into our answer."""
    return "".join(char for char in text if char.isprintable() and char not in "|^~\\&")[:200].strip()


def _text(frame: bytes, charset: str) -> str:
    body = frame.replace(b"\r\n", b"\r").replace(b"\n", b"\r").strip(b"\r")
    if charset:
        try:
            return body.decode(CHARSETS[charset.upper()])
        except UnicodeDecodeError:
            raise Malformed([("MSH-18", "names a character set that the message is not written in")]) from None
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body.decode("iso8859-1")
