"""What a letter costs to render, as HTML and PDF together: CPU milliseconds and bytes, and whether two threads help."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from statistics import median
from typing import Final

from bench.report import Report
from connectors.rendering import RenderContent, Rendered, render

_PARAGRAPH: Final = (
    "<p>Du är välkommen till oss för ett <b>återbesök</b>. Ta med legitimation och en aktuell läkemedelslista. "
    "Läs mer på https://vard.example/hitta/mottagning. Ring oss om du får förhinder, senast ett dygn före besöket.</p>"
)
_TABLE: Final = (
    "<table><tr><th>Dag</th><th>Tid</th></tr><tr><td>Måndag</td><td>08.00</td></tr><tr><td>Tisdag</td><td>09.30</td></tr></table>"
)
PAGE: Final = "<h2>Ditt besök</h2>" + _PARAGRAPH * 4 + "<ul><li>legitimation</li><li>läkemedelslista</li></ul>" + _TABLE + _PARAGRAPH * 3
LETTER: Final = RenderContent(
    "kallelse", "Kallelse till återbesök", PAGE, "html", "Region Exempel\n[4US:LPAT]", "Mottagningen", date(2026, 11, 27)
)
PAGES: Final = 10


def run(report: Report, rounds: int) -> None:
    """Every letter is another one: layout of what was seen before is remembered, and no two letters are the same."""
    part = report.part("rendering")
    render(LETTER)
    for name, repeats in (("1 page", 1), (f"{PAGES} pages", PAGES)):
        took: list[float] = []
        for number in range(rounds):
            began = time.process_time()
            made = _letter(number, repeats)
            took.append((time.process_time() - began) * 1e3)
        part.figure(f"a letter of {name}", median(took), "ms CPU")
        part.figure(f"its PDF of {name}", len(made.pdf) / 1024, "KiB")
        part.figure(f"its HTML of {name}", len(made.html.encode()) / 1024, "KiB")
    alone, together = (_letters_a_second(threads, rounds) for threads in (1, 2))
    part.figure("letters in two threads over one", together / alone, "times")


def _letter(number: int, repeats: int) -> Rendered:
    body = "".join(
        PAGE.replace("Ditt besök", f"Besök {number}.{part}").replace("Du är", f"Nr {number}.{part}: du är") for part in range(repeats)
    )
    return render(replace(LETTER, body=body))


def _letters_a_second(threads: int, rounds: int) -> float:
    with ThreadPoolExecutor(threads) as pool:
        began = time.perf_counter()
        list(pool.map(lambda number: _letter(1_000 * threads + number, 1), range(rounds * 2)))
        return rounds * 2 / (time.perf_counter() - began)
