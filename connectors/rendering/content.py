"""What is rendered, and what it becomes."""

from dataclasses import dataclass, field
from datetime import date
from typing import Final, Literal

from connectors.rendering.reading import plain
from schemas.fields import Kind

KIND_WORDS: Final[dict[Kind, str]] = {"kallelse": "Kallelse", "brev": "Brev", "remissbekraftelse": "Remissbekräftelse"}
MONTHS: Final = (
    "januari", "februari", "mars", "april", "maj", "juni", "juli", "augusti", "september", "oktober", "november", "december",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RenderContent:
    """A document as the ledger keeps it. Not printed: it is personal data. No address: that is a matter of the envelope."""

    kind: Kind
    title: str = field(repr=False)
    body: str = field(repr=False)
    """As the EHR sent it, or sanitised already: what may not stay is taken out here in any case (C6)."""
    body_format: Literal["text", "html"]
    footer: str = field(repr=False)
    """Text; delivered with the body, control code and all (C1)."""
    unit_name: str
    sent: date
    """The day in Europe/Stockholm: the one date in the letter, and the PDF's own."""

    @property
    def day(self) -> str:
        return f"{self.sent.day} {MONTHS[self.sent.month - 1]} {self.sent.year}"

    @property
    def kind_word(self) -> str:
        return KIND_WORDS[self.kind]

    @property
    def heading(self) -> str:
        """The title; a document must be called something."""
        return " ".join(plain(self.title).split()) or self.kind_word

    @property
    def unit(self) -> str:
        return plain(self.unit_name)


@dataclass(frozen=True, slots=True)
class Rendered:
    """The same letter twice."""

    html: str = field(repr=False)
    pdf: bytes = field(repr=False)
