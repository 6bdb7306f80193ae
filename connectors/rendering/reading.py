"""Sanitised HTML, or plain text, to the blocks of a letter.

The sanitiser's output is balanced, so a stack of open elements is enough; no function here calls itself, so that depth costs
nothing. Looks (bold, italic) may stand around blocks: they are counted, and every run of text carries its own.
"""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final, Literal

from connectors.rendering.glyphs import printable
from connectors.rendering.tree import BREAK, CELLS_MAX, LEVELS_MAX, TABLES_MAX, Block, Blocks, Cell, Heading, Items, Paragraph, Run, grid
from schemas import html

HEADINGS: Final = {f"h{level}": level for level in range(1, 7)}
STRONG: Final = frozenset(["b", "strong"])
EMPHASIS: Final = frozenset(["i", "em"])
HEAD_CHARS_MAX: Final = 400
"""A longer heading row is not repeated on every page."""

_SPACE: Final = re.compile(r"[ \t\n\r\f]+")
_UNWRITABLE: Final = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_PARAGRAPHS: Final = re.compile(r"\n[ \t]*(?:\n[ \t]*)+")


def read(body: str, body_format: Literal["text", "html"]) -> Blocks:
    """The blocks of a body or footer, its addresses made links (C6).

    Raises `ValueError` for markup whose cleaning would take minutes: what came by the hub's doors is no such (`schemas.html.is_costly`).
    """
    if body_format == "text":
        lines = body.replace("\r\n", "\n").replace("\r", "\n")
        return _blocks("".join(html.from_text(part) for part in _PARAGRAPHS.split(lines)))
    if html.is_costly(body):
        raise ValueError("markup nested too deep or too much of it")
    return _blocks(html.sanitise(body))


def plain(text: str) -> str:
    """A line of text without what cannot be written."""
    return _UNWRITABLE.sub("", text)


def _blocks(markup: str) -> Blocks:
    reader = _Reader()
    reader.feed(markup)
    reader.close()
    return _stepwise(reader.finish())


def _stepwise(blocks: Blocks) -> Blocks:
    """Heading levels that skip none (PDF/UA-1, ISO 14289-1 section 7.4.2), below the title's."""
    last = 1
    made: list[Block] = []
    for block in blocks:
        if isinstance(block, Heading) and not printable("".join(run.text for run in block.runs)).strip():
            block = Paragraph(block.runs)  # a heading must say something
        elif isinstance(block, Heading):
            last = min(block.level + 1, last + 1, 6)
            block = Heading(last, block.runs)
        made.append(block)
    return tuple(made)


@dataclass(slots=True)
class _Flow:
    """An open element that holds blocks: the letter, an item, a cell, a caption."""

    tag: str
    blocks: list[Block] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    heading: int = 0
    is_head: bool = False
    columns: int = 1
    rows: int = 1

    def write(self, run: Run) -> None:
        """Text without space where a line begins, and as one run with what looks the same before it."""
        if run is not BREAK:
            before = self.runs[-1] if self.runs else BREAK
            text = run.text.lstrip(" ") if before.text.endswith((" ", "\n")) else run.text
            if not text:
                return
            if before is not BREAK and before[1:] == run[1:]:
                self.runs[-1] = replace_text(before, before.text + text)
                return
            run = replace_text(run, text)
        self.runs.append(run)

    def end_paragraph(self) -> None:
        runs, self.runs = _trimmed(self.runs), []
        if runs:
            self.blocks.append(Heading(self.heading, runs) if self.heading else Paragraph(runs))


def replace_text(run: Run, text: str) -> Run:
    return run._replace(text=text)


def _trimmed(runs: list[Run]) -> tuple[Run, ...]:
    """Without breaks and space at both ends; a paragraph of only breaks is none."""
    first, last = 0, len(runs)
    while first < last and runs[first] is BREAK:
        first += 1
    while last > first and not runs[last - 1].text.strip(" \n"):
        last -= 1
    kept = runs[first:last]
    if kept:
        kept[-1] = replace_text(kept[-1], kept[-1].text.rstrip(" "))
    return tuple(kept)


@dataclass(slots=True)
class _List:
    tag: str
    items: list[Blocks] = field(default_factory=list)


@dataclass(slots=True)
class _Table:
    tag: str = "table"
    caption: list[Run] = field(default_factory=list)
    sections: dict[str, list[list[Cell]]] = field(default_factory=lambda: {"thead": [], "tbody": [], "tfoot": []})
    section: str = "tbody"


