"""The operators' page: every outside system's view of the hub, as the topics tell it, newest first."""

from collections.abc import Iterable, Iterator
from typing import Any, Final
from urllib.parse import urlencode

from connectors.sandbox.pages.markup import Html, page, table, tag, when
from connectors.sandbox.world import AppDocument, World
from schemas.fields import parse_instant

ROWS: Final = 15
LINKS: Final = (("/", "Overview"), ("/inboxes", "Inboxes"), ("/why", "Why?"), ("/app", "Citizen app (Swedish)"))
OUTCOMES: Final = {"read": "read", "accepted": "accepted by a mailbox", "recorded": "recorded"}


def front_page(world: World, faults: list[dict[str, Any]], now: Any, speed: float) -> str:
    """`GET /`."""
    clock = tag("p", "Hub time ", when(now), f", {speed:g} times as fast as the wall clock." if speed != 1 else ".")
    body = (
        header("The sandbox", "What each outside system sees of the hub."),
        tag(
            "main",
            search_form(""),
            tag("section", clock, _counts(world), _faults(faults), data_live="summary"),
            section("app", "In the app", _documents(world), "Documents; the title is what residents read."),
            section("bookings", "Bookings in the app", _bookings(world), None),
            section("mailboxes", "Mailbox requests", _deliveries(world), "What mailbox connectors shall deliver."),
            section("notifications", "Notifications", _notifications(world), "Requests for an SMS or push, no content."),
            section("rooms", "Video rooms", _rooms(world), None),
            section("print", "Print queue", _print_queue(world), "Documents that staff shall print and post."),
            section("decisions", "Recent decisions", _decisions(world), None),
            id="content",
        ),
    )
    return page("en", "Sandbox: every outside system's view", Html("".join(body)), live=True)


def why_page(world: World, document_id: str) -> str:
    """`GET /why?document=`: each decision about a document, booking or room in words, and what came of it."""
    decisions = world.decisions_of(document_id)
    if decisions:
        told: Any = [_decision_in_words(number, each) for number, each in enumerate(decisions, 1)]
    elif document_id:
        told = tag("p", "No decision about this id is known here. Ids are those of the sending system.", class_="empty")
    else:
        told = tag("p", "Enter the id of a document, booking or room.", class_="empty")
    came = tag("section", tag("h2", "What came of it"), _journey(world, document_id)) if decisions else None
    body = (
        header("Why?", "The decisions about one id, the first first."),
        tag("main", search_form(document_id), tag("div", told, came, data_live="why"), id="content"),
    )
    return page("en", "Why? – sandbox", Html("".join(body)), live=True)


def search_form(value: str) -> Html:
    """Search by id. Ids of documents, bookings and rooms tell nothing about a person, so they may stand in a URL."""
    field = tag("input", id="document", name="document", value=value, required=True, spellcheck="false", size="40")
    label = tag("label", "Document, booking or room id", for_="document")
    return tag("form", label, tag("div", field, tag("button", "Why?"), class_="row"), action="/why", method="get", role="search")


def why_link(subject_id: str, text: str = "why?") -> Html:
    """A link to the decisions about an id, that says which one it is for those who hear the page."""
    hidden = tag("span", f" {subject_id}", class_="hidden") if text != subject_id else None
    return tag("a", text, hidden, href=f"/why?{urlencode({'document': subject_id})}")


def header(title: str, text: str) -> Html:
    nav = tag("nav", [tag("a", name, href=href) for href, name in LINKS], aria_label="Pages")
    pause = tag("button", "Pause updates", type="button", id="pause", aria_pressed="false", hidden=True)
    return tag("header", tag("a", "Skip to content", href="#content", class_="skip"), tag("h1", title), tag("p", text),
               tag("div", nav, pause, class_="row"))  # fmt: skip


