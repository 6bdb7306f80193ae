"""What is around every page of the app: the test mark, whose things are shown, the menu, one message, the footer."""

from typing import Any, Final, NamedTuple

from connectors.sandbox.pages.app.access import Subject
from connectors.sandbox.pages.app.icons import icon
from connectors.sandbox.pages.markup import Html, join, page, tag
from connectors.sandbox.world import World

APP: Final = "Invånarappen"
STYLE: Final = "app.css"
MENU: Final = (("/app", "home", "Start"), ("/app/documents", "document", "Dokument"), ("/app/bookings", "calendar", "Tider"),
               ("/app/people", "people", "Personer"), ("/app/account", "person", "Konto"))  # fmt: skip
WITHOUT_ACCOUNT: Final = ("/app", "/app/account")
NAMELESS: Final = ("–", "Dold uppgift")


class View(NamedTuple):
    """What a page is made from: who reads, whose things, and what the frame tells."""

    world: World
    person: str
    subject: Subject
    others: int
    unread: int
    said: str | None = None


def framed(view: View, title: str, at: str, *content: Any, live: bool = True) -> str:
    """A page of somebody who is logged in. `at` is its place in the menu."""
    name = tag("p", "Inloggad: ", tag("strong", view.world.register.name(view.person)), class_="name")
    leave = tag("form", tag("button", "Logga ut", class_="plain"), method="post", action="/app/logout")
    links = [tag("li", _link(view, at, *row)) for row in MENU if _is_for(view, row[0])]
    menu = tag("nav", tag("ul", links), aria_label="Huvudmeny", data_live="menu")
    header = tag("header", tag("div", _brand(), tag("div", name, leave, class_="who"), class_="bar"), menu)
    said = tag("p", icon("check"), tag("span", view.said), class_="said", role="status") if view.said else None
    main = tag("main", said, _shown_person(view), *content, id="content", tabindex="-1")
    pause = tag("button", "Pausa uppdatering", type="button", id="pause", class_="plain", data_resume="Fortsätt uppdatera",
                hidden=True) if live else None  # fmt: skip
    return _page(title, header, main, pause, live=live)


def unframed(title: str, *content: Any) -> str:
    """A page of nobody."""
    header = tag("header", tag("div", _brand(), class_="bar"))
    return _page(title, header, tag("main", *content, id="content", tabindex="-1", class_="narrow"), None, live=False)


def notice(view: View | None, title: str, text: str) -> str:
    """A page that says why there is nothing else on it, and where to go."""
    parts = (tag("h1", title), tag("p", text, class_="lead"),
             tag("p", tag("a", "Till startsidan", href="/app", class_="button")))  # fmt: skip
    return unframed(title, *parts) if view is None else framed(view, title, "", *parts, live=False)


def first_name(world: World, person: str) -> str | None:
    """How to greet somebody; nobody is greeted by a hidden name (P1)."""
    name = world.register.name(person)
    return None if name in NAMELESS else name.partition(" ")[0]


def possessive(name: str) -> str:
    """`Alvas`, `Jonas`: a name that ends in s, x or z takes nothing."""
    return name if name[-1:].lower() in "sxz" else f"{name}s"


def _page(title: str, header: Html, main: Html, pause: Html | None, *, live: bool) -> str:
    skip = tag("a", "Hoppa till innehållet", href="#content", class_="skip")
    test = tag("p", tag("strong", "Testmiljö."), " Alla personer är påhittade.", class_="test")
    news = tag("p", id="news", role="status", class_="hidden") if live else None
    away = tag("p", "Ingen kontakt just nu. Det du ser kan vara gammalt.", id="away", role="status", hidden=True) if live else None
    footer = tag("footer", tag("p", "Här ser du det som en invånare ser. ",
                               tag("a", "Driftens sida (engelska)", href="/")), pause)  # fmt: skip
    body = join([skip, test, header, away, main, footer, news])
    return page("sv", f"{title} – {APP} (test)", body, live=live, style=STYLE)


def _brand() -> Html:
    return tag("a", tag("span", "+", class_="mark", aria_hidden="true"), APP, href="/app", class_="brand")


def _is_for(view: View, place: str) -> bool:
    """The menu has no page where there is nothing to see."""
    if view.world.account(view.person) != "active":
        return place in WITHOUT_ACCOUNT
    return place != "/app/people" or view.others > 0


def _link(view: View, at: str, href: str, picture: str, text: str) -> Html:
    count = view.unread if href == "/app/documents" else 0
    badge = tag("span", count, tag("span", " olästa", class_="hidden"), class_="badge") if count else None
    return tag("a", icon(picture), tag("span", text), badge, href=href, aria_current="page" if at == href else None)


def _shown_person(view: View) -> Html | None:
    if view.subject.relation == "self":
        return None
    name = view.world.register.name(view.subject.person)
    back = tag("input", type="hidden", name="who", value="self")
    own = tag("form", back, tag("button", "Visa mina egna", class_="quiet"), method="post", action="/app/people")
    how = "Du är vårdnadshavare." if view.subject.relation == "guardian" else "Du har fullmakt: du ser dokumenten."
    return tag("div", icon("people"), tag("p", "Du visar ", tag("strong", name), ". ", how), own, class_="acting")
