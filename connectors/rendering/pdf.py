"""Blocks as a tagged PDF (PDF/A-2a, PDF/UA-1): data for `letter.typ`, which typst lays out.

Nothing of a letter is ever part of typst's source: the template is fixed, and the letter reaches it as JSON in an input. Only the fonts
within the wheel are used, so the bytes are the same on every machine. What makes layout slow is bounded before it begins, as it cannot
be stopped once begun: nesting, columns and cells by `tree`, here the length of a paragraph, and the number of lines and runs. What is
beyond runs on as plain text; no word is ever left out. The longest body that the doors take (a million characters) takes seconds.
"""

import re
import threading
from collections.abc import Iterator
from importlib.resources import files
from typing import Any, Final
from urllib.parse import quote

import orjson
import typst

from connectors.rendering.content import RenderContent
from connectors.rendering.glyphs import printable
from connectors.rendering.tree import BREAK, Block, Blocks, Cell, Heading, Items, Paragraph, Run, Table

STANDARDS: Final[list["typst.PDFStandard"]] = ["a-2a", "ua-1"]
LINE_CHARS: Final = 80
"""About as many letters as a line of the page holds."""
LINE_CHARS_MIN: Final = 4
PARTS_MAX: Final = 20_000
"""Runs, breaks, paragraphs, items and rows of a letter; of one with more, only the text is kept."""
PARAGRAPH_CHARS_MAX: Final = 8_000
"""A longer one is divided: a PDF string has at most 32,767 bytes (ISO 19005-2 section 6.1.13)."""
CAREFUL_CHARS_MAX: Final = 2_000
"""Longer paragraphs, and those with words longer than a line, get their lines broken one after the other, not weighed together."""
ADDRESS_CHARS_MAX: Final = 2_000
"""A longer address stays text: PDF readers cut them."""

_STRONG, _EMPHASIS, _BREAK = 1, 2, 4
_URI: Final = "%!#$&'()*+,/:;=?@[]~"
"""Stays as it is; other characters are written as UTF-8 in per cents (RFC 3987 section 3.1), as a PDF's addresses are ASCII."""
_TEMPLATE: Final = files(__package__).joinpath("letter.typ").read_bytes()
_PIECES: Final = re.compile(r"[^/?&=._-]{1,12}[/?&=._-]?|[/?&=._-]")
_local = threading.local()


def pdf(content: RenderContent, body: Blocks, footer: Blocks) -> bytes:
    """The letter's bytes. Takes CPU, without the interpreter's lock while it does: for a thread, not for the event loop."""
    title = printable(content.heading).strip() or content.kind_word
    letter = {
        "title": title,
        "unit": printable(content.unit),
        "kind": content.kind_word,
        "day": content.day,
        "sent": [content.sent.year, content.sent.month, content.sent.day],
        "heading": _runs((Run(title),), LINE_CHARS),
        "body": _blocks(body if _parts(body) <= PARTS_MAX else _run_on(body), LINE_CHARS, 0),
        "footer": _blocks(footer, LINE_CHARS, 0),
    }
    made = _compiler().compile(_TEMPLATE, format="pdf", pdf_standards=STANDARDS, sys_inputs={"letter": orjson.dumps(letter).decode()})
    assert isinstance(made, bytes)
    return made


def _compiler() -> typst.Compiler:
    """One a thread: a compiler does one thing at a time."""
    made: typst.Compiler | None = getattr(_local, "compiler", None)
    if made is None:
        made = _local.compiler = typst.Compiler(font_paths=typst.Fonts(include_system_fonts=False), ignore_system_fonts=True)
    return made


def _blocks(blocks: Blocks, line: int, level: int) -> list[dict[str, Any]]:
    return [_block(part, max(line, LINE_CHARS_MIN), level) for block in blocks for part in _divided(block)]


