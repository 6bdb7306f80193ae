"""`port.Plane` over all the rest: rooms, who is in them, and what falls due. One for a process, on its event loop.

Decisions are in pure modules (`layers`, `policy`, `speakers`, `sender`, `receiver`); this joins them to connections and tells what
happened. Everything that is not a packet's own way happens in `tick`, TICK_S apart.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from secrets import randbits
from typing import Final, Literal

from schemas.errors import Malformed
from video.plane import overflow, sdp
from video.plane import sender as senders
from video.plane.connection import Connection
from video.plane.dtls import Certificate
from video.plane.forward import Counters, Track
from video.plane.ice import Door
from video.plane.limits import AUDIO_SLOTS_MAX, CHECK_LOST_S, OVER_S, PEERS_MAX, ROOM_PEERS_MAX, VIDEO_SLOTS_MAX, WANTS_MAX
from video.plane.policy import Uplink
from video.plane.port import MediaState, Quality, SlotsChanged, Source, Speaking, Tell, VideoPaused, Want
from video.plane.receiver import Receiver
from video.plane.sdp import Kind, Local, Offered
from video.plane.sender import Sender
from video.plane.shell import Bind, Shell, bound
from video.plane.speakers import Voices

TICK_S: Final = 0.05
LOOK_EVERY_S: Final = 0.2
TURNS: Final = round(LOOK_EVERY_S / TICK_S)
QUALITY_EVERY_S: Final = 3.0
UPLINK_OVER_S: Final = 2.0
UPLINK_PACKETS_MIN: Final = 20


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the plane listens and what browsers are told of it. Port 0 takes a free one."""

    host: str = "127.0.0.1"
    port: int = 0
    advertise_ip: str = "127.0.0.1"
    udp: bool = True
    tcp: bool = True


@dataclass(slots=True)
class Peer:
    """One person."""

    name: str
    room: "Room"
    slots: tuple[Offered, ...]
    receiver: Receiver
    sender: Sender
    muted: frozenset[Source] = frozenset()
    wanted: tuple[Want, ...] | None = None
    publish: Connection | None = None
    subscribe: Connection | None = None
    state: Literal["new", "up", "lost"] = "new"
    lost_at: float = 0.0
    uplink: Uplink = field(default_factory=Uplink)
    up_bytes: int = 0
    up_seen: tuple[int, int] = (0, 0)
    """Lost and all of the uplink's packets when quality was told last; and of late, with times, in `up_window`."""
    up_window: deque[tuple[float, int, int]] = field(default_factory=deque)

    @property
    def connections(self) -> list[Connection]:
        return [each for each in (self.publish, self.subscribe) if each is not None]


@dataclass(slots=True)
class Room:
    name: str
    voices: Voices = field(default_factory=Voices)
    peers: dict[str, Peer] = field(default_factory=dict)
    speaking: list[str] = field(default_factory=list)
    looked_at: float = 0.0
    """Rooms have their turns LOOK_EVERY_S apart, and not all in the same tick."""
    stale: bool = True
    """Somebody began to speak, came or went: look before the next turn."""


