"""The account of the channels: what the hub says of every delivery against what arrived outside, and what stands where it must not.

Beside the account of the spine (`tests.faults.account`), which is made of the same run: nothing lost, nothing twice, deadlines kept.
"""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pipelines.ledger.sends import CHANNEL_NAMES
from pipelines.rules.sending import State
from schemas.clock import Clock
from tests.faults.account import Account, account
from tests.faults.cast import MAILBOX_OF, SILENT, Somebody
from tests.faults.topics import Said, read_all

if TYPE_CHECKING:
    from tests.faults.channels import Channels, Outside

BOXES: Final = ("kivra", "billo", "minmyndighetspost", "fortnox")
INBOXES: Final = ("app", "push", "sms", *BOXES)
OURS: Final = frozenset({"persons.v1", "ehr.letters.v1", "ehr.referrals.v1", "ehr.bookings.v1"})
"""Topics that names and titles of protected people stand on: what the register and the EHR said."""
ARRIVED: Final = frozenset({State.ACCEPTED, State.READ})


@dataclass(frozen=True, slots=True)
class Send:
    """One delivery as the ledger has it at the end."""

    send: str
    about: str
    channel: str
    state: State


def delivered(outside: Outside, made: Channels) -> None:
    """Fills `made.account`."""
    hub = outside.hub
    made.account = asyncio.run(account(hub.kafka, outside.dsn, made.published, Clock(hub.dir / "clock.json")))
    topics = asyncio.run(read_all(hub.kafka))
    rows = outside.ledger("SELECT send, about, channel, state FROM sends")
    sends = [Send(str(row["send"]), row["about"], CHANNEL_NAMES[row["channel"]], State(row["state"])) for row in rows]
    inboxes = {
        (channel, pid): outside.inbox(channel, pid) for one in made.people for pid in one.readers for channel in INBOXES
    }  # fmt: skip
    _nothing_under_way(made.account, sends)
    _right_recipients(made.account, made.of, inboxes)
    _what_the_hub_says_is_so(made, sends, inboxes)
    _texts(made.account, made.people, topics, sends, inboxes)
    _reasons(made, sends, topics)
    items = json.loads(hub.run("--json", "unknown", "list"))["items"]
    unknown = {one.send for one in sends if one.state is State.UNKNOWN}
    made.account.counts["deliveries and texts on the desk"] = len(unknown)
    if len(unknown) < 1_000:  # the list shows so many
        made.account.check("unknown outcomes that `hub unknown list` has otherwise", unknown ^ {row["id"] for row in items})
    _leaks(outside, made, topics, inboxes)


def _nothing_under_way(made: Account, sends: list[Send]) -> None:
    states = Counter(f"{one.channel} {one.state.name.lower()}" for one in sends)
    made.counts |= {f"sends: {name}": number for name, number in sorted(states.items())}
    final = ARRIVED | {State.REFUSED, State.UNKNOWN, State.WITHDRAWN}
    made.check("deliveries neither ended nor on the desk", (one.send for one in sends if one.state not in final))


def _right_recipients(
    made: Account, of: Mapping[str, tuple[Somebody, str]], inboxes: Mapping[tuple[str, str], list[dict[str, Any]]]
) -> None:
    wrong, arrived = [], Counter[str]()
    for (channel, pid), rows in inboxes.items():
        for row in rows:
            arrived[channel] += 1
            if channel in ("sms", "push"):
                continue
            somebody, _ = of[row["document_id"]] if row.get("document_id") in of else (None, "")
            if somebody is None or pid not in somebody.readers or (channel != "app" and MAILBOX_OF.get(somebody.way) != channel):
                wrong.append(f"{channel} {row.get('document_id')}")
    made.counts |= {f"arrived: {channel}": number for channel, number in sorted(arrived.items())}
    made.check("documents at a wrong recipient", wrong)


def _what_the_hub_says_is_so(made: Channels, sends: list[Send], inboxes: Mapping[tuple[str, str], list[dict[str, Any]]]) -> None:
    times: dict[str, int] = defaultdict(int)
    for (channel, _), rows in inboxes.items():
        for row in rows if channel in BOXES else ():
            times[row.get("document_id", "")] += row["times"]
    letters = [one for one in sends if one.channel != "sms"]
    kivra = {one.about for one in letters if one.channel == "kivra"}
    check = made.account.check
    check("letters that arrived twice where repeats are recognised", (d for d, n in times.items() if n > 1 and d in kivra))
    check(
        "letters that arrived twice and were not sent anew by an operator",
        (d for d, n in times.items() if n > 1 and d not in kivra | made.resent),
    )
    check("letters called accepted that are not there", (one.about for one in letters if one.state in ARRIVED and not times[one.about]))
    check(
        "letters called refused or withdrawn that are there",
        (one.about for one in letters if one.state in (State.REFUSED, State.WITHDRAWN) and times[one.about]),
    )
    check("letters there that the ledger knows nothing of", times.keys() - {one.about for one in letters})