def _divided(block: Block) -> Iterator[Block]:
    """A paragraph or heading in parts of at most `PARAGRAPH_CHARS_MAX`, cut between words where there are any."""
    if not isinstance(block, Paragraph | Heading) or sum(len(run.text) for run in block.runs) <= PARAGRAPH_CHARS_MAX:
        yield block
        return
    held: list[Run] = []
    room = PARAGRAPH_CHARS_MAX
    for run in block.runs:
        text = run.text
        while len(text) > room:
            cut = text.rfind(" ", 0, room) + 1 or room
            yield Paragraph((*held, run._replace(text=text[:cut])))
            held, text, room = [], text[cut:], PARAGRAPH_CHARS_MAX
        held.append(BREAK if run is BREAK else run._replace(text=text))
        room -= len(text)
    yield Paragraph(tuple(held))


def _parts(blocks: Blocks) -> int:
    """How many things there are to lay out."""
    return sum(1 for _ in _all_runs(blocks))


def _run_on(blocks: Blocks) -> Blocks:
    return (Paragraph((Run(" ".join(run.text for run in _all_runs(blocks) if run is not BREAK)),)),)


def _all_runs(blocks: Blocks) -> Iterator[Run]:
    """Every run, and a break for every block, item and row."""
    for block in blocks:
        yield BREAK
        match block:
            case Paragraph(runs) | Heading(_, runs):
                yield from runs
            case Items(_, items):
                for item in items:
                    yield BREAK
                    yield from _all_runs(item)
            case Table():
                yield from block.caption
                for row in block.rows:
                    yield BREAK
                    for cell in row:
                        yield from _all_runs(cell.blocks)


def _block(block: Block, line: int, level: int) -> dict[str, Any]:
    match block:
        case Paragraph(runs):
            made = _runs(runs, line)
            is_long = sum(len(run.text) for run in runs) > CAREFUL_CHARS_MAX or any(len(run[0]) > 1 for run in made)
            return {"k": "p", "r": made, "s": is_long}
        case Heading(depth, runs):
            return {"k": "h", "l": depth, "r": _runs(runs, line)}
        case Items(ordered, items):
            return {"k": "ol" if ordered else "ul", "i": [_blocks(item, line - 4, level + 1) for item in items]}
        case Table():
            return _table(block, line, level)


def _table(table: Table, line: int, level: int) -> dict[str, Any]:
    rows = [[_cell(cell, line * cell.columns // table.columns - 2, level) for cell in row] for row in table.rows]
    head, body = ([cell for row in part for cell in row] for part in (rows[: table.head], rows[table.head :]))
    return {"k": "table", "r": _runs(table.caption, line), "n": table.columns, "w": level == 0, "h": head, "b": body}


def _cell(cell: Cell, line: int, level: int) -> dict[str, Any]:
    return {"c": cell.columns, "r": cell.rows, "th": cell.is_head, "b": _blocks(cell.blocks, line, level + 1)}


def _runs(runs: tuple[Run, ...], line: int) -> list[list[Any]]:
    """`[pieces, marks, address?]` for each run; between the pieces a line may break where a word is longer than it."""
    made: list[list[Any]] = []
    for run in runs:
        if run is BREAK:
            made.append([[], _BREAK])
            continue
        marks = _STRONG * run.strong + _EMPHASIS * run.emphasis
        address = [quote(run.address, safe=_URI)] if 0 < len(run.address) <= ADDRESS_CHARS_MAX else []
        made.append([_pieces(printable(run.text), line), marks, *address])
    return made


def _pieces(text: str, line: int) -> list[str]:
    if len(text) <= line // 2:
        return [text]
    pieces: list[str] = []
    whole = ""
    for word in re.split(r"(\s+)", text):
        if len(word) <= line // 2:
            whole += word
            continue
        broken = _broken(word, line)
        pieces += [whole + broken[0], *broken[1:-1]]
        whole = broken[-1]
    return [*pieces, whole] if whole else pieces


def _broken(word: str, line: int) -> list[str]:
    """A word in pieces of a dozen letters, or fewer where the line is short; addresses break after their signs."""
    size = min(12, max(line // 3, 1))
    if size == 12:
        found = _PIECES.findall(word)
        if len(found) > 1:
            return list(found)
    return [word[at : at + size] for at in range(0, len(word), size)] if len(word) > size else [word, ""]
