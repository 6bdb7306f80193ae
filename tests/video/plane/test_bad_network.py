"""V13 on paper: a downlink and an uplink that get worse and better, with time as an argument."""

from math import inf

import pytest

from video.plane.estimate import Condition, Estimate, Sent
from video.plane.policy import HOLD_S, HOLD_S_MAX, TRIED_S, Downlink, Uplink

GOOD = Condition(False, 900_000.0, 0.01, 0.0)
BAD = Condition(True, 100_000.0, 0.4, 0.05)


class Network:
    """A link of one rate with a queue: what is sent comes later, or not at all."""

    def __init__(self, bps: float, queue_s: float = 0.3) -> None:
        self.bps, self.queue_s, self.free_at = bps, queue_s, 0.0

    def carry(self, size: int, now: float) -> float | None:
        self.free_at = max(self.free_at, now)
        if self.free_at - now > self.queue_s:
            return None
        self.free_at += size * 8 / self.bps
        return self.free_at + 0.02


def run(network: Network, send_bps: float, from_s: float, until_s: float, estimate: Estimate, sent: Sent) -> list[tuple[float, Condition]]:
    """Packets of 1000 bytes, reports every 100 ms by a clock that is 77 s off."""
    conditions, waiting, number = [], [], 0
    now, report_at = from_s, from_s + 0.1
    while now < until_s:
        number = sent.number(1_000, now)
        waiting.append((number, network.carry(1_000, now)))
        now += 8_000 / send_bps
        if now >= report_at:
            done = [(each, at) for each, at in waiting if at is None or at <= now]
            last = max((n for n, at in done if at is not None), default=-1)
            told = [(each, None if at is None else at + 77.0) for each, at in done if each <= last]
            waiting = [pair for pair in waiting if pair[0] not in {number for number, _ in told}]
            if told:
                estimate.report(told, sent, now)
            conditions.append((now, estimate.condition(None, now)))
            report_at += 0.1
    return conditions


def test_a_good_link_is_never_called_congested() -> None:
    conditions = run(Network(5e6), 800_000, 0.0, 20.0, Estimate(), Sent())
    assert not any(each.congested for _, each in conditions)
    assert conditions[-1][1].acknowledged_bps == pytest.approx(800_000, rel=0.15)


def test_a_link_that_becomes_narrow_is_congested_within_a_second() -> None:
    estimate, sent, network = Estimate(), Sent(), Network(5e6)
    run(network, 800_000, 0.0, 5.0, estimate, sent)
    network.bps = 100_000
    conditions = run(network, 800_000, 5.0, 8.0, estimate, sent)
    first = next(at for at, each in conditions if each.congested)
    assert first - 5.0 < 1.5
    assert conditions[-1][1].acknowledged_bps < 200_000


def test_loss_alone_is_congestion_and_little_of_it_is_not() -> None:
    for share, congested in ((0.3, True), (0.03, False)):
        estimate, sent, number = Estimate(), Sent(), 0
        for step in range(30):
            now = step / 10
            seen = []
            for _ in range(10):
                place = sent.number(500, now)
                number += 1
                lost = number * share % 1.0 < share
                seen.append((place, None if lost else now + 0.02))
            estimate.report(seen, sent, now + 0.02)
            condition = estimate.condition(None, now + 0.02)
        assert condition.congested is congested


def test_a_viewer_that_reports_nothing_any_more_is_congested() -> None:
    estimate, sent = Estimate(), Sent()
    estimate.report([(sent.number(500, 0.9), 0.95)], sent, 1.0)
    assert not estimate.condition(1.0, 2.0).congested
    assert not estimate.condition(1.0, 3.0).congested, "not yet sustained"
    assert estimate.condition(1.0, 4.0).congested


def test_a_browser_that_never_reports_is_not_judged() -> None:
    estimate = Estimate()
    assert not any(estimate.condition(1.0, 1.0 + second).congested for second in range(60))


def test_clocks_that_drift_and_wrap_are_borne() -> None:
    estimate, sent = Estimate(), Sent()
    worst = 0.0
    for step in range(3_000):
        now = step / 10
        place = sent.number(500, now)
        estimate.report([(place, (now * 1.0001 + 1_073_600.0) % ((1 << 24) * 0.064))], sent, now)
        if step > 20:
            worst = max(worst, estimate.condition(None, now).queue_s)
    assert worst < 0.05


def test_two_clocks_that_agree_make_no_queue() -> None:
    estimate, sent = Estimate(), Sent()
    for step in range(100):
        now = step / 10
        place = sent.number(500, now)
        estimate.report([(place, now + (0.001 if step % 2 else -0.001))], sent, now)
        assert abs(estimate.condition(None, now).queue_s) < 0.01


def test_the_picture_goes_at_once_and_comes_back_after_a_hold_off() -> None:
    downlink = Downlink()
    assert downlink.limit_bps == inf
    assert not downlink.judge(GOOD, 800_000, None, 0.0)
    assert downlink.judge(BAD, 800_000, None, 1.0)
    assert downlink.limit_bps == pytest.approx(0.85 * 100_000 - 45_000)
    assert not downlink.judge(BAD, 0.0, 150_000, 1.5), "nothing left to take: the sound is not counted"
    assert not downlink.judge(GOOD, 0.0, 150_000, 2.0)
    assert not downlink.judge(GOOD, 0.0, 150_000, 2.0 + HOLD_S - 0.1)
    assert downlink.judge(GOOD, 0.0, 150_000, 2.1 + HOLD_S)
    assert downlink.limit_bps >= 150_000


def test_steps_up_that_fail_are_tried_more_and_more_seldom_and_one_that_holds_forgives() -> None:
    downlink, now = Downlink(), 0.0
    downlink.judge(BAD, 800_000, None, now)
    waits = []
    for _ in range(6):
        began = now
        while not downlink.judge(GOOD, 0.0, 150_000, now):
            now += 0.2
        waits.append(round(now - began))
        now += 2.0
        assert downlink.judge(BAD, 150_000, 500_000, now)
    assert waits == sorted(waits) and waits[-1] >= HOLD_S_MAX - 1.0
    while downlink.limit_bps != inf:
        downlink.judge(GOOD, 800_000, None, now)
        now += 0.2
    assert downlink.hold_s == HOLD_S


def test_a_senders_picture_is_paused_for_loss_and_comes_back() -> None:
    uplink, now = Uplink(), 0.0
    while not uplink.judge(0.3, 400_000, 20.0, now):
        now += 0.2
    assert uplink.paused and now >= 2.0
    began = now
    while not uplink.judge(0.0, 0.0, 0.0, now):
        now += 0.2
    assert not uplink.paused and now - began >= HOLD_S
    while not uplink.judge(0.3, 400_000, 3.0, now):
        now += 0.2
    assert uplink.hold_s == 2 * HOLD_S, "it failed again within the time of a try" if now - uplink.resumed_at < TRIED_S else "a new fault"


@pytest.mark.parametrize(
    ("loss", "camera_bps", "camera_s", "why"),
    [(0.05, 400_000, 20.0, "little loss"), (0.3, 0.0, 0.0, "no camera on"), (0.0, 5_000, 2.0, "a camera that just came on"),
     (0.0, 80_000, 60.0, "a small picture of a still room")],
)  # fmt: skip
def test_a_senders_picture_stays_with(loss: float, camera_bps: float, camera_s: float, why: str) -> None:
    uplink = Uplink()
    assert not any(uplink.judge(loss, camera_bps, camera_s, step / 5) for step in range(100)), why
