"""What holds for every document and booking there can be."""

# ruff: noqa: E501 (a row of a table is one sentence and one line)

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.rules.booking import judge_booking
from pipelines.rules.deadline import due
from pipelines.rules.mailboxes import PATIENCE, may_ask
from pipelines.rules.model import (
    AppCopy,
    Asked,
    Booking,
    Decision,
    Document,
    MailboxCopy,
    Member,
    Person,
    PrintCopy,
    Protection,
    Room,
    RoomState,
    Settled,
    Video,
)
from pipelines.rules.progress import NOTHING, act, answered, read
from pipelines.rules.replay import freeze, freeze_room, thaw
from pipelines.rules.room import judge_room
from pipelines.rules.routing import route
from schemas.policy import Limits
from tests.pipelines.rules import rule_facts as facts
from tests.pipelines.rules.rule_facts import LIMITS, SENT

TERMINAL = {"print", "settle", "record"}


def nameless(decision: Decision) -> Decision:
    return decision._replace(recipients=tuple(one._replace(pid="") for one in decision.recipients))


@given(facts.people, facts.documents(), facts.limits, facts.after_sending, st.randoms(use_true_random=False))
def test_the_order_of_independent_facts_does_not_matter(
    person: Person, document: Document, limits: Limits, now: datetime, random: object
) -> None:
    mailboxes, agents, given_to = list(person.mailboxes), list(person.agents), list(document.given)
    for order in (mailboxes, agents, given_to):
        random.shuffle(order)  # type: ignore[attr-defined]
    other = person._replace(mailboxes=tuple(mailboxes), agents=tuple(agents))
    again = document._replace(given=tuple(given_to))
    assert route(other, again, limits, now) == route(person, document, limits, now)


@given(facts.people, facts.documents(), facts.limits, facts.after_sending)
def test_deciding_twice_is_deciding_once(person: Person, document: Document, limits: Limits, now: datetime) -> None:
    state, _ = act(document, person, route(person, document, limits, now), now)
    again, effects = act(state, person, route(person, state, limits, now), now)
    # Who is still a recipient is told by some rules only (TRACKING); what they took back says nothing and stays taken back.
    assert again._replace(given=state.given) == state
    assert set(again.given) <= set(state.given)
    assert effects == NOTHING
    assert act(again, person, route(person, again, limits, now), now) == (again, NOTHING)


@given(facts.people, facts.documents(), facts.limits, facts.after_sending)
def test_protection_always_wins(person: Person, document: Document, limits: Limits, now: datetime) -> None:
    protected = person._replace(protection=Protection.SKYDDAD_FOLKBOKFORING)
    decision = route(protected, document, limits, now)
    state, effects = act(document, protected, decision, now)
    assert not {"app", "mailbox"} & set(decision.channels)
    assert (effects.delivered, effects.delivery, effects.notify) == ((), None, ())
    if document.e_brev and document.settled is Settled.NO and document.mailbox is not MailboxCopy.ACCEPTED:
        assert decision.outcome == "print"
        assert state.app is not AppCopy.OPEN
    if effects.print_entered or effects.print_updated:
        assert (state.manual, state.print_class) == (True, "relay")


@given(facts.people, facts.documents(), facts.limits, facts.after_sending)
def test_sekretessmarkering_is_never_notified_and_reaches_no_mailbox(
    person: Person, document: Document, limits: Limits, now: datetime
) -> None:
    protected = person._replace(protection=Protection.SEKRETESSMARKERING)
    _, effects = act(document, protected, route(protected, document, limits, now), now)
    assert (effects.delivery, effects.notify) == (None, ())
    assert limits.open_app_for_sekretess or effects.delivered == ()


@given(facts.people, facts.documents(), facts.limits, facts.after_sending)
def test_every_decided_document_is_terminal_or_timed(person: Person, document: Document, limits: Limits, now: datetime) -> None:
    decision = route(person, document, limits, now)
    if decision.outcome in TERMINAL:
        assert decision.deadline is None
        return
    assert decision.outcome in {"deliver", "wait"}
    assert decision.deadline is not None
    assert decision.deadline > now
    assert decision.review_at is None or now < decision.review_at <= decision.deadline


@given(facts.people, facts.new_documents(), facts.limits)
def test_a_document_whose_facts_stand_still_ends_in_four_days(person: Person, document: Document, limits: Limits) -> None:
    """Time alone brings every document to an end: each timer is later than the one before, and the last one is paper."""
    now = SENT
    for _ in range(40):
        decision = route(person, document, limits, now)
        document, _effects = act(document, person, decision, now)
        if decision.outcome in TERMINAL:
            assert document.print is PrintCopy.OPEN or document.settled is not Settled.NO
            return
        timers = [moment for moment in (decision.deadline, decision.review_at) if moment is not None]
        now = min(timers)
        person = person._replace(silent=person.silent or bool(decision.look_up))
        if decision.reach:
            person = person._replace(asked=Asked.SILENT)
        assert now < SENT + timedelta(days=4)
    pytest.fail("its timers never end")


@given(facts.people, facts.documents(), facts.limits, facts.after_sending)
def test_mailbox_operators_are_asked_about_nobody_who_must_not_be(
    person: Person, document: Document, limits: Limits, now: datetime
) -> None:
    """P1, P2, R8: and such a wait changes nothing, and is over by the deadline."""
    decision = route(person, document, limits, now)
    if decision.reach:
        assert may_ask(person, now, limits) and not person.protection
        assert act(document, person, decision, now)[0] == document
        assert decision.review_at is not None and decision.deadline is not None
        assert now < decision.review_at <= min(now + PATIENCE, decision.deadline)


