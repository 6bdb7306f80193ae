"""What is left of a letter's formatting (C6), and the addresses in it that become links.

The sanitiser keeps an allow list of tags without attributes (but for the spans of table cells) and drops the
rest: scripts, styles, images, foreign markup with their content; other tags without it, so that no sentence
of a letter is ever lost. Anchors of the source go too: a link is shown only for an address that the reader
can see in full.
"""

import re
from collections.abc import Iterable
from html import escape, unescape
from typing import Final, Literal

import nh3

TAGS: Final = frozenset(
    ["p", "div", "br", "b", "strong", "i", "em", "ul", "ol", "li", "h1", "h2", "h3", "h4", "h5", "h6", "table",
     "caption", "thead", "tbody", "tfoot", "tr", "th", "td"]
)  # fmt: skip
"""Paragraphs (editors write `div` for them too), bold, italic, lists, headings, tables."""

DROPPED_WITH_CONTENT: Final = frozenset(
    ["script", "style", "svg", "math", "template", "iframe", "object", "noframes", "noembed", "noscript", "title",
     "audio", "video", "canvas"]
)  # fmt: skip

_SPAN: Final = re.compile(r"[1-9][0-9]{0,2}")
_TAG: Final = re.compile(r"(<[^>]*>)")
_SPACE_OR_QUOTE: Final = r"\s<>\"`{}|\\^“”„«»\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\x00-\x1f\x7f-\x9f"
_ADDRESS: Final = re.compile(rf"(?<![0-9A-Za-z])https?://[0-9A-Za-z\[][^{_SPACE_OR_QUOTE}]*", re.IGNORECASE)
_AFTER: Final = ".,;:!?)"
_CLEANER: Final = nh3.Cleaner(
    tags=set(TAGS),
    clean_content_tags=set(DROPPED_WITH_CONTENT),
    attributes={"td": {"colspan", "rowspan"}, "th": {"colspan", "rowspan"}},
    attribute_filter=lambda tag, name, value: value if _SPAN.fullmatch(value) else None,
    strip_comments=True,
    link_rel=None,
    generic_attribute_prefixes=set(),
    url_schemes=set(),
)


def sanitise(body_html: str) -> str:
    """The HTML of a letter's body as app and mailbox may show it, its addresses made clickable."""
    return "".join(
        part if part.startswith("<") else _with_anchors(unescape(part)) for part in _TAG.split(_cleaned(body_html))
    )


def from_text(body: str) -> str:
    """Plain text as HTML: escaped, lines and paragraphs kept, its addresses made clickable."""
    lines = body.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "<p>" + "<br>".join(_with_anchors(line) for line in lines) + "</p>"


def links(body: str, footer: str, body_format: Literal["text", "html"] = "text") -> list[str]:
    """The addresses written in full in body and footer, in their order, each once."""
    texts = [body] if body_format == "text" else _texts(_cleaned(body))
    found = (address for text in (*texts, footer) for _, _, address in _addresses(text))
    return list(dict.fromkeys(found))


def plain(body_html: str) -> str:
    """The text of an HTML body without any markup, for searches such as that for control codes (C2)."""
    return "".join(_texts(_cleaned(body_html)))


def _cleaned(body_html: str) -> str:
    return _CLEANER.clean(body_html)


def _texts(cleaned: str) -> list[str]:
    return [unescape(part) for part in _TAG.split(cleaned) if not part.startswith("<")]


def _addresses(text: str) -> Iterable[tuple[int, int, str]]:
    if "://" not in text:
        return
    for match in _ADDRESS.finditer(text):
        address = match.group().rstrip(_AFTER)
        if len(address) > address.index("://") + 3:
            yield match.start(), match.start() + len(address), address


def _with_anchors(text: str) -> str:
    parts: list[str] = []
    end = 0
    for start, stop, address in _addresses(text):
        parts.append(escape(text[end:start], quote=False))
        parts.append(f'<a href="{escape(address)}" rel="noopener noreferrer">{escape(address, quote=False)}</a>')
        end = stop
    parts.append(escape(text[end:], quote=False))
    return "".join(parts)
