"""`make faults`: every kind of fault many times; the report goes to docs/faults.md and docs/faults.json.

    python -m tests.faults [--times N] [--seed S] [--rate R] [--only KIND] [--short] [--no-report] [--result FILE]
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


async def main(options: argparse.Namespace) -> int:
    directory = Path(options.dir or tempfile.mkdtemp(prefix="hub-faults-"))
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o755)
    made: Run
    async with world(directory, load({}).cache_dir, **SETTINGS) as w:
        made = await run(w, steps(options), options.seed, options.rate)
    for name, number in made.account.counts.items():
        print(f"{number:9d}  {name}")
    for promise, examples in made.account.broken.items():
        print(f"BROKEN: {promise}: {examples}")
    if not options.no_report:
        write(made, options.seed, options.rate)
    if options.result:
        Path(options.result).write_text(json.dumps(facts(made, options.seed, options.rate)))
    if not options.dir and not made.account.broken:
        shutil.rmtree(directory, ignore_errors=True)
    return 1 if made.account.broken else 0


if __name__ == "__main__":
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("--times", type=int, default=4, help="how often each kind happens")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=150.0, help="events a second")
    parser.add_argument("--only", help="kinds whose name has this in it")
    parser.add_argument("--short", action="store_true", help="the short form")
    parser.add_argument("--dir", help="keep the data here")
    parser.add_argument("--result", help="write the facts of the run here, as JSON")
    parser.add_argument("--no-report", action="store_true")
    sys.exit(asyncio.run(main(parser.parse_args())))
