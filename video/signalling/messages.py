"""What a page and the bridge say to each other: JSON objects over a WebSocket, version 1.

A page numbers its messages (`id`, rising); an answer names the one it answers (`re`). The bridge numbers its own (`seq`). State is
told whole, not as differences, so a line that comes back (`hello` with `resume`) has missed nothing but chat lines, which it
asks for by the number of the last it has. A message that comes twice is done once.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from video.rooms.model import CHAT_CHARS_MAX, TITLE_CHARS_MAX

VERSION: Final = 1
MESSAGE_BYTES_MAX: Final = 128 * 1024
"""A subscribe answer with twenty video slots has about 40 kB."""
SDP_CHARS_MAX: Final = 100_000
WANTED_MAX: Final = 40
SLOTS_MAX: Final = 20

Pid = Annotated[str, Field(min_length=1, max_length=80)]
Sdp = Annotated[str, Field(min_length=1, max_length=SDP_CHARS_MAX)]


class Said(BaseModel):
    """What all messages of a page share."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    v: Literal[1] = 1
    id: Annotated[int, Field(ge=1, le=2**53)]


class Hello(Said):
    """First on a line: the person knocks. `resume`: the page's connections to the plane still live."""

    type: Literal["hello"]
    resume: bool = False
    last_chat: Annotated[int, Field(ge=0, le=2**53)] = 0
    video_slots: Annotated[int, Field(ge=1, le=SLOTS_MAX)] = 9
    title: Annotated[str, Field(max_length=TITLE_CHARS_MAX)] = ""


class Publish(Said):
    type: Literal["pub"]
    sdp: Sdp


class Subscribe(Said):
    type: Literal["sub"]
    restart: bool = False


class SubscribeAnswer(Said):
    type: Literal["sub_answer"]
    sdp: Sdp


class Wanted(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    pid: Pid
    source: Literal["camera", "screen"]
    most: Literal["low", "mid", "high"]


class WantMessage(Said):
    type: Literal["want"]
    wanted: Annotated[list[Wanted], Field(max_length=WANTED_MAX)]


class SourcesMessage(Said):
    """What the person sends now: microphone, camera, screen."""

    type: Literal["sources"]
    audio: bool
    camera: bool
    screen: bool


class HandMessage(Said):
    type: Literal["hand"]
    up: bool


class ChatMessage(Said):
    type: Literal["chat"]
    text: Annotated[str, Field(min_length=1, max_length=CHAT_CHARS_MAX)]


class TitleMessage(Said):
    type: Literal["title"]
    text: Annotated[str, Field(max_length=TITLE_CHARS_MAX)]


class Plain(Said):
    """Messages without content."""

    type: Literal["leave", "end", "ping"]


class Other(Said):
    """What staff do about another person."""

    type: Literal["admit", "deny", "remove", "mute_other", "ask_unmute", "lower_hand"]
    pid: Pid


ClientMessage = (
    Hello | Publish | Subscribe | SubscribeAnswer | WantMessage | SourcesMessage | HandMessage | ChatMessage | TitleMessage | Plain | Other
)
_READ: Final[TypeAdapter[ClientMessage]] = TypeAdapter(Annotated[ClientMessage, Field(discriminator="type")])


class Unreadable(ValueError):
    """A message that is none: the line is told `malformed` and goes on. Names no content."""


def read(text: str | bytes) -> ClientMessage:
    """A page's message. Raises `Unreadable`."""
    try:
        return _READ.validate_json(text)
    except ValidationError as wrong:
        places = sorted({".".join(str(part) for part in error["loc"]) or "message" for error in wrong.errors()})
        raise Unreadable(", ".join(places)[:200]) from None


def write(seq: int, kind: str, content: Mapping[str, Any], re: int | None = None) -> str:
    """A message of the bridge."""
    answering = {"re": re} if re is not None else {}
    return orjson.dumps({"v": VERSION, "seq": seq, "type": kind, **answering, **content}).decode()
