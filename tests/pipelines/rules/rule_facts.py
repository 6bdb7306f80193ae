"""An ordinary adult, an ordinary letter, and whatever differs from them; and strategies for everything that may."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from pipelines.rules.model import (
    AccountState,
    AgentLink,
    AppCopy,
    Asked,
    AttachmentVerdict,
    Booking,
    BookingStatus,
    CodeVerdict,
    Document,
    Kind,
    LinkState,
    Mailbox,
    MailboxCopy,
    Operator,
    Person,
    PrintCopy,
    Protection,
    Relation,
    Settled,
    Video,
    Visit,
)
from schemas.policy import Limits

SENT = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
"""A Monday, 11.00 in Stockholm."""
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
LIMITS = Limits()
EARLY = Limits(early_print=True)
APP_FOR_SEKRETESS = Limits(open_app_for_sekretess=True)

RESIDENT = UUID(int=1)
ADULT = date(1980, 5, 17)
TEEN = date(2011, 1, 20)
CHILD = date(2018, 9, 9)

KIVRA = Mailbox(Operator.KIVRA, True, SENT - 1000 * HOUR)
BILLO = Mailbox(Operator.BILLO, True, SENT - 500 * HOUR)
NO_KIVRA = Mailbox(Operator.KIVRA, False, SENT - 100 * HOUR)


def person(**facts: Any) -> Person:
    """An adult with an active account, confirmed an hour ago, without a mailbox."""
    return Person(
        **{
            "uid": RESIDENT, "pid": "198005179803", "born": ADULT, "reserve_only": False, "protection": Protection.NONE,
            "deceased": False, "confirmed_at": SENT - HOUR, "silent": False, "account": AccountState.ACTIVE,
            "phone": True, "mailboxes": (), "agents": (),
        } | facts
    )  # fmt: skip


def document(**facts: Any) -> Document:
    """A letter that may go everywhere, sent just now."""
    sent = facts.get("sent", SENT)
    return Document(
        **{
            "kind": Kind.BREV, "e_brev": True, "code": CodeVerdict.RIGHT, "attachments": AttachmentVerdict.RIGHT,
            "size": 10_000, "sent": sent, "count_from": sent,
        } | facts
    )  # fmt: skip


def agent(number: int = 2, relation: Relation = Relation.GUARDIAN, **facts: Any) -> AgentLink:
    """An ombud who counts."""
    return AgentLink(
        **{
            "uid": UUID(int=number), "pid": f"ombud-{number}", "relation": relation, "state": LinkState.ACTIVE,
            "until": None, "account": AccountState.ACTIVE, "protection": Protection.NONE, "deceased": False,
            "verified": True, "phone": False,
        } | facts
    )  # fmt: skip


def booking(**facts: Any) -> Booking:
    """A booking three days ahead on a visible time type without video."""
    return Booking(
        **{
            "uid": UUID(int=77), "status": BookingStatus.BOOKED, "start": SENT + 72 * HOUR, "minutes": 30,
            "hidden": False, "video": Video.NONE, "blocked": False, "till_at": None, "video_since": None,
        } | facts
    )  # fmt: skip


# --- strategies -------------------------------------------------------------------------------------------------------

moments = st.integers(-30 * 24 * 60, 30 * 24 * 60).map(lambda minutes: SENT + minutes * MINUTE)
after_sending = st.integers(0, 4 * 24 * 60).map(lambda minutes: SENT + minutes * MINUTE)
uids = st.integers(2, 9).map(lambda number: UUID(int=number))

mailboxes = st.lists(
    st.builds(Mailbox, st.sampled_from(Operator), st.booleans(), moments), max_size=4, unique_by=lambda box: box.operator
).map(tuple)
agents = st.lists(
    st.builds(
        AgentLink,
        uids,
        st.just("ombud"),
        st.sampled_from(Relation),
        st.sampled_from(LinkState),
        st.none() | st.dates(date(2026, 2, 1), date(2026, 4, 1)),
        st.sampled_from(AccountState),
        st.sampled_from(Protection),
        st.booleans(),
        st.booleans(),
        st.booleans(),
    ),
    max_size=4,
    unique_by=lambda link: link.uid,
).map(tuple)
people = st.builds(
    Person,
    st.just(RESIDENT),
    st.just("198005179803"),
    st.none() | st.sampled_from((ADULT, TEEN, CHILD)) | st.dates(date(1920, 1, 1), date(2026, 3, 1)),
    st.booleans(),
    st.sampled_from(Protection),
    st.booleans(),
    st.none() | moments,
    st.booleans(),
    st.sampled_from(AccountState),
    st.booleans(),
    mailboxes,
    agents,
    st.sampled_from(Asked),
    st.none() | moments,
)
limits = st.builds(
    Limits,
    early_print=st.booleans(),
    paper_lead_days=st.integers(0, 8),
    open_app_for_sekretess=st.booleans(),
)
visits = st.none() | st.builds(Visit, moments, st.sampled_from(BookingStatus), st.booleans())


@st.composite
def new_documents(draw: st.DrawFn) -> Document:
    return document(
        kind=draw(st.sampled_from(Kind)),
        e_brev=draw(st.booleans()),
        code=draw(st.sampled_from((CodeVerdict.RIGHT, *CodeVerdict))),
        attachments=draw(st.sampled_from((AttachmentVerdict.RIGHT, *AttachmentVerdict))),
        size=draw(st.sampled_from((1_000, 800_000, 2_000_000, 6_000_000))),
        visit=draw(visits),
    )


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """A document that has come any way at all, also ways that no history leads to."""
    given = draw(st.lists(st.tuples(uids, st.sampled_from(("guardian", "fullmakt"))), max_size=3, unique_by=lambda g: g[0]))
    return draw(new_documents())._replace(
        app=draw(st.sampled_from(AppCopy)),
        given=tuple(given),
        mailbox=draw(st.sampled_from(MailboxCopy)),
        print=draw(st.sampled_from(PrintCopy)),
        reason=draw(st.sampled_from((None, "identity_unverified", "no_channel", "deceased"))),
        manual=draw(st.booleans()),
        settled=draw(st.sampled_from((Settled.NO, Settled.NO, Settled.READ, Settled.ACCEPTED))),
    )


bookings = st.builds(
    Booking,
    st.just(UUID(int=77)),
    st.sampled_from(BookingStatus),
    moments,
    st.integers(0, 120),
    st.booleans(),
    st.sampled_from(Video),
    st.booleans(),
    st.none() | moments,
    st.none() | moments,
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
