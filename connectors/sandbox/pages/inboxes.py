"""The operators' page of what really arrived: by channel, for whom, which content, how often. More than once is worth a look."""

from collections.abc import Iterable
from typing import Any, Final

from connectors.sandbox.arrivals import Arrival
from connectors.sandbox.pages.markup import Html, join, page, table, tag, when
from connectors.sandbox.pages.operators import header, section, why_link
from connectors.sandbox.world import World

ROWS: Final = 10
HASH_SHOWN: Final = 12
INBOXES: Final = (
    ("app", "Citizen app", "Documents that residents and their agents have."),
    ("kivra", "Kivra", "Digital mailbox, direct or by Mina meddelanden."),
    ("billo", "Billo", "Digital mailbox by Mina meddelanden."),
    ("minmyndighetspost", "Min myndighetspost", "Digital mailbox by Mina meddelanden."),
    ("fortnox", "Fortnox", "Digital mailbox by Mina meddelanden."),
    ("sms", "SMS", "Notifications; a text says nothing about care."),
    ("push", "Push", "Notifications in the app where no number is known."),
)


def inboxes_page(world: World) -> str:
    """`GET /inboxes`. The same rows for one person: `GET /inbox/{channel}/{person}`."""
    jump = [tag("a", f"{title} ({world.arrivals.count(channel):,})", href=f"#{channel}-title") for channel, title, _ in INBOXES]
    parts = [section(channel, title, _inbox(world, channel, title), note) for channel, title, note in INBOXES]
    top = header("Inboxes", "What arrived at each stand-in, the newest first.")
    main = tag("main", tag("nav", jump, aria_label="Channels", data_live="jump"), parts, id="content")
    return page("en", "Inboxes – sandbox", join([top, main]), live=True)


def _inbox(world: World, channel: str, title: str) -> Html:
    rows: Iterable[Iterable[Any]] = (_row(world, channel, person, arrival) for person, arrival in world.arrivals.newest(channel, ROWS))
    heads = ("Last", "First", "Resident", "What", "Times", "SHA-256", "Size", "Type", "Id")
    return table(title, heads, rows, "Nothing has arrived here yet.")


def _row(world: World, channel: str, person: str, arrival: Arrival) -> Iterable[Any]:
    notified = world.notifications.get(arrival.about) if arrival.name == "notification_id" else None
    about = arrival.about if notified is None else notified["about"]  # decisions are about what a notification is about
    times = tag("strong", f"{arrival.times} times", class_="odd") if arrival.times > 1 else "once"
    return (
        when(arrival.last_at),
        when(arrival.first_at),
        world.register.name(person),
        arrival.shown(channel)["what"],
        times,
        tag("code", arrival.sha256[:HASH_SHOWN], title=arrival.sha256),
        f"{arrival.size:,} B",
        arrival.content_type,
        why_link(about, arrival.about),
    )
