"""Who somebody is and what that changes: P2 to P8, P10, and the ombud rules."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.acceptance import care_events as care
from tests.acceptance.care_desk import Desk
from tests.acceptance.hub_process import until


def recipients(desk: Desk, document: str) -> set[tuple[str, str]]:
    return {(r["id"], r["role"]) for r in desk.delivered(document)["recipients"]}


def test_events_under_an_old_number_are_handled_for_the_current_person(desk: Desk) -> None:
    """P4: replaced_by; person ids in what the hub writes are of the current number."""
    old, new = care.adult(), care.adult()
    desk.user(new)
    desk.person(old, replaced_by=new)
    desk.hub.idle()
    letter = desk.submit(old)
    assert recipients(desk, letter) == {(new, "resident")}
    assert desk.delivered(letter)["patient"] == new
    booking = desk.book(old)
    assert desk.topics.wait("app.bookings.v1", booking_id=booking["booking_id"])["patient"] == new
    desk.read(letter, old, by=new)
    assert desk.topics.wait("app.documents.v1", document_id=letter, outcome="read")


def test_a_protection_on_an_old_number_protects_the_current_one(desk: Desk) -> None:
    """P8."""
    old, new = care.adult(), care.adult()
    desk.user(new)
    desk.person(old, replaced_by=new, protection="sekretessmarkering")
    desk.hub.idle()
    assert desk.printed(desk.submit(new))["reason"] == "protected_identity"


def test_a_reserve_number_linked_to_a_personnummer_is_that_person(desk: Desk) -> None:
    """P2."""
    reserve, own = care.reserve_number(), care.adult()
    desk.user(own, linked=[reserve])
    letter = desk.submit(reserve)
    assert recipients(desk, letter) == {(own, "resident")}


def test_a_samordningsnummer_is_a_person_like_any(desk: Desk) -> None:
    """Section 2: the day + 60."""
    number = care.coordination_number()
    desk.topics.send("persons.v1", "person.changed.v1", care.person(number, born="1979-05-17"), source="/spar")
    desk.account(number)
    desk.hub.idle()
    assert recipients(desk, desk.submit(number)) == {(number, "resident")}


def test_a_blocked_childs_space_is_closed(desk: Desk) -> None:
    """R7: the child's own account is not needed, but a blocked one closes the space."""
    child, mother = desk.person(care.aged(9)), desk.user()
    desk.agent(child, mother)
    desk.account(child, "blocked")
    desk.hub.idle()
    assert desk.printed(desk.submit(child, "kallelse"))["reason"] == "no_channel"


@pytest.mark.parametrize("state", ["inactive", "blocked"])
def test_a_link_that_ends_closes_the_childs_space(desk: Desk, state: str) -> None:
    """P7: it counts while it is active."""
    child, mother = desk.person(care.aged(9)), desk.user()
    desk.agent(child, mother)
    desk.hub.idle()
    desk.agent(child, mother, state, as_of=desk.now())
    desk.hub.idle()
    assert desk.printed(desk.submit(child, "kallelse"))["reason"] == "no_channel"


def test_a_guardian_without_account_does_not_count(desk: Desk) -> None:
    """P7, R7."""
    child, mother = desk.person(care.aged(9)), desk.known()
    desk.agent(child, mother)
    desk.hub.idle()
    assert desk.decided(desk.submit(child))["outcome"] == "wait"


def test_a_holder_of_a_fullmakt_sees_but_settles_nothing(desk: Desk) -> None:
    """P7: among the recipients, without notification; reading is recorded; nothing to the holder's mailbox."""
    giver, holder = desk.user(), desk.user()
    desk.mailbox(holder)
    desk.agent(giver, holder, relation="fullmakt")
    desk.hub.idle()
    letter = desk.submit(giver)
    assert recipients(desk, letter) == {(giver, "resident"), (holder, "fullmakt")}
    desk.read(letter, giver, by=holder)
    desk.topics.settle()
    assert desk.of_type("app.documents.v1", "document.settled.v1", document_id=letter) == []
    assert [n["recipient"] for n in desk.topics.about("notifications.v1", about=letter)] == [giver]
    assert desk.topics.about("mailbox.deliveries.v1", document_id=letter) == []


def test_a_guardian_is_no_recipient_of_a_teenagers_letter(desk: Desk) -> None:
    """P7, R8: access ends on the 13th birthday."""
    teenager, mother = desk.user(care.aged(14)), desk.user()
    desk.agent(teenager, mother)
    desk.hub.idle()
    assert recipients(desk, desk.submit(teenager)) == {(teenager, "resident")}


