"""The resident's account (P5, P6): its state in words, opening and blocking it, the number that notifications go to."""

import re
from datetime import datetime
from typing import Any, Final

from connectors.sandbox.oidc.accounts import USERS
from connectors.sandbox.pages.app import words
from connectors.sandbox.pages.app.access import agents_of
from connectors.sandbox.pages.app.frame import View, framed
from connectors.sandbox.pages.app.icons import icon
from connectors.sandbox.pages.markup import Html, join, tag
from schemas.fields import parse_instant

PLACE: Final = "/app/account"
_PHONE: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_SEPARATORS: Final = re.compile(r"[\s()./-]+")
MOBILE_CHARS: Final = 12
RELATIONS: Final = {"guardian": "vårdnadshavare", "fullmakt": "fullmakt"}
PHONE_FAULT: Final = "Skriv ett telefonnummer med siffror, till exempel 070-123 45 67."
TERMS: Final = (
    "Du får kallelser, brev och svar här i stället för på papper.",
    "Vi skickar en avisering när det finns något nytt. Den innehåller inget om din vård.",
    "Det går inte att tacka nej till elektroniska kallelser så länge kontot finns.",
)
"""P6: a term of use, no consent."""
BLOCKED_MEANS: Final = (
    "Du får inga kallelser, brev eller aviseringar i appen. De kommer på papper eller i din digitala brevlåda.",
    "Dina ombud ser inte längre något här, och du ser inget som ombud. Det kommer inte tillbaka när kontot låses upp.",
    "Du kan inte ångra det själv. Bara vårdpersonal kan låsa upp kontot, när du är på plats på en mottagning.",
)


def phone_of(text: str) -> str | None:
    """A number as people write it, in E.164; Swedish where it begins with 0. None if it is none."""
    bare = _SEPARATORS.sub("", text)
    if bare.startswith("00"):
        bare = f"+{bare[2:]}"
    elif bare.startswith("0"):
        bare = f"+46{bare[1:]}"
    return bare if _PHONE.fullmatch(bare) else None


def as_written(phone: str) -> str:
    """A Swedish mobile number in groups, as people write it; any other as it is."""
    if not (phone.startswith("+467") and len(phone) == MOBILE_CHARS):
        return phone
    bare = f"0{phone[3:]}"
    return f"{bare[:3]}-{bare[3:6]} {bare[6:8]} {bare[8:]}"


def account_page(view: View, now: datetime, typed: str | None = None) -> str:
    """`typed` is a number that could not be taken."""
    state = view.world.account(view.person)
    who = tag("p", "Du är inloggad som ", tag("strong", view.world.register.name(view.person)), ".", class_="lead")
    parts: list[Any] = [tag("h1", "Konto"), who, tag("div", account_card(view, now), data_live="account")]
    if state == "active":
        parts += [_phone_form(view, typed), _agents(view, now), _block(view)]
    return framed(view, "Fel: Konto" if typed is not None else "Konto", PLACE, *parts)


def account_card(view: View, now: datetime) -> Html:
    """What the account is, since when and by whom, and what can be done about it."""
    known = view.world.accounts.get(view.person)
    state = view.world.account(view.person)
    if state == "active":
        by_staff = known is not None and known.get("by", {}).get("role") == "staff"
        since = _since(known, "låstes upp" if by_staff else "öppnades")
        return tag("div", tag("p", icon("check"), tag("span", tag("strong", "Kontot är aktivt."), " ", since)), class_="status good")
    if state == "none":
        return _opening()
    verb = "avregistrerades" if known is not None and "deregistered" in known else "spärrades"
    text = "Kontot är avregistrerat." if verb == "avregistrerades" else "Kontot är spärrat."
    return join([
        tag("div", tag("p", icon("lock"), tag("span", tag("strong", text), " ", _since(known, verb))), class_="status stop",
            data_say=text),
        tag("p", "Bara vården kan låsa upp det, när du är på plats på en mottagning. Så länge kontot är spärrat kommer kallelser"
                 " och brev på papper eller i din digitala brevlåda."),
    ])  # fmt: skip


