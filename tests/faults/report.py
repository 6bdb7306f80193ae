"""The report of a long run: docs/faults.json for machines, docs/faults.md for people. Both say the same."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any

from tests.faults.account import Account
from tests.faults.channels import Channels
from tests.faults.parts import ROOT
from tests.faults.run import Run

DOCS = ROOT / "docs"


def facts(run: Run, seed: int, rate: float) -> dict[str, Any]:
    """What is said about a run."""
    return {
        "faults": sum(run.happened.values()),
        "minutes": round(run.wall_s / 60, 1),
        "events_a_second_asked": rate,
        "seed": seed,
        "python": platform.python_version(),
        "broken_promises": sum(run.account.counts[name] for name in run.account.broken),
        "kinds": [{"kind": k, "times": n, "seconds_each": round(run.seconds[k] / n, 1)} for k, n in sorted(run.happened.items())],
        "process_ends": dict(sorted(run.exits.items())),
        "chunks_published_again": run.published.repeated_chunks,
        "account": run.account.counts,
        "examples_of_what_is_broken": run.account.broken,
    }


def write(run: Run, channels: Channels, seed: int, rate: float, docs: Path = DOCS) -> None:
    found = facts(run, seed, rate) | {"channels": channels.facts()}
    (docs / "faults.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    (docs / "faults.md").write_text(_text(run, found) + "\n" + _peers(channels))


def _text(run: Run, found: dict[str, Any]) -> str:
    counts = {name: n for name, n in run.account.counts.items() if name not in run.account.promises}
    lines = [
        "# Faults",
        "",
        "Written by `make faults` (`python -m tests.faults`); the short form runs in `make test`. One hub with a Kafka and a",
        "PostgreSQL of its own, two workers, timers, register connector. Sample days, with accounts blocked and opened and new",
        "protections in between, are published all the time while faults happen, one after the other, in an order by chance. Then the",
        "hub comes to rest, receipts come, the clock moves on by 49 hours, and everything is read anew: every record of every topic,",
        "every row of the ledger.",
        "",
        f"**{found['faults']} faults of {len(run.happened)} kinds in {found['minutes']} minutes** (seed {found['seed']})."
        f" {_verdict(run.account)}",
        "",
        *_promises(run.account),
        "",
        "| counted | |",
        "|---|---:|",
        *(f"| {name} | {number:,} |" for name, number in counts.items()),
        f"| chunks that the publisher sent again, with the same ids | {run.published.repeated_chunks:,} |",
        "",
        "| kind of fault | times | seconds each |",
        "|---|---:|---:|",
        *(f"| {kind} | {n} | {run.seconds[kind] / n:.1f} |" for kind, n in sorted(run.happened.items())),
        "",
        "How processes ended (exit code, or minus the signal): "
        + ", ".join(f"{name}: {n}" for name, n in sorted(run.exits.items()))
        + ". 70 is a failure of ours: the process ends at once and is started again.",
        "",
    ]
    return "\n".join(lines)


def _peers(run: Channels) -> str:
    counts = {name: n for name, n in run.account.counts.items() if name not in run.account.promises}
    lines = [
        "## Peers that fail",
        "",
        "A whole hub with its stand-ins of SPAR, Mina meddelanden, Kivra and an SMS provider, which fail one after the other in every",
        "way while documents go out by every channel and the delivery part, a worker, the gateway and the timers are killed. Then the",
        "faults end, the hub comes to rest, half of what the app has is read, the clock moves on by 48 hours, and what the hub says is",
        "held against what arrived outside. Deliveries in doubt are the desk's: nothing of them is guessed.",
        "",
        f"**{len(run.of):,} documents to {len(run.people):,} people in {run.wall_s / 60:.1f} minutes**, at rest"
        f" {run.rest_s:.0f} s after the last fault. {_verdict(run.account)}",
        "",
        *_promises(run.account),
        "",
        "| counted | |",
        "|---|---:|",
        *(f"| {name} | {number:,} |" for name, number in counts.items()),
        "",
        "| fault of a peer | requests that met it |",
        "|---|---:|",
        *(f"| {name} | {number:,} |" for name, number in sorted(run.met.items())),
        "",
        "Killed: " + ", ".join(f"{name}: {n}" for name, n in sorted(run.killed.items())) + ".",
        "",
    ]
    return "\n".join(lines)


def _verdict(account: Account) -> str:
    broken = sum(account.counts[name] for name in account.broken)
    return "Nothing was broken." if not broken else f"**{broken} broken promises.**"


def _promises(account: Account) -> list[str]:
    found = (f"| {name} | {account.counts[name]} |" for name in account.promises)
    return ["| promise: what breaks it | found |", "|---|---:|", *found]