@dataclass(slots=True)
class _Flat:
    """An open element that is nested too deep, or stands nowhere: its content goes where it is, as paragraphs."""

    tag: str


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._flows = [_Flow("")]
        self._stack: list[_Flow | _List | _Table | _Flat] = []
        self._levels = 0
        self._tables = 0
        self._cells = 0
        self._strong = self._emphasis = 0
        self._address = ""

    def finish(self) -> Blocks:
        while self._stack:
            self._close(self._stack.pop())
        self._flows[0].end_paragraph()
        return tuple(self._flows[0].blocks)

    def handle_data(self, data: str) -> None:
        text = _SPACE.sub(" ", _UNWRITABLE.sub("", data))
        holder = self._stack[-1] if self._stack else None
        if not text or (text == " " and isinstance(holder, _List | _Table)):
            return
        self._flow().write(Run(text, self._strong > 0, self._emphasis > 0, self._address))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in STRONG:
            self._strong += 1
        elif tag in EMPHASIS:
            self._emphasis += 1
        elif tag == "a":
            self._address = dict(attrs).get("href") or ""
        elif tag == "br":
            self._flow().write(BREAK)
        else:
            self._block(tag, dict(attrs))

    def handle_endtag(self, tag: str) -> None:
        if tag in STRONG:
            self._strong -= 1
        elif tag in EMPHASIS:
            self._emphasis -= 1
        elif tag == "a":
            self._address = ""
        elif tag in ("p", "div") or tag in HEADINGS:
            flow = self._flow()
            flow.end_paragraph()
            if tag in HEADINGS:
                flow.heading = 0
        elif any(each.tag == tag for each in self._stack):
            while True:
                each = self._stack.pop()
                self._close(each)
                if each.tag == tag:
                    break

    def _flow(self) -> _Flow:
        """Where text goes. Text right in a list is an item of its own."""
        if self._stack and isinstance(self._stack[-1], _List):
            self._open(_Flow("li-unsaid"))
        return self._flows[-1]

    def _block(self, tag: str, attrs: dict[str, str | None]) -> None:
        holder = self._stack[-1] if self._stack else None
        if isinstance(holder, _Flow) and holder.tag == "li-unsaid" and tag == "li":
            self._close(self._stack.pop())
            holder = self._stack[-1]
        match tag:
            case "p" | "div":
                self._flow().end_paragraph()
            case "h1" | "h2" | "h3" | "h4" | "h5" | "h6":
                flow = self._flow()
                flow.end_paragraph()
                flow.heading = HEADINGS[tag]
            case "li" if isinstance(holder, _List):
                self._open(_Flow(tag))
            case "ul" | "ol" if self._levels < LEVELS_MAX:
                self._flow().end_paragraph()
                self._levels += 1
                self._stack.append(_List(tag))
            case "table" if self._levels < LEVELS_MAX and self._tables < TABLES_MAX:
                self._flow().end_paragraph()
                self._levels += 1
                self._tables += 1
                self._stack.append(_Table())
            case "thead" | "tbody" | "tfoot" if isinstance(holder, _Table):
                holder.section = tag
            case "tr" if isinstance(holder, _Table):
                holder.sections[holder.section].append([])
            case "td" | "th" if isinstance(holder, _Table) and holder.sections[holder.section]:
                self._cells += 1
                self._open(_Flow(tag, is_head=tag == "th", columns=_span(attrs, "colspan"), rows=_span(attrs, "rowspan")))
            case "caption" if isinstance(holder, _Table):
                self._open(_Flow(tag))
            case _:
                self._flow().end_paragraph()
                self._stack.append(_Flat(tag))

    def _open(self, flow: _Flow) -> None:
        self._stack.append(flow)
        self._flows.append(flow)

    def _close(self, closed: _Flow | _List | _Table | _Flat) -> None:
        match closed:
            case _Flow():
                closed.end_paragraph()
                self._flows.pop()
                self._put(closed)
            case _List():
                self._levels -= 1
                items = tuple(item for item in closed.items if item)
                if items:
                    self._flow().blocks.append(Items(closed.tag == "ol", items))
            case _Table():
                self._levels -= 1
                self._tables -= 1
                self._flow().blocks.extend(self._table(closed))
            case _Flat():
                self._flow().end_paragraph()

    def _put(self, flow: _Flow) -> None:
        """A closed item, cell or caption, into what holds it."""
        holder = self._stack[-1]
        blocks = tuple(_unheaded(block) for block in flow.blocks)
        if isinstance(holder, _List):
            holder.items.append(blocks)
        elif isinstance(holder, _Table) and flow.tag == "caption":
            for block in blocks:
                holder.caption += (*([BREAK] if holder.caption else ()), *_runs(block))
        elif isinstance(holder, _Table):
            holder.sections[holder.section][-1].append(Cell(blocks, flow.is_head, flow.columns, flow.rows))

    def _table(self, table: _Table) -> Blocks:
        """A table in its grid, or row by row as paragraphs where it is too large for a page."""
        head, body, foot = (table.sections[name] for name in ("thead", "tbody", "tfoot"))
        if not head:
            while body and body[0] and all(cell.is_head for cell in body[0]):
                head, body = [*head, body[0]], body[1:]
        rows = [*head, *body, *foot]
        names = sum(len(run.text) for row in head for cell in row for block in cell.blocks for run in _runs(block))
        simple = names <= HEAD_CHARS_MAX and all(isinstance(block, Paragraph) for row in head for cell in row for block in cell.blocks)
        made = grid(tuple(table.caption), rows, len(head) if simple else 0) if self._cells <= CELLS_MAX else None
        if made is not None:
            return (made,)
        captioned: Blocks = (Paragraph(tuple(table.caption)),) if table.caption else ()
        return (*captioned, *(block for row in rows for cell in row for block in cell.blocks))


def _span(attrs: dict[str, str | None], name: str) -> int:
    return int(attrs.get(name) or 1)


def _unheaded(block: Block) -> Block:
    """A heading within a list or table is bold: the order of headings is the letter's, not a cell's."""
    if not isinstance(block, Heading):
        return block
    return Paragraph(tuple(run if run is BREAK else replace_strong(run) for run in block.runs))


def replace_strong(run: Run) -> Run:
    return run._replace(strong=True)


def _runs(block: Block) -> tuple[Run, ...]:
    return block.runs if isinstance(block, Paragraph | Heading) else ()