def test_deregistering_is_blocking(desk: Desk) -> None:
    """P5: an account that goes from active to none; the resident cannot undo it."""
    patient = desk.user()
    desk.account(patient, "none", as_of=desk.now())
    desk.hub.idle()
    again = desk.topics.send("accounts.v1", "account.changed.v1", care.account(patient, as_of=desk.now()), source="/app")
    assert desk.dead(again)["dlq-class"] == "not_allowed"
    assert desk.printed(desk.submit(patient, "kallelse"))["reason"] == "no_channel"


def test_a_staff_block_deactivates_ombud_links_for_good(desk: Desk) -> None:
    """P5: not restored by unblocking."""
    child, mother = desk.person(care.aged(9)), desk.user()
    desk.agent(child, mother)
    desk.hub.idle()
    staff = {"id": "SE2321000016-S1", "role": "staff"}
    desk.account(mother, "blocked", as_of=desk.now(), by=staff)
    desk.hub.idle()
    assert desk.printed(desk.submit(child, "kallelse"))["reason"] == "no_channel"
    desk.account(mother, "active", as_of=desk.now(), by=staff, present=care.A1)
    desk.hub.idle()
    assert desk.printed(desk.submit(child, "kallelse"))["reason"] == "no_channel"


def test_blocking_notifies_nobody(desk: Desk) -> None:
    """P5."""
    patient = desk.user()
    desk.account(patient, "blocked", as_of=desk.now())
    desk.topics.settle()
    assert desk.topics.about("notifications.v1", recipient=patient) == []


def test_a_lower_protection_by_older_news_is_ignored(desk: Desk) -> None:
    """P8: as_of decides, and only the register lowers."""
    patient = desk.person(protection="skyddad_folkbokforing", as_of="2026-05-02T00:00:00Z")
    desk.person(patient, as_of="2026-05-01T00:00:00Z")
    desk.account(patient)
    desk.hub.idle()
    document = desk.submit(patient)
    assert desk.printed(document)["class"] == "relay"


def test_a_protection_that_the_register_lifts_lets_later_letters_through(desk: Desk) -> None:
    patient = desk.user(protection="sekretessmarkering", as_of=care.stamp(care.parse(desk.now()) - timedelta(hours=1)))
    masked = desk.submit(patient)
    assert desk.printed(masked)["reason"] == "protected_identity"
    desk.person(patient, as_of=desk.now())
    desk.hub.idle()
    desk.delivered(desk.submit(patient))


def test_a_death_is_decided_again_at_once(desk: Desk) -> None:
    """R15, R2: what waits or is unread goes to print for manual handling."""
    patient = desk.user()
    letter = desk.submit(patient)
    desk.delivered(letter)
    desk.person(patient, deceased=desk.now()[:10], as_of=desk.now())
    entry = desk.printed(letter)
    assert (entry["reason"], entry["manual_handling"]) == ("deceased", True)


def test_an_entry_of_one_who_dies_is_marked(desk: Desk) -> None:
    """R15."""
    patient = desk.known()
    summons = desk.submit(patient, "kallelse")
    desk.printed(summons)
    desk.person(patient, deceased=desk.now()[:10], as_of=desk.now())
    until(lambda: desk.printed(summons)["reason"] == "deceased", 30, "marked")
    assert desk.printed(summons)["manual_handling"] is True


def test_a_mailbox_opened_in_time_gets_the_waiting_letter(desk: Desk) -> None:
    """R10, R15; an open app copy is enough: no mailbox beside it later."""
    waiting, using = desk.known(), desk.user()
    letter, other = desk.submit(waiting), desk.submit(using)
    desk.delivered(other)
    desk.decided(letter)
    desk.mailbox(waiting, as_of=desk.now())
    desk.mailbox(using, as_of=desk.now())
    assert desk.topics.wait("mailbox.deliveries.v1", document_id=letter)["operator"] == "kivra"
    desk.topics.settle()
    assert desk.topics.about("mailbox.deliveries.v1", document_id=other) == []


def test_emigrated_is_a_marker_alone(desk: Desk) -> None:
    """P3."""
    desk.delivered(desk.submit(desk.user(emigrated=True)))


def test_a_wrong_check_digit_is_malformed(desk: Desk) -> None:
    patient = care.adult()
    wrong = patient[:-1] + str((int(patient[-1]) + 1) % 10)
    sent = desk.topics.send("ehr.letters.v1", "document.submitted.v1", care.document(wrong))
    headers = desk.dead(sent)
    assert headers["dlq-class"] == "malformed" and "patient" in headers["dlq-cause"] and wrong not in str(headers)
