"""A day of the EHR systems: kallelser with their bookings, letters, confirmations; right ones and wrong ones.

Deterministic: the same seed, size, day and units give the same bytes. Fast: a case is a few
random numbers into tables made before.
The mix is told by tables only: `KINDS` here, `people.MIX`, `visits.TIME_TYPES` and `COURSES`, `letters.CODES` and
`ATTACHMENTS`. The first documents go through these tables row by row, so that a small sample shows them all.
"""

import heapq
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Any, Final, NamedTuple

from hub.sample import letters, words
from hub.sample.event import Event, Row, wheel
from hub.sample.people import APP_SOURCE, Resident, people
from hub.sample.visits import TIME_TYPES, visit
from schemas.fields import STOCKHOLM
from schemas.keys import uid_text
from schemas.policy import Policy, Unit
from schemas.topics import TOPIC_OF_KIND

OPENS: Final = time(7, 0)
OPEN_SECONDS: Final = 9.5 * 3600
RESIDENTS_MIN: Final = 60
RESIDENTS_MAX: Final = 50_000
READ_SHARE: Final = 0.4
"""Of documents that reach the app, the share that is read within the sample."""
DOUBLED_SHARE: Final = 0.02
LATE_SHARE: Final = 0.03
"""Documents that come hours after they were made; a booking may come after its kallelse (R15)."""

IN_TURN: Final = 60
"""So many documents go through the tables row by row, before chance decides."""

ADULT_AGE: Final = 18
WARDS: Final = ("", "Barn", "Röntgen")
"""How the names of units begin that take only children, or only send pictures' kallelser."""

TAKECARE: Final = "urn:sample:takecare"
SECTRA: Final = "urn:sample:sectra"


class Work(NamedTuple):
    """A sort of document. `own_booking`: the kallelse belongs to a booking that is made with it."""

    name: str
    weight: float
    kind: str
    source: str = "TakeCare"
    own_booking: bool = False
    dispatch: str = "e-brev"


KINDS: Final[tuple[Work, ...]] = (
    Work("kallelse", 36, "kallelse", own_booking=True),
    Work("kallelse_plan", 4, "kallelse"),  # C3: from the care planning
    Work("kallelse_sectra", 6, "kallelse", "Sectra"),  # C9
    Work("brev", 34, "brev"),
    Work("remissbekraftelse", 14, "remissbekraftelse"),
    Work("kallelse_paper", 2, "kallelse", own_booking=True, dispatch="paper"),  # C4, R1
    Work("brev_paper", 2, "brev", dispatch="paper"),
    Work("brev_direct", 1, "brev", dispatch="direct"),
    Work("kallelse_phone", 1, "kallelse", own_booking=True, dispatch="phone"),
)
_KINDS: Final = wheel([(row, row.weight) for row in KINDS])


