"""R1-R15, C4, C10, P5, P7, P8, P10 for documents: one row is one sentence."""

# ruff: noqa: E501 (a row of a table is one sentence and one line)

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from pipelines.rules.calendar import STOCKHOLM
from pipelines.rules.deadline import due, rings
from pipelines.rules.identity import LOOK_UP_PATIENCE
from pipelines.rules.model import (
    AccountState,
    AppCopy,
    AttachmentVerdict,
    BookingStatus,
    CodeVerdict,
    Decision,
    Kind,
    LinkState,
    MailboxCopy,
    Operator,
    PrintCopy,
    Protection,
    Relation,
    Settled,
    Visit,
)
from pipelines.rules.progress import act
from pipelines.rules.routing import route
from schemas.policy import Limits
from tests.pipelines.rules.rule_facts import (
    ADULT,
    APP_FOR_SEKRETESS,
    BILLO,
    CHILD,
    EARLY,
    HOUR,
    KIVRA,
    LIMITS,
    MINUTE,
    NO_KIVRA,
    RESIDENT,
    SENT,
    TEEN,
    agent,
    document,
    person,
)

NONE, BLOCKED = AccountState.NONE, AccountState.BLOCKED
SEKRETESS, SKYDDAD = Protection.SEKRETESSMARKERING, Protection.SKYDDAD_FOLKBOKFORING
FAR = Visit(SENT + 30 * 24 * HOUR, BookingStatus.BOOKED)
FULLMAKT = Relation.FULLMAKT


def decide(who: dict[str, Any], what: dict[str, Any], hours: float = 0, limits: Limits = LIMITS) -> Decision:
    """The decision some hours after sending, with a register that answered an hour before it."""
    now = SENT + hours * HOUR
    return route(person(**({"confirmed_at": now - HOUR} | who)), document(**what), limits, now)


