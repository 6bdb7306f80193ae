"""What waits, what is unknown and how long the oldest has been due, of deliveries and texts, as gauges."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from asyncpg import Pool

from pipelines.ledger.sends import CHANNELS, NO_CHANNEL
from pipelines.rules.sending import State
from schemas.telemetry import Meter

WHYS: Final = (NO_CHANNEL, "register", "quiet_hours", "breaker", "peer_unavailable", "repeat", "fault")
"""What a row may wait for: closed, so that a gauge that was set goes back to 0."""


async def sends(pool: Pool[Any], meter: Meter, now: datetime) -> None:
    """Set the gauges of every channel."""
    waiting: dict[tuple[int, str], int] = {}
    for channel, why, number in await pool.fetch(
        "SELECT channel, why, count(*) FROM sends WHERE due_at IS NOT NULL AND state = $1 GROUP BY channel, why", int(State.WAITING)
    ):
        waiting[channel, why] = number
    due: dict[int, float] = dict(
        await pool.fetch(
            "SELECT channel, extract(epoch FROM $1::timestamptz - min(due_at))::float8 FROM sends"
            " WHERE due_at <= $1 AND why IS DISTINCT FROM $2 GROUP BY channel",
            now, NO_CHANNEL,
        )
    )  # fmt: skip
    unknown: dict[int, int] = dict(
        await pool.fetch("SELECT channel, count(*) FROM sends WHERE state = $1 GROUP BY channel", int(State.UNKNOWN))
    )
    for name, number in CHANNELS.items():
        for why in WHYS:
            meter.gauge("sends_waiting", waiting.get((number, why), 0), channel=name, why=why)
        meter.gauge("sends_due_age_seconds", due.get(number, 0.0), channel=name)
        meter.gauge("sends_unknown", unknown.get(number, 0), channel=name)
