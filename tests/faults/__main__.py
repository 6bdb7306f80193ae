"""`make faults`: every kind of fault many times, then peers that fail; the report goes to docs/faults.md and docs/faults.json.

    python -m tests.faults [--times N] [--seed S] [--rate R] [--only KIND] [--short] [--documents N] [--channels] [--no-report]
                           [--result FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import shutil
import sys
import tempfile
from pathlib import Path
from random import Random

from config.settings import load
from tests.faults import channels
from tests.faults.account import Account
from tests.faults.kinds import KINDS, LIMIT, SHORT
from tests.faults.report import facts, write
from tests.faults.run import Run, run
from tests.faults.world import world

SETTINGS = {
    "HUB__DEAD_LETTERS__PER_MINUTE_MAX": str(LIMIT),
    "HUB__WORKERS__TIMER_ROWS": "60",
    "HUB__WORKERS__SESSION_SECONDS": "6",
    "HUB__RETENTION__INBOX_DAYS": "3650",  # the clock moves by months in a long run, and the account wants all of it
    "HUB__RETENTION__ROOMS_DAYS": "3650",
    "HUB__RETENTION__DEAD_LETTERS_DAYS": "3650",
}
"""Small batches and a short session: more places to die at in less time."""


def steps(options: argparse.Namespace) -> list[tuple[str, ...]]:
    """What happens, in which order."""
    if options.short:
        return list(SHORT)
    names = [name for name in KINDS if not options.only or options.only in name]
    order = [(name,) for _ in range(options.times) for name in names]
    Random(options.seed).shuffle(order)
    return order


async def spine(options: argparse.Namespace, directory: Path) -> Run:
    async with world(directory, load({}).cache_dir, **SETTINGS) as w:
        made = await run(w, steps(options), options.seed, options.rate)
    tell(made.account)
    return made


def tell(made: Account) -> None:
    for name, number in made.counts.items():
        print(f"{number:9d}  {name}")
    for promise, examples in made.broken.items():
        print(f"BROKEN: {promise}: {examples}")


def main(options: argparse.Namespace) -> int:
    directory = Path(options.dir or tempfile.mkdtemp(prefix="hub-faults-"))
    made: Run | None = None
    peers: channels.Channels | None = None
    for part in ("spine", "channels"):
        (directory / part).mkdir(parents=True, exist_ok=True)
    for folder in (directory, directory / "spine", directory / "channels"):
        folder.chmod(0o755)
    if not options.channels:
        made = asyncio.run(spine(options, directory / "spine"))
    if options.channels or not (options.short or options.only):
        peers = channels.run(directory / "channels", options.documents, options.seed)
        tell(peers.account)
    broken = any(one is not None and one.account.broken for one in (made, peers))
    if made is not None and peers is not None and not options.no_report:
        write(made, peers, options.seed, options.rate)
    if options.result:
        found = facts(made, options.seed, options.rate) if made is not None else peers.facts() if peers is not None else {}
        Path(options.result).write_text(json.dumps(found))
    if not options.dir and not broken:
        shutil.rmtree(directory, ignore_errors=True)
    return 1 if broken else 0


if __name__ == "__main__":
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("--times", type=int, default=4, help="how often each kind happens")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=150.0, help="events a second")
    parser.add_argument("--only", help="kinds whose name has this in it")
    parser.add_argument("--short", action="store_true", help="the short form")
    parser.add_argument("--documents", type=int, default=10_000, help="that go out while peers fail")
    parser.add_argument("--channels", action="store_true", help="failing peers alone")
    parser.add_argument("--dir", help="keep the data here")
    parser.add_argument("--result", help="write the facts of the run here, as JSON")
    parser.add_argument("--no-report", action="store_true")
    sys.exit(main(parser.parse_args()))