FIRST: list[tuple[str, dict[str, Any], dict[str, Any], str, str, tuple[str, ...], str | None]] = [
    # sentence, person, document, rule, outcome, channels, reason
    ("what was not sent as e-brev is recorded", {}, {"e_brev": False}, "R1", "record", (), None),
    ("R1 comes before a protection", {"protection": SKYDDAD}, {"e_brev": False}, "R1", "record", (), None),
    ("a dead person's document is printed", {"deceased": True}, {}, "R2", "print", ("print",), "deceased"),
    ("death comes before protection", {"deceased": True, "protection": SKYDDAD}, {}, "R2", "print", ("print",), "deceased"),
    ("sekretessmarkering is printed", {"protection": SEKRETESS}, {}, "R3", "print", ("print",), "protected_identity"),
    ("skyddad folkbokföring is printed", {"protection": SKYDDAD}, {}, "R3", "print", ("print",), "protected_identity"),
    ("protection comes before a reserve number", {"protection": SEKRETESS, "reserve_only": True}, {}, "R3", "print", ("print",), "protected_identity"),
    ("a reserve number is printed and needs no register", {"reserve_only": True, "confirmed_at": None, "born": None}, {}, "R4", "print", ("print",), "reserve_number"),
    ("a missing code is printed", {}, {"code": CodeVerdict.MISSING}, "R5", "print", ("print",), "control_code_missing"),
    ("another kind's code is printed", {}, {"code": CodeVerdict.OTHER_KIND}, "R5", "print", ("print",), "control_code_other_kind"),
    ("a code outside the footer is printed", {}, {"code": CodeVerdict.OUTSIDE_FOOTER}, "R5", "print", ("print",), "control_code_outside_footer"),
    ("a malformed code is printed", {}, {"code": CodeVerdict.MALFORMED}, "R5", "print", ("print",), "control_code_malformed"),
    ("an unknown code is printed", {}, {"code": CodeVerdict.UNKNOWN}, "R5", "print", ("print",), "control_code_unknown"),
    ("the code comes before the attachment", {}, {"code": CodeVerdict.MISSING, "attachments": AttachmentVerdict.NOT_PDF}, "R5", "print", ("print",), "control_code_missing"),
    ("an attachment that is no PDF is printed", {}, {"attachments": AttachmentVerdict.NOT_PDF}, "R6", "print", ("print",), "attachment_not_pdf"),
    ("an attachment not for e-brev is printed", {}, {"attachments": AttachmentVerdict.NOT_E_BREV}, "R6", "print", ("print",), "attachment_not_e_brev"),
    ("what no channel can take is printed", {}, {"size": 5_000_001}, "C10", "print", ("print",), "too_large"),
    ("an adult with an account gets it in the app", {}, {}, "R9", "deliver", ("app",), None),
    ("an adult with an account and a mailbox gets both", {"mailboxes": (KIVRA,)}, {}, "R9", "deliver", ("app", "mailbox"), None),
    ("an adult with a mailbox alone gets it there", {"account": NONE, "mailboxes": (BILLO,)}, {}, "R9", "deliver", ("mailbox",), None),
    ("a mailbox that does not accept is none", {"account": NONE, "mailboxes": (NO_KIVRA,)}, {}, "R10", "wait", (), None),
    ("a letter waits for a channel", {"account": NONE}, {}, "R10", "wait", (), None),
    ("a confirmation waits for a channel", {"account": NONE}, {"kind": Kind.REMISSBEKRAFTELSE}, "R10", "wait", (), None),
    ("a kallelse without a channel is printed at once", {"account": NONE}, {"kind": Kind.KALLELSE}, "R10", "print", ("print",), "no_channel"),
    ("a blocked account counts as missing", {"account": BLOCKED}, {"kind": Kind.KALLELSE}, "R10", "print", ("print",), "no_channel"),
    ("a mailbox too small for a kallelse has refused it", {"account": NONE, "mailboxes": (KIVRA,)}, {"kind": Kind.KALLELSE, "size": 900_000}, "R12", "print", ("print",), "mailbox_refused"),
    ("a mailbox too small for a letter: it waits", {"account": NONE, "mailboxes": (KIVRA,)}, {"size": 900_000}, "R12", "wait", (), None),
    ("a mailbox too small beside an open app does not matter", {"mailboxes": (KIVRA,)}, {"size": 900_000}, "R9", "deliver", ("app",), None),
    ("the larger mailbox takes it", {"account": NONE, "mailboxes": (BILLO,)}, {"size": 900_000}, "R9", "deliver", ("mailbox",), None),
    ("a teenager gets it in the app only", {"born": TEEN, "mailboxes": (KIVRA,)}, {}, "R8", "deliver", ("app",), None),
    ("a teenager's guardian is no recipient", {"born": TEEN, "agents": (agent(),)}, {}, "R8", "deliver", ("app",), None),
    ("a teenager without an account has no mailbox either", {"born": TEEN, "account": NONE, "mailboxes": (KIVRA,)}, {"kind": Kind.KALLELSE}, "R10", "print", ("print",), "no_channel"),
    ("a child's guardian gets it, the child needs no account", {"born": CHILD, "account": NONE, "agents": (agent(),)}, {}, "R7", "deliver", ("app",), None),
    ("a child's blocked account closes it", {"born": CHILD, "account": BLOCKED, "agents": (agent(),)}, {"kind": Kind.KALLELSE}, "R10", "print", ("print",), "no_channel"),
    ("a child without a guardian waits", {"born": CHILD, "account": NONE}, {}, "R10", "wait", (), None),
    ("a child's own account is no channel", {"born": CHILD}, {"kind": Kind.KALLELSE}, "R10", "print", ("print",), "no_channel"),
    ("a child's mailbox is no channel", {"born": CHILD, "account": NONE, "mailboxes": (KIVRA,)}, {}, "R10", "wait", (), None),
    ("a fullmakt for a child is no channel", {"born": CHILD, "agents": (agent(relation=FULLMAKT),)}, {}, "R10", "wait", (), None),
    ("somebody unconfirmed waits", {"confirmed_at": None}, {}, "P8", "wait", (), None),
    ("facts of two days ago are refreshed first", {"confirmed_at": SENT - 48 * HOUR}, {}, "P8", "wait", (), None),
    ("with the register silent they serve", {"confirmed_at": SENT - 48 * HOUR, "silent": True}, {}, "R9", "deliver", ("app",), None),
    ("but not after seven days", {"confirmed_at": SENT - 169 * HOUR, "silent": True}, {}, "P8", "wait", (), None),
    ("a stale protection still protects", {"confirmed_at": SENT - 999 * HOUR, "protection": SEKRETESS}, {}, "R3", "print", ("print",), "protected_identity"),
    ("an unconfirmed death still counts", {"confirmed_at": None, "deceased": True}, {}, "R2", "print", ("print",), "deceased"),
]  # fmt: skip


