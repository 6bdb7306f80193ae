"""The icons, drawn here: the same on every machine, whatever its fonts. One hidden sprite a page, used by name."""

from typing import Final

_PATHS: Final = {
    "mic": "M12 3a3 3 0 0 0-3 3v6a3 3 0 0 0 6 0V6a3 3 0 0 0-3-3zM6 11v1a6 6 0 0 0 12 0v-1M12 18v3",
    "camera": "M3 7h11v10H3zM14 10.5 21 7v10l-7-3.5z",
    "screen": "M3 4h18v12H3zM8 20h8M12 16v4M12 13V7M9 10l3-3 3 3",
    "hand": "M8 12V5.5a1.5 1.5 0 0 1 3 0V11V4a1.5 1.5 0 0 1 3 0v7V5.5a1.5 1.5 0 0 1 3 0V14a7 7 0 0 1-7 7c-3 0-4.5-1.5-6-4.5L3.5 13"
    "a1.5 1.5 0 0 1 2.600-1.300L8 14z",
    "layout": "M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM13 13h7v7h-7z",
    "people": "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM3 20a6 6 0 0 1 12 0zM16 4.5a3.5 3.5 0 0 1 0 6.5M17.5 14.5A6 6 0 0 1 21 20",
    "chat": "M4 5h16v11H10l-4 4v-4H4z",
    "settings": "M4 7h9M17 7h3M15 5v4M4 17h3M11 17h9M9 15v4M4 12h4M12 12h8M10 10v4",
    "end": "M6 6h12v12H6z",
    "leave": "M6 6l12 12M18 6 6 18",
    "pin": "M9 3h6l-1 7 3 3H7l3-3zM12 13v8",
    "more": "M5 12h.01M12 12h.01M19 12h.01",
}


def sprite() -> str:
    """Put once into a page that uses icons."""
    symbols = "".join(f'<symbol id="i-{name}" viewBox="0 0 24 24"><path d="{path}"/></symbol>' for name, path in _PATHS.items())
    return f'<svg class="hidden" aria-hidden="true" focusable="false">{symbols}</svg>'


def icon(name: str) -> str:
    """One icon."""
    assert name in _PATHS
    return f'<svg class="icon" aria-hidden="true" focusable="false"><use href="#i-{name}"></use></svg>'