def section(name: str, title: str, content: Html, note: str | None) -> Html:
    heading = tag("h2", title, id=f"{name}-title")
    about = tag("p", note, class_="note") if note else None
    return tag("section", heading, about, tag("div", content, data_live=name), aria_labelledby=f"{name}-title")


def _counts(world: World) -> Html:
    waiting = sum(entry.state == "open" for entry in world.print_entries.values())
    rows = (
        ("People the register knows", len(world.register)),
        ("Documents in the app", sum(not each.withdrawn for each in world.documents.values())),
        ("Bookings in the app", len(world.bookings)),
        ("Mailbox requests", len(world.deliveries)),
        ("Notifications", len(world.notifications)),
        ("To print", waiting),
        ("Decisions", len(world.decisions)),
    )
    return tag("dl", [tag("div", tag("dt", name), tag("dd", f"{count:,}")) for name, count in rows], class_="counts")


def _faults(faults: list[dict[str, Any]]) -> Html | None:
    if not faults:
        return None
    return tag("p", tag("strong", "Faults in force: "), "; ".join(f"{f['system']} {f['mode']}" for f in faults),
               class_="warning")  # fmt: skip


def _state(document: AppDocument) -> str:
    if document.withdrawn:
        return "withdrawn"
    return OUTCOMES.get(document.outcome or "", "read" if document.read_by else "unread")


def _documents(world: World) -> Html:
    rows: Iterable[Iterable[Any]] = (
        (
            when(parse_instant(each.data["sent"])),
            each.data["kind"],
            tag("span", each.data["title"], lang="sv"),
            world.register.name(each.data["patient"]),
            tag("span", each.data["unit_name"], lang="sv"),
            _state(each),
            why_link(each.data["document_id"]),
        )
        for each in world.documents.newest(ROWS)
    )
    heads = ("Sent", "Kind", "Title (sv)", "Resident", "Unit (sv)", "State", "Decisions")
    return table("Documents in the app", heads, rows, "Nothing has been delivered to the app yet.")


def _bookings(world: World) -> Html:
    rows: Iterable[Iterable[Any]] = (
        (
            when(parse_instant(each["start"])),
            f"{each['minutes']} min",
            world.register.name(each["patient"]),
            tag("span", f"{each['time_type']['name']}, {each['unit_name']}", lang="sv"),
            each["status"],
            "video" if each["video"] else "visit",
            why_link(each["booking_id"]),
        )
        for each in world.bookings.newest(ROWS)
    )
    heads = ("Start", "Length", "Resident", "Time type and unit (sv)", "Status", "Form", "Decisions")
    return table("Bookings in the app", heads, rows, "No booking is shown in the app yet.")


def _deliveries(world: World) -> Html:
    rows: Iterable[Iterable[Any]] = (
        (
            when(each["at"]),
            each["operator"],
            each["channel"],
            world.register.name(each["patient"]),
            tag("span", each["title"], lang="sv"),
            why_link(each["document_id"]),
        )
        for each in world.deliveries.newest(ROWS)
    )
    heads = ("Requested", "Operator", "Path", "Resident", "Title (sv)", "Decisions")
    return table("Mailbox requests", heads, rows, "Nothing has been requested from a mailbox yet.")


def _notifications(world: World) -> Html:
    rows: Iterable[Iterable[Any]] = (
        (
            when(each["at"]),
            each["channel"],
            each["kind"],
            each["template"],
            world.register.name(each["recipient"]),
            when(parse_instant(each["not_after"])),
            why_link(each["about"]),
        )
        for each in world.notifications.newest(ROWS)
    )
    heads = ("Requested", "Channel", "Kind", "Template", "Recipient", "Not after", "Decisions")
    return table("Notifications", heads, rows, "No notification has been requested yet.")


