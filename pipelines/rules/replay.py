"""A decision's facts as a few hundred bytes, so that every decision can be made again from what it was made of.

The form is JSON of positions: a tag with its version, then the values in the order of the model's fields; enums are their
numbers, times are epoch seconds, days are ordinals. The person id is left out and thaws as the empty text: a stored
decision holds no personal number (ids of ours stay, as look-ups and recipients are named by them). The limits stand in
it only where they differ from the defaults. A change of the model's fields is a new tag; old ones stay readable.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import orjson

from pipelines.rules import model as m
from schemas.policy import Limits

DOCUMENT: Final = "d1"
BOOKING: Final = "b1"
ROOM: Final = "r1"

Facts = tuple[m.Person, m.Document, Limits, datetime] | tuple[m.Person, m.Booking, Limits, datetime]
RoomFacts = tuple[m.Video, tuple[m.Member, ...], m.Room | None, Limits, datetime]

_DEFAULTS: Final = Limits()


def freeze(person: m.Person, subject: m.Document | m.Booking, limits: Limits, now: datetime) -> bytes:
    """The facts of `route` or `judge_booking`."""
    if isinstance(subject, m.Document):
        return orjson.dumps((DOCUMENT, _person(person), _document(subject), _limits(limits), now.timestamp()), default=str)
    return orjson.dumps((BOOKING, _person(person), _booking(subject), _limits(limits), now.timestamp()), default=str)


def freeze_room(kind: m.Video, members: Sequence[m.Member], room: m.Room | None, limits: Limits, now: datetime) -> bytes:
    """The facts of `judge_room`."""
    return orjson.dumps((ROOM, int(kind), [_member(one) for one in members], _room(room), _limits(limits), now.timestamp()), default=str)


def thaw(data: bytes) -> Facts | RoomFacts:
    """What was frozen, as the arguments of the rule that decided. Raises `ValueError` for anything else."""
    try:
        tag, *values = orjson.loads(data)
        return _THAW[tag](*values)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as fault:
        raise ValueError("is no frozen decision") from fault


# --- to positions -----------------------------------------------------------------------------------------------------


def _person(p: m.Person) -> tuple[Any, ...]:
    return (
        p.uid,
        None if p.born is None else p.born.toordinal(),
        p.reserve_only,
        int(p.protection),
        p.deceased,
        None if p.confirmed_at is None else p.confirmed_at.timestamp(),
        p.silent,
        int(p.account),
        p.phone,
        [(int(box.operator), box.accepts, box.as_of.timestamp()) for box in p.mailboxes] if p.mailboxes else 0,
        [_agent(link) for link in p.agents] if p.agents else 0,
        *((int(p.asked), _seconds(p.told_at)) if p.asked else ()),  # only where the hub asks the mailboxes itself
    )


def _agent(link: m.AgentLink) -> tuple[Any, ...]:
    until = None if link.until is None else link.until.toordinal()
    return (
        link.uid, int(link.relation), int(link.state), until, int(link.account), int(link.protection), link.deceased,
        link.verified, link.phone,
    )  # fmt: skip


def _document(d: m.Document) -> tuple[Any, ...]:
    """What a document has from its arrival, then, only where it has come further than that, how far."""
    arrived = (
        int(d.kind), d.e_brev, int(d.code), int(d.attachments), d.size, d.sent.timestamp(),
        0 if d.count_from == d.sent else d.count_from.timestamp(),
        0 if d.visit is None else (d.visit.start.timestamp(), int(d.visit.status), d.visit.rebooked),
    )  # fmt: skip
    if d[_PROGRESS:] == _UNTOUCHED:
        return arrived
    return (
        *arrived, int(d.app), d.given, int(d.mailbox), None if d.operator is None else int(d.operator), int(d.print),
        d.reason, d.manual, d.print_class, int(d.settled), _seconds(d.app_until), _seconds(d.handled_at),
    )  # fmt: skip


_PROGRESS: Final = m.Document._fields.index("app")
_UNTOUCHED: Final = tuple(m.Document._field_defaults[name] for name in m.Document._fields[_PROGRESS:])


def _booking(b: m.Booking) -> tuple[Any, ...]:
    return (
        b.uid, int(b.status), b.start.timestamp(), b.minutes, b.hidden, int(b.video), b.blocked, _seconds(b.till_at),
        _seconds(b.video_since), b.shown_app, b.shown_portal, b.notified, b.reminded,
    )  # fmt: skip


def _member(one: m.Member) -> tuple[Any, ...]:
    return (
        one.booking, one.start.timestamp(), one.minutes, one.since.timestamp(), one.wanted, one.cancelled,
        _seconds(one.till_at), one.leaving,
    )  # fmt: skip


def _room(room: m.Room | None) -> tuple[Any, ...] | None:
    if room is None:
        return None
    times = (room.active_at.timestamp(), room.opens_at.timestamp(), room.closes_at.timestamp())
    return (int(room.state), *times, _seconds(room.opened_at))


def _limits(limits: Limits) -> Any:
    return 0 if limits is _DEFAULTS else _changed(limits)


@lru_cache(maxsize=256)
def _changed(limits: Limits) -> Any:
    """The limits that are not the defaults, by name; 0 for none. Units share few of them."""
    changed = {name: value for name in _LIMITS if (value := getattr(limits, name)) != getattr(_DEFAULTS, name)}
    return changed or 0


_LIMITS: Final = tuple(Limits.__dataclass_fields__)


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


# --- and back ---------------------------------------------------------------------------------------------------------


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _maybe(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _to_limits(changed: dict[str, Any] | int) -> Limits:
    return Limits(**changed) if isinstance(changed, dict) else _DEFAULTS


def _to_person(values: list[Any]) -> m.Person:
    uid, born, reserve, protection, deceased, confirmed, silent, account, phone, boxes, agents, *asked = values
    return m.Person(
        UUID(uid), "", None if born is None else date.fromordinal(born), reserve, m.Protection(protection), deceased,
        _maybe(confirmed), silent, m.AccountState(account), phone,
        tuple(m.Mailbox(m.Operator(operator), accepts, _moment(as_of)) for operator, accepts, as_of in boxes or ()),
        tuple(_to_agent(link) for link in agents or ()),
        *((m.Asked(asked[0]), _maybe(asked[1])) if asked else ()),
    )  # fmt: skip


def _to_agent(values: list[Any]) -> m.AgentLink:
    uid, relation, state, until, account, protection, deceased, verified, phone = values
    return m.AgentLink(
        UUID(uid), "", m.Relation(relation), m.LinkState(state), None if until is None else date.fromordinal(until),
        m.AccountState(account), m.Protection(protection), deceased, verified, phone,
    )  # fmt: skip


def _to_document(values: list[Any]) -> m.Document:
    kind, e_brev, code, attachments, size, sent, count_from, visit, *progress = values
    document = m.Document(
        m.Kind(kind), e_brev, m.CodeVerdict(code), m.AttachmentVerdict(attachments), size, _moment(sent),
        _moment(count_from or sent),
        m.Visit(_moment(visit[0]), m.BookingStatus(visit[1]), visit[2]) if visit else None,
    )  # fmt: skip
    if not progress:
        return document
    app, given, mailbox, operator, printed, reason, manual, print_class, settled, app_until, handled_at = progress
    return document._replace(
        app=m.AppCopy(app),
        given=tuple((UUID(uid), role) for uid, role in given),
        mailbox=m.MailboxCopy(mailbox),
        operator=None if operator is None else m.Operator(operator),
        print=m.PrintCopy(printed),
        reason=reason,
        manual=manual,
        print_class=print_class,
        settled=m.Settled(settled),
        app_until=_maybe(app_until),
        handled_at=_maybe(handled_at),
    )


def _to_booking(values: list[Any]) -> m.Booking:
    uid, status, start, minutes, hidden, video, blocked, till, since, in_app, in_portal, notified, reminded = values
    return m.Booking(
        UUID(uid), m.BookingStatus(status), _moment(start), minutes, hidden, m.Video(video), blocked, _maybe(till),
        _maybe(since), in_app, in_portal, notified, reminded,
    )  # fmt: skip


def _to_member(values: list[Any]) -> m.Member:
    booking, start, minutes, since, wanted, cancelled, till, *leaving = values  # what was frozen before has no word of who leaves
    return m.Member(UUID(booking), _moment(start), minutes, _moment(since), wanted, cancelled, _maybe(till), *leaving)


def _to_room(values: list[Any] | None) -> m.Room | None:
    if values is None:
        return None
    state, active_at, opens_at, closes_at, opened_at = values
    return m.Room(m.RoomState(state), _moment(active_at), _moment(opens_at), _moment(closes_at), _maybe(opened_at))


def _thaw_document(person: list[Any], document: list[Any], limits: Any, now: float) -> Facts:
    return _to_person(person), _to_document(document), _to_limits(limits), _moment(now)


def _thaw_booking(person: list[Any], booking: list[Any], limits: Any, now: float) -> Facts:
    return _to_person(person), _to_booking(booking), _to_limits(limits), _moment(now)


def _thaw_room(kind: int, members: list[Any], room: list[Any] | None, limits: Any, now: float) -> RoomFacts:
    return m.Video(kind), tuple(_to_member(one) for one in members), _to_room(room), _to_limits(limits), _moment(now)


_THAW: Final[Mapping[str, Callable[..., Facts | RoomFacts]]] = {
    DOCUMENT: _thaw_document,
    BOOKING: _thaw_booking,
    ROOM: _thaw_room,
}