@pytest.mark.parametrize(("who", "what", "rule", "outcome", "channels", "reason"), [row[1:] for row in FIRST], ids=[row[0] for row in FIRST])  # fmt: skip
def test_first_decision(
    who: dict[str, Any], what: dict[str, Any], rule: str, outcome: str, channels: tuple[str, ...], reason: str | None
) -> None:
    decision = decide(who, what)
    assert (decision.rule, decision.outcome, decision.channels, decision.reason) == (rule, outcome, channels, reason)
    assert [step.rule for step in decision.steps if step.applied][:1] == [rule]


OPEN, REQUESTED, UNKNOWN, REFUSED = AppCopy.OPEN, MailboxCopy.REQUESTED, MailboxCopy.UNKNOWN, MailboxCopy.REFUSED
KALLELSE = Kind.KALLELSE
LATER: list[tuple[str, dict[str, Any], dict[str, Any], float, str, str, tuple[str, ...], str | None]] = [
    # sentence, person, document, hours after sending, rule, outcome, channels, reason
    ("delivered and unread: it stands", {}, {"app": OPEN}, 47.9, "R9", "deliver", ("app",), None),
    ("unread at 48 h: print", {}, {"app": OPEN}, 48, "R11", "print", ("print",), "unread_48h"),
    ("a mailbox that never answered: print", {"account": NONE}, {"mailbox": REQUESTED}, 48, "R11", "print", ("print",), "unread_48h"),
    ("a mailbox of unknown outcome is a channel till then", {"account": NONE}, {"kind": KALLELSE, "mailbox": UNKNOWN}, 47, "R9", "deliver", ("mailbox",), None),
    ("a mailbox of unknown outcome at 48 h: print", {"account": NONE}, {"mailbox": UNKNOWN}, 48, "R11", "print", ("print",), "unknown_outcome"),
    ("unknown comes before unread", {}, {"app": OPEN, "mailbox": UNKNOWN}, 48, "R11", "print", ("print",), "unknown_outcome"),
    ("refused, app open: it stands", {}, {"app": OPEN, "mailbox": REFUSED}, 1, "R9", "deliver", ("app",), None),
    ("refused, app open, unread at 48 h", {}, {"app": OPEN, "mailbox": REFUSED}, 48, "R11", "print", ("print",), "unread_48h"),
    ("a kallelse refused, app closed: print at once", {"account": NONE}, {"kind": KALLELSE, "mailbox": REFUSED}, 1, "R12", "print", ("print",), "mailbox_refused"),
    ("a letter refused, app closed: it waits", {"account": NONE}, {"mailbox": REFUSED}, 1, "R12", "wait", (), None),
    ("a letter refused, app closed at 48 h", {"account": NONE}, {"mailbox": REFUSED}, 48, "R12", "print", ("print",), "mailbox_refused"),
    ("an account opened in time gets the letter", {}, {}, 47, "R9", "deliver", ("app",), None),
    ("a mailbox opened in time gets the letter", {"account": NONE, "mailboxes": (KIVRA,)}, {}, 47, "R9", "deliver", ("mailbox",), None),
    ("no channel opened in time", {"account": NONE}, {}, 48, "R10", "print", ("print",), "no_account_48h"),
    ("an open app copy is enough: no mailbox beside it later", {"mailboxes": (KIVRA,)}, {"app": OPEN}, 5, "R9", "deliver", ("app",), None),
    ("an account blocked after delivery: the mailbox gets it", {"account": BLOCKED, "mailboxes": (KIVRA,)}, {"app": OPEN}, 5, "R9", "deliver", ("mailbox",), None),
    ("an account blocked after delivery: a kallelse is printed", {"account": BLOCKED}, {"kind": KALLELSE, "app": OPEN}, 5, "R10", "print", ("print",), "no_channel"),
    ("an account blocked after delivery: a letter waits", {"account": BLOCKED}, {"app": OPEN}, 5, "R10", "wait", (), None),
    ("an account blocked after delivery: a letter at 48 h", {"account": BLOCKED}, {"app": OPEN}, 48, "R10", "print", ("print",), "no_account_48h"),
    ("an account blocked beside a mailbox asked", {"account": BLOCKED}, {"app": OPEN, "mailbox": REQUESTED}, 48, "R11", "print", ("print",), "unread_48h"),
    ("read: nothing more", {"protection": SKYDDAD}, {"app": OPEN, "settled": Settled.READ}, 60, "R15", "settle", (), None),
    ("accepted: nothing more", {"deceased": True}, {"mailbox": MailboxCopy.ACCEPTED, "settled": Settled.ACCEPTED}, 60, "R15", "settle", (), None),
    ("in the queue it stays, an account opened", {}, {"print": PrintCopy.OPEN, "reason": "no_channel"}, 5, "R15", "print", ("print",), "no_channel"),
    ("in the queue a protection becomes known", {"protection": SKYDDAD}, {"print": PrintCopy.OPEN, "reason": "unread_48h", "app": OPEN}, 60, "R3", "print", ("print",), "protected_identity"),
    ("in the queue a death becomes known", {"deceased": True}, {"print": PrintCopy.OPEN, "reason": "unread_48h"}, 60, "R2", "print", ("print",), "deceased"),
    ("in the queue nobody is looked up", {"confirmed_at": SENT - 99 * HOUR}, {"print": PrintCopy.OPEN, "reason": "no_channel"}, 5, "R15", "print", ("print",), "no_channel"),
    ("handled: nothing more, whatever dies", {"deceased": True}, {"print": PrintCopy.HANDLED, "reason": "unread_48h"}, 60, "R15", "print", ("print",), "unread_48h"),
    ("unconfirmed at 48 h: print", {"confirmed_at": None}, {}, 48, "P8", "print", ("print",), "identity_unverified"),
    ("unconfirmed in the queue: it stays", {"confirmed_at": None}, {"print": PrintCopy.OPEN, "reason": "identity_unverified"}, 60, "R15", "print", ("print",), "identity_unverified"),
    ("stale at 48 h: the register is asked first", {"confirmed_at": SENT - 48 * HOUR}, {"app": OPEN}, 48, "P8", "wait", (), None),
    ("stale and silent at 48 h: known facts serve", {"confirmed_at": SENT - 48 * HOUR, "silent": True}, {"app": OPEN}, 48, "R11", "print", ("print",), "unread_48h"),
]  # fmt: skip


