"""B1-B4, B8, V5, V7 and P8 for bookings: one row is one sentence."""

# ruff: noqa: E501 (a row of a table is one sentence and one line)

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from pipelines.rules.booking import judge_booking
from pipelines.rules.calendar import STOCKHOLM
from pipelines.rules.identity import LOOK_UP_PATIENCE
from pipelines.rules.model import AccountState, BookingDecision, BookingStatus, Protection, Relation, Video
from tests.pipelines.rules.rule_facts import (
    APP_FOR_SEKRETESS,
    CHILD,
    HOUR,
    KIVRA,
    LIMITS,
    MINUTE,
    RESIDENT,
    SENT,
    TEEN,
    agent,
    booking,
    person,
)

NO_ACCOUNT, BLOCKED = AccountState.NONE, AccountState.BLOCKED
SEKRETESS = Protection.SEKRETESSMARKERING
CANCELLED, REBOOKED, ARRIVED = BookingStatus.CANCELLED, BookingStatus.REBOOKED, BookingStatus.ARRIVED
VIDEO = {"video": Video.SINGLE, "video_since": SENT}
STALE = {"confirmed_at": SENT - 48 * HOUR}
OLD = {"confirmed_at": SENT - 200 * HOUR, "silent": True}
SHOWN = {"shown_app": True, "shown_portal": True}


def judge(who: dict[str, Any], what: dict[str, Any], now: datetime = SENT) -> BookingDecision:
    return judge_booking(person(**({"confirmed_at": now - HOUR} | who)), booking(**what), LIMITS, now)


CASES: list[tuple[str, dict[str, Any], dict[str, Any], str, str, bool, bool, Video]] = [
    # sentence, person, booking, rule, outcome, app, portal, room
    ("an ordinary booking is shown in both", {}, {}, "B8", "deliver", True, True, Video.NONE),
    ("a rebooked one too", {}, {"status": REBOOKED}, "B8", "deliver", True, True, Video.NONE),
    ("an arrived one too", {}, {"status": ARRIVED}, "B8", "deliver", True, True, Video.NONE),
    ("a video booking has a room", {}, VIDEO, "B8", "deliver", True, True, Video.SINGLE),
    ("a video booking without an account has one too", {"account": NO_ACCOUNT}, VIDEO, "B4", "deliver", False, True, Video.SINGLE),
    ("a protected person's is dropped", {"protection": SEKRETESS}, VIDEO, "B1", "drop", False, False, Video.NONE),
    ("protection comes before everything", {"protection": SEKRETESS, "confirmed_at": None}, {"hidden": True, "blocked": True}, "B1", "drop", False, False, Video.NONE),
    ("a hidden time type is not shown", {}, VIDEO | {"hidden": True}, "B2", "record", False, False, Video.NONE),
    ("what becomes hidden is hidden", {}, SHOWN | {"hidden": True}, "B2", "record", False, False, Video.NONE),
    ("a journal block leaves it to the unit", {}, VIDEO | {"blocked": True}, "B3", "deliver", False, True, Video.NONE),
    ("hidden comes before blocked", {}, {"hidden": True, "blocked": True}, "B2", "record", False, False, Video.NONE),
    ("a cancelled one is the unit's", {}, VIDEO | SHOWN | {"status": CANCELLED}, "B4", "deliver", False, True, Video.NONE),
    ("without an account the app shows nothing", {"account": NO_ACCOUNT}, {}, "B4", "deliver", False, True, Video.NONE),
    ("a mailbox is no app", {"account": NO_ACCOUNT, "mailboxes": (KIVRA,)}, {}, "B4", "deliver", False, True, Video.NONE),
    ("a blocked account hides it", {"account": BLOCKED}, SHOWN, "B4", "deliver", False, True, Video.NONE),
    ("a dead person's app is closed", {"deceased": True}, SHOWN, "B4", "deliver", False, True, Video.NONE),
    ("a reserve number's app is closed", {"reserve_only": True, "born": None, "confirmed_at": None}, {}, "B4", "deliver", False, True, Video.NONE),
    ("a teenager's account opens it", {"born": TEEN}, {}, "B8", "deliver", True, True, Video.NONE),
    ("a child's guardian opens it", {"born": CHILD, "account": NO_ACCOUNT, "agents": (agent(),)}, {}, "B8", "deliver", True, True, Video.NONE),
    ("a child's own account does not", {"born": CHILD}, {}, "B4", "deliver", False, True, Video.NONE),
    ("a past one is not shown for the first time", {}, {"start": SENT - 2 * HOUR}, "B4", "deliver", False, True, Video.NONE),
    ("a past one that is shown stays", {}, SHOWN | {"start": SENT - 2 * HOUR}, "B8", "deliver", True, True, Video.NONE),
    ("one that is going on is coming", {}, {"start": SENT - 10 * MINUTE}, "B8", "deliver", True, True, Video.NONE),
    ("an unconfirmed person's waits", {"confirmed_at": None}, VIDEO, "P8", "wait", False, False, Video.NONE),
    ("stale facts: it waits", STALE, VIDEO, "P8", "wait", False, False, Video.NONE),
    ("stale facts: what is shown stays", STALE, VIDEO | SHOWN, "B8", "deliver", True, True, Video.SINGLE),
    ("stale facts: what is hidden goes", STALE, SHOWN | {"hidden": True}, "B2", "record", False, False, Video.NONE),
    ("stale facts: no new place", STALE, {"shown_portal": True}, "P8", "wait", False, True, Video.NONE),
    ("an outage of the register empties no list", OLD, SHOWN, "B8", "deliver", True, True, Video.NONE),
]  # fmt: skip


