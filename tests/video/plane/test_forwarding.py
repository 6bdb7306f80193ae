"""What a viewer's stream looks like while sources, layers and networks change under it. Pure: no socket, no clock."""

from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from video.plane import forward, payload, rtcp, rtp, sdp
from video.plane.forward import Counters, Incoming, Link, Outgoing, Track
from video.plane.layers import OFF, Numbering, Offer, allocate, best, cost, next_step
from video.plane.limits import GAP_MAX, NACK_TRIES_MAX, RING_PACKETS
from video.plane.ring import Kept, Missing, RepairBudget, Ring
from video.plane.speakers import KEEP_S, SPEAKING_S, Voices

# Numbering


def test_numbers_go_on_from_where_the_slot_was() -> None:
    numbering = Numbering(65_534, 100)
    assert [numbering.number(place) for place in range(65_534, 65_540)] == [100, 101, 102, 103, 104, 105]
    assert numbering.number(65_533) is None, "older than the switch"
    assert numbering.last == 105


def test_what_is_left_out_leaves_no_hole() -> None:
    numbering = Numbering(10, 0)
    numbering.number(10)
    for place in (11, 12):
        numbering.leave_out(place)
    assert numbering.number(13) == 1
    numbering.leave_out(16)
    assert numbering.number(17) == 4, "14 and 15 are on their way and keep their numbers"
    assert (numbering.number(15), numbering.number(14)) == (3, 2)
    assert [numbering.place(number) for number in (0, 1, 2, 3, 4)] == [10, 13, 14, 15, 17]
    assert numbering.place(5) is None, "not sent yet"


@settings(max_examples=100)
@given(st.lists(st.sampled_from(["send", "leave out", "lose"]), min_size=1, max_size=120), st.integers(0, 70_000))
def test_every_number_is_given_once_and_leads_back(steps: list[str], first: int) -> None:
    numbering, given_numbers = Numbering(first, 500), {}
    for place, step in enumerate(steps, first):
        if step == "send":
            number = numbering.number(place)
            assert number is not None and number not in given_numbers
            given_numbers[number] = place
        elif step == "leave out":
            numbering.leave_out(place)
    kept = {number: place for number, place in given_numbers.items() if place >= numbering.first}
    assert {number: numbering.place(number) for number in kept} == kept
    holes = steps.count("lose")
    if given_numbers and "lose" not in steps:
        assert sorted(given_numbers) == list(range(500, 500 + len(given_numbers)))
    assert max(given_numbers, default=0) <= 500 + len(given_numbers) + holes


# Layers

HIGH = Offer(2, (100.0, 400.0, 1_000.0))


@pytest.mark.parametrize(
    ("offers", "budget", "levels"),
    [
        ([HIGH], 2_000.0, [2]),
        ([HIGH], 999.0, [1]),
        ([HIGH], 100.0, [0]),
        ([HIGH], 99.0, [OFF]),
        ([HIGH, HIGH], 1_999.0, [2, 1]),
        ([HIGH, HIGH], 600.0, [1, 0]),
        ([HIGH, HIGH], 150.0, [0, OFF]),
        ([HIGH._replace(most=0), HIGH], 5_000.0, [0, 2]),
        ([Offer(2, (100.0, 0.0, 0.0))], 5_000.0, [0]),
        ([Offer(0, (0.0, 0.0, 900.0))], 5_000.0, [2]),
        ([Offer(2, (0.0, 0.0, 0.0))], 5_000.0, [OFF]),
        ([Offer(2, (900.0, 0.0, 0.0)), Offer(2, (80.0, 0.0, 0.0))], 100.0, [OFF, 0]),
        ([], 1.0, []),
    ],
)
def test_layers_are_given_by_importance_within_the_budget(offers: list[Offer], budget: float, levels: list[int]) -> None:
    assert allocate(offers, budget) == levels


