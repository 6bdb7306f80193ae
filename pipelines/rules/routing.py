"""Routes a document (DOMAIN section 3): one ordered table of rules; the first that applies decides.

`route` serves first decisions and later ones (R15) alike: the document says how far things have come, the facts are read
afresh, and the 48 hours never start anew. A rule that does not apply leaves a step in the trace and hands on by answering
None. Questions that do not arise leave no step (R15 for a document that is decided for the first time).
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Final

from pipelines.rules import channels, deadline, identity, ombud, ways
from pipelines.rules.catalogue import said
from pipelines.rules.model import (
    AppCopy,
    AttachmentVerdict,
    CodeVerdict,
    Decision,
    Document,
    MailboxCopy,
    Person,
    PrintCopy,
    Reason,
    Recipient,
    Settled,
    Step,
)
from schemas.policy import Limits

_R1_NO: Final = said("R1.e_brev", False)
_R1: Final = said("R1.other", True)
_R2_NO: Final = said("R2.alive", False)
_R2: Final = said("R2.deceased", True)
_R3_NO: Final = said("R3.none", False)
_R3_APP: Final = said("R3.app", False, protection="sekretessmarkering")
ESCALATED: Final = said("R3.escalated", True)
"""The ledger's timer says it: nobody with the permission opened the entry in the set time."""
_R4_NO: Final = said("R4.no", False)
_R4: Final = said("R4.reserve", True)
_R5: Final = tuple(said(f"R5.{verdict.name.lower()}", verdict > CodeVerdict.RIGHT, verdict=verdict.name.lower()) for verdict in CodeVerdict)
_R6: Final = tuple(
    said(f"R6.{verdict.name.lower()}", verdict > AttachmentVerdict.RIGHT, verdict=verdict.name.lower()) for verdict in AttachmentVerdict
)
_R15_SETTLED: Final = said("R15.settled", True)
_R15_HANDLED: Final = said("R15.handled", True)

CODE_REASONS: Final[Mapping[CodeVerdict, Reason]] = {
    CodeVerdict.MISSING: "control_code_missing",
    CodeVerdict.OTHER_KIND: "control_code_other_kind",
    CodeVerdict.OUTSIDE_FOOTER: "control_code_outside_footer",
    CodeVerdict.MALFORMED: "control_code_malformed",
    CodeVerdict.UNKNOWN: "control_code_unknown",
}
ATTACHMENT_REASONS: Final[Mapping[AttachmentVerdict, Reason]] = {
    AttachmentVerdict.NOT_PDF: "attachment_not_pdf",
    AttachmentVerdict.NOT_E_BREV: "attachment_not_e_brev",
}
TRACKING: Final = ways.RULES | {_R15_SETTLED.rule}
"""Rules after which `Decision.recipients` says which of the given agents still are recipients; the others do not ask."""

# Members of an Enum are looked up by Python code in 3.11; these names are not.
_NOT_PRINTED: Final = PrintCopy.NEVER
_OPEN: Final = PrintCopy.OPEN
_HANDLED: Final = PrintCopy.HANDLED
_RELEASED: Final = PrintCopy.RELEASED
_ACCEPTED: Final = MailboxCopy.ACCEPTED

Judge = Callable[[Person, Document, Limits, datetime, list[Step]], Decision | None]


def route(person: Person, document: Document, limits: Limits, now: datetime) -> Decision:
    """What the rules want for this document now, with the trace of every rule that was tried."""
    if document.print is _OPEN and _is_confirmed(person, document, limits, now):
        decision = route(person, released(document, now), limits, now)
        return decision._replace(release=True, steps=(identity.RELEASED, *decision.steps))
    steps: list[Step] = []
    for judge in TABLE:
        found = judge(person, document, limits, now, steps)
        if found is not None:
            return found
    return ways.settle_on(ways.find(person, document, limits, now, steps), person, document, limits, now, steps)


def released(document: Document, now: datetime) -> Document:
    """P8: the register has confirmed the person; the entry leaves the list and the 48 hours count from now (R15)."""
    return document._replace(print=PrintCopy.RELEASED, reason=None, manual=False, print_class="ordinary", count_from=now)


def _e_brev(_person: Person, document: Document, _limits: Limits, _now: datetime, steps: list[Step]) -> Decision | None:
    """R1 (C4)."""
    if document.e_brev:
        steps.append(_R1_NO)
        return None
    return Decision(_R1.rule, "record", steps=(_R1,))


def _concluded(person: Person, document: Document, limits: Limits, _now: datetime, steps: list[Step]) -> Decision | None:
    """R15: settled and handled documents stay as they are, but an unread copy of a protected person is withdrawn (P10)."""
    if document.settled or document.mailbox is _ACCEPTED:
        steps.append(_R15_SETTLED)
        return Decision(
            _R15_SETTLED.rule, "settle", recipients=_remaining(person, document, limits, _now),
            withdraw=document.settled is not Settled.READ and _withdraws(person, document, limits), steps=tuple(steps),
        )  # fmt: skip
    if document.print is not _HANDLED:
        return None
    steps.append(_R15_HANDLED)
    return Decision(
        _R15_HANDLED.rule, "print", ("print",), document.reason, _remaining(person, document, limits, _now),
        manual=document.manual, print_class=document.print_class,
        withdraw=_withdraws(person, document, limits), steps=tuple(steps),
    )  # fmt: skip


