"""The stand-ins learn from topics: at least once, in any order between topics, older news ignored."""

from datetime import UTC, datetime, timedelta

import pytest

from connectors.sandbox.world import Kept, World
from tests.connectors.sandbox_support import (
    ADULT,
    CHILD,
    NOW,
    PARENT,
    account,
    booking,
    decision,
    delivered,
    notified,
    person,
    printed,
    requested,
    tell,
)

READ = {"document_id": "a", "patient": ADULT, "read_by": ADULT, "read_at": NOW}


@pytest.fixture
def world() -> World:
    return World()


def test_a_document_arrives_once_however_often_its_record_comes(world: World) -> None:
    for _ in range(3):
        tell(world, "document.delivered.v1", delivered("a", ADULT), event_id="same")
    (found,) = world.arrivals.of("app", ADULT)
    assert (found["document_id"], found["times"], found["records"]) == ("a", 1, 3)


def test_a_second_delivery_of_the_same_content_shows(world: World) -> None:
    tell(world, "document.delivered.v1", delivered("a", ADULT), NOW)
    tell(world, "document.delivered.v1", delivered("a", ADULT), NOW + timedelta(hours=1))
    (found,) = world.arrivals.of("app", ADULT)
    assert (found["times"], found["first_at"], found["last_at"]) == (2, "2026-11-23T09:30:00Z", "2026-11-23T10:30:00Z")


def test_other_content_under_the_same_id_shows_as_a_row_of_its_own(world: World) -> None:
    tell(world, "document.delivered.v1", delivered("a", ADULT))
    tell(world, "document.delivered.v1", delivered("a", ADULT, title="Väntetid"))
    assert [row["times"] for row in world.arrivals.of("app", ADULT)] == [1, 1]


def test_an_event_that_only_adds_a_reader_is_a_delivery_to_that_reader_alone(world: World) -> None:
    tell(world, "document.delivered.v1", delivered("a", CHILD, PARENT))
    tell(world, "document.delivered.v1", delivered("a", CHILD, PARENT, ADULT))
    assert [row["times"] for row in world.arrivals.of("app", PARENT)] == [1]
    assert [row["times"] for row in world.arrivals.of("app", ADULT)] == [1]


def test_a_withdrawn_document_that_is_delivered_again_has_arrived_twice(world: World) -> None:
    tell(world, "document.delivered.v1", delivered("a", ADULT))
    tell(world, "document.withdrawn.v1", {"document_id": "a", "at": NOW})
    states = [world.documents["a"].withdrawn]
    tell(world, "document.delivered.v1", delivered("a", ADULT))
    assert [*states, world.documents["a"].withdrawn] == [True, False]
    assert [row["times"] for row in world.arrivals.of("app", ADULT)] == [2]


def test_a_receipt_that_overtakes_its_document_counts(world: World) -> None:
    tell(world, "document.read.v1", READ)
    tell(world, "document.delivered.v1", delivered("a", ADULT))
    assert world.documents["a"].read_by == {ADULT}


def test_a_settled_document_stays_in_the_app(world: World) -> None:
    tell(world, "document.delivered.v1", delivered("a", ADULT))
    tell(world, "document.settled.v1", {"document_id": "a", "outcome": "read", "at": NOW})
    assert (world.documents["a"].outcome, world.documents["a"].withdrawn) == ("read", False)


def test_older_news_about_a_person_is_ignored_whole(world: World) -> None:
    new = datetime(2026, 5, 1, tzinfo=UTC)
    tell(world, "person.changed.v1", person(ADULT, "Alva Ny", as_of=new, protection="sekretessmarkering"))
    tell(world, "person.changed.v1", person(ADULT, "Alva Gammal"))
    record = world.register.record(ADULT)
    assert record is not None
    assert (record["name"], record["protection"]) == ("Alva Ny", "sekretessmarkering")
    assert world.register.name(ADULT) == "Dold uppgift"


