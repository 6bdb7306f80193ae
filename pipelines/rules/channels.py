"""What each channel can do, as data (ARCHITECTURE decision 7), and the one mailbox path of a document (R9, C10, P5)."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from pipelines.rules.catalogue import said
from pipelines.rules.model import AccountState, Mailbox, Operator, Person, Step

KIVRA_JSON_BYTES_MAX: Final = 1_000_000
"""Kivra's limit of one content as JSON; the content is base64 in it."""
MM_SOAP_BYTES_MAX: Final = 2_097_152
"""Mina meddelanden's limit of one SOAP request; the content is base64 in a signed delivery that is base64 again."""
KIVRA_ENVELOPE_BYTES: Final = 16_000
"""Room kept for what stands around the content in the JSON."""
MM_ENVELOPE_BYTES: Final = 48_000
"""Room kept for signatures, certificates and headers in the SOAP request."""


class Channel(NamedTuple):
    """A channel's abilities. `bytes_max` is of content: body, footer and decoded attachments together."""

    name: str
    bytes_max: int
    age_min: int
    read_receipt: bool
    acceptance: bool
    dedupes: bool


CHANNELS: Final[Mapping[str, Channel]] = {
    row.name: row
    for row in (
        #       name               bytes_max                                                 age  read   accept dedupes
        Channel("app",             5_000_000,                                                0,   True,  False, True),
        Channel("kivra",           (KIVRA_JSON_BYTES_MAX - KIVRA_ENVELOPE_BYTES) * 3 // 4,   18,  False, True,  True),
        Channel("mina_meddelanden", (MM_SOAP_BYTES_MAX - MM_ENVELOPE_BYTES) * 9 // 16,       18,  False, True,  False),
    )
}  # fmt: skip

PATHS: Final[Mapping[Operator, Channel]] = {
    operator: CHANNELS["kivra" if operator is Operator.KIVRA else "mina_meddelanden"] for operator in Operator
}
"""The channel by which an operator is reached."""

BYTES_MAX: Final = max(channel.bytes_max for channel in CHANNELS.values())
FITS: Final = said("C10.fits", False)


_ACTIVE: Final = AccountState.ACTIVE


def too_large(size: int) -> Step:
    """The step of a document that no channel can take (C10)."""
    return said("C10.too_large", True, bytes=size, bytes_max=BYTES_MAX)


def app_is_open(person: Person) -> bool:
    """A blocked account counts as missing (P5)."""
    return person.account is _ACTIVE


def choose(mailboxes: Sequence[Mailbox]) -> Operator | None:
    """The newest mailbox that accepts mail from this sender; Kivra first where two are equally new."""
    accepting = [box for box in mailboxes if box.accepts]
    if len(accepting) > 1:
        accepting.sort(key=_newest)
    return accepting[-1].operator if accepting else None


def _newest(box: Mailbox) -> tuple[float, int]:
    return box.as_of.timestamp(), -box.operator
