"""What time does: R10, R11, R13 to R15, P8, found by moving the sandbox's clock.

Every test moves the clock for all, so each looks only at its own documents.
"""

from __future__ import annotations

from datetime import timedelta

from tests.acceptance import care_events as care
from tests.acceptance.care_desk import Desk


def pass_48h(desk: Desk) -> None:
    desk.topics.settle()
    desk.hub.advance("48h")
    desk.hub.advance("5s")
    desk.topics.settle(90)


def test_48_hours_decide_what_nobody_read(desk: Desk) -> None:
    """R10, R11, R13: unread prints, read and accepted do not, a letter that found no channel prints, and reading late leaves the list."""
    user, boxed, nobody = desk.user(), desk.known(), desk.known()
    both = desk.user()
    desk.mailbox(boxed, "billo")
    desk.mailbox(both)
    desk.hub.idle()
    unread, read, summons = desk.submit(user), desk.submit(user), desk.submit(user, "kallelse")
    accepted, waiting = desk.submit(boxed), desk.submit(nobody)
    accepted_beside_unread = desk.submit(both)
    desk.read(read, user) if desk.delivered(read) else None
    desk.settled(accepted, "accepted")
    desk.settled(accepted_beside_unread, "accepted")
    with desk.failing("mm", "lose_answer", for_requests=1):
        unsure = desk.submit(boxed)
        desk.unknown(unsure)
    with desk.failing("mm", "down"):
        silent = desk.submit(boxed)
        desk.topics.wait("mailbox.deliveries.v1", document_id=silent)
        before = desk.now()
        desk.topics.settle()
        due = {row["subject_id"] for row in desk.hub.ask("deadlines", "--within", "49h", "--unit", care.A1)["items"]}
        assert {unread, summons, waiting, unsure, silent} <= due
        assert not {read, accepted} & due
        pass_48h(desk)
        assert desk.printed(silent)["reason"] == "unread_48h"
    assert (care.parse(desk.now()) - care.parse(before)) >= timedelta(hours=48)
    assert desk.printed(unread)["reason"] == "unread_48h"
    assert desk.printed(summons)["reason"] == "unread_48h"
    assert desk.printed(waiting)["reason"] == "no_account_48h"
    assert desk.printed(unsure)["reason"] == "unknown_outcome"
    for document in (read, accepted, accepted_beside_unread):
        assert desk.entries(document, "print.entered.v1") == []
    decision = desk.decided(unread, trigger="deadline")
    assert (decision["rule"], decision["reason"], decision["outcome"]) == ("R11", "unread_48h", "print")
    assert desk.decided(waiting, trigger="deadline")["rule"] == "R10"
    assert [desk.settlements(d) for d in (read, accepted, unread, unsure)] == [["read"], ["accepted"], [], []]
    # R13: read late
    desk.read(unread, user)
    desk.topics.settle()
    assert [s["outcome"] for s in desk.entries(unread, "print.settled.v1")] == ["read_late"]
    assert desk.settlements(unread) == ["read"]
    # R13: accepted late, when the mailbox is back (its next try comes in time)
    desk.hub.advance("20m")
    desk.settled(silent, "accepted")
    desk.topics.settle()
    assert [s["outcome"] for s in desk.entries(silent, "print.settled.v1")] == ["accepted_late"]
    # what is unknown stays so until somebody rules; then it counts as the mailbox's answer
    assert desk.entries(unsure, "print.settled.v1") == []
    desk.hub.cli("unknown", "resolve", desk.unknown(unsure)["id"], "--outcome", "accepted", "--by", "SE2321000016-O1")
    desk.settled(unsure, "accepted")
    desk.topics.settle()
    assert [s["outcome"] for s in desk.entries(unsure, "print.settled.v1")] == ["accepted_late"]
    arrived = {row["document_id"]: row["times"] for row in desk.hub.inbox("billo", boxed)}
    assert arrived == dict.fromkeys((accepted, unsure, silent), 1)


