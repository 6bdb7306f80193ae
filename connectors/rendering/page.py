"""Blocks as a whole HTML document for a mailbox: valid, and without a reference to anything (Mina meddelanden, Kivra).

No script, no style, no picture: the mailbox has its own look. The only links are the addresses that the reader sees in full (C6).
"""

from html import escape

from connectors.rendering.content import RenderContent
from connectors.rendering.tree import BREAK, Block, Blocks, Cell, Heading, Items, Paragraph, Run, Table


def page(content: RenderContent, body: Blocks, footer: Blocks) -> str:
    """The document, in UTF-8."""
    title, unit = (escape(text, quote=False) for text in (content.heading, content.unit))
    ending = f"<footer>\n<hr>\n{_flow(footer)}</footer>\n" if footer else ""
    return (
        '<!DOCTYPE html>\n<html lang="sv">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{title}</title>\n</head>\n<body>\n"
        f"<header>\n<p>{unit}<br>{content.kind_word} {content.day}</p>\n</header>\n"
        f"<main>\n<h1>{title}</h1>\n{_flow(body)}</main>\n{ending}</body>\n</html>\n"
    )


def _flow(blocks: Blocks) -> str:
    return "".join(_block(block) + "\n" for block in blocks)


def _block(block: Block) -> str:
    match block:
        case Paragraph(runs):
            return f"<p>{_inline(runs)}</p>"
        case Heading(level, runs):
            return f"<h{level}>{_inline(runs)}</h{level}>"
        case Items(ordered, items):
            tag = "ol" if ordered else "ul"
            return f"<{tag}>\n" + "".join(f"<li>{_within(item)}</li>\n" for item in items) + f"</{tag}>"
        case Table():
            return _table(block)


def _table(table: Table) -> str:
    caption = f"<caption>{_inline(table.caption)}</caption>\n" if table.caption else ""
    head, body = (
        "".join(f"<tr>{''.join(map(_cell, row))}</tr>\n" for row in rows) for rows in (table.rows[: table.head], table.rows[table.head :])
    )
    return "<table>\n" + caption + (f"<thead>\n{head}</thead>\n" if head else "") + f"<tbody>\n{body}</tbody>\n</table>"


def _cell(cell: Cell) -> str:
    tag = "th" if cell.is_head else "td"
    spans = "".join(f' {name}="{span}"' for name, span in (("colspan", cell.columns), ("rowspan", cell.rows)) if span > 1)
    return f"<{tag}{spans}>{_within(cell.blocks)}</{tag}>"


def _within(blocks: Blocks) -> str:
    """A lone paragraph needs no element of its own in an item or cell."""
    if blocks and isinstance(blocks[0], Paragraph) and not any(isinstance(block, Paragraph) for block in blocks[1:]):
        return _inline(blocks[0].runs) + "".join("\n" + _block(block) for block in blocks[1:])
    return "\n".join(map(_block, blocks))


def _inline(runs: tuple[Run, ...]) -> str:
    return "".join("<br>" if run is BREAK else _run(run) for run in runs)


def _run(run: Run) -> str:
    text = escape(run.text, quote=False)
    if run.address:
        text = f'<a href="{escape(run.address)}" rel="noopener noreferrer">{text}</a>'
    if run.emphasis:
        text = f"<em>{text}</em>"
    return f"<strong>{text}</strong>" if run.strong else text
