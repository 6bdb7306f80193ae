"""What was written in a video meeting, as its patient reads it afterwards (V14)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from connectors.sandbox.pages.app import bookings, words
from connectors.sandbox.pages.app.frame import View, framed
from connectors.sandbox.pages.app.icons import icon
from connectors.sandbox.pages.app.meeting import INDIVIDUAL, Line
from connectors.sandbox.pages.markup import Html, join, tag
from connectors.sandbox.world import Data
from schemas.fields import parse_instant

NAMELESS: Final = "Deltagare"
"""Somebody whose name may not be told."""
OF_A_GROUP: Final = "Alla i gruppen kan läsa chatten. Den är ingen journalhandling."


def chat_page(view: View, booking: Data, lines: Sequence[Line], now: datetime) -> str:
    """The whole of it, the first line first."""
    start = parse_instant(booking["start"])
    room = view.world.room_of(booking["booking_id"])
    is_group = room is not None and room["kind"] != INDIVIDUAL
    facts = [("Videobesök", words.at(start, now)), ("Hos", booking["unit_name"])]
    if booking["patient"] != view.person:
        facts.append(("Gäller", view.world.register.name(booking["patient"])))
    said = tag("ol", [_line(each, now) for each in lines], class_="chat") if lines else None
    return framed(
        view, "Chatt", bookings.PLACE,
        tag("p", tag("a", icon("back"), "Alla tider", href=bookings.PLACE, class_="back")),
        tag("h1", "Chatten från mötet"),
        tag("dl", [tag("div", tag("dt", name), tag("dd", value)) for name, value in facts], class_="facts"),
        tag("p", OF_A_GROUP, class_="note") if is_group else None,
        said if said is not None else tag("p", "Ingen skrev något i chatten.", class_="empty"),
        live=False,
    )  # fmt: skip


def chat_list(view: View, found: Sequence[str], now: datetime) -> Html | None:
    """For the inbox: the chats of visits of two, by booking."""
    items = [item for name in found if (item := _item(view, name, now)) is not None]
    return tag("section", tag("h2", "Chattar från videobesök"), tag("ul", items, class_="cards")) if items else None


def _item(view: View, name: str, now: datetime) -> Html | None:
    booking, room = view.world.bookings.get(name), view.world.room_of(name)
    if booking is None or room is None or booking["patient"] != view.subject.person or not bookings.may_have_chat(room, now):
        return None
    inner = join([
        tag("span", tag("span", icon("chat"), "Chatt", class_="tag video"), class_="over"),
        tag("span", "Chatten från videobesöket", class_="title"),
        tag("span", booking["unit_name"], class_="from"),
        tag("span", words.at(parse_instant(booking["start"]), now, capital=True), class_="when"),
    ])  # fmt: skip
    return tag("li", tag("a", inner, icon("next"), href=bookings.chat_address(room["room_id"]), class_="card"), data_key=name)


def _line(line: Line, now: datetime) -> Html:
    who: Any = "Du" if line.mine else line.name or NAMELESS
    about = tag("p", tag("strong", who), " ", words.at(parse_instant(line.at), now), class_="from")
    return tag("li", about, tag("p", line.text, class_="text"), class_="mine" if line.mine else None)
