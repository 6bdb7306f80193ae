"""`python -m bench [PART…] [--documents N] [--rounds N] [--short] [--out DIR]`: measure, tell, keep the result.

Parts: rules, rendering, startup, video, deliveries, throughput, replay, latency, deadlines, retention, gateway; all of them when
none is named. Progress goes to stderr, the table to stdout. A whole run is kept in docs/bench.md and docs/bench.json; with --out, any
run is kept there instead. `--short` is a run of small sizes, to see that the benchmarks run; its figures mean nothing.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeAlias

import uvloop

from bench import deadlines, deliveries, gateway, keeping, rendering, rules, startup, throughput, video
from bench.report import Report, told
from bench.servers import ground
from bench.sides import BARE, HUB, STREAMS

PARTS: Final = (
    "rules", "rendering", "startup", "video", "deliveries", "throughput", "replay", "latency", "deadlines", "retention", "gateway",
)  # fmt: skip
Work: TypeAlias = Callable[[], Awaitable[None]]
PAGE: Final = Path(__file__).parent.parent / "docs" / "bench.md"
BEGIN: Final = "<!-- figures: written by `make bench` -->"
END: Final = "<!-- end of figures -->"


@dataclass(frozen=True, slots=True)
class Sizes:
    documents: int = 50_000
    rounds: int = 3
    residents: int = 20_000
    batches: int = 40
    letters: int = 50
    starts: int = 3
    due: int = 200_000
    spread_s: float = 60.0
    latency_s: float = 20.0
    old: int = 200_000
    taken: int = 60_000
    delivered: int = 1_500
    worker_counts: tuple[int, ...] = (1, 2)
    video_s: float = 8.0
    video_pps: tuple[int, ...] = (50_000, 75_000, 100_000, 110_000, 125_000)
    visits: int = 50
    janus: bool = True


SHORT: Final = Sizes(
    documents=2_000, rounds=1, residents=2_000, batches=5, letters=5, starts=1, due=2_000, spread_s=2.0, latency_s=2.0, old=2_000,
    taken=2_000, delivered=60, worker_counts=(1,), video_s=1.0, video_pps=(5_000,), visits=2, janus=False,
)  # fmt: skip


async def run(parts: tuple[str, ...], sizes: Sizes, sides: tuple[str, ...]) -> Report:
    """Run parts. One that does not finish says so in the report, and the others go on."""
    report = Report()
    alone: dict[str, Work] = {
        "rules": lambda: _at_once(rules.run, report, sizes.batches),
        "rendering": lambda: _at_once(rendering.run, report, sizes.letters),
        "startup": lambda: _at_once(startup.run, report, sizes.starts),
        "video": lambda: video.run(report, sizes.video_s, sizes.video_pps, sizes.visits, beside=sizes.janus),
    }
    for name in (name for name in alone if name in parts):
        await _attempt(report, name, alone[name])
    if set(parts) - set(alone):
        told("starting Kafka and PostgreSQL")
        async with ground(sizes.residents) as made:
            on_servers: dict[str, Work] = {
                # first: its stand-ins learn from all that the topics hold, and the others leave a million records there
                "deliveries": lambda: deliveries.run(made, report, sizes.delivered),
                "throughput": lambda: throughput.run(made, report, sizes.documents, sizes.rounds, sides, sizes.worker_counts),
                "replay": lambda: throughput.replay(made, report, sizes.documents),
                "latency": lambda: throughput.latency(made, report, 500, sizes.latency_s),
                "deadlines": lambda: deadlines.run(made, report, sizes.due, sizes.spread_s),
                "retention": lambda: keeping.run(made, report, sizes.old, 500, sizes.latency_s),
                "gateway": lambda: gateway.run(made, report, sizes.taken),
            }
            for name in (name for name in on_servers if name in parts):
                await _attempt(report, name, on_servers[name])
    return report


async def _at_once(work: Callable[..., None], *arguments: object) -> None:
    work(*arguments)


async def _attempt(report: Report, name: str, work: Work) -> None:
    try:
        await work()
    except (RuntimeError, OSError, TimeoutError) as error:
        report.failed.append(name)
        told(f"{name} did not finish: {error}")


def keep(report: Report, text: str) -> None:
    """A whole run is what docs/bench.md shows: its table goes between the marks."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{text}{END}{after}")
    PAGE.with_suffix(".json").write_bytes(report.json())


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--documents", type=int)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--due", type=int)
    parser.add_argument("--workers", help="of throughput, for example 1 or 1,2 (default: 1,2)")
    parser.add_argument("--sides", default=",".join((HUB, BARE, STREAMS)), help="of throughput (default: all)")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    parts = tuple(options.parts) or PARTS
    if unknown := set(parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    given = {name: value for name in ("documents", "rounds", "due") if (value := getattr(options, name)) is not None}
    sizes = SHORT if options.short else Sizes()
    sizes = Sizes(**{name: given.get(name, getattr(sizes, name)) for name in Sizes.__slots__})
    if options.workers:
        sizes = replace(sizes, worker_counts=tuple(int(text) for text in options.workers.split(",")))
    began = time.perf_counter()
    report = uvloop.run(run(parts, sizes, tuple(options.sides.split(","))))
    report.machine["seconds"] = round(time.perf_counter() - began)
    text = report.markdown()
    sys.stdout.write(text)
    if options.out is not None:
        (options.out / "bench.json").write_bytes(report.json())
        (options.out / "bench-figures.md").write_text(text)
    elif not options.parts and not options.short:
        keep(report, text)
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
