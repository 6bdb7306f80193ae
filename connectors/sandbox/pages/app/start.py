"""The first page after logging in: what is new, what comes next, and whom else there is something for."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from connectors.sandbox.pages.app import words
from connectors.sandbox.pages.app.access import Subject, bookings_of, documents_of
from connectors.sandbox.pages.app.account import account_card
from connectors.sandbox.pages.app.bookings import booking_list, split
from connectors.sandbox.pages.app.documents import document_list, heading_for
from connectors.sandbox.pages.app.frame import View, first_name, framed
from connectors.sandbox.pages.app.people import people_list
from connectors.sandbox.pages.markup import Html, tag

SHOWN: Final = 3


def start_page(view: View, found: list[Subject], now: datetime, key: Callable[[str], str]) -> str:
    name = first_name(view.world, view.person)
    greeting = tag("h1", f"Hej {name}!" if name is not None else "Hej!")
    if view.world.account(view.person) != "active":
        return framed(view, "Start", "/app", greeting, tag("div", account_card(view, now), data_live="account"))
    parts: list[Any] = [greeting, tag("section", _new(view, now), data_live="new")]
    if view.subject.relation != "fullmakt":
        parts.append(tag("section", _next(view, now), data_live="next"))
    others = [each for each in found if each.person != view.subject.person]
    if others:
        heading = tag("h2", "Andra personer" if view.subject.relation == "self" else "Byt person")
        parts.append(tag("section", heading, people_list(view, others, now, key), data_live="people"))
    return framed(view, "Start", "/app", *parts)


def _new(view: View, now: datetime) -> list[Html]:
    unread = [each for each in documents_of(view.world, view.person, view.subject) if view.person not in each.read_by]
    heading = tag("h2", heading_for(view, "Nya dokument", "nya dokument"))
    more = tag("p", tag("a", f"Alla dokument ({len(unread)} olästa)" if len(unread) > SHOWN else "Alla dokument", href="/app/documents"),
               class_="more")  # fmt: skip
    if not unread:
        return [heading, tag("p", "Inget nytt. Alla dokument är lästa.", class_="empty"), more]
    return [heading, document_list(view, unread[:SHOWN], now), more]


def _next(view: View, now: datetime) -> list[Html]:
    coming, _ = split(bookings_of(view.world, view.subject), now)
    heading = tag("h2", heading_for(view, "Nästa tid", "nästa tid"))
    if not coming:
        return [heading, tag("p", "Inga kommande tider.", class_="empty")]
    left = len(coming) - 1
    more = tag("p", tag("a", f"Alla tider ({words.some(left, 'till', 'till')})", href="/app/bookings"), class_="more") if left else None
    return [heading, booking_list(view, coming[:1], now), *([more] if more is not None else [])]
