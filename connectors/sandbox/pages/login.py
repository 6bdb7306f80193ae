"""The login page of the stand-in issuer, in Swedish, for staff."""

from collections.abc import Mapping

from connectors.sandbox.pages.markup import page, tag

TITLE = "Logga in – testmiljö"


def login_page(fields: Mapping[str, str], *, failed: bool, login: str) -> str:
    """The form. After a failed try it says so, next to the fields it is about."""
    hidden = [tag("input", type="hidden", name=name, value=value) for name, value in fields.items()]
    error = "Användarnamnet eller lösenordet stämmer inte." if failed else None
    described = "error" if failed else None
    form = tag(
        "form",
        hidden,
        tag("p", error, id="error", class_="error", role="alert") if failed else None,
        tag("label", "Användarnamn", for_="username"),
        tag(
            "input", id="username", name="username", value=login, autocomplete="username", required=True,
            autofocus=True, autocapitalize="none", spellcheck="false", aria_describedby=described,
            aria_invalid="true" if failed else None,
        ),
        tag("label", "Lösenord", for_="password"),
        tag(
            "input", id="password", name="password", type="password", autocomplete="current-password", required=True,
            aria_describedby=described, aria_invalid="true" if failed else None,
        ),
        tag("button", "Logga in", type="submit"),
        method="post",
        action="/oidc/authorize",
    )  # fmt: skip
    note = tag("p", "Testmiljö: användarna är lisa, olle och petra, lösenordet är sandbox.", class_="note")
    return page("sv", TITLE, tag("main", tag("h1", "Logga in"), note, form, class_="narrow"))


def fault_page(text: str) -> str:
    """A login that cannot go on, and must not send the browser anywhere."""
    return page("sv", TITLE, tag("main", tag("h1", "Inloggningen kan inte fortsätta"), tag("p", text), class_="narrow"))
