"""What goes to one viewer: fixed slots, who fills them, how good its network is. No I/O.

Whoever is in a slot stays in it while still wanted, so that a tile of the page keeps its picture; V13 is decided here for each viewer.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final

from video.plane import layers, rtcp, twcc
from video.plane.estimate import Condition, Estimate
from video.plane.forward import Counters, Incoming, Link, Outgoing, Track
from video.plane.layers import OFF, Offer
from video.plane.policy import Downlink
from video.plane.port import Slot, Source, Want
from video.plane.sdp import Codec, Offered

ALIVE_S: Final = 1.5  # a layer that was silent for longer is not there
REPORT_EVERY_S: Final = 1.0
NOBODY: Final = Condition(False, 0.0, 0.0, 0.0)


@dataclass(slots=True, eq=False)
class Place:
    """A slot and what is to be in it."""

    offered: Offered
    out: Outgoing
    track: Track | None = None
    most: int = 2
    paused: bool = False
    """The picture is off for this viewer's network (V13)."""

    def slot(self) -> Slot:
        track = self.track
        if track is None:
            return Slot(self.offered.mid, self.offered.kind, "", "audio" if self.offered.kind == "audio" else "camera")
        return Slot(self.offered.mid, self.offered.kind, track.peer, track.source)


Rates = tuple[float, float, float]


def alive(incoming: Incoming | None, now: float) -> bool:
    return incoming is not None and now - incoming.hot.last_at < ALIVE_S


def comes(track: Track, now: float) -> bool:
    return any(alive(each, now) for each in track.layers)


def rates_of(track: Track, now: float) -> Rates:
    """Of a track's layers: as measured, or as is typical until then; 0 for what does not come."""
    found = [0.0, 0.0, 0.0]
    for level, each in enumerate(track.layers):
        if each is not None and now - each.hot.last_at < ALIVE_S:
            found[level] = each.rate_bps or layers.TYPICAL_BPS[level]
    return found[0], found[1], found[2]