@pytest.mark.parametrize(("who", "what", "rule", "outcome", "app", "portal", "room"), [row[1:] for row in CASES], ids=[row[0] for row in CASES])  # fmt: skip
def test_booking(who: dict[str, Any], what: dict[str, Any], rule: str, outcome: str, app: bool, portal: bool, room: Video) -> None:
    decision = judge(who, what)
    assert (decision.rule, decision.outcome) == (rule, outcome)
    assert (decision.app, decision.portal, decision.room) == (app, portal, room)


def test_a_protected_persons_booking_is_erased_and_withdrawn_if_it_was_shown() -> None:
    assert judge({"protection": SEKRETESS}, {}).erase
    assert not judge({"protection": SEKRETESS}, {}).withdrawn
    assert judge({"protection": SEKRETESS}, {"shown_portal": True}).withdrawn


def test_the_switch_for_documents_opens_no_booking() -> None:
    who = person(protection=SEKRETESS)
    assert judge_booking(who, booking(), APP_FOR_SEKRETESS, SENT).erase


def test_stale_and_unconfirmed_people_are_looked_up() -> None:
    stale = judge(STALE, {})
    assert (stale.look_up, stale.review_at) == ((RESIDENT,), SENT + LOOK_UP_PATIENCE)
    assert judge({"confirmed_at": None}, {}).look_up == (RESIDENT,)
    assert judge(STALE, SHOWN).look_up == (RESIDENT,)


def test_the_app_closes_to_guardians_on_the_13th_birthday_and_opens_to_the_childs_own_account() -> None:
    born, birthday = date(2013, 3, 5), datetime(2026, 3, 5, tzinfo=STOCKHOLM)
    child = {"born": born, "agents": (agent(),)}
    before = judge(child, {})
    assert (before.app, before.review_at) == (True, birthday)
    assert judge(child | {"account": NO_ACCOUNT}, SHOWN, birthday).app is False
    assert judge({"born": born}, {}).review_at == birthday
    assert judge({"born": born}, {}, birthday).app is True


def kinds(decision: BookingDecision) -> list[str]:
    return [told.kind for told in decision.notify]


START = SENT + 72 * HOUR
TOLD: list[tuple[str, dict[str, Any], dict[str, Any], timedelta, list[str], datetime | None]] = [
    # sentence, person, booking, before the start, notified of, reviewed at
    ("booked: notified, and reminded later", {}, VIDEO, 72 * HOUR, ["booking"], START - 15 * MINUTE),
    ("told already: only reminded later", {}, VIDEO | {"notified": True}, 48 * HOUR, [], START - 15 * MINUTE),
    ("15 minutes before: reminded", {}, VIDEO | {"notified": True}, 15 * MINUTE, ["reminder"], None),
    ("reminded once", {}, VIDEO | {"notified": True, "reminded": True}, 10 * MINUTE, [], None),
    ("begun: nothing", {}, VIDEO, 0 * HOUR, [], None),
    ("booked within the 15 minutes: not reminded too", {}, VIDEO | {"video_since": START - 10 * MINUTE}, 10 * MINUTE, ["booking"], None),
    ("without video: nothing", {}, {}, 15 * MINUTE, [], None),
    ("no account: nothing", {"account": NO_ACCOUNT}, VIDEO, 15 * MINUTE, [], None),
    ("dead: nothing", {"deceased": True}, VIDEO, 15 * MINUTE, [], None),
    ("hidden: nothing", {}, VIDEO | {"hidden": True}, 15 * MINUTE, [], None),
    ("journal block: nothing", {}, VIDEO | {"blocked": True}, 15 * MINUTE, [], None),
    ("cancelled: nothing", {}, VIDEO | {"status": CANCELLED}, 15 * MINUTE, [], None),
    ("stale and not shown: nothing yet", {"confirmed_at": SENT - 48 * HOUR}, VIDEO, 15 * MINUTE, [], START - 15 * MINUTE + LOOK_UP_PATIENCE),
]  # fmt: skip


@pytest.mark.parametrize(("who", "what", "before", "told", "review_at"), [row[1:] for row in TOLD], ids=[row[0] for row in TOLD])  # fmt: skip
def test_notified(who: dict[str, Any], what: dict[str, Any], before: timedelta, told: list[str], review_at: datetime | None) -> None:
    decision = judge(who, what, START - before)
    assert (kinds(decision), decision.review_at) == (told, review_at)
    assert all(one.not_after == START for one in decision.notify)


def test_a_childs_guardians_are_notified_and_no_holder_of_a_fullmakt() -> None:
    child = judge({"born": CHILD, "agents": (agent(2), agent(3))}, VIDEO)
    assert [told.recipient.uid.int for told in child.notify] == [2, 3]
    adult = judge({"agents": (agent(2, Relation.FULLMAKT),)}, VIDEO)
    assert [told.recipient.uid for told in adult.notify] == [RESIDENT]