def _texts(
    made: Account,
    people: list[Somebody],
    topics: Mapping[str, list[Said]],
    sends: list[Send],
    inboxes: Mapping[tuple[str, str], list[dict[str, Any]]],
) -> None:
    """N3: no text twice. A provider names each message anew, so they are counted by person."""
    wanted: dict[str, set[str]] = defaultdict(set)
    for said in topics["notifications.v1"]:
        wanted[said.data["recipient"]].add(said.data["notification_id"])
    state = {one.send: one.state for one in sends if one.channel == "sms"}
    more, fewer = [], []
    for pid in {pid for one in people for pid in one.readers}:
        got = sum(row["times"] for row in inboxes["sms", pid])
        mine = [state.get(ident) for ident in wanted[pid]]
        at_least, in_doubt = sum(each in ARRIVED for each in mine), sum(each is State.UNKNOWN for each in mine)
        if got > at_least + in_doubt:
            more.append(f"{got} for {at_least} + {in_doubt}")
        if got < at_least:
            fewer.append(f"{got} for {at_least}")
    made.check("people who got more texts than the hub says", more)
    made.check("people who got fewer texts than the hub says", fewer)
    made.check("notifications that no part carried", {ident for each in wanted.values() for ident in each} - state.keys())


def _reasons(made: Channels, sends: list[Send], topics: Mapping[str, list[Said]]) -> None:
    """Each document ends where DOMAIN.md says, after 48 hours."""
    state = {one.about: one.state for one in sends if one.channel != "sms"}
    reason: dict[str, str] = {}
    for said in topics["print.entries.v1"]:
        if said.type == "print.entered.v1":
            reason[said.data["document_id"]] = said.data["reason"]
    other = []
    for document, (somebody, kind) in made.of.items():
        meant = expected(somebody, kind, state.get(document), read=document in made.read)
        if reason.get(document) != meant:
            other.append(f"{document} {somebody.way} {kind} {state.get(document)!r}: {reason.get(document)}, not {meant}")
    made.account.counts |= {f"on paper: {name}": number for name, number in sorted(Counter(reason.values()).items())}
    made.account.check("documents that ended otherwise than the rules say", other)


def expected(somebody: Somebody, kind: str, delivery: State | None, *, read: bool) -> str | None:
    """The reason of the print entry, None for none: R2, R3, R7 to R12."""
    if somebody.way in SILENT:
        return "deceased" if somebody.way == "deceased" else "protected_identity"
    if read or delivery in ARRIVED:
        return None
    if delivery is State.UNKNOWN:
        return "unknown_outcome"
    if somebody.way in ("app", "child", "both"):
        return "unread_48h"
    if delivery is not None:
        return "mailbox_refused"
    return "no_channel" if kind == "kallelse" else "no_account_48h"


def _leaks(
    outside: Outside, made: Channels, topics: Mapping[str, list[Said]], inboxes: Mapping[tuple[str, str], list[dict[str, Any]]]
) -> None:
    """R3, P1, R2: nothing of a protected person anywhere, nothing digital to the dead; of nobody a word in what operators see."""
    protected = [one for one in made.people if one.way in SILENT and one.way != "deceased"]
    words = {one.word(field).encode() for one in protected for field in ("name", "title", "body")}
    made.account.counts["protected people"] = len(protected)

    def seen(raw: bytes) -> bool:
        return b"Zq" in raw and any(word in raw for word in words)

    on_topics = (
        f"{said.topic} {said.type}"
        for name, records in topics.items()
        if name not in OURS
        for said in records
        if seen(said.value or b"") or seen(repr(said.headers).encode())
    )
    made.account.check("words of protected people on topics for others", on_topics)
    silent = {one.pid for one in made.people if one.way in SILENT}
    made.account.check(
        "arrivals for protected or dead people", (channel for (channel, pid), rows in inboxes.items() if rows and pid in silent)
    )
    numbers = {pid.encode() for one in made.people for pid in one.readers}
    hub = outside.hub
    shown = {path.name: path.read_bytes() for path in (*(hub.dir / "log").iterdir(), hub.dir.parent / "up.log") if path.is_file()}
    ports = {port for part in hub.look()["parts"] for name, port in part["ports"].items() if name == "http"}
    for port in sorted({*ports, hub.base + 9}):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
            shown[f"metrics of {port - hub.base}"] = answer.read()
    assert {"delivery.log", "gateway.log", "sandbox.log"} <= shown.keys()
    made.account.check(
        "logs and metrics that name anybody", (name for name, raw in shown.items() if b"Zq" in raw or any(n in raw for n in numbers))
    )
