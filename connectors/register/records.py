"""A register's answer as the record it becomes on `persons.v1`."""

from datetime import datetime
from typing import Final, NamedTuple

from schemas.cloudevents import headers_for, time_text, uid_text
from schemas.events import PersonChanged
from schemas.keys import PersonKeys

TOPIC: Final = "persons.v1"
SOURCE: Final = "urn:care-hub:register"


class Record(NamedTuple):
    """One record for Kafka, partitioned by its key."""

    topic: str
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]

    def __repr__(self) -> str:
        """Without key and value: both are personal data."""
        return f"Record(topic={self.topic!r})"


def record(answer: PersonChanged, keys: PersonKeys, asked: datetime) -> Record:
    """The record of an answer to a question asked at `asked`.

    The id follows from the person, the record's `as_of` and the moment of asking: the same news confirmed again is a
    new event, since a confirmation makes known facts fresh (P8), while one answer sent twice to Kafka is one.
    """
    key = keys.key(answer.patient)
    name = uid_text("register", key, time_text(answer.as_of), time_text(asked))
    headers = headers_for(PersonChanged.TYPE, name, SOURCE, time_text(asked), subject=key, partitionkey=key)
    return Record(TOPIC, key.encode(), answer.model_dump_json(exclude_none=True).encode(), headers)
