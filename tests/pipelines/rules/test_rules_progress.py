"""How a document moves on: R13, R15, P7, P10, N1, N3 and the staff's hand."""

# ruff: noqa: E501 (a row of a table is one sentence and one line)

from typing import Any
from uuid import UUID

import pytest

from pipelines.rules.model import (
    AccountState,
    AppCopy,
    Document,
    Effects,
    MailboxCopy,
    PrintCopy,
    Protection,
    Relation,
    Role,
    Settled,
)
from pipelines.rules.progress import NOTHING, Answer, act, answered, handled, read, undone
from pipelines.rules.routing import route
from tests.pipelines.rules.rule_facts import (
    APP_FOR_SEKRETESS,
    CHILD,
    HOUR,
    KIVRA,
    LIMITS,
    SENT,
    agent,
    document,
    person,
)

OPEN = AppCopy.OPEN
M, P = MailboxCopy, PrintCopy


def step(who: dict[str, Any], what: Document, hours: float = 0) -> tuple[Document, Effects]:
    now = SENT + hours * HOUR
    one = person(**({"confirmed_at": now} | who))
    return act(what, one, route(one, what, LIMITS, now), now)


# --- decisions ----------------------------------------------------------------------------------------------------------


def test_what_is_delivered_is_not_delivered_again() -> None:
    state, first = step({"mailboxes": (KIVRA,)}, document())
    again, second = step({"mailboxes": (KIVRA,)}, state)
    assert (len(first.delivered), first.delivery) == (1, KIVRA.operator)
    assert (again, second) == (state, NOTHING)


def test_a_guardian_who_becomes_active_later_joins_and_alone_is_notified() -> None:
    child = {"born": CHILD, "account": AccountState.NONE}
    state, _ = step(child | {"agents": (agent(2),)}, document())
    state, effects = step(child | {"agents": (agent(2), agent(3, phone=True))}, state, 5)
    assert [one.uid.int for one in effects.delivered] == [3]
    assert [one.uid.int for one in effects.recipients] == [2, 3]
    assert [(told.recipient.uid.int, told.channel, told.not_after) for told in effects.notify] == [(3, "sms", SENT + 48 * HOUR)]


def test_a_guardian_who_no_longer_counts_is_no_recipient_and_nothing_is_published() -> None:
    child = {"born": CHILD, "account": AccountState.NONE}
    state, _ = step(child | {"agents": (agent(2), agent(3))}, document())
    state, effects = step(child | {"agents": (agent(2),)}, state, 5)
    assert (state.given, effects) == (((UUID(int=2), "guardian"),), NOTHING)
    state, _ = step(child, state, 6)
    assert state.given == ()


def test_in_the_print_queue_a_guardian_may_leave_but_not_join() -> None:
    child = {"born": CHILD, "account": AccountState.NONE}
    state, _ = step(child | {"agents": (agent(2), agent(3))}, document())
    state, effects = step(child | {"agents": (agent(2), agent(4))}, state, 48)
    assert effects.print_entered
    assert state.given == ((UUID(int=2), "guardian"),)
    state, effects = step(child | {"agents": (agent(3), agent(4))}, state, 50)
    assert (state.given, effects) == ((), NOTHING)


def test_a_holder_of_a_fullmakt_is_a_recipient_and_is_not_notified() -> None:
    _, effects = step({"agents": (agent(2, Relation.FULLMAKT),)}, document())
    assert [one.role for one in effects.delivered] == ["resident", "fullmakt"]
    assert [told.recipient.role for told in effects.notify] == ["resident"]


def test_a_mailbox_alone_notifies_nobody() -> None:
    _, effects = step({"account": AccountState.NONE, "mailboxes": (KIVRA,)}, document())
    assert (effects.delivered, effects.delivery, effects.notify) == ((), KIVRA.operator, ())


def test_a_protected_person_whose_app_is_open_is_not_notified() -> None:
    one = person(protection=Protection.SEKRETESSMARKERING)
    _, effects = act(document(), one, route(one, document(), APP_FOR_SEKRETESS, SENT), SENT)
    assert (len(effects.delivered), effects.notify) == (1, ())


