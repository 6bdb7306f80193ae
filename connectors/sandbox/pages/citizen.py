"""The citizen app of a test resident, in Swedish: plain, usable by keyboard and without scripts."""

from collections.abc import Iterable
from typing import Any, Final

from connectors.sandbox.pages.markup import Html, page, tag, when
from connectors.sandbox.world import AppDocument, World
from schemas import html as letter_html
from schemas.fields import parse_instant

KINDS: Final = {"kallelse": "Kallelse", "brev": "Brev", "remissbekraftelse": "Remissbekräftelse"}
STATUSES: Final = {"booked": "Bokad", "rebooked": "Ombokad", "cancelled": "Avbokad", "arrived": "Ankommen"}
ACCOUNTS: Final = {"active": "Kontot är aktivt.", "none": "Du har inget konto ännu.", "blocked": "Kontot är spärrat."}
DOCUMENTS_MAX: Final = 100


def choose_page(residents: Iterable[tuple[str, str]], failed: bool) -> str:
    """Who to be: some residents by name (their opaque key is the value), or a test person's number."""
    options = [tag("option", name, value=key) for key, name in residents]
    pick = tag(
        "form",
        tag("label", "Välj en testperson", for_="who"),
        tag("select", options, id="who", name="who"),
        tag("button", "Fortsätt"),
        method="post",
        action="/app/login",
    )
    field = tag(
        "input", id="number", name="number", inputmode="numeric", autocomplete="off", required=True,
        aria_describedby="number-error" if failed else None, aria_invalid="true" if failed else None,
    )  # fmt: skip
    error = tag("p", "Det numret stämmer inte.", id="number-error", class_="error", role="alert") if failed else None
    number = tag(
        "form", error, tag("label", "Eller skriv testpersonens personnummer", for_="number"), field,
        tag("button", "Fortsätt"), method="post", action="/app/login",
    )  # fmt: skip
    main = tag("main", tag("h1", "Appen – testmiljö"), tag("p", "Här ser du det som en invånare ser.", class_="note"),
               pick if options else None, number, class_="narrow")  # fmt: skip
    return page("sv", "Appen – testmiljö", main)


def app_page(world: World, person: str) -> str:
    """What the resident sees: account, documents, bookings."""
    account = world.account(person)
    name = world.register.name(person)
    pause = tag("button", "Pausa uppdatering", type="button", id="pause", data_resume="Fortsätt uppdatera",
                aria_pressed="false", hidden=True)  # fmt: skip
    leave = tag("form", tag("button", "Byt person", class_="quiet"), method="post", action="/app/logout")
    header = tag("header", tag("h1", f"Hej {name.partition(' ')[0]}!" if name not in ("–", "Dold uppgift") else "Hej!"),
                 tag("div", leave, pause, class_="row"))  # fmt: skip
    shown = account == "active"
    parts = [tag("section", tag("h2", "Ditt konto"), _account(account), data_live="account")]
    if shown:
        parts.append(tag("section", tag("h2", "Dokument"), _documents(world, person), data_live="documents"))
        parts.append(tag("section", tag("h2", "Bokade tider"), _bookings(world, person), data_live="bookings"))
    return page("sv", "Appen – testmiljö", Html(header + tag("main", parts)), live=True)


def _account(account: str) -> list[Html]:
    said = tag("p", ACCOUNTS[account])
    if account == "active":
        return [said, _account_form("blocked", "Spärra kontot", "quiet")]
    if account == "none":
        return [said, _account_form("active", "Öppna konto", None)]
    return [said, tag("p", "Bara vården kan låsa upp det, när du är på plats på en mottagning.", class_="note")]


def _account_form(to: str, text: str, look: str | None) -> Html:
    hidden = tag("input", type="hidden", name="account", value=to)
    return tag("form", hidden, tag("button", text, class_=look), method="post", action="/app/account")


def documents_of(world: World, person: str) -> list[AppDocument]:
    """Documents that the person is a recipient of and that have not been withdrawn, the newest first."""
    found = (each for each in reversed(world.documents.values()) if not each.withdrawn and person in each.recipients)
    return [each for each, _ in zip(found, range(DOCUMENTS_MAX), strict=False)]


def _documents(world: World, person: str) -> list[Html] | Html:
    found = documents_of(world, person)
    if not found:
        return tag("p", "Du har inga dokument.", class_="empty")
    return [_document(world, person, each) for each in found]


def _document(world: World, person: str, document: AppDocument) -> Html:
    data = document.data
    read = person in document.read_by
    body = letter_html.sanitise(data["body"]) if data["body_format"] == "html" else letter_html.from_text(data["body"])
    files = [
        tag("li", tag("a", each["name"], href=f"/app/attachments/{each['sha256']}"), f" ({_size(each['size'])})")
        for each in data["attachments"]
    ]
    about = tag("p", f"Gäller {world.register.name(data['patient'])}") if data["patient"] != person else None
    button = tag(
        "form",
        tag("input", type="hidden", name="document", value=data["document_id"]),
        tag("button", "Markera som läst", tag("span", f" {data['title']}", class_="hidden")),
        method="post",
        action="/app/read",
    )
    letter = tag(
        "details",
        tag("summary", "Visa", tag("span", f" {data['title']}", class_="hidden")),
        tag("div", Html(body), Html(letter_html.from_text(data["footer"])), class_="letter"),
        [tag("p", "Bilagor:"), tag("ul", files)] if files else None,
    )
    facts = tag("p", f"{KINDS[data['kind']]} från {data['unit_name']}, ", when(parse_instant(data["sent"])),
                ". ", tag("strong", "Läst" if read else "Oläst"), class_="note")  # fmt: skip
    return tag("article", tag("h3", data["title"]), about, facts, letter, None if read else button,
               class_=None if read else "unread")  # fmt: skip


def _bookings(world: World, person: str) -> list[Html] | Html:
    children = {
        patient
        for patient, links in world.agents.items()
        if any(link["agent"] == person and link["state"] == "active" for link in links.values())
    }
    found = [each for each in world.bookings.values() if each["patient"] == person or each["patient"] in children]
    if not found:
        return tag("p", "Du har inga bokade tider.", class_="empty")
    rows = sorted(found, key=lambda each: parse_instant(each["start"]))
    return tag("ul", [_booking(world, person, each) for each in rows])


def _booking(world: World, person: str, booking: Any) -> Html:
    kind = "videobesök" if booking["video"] else booking["time_type"]["name"]
    whose = f" Gäller {world.register.name(booking['patient'])}." if booking["patient"] != person else ""
    return tag("li", when(parse_instant(booking["start"])), f", {booking['minutes']} minuter: {kind},"
               f" {booking['unit_name']}. {STATUSES[booking['status']]}.{whose}")  # fmt: skip


def _size(size: int) -> str:
    return f"{size / 1_000_000:.1f} MB" if size >= 1_000_000 else f"{max(1, round(size / 1_000))} kB"
