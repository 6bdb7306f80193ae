"""What the stand-ins know: the app's documents and bookings, requests to mailboxes, notifications, rooms, the print
queue, decisions, and people's accounts and links, as the topics tell them. Pure: events in, state out.

A topic gives a record at least once; an event is known by its `ce_id`. Everything has a bound: the oldest goes.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from connectors.sandbox.arrivals import Arrivals, content_of
from connectors.sandbox.owned import Owned
from connectors.sandbox.register import Register
from schemas.cloudevents import Envelope
from schemas.fields import parse_instant

KEPT_MAX: Final = 100_000
DECISIONS_MAX: Final = 200_000
EVENT_IDS_MAX: Final = 1_000_000
REGISTER_ANSWERS: Final = "urn:care-hub:register"

Data = Mapping[str, Any]
Value = TypeVar("Value")


class Kept(OrderedDict[str, Value], Generic[Value]):
    """A bounded dict that forgets what was changed longest ago."""

    def __init__(self, most: int = KEPT_MAX) -> None:
        super().__init__()
        self.most = most

    def put(self, key: str, value: Value) -> None:
        self[key] = value
        self.move_to_end(key)
        if len(self) > self.most:
            self.popitem(last=False)

    def newest(self, count: int) -> list[Value]:
        keys = [key for key, _ in zip(reversed(self), range(count), strict=False)]
        return [self[key] for key in keys]


@dataclass(slots=True)
class AppDocument:
    """A document as the app has it."""

    data: Data
    arrived: datetime
    withdrawn: bool = False
    outcome: str | None = None
    read_at: dict[str, datetime] = field(default_factory=dict)

    @property
    def read_by(self) -> set[str]:
        return set(self.read_at)

    @property
    def recipients(self) -> set[str]:
        return {each["id"] for each in self.data["recipients"]}


@dataclass(slots=True)
class PrintEntry:
    """An entry of the print queue with what became of it."""

    data: Data
    state: str = "open"


class World:
    """All that is known. `apply` takes one event; `revision` grows with each that told something, and with each arrival."""

    def __init__(self, sender: str | None = None) -> None:
        """`sender`: whose mail the mailboxes are asked about, the hub's; what they say of another's is not for here. None: anybody's."""
        self._events = 0
        self._sender = sender
        self.register = Register()
        self.arrivals = Arrivals()
        self.far_asked: Counter[str] = Counter()
        """How often Mina meddelanden's register was asked about a person."""
        self.accounts: Kept[Data] = Kept()
        self.agents: Kept[dict[str, Data]] = Kept()
        self.mailboxes: Kept[dict[str, Data]] = Kept()
        self.documents: Kept[AppDocument] = Kept()
        self.bookings: Kept[Data] = Kept()
        self.deliveries: Kept[Data] = Kept()
        self.notifications: Kept[Data] = Kept()
        self.rooms: Kept[Data] = Kept()
        self.print_entries: Kept[PrintEntry] = Kept()
        self.decisions: Kept[Data] = Kept(DECISIONS_MAX)
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._decided: dict[str, list[str]] = {}
        self._early_reads: Kept[dict[str, datetime]] = Kept()
        self._documents_about = Owned()
        self._bookings_about = Owned()
        self._links_of = Owned()
        self._room_of: Kept[str] = Kept()
        self._unlinked: Kept[datetime] = Kept()

    @property
    def revision(self) -> int:
        return self._events + self.arrivals.noted

    def apply(self, envelope: Envelope, data: Data, at: datetime) -> None:
        """Take an event in. `at` is when it was appended, in hub time. A type nobody here knows is left alone."""
        take = _TAKES.get(envelope.type)
        if take is None:
            return
        event = f"{envelope.source} {envelope.id}"
        again = event in self._seen
        if not again:
            self._seen[event] = None
            if len(self._seen) > EVENT_IDS_MAX:
                self._seen.popitem(last=False)
        if envelope.source == REGISTER_ANSWERS and data["patient"] in self.register:
            return  # its own words, from which SPAR's form left things out
        take(self, data, at, again)
        self._events += 1

    def decisions_of(self, subject_id: str) -> list[Data]:
        """Decisions about a document, booking or room, the first first."""
        return [self.decisions[key] for key in self._decided.get(subject_id, ()) if key in self.decisions]

    def account(self, person: str) -> str:
        """`none`, `active` or `blocked`."""
        known = self.accounts.get(person)
        return "none" if known is None else str(known["account"])

    def documents_about(self, person: str) -> Iterator[AppDocument]:
        """A person's documents, the last delivered first, withdrawn ones too."""
        return (self.documents[name] for name in self._documents_about.of(person) if name in self.documents)

    def bookings_about(self, person: str) -> Iterator[Data]:
        """A person's bookings that the app shows."""
        return (self.bookings[name] for name in self._bookings_about.of(person) if name in self.bookings)

    def links_of(self, agent: str) -> Iterator[tuple[str, Data]]:
        """Whom an agent is linked to, and how, whatever the link is worth now."""
        for patient in self._links_of.of(agent):
            for link in self.agents.get(patient, {}).values():
                if link["agent"] == agent:
                    yield patient, link

    def is_unlinked(self, patient: str, link: Data) -> bool:
        """Whether a block of either account ended this link: unblocking does not restore it (P5)."""
        ended = (self._unlinked.get(person) for person in (patient, link["agent"]))
        return any(at is not None and parse_instant(link["as_of"]) <= at for at in ended)

    def room_of(self, booking_id: str) -> Data | None:
        """The video room of a booking."""
        name = self._room_of.get(booking_id)
        return None if name is None else self.rooms.get(name)

    def _person(self, data: Data, at: datetime, again: bool) -> None:
        self.register.learn(data["patient"], parse_instant(data["as_of"]), data)

    def _account(self, data: Data, at: datetime, again: bool) -> None:
        known = self.accounts.get(data["patient"])
        if not _newer(data, known):
            return
        before = "none" if known is None else known["account"]
        if data["account"] == "none" and before != "none":  # deregistering is the same as blocking (P5)
            data = {**data, "account": "blocked", "deregistered": True}
        if data["account"] == "blocked" and before != "blocked":  # a compacted topic no longer says that it was active
            self._unlinked.put(data["patient"], parse_instant(data["as_of"]))
        if known is not None and data["account"] == before:  # of a state that stands it is told since when, and by whom
            kept = {name: known[name] for name in ("deregistered", "by", "since") if name in known}
            data = {**data, **kept}
        phone = {"phone": known["phone"]} if known is not None and "phone" in known else {}
        self.accounts.put(data["patient"], {"since": data["as_of"], **phone, **data})

    def _agent(self, data: Data, at: datetime, again: bool) -> None:
        links = self.agents.get(data["patient"], {})
        name = f"{data['agent']}.{data['relation']}"
        if _newer(data, links.get(name)):
            self.agents.put(data["patient"], {**links, name: data})
            self._links_of.note(data["agent"], data["patient"])

    def _mailbox(self, data: Data, at: datetime, again: bool) -> None:
        if self._sender not in (None, data["sender"]):
            return
        boxes = self.mailboxes.get(data["patient"], {})
        if _newer(data, boxes.get(data["operator"])):
            self.mailboxes.put(data["patient"], {**boxes, data["operator"]: data})

    def _delivered(self, data: Data, at: datetime, again: bool) -> None:
        name = data["document_id"]
        known = self.documents.get(name)
        had = known.recipients | {known.data["patient"]} if known is not None and not known.withdrawn else set()
        has = {each["id"] for each in data["recipients"]} | {data["patient"]}
        sha256, size = content_of(data)
        for person in has if again or has <= had else has - had:  # an event that only adds readers brings others nothing
            self.arrivals.note("app", person, "document_id", name, sha256, size, at, repeated=again)
        if again and known is not None:
            return
        reads = {**(known.read_at if known is not None else {}), **self._early_reads.pop(name, {})}
        outcome = known.outcome if known else None
        self.documents.put(name, AppDocument(data, at, outcome=outcome, read_at=reads))
        self._documents_about.note(data["patient"], name)

    def _withdrawn(self, data: Data, at: datetime, again: bool) -> None:
        known = self.documents.get(data["document_id"])
        if known is not None and not again:
            known.withdrawn = True

    def _settled(self, data: Data, at: datetime, again: bool) -> None:
        known = self.documents.get(data["document_id"])
        if known is not None:
            known.outcome = data["outcome"]

    def _read(self, data: Data, at: datetime, again: bool) -> None:
        known, read_at = self.documents.get(data["document_id"]), parse_instant(data["read_at"])
        if known is not None:
            known.read_at.setdefault(data["read_by"], read_at)
        else:  # topics have no common order
            early = self._early_reads.get(data["document_id"], {})
            self._early_reads.put(data["document_id"], {data["read_by"]: read_at, **early})

    def _booking(self, data: Data, at: datetime, again: bool) -> None:
        known = self.bookings.get(data["booking_id"])
        if known is None or data["version"] >= known["version"]:
            self.bookings.put(data["booking_id"], data)
            self._bookings_about.note(data["patient"], data["booking_id"])

    def _booking_hidden(self, data: Data, at: datetime, again: bool) -> None:
        known = self.bookings.get(data["booking_id"])
        if known is not None and data["version"] >= known["version"]:
            del self.bookings[data["booking_id"]]

    def _delivery(self, data: Data, at: datetime, again: bool) -> None:
        self.deliveries.put(data["delivery_id"], {**data, "at": at})

    def _notification(self, data: Data, at: datetime, again: bool) -> None:
        if data["channel"] == "push":  # nobody carries a push: the app reads it on the topic
            sha256, size = content_of(data)
            self.arrivals.note("push", data["recipient"], "notification_id", data["notification_id"], sha256, size, at, repeated=again)
        self.notifications.put(data["notification_id"], {**data, "at": at})

    def _room(self, data: Data, at: datetime, again: bool) -> None:
        self.rooms.put(data["room_id"], data)
        for booking_id in data["booking_ids"]:
            self._room_of.put(booking_id, data["room_id"])

    def _print_entered(self, data: Data, at: datetime, again: bool) -> None:
        if again:
            return
        known = self.print_entries.get(data["entry_id"])
        self.print_entries.put(data["entry_id"], PrintEntry(data, known.state if known is not None else "open"))

    def _print_settled(self, data: Data, at: datetime, again: bool) -> None:
        known = self.print_entries.get(data["entry_id"])
        if known is not None and not again:
            known.state = data["outcome"]

    def _print_handled(self, data: Data, at: datetime, again: bool) -> None:
        known = self.print_entries.get(data["entry_id"])
        if known is not None and not again:
            known.state = "open" if data["action"] == "undone" else data["action"]

    def _decision(self, data: Data, at: datetime, again: bool) -> None:
        if again:
            return
        full = len(self.decisions) >= self.decisions.most
        oldest = next(iter(self.decisions.values())) if full else None
        self.decisions.put(data["decision_id"], {**data, "at": at})
        if oldest is not None:
            self._decided.pop(oldest["subject_id"], None)
        self._decided.setdefault(data["subject_id"], []).append(data["decision_id"])


def _newer(data: Data, known: Data | None) -> bool:
    """News of an older `as_of` never overwrites newer."""
    return known is None or parse_instant(data["as_of"]) >= parse_instant(known["as_of"])


_TAKES: Final[Mapping[str, Callable[[World, Data, datetime, bool], None]]] = {
    "person.changed.v1": World._person,
    "account.changed.v1": World._account,
    "agent.changed.v1": World._agent,
    "mailbox.changed.v1": World._mailbox,
    "document.delivered.v1": World._delivered,
    "document.withdrawn.v1": World._withdrawn,
    "document.settled.v1": World._settled,
    "document.read.v1": World._read,
    "booking.shown.v1": World._booking,
    "booking.hidden.v1": World._booking_hidden,
    "delivery.requested.v1": World._delivery,
    "notification.requested.v1": World._notification,
    "room.changed.v1": World._room,
    "print.entered.v1": World._print_entered,
    "print.settled.v1": World._print_settled,
    "print.handled.v1": World._print_handled,
    "decision.made.v1": World._decision,
}