@pytest.mark.parametrize(("who", "what", "hours", "rule", "outcome", "channels", "reason"), [row[1:] for row in LATER], ids=[row[0] for row in LATER])  # fmt: skip
def test_decided_again(
    who: dict[str, Any], what: dict[str, Any], hours: float, rule: str, outcome: str, channels: tuple[str, ...],
    reason: str | None,
) -> None:  # fmt: skip
    decision = decide(who, what, hours)
    assert (decision.rule, decision.outcome, decision.channels, decision.reason) == (rule, outcome, channels, reason)


# --- protection (R3, P8, P10) -------------------------------------------------------------------------------------------


def test_protected_people_are_handled_by_hand_in_their_class_and_lose_the_unread_copy() -> None:
    first = decide({"protection": SKYDDAD}, {"app": OPEN})
    assert (first.manual, first.print_class, first.withdraw) == (True, "relay", True)
    lower = decide({"protection": SEKRETESS}, {})
    assert (lower.manual, lower.print_class, lower.withdraw) == (True, "ordinary", False)


def test_a_protected_person_who_is_dead_loses_the_unread_copy_too() -> None:
    decision = decide({"protection": SKYDDAD, "deceased": True}, {"app": OPEN})
    assert (decision.reason, decision.print_class, decision.withdraw) == ("deceased", "relay", True)


def test_a_copy_stays_in_the_app_of_the_dead() -> None:
    assert not decide({"deceased": True}, {"app": OPEN}).withdraw


def test_a_handled_document_is_withdrawn_from_a_protected_person_and_otherwise_stands() -> None:
    decision = decide({"protection": SEKRETESS}, {"app": OPEN, "print": PrintCopy.HANDLED, "reason": "unread_48h"})
    assert (decision.outcome, decision.reason, decision.withdraw) == ("print", "unread_48h", True)


def test_a_provider_may_open_the_app_alone_for_sekretessmarkering() -> None:
    opened = decide({"protection": SEKRETESS, "mailboxes": (KIVRA,)}, {}, limits=APP_FOR_SEKRETESS)
    assert (opened.rule, opened.channels, opened.operator) == ("R9", ("app",), None)
    closed = decide({"protection": SEKRETESS, "account": NONE, "mailboxes": (KIVRA,)}, {"kind": KALLELSE}, limits=APP_FOR_SEKRETESS)  # fmt: skip
    assert (closed.outcome, closed.manual) == ("print", True)
    assert decide({"protection": SKYDDAD}, {}, limits=APP_FOR_SEKRETESS).rule == "R3"


