"""What the operators of one path answered about somebody, as records on `mailboxes.v1`. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple

from connectors.channels import Operator
from schemas.cloudevents import headers_for, time_text, uid_text
from schemas.events import MailboxChanged
from schemas.keys import PersonKeys
from schemas.topics import record_key

TOPIC: Final = "mailboxes.v1"
SOURCE: Final = "urn:care-hub:mailboxes"


class Record(NamedTuple):
    """One record for Kafka. It is keyed as the topic is (`schemas.topics.record_key`) and partitioned by the person."""

    topic: str
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]
    partition_key: bytes

    def __repr__(self) -> str:
        """Without key and value: both are personal data."""
        return f"Record(topic={self.topic!r})"


def records(patient: str, answers: Mapping[Operator, bool], sender: str, keys: PersonKeys, asked_at: datetime) -> list[Record]:
    """One `mailbox.changed.v1` for each operator, also for one that takes nothing: "none" is news, too.

    The id follows from person, operator and the time of asking: one answer that is sent twice is one event.
    """
    return [_record(patient, operator, accepts, sender, keys, asked_at) for operator, accepts in sorted(answers.items())]


def _record(patient: str, operator: Operator, accepts: bool, sender: str, keys: PersonKeys, asked_at: datetime) -> Record:
    told = MailboxChanged(patient=patient, sender=sender, operator=operator, accepts=accepts, as_of=asked_at)
    by = keys.key(patient)
    at = time_text(asked_at)
    headers = headers_for(MailboxChanged.TYPE, uid_text("mailbox", by, operator, at), SOURCE, at, subject=by, partitionkey=by)
    key = record_key(MailboxChanged.TYPE, told.model_dump(mode="json"), by, keys)
    return Record(TOPIC, key.encode(), told.model_dump_json(exclude_none=True).encode(), headers, by.encode())