def _register(person: Person, document: Document, limits: Limits, now: datetime, steps: list[Step]) -> Decision | None:
    """P8. What is in the print queue already needs no look-up: the hub does nothing more with it by itself."""
    state = identity.register_state(person, now, limits)
    if state == "fresh" or state == "not_needed":
        steps.append(identity.passed(person, now, state))
        return None
    if document.print is _OPEN:
        steps.append(identity.QUEUED)
        return None
    at, _early = deadline.due(document, limits)
    if state == "stale":
        # At the deadline too the register is asked first; the deadline then is the end of our patience, never in the past.
        review_at = now + identity.LOOK_UP_PATIENCE
        steps.append(identity.STALE)
        return Decision(
            identity.STALE.rule, "wait", deadline=max(at, review_at), review_at=review_at, look_up=(person.uid,),
            steps=tuple(steps),
        )  # fmt: skip
    if now < at:
        steps.append(identity.UNVERIFIED)
        return Decision(identity.UNVERIFIED.rule, "wait", deadline=at, look_up=(person.uid,), steps=tuple(steps))
    steps.append(identity.PRINTED)
    decision = ways.to_print(identity.PRINTED.rule, "identity_unverified", person, document, limits, now, steps, manual=True)
    return decision._replace(look_up=(person.uid,))


def _alive(person: Person, document: Document, limits: Limits, now: datetime, steps: list[Step]) -> Decision | None:
    """R2 (P3), before R3; a dead person's protection still shuts the app (P10) and chooses the class."""
    if not person.deceased:
        steps.append(_R2_NO)
        return None
    steps.append(_R2)
    return ways.to_print(
        _R2.rule,
        "deceased",
        person,
        document,
        limits,
        now,
        steps,
        manual=True,
        withdraw=_withdraws(person, document, limits),
    )


def _unprotected(person: Person, document: Document, limits: Limits, now: datetime, steps: list[Step]) -> Decision | None:
    """R3 (P1). With the provider's switch the app, and only the app, is open for sekretessmarkering."""
    if not person.protection:
        steps.append(_R3_NO)
        return None
    if not _is_shut(person, limits):
        steps.append(_R3_APP)
        return None
    step = _r3(person.protection.name.lower())
    steps.append(step)
    return ways.to_print(
        step.rule,
        "protected_identity",
        person,
        document,
        limits,
        now,
        steps,
        withdraw=_withdraws(person, document, limits),
    )


def _queued(person: Person, document: Document, limits: Limits, now: datetime, steps: list[Step]) -> Decision | None:
    """R15: in the print queue a document is decided again only by the rules before this one."""
    if document.print is _NOT_PRINTED or document.print is _RELEASED:
        return None
    steps.append(_r15_queued(document.reason))
    return Decision(
        _R15_SETTLED.rule, "print", ("print",), document.reason, _remaining(person, document, limits, now),
        manual=document.manual, print_class=document.print_class, steps=tuple(steps),
    )  # fmt: skip


def _number(person: Person, document: Document, limits: Limits, now: datetime, steps: list[Step]) -> Decision | None:
    """R4 (P2)."""
    if not person.reserve_only:
        steps.append(_R4_NO)
        return None
    steps.append(_R4)
    return ways.to_print(_R4.rule, "reserve_number", person, document, limits, now, steps)


def _code(person: Person, document: Document, limits: Limits, now: datetime, steps: list[Step]) -> Decision | None:
    """R5 (C1, C2)."""
    steps.append(step := _R5[document.code])
    if not step.applied:
        return None
    return ways.to_print(step.rule, CODE_REASONS[document.code], person, document, limits, now, steps)


def _attachments(person: Person, document: Document, limits: Limits, now: datetime, steps: list[Step]) -> Decision | None:
    """R6 (C5)."""
    steps.append(step := _R6[document.attachments])
    if not step.applied:
        return None
    reason = ATTACHMENT_REASONS[document.attachments]
    return ways.to_print(step.rule, reason, person, document, limits, now, steps)


def _size(person: Person, document: Document, limits: Limits, now: datetime, steps: list[Step]) -> Decision | None:
    """C10: what one channel cannot take counts as refused there; here, what none can."""
    if document.size <= channels.BYTES_MAX:
        steps.append(channels.FITS)
        return None
    steps.append(step := channels.too_large(document.size))
    return ways.to_print(step.rule, "too_large", person, document, limits, now, steps)


TABLE: Final[tuple[Judge, ...]] = (
    _e_brev,       # R1
    _concluded,    # R15
    _register,     # P8
    _alive,        # R2
    _unprotected,  # R3
    _queued,       # R15
    _number,       # R4
    _code,         # R5
    _attachments,  # R6
    _size,         # C10; then ways.py: R7, R8, R9, and R10, R11, R12, R14
)  # fmt: skip


def _is_confirmed(person: Person, document: Document, limits: Limits, now: datetime) -> bool:
    """An entry made for want of a confirmation, whose person now has one (and no protection or death, R2, R3)."""
    return document.reason == "identity_unverified" and identity.register_state(person, now, limits) == "fresh"


def _is_shut(person: Person, limits: Limits) -> bool:
    """Whether a protection closes every digital channel."""
    return bool(person.protection) and not identity.opened_for(person, limits)


def _withdraws(person: Person, document: Document, limits: Limits) -> bool:
    return document.app is AppCopy.OPEN and _is_shut(person, limits)


def _remaining(person: Person, document: Document, limits: Limits, now: datetime) -> tuple[Recipient, ...]:
    """Those who were given the document and still count; nobody joins a document that is on paper or settled."""
    if not document.given:
        return ()
    found = ombud.of_document(person, document.sent, limits, now)
    given = {uid for uid, _role in document.given}
    return tuple(recipient for recipient in found.recipients if recipient.uid in given)


@lru_cache(maxsize=8)
def _r3(protection: str) -> Step:
    return said("R3.protected", True, protection=protection)


@lru_cache(maxsize=32)
def _r15_queued(reason: str | None) -> Step:
    return said("R15.queued", True, reason=reason)
