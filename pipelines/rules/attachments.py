"""Judges the attachments of a document (C5): all must be PDF, and system-wide templates marked for e-brev.

Both the declared type and the bytes must be PDF: the one is what a reader's program goes by, the other what it finds.
Any attachment that fails takes the whole document to print (R6); not-PDF is told first, as staff mend it first.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from pipelines.rules.model import AttachmentVerdict

MAGIC: Final = b"%PDF-"
"""ISO 32000-1 section 7.5.2: the header of a PDF file, at its first byte."""


class AttachmentFacts(NamedTuple):
    """What C5 asks of one attachment. `head` is its first bytes, at least as many as `MAGIC` has."""

    content_type: str
    head: bytes
    shared: bool
    e_brev: bool


def is_pdf(content_type: str, head: bytes) -> bool:
    """Whether the declared type (parameters tolerated, RFC 9110 section 8.3.1) and the bytes are both PDF."""
    return content_type.partition(";")[0].strip().lower() == "application/pdf" and head.startswith(MAGIC)


def judge(items: Sequence[AttachmentFacts]) -> AttachmentVerdict:
    """The verdict on all attachments of a document together."""
    if any(not is_pdf(item.content_type, item.head) for item in items):
        return AttachmentVerdict.NOT_PDF
    if any(not (item.shared and item.e_brev) for item in items):
        return AttachmentVerdict.NOT_E_BREV
    return AttachmentVerdict.RIGHT
