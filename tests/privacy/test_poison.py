"""One event must never stand in everybody's way: what cannot be computed with is refused at the door, and nothing costs minutes.

A worker that falls over an event falls over it again after every restart, and protections (P10) wait behind it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from time import process_time

import orjson
import pytest

from schemas import html
from schemas.errors import Malformed
from schemas.events import decode
from tests.pipelines.desk import ANNA, CHILD, MOTHER, Event, account, agent, booking, kallelse, letter, person, read
from tests.rules_by_law.law_desk import LawDesk

VIDEO = {"id": "v", "name": "Video", "hidden": False, "video": "single"}
CASES: dict[str, Callable[[], list[Event]]] = {
    "a visit at the end of the calendar": lambda: [booking(ANNA, start="9999-12-31T23:30:00Z", minutes=10_080)],
    "a video visit at its beginning": lambda: [booking(ANNA, start="0001-01-01T00:00:00Z", time_type=VIDEO)],
    "a kallelse to such a visit, printed early": lambda: [
        booking(ANNA, start="0001-01-02T00:00:00Z"),
        kallelse(ANNA, booking_id="b1", unit="SE2321000016-E5"),
    ],
    "a child not yet born": lambda: [person(CHILD, born="9995-01-01"), agent(CHILD, MOTHER), letter(CHILD)],
    "a child of the year one": lambda: [person(CHILD, born="0001-01-01"), agent(CHILD, MOTHER), letter(CHILD)],
    "a link without end": lambda: [person(CHILD), agent(CHILD, MOTHER, until="9999-12-31"), letter(CHILD), booking(CHILD)],
    "a receipt of the far future": lambda: [letter(ANNA), read(ANNA, at=datetime(9999, 12, 31, tzinfo=UTC))],
    "a till of the far future": lambda: [booking(ANNA, till_registered_at="9999-12-31T23:59:59Z", time_type=VIDEO)],
    "news as of for ever": lambda: [person(ANNA, as_of=datetime(9999, 12, 31, tzinfo=UTC))],
    "a booking older than time": lambda: [
        Event("booking.changed.v1", {**booking(ANNA).data, "version": None, "updated_at": "0001-01-01T00:00:00Z"})
    ],
}


@pytest.mark.parametrize("name", CASES)
async def test_an_event_at_the_edge_of_the_calendar_stops_nothing(hub: LawDesk, name: str) -> None:
    await hub.take(person(ANNA), account(ANNA), person(MOTHER), account(MOTHER))
    await hub.take(*CASES[name]())
    await hub.wait(hours=49)
    said = await hub.take(letter(ANNA, "next")) + await hub.settle()
    assert any(one.type == "document.delivered.v1" and one.data["document_id"] == "next" for one in said)


async def test_a_link_without_end_counts(hub: LawDesk) -> None:
    """`9999-12-31` is how many systems write that there is no end."""
    await hub.take(person(CHILD), person(MOTHER), account(MOTHER), agent(CHILD, MOTHER, until="9999-12-31"))
    said = await hub.take(letter(CHILD))
    assert [one.data["recipients"] for one in said if one.type == "document.delivered.v1"] == [[{"id": MOTHER, "role": "guardian"}]]


COSTLY = {
    "nested": "<div>" * 190_000,
    "tables in tables": "<table><tr><td>" * 60_000,
    "formatting that every paragraph repeats": "<p>" + "".join(f"<b a={n}>" for n in range(300)) + "</p>" + "<p>x" * 200_000,
    "closers that close nothing": "<div></x>" * 100_000,
    "ampersands": "&" * 900_000,
}


@pytest.mark.parametrize("body", COSTLY.values(), ids=COSTLY)
def test_markup_that_would_cost_minutes_is_refused(body: str) -> None:
    started = process_time()
    with pytest.raises(Malformed):
        decode("document.submitted.v1", _html(body))
    assert process_time() - started < 2


LONG = {
    "paragraphs": "<p>Vi ses &aring;ter.</p>" * 38_000,
    "paragraphs that nobody closed": "<p>Vi ses." * 90_000,
    "a table": "<table>" + "<tr><td>Prov<td>Svar" * 45_000 + "</table>",
    "a list": "<ul>" + "<li>Ta med <b>legitimation</b>" * 30_000 + "</ul>",
}


@pytest.mark.parametrize("body", LONG.values(), ids=LONG)
def test_a_long_letter_is_taken_and_cleaned_in_seconds(body: str) -> None:
    decode("document.submitted.v1", _html(body))
    started = process_time()
    html.deliverable(body, "", "html")
    assert process_time() - started < 5


def _html(body: str) -> bytes:
    return orjson.dumps({**letter(ANNA).data, "body": body, "body_format": "html"}, option=orjson.OPT_UTC_Z)
