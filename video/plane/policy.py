"""V13: when the network is bad the picture goes and the sound stays. What to do about a downlink and an uplink, as tables. Pure.

A step down is taken at once, to what is known to get through; a step up is tried after a hold-off that doubles while tries fail.
The sound is never counted against: it is sent whatever this says.
"""

from dataclasses import dataclass
from math import inf
from typing import Final

from video.plane.estimate import Condition

SHARE: Final = 0.85  # of what was acknowledged
SETTLE_S: Final = 1.0  # after a step: what is measured before then was sent before the step
HOLD_S: Final = 5.0
HOLD_S_MAX: Final = 60.0
TRIED_S: Final = 8.0  # congestion within this time of a step up is the step's fault
HEADROOM: Final = 1.1
AUDIO_BPS: Final = 45_000.0


@dataclass(slots=True)
class Downlink:
    """What one viewer's pictures may cost in all. Begins without a limit: most networks have none that matters."""

    limit_bps: float = inf
    hold_s: float = HOLD_S
    down_at: float = -inf
    up_at: float = -inf
    calm_since: float | None = None

    def judge(self, condition: Condition, spent_bps: float, next_bps: float | None, now: float) -> bool:
        """True where the limit changed. `spent_bps` is what the pictures cost now, `next_bps` what one more step would make it."""
        if condition.congested:
            self.calm_since = None
            if spent_bps <= 0 or now - self.down_at < SETTLE_S:
                return False
            if now - self.up_at < TRIED_S and self.down_at > -inf:
                self.hold_s = min(self.hold_s * 2, HOLD_S_MAX)
            self.down_at = now
            self.limit_bps = max(0.0, min(SHARE * condition.acknowledged_bps - AUDIO_BPS, SHARE * spent_bps))
            return True
        if self.limit_bps == inf:
            return False
        if self.calm_since is None:
            self.calm_since = now
        if now - max(self.calm_since, self.up_at, self.down_at) < self.hold_s:
            return False
        self.up_at = now
        if next_bps is None:
            self.limit_bps, self.hold_s = inf, HOLD_S  # everybody has what is wanted, and it has held
        else:
            self.limit_bps = max(next_bps * HEADROOM, self.limit_bps)
        return True


UPLINK_LOSS_BAD: Final = 0.12
UPLINK_LOSS_GOOD: Final = 0.04
UPLINK_CAMERA_BPS_MIN: Final = 25_000.0
UPLINK_BAD_S: Final = 2.0
UPLINK_GRACE_S: Final = 5.0  # a camera that just came on has not found its rate yet


@dataclass(slots=True)
class Uplink:
    """Whether a sender's own picture is paused for its network's sake. The page stops encoding when told, and begins again."""

    paused: bool = False
    hold_s: float = HOLD_S
    bad_since: float | None = None
    good_since: float | None = None
    resumed_at: float = -inf

    def judge(self, loss: float, camera_bps: float, camera_s: float, now: float) -> bool:
        """True where `paused` changed. `camera_s`: for how long the camera has been coming without a break, 0 where it does not."""
        if not self.paused:
            starved = camera_s > UPLINK_GRACE_S and camera_bps < UPLINK_CAMERA_BPS_MIN
            if not (loss > UPLINK_LOSS_BAD or starved) or camera_s <= 0:
                self.bad_since = None
                return False
            if self.bad_since is None:
                self.bad_since = now
            if now - self.bad_since < UPLINK_BAD_S:
                return False
            self.hold_s = min(self.hold_s * 2, HOLD_S_MAX) if now - self.resumed_at < TRIED_S else HOLD_S
            self.paused, self.good_since = True, None
            return True
        if loss > UPLINK_LOSS_GOOD:
            self.good_since = None
            return False
        if self.good_since is None:
            self.good_since = now
        if now - self.good_since < self.hold_s:
            return False
        self.paused, self.bad_since, self.resumed_at = False, None, now
        return True
