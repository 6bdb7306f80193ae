"""`hub clock`: the sandbox's clock, moved for every part at once (`schemas.clock`). Only with stand-ins: real peers live in real time."""

from __future__ import annotations

from pathlib import Path

from hub.cli.exits import WrongUse
from hub.cli.running import find
from hub.cli.screen import Screen, local_text, utc_text
from schemas.clock import Clock


def run(screen: Screen, directory: Path, action: str, value: str | None) -> int:
    running = find(directory)
    if action not in ("show", "advance", "speed"):
        raise WrongUse(f"{action!r} is nothing a clock can do; it can show, advance SPAN, speed N")
    if not running.sandbox:
        raise WrongUse("this hub has real peers (--no-sandbox): its clock is the wall clock and cannot be moved")
    clock = Clock(directory / "clock.json")
    if action == "advance":
        from hub.cli.spans import span

        clock.advance(span(_given(value, "advance 48h")).total_seconds())
    elif action == "speed":
        clock.set_speed(_speed(_given(value, "speed 60")))
    elif value is not None:
        raise WrongUse("`hub clock show` takes nothing more")
    now, speed = clock.now(), clock.speed
    if screen.as_json:
        screen.data({"now": utc_text(now), "speed": speed})
    else:
        screen.line(f"{local_text(now)} in Stockholm ({utc_text(now)})" + ("" if speed == 1 else f", {speed:g} times as fast"))
    return 0


def _given(value: str | None, example: str) -> str:
    if value is None:
        raise WrongUse(f"something is missing; write for example `hub clock {example}`")
    return value


def _speed(text: str) -> float:
    from schemas.clock import SPEED_MAX

    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed <= SPEED_MAX:
        raise WrongUse(f"{text!r} is no speed; it is a number above 0, at most {SPEED_MAX:g}")
    return speed
