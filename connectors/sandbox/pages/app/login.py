"""Whom to be: a stand-in for logging in with an e-ID, and marked as one. It looks like no real e-ID on purpose."""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Final, NamedTuple

from connectors.sandbox.pages.app.access import CHILD_AGE, subjects
from connectors.sandbox.pages.app.frame import unframed
from connectors.sandbox.pages.app.icons import icon
from connectors.sandbox.pages.app.words import local, some
from connectors.sandbox.pages.markup import Html, join, tag
from connectors.sandbox.world import World
from schemas import persons

RESIDENTS_SHOWN: Final = 200
PLACE: Final = "/app/login"
WRONG_NUMBER: Final = "Det numret stämmer inte. Skriv tolv siffror, till exempel 198005179810."
RESERVE: Final = "Ett reservnummer kan inte ha ett konto i appen."
CHILD: Final = "Barn under 13 år loggar inte in själva. Logga in som barnets vårdnadshavare."
UNKNOWN: Final = "Personen finns inte längre i listan. Välj en annan."
ACCOUNTS: Final = {"active": "konto", "blocked": "spärrat konto", "none": "inget konto"}


class Resident(NamedTuple):
    """Somebody of the list; `traits` tell what there is to see."""

    person: str
    name: str
    age: int
    account: str
    unread: int
    others: int
    video: bool

    def text(self) -> str:
        return f"{self.name}, {self.age} år, {ACCOUNTS[self.account]}"


SORTS: Final[tuple[tuple[str, Callable[[Resident], int]], ...]] = (
    ("Har olästa dokument", lambda row: row.unread * (row.others == 0)),
    ("Har ett videobesök", lambda row: row.video * (row.others == 0)),
    ("Är ombud för någon", lambda row: row.others * (1 + row.unread)),
    ("Har inget konto", lambda row: row.account == "none"),
    ("Har ett spärrat konto", lambda row: row.account == "blocked"),
)
"""What there is to see, and how much of it somebody has."""


def residents(world: World, now: datetime) -> list[Resident]:
    """Those who could have an e-ID, by name. Nobody protected is offered by name (P1)."""
    today = local(now)
    found = (_resident(world, person, born, now, today) for person, born in _offered(world, today))
    return sorted(found, key=lambda row: (row.name, row.person))


def may_log_in(person: str, now: datetime) -> str | None:
    """Why not, in words; None if one may."""
    born = persons.born(person)
    if born is None:
        return RESERVE
    return CHILD if persons.age(born, local(now)) < CHILD_AGE else None


def login_page(found: Sequence[Resident], key: dict[str, str], fault: str | None = None) -> str:
    """Suggestions, one of each sort; all of them; any test number. `key` maps persons to the opaque keys that forms carry."""
    picks = [tag("li", _pick(each, trait, key[each.person])) for trait, each in suggestions(found)]
    some_people = tag("section", tag("h2", "Välj en testperson"), tag("ul", picks, class_="cards")) if picks else None
    options = [tag("option", each.text(), value=key[each.person]) for each in found]
    choose = tag("form", tag("label", "Fler testpersoner", for_="who"), tag("select", options, id="who", name="who"),
                 tag("button", "Logga in som vald person"), method="post", action=PLACE, class_="fields")  # fmt: skip
    field = tag(
        "input", id="number", name="number", inputmode="numeric", autocomplete="off", required=True, autofocus=fault is not None,
        aria_describedby="number-help number-error" if fault else "number-help", aria_invalid="true" if fault else None,
    )  # fmt: skip
    error = tag("p", fault, id="number-error", class_="error", role="alert") if fault else None
    number = tag("form", tag("label", "Testpersonens personnummer", for_="number"),
                 tag("p", "Tolv siffror.", id="number-help", class_="note"), error, field, tag("button", "Logga in med nummer"),
                 method="post", action=PLACE, class_="fields")  # fmt: skip
    more = tag("section", tag("h2", "Någon annan"), choose if options else None, number)
    note = tag("div", tag("p", icon("lock"), tag("span", tag("strong", "Låtsas-legitimation. "),
               "Här finns varken BankID eller Freja. Välj vem du vill vara; ingen kod behövs.")), class_="status")  # fmt: skip
    title = "Fel: Logga in" if fault else "Logga in"
    empty = tag("p", "Inga testpersoner än. Publicera en exempeldag, eller skriv ett nummer.", class_="empty")
    return unframed(title, tag("h1", "Logga in"), note, some_people, None if options else empty, more)


def suggestions(found: Sequence[Resident]) -> list[tuple[str, Resident]]:
    """One person for each sort of thing there is to see, nobody twice."""
    made: list[tuple[str, Resident]] = []
    for trait, worth in SORTS:
        free = [row for row in found if worth(row) and all(row.person != taken.person for _, taken in made)]
        if free:
            made.append((trait, max(free, key=worth)))
    return made


def _offered(world: World, today: date) -> list[tuple[str, date]]:
    found = []
    for person, record in world.register.people(RESIDENTS_SHOWN):
        born = persons.born(person)
        hidden = record["protection"] != "none" or {"replaced_by", "deceased"} & record.keys()
        if born is not None and not hidden and persons.age(born, today) >= CHILD_AGE:
            found.append((person, born))
    return found


def _resident(world: World, person: str, born: date, now: datetime, today: date) -> Resident:
    unread = sum(not each.withdrawn and not each.read_by and person in each.recipients for each in world.documents_about(person))
    video = any(each["video"] for each in world.bookings_about(person))
    others = max(0, len(subjects(world, person, now)) - 1)
    return Resident(person, world.register.name(person), persons.age(born, today), world.account(person), unread, others, video)


def _pick(row: Resident, trait: str, key: str) -> Html:
    unread = tag("span", some(row.unread, "oläst", "olästa"), class_="tag new") if row.unread else None
    initials = "".join(part[0] for part in row.name.split()[:2])
    face = tag("span", initials, class_="face", aria_hidden="true")
    inner = join([tag("span", row.name, class_="title"), tag("span", f"{row.age} år. {trait}.", class_="from"), unread])
    hidden = tag("input", type="hidden", name="who", value=key)
    return tag("form", hidden, tag("button", face, tag("span", inner, class_="lines"), icon("next"), class_="card pick"),
               method="post", action=PLACE)  # fmt: skip
