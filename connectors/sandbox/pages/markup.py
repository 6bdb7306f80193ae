"""HTML from Python, escaped unless it is HTML already.

`tag("p", "a < b", class_="note")` gives `<p class="note">a &lt; b</p>`. Text is escaped, `Html` is not; attributes that
are None or False are left out, True stands alone; a trailing underscore goes, others become hyphens.
"""

from collections.abc import Iterable
from datetime import datetime
from html import escape
from typing import Any, Final

from schemas.cloudevents import time_text
from schemas.fields import STOCKHOLM

VOID: Final = frozenset({"br", "input", "link", "meta"})


class Html(str):
    """Text that is HTML: nothing in it is escaped again."""

    __slots__ = ()


def tag(element: str, /, *children: Any, **attributes: Any) -> Html:
    """An element. Children may be text, numbers, `Html`, None, or iterables of them."""
    shown = "".join(_attribute(key, value) for key, value in attributes.items())
    if element in VOID:
        return Html(f"<{element}{shown}>")
    return Html(f"<{element}{shown}>{join(children)}</{element}>")


def join(children: Any) -> Html:
    """Children one after the other."""
    if children is None:
        return Html("")
    if isinstance(children, Html):
        return children
    if isinstance(children, str | int | float):
        return Html(escape(str(children)))
    assert isinstance(children, Iterable)
    return Html("".join(join(child) for child in children))


def table(caption: str, heads: Iterable[str], rows: Iterable[Iterable[Any]], empty: str) -> Html:
    """A table with a caption, in a region that scrolls by itself on a narrow screen; a sentence where it has no rows."""
    body = [tag("tr", [tag("td", cell) for cell in row]) for row in rows]
    if not body:
        return tag("p", empty, class_="empty")
    head = tag("thead", tag("tr", [tag("th", text, scope="col") for text in heads]))
    made = tag("table", tag("caption", caption, class_="hidden"), head, tag("tbody", body))
    return tag("div", made, class_="scroll", tabindex="0", role="region", aria_label=caption)


def when(at: datetime) -> Html:
    """A time in Europe/Stockholm, to the minute, with the exact one for machines."""
    return tag("time", f"{at.astimezone(STOCKHOLM):%Y-%m-%d %H:%M}", datetime=time_text(at))


def page(language: str, title: str, body: Html, *, live: bool = False, style: str = "style.css") -> str:
    """A whole document."""
    script = tag("script", src="/static/live.js", type="module") if live else None
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        tag("link", rel="icon", href="data:,"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("link", rel="stylesheet", href=f"/static/{style}"),
        script,
    )
    return "<!doctype html>" + tag("html", head, tag("body", body), lang=language)


def _attribute(name: str, value: Any) -> str:
    if value is None or value is False:
        return ""
    shown = name.rstrip("_").replace("_", "-")
    return f" {shown}" if value is True else f' {shown}="{escape(str(value))}"'
