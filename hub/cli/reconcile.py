"""`hub reconcile`: what came in, was decided, was delivered and was printed, by hour and channel (`pipelines.reconcile`).

The four sources: the topics, the inbox table, the ledger's states, and in the sandbox what each stand-in says that it got. Real peers
cannot be asked: their deliveries are counted as such, and everything else is compared all the same.
"""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from config.settings import Settings
from hub.cli.connect import consumer, hub_clock, ledger
from hub.cli.exits import CODE_FAILED, NotReachable, WrongUse
from hub.cli.running import settings_of
from hub.cli.screen import Screen, local_text
from hub.cli.spans import moment
from hub.cli.verify import BETWEEN_PASSES_S, read
from pipelines.ledger import reconciled
from pipelines.ledger.told import RETENTION_MS, TOPICS, Telling
from pipelines.outputs import OPERATORS
from pipelines.reconcile import APP, COUNTS, SMS, Account, Difference, Inbox, Span, confirmed, reconcile
from schemas import topics
from schemas.fields import parse_instant

YOUNG: Final = timedelta(minutes=1)
"""Wall time in which everything that is on its way has come: what is younger is no difference."""
MARGIN: Final = timedelta(days=1)
"""Before a topic's retention ends nothing may be missing."""
INBOXES: Final = (APP, *OPERATORS.values(), SMS)
ANSWER_TIMEOUT_S: Final = 60.0
SHOWN_MAX: Final = 50
_HEADS: Final = {"under_way": "under way"}


def run(screen: Screen, directory: Path, begin: str, end: str) -> int:
    """0 when everything adds up, else 1."""
    first, last = moment(begin), moment(end)
    if first >= last:
        raise WrongUse("--from must be before --to")
    settings = settings_of(directory)
    account, differences = asyncio.run(_reconcile(screen, settings, first, last))
    if screen.as_json:
        screen.data(_data(account, differences))
    else:
        _show(screen, account, differences)
    return CODE_FAILED if differences else 0


async def _reconcile(screen: Screen, settings: Settings, first: datetime, last: datetime) -> tuple[Account, list[Difference]]:
    """Two passes where the first finds something: beside a running hub, the sources are never looked at in the same instant."""
    account = await _pass(screen, settings, first, last)
    if not account.differences:
        return account, []
    await asyncio.sleep(BETWEEN_PASSES_S)
    again = await _pass(screen, settings, first, last)
    return again, confirmed(account, again)


async def _pass(screen: Screen, settings: Settings, first: datetime, last: datetime) -> Account:
    clock = hub_clock(settings)
    wall = datetime.now(UTC)
    span = Span(first, last, clock.at(wall - YOUNG))
    full_since = clock.at(wall - timedelta(milliseconds=RETENTION_MS) + MARGIN)
    telling = Telling(full_since, span, clock.mapping())
    async with consumer(settings) as reader, ledger(settings) as pool:
        await _listen(screen, reader, telling, int(clock.wall_of(first).timestamp() * 1000))
        got = await asyncio.to_thread(_inboxes, settings) if settings.sandbox.enabled else {}
        with screen.progress("reading the ledger") as advance:
            kept = await reconciled.kept(pool, telling.told, got, span, advance)
    return reconcile(telling.told, kept, got, span)


async def _listen(screen: Screen, reader: AIOKafkaConsumer, telling: Telling, since_ms: int) -> None:
    """Each topic from the first record that is not older than the span: what is said of a document comes after it."""
    partitions = [TopicPartition(name, n) for name in TOPICS for n in range(topics.TOPICS[name].partitions)]
    ends = await reader.end_offsets(partitions)
    found = await reader.offsets_for_times(dict.fromkeys(partitions, max(0, since_ms)))
    begins = {p: found[p].offset if found.get(p) is not None else ends[p] for p in partitions}
    with screen.progress("reading topics", sum(ends[p] - begins[p] for p in partitions)) as advance:
        await read(reader, begins, ends, telling, advance)


def _inboxes(settings: Settings) -> dict[str, Inbox]:
    """What each stand-in says that it has. Raises `NotReachable`."""
    connection = http.client.HTTPConnection("127.0.0.1", settings.ports.sandbox, timeout=ANSWER_TIMEOUT_S)
    try:
        return {name: _inbox(connection, name) for name in INBOXES}
    except (OSError, http.client.HTTPException, ValueError, KeyError):
        raise NotReachable(f"the stand-ins do not answer on port {settings.ports.sandbox}; what they have cannot be compared") from None
    finally:
        connection.close()


def _inbox(connection: http.client.HTTPConnection, name: str) -> Inbox:
    connection.request("GET", f"/inbox/{name}")
    answer = connection.getresponse()
    body = json.loads(answer.read())
    if answer.status != 200:
        raise ValueError(f"status {answer.status}")
    times: dict[str, int] = {}
    firsts: dict[str, datetime] = {}
    for row in body["items"]:
        about = _about(row)
        # What several people have by one name is one thing (a phone they share, a document's readers); a letter with two contents is two.
        times[about] = max(times.get(about, 0), row["times"]) if name in (APP, SMS) else times.get(about, 0) + row["times"]
        at = parse_instant(row["first_at"])
        firsts[about] = min(firsts.get(about, at), at)
    return Inbox(parse_instant(body["since"]), times, firsts)


def _about(row: Mapping[str, Any]) -> str:
    """Our reference where the peer has one, else its own name of it."""
    return str(next(row[name] for name in ("delivery_id", "sms_id", "objkey", "document_id") if name in row))


def _data(account: Account, differences: list[Difference]) -> dict[str, Any]:
    lines = [
        {"hour": hour, "channel": channel, **{name: line[name] for name in COUNTS}}
        for (hour, channel), line in sorted(account.lines.items())
    ]
    return {
        "ok": not differences, "lines": lines, "differences": [each._asdict() for each in differences],
        "unknown": [each._asdict() for each in account.unknown], "unasked": account.unasked,
    }  # fmt: skip


def _show(screen: Screen, account: Account, differences: list[Difference]) -> None:
    heads = ("hour", "channel", *(_HEADS.get(name, name) for name in COUNTS))
    rows = [(local_text(hour), channel, *(line[name] or "" for name in COUNTS)) for (hour, channel), line in sorted(account.lines.items())]
    screen.table(heads, rows)
    if account.unknown:
        screen.line()
        listed = [(one.document_id, one.channel, one.delivery, _has(one.peer_has)) for one in account.unknown[:SHOWN_MAX]]
        screen.table(("unknown outcome of", "channel", "delivery", "the peer"), listed)
        _more(screen, len(account.unknown))
    if differences:
        screen.line()
        screen.table(("does not add up", "document", "should be", "is"), [tuple(each) for each in differences[:SHOWN_MAX]])
        _more(screen, len(differences))
    screen.line()
    if account.unasked:
        screen.line(f"{account.unasked} deliveries and texts whose peer cannot be asked about them.")
    screen.line("Everything adds up." if not differences else f"{len(differences)} differences.")


def _more(screen: Screen, number: int) -> None:
    if number > SHOWN_MAX:
        screen.line(f"… and {number - SHOWN_MAX} more (--json has them)")


def _has(times: int | None) -> str:
    return "cannot be asked" if times is None else "has it" if times == 1 else "has it not" if times == 0 else f"has it {times} times"