class ForwardingPlane:
    """See `port.Plane`."""

    def __init__(
        self, tell: Tell, settings: Settings | None = None, *, clock: Callable[[], float] = time.monotonic, bind: Bind = bound
    ) -> None:
        self._tell, self._settings, self._clock = tell, settings or Settings(), clock
        self.counters = Counters()
        self.door = Door()
        self._certificate = Certificate()
        self._shell = Shell(self.door, self._settings.host, self._settings.port, bind)
        self._rooms: dict[str, Room] = {}
        self._peers: dict[str, Peer] = {}
        self._quality_at = clock()
        self._timer: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """The number of the UDP and TCP port."""
        return self._shell.port

    @property
    def shell(self) -> Shell:
        return self._shell

    async def start(self) -> None:
        await self._shell.start()
        self._timer = asyncio.get_running_loop().create_task(self._ticking())

    async def close(self) -> None:
        """Everybody leaves, the port is closed."""
        if self._timer is not None:
            self._timer.cancel()
            with suppress(asyncio.CancelledError):
                await self._timer
        for name in list(self._peers):
            self.leave(name)
        await asyncio.gather(*self._closing, return_exceptions=True)
        await self._shell.close()

    async def _ticking(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self.tick(self._clock(), time.time())

    # What rooms and signalling call

    def join(self, room: str, peer: str, *, video_slots: int, audio_slots: int = 3) -> None:
        if peer in self._peers:
            raise KeyError(peer)
        if not (0 <= video_slots <= VIDEO_SLOTS_MAX and 0 <= audio_slots <= AUDIO_SLOTS_MAX and video_slots + audio_slots):
            raise ValueError("too many slots, or none")
        home = self._rooms.get(room) or Room(room, looked_at=self._clock() - TICK_S * (len(self._rooms) % TURNS))
        if len(home.peers) >= ROOM_PEERS_MAX or len(self._peers) >= PEERS_MAX:
            raise ValueError("the plane is full")
        slots = tuple(_slots(audio_slots, video_slots))
        receiver = Receiver(peer, self.counters, lambda level, now: self._heard(home, peer, level, now))
        self._rooms[room] = home
        self._peers[peer] = home.peers[peer] = Peer(peer, home, slots, receiver, Sender(slots, self.counters))
        home.voices.add(peer)
        home.stale = True

    async def publish(self, peer: str, offer: str) -> str:
        person = self._peers[peer]
        remote = sdp.read(offer)
        taken = sdp.published(remote)
        lines = [line for line in taken if line is not None]
        if not lines:
            raise Malformed([("/sdp", "offers nothing that is forwarded")])
        connection = person.publish
        if connection is not None and connection.secure is not None and connection.secure.fingerprints != remote.fingerprints:
            self._end(connection)  # another certificate: a page that was loaded anew
            self._forget_tracks(person)
            connection = None
        if connection is None:
            connection = person.publish = self._connection(person, "publish")
            connection.trust(remote.fingerprints)
        person.receiver.configure(lines)
        self._apply_mutes(person)
        return sdp.answer(remote, taken, self._local(connection))

    async def subscribe(self, peer: str, *, restart: bool = False) -> str:
        person = self._peers[peer]
        connection = person.subscribe
        if connection is not None and not restart:
            self._end(connection)
            connection = None
            self._retire(person.sender)
            person.sender = Sender(person.slots, self.counters)
        if connection is None:
            connection = person.subscribe = self._connection(person, "subscribe")
        return sdp.offer(person.slots, self._local(connection))

    async def subscribed(self, peer: str, answer: str) -> None:
        person = self._peers[peer]
        connection = person.subscribe
        if connection is None:
            raise Malformed([("/sdp", "answers no offer")])
        remote = sdp.read(answer)
        taken = sdp.accepted(remote, person.slots)
        if connection.secure is None:
            connection.trust(remote.fingerprints)
        elif connection.secure.fingerprints != remote.fingerprints:
            raise Malformed([("/sdp", "has another certificate than the connection began with")])
        person.sender.configure(taken)
        person.room.stale = True

    def want(self, peer: str, wanted: Sequence[Want]) -> None:
        person = self._peers[peer]
        person.wanted = tuple(wanted[:WANTS_MAX])
        person.room.stale = True

    def muted(self, peer: str, sources: Sequence[Source]) -> None:
        person = self._peers[peer]
        person.muted = frozenset(sources)
        self._apply_mutes(person)
        person.room.stale = True

    def leave(self, peer: str) -> None:
        person = self._peers.pop(peer)
        room = person.room
        del room.peers[peer]
        room.voices.remove(peer)
        self._retire(person.sender)
        self._forget_tracks(person)
        for connection in person.connections:
            self._end(connection)
        room.stale = True
        if not room.peers:
            del self._rooms[room.name]

    def figures(self) -> Mapping[str, float]:
        counters = self.counters
        outs = [place.out for person in self._peers.values() for place in (*person.sender.audio, *person.sender.video)]
        packets_out, bytes_out = sum(out.packets for out in outs), sum(out.octets for out in outs)  # which also counts what was refused
        told = {name: float(getattr(counters, name)) for name in Counters.__slots__}
        told["packets_out"] += packets_out
        told["bytes_out"] += bytes_out
        told["refused"] += self.door.refused.total()
        if (taker := self._shell.udp.taker) is not None:
            packets, octets, refused = taker.figures
            told["packets_in"] += packets
            told["bytes_in"] += octets
            told["refused"] += refused
        told |= {"unsent": float(self._shell.udp.dropped), "overflowed": float(overflow.of_socket(self._shell.udp.socket.fileno()))}
        return told | {"rooms": float(len(self._rooms)), "peers": float(len(self._peers))}

    # Connections

    def _connection(self, person: Peer, which: Literal["publish", "subscribe"]) -> Connection:
        receiver, sender = person.receiver, person.sender

        def state(name: str) -> None:
            if (person.publish if which == "publish" else person.subscribe) is connection:
                self._state(person, which, name)

        if which == "publish":
            connection = Connection(self._certificate, self.counters, state, receiver.rtp, receiver.rtcp, receiver.hot)
        else:
            connection = Connection(
                self._certificate, self.counters, state, lambda data, now: None, lambda data, now: sender.rtcp(data, now, time.time())
            )

            connection.on_path = sender.link.leads
        connection.session = randbits(62)
        return connection

    def _local(self, connection: Connection) -> Local:
        user, password = connection.renew()
        self.door.admit(connection)
        at = self._settings
        candidates = sdp.candidates(at.advertise_ip, self.port, udp=at.udp, tcp=at.tcp)
        return Local(user, password, self._certificate.fingerprint, candidates, connection.session)

    def _state(self, person: Peer, which: str, name: str) -> None:
        if name == "ready":
            if which == "subscribe":
                secure = person.subscribe.secure if person.subscribe is not None else None
                assert secure is not None
                person.sender.link.encrypted(secure)
                person.room.stale = True
            self._up(person)
        elif self._peers.get(person.name) is person:
            self._lost(person, self._clock())

    def _up(self, person: Peer) -> None:
        if person.state != "up" and self._peers.get(person.name) is person:
            person.state = "up"
            self._tell(MediaState(person.name, "up"))

    def _lost(self, person: Peer, now: float) -> None:
        if person.state == "up":
            person.state, person.lost_at = "lost", now
            self._tell(MediaState(person.name, "lost"))

    def _end(self, connection: Connection) -> None:
        self.door.forget(connection)
        task = asyncio.get_running_loop().create_task(connection.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _forget_tracks(self, person: Peer) -> None:
        for track in person.receiver.tracks.values():
            for incoming in track.layers:
                for out in [*incoming.outs, *incoming.waiting] if incoming is not None else ():
                    out.aim(None)
        person.up_window.clear()
        person.up_seen, person.up_bytes = (0, 0), 0
        person.receiver = Receiver(person.name, self.counters, lambda level, now: self._heard(person.room, person.name, level, now))
        person.room.stale = True

    def _retire(self, sender: Sender) -> None:
        """What it sent is still counted when it is gone."""
        sender.stop()
        for place in (*sender.audio, *sender.video):
            self.counters.packets_out += place.out.packets
            self.counters.bytes_out += place.out.octets

    def _apply_mutes(self, person: Peer) -> None:
        for source, track in person.receiver.tracks.items():
            track.muted = source in person.muted or (source == "camera" and person.uplink.paused)

    # What falls due

    def _heard(self, room: Room, peer: str, level: int, now: float) -> None:
        if room.voices.level(peer, level, now):
            room.stale = True

    def tick(self, now: float, unix_s: float) -> None:
        """RTCP that is due, and every LOOK_EVERY_S (or at once where something happened) who is heard and seen."""
        for person in self._peers.values():
            if person.publish is not None and person.publish.secure is not None and person.publish.secure.ready:
                for data in person.receiver.due(now):
                    person.publish.send_rtcp(data)
            if person.subscribe is not None and person.subscribe.secure is not None and person.subscribe.secure.ready:
                for data in person.sender.due(now, unix_s):
                    person.subscribe.send_rtcp(data)
        for room in list(self._rooms.values()):
            turn = now - room.looked_at >= LOOK_EVERY_S
            if turn:
                room.looked_at = now
                self._measure(room, now)
            if (turn or room.stale) and room.peers:
                room.stale = False
                self._look(room, now)
        if now - self._quality_at >= QUALITY_EVERY_S:
            self._quality(now, now - self._quality_at)
            self._quality_at = now

    def _measure(self, room: Room, now: float) -> None:
        for person in list(room.peers.values()):
            for incoming in person.receiver.streams.values():
                incoming.measure(now)
            self._judge_uplink(person, now)
            self._alive(person, now)

    def _judge_uplink(self, person: Peer, now: float) -> None:
        """V13 for the sender: everybody loses its picture, and its page is told to stop sending it."""
        arrivals, window = person.receiver.arrivals, person.up_window
        window.append((now, arrivals.lost, arrivals.total))
        while window[0][0] < now - UPLINK_OVER_S:
            window.popleft()
        total = arrivals.total - window[0][2]
        loss = (arrivals.lost - window[0][1]) / total if total >= UPLINK_PACKETS_MIN else 0.0
        camera = person.receiver.tracks.get("camera")
        layers = [layer for layer in camera.layers if layer is not None and now - layer.hot.last_at < 1.0] if camera is not None else []
        camera_s = max((now - layer.hot.since for layer in layers), default=0.0)
        if person.uplink.judge(loss, sum(layer.rate_bps for layer in layers), camera_s, now):
            self._apply_mutes(person)
            self._tell(VideoPaused(person.room.name, person.name, None, person.uplink.paused))

    def _alive(self, person: Peer, now: float) -> None:
        heard = [each.heard_at for each in person.connections if each.heard_at is not None]
        if not heard:
            return
        silent = now - max(heard)
        if person.state == "up" and silent > CHECK_LOST_S:
            self._lost(person, now)
        elif person.state == "lost" and silent < 1.0 and any(each.secure is not None and each.secure.ready for each in person.connections):
            self._up(person)
        elif person.state == "lost" and now - person.lost_at > OVER_S:
            self.leave(person.name)
            self._tell(MediaState(person.name, "over"))

    def _look(self, room: Room, now: float) -> None:
        tracks = [track for person in room.peers.values() for track in person.receiver.tracks.values()]
        microphones = {track.peer: track for track in tracks if track.source == "audio" and track.layers[0] is not None}
        screens = [track for track in tracks if track.source == "screen_audio" and not track.muted and senders.comes(track, now)]
        most = max((len(person.sender.audio) for person in room.peers.values()), default=0)
        pictures = {(track.peer, track.source): track for track in tracks if track.kind == "video"}
        rates = {track: found for track in pictures.values() if not track.muted and any(found := senders.rates_of(track, now))}
        heard = room.voices.heard(most + 1, now)
        order = heard + [name for name in reversed(room.peers) if name not in heard]
        for person in room.peers.values():
            sender = person.sender
            if person.subscribe is None or sender.link.protect is None:
                continue
            voices = [microphones[name] for name in heard if name != person.name and name in microphones]
            sender.hear([track for track in (*screens, *voices) if track.peer != person.name])
            for peer, paused in sender.watch(senders.wants(person.wanted, pictures, order, person.name, now), rates, now):
                self._tell(VideoPaused(room.name, peer, person.name, paused))
            if (slots := sender.changed()) is not None:
                self._tell(SlotsChanged(person.name, slots))
        speaking = room.voices.speaking(now)
        if speaking != room.speaking:
            room.speaking = speaking
            self._tell(Speaking(room.name, tuple(speaking)))

    def _quality(self, now: float, over_s: float) -> None:
        for person in self._peers.values():
            if person.state != "up":
                continue
            arrivals = person.receiver.arrivals
            lost, total = arrivals.lost - person.up_seen[0], arrivals.total - person.up_seen[1]
            loss_up = lost / total if total > 0 else 0.0
            person.up_seen = (arrivals.lost, arrivals.total)
            rate_up = (person.receiver.hot.bytes - person.up_bytes) * 8 / over_s
            person.up_bytes = person.receiver.hot.bytes
            condition = person.sender.condition
            self._tell(Quality(person.name, loss_up, condition.loss, rate_up, condition.acknowledged_bps, person.sender.round_trip_s))


def _slots(audio: int, video: int) -> list[Offered]:
    """Mids a0, a1 … v0, v1 …; SSRCs by chance, a repair's beside its own."""
    kinds: list[tuple[Kind, str]] = [("audio", f"a{number}") for number in range(audio)]
    kinds += [("video", f"v{number}") for number in range(video)]
    base = randbits(30) << 1
    return [Offered(mid, kind, base + 4 * number + 2, base + 4 * number + 3) for number, (kind, mid) in enumerate(kinds)]


def tracks_of(plane: ForwardingPlane, peer: str) -> Mapping[str, Track]:
    """For tests and operators: what a peer sends."""
    return plane._peers[peer].receiver.tracks
