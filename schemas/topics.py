"""Every topic of the hub as one table (CONTRACTS.md section 2): owner, events, key, cleanup, sizes.

The broker's settings, the ACLs (`schemas.principals`) and the AsyncAPI document are all read from here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

from schemas.keys import PersonKeys

PARTITIONS: Final = 12
"""Fixed for a version of a topic: another number moves persons to other partitions."""

DAY_MS: Final = 86_400_000
SMALL_BYTES_MAX: Final = 1024 * 1024
LARGE_BYTES_MAX: Final = 8 * 1024 * 1024
"""Records that may carry attachments: the body limit of the gateway, with room for base64 and encryption."""
PRODUCER_BYTES_MAX: Final = LARGE_BYTES_MAX
TOMBSTONE_MS: Final = DAY_MS
COMPACTION_LAG_MS_MAX: Final = 7 * DAY_MS

Cleanup = Literal["delete", "compact"]
Keyed = Literal["person", "booking_id", "room_id", "person_key", "link", "mailbox", "time_type_or_person", "origin"]
Direction = Literal["inbound", "outbound"]


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic. `retention_ms` is None where compaction keeps the last state of every key.

    `keyed` says what the record key is; `person` is the person's opaque key. Compacted topics of bookings and
    rooms are keyed by the entity and *partitioned* by `ce_partitionkey`, the person's opaque key.
    """

    name: str
    owner: str
    types: tuple[str, ...]
    keyed: Keyed
    cleanup: Cleanup
    retention_ms: int | None
    direction: Direction
    meaning: str
    bytes_max: int = SMALL_BYTES_MAX
    partitions: int = PARTITIONS

    @property
    def config(self) -> dict[str, str]:
        """The broker's settings of this topic, all as text."""
        settings = {
            "cleanup.policy": self.cleanup,
            "max.message.bytes": str(self.bytes_max),
            "message.timestamp.type": "LogAppendTime",
            "compression.type": "producer",
        }
        if self.retention_ms is not None:
            settings["retention.ms"] = str(self.retention_ms)
        if self.cleanup == "compact":
            settings |= {
                "delete.retention.ms": str(TOMBSTONE_MS),
                "max.compaction.lag.ms": str(COMPACTION_LAG_MS_MAX),
                "min.cleanable.dirty.ratio": "0.1",
            }
        return settings


def _topics(*rows: Topic) -> Mapping[str, Topic]:
    return MappingProxyType({row.name: row for row in rows})


