"""What the connector must be told: addresses, whose number the mail has, and where the keys lie."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from connectors.mina_meddelanden.names import SENDER_ID
from connectors.mina_meddelanden.signing import Signatory
from connectors.mina_meddelanden.wire import Signatories

SUPPORT: Final = "Kontakta mottagningen som har skickat brevet. Kontaktuppgifterna står i brevet."
"""What a mailbox shows beside every letter; a unit's name may be a reason for care, so none is here (N2)."""


@dataclass(frozen=True, slots=True)
class Options:
    """Settings `[peers.mina_meddelanden]`, with the hub's sender. Raises `ValueError` naming what is wrong."""

    far_url: str
    """DIGG's Recipient service, version 3."""
    allowed_hosts: Collection[str]
    """Hosts of mailbox operators a letter may be sent to, whatever the Recipient service answers."""
    sender: str
    """The organisation number mailboxes know the hub by, `16…`."""
    sender_name: str
    """What a mailbox shows as the sender: the public body, never a unit (N2)."""
    sender_key_file: Path
    sender_certificate_file: Path
    mediator_key_file: Path
    mediator_certificate_file: Path
    support: str = SUPPORT
    phone: str = ""

    def __post_init__(self) -> None:
        far = urlsplit(self.far_url)
        if far.scheme not in ("https", "http") or not far.hostname:
            raise ValueError("far_url: should be an https address")
        if far.scheme == "http" and far.hostname not in ("localhost", "127.0.0.1"):
            raise ValueError("far_url: only a stand-in on this machine may be asked without TLS")
        if not self.allowed_hosts:
            raise ValueError("allowed_hosts: names no host, so no letter could be sent")
        if not SENDER_ID.fullmatch(self.sender):
            raise ValueError("sender: should be 16 and an organisation number")

    def signatories(self) -> Signatories:
        """Both keys, read from their files once. Raises `ValueError` or `OSError`."""
        sender = Signatory.read(self.sender_key_file, self.sender_certificate_file)
        if sender.organisation != self.sender:
            raise ValueError("sender_certificate_file: its serialNumber is not the sender's number")
        return Signatories(sender, Signatory.read(self.mediator_key_file, self.mediator_certificate_file))
