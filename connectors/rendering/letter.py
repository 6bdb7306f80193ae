"""A letter's two forms from one reading of it."""

from connectors.rendering.content import RenderContent, Rendered
from connectors.rendering.page import page
from connectors.rendering.pdf import pdf
from connectors.rendering.reading import read


def render(content: RenderContent) -> Rendered:
    """HTML and PDF of a document: the same content, the same bytes. Costs CPU (docs/bench.md): call it in a thread."""
    body = read(content.body, content.body_format)
    footer = read(content.footer, "text")
    return Rendered(page(content, body, footer), pdf(content, body, footer))
