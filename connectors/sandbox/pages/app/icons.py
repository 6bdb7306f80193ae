"""Small line drawings of our own, beside words and never instead of them: hidden from those who hear the page."""

from typing import Final

from connectors.sandbox.pages.markup import Html

_PATHS: Final = {
    "home": "M4 11.5 12 5l8 6.5M6 10v9h4.5v-5h3v5H18v-9",
    "document": "M7 4h7l4 4v12H7zM14 4v4h4M10 12h5M10 15.5h5",
    "calendar": "M5 7h14v12H5zM5 11h14M9 4.5V8M15 4.5V8",
    "person": "M12 12a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM5 20c.6-3.6 3.4-5.5 7-5.5s6.4 1.9 7 5.5",
    "people": "M9 11.5a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM3.5 19c.4-3 2.5-4.7 5.5-4.7s5.1 1.7 5.5 4.7"
    "M15.5 5.8a3 3 0 0 1 0 5.4M17 14.6c2 .5 3.2 2 3.5 4.4",
    "video": "M4 7h11v10H4zM15 11l5-3v8l-5-3",
    "chat": "M4.5 5.5h15v10.5h-9L6 19.5V16H4.5z",
    "clip": "M8 12.5l5.3-5.3a2.8 2.8 0 0 1 4 4L10.5 18a4.3 4.3 0 0 1-6-6l6.2-6.2",
    "check": "M5 12.5l4.5 4.5L19 7.5",
    "lock": "M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3",
    "next": "M9.5 6l6 6-6 6",
    "back": "M14.5 6l-6 6 6 6",
}


def icon(name: str) -> Html:
    """An icon in the colour of the text around it."""
    return Html(f'<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d="{_PATHS[name]}"/></svg>')
