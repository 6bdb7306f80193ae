"""The last look before something is sent: what lets it go, what holds it, and that no code tells why (P1, P8, P10, N3)."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from pipelines.rules.clearance import GO, About, Clearance, Quiet, Wanted, letter, quiet_until, text
from pipelines.rules.model import AccountState, AppCopy, BookingStatus, Mailbox, MailboxCopy, Operator, Person, PrintCopy, Protection
from schemas.policy import Limits
from tests.pipelines.rules.rule_facts import SENT as NOW
from tests.pipelines.rules.rule_facts import person as adult

LIMITS = Limits()
WANTED = Wanted(MailboxCopy.REQUESTED, MailboxCopy.REQUESTED, PrintCopy.NEVER, NOW)
QUIET = Quiet(time(21), time(7), frozenset({"reminder"}))
LATER = NOW + timedelta(hours=48)


def _person(**more: Any) -> Person:
    return adult(**{"mailboxes": (Mailbox(Operator.KIVRA, True, NOW),), "account": AccountState.ACTIVE, "phone": True, **more})


def _letter(person: Person, wanted: Wanted | None = WANTED, **more: Any) -> Clearance:
    return letter(person, wanted, Operator.KIVRA, LIMITS, NOW, in_doubt=more.get("in_doubt", False))


def _text(person: Person, about: About | None = None, **more: Any) -> Clearance:
    return text(
        person,
        about,
        more.get("kind", "document"),
        more.get("not_after", LATER),
        more.get("phone", True),
        QUIET,
        LIMITS,
        more.get("now", NOW),
    )


def test_a_wanted_letter_goes() -> None:
    assert _letter(_person()) == GO
    assert _letter(_person(account=AccountState.BLOCKED)) == GO, "a mailbox needs no account"


@pytest.mark.parametrize(
    "more", [{"protection": Protection.SEKRETESSMARKERING}, {"protection": Protection.SKYDDAD_FOLKBOKFORING}, {"deceased": True}]
)
def test_a_protection_or_a_death_stops_everything_and_the_code_does_not_tell_which(more: dict[str, Any]) -> None:
    person = _person(**more)
    assert _letter(person) == ("withdraw", "not_wanted", None, False)
    assert _text(person) == ("withdraw", "not_wanted", None, False)
    assert _text(_person(), About(person, app=AppCopy.OPEN)) == ("withdraw", "not_wanted", None, False)
    assert _letter(_person(), None) == ("withdraw", "not_wanted", None, False), "the same as of a document that is gone"


@pytest.mark.parametrize("copy", [copy for copy in MailboxCopy if copy is not MailboxCopy.REQUESTED])
def test_a_delivery_that_was_answered_or_taken_back_is_not_made(copy: MailboxCopy) -> None:
    assert _letter(_person(), WANTED._replace(mailbox=copy)).ruling == "withdraw"
    assert _letter(_person(), WANTED._replace(delivery=copy)).ruling == "withdraw"


def test_what_is_on_paper_is_not_sent_and_what_only_waits_for_paper_is() -> None:
    assert _letter(_person(), WANTED._replace(print=PrintCopy.HANDLED)).code == "handled_on_paper"
    assert _letter(_person(), WANTED._replace(print=PrintCopy.OPEN)) == GO, "R13: accepted late"


def test_a_resend_in_doubt_is_of_a_delivery_whose_outcome_is_unknown() -> None:
    unknown = WANTED._replace(mailbox=MailboxCopy.UNKNOWN, delivery=MailboxCopy.UNKNOWN)
    assert _letter(_person(), unknown).ruling == "withdraw"
    assert _letter(_person(), unknown, in_doubt=True) == GO


def test_what_only_this_look_found_is_answered_as_a_refusal() -> None:
    assert _letter(_person(mailboxes=(Mailbox(Operator.KIVRA, False, NOW),))) == Clearance("refuse", "mailbox_closed")
    assert _letter(_person(mailboxes=(Mailbox(Operator.BILLO, True, NOW),))) == Clearance("refuse", "mailbox_closed")
    assert _letter(_person(born=(NOW - timedelta(days=17 * 365)).date())) == Clearance("refuse", "under_age")


def test_facts_that_nobody_confirmed_lately_wait_for_the_register() -> None:
    stale = _person(confirmed_at=NOW - timedelta(hours=25))
    for found in (_letter(stale), _text(stale)):
        assert (found.ruling, found.code, found.look_up) == ("wait", "register", True)
        assert found.until is not None and found.until > NOW
    assert _letter(stale._replace(silent=True)) == GO, "P8: known facts serve while the register is silent"
    assert _letter(_person(confirmed_at=None)).ruling == "wait"


def test_a_text_that_has_lost_its_point_is_not_sent() -> None:
    assert _text(_person(), now=LATER).code == "too_late"
    assert _text(_person(), About(_person(), app=AppCopy.WITHDRAWN)).ruling == "withdraw"
    assert _text(_person(), About(_person(), booking=BookingStatus.CANCELLED), kind="reminder").ruling == "withdraw"
    assert _text(_person(), About(_person(), booking=BookingStatus.BOOKED, shown=False), kind="booking").ruling == "withdraw"


def test_a_blocked_account_gets_no_text_and_one_without_a_number_cannot() -> None:
    assert _text(_person(account=AccountState.BLOCKED)).ruling == "withdraw"
    assert _text(_person(), About(_person(account=AccountState.BLOCKED))).ruling == "withdraw"
    assert _text(_person(), phone=False) == Clearance("refuse", "no_phone")
    assert _text(_person(account=AccountState.NONE)) == Clearance("refuse", "no_phone")


@pytest.mark.parametrize(
    ("local", "until"),
    [
        ("2026-03-02T20:59:59+01:00", None),
        ("2026-03-02T21:00:00+01:00", "2026-03-03T07:00:00+01:00"),
        ("2026-03-03T06:59:59+01:00", "2026-03-03T07:00:00+01:00"),
        ("2026-03-03T07:00:00+01:00", None),
        ("2026-03-28T23:00:00+01:00", "2026-03-29T07:00:00+02:00"),
        ("2026-10-25T01:30:00+02:00", "2026-10-25T07:00:00+01:00"),
    ],
)
def test_quiet_hours_are_stockholms_also_when_its_clocks_change(local: str, until: str | None) -> None:
    found = quiet_until(QUIET, "document", datetime.fromisoformat(local).astimezone(UTC))
    assert found == (None if until is None else datetime.fromisoformat(until))


def test_a_reminder_knows_no_quiet_hours_and_not_after_wins_over_them() -> None:
    night = datetime(2026, 3, 2, 22, tzinfo=UTC)
    fresh = _person(confirmed_at=night)
    assert _text(fresh, kind="reminder", now=night, not_after=night + timedelta(hours=1)) == GO
    held = _text(fresh, now=night, not_after=night + timedelta(hours=1))
    assert held == Clearance("wait", "quiet_hours", night + timedelta(hours=1))
    assert _text(fresh, now=night + timedelta(hours=1), not_after=night + timedelta(hours=1)).code == "too_late"


def test_no_quiet_hours_are_two_equal_ends() -> None:
    assert quiet_until(Quiet(time(0), time(0), frozenset()), "document", datetime(2026, 3, 2, 22, tzinfo=UTC)) is None
