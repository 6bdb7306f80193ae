"""The hub's clock: one time for every part, which the sandbox may move.

Hub time is a piecewise-linear function of wall time. Its segments stand in one small file; each says "from this wall
instant on, hub time was this and ran so fast". Without the file hub time is wall time, as it always is in production.
Every `now()` looks at the file's stamp (a stat, under 2 µs), so a moved clock is moved for all parts at once.

`at(wall)` maps an instant of the past with the segment that was in force then: a document was *sent* when Kafka
appended it (DOMAIN.md, 48 hours), and that moment must not change when the clock is moved afterwards.

Hub time never runs backwards: a deadline that has passed has passed.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

SPEED_MAX: Final = 100_000.0
SEGMENTS_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Segment:
    wall: float  # epoch seconds, wall time at which this segment begins
    hub: float  # epoch seconds, hub time at that instant
    speed: float  # hub seconds a wall second

    def at(self, wall: float) -> float:
        return self.hub + (wall - self.wall) * self.speed


IDENTITY: Final = Segment(0.0, 0.0, 1.0)


def map_wall(segments: tuple[Segment, ...], wall: float) -> float:
    """Hub time at a wall instant; wall time itself before the first segment."""
    i = bisect_right(segments, wall, key=lambda s: s.wall) - 1
    return segments[i].at(wall) if i >= 0 else wall


def wall_of(segments: tuple[Segment, ...], hub: float) -> float:
    """The first wall instant at which hub time was, or will be, `hub` or later."""
    until = float("inf")
    for segment in reversed(segments):
        if segment.hub <= hub:
            return min(segment.wall + (hub - segment.hub) / segment.speed, until)
        until = segment.wall
    return min(hub, until)


def continue_with(segments: tuple[Segment, ...], wall: float, jump: float, speed: float) -> tuple[Segment, ...]:
    """The segments with one more that begins at `wall`, `jump` seconds further on, running at `speed`."""
    if jump < 0:
        raise ValueError("the hub's clock never runs backwards")
    if not 0 < speed <= SPEED_MAX:
        raise ValueError(f"a speed is above 0 and at most {SPEED_MAX:g}")
    if len(segments) >= SEGMENTS_MAX:
        raise ValueError(f"the clock was moved {SEGMENTS_MAX} times; start the sandbox with a new directory")
    if segments and wall < segments[-1].wall:
        wall = segments[-1].wall  # the wall clock was set back: hub time stands still rather than running back
    return (*segments, Segment(wall, map_wall(segments, wall) + jump, speed))


class Clock:
    """Hub time from the file at `path`; wall time where `path` is None or there is no file."""

    def __init__(self, path: Path | None = None, wall: Callable[[], float] = time.time) -> None:
        self._path = os.fspath(path) if path is not None else None
        self._wall = wall
        self._stamp: tuple[int, int] | None = None
        self._segments: tuple[Segment, ...] = ()
        self._last = 0.0

    def now(self) -> datetime:
        """The hub's present, aware and UTC; never earlier than an answer given before."""
        self._refresh()
        instant = map_wall(self._segments, self._wall())
        self._last = instant = max(instant, self._last)
        return datetime.fromtimestamp(instant, UTC)

    def at(self, wall: datetime) -> datetime:
        """Hub time at an instant of wall time, for example a Kafka append time."""
        self._refresh()
        if not self._segments:
            return wall
        return datetime.fromtimestamp(map_wall(self._segments, wall.timestamp()), UTC)

    def wall_of(self, hub: datetime) -> datetime:
        """The first wall instant at which hub time was, or will be, `hub` or later."""
        self._refresh()
        return datetime.fromtimestamp(wall_of(self._segments, hub.timestamp()), UTC)

    def mapping(self) -> Callable[[float], datetime]:
        """`at` for many instants (epoch seconds) with one look at the file: for the append times of one batch."""
        self._refresh()
        segments = self._segments
        if not segments:
            return lambda wall: datetime.fromtimestamp(wall, UTC)
        return lambda wall: datetime.fromtimestamp(map_wall(segments, wall), UTC)

    @property
    def speed(self) -> float:
        self._refresh()
        return self._segments[-1].speed if self._segments else 1.0

    def wall_seconds_until(self, hub: datetime) -> float:
        """How long to sleep, in wall seconds, until hub time is `hub`; 0 when it has passed."""
        return max(0.0, (hub - self.now()).total_seconds() / self.speed)

    def advance(self, seconds: float) -> datetime:
        """Move hub time ahead for every part; the speed stays."""
        return self._append(seconds, None)

    def set_speed(self, speed: float) -> datetime:
        """From now on `speed` hub seconds pass in a wall second."""
        return self._append(0.0, speed)

    def _append(self, jump: float, speed: float | None) -> datetime:
        if self._path is None:
            raise ValueError("this clock is wall time and cannot be moved")
        path = Path(self._path)
        with open(path.with_suffix(".lock"), "a") as lock:  # noqa: PTH123 - two movers at once: one after the other
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._refresh()
            segments = continue_with(self._segments, self._wall(), jump, self.speed if speed is None else speed)
            fresh = path.with_suffix(".tmp")
            fresh.write_text(json.dumps([[s.wall, s.hub, s.speed] for s in segments]))
            fresh.replace(path)
        return self.now()

    def _refresh(self) -> None:
        if self._path is None:
            return
        try:
            seen = os.stat(self._path)  # noqa: PTH116 - a Path costs more than the call itself, and this is hot
        except FileNotFoundError:
            return
        stamp = (seen.st_mtime_ns, seen.st_ino)
        if stamp != self._stamp:
            rows = json.loads(Path(self._path).read_text())
            self._segments = tuple(Segment(float(w), float(h), float(s)) for w, h, s in rows)
            self._stamp = stamp
