"""Mina meddelanden as one path to mailboxes: the port `connectors.channels.MailboxChannel`.

A letter goes only where DIGG's Recipient service says it goes, asked again right before: an answer given at routing may
be hours old, and the mailbox may have moved. That question does nothing, so whatever fails in it leaves the letter
unsent and repeatable; only the delivery itself can be in doubt, and then it is never repeated, as no operator recognises
a letter it has already (notes 1.8).
"""

import ssl
from collections.abc import Mapping, Sequence
from typing import Final, Self
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog

from connectors.channels import Letter, Operator, Sent
from connectors.mina_meddelanden import wire
from connectors.mina_meddelanden.client import DELIVERY_LIMITS, QUESTION_LIMITS, MailboxClient
from connectors.mina_meddelanden.delivery import Attachment, Delivery
from connectors.mina_meddelanden.faults import QUESTION_ERRORS
from connectors.mina_meddelanden.names import HEADERS, MESSAGE_V2, RECIPIENT_ID, UUID_FORM
from connectors.mina_meddelanden.options import Options
from connectors.mina_meddelanden.recipients import Reachability
from connectors.mina_meddelanden.wire import Signatories
from connectors.peer import Call, Limits, loggable
from connectors.phrases import SUBJECTS
from schemas import xml
from schemas.errors import Rejected, Unavailable, Uncertain

OPERATORS: Final[tuple[Operator, ...]] = ("billo", "minmyndighetspost", "fortnox")
"""The operators of this path; Kivra has its own, and a document takes one of them (R9)."""
SAYS_NO: Final = frozenset(row.code for row in QUESTION_ERRORS if row.failure == "rejected")
"""Codes by which the Recipient service itself refuses; any other refusal of the question says nothing about the letter."""
UNNAMED: Final = "Bilaga.pdf"
SWEDEN: Final = ZoneInfo("Europe/Stockholm")
log = structlog.get_logger()


class MinaMeddelanden:
    """One mediator. Make it within the event loop; use as an async context manager. `encode` may run in any thread."""

    name: Final = "mina_meddelanden"
    dedupes: Final = False

    def __init__(
        self,
        options: Options,
        by: Signatories,
        *,
        tls: ssl.SSLContext | None = None,
        questions: Limits = QUESTION_LIMITS,
        deliveries: Limits = DELIVERY_LIMITS,
    ) -> None:
        self._options = options
        self._by = by
        self._client = MailboxClient(options.far_url, options.allowed_hosts, tls=tls, questions=questions, deliveries=deliveries)

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.__aexit__(None, None, None)

    def encode(self, letter: Letter) -> bytes:
        """The signed and sealed request. The same letter and keys give the same bytes: the seal's day is the letter's."""
        _has_mailbox(letter.recipient)
        if letter.operator not in OPERATORS:
            raise Rejected("another_path")
        day = letter.sent.astimezone(SWEDEN).date()
        return wire.encode(self._delivery(letter), self._by, day).body

    def _delivery(self, letter: Letter) -> Delivery:
        """The substance is in the body, as the contract wants; the enclosures are beside it. The PDF would say it twice."""
        options, name = self._options, str(letter.delivery_id)
        return Delivery(
            sender=options.sender,
            sender_name=options.sender_name,
            recipient=letter.recipient,
            message_id=name,
            reference=name,
            subject=SUBJECTS[letter.kind],
            support=options.support,
            phone=options.phone,
            body=letter.html.encode(),
            attachments=tuple(Attachment(xml.legal(each.name).strip() or UNNAMED, each.data) for each in letter.enclosures),
        )

    async def send(self, request: bytes, *, recipient: str, operator: Operator, delivery_id: UUID) -> Sent:
        """Ask where the mailbox is now, and hand the letter over there. Nothing is sent that is not this person's letter."""
        _has_mailbox(recipient)
        if not _is_for(request, recipient, delivery_id):
            raise Rejected("another_letter")
        found = (await self._ask([recipient]))[recipient]
        if not found.reachable:
            raise Rejected(found.because)
        if found.operator != operator or operator not in OPERATORS:
            raise Rejected("another_operator")
        receipt = await self._client.deliver(found.address, recipient, Call("", request, HEADERS, changes=True))
        return Sent(receipt.transaction if UUID_FORM.fullmatch(receipt.transaction) else loggable(receipt.transaction))

    async def reach(self, people: Sequence[str]) -> Mapping[str, Mapping[Operator, bool]]:
        """Operator -> whether the mailbox takes our mail. Of somebody who cannot be asked about (P2), no."""
        found = await self._ask(people)
        none = Reachability(None, "", "not_asked")
        return {person: {operator: found.get(person, none).operator == operator for operator in OPERATORS} for person in people}

    async def _ask(self, people: Sequence[str]) -> dict[str, Reachability]:
        try:
            found = await self._client.reachable(self._options.sender, people)
        except Uncertain as lost:
            raise Unavailable(lost.code, lost.detail) from None
        except Rejected as refused:
            if refused.code in SAYS_NO:
                raise
            raise Unavailable(refused.code, refused.detail) from None
        for row in found.values():
            if row.because == "host_not_allowed":
                log.warning("mailbox_operator_on_a_host_that_is_not_allowed")
        return found


def _has_mailbox(person: str) -> None:
    """A reserve number has none, and nobody is told of it (P2)."""
    if not RECIPIENT_ID.fullmatch(person):
        raise Rejected("reserve_number")


def _is_for(request: bytes, recipient: str, delivery_id: UUID) -> bool:
    """Whether these bytes of `encode` are this delivery's to this person: a mix-up would show somebody another's letter."""
    namespace = MESSAGE_V2[1:-1]
    marks = (f'<Recipient xmlns="{namespace}">{recipient}</Recipient>', f'<Reference xmlns="{namespace}">{delivery_id}</Reference>')
    return all(request.count(mark.encode()) == 1 for mark in marks)
