"""Changing whose things are shown: oneself, a child under 13, or somebody who gave a fullmakt (P7)."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from connectors.sandbox.pages.app import words
from connectors.sandbox.pages.app.access import Subject, documents_of
from connectors.sandbox.pages.app.frame import View, framed
from connectors.sandbox.pages.app.icons import icon
from connectors.sandbox.pages.markup import Html, join, tag
from schemas import persons

PLACE: Final = "/app/people"
OWN: Final = "self"


def people_page(view: View, found: list[Subject], now: datetime, key: Callable[[str], str]) -> str:
    """All whose things the reader may see. A form's value is an opaque key, never a number."""
    text = "Du ser dina egna dokument och tider, och dem som du är ombud för."
    if len(found) <= 1:
        text = "Du är inte ombud för någon just nu."
    note = tag("p", text, class_="lead")
    ends = tag("p", "Ett barns dokument visas för vårdnadshavare till och med dagen före barnets 13-årsdag.", class_="note")
    chosen = people_list(view, found, now, key)
    return framed(view, "Byt person", PLACE, tag("h1", "Byt person"), note, tag("div", chosen, data_live="people"), ends)


def people_list(view: View, found: list[Subject], now: datetime, key: Callable[[str], str]) -> Html:
    return tag("ul", [tag("li", _choice(view, each, now, key)) for each in found], class_="cards")


def _choice(view: View, subject: Subject, now: datetime, key: Callable[[str], str]) -> Html:
    here = subject.person == view.subject.person
    unread = unread_of(view, subject)
    inner = join([
        tag("span", view.world.register.name(subject.person), class_="title"),
        tag("span", _about(subject, now), class_="from"),
        tag("span", words.some(unread, "oläst dokument", "olästa dokument"), class_="tag new") if unread else None,
        tag("span", "Visas nu", class_="tag") if here else None,
    ])  # fmt: skip
    hidden = tag("input", type="hidden", name="who", value=OWN if subject.relation == "self" else key(subject.person))
    return tag("form", hidden, tag("button", inner, icon("next"), class_="card", aria_current="true" if here else None),
               method="post", action=PLACE)  # fmt: skip


def unread_of(view: View, subject: Subject) -> int:
    return sum(view.person not in each.read_by for each in documents_of(view.world, view.person, subject))


def _about(subject: Subject, now: datetime) -> str:
    today = words.local(now)
    if subject.relation == "self":
        return "Dina egna dokument och tider"
    if subject.relation == "fullmakt":
        return "Fullmakt" + (f" till och med {words.short_day(subject.until, today)}" if subject.until is not None else "")
    born = persons.born(subject.person)
    assert born is not None
    assert subject.until is not None
    return f"Barn, {persons.age(born, today)} år. Du är ombud till {words.short_day(subject.until, today)}"
