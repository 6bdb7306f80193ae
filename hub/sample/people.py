"""The residents of a sample: every kind of person that the rules tell apart, as one table of weights (`MIX`).

Residents are drawn one after the other from one seeded source, the first of them one of each kind, so that a smaller
sample is the beginning of a larger one and every kind is there from `len(MIX)` residents on. Facts carry the last day
of the year before as their `as_of`: a sample published again on another day is old news about the same people, and
what somebody changed in the app meanwhile stands.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any, Final, Literal, NamedTuple

from hub.sample import words
from hub.sample.event import Event, wheel
from schemas import persons
from schemas.keys import uid_text
from schemas.topics import TOPIC_OF_TYPE

Account = Literal["none", "active", "blocked"]
SENDER: Final = "162321000016"
REGISTER_SOURCE: Final = "urn:sample:register"
APP_SOURCE: Final = "urn:sample:app"
MAILBOX_SOURCE: Final = "urn:sample:mailboxes"


class Kind(NamedTuple):
    """A kind of resident. `age` is the span of years on 1 January; nobody crosses a rule's limit within the year."""

    name: str
    weight: float
    age: tuple[int, int] = (18, 97)
    account: Account = "none"
    mailbox: str | None = None
    accepts: bool = True
    number: Literal["ordinary", "coordination", "reserve", "national_reserve"] = "ordinary"
    protection: Literal["none", "sekretessmarkering", "skyddad_folkbokforing"] = "none"
    known: bool = True
    deceased: bool = False
    emigrated: bool = False
    agents: int = 0
    agent_state: Literal["active", "blocked"] = "active"
    other_number: Literal["old", "reserve"] | None = None


MIX: Final[tuple[Kind, ...]] = (
    Kind("app", 26, account="active"),  # R9: app
    Kind("app_kivra", 22, account="active", mailbox="kivra"),  # R9: app and mailbox
    Kind("app_myndighetspost", 4, account="active", mailbox="minmyndighetspost"),
    Kind("kivra", 10, mailbox="kivra"),  # R9: mailbox alone
    Kind("billo", 2, mailbox="billo"),
    Kind("fortnox", 1, mailbox="fortnox"),
    Kind("mailbox_closed_to_us", 2, mailbox="kivra", accepts=False),  # R9, R10
    Kind("no_channel", 8),  # R10
    Kind("blocked", 2, account="blocked"),  # P5
    Kind("blocked_kivra", 1, account="blocked", mailbox="kivra"),
    Kind("teenager", 3, (13, 16), "active"),  # R8
    Kind("teenager_no_account", 2, (13, 16)),
    Kind("teenager_mailbox", 0.5, (14, 16), mailbox="kivra"),  # R8: mailboxes take nothing for them
    Kind("child", 4, (0, 11), agents=1),  # R7, P7
    Kind("child_two_guardians", 3, (0, 11), agents=2),
    Kind("child_no_guardian", 1.5, (0, 11)),
    Kind("child_guardian_blocked", 1, (1, 11), agents=1, agent_state="blocked"),
    Kind("proxy", 2, (75, 97), "active", agents=1),  # P7: a fullmakt
    Kind("sekretess", 1.2, account="active", mailbox="kivra", protection="sekretessmarkering"),  # R3
    Kind("skyddad", 1, protection="skyddad_folkbokforing"),  # R3: relay
    Kind("child_protected", 0.4, (2, 11), agents=1, protection="sekretessmarkering"),
    Kind("deceased", 1, (60, 97), "active", "kivra", deceased=True),  # R2
    Kind("emigrated", 0.6, emigrated=True),  # P3
    Kind("coordination", 1, account="active", number="coordination"),
    Kind("reserve", 1, number="reserve"),  # R4
    Kind("national_reserve", 0.4, number="national_reserve"),  # R4, P2
    Kind("reserve_linked", 0.6, account="active", other_number="reserve"),  # P2
    Kind("old_number", 0.6, account="active", other_number="old"),  # P4
    Kind("unknown", 0.7, known=False),  # P8: no register knows the person
)
_KINDS: Final = wheel([(kind, kind.weight) for kind in MIX])
_GUARDIAN_AGES: Final = (24, 60)


@dataclass(frozen=True, slots=True)
class Resident:
    """A person of the sample. `numbers` are those that an EHR may write; the first is the current one."""

    kind: Kind
    numbers: tuple[str, ...]
    name: str
    born: date | None
    phone: str
    address: dict[str, Any] = field(repr=False)
    agents: tuple[str, ...] = ()

    @property
    def pid(self) -> str:
        return self.numbers[0]

    @property
    def child(self) -> bool:
        return self.kind.age[1] < 13

    @property
    def readers(self) -> tuple[str, ...]:
        """Who may read a document of this person in the app; empty where the app is closed (R2-R4, R7-R9)."""
        kind = self.kind
        if kind.protection != "none" or kind.deceased or not kind.known or kind.number.endswith("reserve"):
            return ()
        if self.child:
            return self.agents if kind.agent_state == "active" else ()
        return (self.pid,) if kind.account == "active" else ()


def people(seed: int, count: int, year: int) -> tuple[Resident, ...]:
    """The first `count` residents of a seed, of an age that holds all through `year`."""
    rng = Random(f"people {seed}")  # noqa: S311 - a sample has to come out the same each time
    taken: set[str] = set()
    made: list[Resident] = []
    guardians: list[str] = []
    for place in range(count):
        kind = MIX[place] if place < len(MIX) else _KINDS[int(rng.random() * len(_KINDS))]
        resident = _resident(rng, kind, year, place, taken, guardians)
        made.append(resident)
        years = year - resident.born.year if resident.born else 0
        of_age = _GUARDIAN_AGES[0] <= years <= _GUARDIAN_AGES[1]
        if kind.name.startswith("app") and (of_age or not guardians):
            guardians.append(resident.pid)
    return tuple(made)