class Sender:
    """The subscribe connection's media."""

    def __init__(self, slots: Sequence[Offered], counters: Counters) -> None:
        self.link = Link(counters)
        self._counters = counters
        self.audio = [self._place(slot) for slot in slots if slot.kind == "audio"]
        self.video = [self._place(slot) for slot in slots if slot.kind == "video"]
        self._by_ssrc = {place.out.ssrc: place.out for place in (*self.audio, *self.video)}
        self.estimate = Estimate()
        self.downlink = Downlink()
        self.condition = NOBODY
        self.round_trip_s: float | None = None
        self.loss = 0.0
        self._reported_next = 0
        self._report_at = 0.0
        self._told: list[Slot] = []

    def _place(self, slot: Offered) -> Place:
        return Place(slot, Outgoing(self.link, slot.kind, slot.ssrc, slot.repair_ssrc))

    def configure(self, taken: Mapping[str, Mapping[Codec, tuple[int, int | None]]]) -> None:
        """What the browser's answer takes."""
        for place in (*self.audio, *self.video):
            place.out.pts = dict(taken[place.offered.mid])

    def rtcp(self, data: bytes, now: float, unix_s: float) -> None:
        """A decrypted packet of reports."""
        for message in rtcp.read(data):
            if isinstance(message, rtcp.Feedback):
                if (seen := twcc.read(message.body)) is not None:
                    self.estimate.report(seen, self.link.sent, now)
                    self.link.queue_s = self.estimate.queue_s
                    self._reported_next, self.link.unreported_since = self.link.sent.next, None
            elif isinstance(message, rtcp.Nack):
                if (out := self._by_ssrc.get(message.ssrc)) is not None:
                    out.repair(message.missing, now)
            elif isinstance(message, rtcp.KeyFrame):
                if (out := self._by_ssrc.get(message.ssrc)) is not None and out.incoming is not None:
                    out.incoming.asked = True
            elif isinstance(message, rtcp.ReceiverReport):
                for block in message.blocks:
                    if block.ssrc in self._by_ssrc and (trip := rtcp.round_trip_s(block, unix_s)) is not None:
                        self.round_trip_s = trip

    def due(self, now: float, unix_s: float) -> Iterator[bytes]:
        """Reports to the viewer, once a second: they keep its clocks right and bring back round trips."""
        if now - self._report_at < REPORT_EVERY_S:
            return
        self._report_at = now
        for place in (*self.audio, *self.video):
            if (report := place.out.report(now, unix_s)) is not None:
                yield report + rtcp.description(place.out.ssrc, "bridge")

    def hear(self, tracks: Sequence[Track]) -> None:
        """Fill the slots of sound with these."""
        _settle(self.audio, tracks)
        for place in self.audio:
            place.out.aim(None if place.track is None or place.track.muted else place.track.layers[0])

    def watch(self, wanted: Sequence[tuple[Track, int]], rates: Mapping[Track, Rates], now: float) -> list[tuple[str, bool]]:
        """Fill the slots of pictures, most important first, within what the network takes. Whose picture was paused or came back.

        `rates` has the tracks that come and are not muted.
        """
        wanted = wanted[: len(self.video)]
        _settle(self.video, [track for track, _ in wanted])
        places = {place.track: place for place in self.video if place.track is not None}
        shown: list[Place] = []
        offers: list[Offer] = []
        for track, most in wanted:
            if (place := places.get(track)) is not None:
                place.most = most
                if (found := rates.get(track)) is not None:
                    shown.append(place)
                    offers.append(Offer(most, found))
        self._judge(shown, offers, now)
        levels = layers.allocate(offers, self.downlink.limit_bps)
        changed = []
        for place, level in zip(shown, levels, strict=True):
            assert place.track is not None
            place.out.aim(place.track.layers[level] if level != OFF else None)
            if place.paused != (level == OFF):
                place.paused = level == OFF
                changed.append((place.track.peer, place.paused))
        if len(shown) < len(self.video):
            for place in self.video:
                if place not in shown:
                    place.out.aim(None)
        return changed

    def _judge(self, shown: Sequence[Place], offers: Sequence[Offer], now: float) -> None:
        link = self.link
        if link.unreported_since is None and link.sent.next != self._reported_next:
            link.unreported_since = now
        self.condition = self.estimate.condition(link.unreported_since, now)
        if not self.condition.congested and self.downlink.limit_bps == inf:
            return  # nothing to decide: everybody gets what is wanted
        # what is sent now, not what is aimed at: a layer that waits for its key frame costs nothing yet
        spent = sum(place.out.incoming.rate_bps for place in shown if place.out.incoming is not None)
        current = [OFF if place.out.incoming is None else place.out.incoming.layer for place in shown]
        self.downlink.judge(self.condition, spent, layers.next_step(offers, current), now)

    def changed(self) -> list[Slot] | None:
        """The slots, where they are not as they were told last."""
        slots = [place.slot() for place in (*self.audio, *self.video)]
        if slots == self._told:
            return None
        self._told = slots
        return slots

    def stop(self) -> None:
        for place in (*self.audio, *self.video):
            place.out.aim(None)


def _settle(places: Sequence[Place], tracks: Sequence[Track]) -> None:
    """Who is in a slot keeps it; the others take what is free."""
    wanted = dict.fromkeys(tracks[: len(places)])
    free = []
    for place in places:
        if place.track in wanted:
            del wanted[place.track]
        else:
            place.track, place.paused = None, False
            free.append(place)
    for place, track in zip(free, wanted, strict=False):
        place.track = track


Pictures = Mapping[tuple[str, Source], Track]


def wants(explicit: Sequence[Want] | None, pictures: Pictures, order: Sequence[str], own: str, now: float) -> list[tuple[Track, int]]:
    """The pictures of a room that a viewer is to get. Without a wish: screens first, then who spoke last, then who came last."""
    if explicit is not None:
        found: dict[Track, int] = {}
        for want in explicit:
            if want.peer != own and (track := pictures.get((want.peer, want.source))) is not None and track not in found:
                found[track] = layers.LEVELS[want.most]
        return list(found.items())
    rank = {peer: number for number, peer in enumerate(order)}
    living = [track for track in pictures.values() if track.peer != own and comes(track, now)]
    living.sort(key=lambda track: (track.source != "screen", rank.get(track.peer, len(rank))))
    return [(track, layers.LEVELS["high"]) for track in living]
