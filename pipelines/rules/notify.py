"""Who is notified of what (N1, V7), who never is (N3), and with which template (N2: no personal or care data in any)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from pipelines.rules.model import AccountState, Notify, Person, Recipient

NotifyKind = Literal["document", "booking", "reminder"]

TEMPLATES: Final[Mapping[NotifyKind, str]] = {
    "document": "document_new",
    "booking": "booking_video_new",
    "reminder": "booking_video_reminder",
}
"""N2: one fixed text for each kind; it tells that there is something, never what, from whom or about whom."""

_BLOCKED: Final = AccountState.BLOCKED


def notify(person: Person, recipients: tuple[Recipient, ...], kind: NotifyKind, not_after: datetime, now: datetime) -> tuple[Notify, ...]:
    """The requests for these recipients. A holder of a fullmakt gets none (P7); nobody does when it has lost its point."""
    if person.deceased or person.protection or person.account is _BLOCKED or now >= not_after:
        return ()
    template = TEMPLATES[kind]
    told = []
    for recipient in recipients:
        role = recipient.role
        if role == "fullmakt":
            continue
        phone = person.phone if role == "resident" else _has_phone(person, recipient.uid)
        told.append(Notify(recipient, "sms" if phone else "push", kind, template, not_after))
    return tuple(told)


def _has_phone(person: Person, ombud: UUID) -> bool:
    return any(link.phone for link in person.agents if link.uid == ombud)