def residents(seed: int, count: int, year: int, sender: str = SENDER) -> Iterator[Event]:
    """What register, app and mailboxes publish of the residents, one person after the other."""
    at = datetime(year - 1, 12, 31, 3, tzinfo=UTC)
    as_of = "%s-12-31T03:00:00Z" % (year - 1)
    for resident in people(seed, count, year):
        for ce_type, source, data in _facts(resident, as_of, year, sender):
            patient = data["patient"]
            name = uid_text("sample", str(seed), as_of, ce_type, patient, data.get("agent") or data.get("operator") or "")
            yield Event("residents", TOPIC_OF_TYPE[ce_type], ce_type, name, source, at, patient, data)


def _facts(resident: Resident, as_of: str, year: int, sender: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    kind, pid = resident.kind, resident.pid
    if kind.known and not kind.number.endswith("reserve"):
        yield "person.changed.v1", REGISTER_SOURCE, _person(resident, as_of, year)
        if kind.other_number == "old":
            old = {**_person(resident, as_of, year), "patient": resident.numbers[1], "replaced_by": pid, "linked": []}
            yield "person.changed.v1", REGISTER_SOURCE, old
    if kind.account != "none":
        by = {"id": "resident", "role": "resident"}
        data = {"patient": pid, "account": kind.account, "phone": resident.phone, "by": by, "as_of": as_of}
        yield "account.changed.v1", APP_SOURCE, data
    relation = "guardian" if resident.child else "fullmakt"
    for agent in resident.agents:
        link = {"patient": pid, "agent": agent, "relation": relation, "state": kind.agent_state, "as_of": as_of}
        yield "agent.changed.v1", APP_SOURCE, link
    if kind.mailbox is not None:
        box = {"patient": pid, "sender": sender, "operator": kind.mailbox, "accepts": kind.accepts, "as_of": as_of}
        yield "mailbox.changed.v1", MAILBOX_SOURCE, box


def _person(resident: Resident, as_of: str, year: int) -> dict[str, Any]:
    kind = resident.kind
    data: dict[str, Any] = {
        "patient": resident.pid,
        "name": resident.name,
        "protection": kind.protection,
        "emigrated": kind.emigrated,
        "linked": list(resident.numbers[1:]) if kind.other_number == "reserve" else [],
        "as_of": as_of,
    }
    if resident.born is not None:
        data["born"] = resident.born.isoformat()
    if kind.deceased:
        data["deceased"] = f"{year - 1}-11-{1 + int(resident.pid[8:10]) % 30:02d}"
    if kind.protection == "none":
        data["address"] = resident.address
    elif kind.protection == "skyddad_folkbokforing":
        data["address"] = {"care_of": words.CARE_OF, "lines": ["Box 2820"], "postal_code": "40320", "city": "Göteborg"}
    return data


def _resident(rng: Random, kind: Kind, year: int, place: int, taken: set[str], guardians: list[str]) -> Resident:
    born, pid = _number(rng, kind, year, place, taken)
    numbers = [pid]
    if kind.other_number == "old":
        numbers.append(_number(rng, kind._replace(number="coordination"), year, place, taken, born)[1])
    elif kind.other_number == "reserve":
        numbers.append(persons.reserve_number(year - 2, place))
    surname = words.FIRST[int(rng.random() * len(words.FIRST))] + words.SECOND[int(rng.random() * len(words.SECOND))]
    given = words.MEN if pid[10] in "13579" else words.WOMEN  # the last digit of the serial tells the sex
    town = words.TOWNS[int(rng.random() * len(words.TOWNS))]
    street = words.STREETS[int(rng.random() * len(words.STREETS))]
    address = {"lines": [f"{street} {1 + int(rng.random() * 90)}"], "postal_code": town[0], "city": town[1]}
    start = int(rng.random() * max(1, len(guardians)))
    agents = tuple(dict.fromkeys(guardians[(start + n) % len(guardians)] for n in range(kind.agents)))
    phone = f"+46701740{605 + place % 95}"  # numbers that PTS keeps for fiction
    name = f"{given[int(rng.random() * len(given))]} {surname}"
    return Resident(kind, tuple(numbers), name, born, phone, address, agents)


def _number(rng: Random, kind: Kind, year: int, place: int, taken: set[str], born: date | None = None) -> tuple[date | None, str]:
    """A birth date and a number that nobody else of the sample has; test numbers only (Skatteverket: 980-999)."""
    if kind.number == "reserve":
        return None, persons.reserve_number(year - 1, place)
    if kind.number == "national_reserve":
        month, day, rest = 1 + place % 12, 1 + place // 12 % 28, place // 336
        letters = f"A{'ABCDEFGH'[rest // 100 % 8]}"
        return None, f"22{(year - 40) % 100:02d}{month:02d}{day:02d}{letters}{rest % 10}{rest // 10 % 10}"
    youngest, oldest = kind.age
    while True:
        days = int(rng.random() * (oldest - youngest + 1) * 365)
        birth = born or date(year - 1 - oldest, 1, 1) + timedelta(days)
        serial = 980 + int(rng.random() * 20)
        pid = persons.fictitious(birth, serial, coordination=kind.number == "coordination")
        if pid not in taken:
            taken.add(pid)
            return birth, pid