def test_an_account_opened_in_time_gets_the_letter_and_does_not_start_the_48_hours_anew(desk: Desk) -> None:
    """R10, R15."""
    patient = desk.known()
    letter = desk.submit(patient)
    assert desk.decided(letter)["outcome"] == "wait"
    desk.topics.settle()
    desk.hub.advance("40h")
    desk.account(patient, as_of=desk.now())
    shown = desk.delivered(letter)
    desk.topics.settle()
    assert desk.entries(letter, "print.entered.v1") == []
    deadline = care.parse(desk.decided(letter, outcome="deliver")["deadline"])
    assert deadline - care.parse(shown["sent"]) == timedelta(hours=48)
    desk.hub.advance("8h")
    desk.hub.advance("5s")
    desk.topics.settle(90)
    assert desk.printed(letter)["reason"] == "unread_48h"


def test_an_account_blocked_after_delivery_counts_as_missing(desk: Desk) -> None:
    """R15: a summons prints at once, a letter waits and prints at 48 hours."""
    patient = desk.user()
    summons, letter = desk.submit(patient, "kallelse"), desk.submit(patient)
    desk.delivered(summons)
    desk.delivered(letter)
    desk.account(patient, "blocked", as_of=desk.now())
    assert desk.printed(summons)["reason"] == "no_channel"
    desk.topics.settle()
    assert desk.entries(letter, "print.entered.v1") == []
    pass_48h(desk)
    assert desk.printed(letter)["reason"] == "no_account_48h"


def test_a_protection_withdraws_what_was_shown_and_prints_it(desk: Desk) -> None:
    """P10, R15: unread documents leave the app, a read one stays settled, and the entry is masked."""
    patient = desk.user()
    unread, read = desk.submit(patient, title="Hemligt"), desk.submit(patient)
    booking = desk.book(patient, time_type={"id": "V", "name": "Video", "hidden": False, "video": "single"})
    desk.delivered(unread)
    desk.delivered(read)
    desk.read(read, patient)
    desk.topics.settle()
    desk.person(patient, protection="sekretessmarkering", as_of=desk.now())
    assert desk.printed(unread)["reason"] == "protected_identity"
    desk.topics.settle()
    assert len(desk.of_type("app.documents.v1", "document.withdrawn.v1", document_id=unread)) == 1
    assert desk.of_type("app.documents.v1", "document.withdrawn.v1", document_id=read) == []
    assert not desk.printed(unread).get("title")
    for topic in ("app.bookings.v1", "portal.bookings.v1"):
        shown = desk.topics.of(topic, lambda m: m.value is not None and m.data["booking_id"] == booking["booking_id"])
        assert shown[-1].type == "booking.hidden.v1"
    rooms = desk.topics.of("video.rooms.v1", lambda m: m.value is not None and booking["booking_id"] in m.data["booking_ids"])
    assert rooms[-1].data["state"] == "void"
    assert "sekretess" not in str([m.value for m in desk.topics.of("app.documents.v1")])
    assert "sekretess" not in str(rooms[-1].data.get("reason", ""))


def test_an_entry_of_a_person_who_becomes_protected_is_masked(desk: Desk) -> None:
    """R15: a document on the list is decided again only for a protection or a death."""
    patient = desk.known()
    summons = desk.submit(patient, "kallelse", title="Hemligt")
    first = desk.printed(summons)
    assert (first["reason"], first["title"]) == ("no_channel", "Hemligt")
    desk.account(patient, as_of=desk.now())
    desk.topics.settle()
    assert desk.of_type("app.documents.v1", "document.delivered.v1", document_id=summons) == []
    desk.person(patient, protection="skyddad_folkbokforing", as_of=desk.now())
    desk.topics.settle()
    last = desk.printed(summons)
    assert last["entry_id"] == first["entry_id"]
    assert (last["reason"], last["manual_handling"], last["class"]) == ("protected_identity", True, "relay")
    assert not last.get("title")


