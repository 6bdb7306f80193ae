"""How far a document has come, and the only ways it moves on: a decision, a reading, an answer, the staff's hand (R13, P10).

Each function gives the next state and what must be published because of it. Doing the same twice changes nothing the second
time. The tables hold every move there is; what they do not hold stays as it is.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal

from pipelines.rules.model import (
    AppCopy,
    Decision,
    Document,
    Effects,
    MailboxCopy,
    Person,
    PrintCopy,
    Recipient,
    Role,
    Settled,
)
from pipelines.rules.notify import notify
from pipelines.rules.routing import TRACKING, released

Answer = Literal["accepted", "refused", "unknown"]

NOTHING: Final = Effects()
# Members of an Enum are looked up by Python code in 3.11; these names are not.
_OPEN: Final = AppCopy.OPEN
_NEVER: Final = MailboxCopy.NEVER
_REQUESTED: Final = MailboxCopy.REQUESTED

MAILBOX: Final[Mapping[tuple[MailboxCopy, Answer], MailboxCopy]] = {
    (MailboxCopy.REQUESTED, "accepted"): MailboxCopy.ACCEPTED,
    (MailboxCopy.REQUESTED, "refused"): MailboxCopy.REFUSED,
    (MailboxCopy.REQUESTED, "unknown"): MailboxCopy.UNKNOWN,
    (MailboxCopy.UNKNOWN, "accepted"): MailboxCopy.ACCEPTED,
    (MailboxCopy.UNKNOWN, "refused"): MailboxCopy.REFUSED,
    # An acceptance is a fact about the world: it counts whatever was answered or wanted before.
    (MailboxCopy.REFUSED, "accepted"): MailboxCopy.ACCEPTED,
    (MailboxCopy.WITHDRAWN, "accepted"): MailboxCopy.ACCEPTED,
}
LATE: Final[Mapping[Settled, Literal["read_late", "accepted_late"]]] = {
    Settled.READ: "read_late",
    Settled.ACCEPTED: "accepted_late",
}
"""R13: how an entry on the to-do list leaves it when the document settles after all."""
OUTCOMES: Final[Mapping[Settled, Literal["read", "accepted", "recorded"]]] = {
    Settled.READ: "read",
    Settled.ACCEPTED: "accepted",
    Settled.RECORDED: "recorded",
}
_NO_MAILBOX_FOR: Final = frozenset({"deceased", "protected_identity"})
"""Reasons for which a mailbox delivery not yet made is called back: nothing is sent (R2, R3)."""


def act(document: Document, person: Person, decision: Decision, now: datetime) -> tuple[Document, Effects]:
    """The state that a decision leads to. `now` is the moment for which `route` decided."""
    if decision.outcome == "deliver" and not decision.release:
        return _deliver(document, person, decision, now, None)
    if decision.reach:
        return document, NOTHING  # facts are gathered first (R9)
    if decision.release:
        document = released(document, now)
        if decision.outcome == "deliver":
            return _deliver(document, person, decision, now, "released")
        document, effects = _rest(document, decision, now)
        return document, effects._replace(print_settled="released")
    return _rest(document, decision, now)


def read(document: Document, role: Role, read_at: datetime, now: datetime) -> tuple[Document, Effects]:
    """A receipt by somebody who was a recipient in `role` when it was read.

    A holder of a fullmakt settles nothing (P7). Nothing can be read that was never given, or after it was withdrawn (R15).
    """
    del now
    if role == "fullmakt" or document.app is AppCopy.NEVER or document.settled is not Settled.NO:
        return document, NOTHING
    if document.app is AppCopy.WITHDRAWN and document.app_until is not None and read_at >= document.app_until:
        return document, NOTHING
    return _settle(document, Settled.READ)


def answered(document: Document, outcome: Answer, now: datetime) -> tuple[Document, Effects]:
    """A mailbox's answer, or an operator's ruling on an unknown one."""
    del now
    mailbox = MAILBOX.get((document.mailbox, outcome))
    if mailbox is None:
        return document, NOTHING
    document = document._replace(mailbox=mailbox)
    if mailbox is MailboxCopy.ACCEPTED and document.settled is Settled.NO:
        return _settle(document, Settled.ACCEPTED)
    return document, NOTHING


def handled(document: Document, now: datetime) -> tuple[Document, Effects]:
    """Staff printed the entry or marked it as handled; the event is theirs to publish (Q3)."""
    if document.print is not PrintCopy.OPEN:
        return document, NOTHING
    return document._replace(print=PrintCopy.HANDLED, handled_at=now), NOTHING


def undone(document: Document, now: datetime) -> tuple[Document, Effects]:
    """Staff took it back: the entry is open again, or settled where the document was read or accepted meanwhile."""
    del now
    if document.print is not PrintCopy.HANDLED:
        return document, NOTHING
    late = LATE.get(document.settled)
    if late is None:
        return document._replace(print=PrintCopy.OPEN, handled_at=None), NOTHING
    return document._replace(print=PrintCopy.SETTLED, handled_at=None), Effects(print_settled=late)


def _settle(document: Document, settled: Settled) -> tuple[Document, Effects]:
    """The first outcome is published once, at once; an entry still on the to-do list leaves it (R13)."""
    if document.print is PrintCopy.OPEN:
        moved = document._replace(settled=settled, print=PrintCopy.SETTLED)
        return moved, Effects(settled=OUTCOMES[settled], print_settled=LATE[settled])
    return document._replace(settled=settled), Effects(settled=OUTCOMES[settled])


def _deliver(
    document: Document, person: Person, decision: Decision, now: datetime, print_settled: Literal["released"] | None
) -> tuple[Document, Effects]:
    """Gives the app copy to those who have none and asks for the mailbox, once; nobody gets anything twice (R15)."""
    recipients = decision.recipients
    is_open = document.app is _OPEN
    known = document.given
    new = tuple([one for one in recipients if not _has(one, is_open, known)])
    given = tuple([(one.uid, one.role) for one in recipients if one.role != "resident"]) if recipients else ()
    asks = decision.operator if document.mailbox is _NEVER else None
    if not new and asks is None and print_settled is None:
        # Somebody may have left: they are told nothing, but what they read from now on no longer counts.
        return (document if given == known else document._replace(given=given)), NOTHING
    d = document
    moved = Document(
        d.kind, d.e_brev, d.code, d.attachments, d.size, d.sent, d.count_from, d.visit,
        _OPEN if new else d.app,
        given,
        d.mailbox if asks is None else _REQUESTED,
        d.operator if asks is None else asks,
        d.print, d.reason, d.manual, d.print_class, d.settled, None if new else d.app_until, d.handled_at,
    )  # fmt: skip
    told = notify(person, new, "document", decision.deadline or d.sent, now) if new else ()
    return moved, Effects(new, recipients, False, asks, False, False, print_settled, None, told)


def _has(recipient: Recipient, is_open: bool, given: tuple[tuple[object, Role], ...]) -> bool:
    return is_open and (recipient.role == "resident" or (recipient.uid, recipient.role) in given)


def _rest(document: Document, decision: Decision, now: datetime) -> tuple[Document, Effects]:
    """Everything but a delivery: recorded, waiting, or for the print queue."""
    if decision.outcome == "record":
        if document.settled is not Settled.NO:
            return document, NOTHING
        return document._replace(settled=Settled.RECORDED), Effects(settled=OUTCOMES[Settled.RECORDED])
    effects = NOTHING
    if document.given and decision.rule in TRACKING:
        still = {one.uid for one in decision.recipients}
        given = tuple(one for one in document.given if one[0] in still)
        if given != document.given:
            document = document._replace(given=given)
    if decision.withdraw and document.app is AppCopy.OPEN:
        document = document._replace(app=AppCopy.WITHDRAWN, app_until=now, given=())
        effects = effects._replace(withdrawn=True)
    if decision.outcome != "print":
        return document, effects
    if decision.reason in _NO_MAILBOX_FOR and document.mailbox is MailboxCopy.REQUESTED:
        document = document._replace(mailbox=MailboxCopy.WITHDRAWN)
    wanted = (decision.reason, decision.manual, decision.print_class)
    if document.print is PrintCopy.NEVER or document.print is PrintCopy.RELEASED:
        effects = effects._replace(print_entered=True)
    elif document.print is PrintCopy.OPEN and wanted != (document.reason, document.manual, document.print_class):
        effects = effects._replace(print_updated=True)
    else:
        return document, effects
    moved = document._replace(print=PrintCopy.OPEN, reason=decision.reason, manual=decision.manual, print_class=decision.print_class)
    return moved, effects