def test_an_unconfirmed_person_is_looked_up_waits_to_the_deadline_and_is_then_masked() -> None:
    waits = decide({"confirmed_at": None}, {})
    assert (waits.look_up, waits.deadline) == ((RESIDENT,), SENT + 48 * HOUR)
    printed = decide({"confirmed_at": None}, {}, 48)
    assert (printed.manual, printed.look_up) == (True, (RESIDENT,))


def test_stale_facts_wait_for_the_register_with_patience_also_at_the_deadline() -> None:
    early = decide({"confirmed_at": SENT - 48 * HOUR}, {}, 1)
    assert (early.review_at, early.deadline) == (SENT + HOUR + LOOK_UP_PATIENCE, SENT + 48 * HOUR)
    late = decide({"confirmed_at": SENT}, {}, 50)
    assert late.review_at == late.deadline == SENT + 50 * HOUR + LOOK_UP_PATIENCE


def test_an_entry_is_released_when_the_register_confirms_and_its_48_hours_count_from_then() -> None:
    entry = {"print": PrintCopy.OPEN, "reason": "identity_unverified", "manual": True}
    decision = decide({"account": NONE}, entry, 60)
    assert (decision.release, decision.outcome, decision.deadline) == (True, "wait", SENT + 108 * HOUR)
    delivered = decide({}, entry, 60)
    assert (delivered.release, delivered.channels, delivered.deadline) == (True, ("app",), SENT + 108 * HOUR)


def test_an_entry_of_an_unconfirmed_person_who_proves_protected_is_no_release() -> None:
    decision = decide({"protection": SEKRETESS}, {"print": PrintCopy.OPEN, "reason": "identity_unverified"}, 60)
    assert (decision.release, decision.reason) == (False, "protected_identity")


# --- ombud (R7, P7) -----------------------------------------------------------------------------------------------------


def roles(decision: Decision) -> list[tuple[int, str]]:
    return [(one.uid.int, one.role) for one in decision.recipients]


OMBUD: list[tuple[str, dict[str, Any], bool]] = [
    ("an active guardian", {}, True),
    ("a link that is inactive", {"state": LinkState.INACTIVE}, False),
    ("a link blocked for the child", {"state": LinkState.BLOCKED}, False),
    ("a guardian without an account", {"account": NONE}, False),
    ("a guardian with a blocked account", {"account": BLOCKED}, False),
    ("a protected guardian", {"protection": SEKRETESS}, False),
    ("a dead guardian", {"deceased": True}, False),
    ("an unconfirmed guardian", {"verified": False}, False),
    ("a link that ends today", {"until": SENT.date()}, True),
    ("a link that ended yesterday", {"until": date(2026, 3, 1)}, False),
]


@pytest.mark.parametrize(("facts", "counts"), [row[1:] for row in OMBUD], ids=[row[0] for row in OMBUD])
def test_guardian_counts(facts: dict[str, Any], counts: bool) -> None:
    decision = decide({"born": CHILD, "account": NONE, "agents": (agent(**facts),)}, {})
    assert roles(decision) == ([(2, "guardian")] if counts else [])


@pytest.mark.parametrize(("facts", "counts"), [row[1:] for row in OMBUD], ids=[row[0] for row in OMBUD])
def test_holder_of_a_fullmakt_counts(facts: dict[str, Any], counts: bool) -> None:
    decision = decide({"agents": (agent(relation=FULLMAKT, **facts),)}, {})
    assert roles(decision) == [(1, "resident")] + ([(2, "fullmakt")] if counts else [])


def test_an_unconfirmed_guardian_is_looked_up_and_nobody_waits() -> None:
    decision = decide({"born": CHILD, "agents": (agent(2), agent(3, verified=False))}, {})
    assert (roles(decision), decision.look_up) == ([(2, "guardian")], (UUID(int=3),))


def test_an_unconfirmed_only_guardian_is_looked_up_though_the_kallelse_goes_to_print() -> None:
    decision = decide({"born": CHILD, "agents": (agent(3, verified=False),)}, {"kind": KALLELSE})
    assert (decision.reason, decision.look_up) == ("no_channel", (UUID(int=3),))


