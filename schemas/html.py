"""What is left of a letter's formatting (C6), and the addresses in it that become links.

The sanitiser keeps an allow list of tags without attributes (but for the spans of table cells) and drops the
rest: scripts, styles, images, foreign markup with their content; other tags without it, so that no sentence
of a letter is ever lost. Anchors of the source go too: a link is shown only for an address that the reader
can see in full.
"""

import re
from collections.abc import Iterator
from html import escape, unescape
from typing import Final, Literal, NamedTuple

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
_SCHEMES: Final = ("https", "http")
_REST: Final = re.compile(rf"[0-9A-Za-z\[][^{_SPACE_OR_QUOTE}]*")
_MOVES: Final = re.compile("<(?:h[1-6]|table)")
_PASSES_MAX: Final = 8
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


_WORK_MAX: Final = 3_000_000
"""Tags times open elements: the parser's work on nested or misnested markup grows with both."""
_TAGS_FEW: Final = 1_500
_AMPERSANDS_MAX: Final = 150_000
"""Twice as many cost four times as much; a million characters of `&aring;` have fewer."""
_NAME: Final = re.compile(r"<(/?)([A-Za-z][^\s/>]{0,20})")
_UNCOUNTED: Final = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr", "p", "li", "tr",
     "td", "th", "thead", "tbody", "tfoot", "dt", "dd", "option", "colgroup"]
)  # fmt: skip
"""Elements without content, and those that the next of their kind closes: writers leave their end out."""


def is_costly(body: str) -> bool:
    """Whether markup is nested so deep, or misnested so often, that cleaning it would take minutes. No letter is: editors close tags."""
    if body.count("&") > _AMPERSANDS_MAX:
        return True
    tags = body.count("<")
    if tags <= _TAGS_FEW:
        return False
    counts: dict[str, int] = {}
    depth = deepest = 0
    for end, name in _NAME.findall(body):
        name = name.lower()
        if name in _UNCOUNTED:
            continue
        if not end:
            counts[name] = counts.get(name, 0) + 1
            depth += 1
            deepest = max(deepest, depth)
        elif counts.get(name, 0):
            counts[name] -= 1
            depth -= 1
    return deepest * tags > _WORK_MAX


class Deliverable(NamedTuple):
    """A letter as app and mailbox get it: the body in its own format, and the addresses of body and footer."""

    body: str
    links: list[str]


def deliverable(body: str, footer: str, body_format: Literal["text", "html"]) -> Deliverable:
    """Body and links together, cleaned once: HTML sanitised, plain text as it is (who shows it escapes it)."""
    if body_format == "text":
        return Deliverable(body, _links([body, footer]) if "://" in body or "://" in footer else [])
    cleaned = _cleaned(body)
    return Deliverable(_clickable(cleaned), _links([*_texts(cleaned, "://"), footer]))


def sanitise(body_html: str) -> str:
    """The HTML of a letter's body as app and mailbox may show it, its addresses made clickable."""
    return _clickable(_cleaned(body_html))


def from_text(body: str) -> str:
    """Plain text as HTML: escaped, lines and paragraphs kept, its addresses made clickable."""
    lines = body.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "<p>" + "<br>".join(_with_anchors(line) for line in lines) + "</p>"


def links(body: str, footer: str, body_format: Literal["text", "html"] = "text") -> list[str]:
    """The addresses written in full in body and footer, in their order, each once."""
    return _links([*([body] if body_format == "text" else _texts(_cleaned(body), "://")), footer])


def plain(body_html: str) -> str:
    """The text of an HTML body without any markup, for searches such as that for control codes (C2)."""
    return "".join(_texts(_cleaned(body_html)))


def _cleaned(body_html: str) -> str:
    """The sanitiser's fixed point: what a browser reads of it is what it says.

    HTML's rules move misplaced headings and what stands wrongly in tables, and what is moved may have to be
    moved once more; other tags stay where one pass put them (tried by 40,000 random nestings).
    """
    cleaned = _CLEANER.clean(body_html)
    for _ in range(_PASSES_MAX):
        if _MOVES.search(cleaned) is None or (again := _CLEANER.clean(cleaned)) == cleaned:
            break
        cleaned = again
    return cleaned


def _clickable(cleaned: str) -> str:
    if "://" not in cleaned:
        return cleaned
    return "".join(_with_anchors(unescape(part)) if "://" in part and part[0] != "<" else part for part in _TAG.split(cleaned))


def _links(texts: list[str]) -> list[str]:
    return list(dict.fromkeys(address for text in texts for _, _, address in _addresses(text)))


def _texts(cleaned: str, holding: str = "") -> list[str]:
    """The texts between the tags (of those, the ones that hold something)."""
    return [unescape(part) for part in _TAG.split(cleaned) if part and part[0] != "<" and holding in part]


def _addresses(text: str) -> Iterator[tuple[int, int, str]]:
    """Start, end and text of every address written in full; found by its `://`, so that a text without is quick."""
    place, end = text.find("://"), 0
    while place >= 0:
        before = text[max(place - 5, end) : place].lower()
        scheme = next((name for name in _SCHEMES if before.endswith(name)), "")
        start = place - len(scheme)
        rest = _REST.match(text, place + 3)
        if scheme and rest is not None and not (start > end and text[start - 1].isalnum()):
            address = text[start : rest.end()].rstrip(_AFTER)
            end = start + len(address)
            yield start, end, address
        place = text.find("://", max(place + 3, end))


def _with_anchors(text: str) -> str:
    parts: list[str] = []
    end = 0
    for start, stop, address in _addresses(text):
        parts.append(escape(text[end:start], quote=False))
        parts.append(f'<a href="{escape(address)}" rel="noopener noreferrer">{escape(address, quote=False)}</a>')
        end = stop
    parts.append(escape(text[end:], quote=False))
    return "".join(parts)