def residents_for(documents: int) -> int:
    """How many people a day of so many documents is about."""
    return max(RESIDENTS_MIN, min(RESIDENTS_MAX, documents // 5))


def sample_day(seed: int, documents: int, day: date, policy: Policy | None = None) -> Iterator[Event]:
    """The events of one day in the order of their time, then the read receipts (phase `receipts`).

    `documents` counts submitted documents; bookings, repeats and receipts come beside them. Units are those of the
    settings that both sources may send for.
    """
    made = _Day(seed, documents, day, policy or _shipped_policy())
    waiting: list[tuple[datetime, int, Event]] = []
    for number in range(documents):
        now = made.at(number)
        while waiting and waiting[0][0] <= now:
            yield heapq.heappop(waiting)[2]
        for event in made.case(number, now):
            heapq.heappush(waiting, (event.time, made.count(), event))
    while waiting:
        yield heapq.heappop(waiting)[2]
    yield from sorted(made.receipts, key=lambda event: (event.time, event.id))


def _shipped_policy() -> Policy:
    from config.settings import load  # the settings are read only when nobody gives the units

    return load().policy


class _Day:
    """The tables of one day, and its one source of chance."""

    def __init__(self, seed: int, documents: int, day: date, policy: Policy) -> None:
        self.day = day
        self.salt = ("sample", str(seed), str(documents), day.isoformat())
        self.rng = Random("\x1f".join(self.salt))  # noqa: S311 - has to come out the same each time
        self.opens = datetime.combine(day, OPENS, STOCKHOLM).astimezone(UTC)
        self.step = OPEN_SECONDS / max(1, documents)
        self.people = people(seed, residents_for(documents), day.year)
        self.units = {(row.name, ward): _units(policy, row, ward) for row in KINDS for ward in WARDS}
        self.receipts: list[Event] = []
        self._count = 0

    def count(self) -> int:
        self._count += 1
        return self._count

    def at(self, number: int) -> datetime:
        return self.opens + timedelta(seconds=number * self.step)

    def case(self, number: int, now: datetime) -> Iterator[Event]:
        """A document with all that belongs to it. Times within the case may lie later in the day."""
        rng, chance = self.rng, self.rng.random
        work = KINDS[number] if number < len(KINDS) else _KINDS[int(chance() * len(_KINDS))]
        place = number if number < len(self.people) else int(chance() * len(self.people))
        resident = self.people[place]
        patient = resident.numbers[int(chance() * len(resident.numbers))]
        units = self.units[work.name, _ward(work, resident)]
        unit = units[int(chance() * len(units))]
        name = uid_text(*self.salt, str(number))
        if number == len(KINDS):
            yield from self._time_type(unit, now)
        booking_id = spoken = ""
        if work.own_booking:
            booked = visit(rng, self.day, unit, patient, resident.phone, f"b-{name[:18]}", number)
            booking_id, spoken = booked.booking_id, booked.spoken
            for seconds, key, data in booked.events:
                then = now + timedelta(seconds=seconds)
                yield Event("day", "ehr.bookings.v1", "booking.changed.v1", key, TAKECARE, then, patient, data)
        late = timedelta(seconds=chance() * 7_200) if chance() < LATE_SHARE else timedelta(seconds=1)
        data, clean = self._document(number, work, unit, resident, patient, name, booking_id, spoken, now)
        source = SECTRA if work.source == "Sectra" else TAKECARE
        event = Event("day", TOPIC_OF_KIND[work.kind], "document.submitted.v1", f"{name}.1", source, now + late, patient, data)
        yield event
        if chance() < DOUBLED_SHARE:
            yield event._replace(time=event.time + timedelta(seconds=1 + chance() * 3_600))
        if clean and resident.readers and chance() < READ_SHARE:
            self._read(resident, name, event.time + timedelta(minutes=2 + chance() * 600))

    def _document(
        self, number: int, work: Work, unit: Unit, resident: Resident, patient: str, name: str, booking_id: str,
        spoken: str, now: datetime,
    ) -> tuple[dict[str, Any], bool]:  # fmt: skip
        """The data of a document, and whether nothing in it keeps it from the app."""
        chance = self.rng.random
        hint = words.SUMMONS[int(chance() * len(words.SUMMONS))]
        code_in_body = code_in_footer = ""
        clean = work.dispatch == "e-brev"
        if work.kind == "kallelse":
            title = "Kallelse till undersökning" if work.source == "Sectra" else "Kallelse"
            sentences = letters.summons(spoken, hint) if spoken else letters.plan(hint)
        else:
            row = _row(letters.CODES, letters.CODE_WHEEL, number, chance())
            code_in_body, code_in_footer = row.body(work.kind), row.footer(work.kind)
            clean = clean and row.name == "right"
            if work.kind == "brev":
                title, sentence = words.LETTERS[int(chance() * len(words.LETTERS))]
                sentences = (sentence, words.CHANGE)
            else:
                title, sentences = "Remissbekräftelse", (words.CONFIRMATION, words.CHANGE)
        files = _row(letters.ATTACHMENTS, letters.FILE_WHEEL, number, chance())
        clean = clean and not files.name.startswith("attachment")
        form = chance() < 0.4
        greeting = resident.name.partition(" ")[0]
        local = now.astimezone(STOCKHOLM)
        data = {
            "document_id": name,
            "kind": work.kind,
            "care_provider": unit.provider,
            "unit": unit.id,
            "unit_name": unit.name,
            "patient": patient,
            "title": title,
            "created": (local if work.source == "Sectra" else local.replace(tzinfo=None)).isoformat(timespec="seconds"),
            "dispatch": work.dispatch,
            "template": {"id": f"{work.kind[:4]}-{1 + number % 9}", "name": title},
            "body": (letters.html if form else letters.text)(title, greeting, sentences, code_in_body),
            "body_format": "html" if form else "text",
            "footer": letters.footer(unit.name, code_in_footer),
            "attachments": files.attachments,
            "source_system": work.source,
        }
        if booking_id:
            data["booking_id"] = booking_id
        return data, clean

    def _read(self, resident: Resident, document_id: str, at: datetime) -> None:
        reader = resident.readers[int(self.rng.random() * len(resident.readers))]
        data = {"document_id": document_id, "patient": resident.pid, "read_by": reader, "read_at": _text(at)}
        event = Event("receipts", "receipts.v1", "document.read.v1", f"{document_id}.read", APP_SOURCE, at, resident.pid, data)
        self.receipts.append(event)

    def _time_type(self, unit: Unit, now: datetime) -> Iterator[Event]:
        """Once a day a unit hides a time type that was shown (B2)."""
        shown = next(row for row in TIME_TYPES if row.name == "Telefontid")
        at = now + timedelta(hours=2)
        data = {"unit": unit.id, "time_type": {**shown.data(), "hidden": True}, "as_of": _text(at)}
        name = uid_text(*self.salt, "time type", unit.id)
        yield Event("day", "ehr.bookings.v1", "time_type.changed.v1", name, TAKECARE, at, unit.id, data)


def _ward(work: Work, resident: Resident) -> str:
    if work.source == "Sectra":
        return "Röntgen"
    return "Barn" if resident.kind.age[1] < ADULT_AGE else ""


def _units(policy: Policy, work: Work, ward: str) -> tuple[Unit, ...]:
    """The units of the settings that the source may send this kind for and that have it active.

    Of these, by their names, those of a ward; everybody else's are those of no ward. A ward nobody has is anywhere.
    """
    source = policy.source(work.source)
    found = tuple(
        unit
        for _, unit in sorted(policy.units.items())
        if source is not None and source.may_send(work.kind, unit.id) and work.kind in unit.active
    )
    if not found:
        raise ValueError(f"no unit of the settings may get a {work.kind} from {work.source}")
    fitting = tuple(u for u in found if (u.name.startswith(ward) if ward else not u.name.startswith(WARDS[1:])))
    return fitting or found


def _row(table: tuple[Row, ...], weighted: tuple[Row, ...], number: int, chance: float) -> Row:
    """A row of a table: each in turn for the first documents, then by weight."""
    return table[number % len(table)] if number < IN_TURN else weighted[int(chance * len(weighted))]


def _text(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
