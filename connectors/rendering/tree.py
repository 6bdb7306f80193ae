"""The blocks of a letter: what HTML and PDF are both made of, so that they say the same.

A letter is at most so much of a tree: what is nested deeper stays as paragraphs, tables with too many columns or cells too,
and no text is ever lost by it. Whatever somebody writes costs no more than its length.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

LEVELS_MAX: Final = 4
"""Lists and tables within each other."""
TABLES_MAX: Final = 2
"""Tables within each other: each level is measured many times by the one around it."""
COLUMNS_MAX: Final = 12
"""More are unreadable on A4."""
CELLS_MAX: Final = 3_000
"""Of all tables of a letter together: a table is laid out as a whole, in more than its length."""


class Run(NamedTuple):
    """Text of one look. A line break is a run with the text `\\n` alone."""

    text: str
    strong: bool = False
    emphasis: bool = False
    address: str = ""
    """Where it leads, if it is a link (C6)."""


BREAK: Final = Run("\n")


@dataclass(frozen=True, slots=True)
class Paragraph:
    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class Heading:
    """`level` 2 to 6, never more than one deeper than the heading before: level 1 is the letter's title."""

    level: int
    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    ordered: bool
    items: tuple["Blocks", ...]


@dataclass(frozen=True, slots=True)
class Cell:
    blocks: "Blocks"
    is_head: bool = False
    columns: int = 1
    rows: int = 1


@dataclass(frozen=True, slots=True)
class Table:
    """A whole grid: the spans of every row add up to `columns`. The first `head` rows name the columns."""

    caption: tuple[Run, ...]
    columns: int
    head: int
    rows: tuple[tuple[Cell, ...], ...]


Block = Paragraph | Heading | Items | Table
Blocks = tuple[Block, ...]


def grid(caption: tuple[Run, ...], rows: list[list[Cell]], head: int) -> Table | None:
    """A table whose spans fit, after HTML's own way to place cells (section 4.9.12); None where it is too wide for a page."""
    head = head if head < len(rows) else 0
    taken: dict[int, int] = {}
    placed: list[list[Cell]] = []
    wide = 0
    for number, row in enumerate(rows):
        left = (head if number < head else len(rows)) - number
        column = 0
        cells: list[Cell] = []
        for cell in row:
            while taken.get(column, 0):
                column += 1
            span = 1
            while span < cell.columns and column + span < COLUMNS_MAX and not taken.get(column + span, 0):
                span += 1
            down = min(cell.rows, left)
            for place in range(column, column + span):
                taken[place] = down
            column += span
            cells.append(Cell(cell.blocks, cell.is_head, span, down))
            if column > COLUMNS_MAX:
                return None
        wide = max(wide, *(place + 1 for place, down in taken.items() if down), 0)
        placed.append(cells)
        taken = {place: down - 1 for place, down in taken.items() if down > 1}
    return Table(caption, wide, head, _filled(placed, wide)) if wide else None


def _filled(rows: list[list[Cell]], columns: int) -> tuple[tuple[Cell, ...], ...]:
    """Empty cells at the end of the rows that are too short."""
    taken = [0] * columns
    made: list[tuple[Cell, ...]] = []
    for row in rows:
        free = taken.count(0) - sum(cell.columns for cell in row)
        cells = (*row, *(Cell(()) for _ in range(free)))
        column = 0
        for cell in cells:
            while taken[column]:
                column += 1
            for place in range(column, column + cell.columns):
                taken[place] = cell.rows
            column += cell.columns
        taken = [max(down - 1, 0) for down in taken]
        made.append(cells)
    return tuple(made)
