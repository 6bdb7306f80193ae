"""What rooms and signalling see of the forwarding plane, and what it tells them: no packet, no socket, no aiortc.

Each person has two PeerConnections (notes of the measured design): *publish*, offered by the browser (audio, camera with
three simulcast layers, screen with its sound; what is not used yet is there but silent), and *subscribe*, offered by the bridge with
fixed slots, so that nobody's coming or going needs a new negotiation. Which source a slot shows is told by `SlotsChanged`;
the page maps the slot's mid to a tile.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

Layer = Literal["low", "mid", "high"]
Source = Literal["audio", "camera", "screen", "screen_audio"]


class Want(NamedTuple):
    """What a page shows, in order of importance: the plane fills as many video slots as there are."""

    peer: str
    source: Source
    most: Layer


class Slot(NamedTuple):
    """A subscriber's slot: the mid of its m-line and who is in it (empty: nobody)."""

    mid: str
    kind: Literal["audio", "video"]
    peer: str
    source: Source


@dataclass(frozen=True, slots=True)
class SlotsChanged:
    """To one subscriber: what its slots hold now."""

    peer: str
    slots: Sequence[Slot]


@dataclass(frozen=True, slots=True)
class Speaking:
    """To the room: who speaks, the loudest first (RFC 6464 audio levels)."""

    room: str
    peers: Sequence[str]


@dataclass(frozen=True, slots=True)
class VideoPaused:
    """To a sender and a viewer (V13): the picture is off or back, because of whose network.

    Told of its own uplink, a page is to stop encoding its camera (`active: false` on its encodings), and begin again when told so:
    the plane forwards nothing of it meanwhile.
    """

    room: str
    sender: str
    viewer: str | None
    """None: the sender's own uplink; everybody sees it."""
    paused: bool


@dataclass(frozen=True, slots=True)
class Quality:
    """To one peer, every few seconds: its two directions, loss in parts of 1, bit rates in bits per second, round trip in seconds."""

    peer: str
    loss_up: float
    loss_down: float
    bitrate_up: float
    bitrate_down: float
    rtt_s: float | None


@dataclass(frozen=True, slots=True)
class MediaState:
    """A peer's media came up, was lost (no packets; it may come back by ICE restart), or is over."""

    peer: str
    state: Literal["up", "lost", "over"]


Told = SlotsChanged | Speaking | VideoPaused | Quality | MediaState


class Plane(Protocol):
    """One per process. All calls are made on its event loop; `told` is called on it, too, and must not block."""

    def join(self, room: str, peer: str, *, video_slots: int, audio_slots: int = 3) -> None:
        """A peer comes to a room. Peer names are opaque and unique within the process. Raises `KeyError` if it is there."""
        ...

    async def publish(self, peer: str, offer: str) -> str:
        """The browser's offer of its publish connection (SDP), also again for an ICE restart; the answer. Raises `Malformed`.

        The first audio line is the microphone and the second the screen's sound; the first video line is the camera and the second the
        screen. Layers are named in `sendEncodings` lowest first, by any three rids. Another certificate than before is a page that was
        loaded anew: the old connection ends.
        """
        ...

    async def subscribe(self, peer: str, *, restart: bool = False) -> str:
        """The bridge's offer of the subscribe connection: mids `a0`, `a1` … for sound and `v0`, `v1` … for pictures, all send-only.

        With `restart` the same connection gets new ICE credentials; without, one that was there ends and a new one begins.
        """
        ...

    async def subscribed(self, peer: str, answer: str) -> None:
        """The browser's answer to it. Raises `Malformed`."""
        ...

    def want(self, peer: str, wanted: Sequence[Want]) -> None:
        """What the page shows now. Who is not wanted is not sent; without any `want` the loudest and newest are."""
        ...

    def muted(self, peer: str, sources: Sequence[Source]) -> None:
        """Sources of a peer that are forwarded to nobody (staff muted it, or it said so)."""
        ...

    def leave(self, peer: str) -> None:
        """The peer goes; its connections end."""
        ...

    def figures(self) -> Mapping[str, float]:
        """For `/metrics`: rooms, peers, packets_in, packets_out, bytes_in, bytes_out, packets_lost, nacks, plis, layer_switches,
        refused."""
        ...


Tell = Callable[[Told], None]