@given(st.lists(st.tuples(st.integers(0, 2), st.lists(st.sampled_from([0.0, 50.0, 300.0]), min_size=3, max_size=3))), st.floats(0, 5_000))
def test_no_allocation_costs_more_than_the_budget(rows: list[tuple[int, list[float]]], budget: float) -> None:
    offers = [Offer(most, (rates[0], rates[1], rates[2])) for most, rates in rows]
    levels = allocate(offers, budget)
    assert cost(offers, levels) <= budget + 1e-6
    assert all(level == OFF or offer.rates[level] > 0 for offer, level in zip(offers, levels, strict=True))
    if budget >= sum(max(offer.rates) for offer in offers):
        assert levels == [best(offer, offer.most) for offer in offers]


def test_the_next_step_is_the_cheapest_that_is_left() -> None:
    assert next_step([HIGH, HIGH], [0, OFF]) == 200.0
    assert next_step([HIGH, HIGH], [0, 0]) == 500.0
    assert next_step([HIGH], [2]) is None


# Ring and holes


def test_the_ring_has_the_last_packets_and_no_others() -> None:
    ring = Ring()
    for place in range(-3, RING_PACKETS + 5):
        ring.keep(Kept(place, 0, 0, b"", None))
    assert ring.find(4) is None and ring.find(RING_PACKETS + 5) is None
    found = ring.find(5)
    assert found is not None and found.place == 5


def test_a_hole_is_asked_for_after_a_moment_and_given_up_in_the_end() -> None:
    missing = Missing()
    assert missing.gap(7, 9, 1.0)
    assert missing.due(1.0) == []
    assert missing.due(1.03) == [7, 8]
    assert missing.due(1.05) == []
    assert missing.came(7) and not missing.came(7)
    asked = sum(8 in missing.due(1.2 + step) for step in range(10))
    assert asked == NACK_TRIES_MAX - 1 and len(missing) == 0
    assert not missing.gap(20, 21 + GAP_MAX, 2.0), "a pause, no loss"


def test_repairs_have_a_budget_that_comes_back() -> None:
    budget = RepairBudget()
    assert sum(budget.take(1_000, 5.0) for _ in range(20)) == 12
    assert not budget.take(1_000, 5.4)
    assert budget.take(1_000, 5.5)


# The stream of a slot


@dataclass
class Viewer:
    """A slot whose link keeps what it sends, in the clear."""

    sent: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.link = Link(Counters())
        self.link.protect = lambda data: data
        self.link.send = self.sent.append
        self.slot = Outgoing(self.link, "video", 5_000, 5_001)
        self.slot.pts = {"vp8": (96, 97), "opus": (111, None)}

    def headers(self) -> list[rtp.Header]:
        found = [rtp.read(data) for data in self.sent]
        return [header for header in found if header is not None]

    def pictures(self) -> list[payload.Vp8]:
        found = [payload.vp8(data, header.start, header.end) for data, header in zip(self.sent, self.headers(), strict=True)]
        return [each for each in found if each is not None]


def layer(level: int, first: int, track: Track | None = None) -> Incoming:
    track = track or Track("a", "camera", "video", "vp8")
    incoming = Incoming(track, 70 + level, level, first, 0.0)
    track.layers[level] = incoming
    return incoming


def show(incoming: Incoming, place: int, timestamp: int, *, key: bool = False, picture: int = 0, now: float = 0.0, size: int = 50) -> None:
    body = bytes([0x90, 0xE0]) + (0x8000 | picture).to_bytes(2) + bytes([picture & 0xFF, 0x20, 0 if key else 1]) + bytes(size)
    data = rtp.packet(120, place, timestamp, incoming.ssrc, body if size else b"", marker=True)
    header = rtp.read(data)
    assert header is not None
    forward.video(incoming, place, data, header, now)
    incoming.hot.highest = max(incoming.hot.highest, place)


def test_a_viewer_begins_at_a_key_frame() -> None:
    viewer, source = Viewer(), layer(0, 10)
    viewer.slot.aim(source)
    assert source.asked, "a key frame is asked for"
    show(source, 10, 0)
    assert viewer.sent == []
    show(source, 11, 3_000, key=True)
    show(source, 12, 6_000)
    assert [(header.pt, header.seq, header.ssrc) for header in viewer.headers()] == [(96, 0, 5_000), (96, 1, 5_000)]


