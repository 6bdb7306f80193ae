"""A document as what a channel or a printer gets: a whole HTML page and a tagged PDF of the same content.

    content    what goes in, and what comes out
    tree       blocks: paragraphs, headings, lists, tables, made of sanitised HTML or of text, within named bounds
    reading    HTML's tags to blocks
    page       blocks to HTML for a mailbox
    pdf        blocks to PDF/A-2a and PDF/UA-1, by typst and `letter.typ`
    glyphs     which characters the fonts have

Pure: no clock, no chance, no file but the template beside it; the same content gives the same bytes on every machine.
"""

from connectors.rendering.content import RenderContent, Rendered
from connectors.rendering.letter import render

__all__ = ["RenderContent", "Rendered", "render"]