def test_a_phone_gives_an_sms_and_none_a_push() -> None:
    assert [told.channel for told in step({"phone": True}, document())[1].notify] == ["sms"]
    assert [told.channel for told in step({"phone": False}, document())[1].notify] == ["push"]


def test_a_protection_withdraws_the_unread_copy_and_the_mailbox_not_yet_reached() -> None:
    state, _ = step({"mailboxes": (KIVRA,), "agents": (agent(2, Relation.FULLMAKT),)}, document())
    state, effects = step({"protection": Protection.SKYDDAD_FOLKBOKFORING}, state, 3)
    assert (state.app, state.app_until, state.given, state.mailbox) == (AppCopy.WITHDRAWN, SENT + 3 * HOUR, (), M.WITHDRAWN)
    assert (effects.withdrawn, effects.print_entered, effects.print_updated) == (True, True, False)
    assert (state.reason, state.manual, state.print_class) == ("protected_identity", True, "relay")
    assert step({"protection": Protection.SKYDDAD_FOLKBOKFORING}, state, 4) == (state, NOTHING)


def test_an_entry_on_the_list_is_masked_when_a_protection_becomes_known() -> None:
    state, _ = step({}, document(app=OPEN), 48)
    state, effects = step({"protection": Protection.SEKRETESSMARKERING}, state, 50)
    assert (effects.print_entered, effects.print_updated, effects.withdrawn) == (False, True, True)
    assert (state.print, state.reason, state.manual) == (P.OPEN, "protected_identity", True)


def test_a_confirmed_persons_entry_is_released_and_the_document_goes_on() -> None:
    state, entered = step({"confirmed_at": None}, document(), 48)
    assert (entered.print_entered, state.reason, state.manual) == (True, "identity_unverified", True)
    free, effects = step({}, state, 60)
    assert (effects.print_settled, len(effects.delivered)) == ("released", 1)
    assert (free.print, free.count_from, free.sent, free.reason, free.manual) == (P.RELEASED, SENT + 60 * HOUR, SENT, None, False)
    assert [told.not_after for told in effects.notify] == [SENT + 108 * HOUR]
    again, unread = step({}, free, 108)
    assert (unread.print_entered, again.reason) == (True, "unread_48h")


def test_a_release_without_a_channel_waits_or_is_entered_anew() -> None:
    state, _ = step({"confirmed_at": None}, document(), 48)
    waiting, effects = step({"account": AccountState.NONE}, state, 60)
    assert (waiting.print, effects.print_settled, effects.print_entered) == (P.RELEASED, "released", False)
    gone, effects = step({"reserve_only": False, "account": AccountState.NONE}, waiting, 108)
    assert (gone.print, gone.reason, effects.print_entered) == (P.OPEN, "no_account_48h", True)


def test_recorded_is_settled_once() -> None:
    state, effects = step({}, document(e_brev=False))
    assert (state.settled, effects.settled) == (Settled.RECORDED, "recorded")
    assert step({}, state) == (state, NOTHING)


# --- readings -----------------------------------------------------------------------------------------------------------

READ: list[tuple[str, Document, Role, Settled, Effects]] = [
    ("the resident reads in time", document(app=OPEN), "resident", Settled.READ, Effects(settled="read")),
    ("a guardian reads in time", document(app=OPEN), "guardian", Settled.READ, Effects(settled="read")),
    ("a holder of a fullmakt settles nothing", document(app=OPEN), "fullmakt", Settled.NO, NOTHING),
    ("what was never given cannot be read", document(), "resident", Settled.NO, NOTHING),
    ("read while in the queue", document(app=OPEN, print=P.OPEN), "resident", Settled.READ, Effects(settled="read", print_settled="read_late")),
    ("read after it was printed", document(app=OPEN, print=P.HANDLED), "resident", Settled.READ, Effects(settled="read")),
    ("read before the withdrawal, told after", document(app=AppCopy.WITHDRAWN, app_until=SENT + 2 * HOUR, print=P.OPEN), "resident", Settled.READ, Effects(settled="read", print_settled="read_late")),
    ("read after the withdrawal", document(app=AppCopy.WITHDRAWN, app_until=SENT + HOUR), "resident", Settled.NO, NOTHING),
    ("read a second time", document(app=OPEN, settled=Settled.READ), "resident", Settled.READ, NOTHING),
    ("accepted already", document(app=OPEN, settled=Settled.ACCEPTED), "resident", Settled.ACCEPTED, NOTHING),
]  # fmt: skip


