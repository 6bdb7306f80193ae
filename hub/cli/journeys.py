"""A journey as lines of text. Pure; every word is in `words`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hub.cli import spans, words
from hub.cli.screen import local_text
from hub.cli.words import Language, phrase, word
from pipelines.ledger.journey import BookingNow, Carried, Decided, DocumentNow, Journey, RoomNow
from pipelines.outputs import OPERATORS
from pipelines.rules import model
from pipelines.rules.catalogue import explain
from pipelines.rules.model import Step


@dataclass(frozen=True, slots=True)
class PersonFacts:
    """What a decision knew of the person: states and ages, nothing that names them."""

    account: str
    register_age_s: float | None
    register_silent: bool
    mailboxes: tuple[tuple[str, bool, float], ...]
    agents: int
    visit: datetime | None

    def as_data(self) -> dict[str, Any]:
        boxes = [{"operator": name, "accepts": accepts, "age_s": age} for name, accepts, age in self.mailboxes]
        return {
            "account": self.account, "register_age_s": self.register_age_s, "register_silent": self.register_silent,
            "mailboxes": boxes, "agents": self.agents, "visit": self.visit,
        }  # fmt: skip


def person_facts(decided: Decided) -> PersonFacts | None:
    """From the frozen facts of a document's or booking's decision; None for a room."""
    facts = decided.thawed
    person = facts[0]
    if not isinstance(person, model.Person):
        return None
    subject, now = facts[1], facts[3]
    assert isinstance(now, datetime)
    visit = subject.visit.start if isinstance(subject, model.Document) and subject.visit is not None else None
    return PersonFacts(
        person.account.name.lower(),
        None if person.confirmed_at is None else (now - person.confirmed_at).total_seconds(),
        person.silent,
        tuple((OPERATORS[box.operator], box.accepts, (now - box.as_of).total_seconds()) for box in person.mailboxes),
        len(person.agents),
        visit,
    )


def lines(found: Journey, now: datetime, lang: Language) -> Iterator[str]:
    """The whole trace."""
    if found.document is not None:
        yield from _head(found.document, lang)
    elif found.booking is not None:
        yield from _booking(found.booking, lang)
    elif found.room is not None:
        yield from _room(found, found.room, lang)
    yield ""
    yield phrase("decisions", lang)
    for number, decided in enumerate(found.decisions, 1):
        yield from _decision(number, decided, lang)
    if found.document is not None:
        yield from _deliveries(found, found.document, lang)
    elif found.texts:
        yield from ("", phrase("deliveries", lang), *("  " + line for line in _texts(found, lang)))
    state = found.document or found.booking or found.room
    assert state is not None
    yield ""
    yield phrase("ahead", lang)
    yield "  " + _ahead(state, now, lang)


def _head(state: DocumentNow, lang: Language) -> Iterator[str]:
    kind = word(words.KINDS, state.kind, lang)
    source = {"takecare": "TakeCare", "sectra": "Sectra"}.get(state.source, state.source)
    yield _capital(phrase("document", lang, kind=kind, id=state.document_id, source=source, unit=state.unit))
    yield phrase("sent", lang, at=local_text(state.sent))
    if state.count_from != state.sent:
        yield phrase("counted", lang, at=local_text(state.count_from))
    if not state.e_brev:
        yield phrase("not_e_brev", lang)
    yield _now(state, lang)


def _now(state: DocumentNow, lang: Language) -> str:
    if state.settled != "no":
        return phrase("now_settled", lang, how=word(words.SETTLED, state.settled, lang))
    if state.print in ("open", "handled"):
        shown = word(words.PRINT_STATES, state.print, lang)
        return phrase("now_print", lang, state=shown, reason=word(words.REASONS, state.reason, lang))
    channels = [name for name, there in (("app", state.app == "open"), ("mailbox", state.mailbox in ("requested", "accepted"))) if there]
    if channels:
        return phrase("now_delivered", lang, channels=_listed(channels, lang))
    return phrase("now_withdrawn" if state.app == "withdrawn" else "now_wait", lang)


def _decision(number: int, decided: Decided, lang: Language) -> Iterator[str]:
    event = decided.event
    channels = [name for name in event["channels"] if name != event["outcome"]]
    to = phrase("to", lang, channels=_listed(channels, lang)) if channels else ""
    yield phrase(
        "decision", lang, n=number, at=local_text(decided.at), rule=event["rule"], outcome=word(words.OUTCOMES, event["outcome"], lang),
        to=to, trigger=word(words.TRIGGERS, event["trigger"], lang),
    )  # fmt: skip
    if event.get("reason"):
        reasons = words.ROOM_REASONS if event["subject"] == "room" else words.REASONS
        yield "   " + phrase("reason", lang, reason=word(reasons, event["reason"], lang), code=event["reason"])
    for step in event["trace"]:
        yield "     " + explain(Step(step["rule"], step["applied"], step["because"], step["facts"]), lang)
    known = person_facts(decided)
    if known is not None:
        yield "   " + phrase("facts", lang, facts=", ".join(_facts(known, lang)))
    if event.get("deadline"):
        yield "   " + phrase("deadline", lang, at=local_text(datetime.fromisoformat(event["deadline"])))


def _facts(known: PersonFacts, lang: Language) -> Iterator[str]:
    if known.register_age_s is None:
        yield phrase("register_none", lang)
    else:
        yield phrase("register", lang, age=_span(known.register_age_s, lang))
    if known.register_silent:
        yield phrase("silent", lang)
    yield phrase("account", lang, state=word(words.ACCOUNTS, known.account, lang))
    for operator, accepts, age in known.mailboxes:
        name = word(words.OPERATORS, operator, lang)
        yield phrase("mailbox_yes" if accepts else "mailbox_no", lang, operator=name, age=_span(age, lang))
    if not known.mailboxes:
        yield phrase("no_mailbox", lang)
    if known.agents:
        yield phrase("agents", lang, n=known.agents)
    if known.visit is not None:
        yield phrase("visit", lang, at=local_text(known.visit))


def _deliveries(found: Journey, state: DocumentNow, lang: Language) -> Iterator[str]:
    told: list[str] = []
    if state.app_since is not None:
        told.append(phrase("in_app", lang, at=local_text(state.app_since), until=_until(state.app_until, lang)))
    told += [
        phrase("given", lang, role=word(words.ROLES, one.role, lang), at=local_text(one.since), until=_until(one.until, lang))
        for one in found.recipients
    ]
    for one in found.deliveries:
        told.append(
            phrase(
                "mailbox", lang, operator=word(words.OPERATORS, one.operator, lang), at=local_text(one.requested_at),
                state=word(words.DELIVERY_STATES, one.state, lang),
                answered=f" {local_text(one.answered_at)}" if one.answered_at is not None else "",
                code=f" ({one.code})" if one.code else "",
            )
        )  # fmt: skip
        if one.carried is not None:
            told += _carried(one.carried, phrase("carried", lang, **_state(one.carried, lang)), lang)
    told += _texts(found, lang)
    entry = found.print_entry
    if entry is not None:
        shown = word(words.PRINT_STATES, entry.state, lang)
        parts = [phrase("print_entry", lang, at=local_text(entry.entered), state=shown, reason=word(words.REASONS, entry.reason, lang))]
        parts += [phrase(name, lang) for name in ("urgent", "manual", "relay") if getattr(entry, name)]
        if entry.booking_state is not None:
            parts.append(word(words.BOOKING_MARKS, entry.booking_state, lang))
        if entry.attachments:
            parts.append(phrase("files", lang, n=entry.attachments))
        if entry.outcome is not None:
            parts.append(word(words.PRINT_OUTCOMES, entry.outcome, lang))
        if entry.closed_at is not None:
            parts.append(phrase("closed", lang, at=local_text(entry.closed_at)))
        told.append(", ".join(parts))
    if state.settled != "no":
        at = next((d.at for d in found.decisions if d.event["outcome"] in ("settle", "record")), None)
        told.append(
            phrase("settled", lang, how=word(words.SETTLED, state.settled, lang), at=local_text(at) if at is not None else "").rstrip()
        )
    if told:
        yield ""
        yield phrase("deliveries", lang)
        yield from ("  " + line for line in told)


def _texts(found: Journey, lang: Language) -> list[str]:
    told: list[str] = []
    for one in found.texts:
        head = phrase("text", lang, kind=word(words.TEXTS, one.kind, lang), at=local_text(one.requested_at), **_state(one, lang))
        told += [head, *_carried(one, "", lang)]
    return told


def _carried(one: Carried, head: str, lang: Language) -> Iterator[str]:
    """How far it has come, and every try, indented under its delivery."""
    if head:
        yield "  " + head
    for each in one.tries:
        outcome = word(words.TRIES, each.outcome, lang) if each.outcome else phrase("try_open", lang)
        yield "  " + phrase(
            "try", lang, n=each.number, at=local_text(each.began), outcome=outcome, code=f" ({each.code})" if each.code else "",
            reference=f" [{each.reference}]" if each.reference else "",
        )  # fmt: skip


def _state(one: Carried, lang: Language) -> dict[str, str]:
    why = f" ({word(words.WHYS, one.why, lang)})" if one.why else ""
    return {"state": word(words.SEND_STATES, one.state, lang), "why": why, "code": f" ({one.code})" if one.code else ""}


def _ahead(state: DocumentNow | BookingNow | RoomNow, now: datetime, lang: Language) -> str:
    due = state.due_at
    if due is None:
        waiting = isinstance(state, DocumentNow) and state.print == "open"
        return phrase("with_staff" if waiting else "nothing_ahead", lang)
    span = _span((due - now).total_seconds(), lang)
    if due <= now:
        return phrase("overdue", lang, at=local_text(due), span=span)
    final = isinstance(state, DocumentNow) and state.deadline == due and state.print == "never"
    return phrase("goes_to_print" if final else "looked_at", lang, at=local_text(due), span=span)


def _booking(state: BookingNow, lang: Language) -> Iterator[str]:
    yield phrase("booking", lang, id=state.booking_id, unit=state.unit, status=word(words.STATUSES, state.status, lang))
    if state.dropped or state.start is None:
        yield phrase("dropped", lang)
        return
    yield phrase("visit_at", lang, at=local_text(state.start), minutes=state.minutes)
    where = [phrase(name, lang) for name, shown in (("app", state.shown_app), ("portal", state.shown_portal)) if shown]
    yield phrase("shown", lang, where=", ".join(where) or phrase("nowhere", lang))
    if state.room is not None:
        yield phrase("room_of", lang, id=state.room)


def _room(found: Journey, state: RoomNow, lang: Language) -> Iterator[str]:
    yield phrase("room", lang, id=state.room_id, unit=state.unit, state=word(words.ROOM_STATES, state.state, lang))
    times = {"active": state.active_at, "opens": state.opens_at, "closes": state.closes_at}
    yield phrase("room_times", lang, **{name: local_text(at) for name, at in times.items()})
    if found.booking_ids:
        yield phrase("room_bookings", lang, ids=", ".join(found.booking_ids))


def _until(at: datetime | None, lang: Language) -> str:
    return "" if at is None else phrase("until", lang, at=local_text(at))


def _listed(channels: list[str], lang: Language) -> str:
    return (" and " if lang == "en" else " och ").join(word(words.CHANNELS, name, lang) for name in channels)


def _span(seconds: float, lang: Language) -> str:
    return " ".join(word(words.UNITS_OF_TIME, part, lang) for part in spans.short(seconds).split())


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
