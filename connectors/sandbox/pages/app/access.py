"""Who sees what in the app: whose things a resident may open, and which documents and bookings those are. Pure.

The hub decides to whom a document goes; the app asks again, whenever it shows one, whether that reader still may (P7: a
link that has ended, a child that has turned 13, an account that is blocked). What cannot be told is not shown.
"""

from collections.abc import Iterator
from datetime import date, datetime
from itertools import islice
from typing import Any, Final, Literal, NamedTuple

from connectors.sandbox.world import AppDocument, Data, World
from schemas import persons
from schemas.fields import STOCKHOLM, parse_instant

CHILD_AGE: Final = 13
"""Until this birthday a guardian is the child's ombud (P7)."""
DOCUMENTS_MAX: Final = 100
BOOKINGS_MAX: Final = 100

Relation = Literal["self", "guardian", "fullmakt"]


class Subject(NamedTuple):
    """Somebody whose things the reader may see, and why."""

    person: str
    relation: Relation
    until: date | None = None


def subjects(world: World, reader: str, now: datetime) -> list[Subject]:
    """The reader, and those whose ombud the reader is; nobody while the reader's account is not active (P5, P7)."""
    if world.account(reader) != "active":
        return []
    return [Subject(reader, "self"), *_others(world, reader, now)]


def agents_of(world: World, patient: str, now: datetime) -> list[tuple[str, Relation]]:
    """Who may see this person's documents beside the person."""
    links = world.agents.get(patient, {}).values()
    found = ((link["agent"], subject) for link in links if (subject := _subject(world, patient, link, now)) is not None)
    return [(agent, subject.relation) for agent, subject in found if world.account(agent) == "active"]


def documents_of(world: World, reader: str, subject: Subject) -> list[AppDocument]:
    """Documents of one person that the reader is a recipient of and that are not withdrawn, the newest first."""
    return sorted(
        islice((each for each in world.documents_about(subject.person) if is_readable(each, reader)), DOCUMENTS_MAX),
        key=lambda each: parse_instant(each.data["sent"]),
        reverse=True,
    )


def is_readable(document: AppDocument, reader: str) -> bool:
    return not document.withdrawn and reader in document.recipients


def withdrawn_from(world: World, reader: str, subject: Subject) -> int:
    """How many documents about this person the reader had and has no more (P10)."""
    return sum(each.withdrawn and reader in each.recipients for each in world.documents_about(subject.person))


def document_for(world: World, reader: str, name: str, now: datetime) -> tuple[AppDocument, Subject] | None:
    """A document by its id, if the reader may see it now."""
    document = world.documents.get(name)
    if document is None or not is_readable(document, reader):
        return None
    owner = document.data["patient"]
    subject = next((each for each in subjects(world, reader, now) if each.person == owner), None)
    return None if subject is None else (document, subject)


def bookings_of(world: World, subject: Subject) -> list[Data]:
    """Bookings of one person by time; a fullmakt is about documents only (P7)."""
    if subject.relation == "fullmakt":
        return []
    found = islice(world.bookings_about(subject.person), BOOKINGS_MAX)
    return sorted(found, key=lambda each: parse_instant(each["start"]))


def _others(world: World, reader: str, now: datetime) -> Iterator[Subject]:
    for patient, link in world.links_of(reader):
        subject = _subject(world, patient, link, now)
        if subject is not None and world.account(patient) != "blocked":
            yield subject


def _subject(world: World, patient: str, link: Any, now: datetime) -> Subject | None:
    """What a link is worth today. Whoever is protected or dead is no ombud, and has none that the app may show."""
    today = now.astimezone(STOCKHOLM).date()
    until = date.fromisoformat(link["until"]) if "until" in link else None
    if link["state"] != "active" or (until is not None and today > until) or not _plain(world, link["agent"]):
        return None
    if not _plain(world, patient) or world.is_unlinked(patient, link):
        return None
    if link["relation"] == "fullmakt":
        return Subject(patient, "fullmakt", until)
    born = persons.born(patient)
    if born is None or persons.age(born, today) >= CHILD_AGE:
        return None
    return Subject(patient, "guardian", persons.birthday(born, CHILD_AGE))


def _plain(world: World, person: str) -> bool:
    record = world.register.record(person)
    return record is not None and record["protection"] == "none" and "deceased" not in record