def _opening() -> Html:
    """Opening an account, with what it brings."""
    hidden = tag("input", type="hidden", name="account", value="active")
    form = tag("form", hidden, tag("button", "Öppna konto"), method="post", action=PLACE)
    return tag("section", tag("h2", "Du har inget konto ännu"), tag("p", "När du öppnar ett konto gäller det här:"),
               tag("ul", [tag("li", each) for each in TERMS], class_="points"), form, class_="panel")  # fmt: skip


def _since(known: Any, verb: str) -> Html | None:
    """`Kontot spärrades 2024-09-17 14:34 av vården (namn).`"""
    if known is None:
        return None
    by = known.get("by")
    who = "" if by is None else " av dig" if by["role"] == "resident" else f" av vården ({_staff(by['id'])})"
    return tag("span", f"Det {verb} ", words.stamp(parse_instant(known["since"])), f"{who}.")


def _staff(name: str) -> str:
    return next((user.name for user in USERS.values() if name in (user.login, user.hsa_id)), name)


def _phone_form(view: View, typed: str | None) -> Html:
    known = as_written(view.world.accounts[view.person].get("phone", ""))
    failed = typed is not None
    field = tag(
        "input", id="phone", name="phone", type="tel", inputmode="tel", autocomplete="tel", required=True,
        value=typed if typed is not None else known, aria_invalid="true" if failed else None,
        aria_describedby="phone-help phone-error" if failed else "phone-help", autofocus=failed,
    )  # fmt: skip
    error = tag("p", PHONE_FAULT, id="phone-error", class_="error", role="alert") if failed else None
    form = tag("form", tag("label", "Mobilnummer", for_="phone"), error, field, tag("button", "Spara numret"), method="post",
               action=f"{PLACE}/phone", class_="fields")  # fmt: skip
    note = tag("p", "Hit skickar vi ett sms när det finns något nytt. Sms:et innehåller inget om din vård.", id="phone-help",
               class_="note")  # fmt: skip
    return tag("section", tag("h2", "Aviseringar"), note, form)


def _agents(view: View, now: datetime) -> Html:
    """Who sees this resident's documents, and whom the resident is an agent of."""
    theirs = [
        tag("li", tag("strong", view.world.register.name(agent)), f", {RELATIONS[relation]}")
        for agent, relation in agents_of(view.world, view.person, now)
    ]
    own = tag("ul", theirs, class_="points") if theirs else tag("p", "Ingen annan ser dina dokument.", class_="note")
    others = tag("p", tag("a", "Personer som du är ombud för", href="/app/people"), class_="more") if view.others else None
    return tag("section", tag("h2", "Dina ombud"), own, others, data_live="agents")


def _block(view: View) -> Html:
    link = tag("a", icon("lock"), "Spärra kontot", href=f"{PLACE}/block", class_="button quiet")
    return tag("section", tag("h2", "Spärra"), tag("p", "Spärra kontot om du inte vill att något skickas hit.", class_="note"),
               tag("p", link))  # fmt: skip


def block_page(view: View) -> str:
    """What a block means, before it is made."""
    hidden = tag("input", type="hidden", name="account", value="blocked")
    form = tag("form", hidden, tag("button", icon("lock"), "Spärra kontot", class_="danger"), method="post", action=PLACE)
    cancel = tag("a", "Avbryt", href=PLACE, class_="button quiet")
    means = tag("ul", [tag("li", each) for each in BLOCKED_MEANS], class_="points")
    return framed(view, "Spärra kontot", PLACE, tag("h1", "Spärra kontot?"), tag("p", "Det här händer när du spärrar kontot:"),
                  means, tag("div", form, cancel, class_="row"), live=False)  # fmt: skip
