"""The one mailbox path of a document, by what each channel can do (`schemas.capabilities`; R9, C10, P5)."""

from collections.abc import Mapping, Sequence
from typing import Final

from pipelines.rules.catalogue import said
from pipelines.rules.model import AccountState, Mailbox, Operator, Person, Step
from schemas.capabilities import CHANNELS, Channel

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