@pytest.mark.parametrize(("what", "role", "settled", "effects"), [row[1:] for row in READ], ids=[row[0] for row in READ])
def test_read(what: Document, role: Role, settled: Settled, effects: Effects) -> None:
    state, done = read(what, role, SENT + HOUR, SENT + 3 * HOUR)
    assert (state.settled, done) == (settled, effects)
    assert read(state, role, SENT + HOUR, SENT + 3 * HOUR) == (state, NOTHING)


# --- answers ------------------------------------------------------------------------------------------------------------

ANSWERS: list[tuple[MailboxCopy, Answer, MailboxCopy, bool]] = [
    # state, answer, next state, settles
    (M.REQUESTED, "accepted", M.ACCEPTED, True),
    (M.REQUESTED, "refused", M.REFUSED, False),
    (M.REQUESTED, "unknown", M.UNKNOWN, False),
    (M.UNKNOWN, "accepted", M.ACCEPTED, True),
    (M.UNKNOWN, "refused", M.REFUSED, False),
    (M.UNKNOWN, "unknown", M.UNKNOWN, False),
    (M.REFUSED, "accepted", M.ACCEPTED, True),
    (M.REFUSED, "unknown", M.REFUSED, False),
    (M.WITHDRAWN, "accepted", M.ACCEPTED, True),
    (M.WITHDRAWN, "refused", M.WITHDRAWN, False),
    (M.WITHDRAWN, "unknown", M.WITHDRAWN, False),
    (M.ACCEPTED, "refused", M.ACCEPTED, False),
    (M.ACCEPTED, "unknown", M.ACCEPTED, False),
    (M.NEVER, "accepted", M.NEVER, False),
]


@pytest.mark.parametrize(("before", "answer", "after", "settles"), ANSWERS)
def test_answered(before: MailboxCopy, answer: Answer, after: MailboxCopy, settles: bool) -> None:
    state, effects = answered(document(mailbox=before), answer, SENT)
    assert state.mailbox is after
    assert effects == (Effects(settled="accepted") if settles else NOTHING)
    assert answered(state, answer, SENT) == (state, NOTHING)


def test_accepted_in_the_queue_leaves_it_and_after_paper_only_settles() -> None:
    state, effects = answered(document(mailbox=M.REQUESTED, print=P.OPEN), "accepted", SENT)
    assert (state.print, effects.print_settled, effects.settled) == (P.SETTLED, "accepted_late", "accepted")
    state, effects = answered(document(mailbox=M.REQUESTED, print=P.HANDLED), "accepted", SENT)
    assert (state.print, effects.print_settled, effects.settled) == (P.HANDLED, None, "accepted")


def test_an_acceptance_after_a_reading_is_kept_and_published_no_more() -> None:
    state, effects = answered(document(mailbox=M.REQUESTED, app=OPEN, settled=Settled.READ), "accepted", SENT)
    assert (state.mailbox, state.settled, effects) == (M.ACCEPTED, Settled.READ, NOTHING)


# --- the staff's hand ---------------------------------------------------------------------------------------------------


def test_handled_and_undone() -> None:
    entry = document(print=P.OPEN, reason="no_channel")
    done, _ = handled(entry, SENT)
    assert (done.print, done.handled_at) == (P.HANDLED, SENT)
    assert handled(done, SENT + HOUR) == (done, NOTHING)
    assert undone(done, SENT + HOUR) == (entry, NOTHING)
    assert undone(entry, SENT) == (entry, NOTHING)
    assert handled(document(), SENT) == (document(), NOTHING)


@pytest.mark.parametrize(("settled", "outcome"), [(Settled.READ, "read_late"), (Settled.ACCEPTED, "accepted_late")])
def test_undone_after_it_was_read_or_accepted_is_settled_not_open(settled: Settled, outcome: str) -> None:
    state, effects = undone(document(print=P.HANDLED, settled=settled), SENT)
    assert (state.print, effects.print_settled, effects.settled) == (P.SETTLED, outcome, None)