def test_a_stranger_waits_is_printed_masked_and_released_by_the_register(desk: Desk) -> None:
    """P8, R15: at the deadline identity_unverified; the register's answer releases it, and the 48 hours count anew."""
    stranger = care.adult()
    letter = desk.submit(stranger, title="Hemligt")
    decision = desk.decided(letter)
    assert (decision["rule"], decision["outcome"]) == ("P8", "wait")
    pass_48h(desk)
    entry = desk.printed(letter)
    assert (entry["reason"], entry["manual_handling"]) == ("identity_unverified", True)
    assert not entry.get("title")
    desk.account(stranger, as_of=desk.now())
    desk.person(stranger, as_of=desk.now())
    desk.topics.settle()
    assert [s["outcome"] for s in desk.entries(letter, "print.settled.v1")] == ["released"]
    desk.delivered(letter)
    pass_48h(desk)
    assert desk.entries(letter, "print.entered.v1")[-1]["reason"] == "unread_48h"


def test_people_known_for_long_are_asked_about_again(desk: Desk) -> None:
    """P8: facts older than 24 h are refreshed before an irreversible step; then the decision is the same."""
    patient = desk.user()
    desk.hub.advance("30h")
    letter = desk.submit(patient)
    desk.delivered(letter)
    assert desk.hub.http("GET", 10, f"/inbox/lookups/{patient}").json["spar"] >= 1


def test_a_silent_register_serves_known_facts_for_seven_days(desk: Desk) -> None:
    """P8: then the person counts as unverified; a stranger never becomes known by silence."""
    patient = desk.user()
    with desk.failing("spar", "down"):
        desk.hub.advance("48h")
        desk.hub.advance("48h")
        assert desk.decided(desk.submit(patient), outcome="deliver", timeout_s=60)["rule"] == "R9"
        desk.hub.advance("80h")
        late = desk.submit(patient)
        assert desk.decided(late, timeout_s=60)["rule"] == "P8"
        desk.topics.settle()
        assert desk.of_type("app.documents.v1", "document.delivered.v1", document_id=late) == []
    desk.topics.wait("app.documents.v1", 90, document_id=late)


def test_a_thirteenth_birthday_ends_the_guardians_access(desk: Desk) -> None:
    """P7, R7, R8: the age counts on the day of sending."""
    today = care.parse(desk.now())
    birthday = (today + timedelta(days=2)).date()
    child = desk.person(care.personnummer_on(birthday.replace(year=birthday.year - 13)))
    mother = desk.user()
    desk.agent(child, mother)
    desk.hub.idle()
    before = desk.submit(child)
    assert desk.decided(before)["rule"] == "R7"
    desk.hub.advance("72h")
    desk.topics.settle(90)
    desk.account(child, as_of=desk.now())
    after = desk.submit(child)
    assert desk.delivered(after)["recipients"] == [{"id": child, "role": "resident"}]
    assert desk.decided(after)["rule"] == "R8"


def test_a_guardian_who_comes_later_joins_and_alone_is_notified(desk: Desk) -> None:
    """R15, R10."""
    child, mother, father = desk.person(care.aged(6, care.parse(desk.now()))), desk.user(), desk.user()
    desk.agent(child, mother)
    desk.hub.idle()
    letter = desk.submit(child)
    desk.delivered(letter)
    desk.agent(child, father, as_of=desk.now())
    desk.topics.settle()
    assert {r["id"] for r in desk.delivered(letter)["recipients"]} == {mother, father}
    recipients = [n["recipient"] for n in desk.topics.about("notifications.v1", about=letter)]
    assert sorted(recipients) == sorted([mother, father])
    desk.read(letter, child, by=father)
    desk.topics.settle()
    assert desk.settlements(letter) == ["read"]


def test_a_summons_whose_booking_was_cancelled_keeps_its_place(desk: Desk) -> None:
    """C7: marked, never recalled."""
    patient = desk.known()
    booking = desk.book(patient)
    desk.hub.idle()
    summons = desk.submit(patient, "kallelse", booking_id=booking["booking_id"])
    first = desk.printed(summons)
    desk.topics.send("ehr.bookings.v1", "booking.changed.v1", booking | {"version": 2, "status": "cancelled"})
    desk.topics.settle()
    last = desk.printed(summons)
    assert (last["entry_id"], last["booking_state"]) == (first["entry_id"], "cancelled")
    assert desk.entries(summons, "print.settled.v1") == []