@given(facts.people, facts.documents(), facts.limits, facts.after_sending)
def test_a_decision_is_made_again_from_its_facts(person: Person, document: Document, limits: Limits, now: datetime) -> None:
    thawed = thaw(freeze(person, document, limits, now))
    assert nameless(route(person, document, limits, now)) == route(*thawed)  # type: ignore[arg-type]


@given(facts.people, facts.documents(), facts.limits, facts.after_sending)
def test_frozen_facts_hold_no_person_id(person: Person, document: Document, limits: Limits, now: datetime) -> None:
    assert person.pid.encode() not in freeze(person, document, limits, now)


@given(facts.people, facts.bookings, facts.limits, facts.moments)
def test_a_bookings_decision_is_made_again_from_its_facts(person: Person, booking: Booking, limits: Limits, now: datetime) -> None:
    decision, again = judge_booking(person, booking, limits, now), judge_booking(*thaw(freeze(person, booking, limits, now)))  # type: ignore[arg-type]  # fmt: skip
    told = tuple(one._replace(recipient=one.recipient._replace(pid="")) for one in decision.notify)
    assert [told, *(getattr(decision, name) for name in _BUT_NOTIFY)] == [again.notify, *(getattr(again, name) for name in _BUT_NOTIFY)]  # fmt: skip


_BUT_NOTIFY = ("rule", "outcome", "app", "portal", "room", "erase", "withdrawn", "review_at", "look_up", "steps")


@given(facts.people, facts.bookings, facts.limits, facts.moments)
def test_a_protected_persons_booking_is_seen_nowhere(person: Person, booking: Booking, limits: Limits, now: datetime) -> None:
    decision = judge_booking(person._replace(protection=Protection.SEKRETESSMARKERING), booking, limits, now)
    assert (decision.app, decision.portal, decision.room, decision.erase, decision.notify) == (False, False, Video.NONE, True, ())


@given(facts.people, facts.bookings, facts.limits, facts.moments)
def test_a_booking_is_reviewed_later_or_never(person: Person, booking: Booking, limits: Limits, now: datetime) -> None:
    decision = judge_booking(person, booking, limits, now)
    assert decision.review_at is None or decision.review_at > now


members = st.lists(
    st.builds(
        Member,
        facts.uids,
        st.just(SENT + timedelta(hours=5)),
        st.integers(0, 120),
        facts.moments,
        st.booleans(),
        st.booleans(),
        st.none() | facts.moments,
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda one: one.booking,
)
rooms = st.none() | st.builds(Room, st.sampled_from(RoomState), facts.moments, facts.moments, facts.moments, st.none() | facts.moments)


@given(st.sampled_from((Video.SINGLE, Video.GROUP)), members, rooms, facts.moments)
def test_a_room_is_judged_the_same_in_any_order_and_from_its_facts(
    kind: Video, those: list[Member], room: Room | None, now: datetime
) -> None:
    decision = judge_room(kind, those, room, LIMITS, now)
    assert judge_room(kind, those[::-1], room, LIMITS, now) == decision
    assert judge_room(*thaw(freeze_room(kind, those, room, LIMITS, now))) == decision  # type: ignore[arg-type]
    assert (decision.review_at is None) == (decision.state in (RoomState.CLOSED, RoomState.VOID))
    assert decision.review_at is None or decision.review_at > now


@given(facts.documents(), st.sampled_from(("resident", "guardian", "fullmakt")), facts.after_sending)
def test_a_reading_told_twice_counts_once(document: Document, role: str, at: datetime) -> None:
    state, _ = read(document, role, at, at)  # type: ignore[arg-type]
    assert read(state, role, at, at) == (state, NOTHING)  # type: ignore[arg-type]


@given(facts.documents(), st.lists(st.sampled_from(("accepted", "refused", "unknown")), max_size=5))
def test_an_acceptance_counts_whatever_else_was_answered(document: Document, answers: list[str]) -> None:
    settled = 0
    for answer in [*answers, "accepted"]:
        document, effects = answered(document, answer, SENT)  # type: ignore[arg-type]
        settled += effects.settled is not None
    assert document.mailbox in (MailboxCopy.ACCEPTED, MailboxCopy.NEVER)
    assert settled <= 1


@given(facts.documents(), facts.limits)
def test_a_deadline_is_after_sending_and_never_later_than_48_hours(document: Document, limits: Limits) -> None:
    at, early = due(document, limits)
    assert document.count_from < at <= document.count_from + timedelta(hours=48)
    assert early == (at != document.count_from + timedelta(hours=48))


@pytest.mark.parametrize("garbage", [b"", b"{}", b"[]", b'["x9"]', b'["d1",1,2,3,4]', b'["d1"]', b"\xff", b'["d1",[],[],0,0]'])
def test_anything_else_does_not_thaw(garbage: bytes) -> None:
    with pytest.raises(ValueError, match="frozen"):
        thaw(garbage)


def test_a_typical_decision_is_frozen_in_few_bytes() -> None:
    who = facts.person(uid=UUID(int=2**127), mailboxes=(facts.KIVRA,), agents=(facts.agent(), facts.agent(3)))
    assert len(freeze(who, facts.document(), Limits(), SENT)) <= 400