def test_an_older_account_state_is_ignored(world: World) -> None:
    tell(world, "account.changed.v1", {**account(ADULT, "blocked"), "as_of": NOW})
    tell(world, "account.changed.v1", account(ADULT, "active"))
    assert world.account(ADULT) == "blocked"
    assert world.account(PARENT) == "none"


def test_a_hidden_booking_goes_and_an_older_hiding_changes_nothing(world: World) -> None:
    tell(world, "booking.shown.v1", booking("b", ADULT, version=3))
    tell(world, "booking.hidden.v1", {"booking_id": "b", "version": 2})
    assert "b" in world.bookings
    tell(world, "booking.shown.v1", booking("b", ADULT, version=2, status="cancelled"))
    assert world.bookings["b"]["status"] == "booked"
    tell(world, "booking.hidden.v1", {"booking_id": "b", "version": 3})
    assert "b" not in world.bookings


def test_what_is_asked_for_has_not_arrived_but_a_push_has_nobody_to_carry_it(world: World) -> None:
    tell(world, "delivery.requested.v1", requested("a", ADULT, "billo"))
    tell(world, "notification.requested.v1", notified("a", ADULT))
    assert world.arrivals.of("billo", ADULT) == world.arrivals.of("sms", ADULT) == []
    tell(world, "notification.requested.v1", notified("a", ADULT) | {"channel": "push", "notification_id": "p-a"})
    (push,) = world.arrivals.of("push", ADULT)
    assert (push["notification_id"], push["what"], push["times"]) == ("p-a", "requested", 1)


def test_a_print_entry_follows_what_became_of_it(world: World) -> None:
    tell(world, "print.entered.v1", printed("a"))
    entry = {"entry_id": "p-a", "document_id": "a", "unit": "SE2321000016-A1", "at": NOW}
    states = []
    for action in ("printed", "undone", "handled"):
        tell(world, "print.handled.v1", {**entry, "action": action, "by": "SE2321000016-LISA"})
        states.append(world.print_entries["p-a"].state)
    tell(world, "print.settled.v1", {**entry, "outcome": "read_late"})
    assert [*states, world.print_entries["p-a"].state] == ["printed", "open", "handled", "read_late"]


def test_an_update_of_a_print_entry_keeps_its_state(world: World) -> None:
    tell(world, "print.entered.v1", printed("a"))
    world.print_entries["p-a"].state = "printed"
    tell(world, "print.entered.v1", printed("a", "deceased"))
    assert (world.print_entries["p-a"].state, world.print_entries["p-a"].data["reason"]) == ("printed", "deceased")


def test_decisions_of_one_subject_come_in_their_order(world: World) -> None:
    for rule in ("P8", "R9", "R11"):
        tell(world, "decision.made.v1", decision("a", rule))
    tell(world, "decision.made.v1", decision("b"))
    assert [each["rule"] for each in world.decisions_of("a")] == ["P8", "R9", "R11"]
    assert world.decisions_of("nothing") == []


def test_what_is_kept_has_a_bound_and_the_oldest_goes() -> None:
    kept: Kept[int] = Kept(3)
    for number in range(5):
        kept.put(str(number), number)
    kept.put("2", 20)
    assert list(kept.values()) == [3, 4, 20]
    assert kept.newest(2) == [20, 4]


def test_old_decisions_are_forgotten_whole(world: World) -> None:
    world.decisions.most = 2
    for subject in ("a", "b", "c"):
        tell(world, "decision.made.v1", decision(subject))
    assert world.decisions_of("a") == []
    assert len(world.decisions_of("c")) == 1
    assert set(world._decided) == {"b", "c"}


def test_what_a_mailbox_says_of_another_senders_mail_tells_nothing_of_ours() -> None:
    """R9: it must accept mail from this sender."""
    world = World("162321000016")
    said = {"patient": ADULT, "operator": "kivra", "accepts": True, "as_of": "2026-11-23T09:30:00Z"}
    tell(world, "mailbox.changed.v1", {**said, "sender": "165560000001"})
    assert ADULT not in world.mailboxes
    tell(world, "mailbox.changed.v1", {**said, "sender": "162321000016"})
    assert world.mailboxes[ADULT]["kivra"]["accepts"] is True