def test_a_change_of_layer_happens_at_a_key_frame_and_breaks_no_count() -> None:
    viewer, low = Viewer(), layer(0, 65_530)
    high = layer(2, 300, low.track)
    viewer.slot.aim(low)
    for number in range(8):
        show(low, 65_530 + number, 4_294_960_000 + number * 3_000, key=number == 0, picture=32_764 + number & 0x7FFF, now=number / 30)
    viewer.slot.aim(high)
    show(high, 300, 77, picture=9, now=8 / 30)
    show(low, 65_538, (4_294_960_000 + 24_000) & rtp.MASK32, picture=4, now=8 / 30)
    show(high, 301, 3_077, key=True, picture=10, now=9 / 30)
    show(high, 302, 6_077, picture=11, now=10 / 30)
    show(low, 65_539, 0, picture=5, now=10 / 30)
    headers = viewer.headers()
    assert [header.seq for header in headers] == list(range(11))
    steps = {(after.timestamp - before.timestamp) & rtp.MASK32 for before, after in pairwise(headers)}
    assert steps == {3_000}, "time goes on evenly, over its wrap-around and the switch"
    numbers = [each.picture for each in viewer.pictures()]
    assert numbers == [(32_764 + number) & 0x7FFF for number in range(11)]
    assert [each.tl0 for each in viewer.pictures()] == [(32_764 + number) & 0xFF for number in range(11)]
    assert viewer.link.counters.layer_switches == 1


def test_probes_are_not_forwarded_and_not_missed() -> None:
    viewer, source = Viewer(), layer(0, 1)
    viewer.slot.aim(source)
    show(source, 1, 0, key=True)
    show(source, 2, 0, size=0)
    show(source, 3, 3_000)
    assert [header.seq for header in viewer.headers()] == [0, 1]


def test_a_late_packet_keeps_its_number() -> None:
    viewer, source = Viewer(), layer(0, 1)
    viewer.slot.aim(source)
    for place in (1, 2, 4, 3, 5):
        show(source, place, place * 3_000, key=place == 1)
    assert [header.seq for header in viewer.headers()] == [0, 1, 3, 2, 4]


def test_a_nack_is_answered_as_a_repair_that_names_the_original() -> None:
    viewer, source = Viewer(), layer(0, 1)
    viewer.slot.aim(source)
    for place in range(1, 6):
        show(source, place, place * 3_000, key=place == 1, picture=place)
    viewer.sent.clear()
    assert viewer.slot.repair((2, 60_000), 1.0) == 1
    header = viewer.headers()[0]
    assert (header.pt, header.ssrc, header.seq, header.timestamp) == (97, 5_001, 0, viewer.slot.timestamp_by + 9_000 & rtp.MASK32)
    assert viewer.sent[0][header.start : header.start + 2] == (2).to_bytes(2)
    viewer.link.queue_s = 1.0
    assert viewer.slot.repair((2,), 1.0) == 0, "a full queue is not filled more"


def test_somebody_elses_picture_takes_the_slot_and_the_old_one_stops_at_once() -> None:
    viewer, source, other = Viewer(), layer(0, 1), layer(0, 500)
    viewer.slot.aim(source)
    show(source, 1, 0, key=True)
    viewer.slot.aim(other)
    show(source, 2, 0)
    assert len(viewer.sent) == 1
    show(other, 500, 9, key=True, now=1.0)
    assert [header.seq for header in viewer.headers()] == [0, 1]
    viewer.slot.aim(None)
    show(other, 501, 9)
    assert len(viewer.sent) == 2 and other.outs == [] and other.waiting == []


def test_a_muted_source_goes_to_nobody() -> None:
    viewer, source = Viewer(), layer(0, 1)
    viewer.slot.aim(source)
    source.track.muted = True
    show(source, 1, 0, key=True)
    assert viewer.sent == []


def test_key_frames_are_asked_for_no_more_often_than_the_limit() -> None:
    source = layer(0, 1)
    asked = 0
    for step in range(100):
        source.asked = True
        asked += forward.wants_key_frame(source, step / 100)
    assert asked == 4


