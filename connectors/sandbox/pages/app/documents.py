"""Documents in the app: the list, one of them, and the step before it is opened. Opening tells the unit (R11)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from connectors.sandbox.pages.app import words
from connectors.sandbox.pages.app.access import Subject, documents_of, withdrawn_from
from connectors.sandbox.pages.app.frame import View, framed, possessive
from connectors.sandbox.pages.app.icons import icon
from connectors.sandbox.pages.markup import Html, join, tag
from connectors.sandbox.world import AppDocument, World
from schemas import html as letter_html
from schemas.fields import parse_instant

PLACE: Final = "/app/documents"
OPENED: Final = "application/pdf"
"""The one type that a browser shows by itself; anything else is saved."""


def documents_page(view: View, now: datetime, chats: Html | None = None) -> str:
    """The list: unread ones first, then those that were read, then chats of visits (V14: an individual meeting's stands in the inbox)."""
    found = documents_of(view.world, view.person, view.subject)
    unread = [each for each in found if view.person not in each.read_by]
    read = [each for each in found if view.person in each.read_by]
    count = words.some(len(unread), "oläst dokument", "olästa dokument") if unread else "Inga olästa dokument"
    gone = withdrawn_from(view.world, view.person, view.subject)
    parts = [
        tag("p", count, class_="lead") if found else None,
        tag("section", tag("h2", "Olästa"), document_list(view, unread, now)) if unread else None,
        tag("section", tag("h2", "Lästa"), document_list(view, read, now)) if read else None,
        chats,
        None if found or chats else tag("p", "Här är det tomt. När vården skickar ett dokument visas det här.", class_="empty"),
        _gone(gone) if gone else None,
    ]
    return framed(view, "Dokument", PLACE, tag("h1", "Dokument"), tag("div", parts, data_live="documents"))


def address_of(name: str) -> str:
    """A document's page. An id tells nothing about a person, so it may stand there."""
    return f"{PLACE}/{quote(name, safe='')}"


def document_list(view: View, found: Sequence[AppDocument], now: datetime) -> Html:
    """Each an action of its own: an unread one is opened by a form, as that changes something."""
    return tag("ul", [_item(view, each, now) for each in found], class_="cards")


def _item(view: View, document: AppDocument, now: datetime) -> Html:
    data, read = document.data, view.person in document.read_by
    files = len(data["attachments"])
    clip = tag("span", icon("clip"), words.some(files, "bilaga", "bilagor"), class_="clip") if files else None
    kind = words.KINDS[data["kind"]]
    inner = join([
        tag("span", tag("span", "Läst" if read else "Oläst", class_="tag" if read else "tag new"),
            tag("span", kind, class_="kind") if kind != data["title"] else None, class_="over"),
        tag("span", data["title"], class_="title"),
        tag("span", data["unit_name"], class_="from"),
        tag("span", words.at(parse_instant(data["sent"]), now, capital=True), clip, class_="when"),
    ])  # fmt: skip
    address = address_of(data["document_id"])
    if read:
        card = tag("a", inner, icon("next"), href=address, class_="card")
    else:
        card = tag("form", tag("button", inner, icon("next"), class_="card unread"), method="post", action=f"{address}/open")
    return tag("li", card, data_key=data["document_id"], data_say=None if read else f"Nytt dokument: {data['title']}")


def _gone(count: int) -> Html:
    some = words.some(count, "dokument visas inte längre här.", "dokument visas inte längre här.")
    return tag("p", f"{some} Kontakta mottagningen om du har frågor.", class_="note", data_say=some)


def unopened_page(view: View, document: AppDocument, now: datetime) -> str:
    """Somebody came by an address: opening is still a choice of one's own."""
    data = document.data
    form = tag("form", tag("button", "Öppna dokumentet"), method="post", action=f"{address_of(data['document_id'])}/open")
    said = tag("p", _consequence(view.world, view.subject), class_="note")
    return framed(view, data["title"], PLACE, _back(), tag("h1", data["title"]), _facts(view, document, now), said, form, live=False)


def document_page(view: View, document: AppDocument, now: datetime) -> str:
    """One document, opened."""
    data = document.data
    body = letter_html.sanitise(data["body"]) if data["body_format"] == "html" else letter_html.from_text(data["body"])
    letter = tag("article", tag("div", Html(body), class_="letter"),
                 tag("div", Html(letter_html.from_text(data["footer"])), class_="letter foot"), aria_label="Dokumentet",
                 class_="sheet")  # fmt: skip
    status = tag("div", _status(view, document, now), data_live="status")
    parts = (_back(), tag("h1", data["title"]), _facts(view, document, now), status, letter, _attachments(document))
    return framed(view, data["title"], PLACE, *parts)


def _back() -> Html:
    return tag("p", tag("a", icon("back"), "Alla dokument", href=PLACE, class_="back"))


def _facts(view: View, document: AppDocument, now: datetime) -> Html:
    data = document.data
    rows: list[tuple[str, Any]] = [
        ("Typ", words.KINDS[data["kind"]]),
        ("Från", data["unit_name"]),
        ("Skickat", words.at(parse_instant(data["sent"]), now)),
    ]
    if data["patient"] != view.person:
        rows.append(("Gäller", view.world.register.name(data["patient"])))
    booking = view.world.bookings.get(data.get("booking_id", ""))
    if booking is not None and view.subject.relation != "fullmakt":
        rows.append(("Bokad tid", tag("a", words.at(parse_instant(booking["start"]), now), href="/app/bookings")))
    return tag("dl", [tag("div", tag("dt", name), tag("dd", value)) for name, value in rows], class_="facts")


def _status(view: View, document: AppDocument, now: datetime) -> Html:
    """Read, and what that came to; the second line changes by itself when the hub has settled the document."""
    read_at = document.read_at[view.person]
    first = tag("strong", "Läst ", words.at(read_at, now))
    if view.subject.relation == "fullmakt":
        rest = _consequence(view.world, view.subject)
    elif document.outcome == "read":
        rest = "Klart: vården ser att dokumentet är läst."
    elif document.outcome == "accepted":
        rest = "Klart: dokumentet finns också i den digitala brevlådan."
    else:
        rest = "Läskvittot är skickat till vården."
    return tag("p", icon("check"), tag("span", first, ". ", tag("span", rest, data_say=rest)), class_="status good")


def _consequence(world: World, subject: Subject) -> str:
    if subject.relation == "fullmakt":
        return f"Du läser med fullmakt. Det noteras, men räknas inte som att {world.register.name(subject.person)} har läst."
    return "När du öppnar dokumentet får vården veta att det är läst."


def _attachments(document: AppDocument) -> Html | None:
    files = document.data["attachments"]
    if not files:
        return None
    return tag("section", tag("h2", "Bilagor"), tag("ul", [tag("li", _file(each)) for each in files], class_="cards files"))


def _file(file: Any) -> Html:
    address = f"/app/attachments/{file['sha256']}"
    name, hidden = file["name"], tag("span", f" {file['name']}", class_="hidden")
    new = tag("span", " (ny flik)", class_="hidden")
    shown = tag("a", "Öppna", hidden, new, href=f"{address}/open", target="_blank", rel="noopener", class_="button")
    saved = tag("a", "Ladda ner", hidden, href=address, class_="button quiet")
    about = tag("p", icon("clip"), tag("span", tag("strong", name), f" PDF, {words.size(file['size'])}"), class_="file")
    return tag("div", about, tag("p", shown if _is_shown(file["content_type"]) else None, saved, class_="row"), class_="card plain")


def _is_shown(content_type: str) -> bool:
    """Parameters are tolerated, as where the type is checked (C5)."""
    return content_type.partition(";")[0].strip().lower() == OPENED


def heading_for(view: View, own: str, other: str) -> str:
    """`Dina tider` of oneself, `Tuvas tider` of somebody else."""
    if view.subject.relation == "self":
        return own
    return f"{possessive(view.world.register.name(view.subject.person).partition(' ')[0])} {other}"
