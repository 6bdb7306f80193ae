"""`make faults`: every kind of fault many times; the report goes to docs/faults.md and docs/faults.json.

    python -m tests.faults [--times N] [--seed S] [--rate R] [--only KIND] [--no-report]
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import shutil
import sys
import tempfile
from pathlib import Path
from random import Random

from config.settings import load
from tests.faults.kinds import KINDS, LIMIT
from tests.faults.report import write
from tests.faults.run import Run, run
from tests.faults.world import world


async def main(options: argparse.Namespace) -> int:
    names = [name for name in KINDS if not options.only or options.only in name]
    order = [name for _ in range(options.times) for name in names]
    Random(options.seed).shuffle(order)
    directory = Path(options.dir or tempfile.mkdtemp(prefix="hub-faults-"))
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o755)
    settings = {"HUB__DEAD_LETTERS__PER_MINUTE_MAX": str(LIMIT), "HUB__WORKERS__TIMER_ROWS": "60", "HUB__WORKERS__SESSION_SECONDS": "6"}
    made: Run
    async with world(directory, load({}).cache_dir, **settings) as w:
        made = await run(w, order, options.seed, options.rate)
    for name, number in made.account.counts.items():
        print(f"{number:9d}  {name}")
    for promise, examples in made.account.broken.items():
        print(f"BROKEN: {promise}: {examples}")
    if not options.no_report:
        write(made, options.seed, options.rate)
    if not options.dir and not made.account.broken:
        shutil.rmtree(directory, ignore_errors=True)
    return 1 if made.account.broken else 0


if __name__ == "__main__":
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("--times", type=int, default=6, help="how often each kind happens")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=150.0, help="events a second")
    parser.add_argument("--only", help="kinds whose name has this in it")
    parser.add_argument("--dir", help="keep the data here")
    parser.add_argument("--no-report", action="store_true")
    sys.exit(asyncio.run(main(parser.parse_args())))