def test_a_voice_begins_at_any_packet_with_its_level_and_a_transport_number() -> None:
    viewer = Viewer()
    slot = Outgoing(viewer.link, "audio", 9, 10)
    slot.pts = {"opus": (111, None)}
    source = Incoming(Track("a", "audio", "audio", "opus"), 3, 0, 40, 0.0)
    slot.aim(source)
    for place in (40, 41):
        data = rtp.packet(109, place, place * 960, 3, b"sound")
        header = rtp.read(data)
        assert header is not None
        source.hot.highest = place
        forward.audio(source, place, data, header, 0x80 | 33, 0.0)
    first = viewer.headers()[1]
    level, number = rtp.extension(viewer.sent[1], first, 1), rtp.extension(viewer.sent[1], first, 5)
    assert level is not None and viewer.sent[1][level[0]] == 0x80 | 33
    assert number is not None and viewer.sent[1][number[0] : number[0] + 2] == b"\x00\x01"
    assert viewer.sent[1][first.start :] == b"sound" and first.seq == 1


def test_a_probe_that_repeats_what_is_here_counts_for_no_layers_rate() -> None:
    """Firefox probes a network with up to 1.5 Mbit/s of repeats of its lowest layer: a viewer's downlink is not judged by those."""
    from bench.calls import RTX, VP8, Caller
    from video.plane.dtls import Certificate
    from video.plane.receiver import Receiver

    caller, receiver = Caller(Certificate()), Receiver("a", Counters(), lambda level, now: None)
    receiver.configure([line for line in sdp.published(sdp.read(caller.offer())) if line is not None])
    body = bytes([0x10, 0]) + bytes(900)
    mid = ((4, b"1"),)
    receiver.rtp(rtp.packet(VP8, 1, 0, caller.ssrcs[0], body, extensions=mid), 0.0)
    (incoming,) = receiver.streams.values()
    before = incoming.hot.bytes
    for number in range(100):
        receiver.rtp(rtp.packet(RTX, number, 0, 99, (1).to_bytes(2) + body, extensions=mid), number / 100)
    assert incoming.hot.bytes == before and receiver.hot.bytes > 90_000
    receiver.rtp(rtp.packet(VP8, 3, 0, caller.ssrcs[0], body, extensions=mid), 1.0)
    receiver.rtp(rtp.packet(RTX, 200, 0, 99, (2).to_bytes(2) + body, extensions=mid), 1.1)
    assert incoming.hot.received == 3 and incoming.hot.bytes > before + 1_800, "a repair that was missing does count"


def test_a_report_counts_what_was_lost() -> None:
    source = layer(0, 10)
    source.hot.highest, source.hot.received = 19, 8
    assert source.block(0.0)[1:4] == (51, 2, 19)
    source.hot.highest, source.hot.received = 29, 18
    assert source.block(0.0)[1:3] == (0, 2)
    assert isinstance(source.block(0.0), rtcp.Block)


# Who speaks


def test_the_last_to_speak_are_heard_and_a_pause_costs_nobody_the_place() -> None:
    voices = Voices()
    for peer in "abcd":
        voices.add(peer)
    assert sorted(voices.heard(2, 0.0)) == ["a", "b"]
    for step in range(20):
        voices.level("a", 30, step / 50)
    for step in range(20):
        voices.level("c", 20, 0.5 + step / 50)
    assert voices.heard(2, 1.0) == ["c", "a"], "b has never spoken and makes room"
    for step in range(20):
        voices.level("d", 20, 1.0 + step / 50)
    assert voices.heard(2, 1.4) == ["c", "a"], "both have just spoken"
    later = 0.5 + KEEP_S + SPEAKING_S
    for step in range(20):
        voices.level("d", 20, later + step / 50)
    assert "d" in voices.heard(2, later + 0.4)


def test_who_speaks_is_told_loudest_first_and_noise_is_no_speech() -> None:
    voices = Voices()
    for peer in "abc":
        voices.add(peer)
    for step in range(30):
        voices.level("a", 40, step / 50)
        voices.level("b", 15, step / 50)
        voices.level("c", 70, step / 50)
    assert voices.speaking(0.6) == ["b", "a"]
    assert voices.speaking(5.0) == []
    voices.remove("b")
    assert not voices.level("b", 10, 6.0) and voices.heard(5, 6.0)[-1] in "ac"
