"""What each channel can do, as data: the rules (ARCHITECTURE 7) choose by it. Settings that need more are refused (`config.plans`)."""

from collections.abc import Mapping
from typing import Final, NamedTuple

KIVRA_JSON_BYTES_MAX: Final = 1_000_000
"""Kivra's limit of one content as JSON; the content is base64 in it."""
MM_SOAP_BYTES_MAX: Final = 2_097_152
"""Mina meddelanden's limit of one SOAP request; the content is base64 in a signed delivery that is base64 again."""
KIVRA_ENVELOPE_BYTES: Final = 16_000
"""Room kept for what stands around the content in the JSON."""
MM_ENVELOPE_BYTES: Final = 48_000
"""Room kept for signatures, certificates and headers in the SOAP request."""


class Channel(NamedTuple):
    """A channel's abilities. `bytes_max` is of content: body, footer and decoded attachments together; 0: it carries no document.

    `dedupes`: it recognises a repeat of the identical bytes, so that a send in doubt may be made again by itself (of Kivra's, where the
    tenant has duplicate control: `peers.kivra.recognises_repeats`). `quiet_hours`: it disturbs people, so it can be held back.
    """

    name: str
    bytes_max: int
    age_min: int
    read_receipt: bool
    acceptance: bool
    dedupes: bool
    quiet_hours: bool = False


CHANNELS: Final[Mapping[str, Channel]] = {
    row.name: row
    for row in (
        #       name               bytes_max                                                 age  read   accept dedupes quiet
        Channel("app",             5_000_000,                                                0,   True,  False, True),
        Channel("kivra",           (KIVRA_JSON_BYTES_MAX - KIVRA_ENVELOPE_BYTES) * 3 // 4,   18,  False, True,  True),
        Channel("mina_meddelanden", (MM_SOAP_BYTES_MAX - MM_ENVELOPE_BYTES) * 9 // 16,       18,  False, True,  False),
        Channel("sms",             0,                                                        0,   False, True,  False,  True),
    )
}  # fmt: skip

MAILBOXES: Final = ("kivra", "mina_meddelanden")