TOPICS: Final = _topics(
    Topic(
        "ehr.bookings.v1", "ehr", ("booking.changed.v1", "time_type.changed.v1"), "person", "delete", 7 * DAY_MS,
        "inbound", "Bookings and time types as the EHR has them",
    ),
    Topic(
        "ehr.letters.v1", "ehr", ("document.submitted.v1",), "person", "delete", 7 * DAY_MS,
        "inbound", "Kallelser and letters", LARGE_BYTES_MAX,
    ),
    Topic(
        "ehr.referrals.v1", "ehr", ("document.submitted.v1",), "person", "delete", 7 * DAY_MS,
        "inbound", "Confirmations that a referral was received", LARGE_BYTES_MAX,
    ),
    Topic(
        "persons.v1", "register", ("person.changed.v1",), "person_key", "compact", None,
        "inbound", "What the register knows of a person, its protection before all",
    ),
    Topic(
        "accounts.v1", "app", ("account.changed.v1",), "person_key", "compact", None,
        "inbound", "Accounts in the app",
    ),
    Topic(
        "agents.v1", "app", ("agent.changed.v1",), "link", "compact", None,
        "inbound", "Links of guardians and proxies to residents",
    ),
    Topic(
        "mailboxes.v1", "mailbox", ("mailbox.changed.v1",), "mailbox", "compact", None,
        "inbound", "Whether a person's mailbox accepts mail from a sender",
    ),
    Topic(
        "receipts.v1", "app", ("document.read.v1", "delivery.answered.v1"), "person", "delete", 30 * DAY_MS,
        "inbound", "Read receipts and the answers of channels",
    ),
    Topic(
        "app.documents.v1", "hub", ("document.delivered.v1", "document.withdrawn.v1", "document.settled.v1"), "person",
        "delete", 30 * DAY_MS, "outbound", "Documents for the app", LARGE_BYTES_MAX,
    ),
    Topic(
        "app.bookings.v1", "hub", ("booking.shown.v1", "booking.hidden.v1"), "booking_id", "compact", None,
        "outbound", "Bookings of residents with an open app channel (B8)",
    ),
    Topic(
        "portal.bookings.v1", "hub", ("booking.shown.v1", "booking.hidden.v1"), "booking_id", "compact", None,
        "outbound", "Bookings for the care units' portal",
    ),
    Topic(
        "mailbox.deliveries.v1", "hub", ("delivery.requested.v1",), "person", "delete", 30 * DAY_MS,
        "outbound", "Deliveries that the mailbox connectors shall make",
    ),
    Topic(
        "print.entries.v1", "hub", ("print.entered.v1", "print.settled.v1", "print.handled.v1"), "person", "delete",
        30 * DAY_MS, "outbound", "The print queue",
    ),
    Topic(
        "notifications.v1", "hub", ("notification.requested.v1",), "person", "delete", 7 * DAY_MS,
        "outbound", "SMS and pushes to send, without any content",
    ),
    Topic(
        "video.rooms.v1", "hub", ("room.changed.v1",), "room_id", "compact", None,
        "outbound", "Video rooms as they now stand",
    ),
    Topic(
        "video.sessions.v1", "video", ("session.changed.v1",), "person", "delete", 30 * DAY_MS,
        "outbound", "What happened in meetings",
    ),
    Topic(
        "decisions.v1", "hub", ("decision.made.v1",), "person", "delete", 365 * DAY_MS,
        "outbound", "Every decision with the trace that explains it",
    ),
    Topic(
        "dead-letters.v1", "hub", (), "origin", "delete", 90 * DAY_MS,
        "outbound", "What could not be handled: the original bytes, encrypted", LARGE_BYTES_MAX + SMALL_BYTES_MAX,
    ),
    Topic(
        "audit.v1", "hub", ("access.logged.v1",), "person", "delete", 5 * 365 * DAY_MS + 2 * DAY_MS,
        "outbound", "Who did what with whose data (HSLF-FS 2016:40)",
    ),
)  # fmt: skip
"""By name, in the order of CONTRACTS.md."""

INBOUND_TOPICS: Final = tuple(topic.name for topic in TOPICS.values() if topic.direction == "inbound")
OUTBOUND_TOPICS: Final = tuple(topic.name for topic in TOPICS.values() if topic.direction == "outbound")

TOPICS_OF_TYPE: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        ce_type: tuple(topic.name for topic in TOPICS.values() if ce_type in topic.types)
        for ce_type in dict.fromkeys(each for topic in TOPICS.values() for each in topic.types)
    }
)
"""Every topic that an event type may stand on."""

TOPIC_OF_TYPE: Final[Mapping[str, str]] = MappingProxyType(
    {ce_type: names[0] for ce_type, names in TOPICS_OF_TYPE.items() if len(names) == 1}
)
"""The one topic of a type that has only one."""

TOPIC_OF_KIND: Final[Mapping[str, str]] = MappingProxyType(
    {"kallelse": "ehr.letters.v1", "brev": "ehr.letters.v1", "remissbekraftelse": "ehr.referrals.v1"}
)
"""Where a submitted document belongs."""

KINDS_OF_TOPIC: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {topic: tuple(kind for kind, name in TOPIC_OF_KIND.items() if name == topic) for topic in dict.fromkeys(TOPIC_OF_KIND.values())}
)
"""Which kinds of document a topic may carry; another kind there is malformed."""


def inbound_topic(ce_type: str, kind: str | None = None) -> str | None:
    """The topic an inbound event belongs to, by type and (for documents) kind; None if no topic takes it."""
    if ce_type == "document.submitted.v1":
        return TOPIC_OF_KIND.get(kind or "")
    name = TOPIC_OF_TYPE.get(ce_type)
    return name if name in INBOUND_TOPICS else None


def record_key(ce_type: str, data: Mapping[str, Any], by: str, keys: PersonKeys) -> str:
    """The record key of an inbound event about a person whose opaque key is `by`; its partition follows `by` always.

    Compaction keeps the last record of a key. A person has several links (two guardians) and mailboxes, so those are keyed by
    the link and the mailbox (CONTRACTS.md section 2: compacted topics are keyed by the entity). `data` has the event's
    members with normalised ids.
    """
    if ce_type == "agent.changed.v1":
        return f"{by}/{keys.key(data['agent'])}/{data['relation']}"
    if ce_type == "mailbox.changed.v1":
        return f"{by}/{data['sender']}/{data['operator']}"
    return by
