"""Mailbox channels and text channels under the one face that lanes know. `make` is pure and costly, `send` moves bytes."""

from collections.abc import Callable, Mapping
from typing import Any, cast
from uuid import UUID

from connectors.channels import Enclosure, Letter, MailboxChannel, Operator, Sent, Text, TextChannel
from connectors.delivering.ports import Content, Due, Launched, Made, Render
from schemas.errors import Rejected


class MailboxCarrier:
    """Renders a document, has the channel encode it, and sends the kept bytes."""

    def __init__(self, channel: MailboxChannel, render: Render) -> None:
        self._channel = channel
        self._render = render
        self.name = channel.name
        self.dedupes = channel.dedupes

    def make(self, due: Due, prepared: Any) -> Made:
        """`prepared` is `pipelines.ledger.sends.LetterContent`. Raises `Rejected` where the channel cannot take it (C10)."""
        p = prepared
        page = self._render(Content(p.kind, p.title, p.body, p.body_format, p.footer, p.unit_name, p.sent))
        enclosures = tuple(Enclosure(one.name, one.content_type, one.data) for one in p.files)
        letter = Letter(due.send, p.recipient, p.operator, p.kind, p.title, page.html, page.pdf, enclosures, p.unit, p.unit_name, p.sent)
        return Made(self._channel.encode(letter), p.person)

    async def send(self, due: Due, launched: Launched) -> Sent:
        return await self._channel.send(
            launched.request, recipient=launched.recipient, operator=cast(Operator, launched.operator), delivery_id=due.send
        )


class TextCarrier:
    """Texts of fixed words (N2). No provider recognises a repeat, so none is made by itself."""

    dedupes = False

    def __init__(
        self, channel: TextChannel, words: Callable[[str, Mapping[str, str]], str | None], callback_url: Callable[[UUID], str]
    ) -> None:  # fmt: skip
        self._channel = channel
        self._words = words
        self._callback_url = callback_url
        self.name = "sms"

    def make(self, due: Due, prepared: Any) -> Made:
        """`prepared` is `pipelines.ledger.sends.TextContent`."""
        words = self._words(due.template or "", prepared.filled)
        if words is None:
            raise Rejected("no_such_template")
        text = Text(due.send, prepared.to, words, self._callback_url(due.send))
        return Made(self._channel.encode(text), prepared.person, prepared.to)

    async def send(self, due: Due, launched: Launched) -> Sent:
        return await self._channel.send(launched.request, notification_id=due.send)
