"""A forwarding plane that behaves as the port says and moves no packet: who is in which room, who may be heard by whom, what was told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from schemas.errors import Malformed
from video.plane import port


@dataclass
class Peer:
    room: str
    video_slots: int
    published: bool = False
    subscribed: bool = False
    muted: frozenset[str] = frozenset()
    wanted: list[port.Want] = field(default_factory=list)
    restarts: int = 0


class PlaneDouble:
    """`port.Plane`; `hears` and `sees` are computed from what was called."""

    def __init__(self, tell: port.Tell) -> None:
        self.tell = tell
        self.peers: dict[str, Peer] = {}
        self.peers_max = 400

    def join(self, room: str, peer: str, *, video_slots: int, audio_slots: int = 3) -> None:
        if peer in self.peers:
            raise KeyError(peer)
        if len(self.peers) >= self.peers_max:
            raise ValueError("full")
        self.peers[peer] = Peer(room, video_slots)

    async def publish(self, peer: str, offer: str) -> str:
        if not offer.startswith("v=0"):
            raise Malformed([("/sdp", "is none")])
        self.peers[peer].published = True
        return "v=0 answer"

    async def subscribe(self, peer: str, *, restart: bool = False) -> str:
        self.peers[peer].restarts += restart
        return "v=0 offer"

    async def subscribed(self, peer: str, answer: str) -> None:
        self.peers[peer].subscribed = True
        slots = [port.Slot("v0", "video", other, "camera") for other, its in self.peers.items() if its.room == self.peers[peer].room]
        self.tell(port.SlotsChanged(peer, [slot for slot in slots if slot.peer != peer]))

    def want(self, peer: str, wanted: Sequence[port.Want]) -> None:
        self.peers[peer].wanted = list(wanted)

    def muted(self, peer: str, sources: Sequence[port.Source]) -> None:
        self.peers[peer].muted = frozenset(sources)

    def leave(self, peer: str) -> None:
        del self.peers[peer]

    def figures(self) -> Mapping[str, float]:
        return {"peers": len(self.peers)}

    def hears(self, listener: str) -> set[str]:
        """Whose microphone reaches the listener."""
        mine = self.peers.get(listener)
        if mine is None or not mine.subscribed:
            return set()
        others = {pid: other for pid, other in self.peers.items() if pid != listener and other.room == mine.room}
        return {pid for pid, other in others.items() if other.published and "audio" not in other.muted}