def test_a_holder_of_a_fullmakt_needs_the_residents_open_app() -> None:
    decision = decide({"account": NONE, "mailboxes": (KIVRA,), "agents": (agent(relation=FULLMAKT),)}, {})
    assert roles(decision) == []


def test_age_counts_on_the_day_of_sending_and_access_ends_on_the_birthday() -> None:
    """Sent at 22.30 UTC on 8 March, which is 23.30 on 8 March in Stockholm: the child turns 13 half an hour later."""
    born, sent = date(2013, 3, 9), datetime(2026, 3, 8, 23, 30, tzinfo=STOCKHOLM)
    child = person(born=born, account=NONE, confirmed_at=sent, agents=(agent(),))
    letter = document(sent=sent)
    before = route(child, letter, LIMITS, sent)
    assert (before.rule, before.review_at) == ("R7", datetime(2026, 3, 9, tzinfo=STOCKHOLM))
    assert route(child, letter._replace(app=OPEN), LIMITS, sent + 31 * MINUTE).rule == "R10"
    on_the_day = route(child, document(sent=sent + 31 * MINUTE), LIMITS, sent + 31 * MINUTE)
    assert [step.rule for step in on_the_day.steps][-2:] == ["R8", "R10"]


@pytest.mark.parametrize(("day", "rule"), [(date(2026, 2, 28), "R8"), (date(2026, 3, 1), "R9")], ids=["28 February: 17", "1 March: 18"])
def test_a_leap_day_child_is_a_year_older_on_1_march(day: date, rule: str) -> None:
    sent = datetime(day.year, day.month, day.day, 12, tzinfo=STOCKHOLM)
    assert route(person(born=date(2008, 2, 29), confirmed_at=sent), document(sent=sent), LIMITS, sent).rule == rule


# --- mailboxes (R9) -----------------------------------------------------------------------------------------------------


def test_the_newest_accepting_mailbox_is_chosen_and_kivra_where_two_are_equally_new() -> None:
    assert decide({"mailboxes": (KIVRA, BILLO)}, {}).operator is Operator.BILLO
    assert decide({"mailboxes": (BILLO, KIVRA._replace(as_of=BILLO.as_of))}, {}).operator is Operator.KIVRA
    assert decide({"mailboxes": (NO_KIVRA, BILLO)}, {}).operator is Operator.BILLO


# --- deadlines (R11, R14) -----------------------------------------------------------------------------------------------


def test_48_hours_are_elapsed_time_over_both_changes_of_the_clock() -> None:
    for noon, then in ((datetime(2026, 3, 28, 12), "13:00"), (datetime(2026, 10, 24, 12), "11:00")):
        sent = noon.replace(tzinfo=STOCKHOLM).astimezone(UTC)
        at, _early = due(document(sent=sent), LIMITS)
        assert at.timestamp() - sent.timestamp() == 48 * 3600
        assert f"{at.astimezone(STOCKHOLM):%H:%M}" == then


def visit(days: float, status: BookingStatus = BookingStatus.BOOKED) -> Visit:
    return Visit(SENT + timedelta(days=days), status)


EARLY_CASES: list[tuple[str, Visit | None, Kind, datetime, bool]] = [
    # Sent on Monday 2 March 11.00. Paper for Monday 9 March must leave on Tuesday 3 March, at the visit's time of day.
    ("a visit on Monday next week: tomorrow", visit(7), KALLELSE, SENT + 24 * HOUR, True),
    ("a visit on Saturday: as for Friday, which is too late", visit(5), KALLELSE, SENT + 48 * HOUR, False),
    ("a visit far away: 48 h", visit(30), KALLELSE, SENT + 48 * HOUR, False),
    ("a visit nearer than paper needs: 48 h", visit(2), KALLELSE, SENT + 48 * HOUR, False),
    ("a cancelled visit: 48 h", visit(7, BookingStatus.CANCELLED), KALLELSE, SENT + 48 * HOUR, False),
    ("a kallelse without a booking: 48 h", None, KALLELSE, SENT + 48 * HOUR, False),
    ("a letter: 48 h", visit(7), Kind.BREV, SENT + 48 * HOUR, False),
]