def _rooms(world: World) -> Html:
    rows: Iterable[Iterable[Any]] = (
        (
            each["state"],
            each["kind"],
            when(parse_instant(each["opens_at"])),
            when(parse_instant(each["closes_at"])),
            len(each["booking_ids"]),
            each["unit"],
            each.get("reason", ""),
            why_link(each["room_id"]),
        )
        for each in world.rooms.newest(ROWS)
    )
    heads = ("State", "Kind", "Opens", "Closes", "Bookings", "Unit", "Reason", "Decisions")
    return table("Video rooms", heads, rows, "There is no video room yet.")


def _print_queue(world: World) -> Html:
    rows: Iterable[Iterable[Any]] = (
        (
            when(parse_instant(entry.data["entered"])),
            tag("code", entry.data["reason"]),
            entry.data["kind"],
            tag("span", entry.data.get("title", "Dold uppgift"), lang="sv"),
            entry.data["unit"],
            ", ".join(_marks(entry.data)),
            entry.state,
            why_link(entry.data["document_id"]),
        )
        for entry in world.print_entries.newest(ROWS)
    )
    heads = ("Entered", "Reason", "Kind", "Title (sv)", "Unit", "Marks", "State", "Decisions")
    return table("Print queue", heads, rows, "Nothing has to be printed.")


def _marks(entry: Any) -> Iterator[str]:
    if entry["urgent"]:
        yield "urgent"
    if entry["manual_handling"]:
        yield "by hand"
    if entry["class"] == "relay":
        yield "relay"
    if "booking_state" in entry:
        yield f"booking {entry['booking_state']}"


def _decisions(world: World) -> Html:
    rows: Iterable[Iterable[Any]] = (
        (
            when(each["at"]),
            each["subject"],
            each["rule"],
            each["outcome"],
            tag("code", each["reason"]) if "reason" in each else "",
            ", ".join(each["channels"]),
            each["trigger"],
            why_link(each["subject_id"]),
        )
        for each in world.decisions.newest(ROWS)
    )
    heads = ("Decided", "About", "Rule", "Outcome", "Reason", "Channels", "Because of", "Decisions")
    return table("Recent decisions", heads, rows, "Nothing has been decided yet.")


def _decision_in_words(number: int, decision: Any) -> Html:
    others = [each for each in decision["channels"] if each != decision["outcome"]]
    channels = f" to {', '.join(others)}" if others else ""
    reason = [" (", tag("code", decision["reason"]), ")"] if "reason" in decision else ""
    deadline = [" Decided again at ", when(parse_instant(decision["deadline"])), "."] if "deadline" in decision else ""
    summary = tag("p", when(decision["at"]), f": {decision['outcome']}{channels} by rule {decision['rule']}", reason,
                  f", because of: {decision['trigger']}.", deadline)  # fmt: skip
    steps = [
        tag(
            "li",
            tag("strong", f"{step['rule']} {'applied' if step['applied'] else 'did not apply'}: "),
            step["because"],
            tag("span", _facts(step["facts"]), class_="facts") if step["facts"] else None,
        )
        for step in decision["trace"]
    ]
    title = tag("h2", f"Decision {number}: {decision['outcome']}")
    return tag("section", title, summary, tag("ol", steps), tag("p", f"Settings {decision['config_version']}", class_="note"))


def _facts(facts: Any) -> str:
    return " · " + ", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in facts.items())


def _journey(world: World, document_id: str) -> Html:
    lines: list[Any] = []
    document = world.documents.get(document_id)
    if document is not None:
        lines.append(tag("li", "In the app since ", when(document.arrived), f", {_state(document)}."))
    lines += [
        tag("li", f"Requested from {each['operator']} at ", when(each["at"]), ".")
        for each in world.deliveries.values()
        if each["document_id"] == document_id
    ]
    lines += [
        tag("li", "In the print queue since ", when(parse_instant(each.data["entered"])), f", {each.state}.")
        for each in world.print_entries.values()
        if each.data["document_id"] == document_id
    ]
    return tag("ul", lines) if lines else tag("p", "Nothing has come of it yet.", class_="empty")
