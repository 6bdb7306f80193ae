"""A whole page around its content. Content is written here as HTML; whatever comes from elsewhere goes through `escape` first."""

from datetime import datetime
from html import escape
from typing import Final

from schemas.fields import STOCKHOLM

_WEEKDAYS: Final = ("måndag", "tisdag", "onsdag", "torsdag", "fredag", "lördag", "söndag")
_MONTHS: Final = (
    "januari", "februari", "mars", "april", "maj", "juni", "juli", "augusti", "september", "oktober", "november", "december",
)  # fmt: skip


BRAND: Final = '<header class="brand"><p><img src="/static/icon.svg" alt="" width="28" height="28">Videomöte</p></header>'
"""Above the pages of those who are no staff."""


def page(
    title: str, main: str, *, script: str | None = None, data: dict[str, str] | None = None, staff: str = "", wide: bool = False
) -> str:
    """A document. `script` is a module of /static; `data` becomes data attributes of its body, which the script reads."""
    attributes = "".join(f' data-{name}="{escape(value)}"' for name, value in (data or {}).items())
    module = f'<script type="module" src="/static/{script}"></script>' if script else ""
    return (
        '<!doctype html><html lang="sv"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title>"
        '<link rel="icon" href="/static/icon.svg" type="image/svg+xml"><link rel="stylesheet" href="/static/style.css">'
        f"{module}</head><body{attributes}>"
        '<a class="skip" href="#main">Till innehållet</a>'
        f"{_header(staff) if staff else BRAND}"
        f'<main id="main" class="{"wide" if wide else "narrow"}" tabindex="-1">{main}</main>'
        "<noscript><p>Videomöten behöver JavaScript i webbläsaren.</p></noscript></body></html>"
    )


def clock(at: datetime) -> str:
    """`09:30` in Sweden."""
    return f"{at.astimezone(STOCKHOLM):%H:%M}"


def when(at: datetime) -> str:
    """`2024-04-10 16:15`, as invitations say it."""
    return f"{at.astimezone(STOCKHOLM):%Y-%m-%d %H:%M}"


def day(at: datetime) -> str:
    """`tisdag 10 april`."""
    local = at.astimezone(STOCKHOLM)
    return f"{_WEEKDAYS[local.weekday()]} {local.day} {_MONTHS[local.month - 1]}"


def _header(name: str) -> str:
    return (
        '<header><nav aria-label="Sidor"><a href="/">Dagens möten</a></nav>'
        f'<p>Inloggad: {escape(name)} <a href="/logout">Logga ut</a></p></header>'
    )