@pytest.mark.parametrize(("booked", "kind", "at", "early"), [row[1:] for row in EARLY_CASES], ids=[row[0] for row in EARLY_CASES])  # fmt: skip
def test_early_print(booked: Visit | None, kind: Kind, at: datetime, early: bool) -> None:
    assert due(document(kind=kind, visit=booked), EARLY) == (at, early)
    assert due(document(kind=kind, visit=booked), LIMITS) == (SENT + 48 * HOUR, False)


def test_what_is_printed_at_the_early_deadline_says_so_and_a_rebooking_moves_it() -> None:
    unread = {"kind": KALLELSE, "app": OPEN, "visit": visit(7)}
    decision = decide({}, unread, 24, EARLY)
    assert (decision.rule, decision.reason, decision.urgent) == ("R14", "unread_early", True)
    assert decide({}, unread | {"visit": visit(21)}, 24, EARLY).deadline == SENT + 48 * HOUR
    assert decide({"confirmed_at": None}, unread | {"app": AppCopy.NEVER}, 24, EARLY).reason == "identity_unverified"


URGENT: list[tuple[str, Visit | None, bool]] = [
    ("nearer than paper needs", visit(2), True),
    ("far away", visit(30), False),
    ("past", visit(-1), False),
    ("cancelled", visit(2, BookingStatus.CANCELLED), False),
    ("no booking", None, False),
]


@pytest.mark.parametrize(("booked", "urgent"), [row[1:] for row in URGENT], ids=[row[0] for row in URGENT])
def test_a_print_entry_of_a_near_visit_is_urgent_whatever_its_reason(booked: Visit | None, urgent: bool) -> None:
    for who in ({"account": NONE}, {"deceased": True}, {"protection": SEKRETESS}):
        decision = decide(who, {"kind": KALLELSE, "visit": booked})
        assert (decision.outcome, decision.urgent) == ("print", urgent)


RINGS: list[tuple[str, dict[str, Any], bool]] = [
    ("delivered and unread", {"app": OPEN}, True),
    ("in the print queue", {"print": PrintCopy.OPEN}, True),
    ("read", {"app": OPEN, "settled": Settled.READ}, False),
    ("accepted", {"settled": Settled.ACCEPTED}, False),
    ("a letter", {"kind": Kind.BREV}, False),
    ("not the hub's", {"e_brev": False}, False),
    ("visit far away", {"visit": FAR}, False),
    ("printed, nobody knows when", {"print": PrintCopy.HANDLED}, False),
    ("printed too late for the post", {"print": PrintCopy.HANDLED, "handled_at": SENT}, True),
    ("printed in time for the post", {"print": PrintCopy.HANDLED, "handled_at": SENT - 14 * 24 * HOUR}, False),
]


@pytest.mark.parametrize(("facts", "on_the_list"), [row[1:] for row in RINGS], ids=[row[0] for row in RINGS])
def test_rings(facts: dict[str, Any], on_the_list: bool) -> None:
    kallelse = document(**({"kind": KALLELSE, "visit": visit(2)} | facts))
    assert rings(None, kallelse, LIMITS, SENT) is on_the_list
    assert rings(person(), kallelse, LIMITS, SENT) is on_the_list
    assert not rings(person(deceased=True), kallelse, LIMITS, SENT)


# --- the trace ----------------------------------------------------------------------------------------------------------


def test_every_rule_tried_leaves_one_step_in_order() -> None:
    rules = [step.rule for step in decide({"mailboxes": (KIVRA,)}, {}).steps]
    assert rules == ["R1", "P8", "R2", "R3", "R4", "R5", "R6", "C10", "R7", "R8", "R9"]


def test_a_trace_names_nobody() -> None:
    text = repr(decide({"mailboxes": (KIVRA,), "agents": (agent(relation=FULLMAKT),)}, {}).steps)
    assert "19800517" not in text
    assert str(ADULT) not in text
    assert "ombud-2" not in text
    assert "UUID" not in text


def test_act_gives_what_route_wants() -> None:
    who, letter = person(mailboxes=(KIVRA,)), document()
    state, effects = act(letter, who, route(who, letter, LIMITS, SENT), SENT)
    assert (state.app, state.mailbox, state.operator) == (OPEN, REQUESTED, Operator.KIVRA)
    assert (len(effects.delivered), effects.delivery, len(effects.notify)) == (1, Operator.KIVRA, 1)
