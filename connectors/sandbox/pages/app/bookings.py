"""Bookings in the app, and the door to a video meeting (V1 to V4) in words."""

from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from connectors.sandbox.pages.app import words
from connectors.sandbox.pages.app.access import bookings_of
from connectors.sandbox.pages.app.frame import View, framed
from connectors.sandbox.pages.app.icons import icon
from connectors.sandbox.pages.markup import Html, tag
from connectors.sandbox.world import Data, World
from schemas.fields import STOCKHOLM, parse_instant

PLACE: Final = "/app/bookings"
STATUSES: Final = {"rebooked": "Ombokad", "cancelled": "Avbokad", "arrived": "Ankommen"}
"""What is worth saying; that a booking is booked is not."""
PAST_SHOWN: Final = 20


class Door(NamedTuple):
    """What is said at the door of a room, and whether it can be entered."""

    text: str
    room_id: str | None = None
    at: datetime | None = None


def door(room: Data | None, now: datetime) -> Door:
    """The state of a room for a patient. Only staff open a meeting; who has come in waits for them (V3)."""
    if room is None:
        return Door("Mötesrummet förbereds.")
    if room["state"] == "void":
        return Door("Videomötet går inte att öppna. Kontakta mottagningen.")
    if room["state"] == "closed" or now > parse_instant(room["closes_at"]):
        return Door("Mötet är stängt.")
    opens = parse_instant(room["opens_at"])
    if now < opens:
        return Door("Mötet öppnar", at=opens)
    if room["state"] != "active":
        return Door("Mötesrummet förbereds.")
    return Door("Mötet är öppet. Du får vänta tills vården startar det.", room["room_id"])


def may_have_chat(room: Data, now: datetime) -> bool:
    """People write in the window (V14); a room that was withdrawn shows nothing (P10)."""
    opened: bool = room["state"] != "void" and now >= parse_instant(room["opens_at"])
    return opened


def bookings_page(view: View, now: datetime) -> str:
    """Coming ones by time, then those that have been."""
    if view.subject.relation == "fullmakt":
        empty = tag("p", "En fullmakt gäller dokument. Tider visas bara för personen själv.", class_="empty")
        return framed(view, "Tider", PLACE, tag("h1", "Tider"), empty)
    coming, past = split(bookings_of(view.world, view.subject), now)
    first = booking_list(view, coming, now) if coming else tag("p", "Inga kommande tider.", class_="empty")
    parts = [tag("section", tag("h2", "Kommande"), first)]
    if past:
        shown = booking_list(view, past[:PAST_SHOWN], now)
        parts.append(tag("section", tag("h2", "Tidigare"), shown, class_="past"))
    return framed(view, "Tider", PLACE, tag("h1", "Tider"), tag("div", parts, data_live="bookings"))


def split(found: list[Data], now: datetime) -> tuple[list[Data], list[Data]]:
    """Coming and going on by time; past ones, the last first."""
    coming = [each for each in found if _ends(each) > now]
    return coming, [each for each in reversed(found) if _ends(each) <= now]


def booking_list(view: View, found: list[Data], now: datetime) -> Html:
    return tag("ul", [tag("li", _booking(view.world, each, now), data_key=each["booking_id"]) for each in found],
               class_="cards")  # fmt: skip


def _ends(booking: Any) -> datetime:
    ends: datetime = parse_instant(booking["start"]) + timedelta(minutes=booking["minutes"])
    return ends


def _booking(world: World, booking: Any, now: datetime) -> Html:
    start, ends = parse_instant(booking["start"]), _ends(booking)
    there = start.astimezone(STOCKHOLM)
    leaf = tag("span", tag("span", there.day, class_="number"), tag("span", words.MONTHS[there.month - 1][:3]), class_="leaf",
               aria_hidden="true")  # fmt: skip
    video = booking["video"]
    sign = tag("span", icon("video"), "Videobesök", class_="tag video") if video else None
    state = STATUSES.get(booking["status"])
    when = tag("p", tag("strong", words.sentence(words.day(there.date(), words.local(now)))),
               tag("span", f"klockan {words.clock(start)}–{words.clock(ends)}", class_="time"), class_="moment")  # fmt: skip
    about = tag(
        "div",
        tag("p", sign, tag("span", state, class_="tag") if state else None, class_="over") if sign or state else None,
        when,
        tag("p", booking["unit_name"], class_="title"),
        tag("p", _what(booking), class_="from"),
        _door(world, booking, now) if video and ends + timedelta(hours=1) > now else None,
        _chat(world, booking, now) if video and ends <= now else None,
    )
    return tag("div", leaf, about, class_="card plain booking")


def _what(booking: Any) -> str:
    """Description, else the time type, and with whom."""
    what = booking["description"] or booking["time_type"]["name"]
    return " · ".join(part for part in (what, booking["resource"]["name"]) if part)


def _door(world: World, booking: Any, now: datetime) -> Html:
    found = door(world.room_of(booking["booking_id"]), now)
    text = tag("p", f"{found.text} ", [words.at(found.at, now), "."] if found.at is not None else None, class_="note",
               data_say=found.text)  # fmt: skip
    if found.room_id is None:
        return tag("div", text, class_="door")
    link = tag("a", icon("video"), "Anslut", tag("span", f" till videobesöket {words.clock(parse_instant(booking['start']))}",
               class_="hidden"), href=f"/app/meet/{quote(found.room_id, safe='')}", class_="button")  # fmt: skip
    return tag("div", text, link, class_="door open")


def _chat(world: World, booking: Any, now: datetime) -> Html | None:
    """After a visit: what was written there (V14: a group's chat is shown in the booking only)."""
    room = world.room_of(booking["booking_id"])
    if room is None or not may_have_chat(room, now):
        return None
    of_when = tag("span", f" från videobesöket {words.short_day(words.local(parse_instant(booking['start'])), words.local(now))}",
                  class_="hidden")  # fmt: skip
    return tag("p", tag("a", icon("chat"), "Läs chatten", of_when, href=chat_address(room["room_id"])), class_="more")


def chat_address(room_id: str) -> str:
    return f"/app/meet/{quote(room_id, safe='')}/chat"
