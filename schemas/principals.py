"""Who may read and write which topic: the ACLs that ship with the topics (CONTRACTS.md, end of section 2).

The hub and its operators see everything. Everyone else sees only what a row here names; Kafka denies the
rest (`allow.everyone.if.no.acl.found=false`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from schemas.topics import TOPICS

SASL_MECHANISM: Final = "SCRAM-SHA-512"

HUB_ONLY: Final = frozenset(
    name
    for name in TOPICS
    if name.startswith("ehr.") or name in ("decisions.v1", "print.entries.v1", "dead-letters.v1", "audit.v1", "persons.v1")
)
"""Topics that no portal, app or bridge may ever read; operators may."""


@dataclass(frozen=True, slots=True)
class Principal:
    """A user of the broker. Consumer groups of a principal begin with its name and a dot (or are its name)."""

    name: str
    meaning: str
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    superuser: bool = False


_ALL: Final = tuple(TOPICS)
_EHR: Final = ("ehr.bookings.v1", "ehr.letters.v1", "ehr.referrals.v1")

PRINCIPALS: Final[Mapping[str, Principal]] = MappingProxyType(
    {
        row.name: row
        for row in (
            Principal("hub", "All parts of the hub itself", _ALL, _ALL, superuser=True),
            Principal("operator", "The hub's operators: reads everything", _ALL),
            Principal("ehr-takecare", "TakeCare, where it publishes directly", (), _EHR),
            Principal("ehr-sectra", "Sectra, a second source of kallelser", (), ("ehr.letters.v1",)),
            Principal(
                "app",
                "The citizen app",
                ("app.documents.v1", "app.bookings.v1", "video.rooms.v1"),
                ("accounts.v1", "agents.v1", "receipts.v1"),
            ),
            Principal("portal", "The care units' portal", ("portal.bookings.v1", "video.rooms.v1", "video.sessions.v1")),
            Principal("video", "The video bridges", ("video.rooms.v1", "video.sessions.v1"), ("video.sessions.v1",)),
            Principal("mailbox", "The mailbox connectors", ("mailbox.deliveries.v1",), ("mailboxes.v1", "receipts.v1")),
            Principal("register", "The register connector", (), ("persons.v1",)),
            Principal("sms", "The notification connector", ("notifications.v1",), ("receipts.v1",)),
            Principal("print", "A print provider's connector", (), ("receipts.v1",)),
        )
    }
)


class Acl(NamedTuple):
    """One ACL row in Kafka's words; always an allow, from any host."""

    principal: str
    operation: Literal["Read", "Write", "Describe"]
    resource_type: Literal["Topic", "Group"]
    resource: str
    pattern: Literal["Literal", "Prefixed"]


def acls(principal: Principal) -> list[Acl]:
    """Kafka's ACLs of a principal. A superuser has none: the broker knows it by `super.users`."""
    if principal.superuser:
        return []
    who = f"User:{principal.name}"
    rows = [
        Acl(who, operation, "Topic", topic, "Literal")
        for topics, verb in ((principal.reads, "Read"), (principal.writes, "Write"))
        for topic in topics
        for operation in _with_describe(verb)
    ]
    if principal.reads:
        rows += [Acl(who, "Read", "Group", principal.name, "Literal")]
        rows += [Acl(who, "Read", "Group", f"{principal.name}.", "Prefixed")]
    return list(dict.fromkeys(rows))


def all_acls() -> list[Acl]:
    """The whole ACL table of the broker."""
    return [row for principal in PRINCIPALS.values() for row in acls(principal)]


def may_read(principal: str, topic: str) -> bool:
    """Whether a principal may read a topic."""
    return topic in PRINCIPALS[principal].reads


def may_write(principal: str, topic: str) -> bool:
    """Whether a principal may write to a topic."""
    return topic in PRINCIPALS[principal].writes


def _with_describe(verb: str) -> tuple[Literal["Read", "Write", "Describe"], ...]:
    return ("Read", "Describe") if verb == "Read" else ("Write", "Describe")
